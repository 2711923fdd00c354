#include "app/listeners.h"

#include "loop/addr.h"
#include "net/net.h"

#include <stddef.h>
#include <string.h>
#include <sys/un.h>

static bool cut_prefix(span *text, span prefix)
{
    if (!span_starts(*text, prefix)) {
        return false;
    }
    *text = span_slice(*text, prefix.len, text->len);
    return true;
}

static const char *read_unix(span path, struct listener_spec *out)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (path.len < 2 || path.ptr[0] != '/' || span_find(path, '\0') >= 0) {
        return "needs an absolute path behind unix:";
    }
    if (path.len >= sizeof name.sun_path) {
        return "is longer than a socket's path may be (107 bytes)";
    }
    memcpy(name.sun_path, path.ptr, path.len);
    memset(&out->addr, 0, sizeof out->addr);
    memcpy(&out->addr, &name, sizeof name);
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    return NULL;
}

enum listener_next listener_next(span *rest, struct listener_spec *out, const char **fault)
{
    span one = SPAN_NONE;
    while (one.len == 0) {
        if (rest->ptr == NULL) {
            return LISTENER_END;
        }
        one = span_trim(span_cut(rest, ','));
    }
    *out = (struct listener_spec){.text = one};
    *fault = NULL;
    if (cut_prefix(&one, SPAN("proxy+"))) {
        out->flags |= NET_LISTEN_PROXY;
    }
    if (cut_prefix(&one, SPAN("unix:"))) {
        *fault = read_unix(one, out);
        return *fault == NULL ? LISTENER_GOT : LISTENER_BAD;
    }
    if (cut_prefix(&one, SPAN("tls://"))) {
        out->flags |= NET_LISTEN_TLS;
    }
    if (!addr_parse(one, &out->addr, &out->len)) {
        *fault = "is not address:port, tls://address:port or unix:/path, with or without proxy+ "
                 "in front";
        return LISTENER_BAD;
    }
    return LISTENER_GOT;
}

bool listener_is_unix(const struct listener_spec *l) { return l->addr.ss_family == AF_UNIX; }

void listener_format(const struct listener_spec *l, const struct sockaddr_storage *bound, buf *out)
{
    char name[ADDR_TEXT_MAX];
    if (listener_is_unix(l)) {
        buf_append_span(out, l->text);
        return;
    }
    addr_format(bound, name);
    buf_printf(out, "%s%s%s", (l->flags & NET_LISTEN_PROXY) ? "proxy+" : "",
               (l->flags & NET_LISTEN_TLS) ? "tls://" : "", name);
}
