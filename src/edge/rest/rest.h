/*
 * From an HTTP request to its answer. rest_handler is what net/ calls; each request that fits a
 * row of tables/routes.def becomes a rest_call and reaches the row's handler, after
 *
 *     conformance -> Host -> Origin -> Engine.IO -> preflight -> route -> authentication
 *                 -> permission -> rate limit -> body
 *
 * A handler is `void rest_<route>(struct rest_call *c)` and answers exactly once, with one of
 * the functions below that say "Answers"; the call is gone afterwards. It may answer later:
 *
 *     void rest_device_state(struct rest_call *c)
 *     {
 *         req = store_req_new(..., loaded, c);
 *         rest_later(c);
 *         store->submit(store, req);
 *     }
 *     static void loaded(struct store_req *req)
 *     {
 *         struct rest_call *c = rest_resume(req->owner);
 *         if (c != NULL) {
 *             ... rest_ok(c, data);
 *         }
 *         store_req_free(req);
 *     }
 *
 * Everything runs on the loop of the connection.
 */
#ifndef SB_EDGE_REST_REST_H
#define SB_EDGE_REST_REST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/uuid.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "domain/identity.h"
#include "edge/access.h"
#include "edge/edge.h"
#include "net/http.h"
#include "net/stream.h"
#include "tables/errors.h"
#include "tables/routes.h"

#define REST_REQUEST_ID_MAX 64   /* of X-Request-Id; a longer one is replaced by our own */
#define REST_PAGE_DEFAULT 50     /* `limit` of lists (CONTRACT 7) */
#define REST_PAGE_MAX 200        /* more is cut to this */

struct idem;

/* One request on its way. Its memory is stable from the handler's call to the answer (or, after
 * rest_later, to rest_resume). */
struct rest_call {
    struct http_exchange *x; /* NULL when the peer has gone; see rest_resume */
    struct edge *edge;
    const struct route_row *route; /* NULL when no route fits (errors only) */
    enum route route_index;
    struct grant *grant;     /* owned; NULL on PUBLIC routes. kind tells the anonymous client */
    enum credential_from credential_from;
    span credential;         /* token, key or cookie as shown; in the arena */
    unsigned uuid_count;     /* {uuid} segments of the path, in order */
    uuid uuids[ROUTE_PARAMS_MAX];
    unsigned int_count;      /* {int} segments, from 1 */
    int64_t ints[ROUTE_PARAMS_MAX];
    unsigned text_count;     /* {text} segments, decoded, in order; not empty */
    span texts[ROUTE_PARAMS_MAX];
    span rest;               /* what a last "*" took, decoded, without a leading slash */
    span query;              /* raw, without "?"; read it with rest_query */
    span json;               /* body: a checked JSON value (json_root); empty when there is none */
    struct arena arena;      /* the call's own */
    buf data;                /* scratch for the answer's data; the call's own */
    void *user;              /* the handler's, see rest_wait */
    char request_id[REST_REQUEST_ID_MAX + 1];
    /* What the answer's security fields say; NULL: that of the API. */
    const char *policy;        /* Content-Security-Policy */
    const char *cache;         /* Cache-Control */
    struct idem *idem;         /* idempotency.h; NULL: no key */
    span details;              /* a problem's `details`, a JSON object; empty: none */
    const char *said;          /* a problem's `error`; NULL: its detail */
    /* Private to edge/rest: */
    buf body;                  /* the answer's */
    enum origin_verdict origin;
    bool secure;               /* the client speaks https, to us or to a trusted proxy */
    bool later;                /* somebody will call rest_resume */
    bool waited;               /* rest_wait: its time is no measure of ours */
    void (*on_abandoned)(struct rest_call *c);
    void (*on_piece)(struct rest_call *c, span piece, enum http_piece what); /* rest_body_next */
    void (*on_writable)(struct rest_call *c); /* rest_send_begin */
    bool bearer_subprotocol;   /* the client offered it */
};

/* One bad member of a body or a query. */
struct rest_fault {
    const char *member; /* "username"; a path with dots inside objects */
    const char *detail; /* what is wrong, a sentence without a full stop */
};

/* For net_conf.http. net_conf.user is the struct edge. */
extern const struct http_handler rest_handler;

/* --- answers: each frees the call --- */

/* Answers 200 {success:true,data,timestamp}; `data` is JSON (empty: null). It may point into
 * c->data, the arena or elsewhere. */
void rest_ok(struct rest_call *c, span data);
/* Answers as above with another 2xx status and, unless empty, a Location. */
void rest_created(struct rest_call *c, span data, span location);
/* Answers 202: it has begun, and `location` says what becomes of it. */
void rest_accepted(struct rest_call *c, span data, span location);
/* Answers a list; next_cursor (not JSON yet) is left out when empty. */
void rest_ok_list(struct rest_call *c, span data, span next_cursor);
/* Answers with a weak ETag over `data`: 304 when If-None-Match names it. */
void rest_ok_cached(struct rest_call *c, span data);
/* Answers 204. */
void rest_no_content(struct rest_call *c);
/* Answers problem+json (RFC 9457). detail NULL: the error's own sentence. */
void rest_error(struct rest_call *c, err e, const char *detail);
/* The same with `errors[]`, for ERR_INVALID_REQUEST. */
void rest_invalid(struct rest_call *c, const char *detail, const struct rest_fault *faults,
                  unsigned count);
/* Answers 429 with Retry-After (rounded up to whole seconds). */
void rest_retry_later(struct rest_call *c, err e, uint32_t retry_after_ms);
/* Answers with any status and bytes that are no envelope: console, metrics, health. */
void rest_raw(struct rest_call *c, unsigned status, const char *content_type, span body);
/* Answers 200 with such bytes and a weak ETag over them: 304 when If-None-Match names it. */
void rest_raw_cached(struct rest_call *c, const char *content_type, span body);
/*
 * Answers 101: the connection becomes a WebSocket of `wire` with `user`. Returns NULL when the
 * handshake is malformed or no upgrade was asked for (answered 400 or 426 then): release `user`.
 * Take the grant first (rest_take_grant). The subprotocol "bearer" is chosen when the token stood
 * there.
 */
struct conn *rest_upgrade(struct rest_call *c, const struct ws_wire *wire, void *user);

/*
 * Answers 200 with a body that is written over time (net/stream.h), under the fields of every
 * answer. NULL for a HEAD, which is answered then: release `user`. Take the grant first.
 */
struct conn *rest_stream(struct rest_call *c, const char *content_type,
                         const struct stream_wire *wire, void *user);

/* Hands the request over to another loop (net/move.h), where its way through the rules begins
 * anew; the call is gone here. */
void rest_move(struct rest_call *c, unsigned loop);

/* --- before the answer --- */

/* A member of an object being written: an id. */
void rest_member_uuid(struct json_writer *w, const char *name, uuid id);
/* The same for a time with milliseconds; null for 0. */
void rest_member_time(struct json_writer *w, const char *name, int64_t ms);
/* The same in whole seconds, as all of Home's objects have it; their envelopes do by themselves. */
void rest_member_second(struct json_writer *w, const char *name, int64_t ms);

/* Text in the call's arena, for details. */
const char *rest_printf(struct rest_call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* For a body that rest_raw will answer with: where it has at least bytes_min bytes (0: never), the
 * client accepts it and it becomes shorter, *body is the same in gzip or deflate, the call's own,
 * and Content-Encoding says so. 264 KiB a loop, once; some 20 us for 4 KiB. */
void rest_compress(struct rest_call *c, uint32_t bytes_min, span *body);

/* Adds a field to the answer. */
void rest_header(struct rest_call *c, const char *name, span value);
/* Sets a strong ETag that names a stored version: "v7". */
void rest_etag_version(struct rest_call *c, int64_t version);
/* ERR_NONE when If-Match is absent or names that version, else ERR_PRECONDITION_FAILED. */
err rest_if_match(const struct rest_call *c, int64_t version) MUST_CHECK;
/* The grant becomes the caller's; NULL when there is none. */
struct grant *rest_take_grant(struct rest_call *c);
/* Whether the caller has that permission for that scope. False without a grant. */
bool rest_can(const struct rest_call *c, enum permission p, struct scope s);

/* Whether the request may act by its cookie: a safe method, or sent by a page of ours. For PUBLIC
 * routes that use the cookie; others have been through it. */
bool rest_cookie_counts(const struct rest_call *c);

/* A query parameter, decoded, in the arena; ptr is NULL when absent, len 0 when empty. */
span rest_query(struct rest_call *c, const char *key);
/* `limit`: REST_PAGE_DEFAULT when absent, cut to REST_PAGE_MAX; 0 when it is no number above 0:
 * answer rest_invalid. */
unsigned rest_query_limit(struct rest_call *c);
/* A time, RFC 3339 or epoch milliseconds; `fallback` when absent. False when malformed. */
bool rest_query_time(struct rest_call *c, const char *key, int64_t fallback,
                     int64_t *out) MUST_CHECK;
/* A string member of the body, unescaped into the arena; ptr is NULL when absent or no string. */
span rest_text(struct rest_call *c, const char *member);

/* --- answering later --- */

/* The handler returns without an answer; exactly one rest_resume follows, then again an answer or
 * rest_later. */
void rest_later(struct rest_call *c);
/* The same for an answer that waits for something to happen, with c->user = user: when the peer
 * goes away, by a reset or by ending its side of the connection, on_abandoned is called at once in
 * place of rest_resume, which must not follow any more; the call is freed when it returns. Never
 * inside this call. */
void rest_wait(struct rest_call *c, void (*on_abandoned)(struct rest_call *c), void *user);
/* Goes on: returns `c`, or NULL when the peer went away meanwhile (the call is freed then). */
struct rest_call *rest_resume(struct rest_call *c) MUST_CHECK;

/* --- bodies that are not held whole; routes with body STREAM, and long answers --- */

/* Whether the body comes by rest_body_next; else there is none. */
static inline bool rest_has_stream(const struct rest_call *c) { return c->x->streamed; }
/* Asks for the next piece of the body (net/http.h, http_body_next, whose rules are these): then
 * on_piece, which answers, asks again or calls rest_later; or on_abandoned, as of rest_wait. After
 * HTTP_PIECE_BROKEN answer with rest_broken. The last thing that its caller does with `c`. */
void rest_body_next(struct rest_call *c,
                    void (*on_piece)(struct rest_call *c, span piece, enum http_piece what),
                    void (*on_abandoned)(struct rest_call *c));
/* Answers what made the body HTTP_PIECE_BROKEN. */
void rest_broken(struct rest_call *c);

/* Answers 200 or 206 with `bytes` of body to come from rest_send, under the fields of every answer.
 * False when nothing is to come (HEAD, or 0): the call is gone. The peer may go away at any time
 * from then on: on_abandoned, after which the call is freed. */
bool rest_send_begin(struct rest_call *c, unsigned status, const char *content_type,
                     uint64_t bytes, void (*on_writable)(struct rest_call *c),
                     void (*on_abandoned)(struct rest_call *c)) MUST_CHECK;
/* More of it; as http_respond_more: after HTTP_SENT_FULL on_writable follows, after HTTP_SENT_ALL
 * the call is gone. */
enum http_sent rest_send(struct rest_call *c, span bytes) MUST_CHECK;
/* The rest of the answer cannot be had: the peer sees it cut short. The call is gone, without
 * on_abandoned. */
void rest_send_cut(struct rest_call *c);

#endif
