/* The listeners of every loop: TCP by SO_REUSEPORT, unix sockets by sharing one. */
#include "app/listeners.h"
#include "app/process.h"

#include "net/net.h"

#include <fcntl.h>
#include <string.h>

/* All loops accept from one socket, each through a descriptor of its own. */
static bool listen_on_unix(struct process *p, const struct listener_spec *l, buf *why)
{
    unsigned mode;
    bool octal = unix_socket_mode(config_str(p->config, CONFIG_unix_socket_mode), &mode);
    ASSERT(octal); /* settings_check */
    buf_printf(why, "listen %.*s: ", SPAN_FMT(l->text));
    int fd = unix_socket_listen(&l->addr, l->len, mode, &p->unix_sockets[p->unix_socket_count],
                                why);
    if (fd < 0) {
        return false;
    }
    p->unix_socket_count++;
    buf_clear(why);
    for (unsigned i = 0; i < p->count; i++) {
        int own = i + 1 == p->count ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ASSERT(own >= 0); /* start-up: nothing is served yet */
        net_listen_shared(p->edges[i]->net, own, l->flags);
    }
    return true;
}

void process_unlisten(struct process *p)
{
    while (p->unix_socket_count > 0) {
        unix_socket_remove(&p->unix_sockets[--p->unix_socket_count]);
    }
}

static bool listen_on_tcp(struct process *p, const struct listener_spec *l,
                          struct sockaddr_storage *bound, buf *why)
{
    struct sockaddr_storage addr = l->addr;
    /* The port must be ours alone: with SO_REUSEPORT a second server would share it silently. */
    int probe = poller_epoll_probe((const struct sockaddr *)&addr, l->len);
    if (probe < 0) {
        buf_printf(why, "listen %.*s: the address is in use or not this machine's: %s",
                   SPAN_FMT(l->text), strerror(-probe));
        return false;
    }
    for (unsigned i = 0; i < p->count; i++) {
        int rc = net_listen(p->edges[i]->net, (const struct sockaddr *)&addr, l->len, l->flags,
                            bound);
        if (rc < 0) {
            buf_printf(why, "listen %.*s: %s", SPAN_FMT(l->text), strerror(-rc));
            return false;
        }
        addr = *bound; /* port 0 was picked: the other loops share it */
    }
    p->listeners[p->edge.listener_count++] = *bound;
    return true;
}

static bool listen_on(struct process *p, const struct listener_spec *l, buf *addresses, buf *why)
{
    struct sockaddr_storage bound = {0};
    if (!(listener_is_unix(l) ? listen_on_unix(p, l, why) : listen_on_tcp(p, l, &bound, why))) {
        return false;
    }
    buf_append_str(addresses, addresses->len > 0 ? ",\"" : "\"");
    listener_format(l, &bound, addresses);
    buf_append_str(addresses, "\"");
    return true;
}

bool process_listen(struct process *p, buf *addresses, buf *why)
{
    span rest = span_str(config_str(p->config, CONFIG_listen));
    struct listener_spec l;
    const char *fault;
    while (listener_next(&rest, &l, &fault) == LISTENER_GOT) { /* settings_check: none is bad */
        if (!listen_on(p, &l, addresses, why)) {
            return false;
        }
    }
    return true;
}
