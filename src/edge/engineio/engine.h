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
#include "base/map.h"
#include "codec/eio/packet.h"
#include "edge/edge.h"
#include "edge/rest/rest.h"
#include "hub/blob.h"
#include "net/detached.h"

#define EIO_SID_LEN 20
/* Packets of one POST. A payload of engineio_max_payload_bytes could hold 30 times as many; a
 * client that sends so much at once has written for minutes. More: the session is closed. */
#define EIO_PAYLOAD_PACKETS_MAX 16384

struct eio;
struct eio_polling;

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
    /* A session begins. The app may send (what it sends follows the open packet) and may look at
     * the request; it may not close, subscribe or answer here. False refuses with 403 {code:4}
     * (400 to a WebSocket handshake, as the reference): nothing was opened then, and nothing else
     * is called. */
    bool (*on_open)(struct eio *s, const struct eio_hello *hello);
    /* A message. Text is valid UTF-8. The span is borrowed for the call, and is not const: the app
     * may write into it. The app may close the session in it. */
    void (*on_message)(struct eio *s, bool binary, span data);
    /* A ping of ours is written now, behind all that was sent before; and it was answered. May be
     * NULL; close nothing. */
    void (*on_ping)(struct eio *s);
    void (*on_pong)(struct eio *s);
    /* More can be sent, after a time when not: resume_writable belongs here. */
    void (*on_writable)(struct eio *s);
    /* Over, once; then the memory is freed. */
    void (*on_close)(struct eio *s, close_reason reason);
};

/* Something in one of the loop's queues of deadlines, which are in order of their times. */
struct eio_due {
    struct list link;
    uint64_t at_ms; /* monotonic */
};

/* Embedded as the first member of the app's session; everything private but conn and app. */
struct eio {
    const struct eio_app *app; /* the app may replace it by another row of its own whose wires
                                  differ, and calls hub_member_wire then */
    struct conn *conn;       /* the hub member: conn_ref_of names the session across time */
    struct map_node by_sid;  /* in the loop's directory */
    struct eio_due beat;     /* the next ping; or the answer awaited */
    struct eio_polling *polling; /* owned; NULL of what was a WebSocket from the start */
    uint64_t opened_ms;      /* monotonic */
    uint8_t format;          /* enum eio_format */
    uint8_t state;           /* enum eio_state, edge/engineio/internal.h */
    uint8_t client;          /* enum stats_client */
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
/* The app has found out who is there: counts it as that from now on (a client until then). */
void eio_set_client(struct eio *s, enum stats_client k);

/* During on_message: the POST that brought it; NULL of a WebSocket's. */
const struct rest_call *eio_post_of(const struct eio *s);

/* Takes a request below some app's path, answers or moves it; false when it is nobody's. Host,
 * Origin and forwarded fields have been looked at; c->origin says how. CORS fields are set as for
 * every answer of an allowed origin. */
bool eio_request(struct rest_call *c);
/* The same for a request that net refuses before it is read (rest.c's on_refused): a POST too
 * large for any route ends its session like one too large for Engine.IO. */
void eio_refused(struct http_exchange *x, unsigned status);
/* Which loop a session id names; UINT_MAX when it cannot be one. */
unsigned eio_owner(span sid);

/* Appends one message to `out`, as `format` wants it; several make one wire message of the hub
 * (a packet and its attachments). */
void eio_put(buf *out, enum eio_format format, bool binary, span head, span data);
/* Sends one message (head and data are joined), in order with what the hub has for the session. */
void eio_send(struct eio *s, bool binary, span head, span data, enum blob_class cls);
/* The same for what was put together with eio_put in the buffer `out` of hub_compose, whose length
 * before was `from`: compresses where that was agreed. */
void eio_send_composed(struct eio *s, buf *out, size_t from, enum blob_class cls);

/* Ends the session: a polling client finds `1`, now or (within 30 s) with its next GET; a WebSocket
 * a close frame with the reason. What was sent before still leaves, as far as the peer takes it.
 * on_close has run when it returns. As conn_close(s->conn, reason). */
void eio_close(struct eio *s, close_reason reason);

/* Once an edge, and its end. Apps register before requests come; at most 4 (asserted). */
void eio_init(struct edge *e);
void eio_deinit(struct edge *e);
void eio_register(struct edge *e, const struct eio_app *app);

#endif
