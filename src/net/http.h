/*
 * HTTP/1.1 server session. A request is read whole (head and body within the limits), given to
 * the handler, and answered once, now or later; the next request of the connection is looked at
 * after the answer, so pipelined answers keep their order. While a handler has the request, the
 * connection holds one http_exchange; between requests it holds none.
 *
 * A body may also be asked for piece by piece, and an answer's body given so: then neither is ever
 * held whole, and who is slower sets the pace through the socket's windows.
 *
 *     streams > 0 --> on_request --> http_body_next --> on_piece --> ... LAST --> the answer
 *     http_respond_begin --> http_respond_more --> on_writable --> ... --> the whole length
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
    span body;                 /* whole; empty when it is streamed */
    bool streamed;             /* the body comes by http_body_next */
    int refused_status;        /* HTTP_PIECE_BROKEN: the status to answer, and why */
    const char *refused_why;
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
    bool pulled;  /* http_body_next was called */
    bool sending; /* an answer has begun, `left` bytes are to come */
    bool keep;    /* the connection stays after it */
    uint64_t left;
};

/* The bytes of one piece at most. */
#define HTTP_PIECE_BYTES_MAX 65536

enum http_piece {
    HTTP_PIECE,        /* some of the body, at least a byte */
    HTTP_PIECE_LAST,   /* what was left of it, perhaps nothing */
    HTTP_PIECE_BROKEN, /* malformed, too long, or nothing came for http_body_ms: answer with
                          refused_status, now or later; the connection ends */
};

struct http_handler {
    /* A complete request. Answer with http_respond or ws_upgrade, now or later (keep the
     * conn_ref, find the exchange again with http_find). */
    void (*on_request)(struct http_exchange *x);
    /* The request is refused by net (malformed, too large, too slow): fill an answer with
     * http_respond(x, status, ...) now. req may be unparsed: only conn and arena are
     * valid, and path unless it is empty. */
    void (*on_refused)(struct http_exchange *x, int status, const char *why);
    /* The peer went away before the answer was out; x->user is to be released. May be NULL. */
    void (*on_abandoned)(struct http_exchange *x);
    /* A head is whole and a body is to come: how many bytes of it the handler takes in pieces, 0:
     * it is read whole. Of x only conn, req and path are valid. NULL: all are read whole. */
    uint64_t (*streams)(const struct http_exchange *x);
    /* What http_body_next asked for; `piece` is borrowed for the call. Where `streams` is set. */
    void (*on_piece)(struct http_exchange *x, span piece, enum http_piece what);
    /* An answer that was begun goes on: after HTTP_SENT_FULL, and perhaps besides. May be NULL. */
    void (*on_writable)(struct http_exchange *x);
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
/* Asks for the next piece of a streamed body: one on_piece follows, or on_abandoned; until then
 * nothing else is asked. Not after HTTP_PIECE_LAST. The first call lets a client that waits for 100
 * (Continue) go on. Nothing is read but between a call and its on_piece: who does not ask fills the
 * peer's window. on_piece may be called before this returns, unless this is called in on_request
 * or on_piece. An answer given before the last piece ends the connection. */
void http_body_next(struct http_exchange *x);

/* Begins an answer, as http_respond, with `bytes` of body to come from http_respond_more. False
 * when nothing is to come (HEAD, a length of 0): the exchange is gone then. */
bool http_respond_begin(struct http_exchange *x, unsigned status, const char *content_type,
                        uint64_t bytes) MUST_CHECK;
enum http_sent {
    HTTP_SENT_MORE, /* the socket takes more at once */
    HTTP_SENT_FULL, /* on_writable follows when it does; more may be given, and is kept till then */
    HTTP_SENT_ALL,  /* the answer is complete, the exchange gone */
};
/* The next bytes of it, 1 to those that are left (asserted); copied only if the socket does not
 * take them. Who cannot go on ends the connection (conn_close), which the peer sees as an answer
 * cut short. */
enum http_sent http_respond_more(struct http_exchange *x, span bytes) MUST_CHECK;
/* The connection will close after the answer. */
void http_close_after(struct http_exchange *x);

#endif
