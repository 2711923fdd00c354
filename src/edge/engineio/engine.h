/*
 * Engine.IO sessions (CONTRACT 7, 10; engine.io-protocol 4): handshake, polling and WebSocket
 * transports, upgrade, heartbeat. What speaks over them is an eio_app: Socket.IO, or the echo of
 * the conformance setting.
 *
 *     GET ?transport=polling --> session (a detached record) --GET/POST--> packets
 *                                     | 2probe 3probe 5
 *     GET ?transport=websocket -------+--> WebSocket
 *
 * A session is a member of the hub: its own connection's slot (WebSocket from the start) or that
 * of its detached record, also after an upgrade. The first character of its id names its loop, and
 * requests that arrive elsewhere are moved there (net/move.h): no sticky sessions. (Across nodes:
 * the cluster will ask eio_owner before it moves.) Everything runs on the session's loop.
 */
#ifndef SB_EDGE_ENGINEIO_ENGINE_H
#define SB_EDGE_ENGINEIO_ENGINE_H

#include "base/list.h"
#include "codec/eio/packet.h"
#include "edge/edge.h"
#include "edge/rest/rest.h"
#include "hub/blob.h"
#include "net/detached.h"

#define EIO_SID_LEN 20

struct eio;

/* How bytes are wrapped on their way to the peer. */
enum eio_format {
    EIO_FORMAT_WS,   /* a text frame "4..." or a binary frame */
    EIO_FORMAT_POLL, /* eio_payload_put; revision 3 is made of it when it leaves */
    EIO_FORMAT_WS3,  /* as WS, binary frames begin with 04 */
};

/* What a session came with, for the app's own use; valid during on_open. */
struct eio_hello {
    struct rest_call *call; /* the handshake's request: query, fields, credential_find */
    enum origin_verdict origin;
};

struct eio_app {
    const char *path;        /* "/socket.io/": requests below it are the app's */
    const char *name;        /* label: "socketio" */
    enum stats_wire stats;
    size_t session_bytes;    /* of what embeds struct eio as its first member */
    enum edge_wire wires[3]; /* by enum eio_format, what the hub encodes for it */
    bool pings_off;          /* no heartbeat: fixtures only */
    /* The session is open and the handshake's answer is queued; the app may send. False refuses
     * with 403 {code:4}: nothing was opened then, and nothing else is called. */
    bool (*on_open)(struct eio *s, const struct eio_hello *hello);
    /* A message. Text is valid UTF-8. The span is borrowed for the call, and is not const: the app
     * may write into it. The app may close the session in it. */
    void (*on_message)(struct eio *s, bool binary, span data);
    /* More can be sent, after a time when not: resume_writable belongs here. */
    void (*on_writable)(struct eio *s);
    /* Over, once; then the memory is freed. */
    void (*on_close)(struct eio *s, close_reason reason);
};

/* Embedded as the first member of the app's session; everything private but conn and app. */
struct eio {
    const struct eio_app *app; /* the app may replace it by another row of its own whose wires
                                  differ, and calls hub_member_wire then */
    struct conn *conn;       /* the hub member: conn_ref_of names the session across time */
    struct list beat;        /* in the loop's queue of the next ping, or of pongs awaited */
    uint64_t due_ms;         /* monotonic */
    struct eio_polling *polling; /* owned; NULL once it is a plain WebSocket */
    uint8_t format;          /* enum eio_format */
    uint8_t state;
    bool v3;
    uint8_t sid[EIO_SID_LEN];
};

/* The session of a hub member's connection (detached or WebSocket: both have it as their user),
 * which must be one's. */
static inline struct eio *eio_of(struct conn *c)
{
    return conn_is_detached(c) ? detached_user(c) : ws_user(c);
}
/* The edge of its loop. */
static inline struct edge *eio_edge(const struct eio *s) { return edge_of(s->conn); }
/* Its id, as the handshake told it. */
span eio_sid(const struct eio *s);
/* "polling" or "websocket", as it is now. */
const char *eio_transport(const struct eio *s);

/* Takes a request below some app's path, answers or moves it; false when it is nobody's. Host,
 * Origin and forwarded fields have been looked at; c->origin says how. CORS fields are set as for
 * every answer of an allowed origin. */
bool eio_request(struct rest_call *c);
/* Which loop a session id names; loop_count or more: none. */
unsigned eio_owner(span sid);

/* Appends one message to `out`, as `format` wants it; several make one wire message of the hub
 * (a packet and its attachments). */
void eio_put(buf *out, enum eio_format format, bool binary, span head, span data);
/* Sends one message (head and data are joined), in order with what the hub has for the session. */
void eio_send(struct eio *s, bool binary, span head, span data, enum blob_class cls);
/* The same for what was put together with hub_compose and eio_put: compresses where that was
 * agreed. `from` is the buffer's length before. */
void eio_send_composed(struct eio *s, size_t from, enum blob_class cls);

/* Ends the session: a polling client finds `1`, a WebSocket a close frame with the reason. What
 * was sent before still leaves, as far as the peer takes it. Harmless twice. */
void eio_close(struct eio *s, close_reason reason);

/* Once an edge, and its end. Apps register before requests come; at most 4 (asserted). */
void eio_init(struct edge *e);
void eio_deinit(struct edge *e);
void eio_register(struct edge *e, const struct eio_app *app);

#endif
