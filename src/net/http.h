/*
 * HTTP/1.1 server session. A request is read whole (head and body within the limits), given to
 * the handler, and answered once, now or later; the next request of the connection is looked at
 * after the answer, so pipelined answers keep their order. While a handler has the request, the
 * connection holds one http_exchange; between requests it holds none.
 */
#ifndef SB_NET_HTTP_H
#define SB_NET_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "codec/http1/request.h"
#include "net/conn.h"
#include "tables/errors.h"

struct ws_wire;

struct http_exchange {
    struct conn *conn;
    struct http1_request *req; /* spans point into the exchange's copy of the head */
    span path;                 /* decoded and normalised (codec/http1/target.h) */
    span body;                 /* whole */
    struct arena arena;        /* the request's: freed after the answer */
    uint64_t started_ns;       /* loop time when the head was complete */
    void *user;                /* the handler's, while it works on the request */
    /* Private to net/: */
    buf head;
    buf body_bytes;
    buf extra; /* header fields added by http_header */
    bool answered;
    bool close_after;
    bool endless; /* the answer to HEAD where GET would stream: without a length */
};

struct http_handler {
    /* A complete request. Answer with http_respond or ws_upgrade, now or later (keep the
     * conn_ref, find the exchange again with http_find). */
    void (*on_request)(struct http_exchange *x);
    /* The request is refused by net (malformed, too large, too slow): fill an answer with
     * http_respond(x, status, ...) now. req may be unparsed: only conn and arena are
     * valid, and path unless it is empty. */
    void (*on_refused)(struct http_exchange *x, int status, const char *why);
    /* The peer went away before the answer; x->user is to be released. May be NULL. */
    void (*on_abandoned)(struct http_exchange *x);
};

/* The exchange that waits for its answer on that connection, or NULL when it is gone. */
struct http_exchange *http_find(struct net *n, struct conn_ref ref);
/* Adds a response field; values must be valid (asserted): check strangers' text first. */
void http_header(struct http_exchange *x, const char *name, span value);
/* Answers. Adds Date, Content-Length, Connection; leaves the body out for HEAD. The body is
 * copied only if the socket does not take it at once. The exchange is gone afterwards. */
void http_respond(struct http_exchange *x, unsigned status, const char *content_type, span body);
/* For an answer that waits long: from now on the end of the peer's stream ends the connection at
 * once, and on_abandoned follows; without it a peer that has ended its side still gets its answer
 * (RFC 9112 9.6). Never inside this call. What the peer sends ahead stays in the kernel and is read
 * after the answer; an end that is further behind than that shows only then. Costs nothing unless
 * the peer sends ahead. */
void http_watch(struct http_exchange *x);
/* The connection will close after the answer. */
void http_close_after(struct http_exchange *x);

#endif
