/* The server's address. */
#include "agent/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

/* getaddrinfo with the flags given; fills r. */
static void look_up(struct resolve *r, int flags)
{
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)r->url->port);
    r->rc = getaddrinfo(r->url->host, port, &hints, &found);
    if (r->rc == 0) {
        memcpy(&r->addr, found->ai_addr, found->ai_addrlen);
        r->addr_len = found->ai_addrlen;
        freeaddrinfo(found);
    }
}

bool resolve_literal(struct resolve *r)
{
    if (r->url->literal) {
        look_up(r, AI_NUMERICHOST | AI_NUMERICSERV);
        return true;
    }
    if (span_ieq(span_str(r->url->host), SPAN("localhost"))) {
        /* Whatever the hosts file says: our server listens on 127.0.0.1 by default. */
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)&r->addr;
        *in = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons(r->url->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        r->addr_len = sizeof *in;
        r->rc = 0;
        return true;
    }
    return false;
}

void resolve_now(struct resolve *r)
{
    if (!resolve_literal(r)) {
        look_up(r, AI_NUMERICSERV | AI_ADDRCONFIG);
    }
}

static void on_work(struct work *w)
{
    look_up(CONTAINER_OF(w, struct resolve, work), AI_NUMERICSERV | AI_ADDRCONFIG);
}

static void on_done(struct work *w)
{
    struct resolve *r = CONTAINER_OF(w, struct resolve, work);
    r->running = false;
    if (!r->cancelled) {
        r->done(r);
    }
}

bool resolve_start(struct resolve *r, struct workers *workers)
{
    ASSERT(!r->running);
    r->work.loop = 0;
    r->work.work = on_work;
    r->work.done = on_done;
    r->running = workers_submit(workers, &r->work);
    return r->running;
}

const char *resolve_why(const struct resolve *r)
{
    return gai_strerror(r->rc);
}
