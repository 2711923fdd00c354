/*
 * An answer whose body is written over time: server-sent events. The request is done for when the
 * head has left; what follows are the owner's bytes, until either side ends the connection. So the
 * body's end is the connection's (RFC 9112 6.3, last rule), which every version and proxy knows.
 * What the peer sends meanwhile is dropped; when it ends its side it has gone.
 */
#ifndef SB_NET_STREAM_H
#define SB_NET_STREAM_H

#include <stdint.h>

#include "net/conn.h"
#include "net/http.h"

/* What one kind of stream does: one const row an edge wire. */
struct stream_wire {
    const char *name;  /* metric and log label: "sse" */
    uint32_t write_ms; /* closed when a full socket takes nothing for so long; 0: never */
    /* net_limits.sse_heartbeat_ms have passed and nothing waits for the socket: show a sign of
     * life, with conn_send or otherwise. */
    void (*on_beat)(struct conn *c);
    /* The socket takes bytes again after conn_send came up short. May be NULL. */
    void (*on_writable)(struct conn *c);
    /* The stream is over (once, whatever the cause); `c` may not be used afterwards. What was
     * given to conn_send by then still leaves, unless the peer has gone. */
    void (*on_close)(struct conn *c, close_reason reason);
};

/*
 * Answers 200 with the fields added by http_header, and frees the exchange. `user` is the
 * stream's (stream_user). The body goes by conn_send and conn_send_rest, the end is conn_close.
 * NULL when the request was a HEAD: it is answered then, and its connection ends.
 */
struct conn *http_stream(struct http_exchange *x, const char *content_type,
                         const struct stream_wire *wire, void *user);
/* As given to http_stream. */
void *stream_user(const struct conn *c);

#endif
