/*
 * The inbound side of one loop: it joins the network (net/), the hub and the domain, and owns
 * what every wire shares. Each wire is a folder beside; edge/rest routes HTTP requests to them.
 */
#ifndef SB_EDGE_EDGE_H
#define SB_EDGE_EDGE_H

#include <sys/socket.h>

#include "base/list.h"
#include "base/map.h"
#include "domain/home.h"
#include "edge/stats.h"
#include "hub/hub.h"
#include "loop/loop.h"
#include "net/net.h"

/* Wire formats: each encodes a blob its own way (edge_wrap). The hub counts each once for every
 * enum ws_deflate_kind, so that a broadcast is compressed at most once a loop and kind. */
enum edge_wire {
    WIRE_TEXT, /* the payload as one text frame: conformance */
    WIRE_MONITOR,
    WIRE_HOME,
    WIRE_SSE,
    /* Socket.IO: frames of a WebSocket, packets of a polling payload, frames of revision 3; and
     * connections that speak msgpack. */
    WIRE_SIO,
    WIRE_SIO_POLL,
    WIRE_SIO3,
    WIRE_SIO_MSGPACK,
    WIRE_SIO_MSGPACK_POLL,
    WIRE_COUNT
};

/* Engine.IO: settings of the same names; see edge/engineio/engine.h. */
struct eio_conf {
    uint32_t ping_interval_ms; /* 0: no heartbeat (tests) */
    uint32_t ping_timeout_ms;
    uint32_t connect_timeout_ms;
    uint32_t upgrade_timeout_ms;
    uint32_t max_payload_bytes;
    uint32_t http_compression_bytes_min; /* 0: off */
    bool no_polling;
    bool no_websocket;
    bool v3;
    const char *cookie; /* its name; NULL or empty: none */
};

/* The wire /ws: settings of the same names (edge/home/). */
struct home_wire_conf {
    uint32_t message_bytes_max;
    uint32_t ping_ms;
    uint32_t idle_ms;
    uint32_t write_ms;
    uint32_t queue_max;
    uint32_t subscriptions_max;
    uint32_t heartbeat_ms; /* 0: none, and no status (tests) */
    uint32_t status_ms;
    uint32_t broadcasts_per_min;
    const char *custom_types; /* custom_next */
};

/* Chat in "/": settings of the same names, chat_... */
struct chat_wire_conf {
    uint32_t messages_per_s;
    uint32_t messages_burst;
    uint32_t guest_per_s; /* chat_guest_messages_per_s */
    uint32_t guest_burst;
    uint32_t typing_every_ms;
    uint32_t joins_per_min;
};

struct edge_conf {
    bool conformance;
    bool conformance_clients; /* the fixtures are those of the client packages' suites */
    bool anonymous_loopback;
    const char *allowed_origins; /* comma separated; may be empty */
    const char *public_hosts;    /* comma separated; may be empty */
    uint32_t hsts_s;             /* 0: no Strict-Transport-Security */
    uint32_t ws_message_bytes_max;
    uint32_t ws_fragments_max;
    uint32_t outbox_messages_max;
    uint32_t outbox_bytes_max;
    uint32_t flush_us; /* hub_turn_pause */
    uint32_t sio_rooms_max;
    uint32_t sio_namespaces_max;
    uint32_t sio_acks_max;
    struct eio_conf eio;
    struct home_wire_conf home;
    struct chat_wire_conf chat;
    unsigned app_events; /* bits of enum app_ways (edge/socketio/app.h) */
    uint32_t app_event_bytes_max;
    const char *app_namespaces; /* app_nsp_next */
    bool app_webhook_connect;
    const char *node; /* the name of this process */
    /* The bound addresses of all TCP listeners, as net_listen gave them; the anonymous rule asks
     * whether one that is not loopback could have taken a connection. Borrowed. */
    const struct sockaddr_storage *listeners;
    unsigned listener_count;
};

struct broadcasts; /* edge/home/broadcast.h */
struct clients; /* edge/clients.h */
struct home_news; /* edge/home/news.h */
struct home_wire; /* edge/home/session.h */
struct limiter;
struct http1_compressor;
struct engine; /* edge/engineio/internal.h */
struct ops;
struct sio_loop; /* edge/socketio/internal.h */
struct specs;

struct edge {
    const struct edge_conf *conf; /* borrowed */
    struct loop *loop;            /* borrowed, as all below */
    struct home *home;
    struct net *net;
    struct hub *hub;
    struct hub_sink sink;
    struct loop_hook turn_end;
    struct timer home_timer;      /* wakes the loop for the home's deadlines */
    struct edge **peers; /* all edges by loop */
    struct ops *ops;     /* borrowed, shared by all edges; NULL: /health and /metrics say little */
    struct edge_stats stats;
    struct clients *clients;      /* owned: clients.h */
    struct event_index events;    /* dispatch.h */
    struct specs *specs;          /* owned: spec/spec.h; made at the first question */
    struct limiter *rest_limiter; /* owned: requests per principal; made at the first one */
    struct limiter *rest_chat, *rest_chat_guests; /* the same: messages of chat */
    struct http1_compressor *compressor; /* owned: of answers; made at the first one */
    struct map idem_held;    /* rest/idempotency.c: keys of principals whose home is here */
    struct list command_waits; /* of rest/commands.c */
    struct list house_waits;   /* of rest/house_actions.c */
    struct emit_cache *emit; /* owned: of socketio/emit.c */
    struct engine *engine; /* owned: Engine.IO's sessions */
    struct home_wire *home_wire; /* owned: of edge/home/, as the next two */
    struct broadcasts *broadcasts;
    struct home_news *news;
    struct sio_loop *sio; /* owned: of socketio/ */
    struct app *app; /* owned: of socketio/app.c */
};

/* The edge of a connection's loop. */
struct edge *edge_of(const struct conn *c);

/* Makes the hub (whose sink is the net's connections) and registers the turn-end hook. The net
 * is made afterwards with net_conf.user = the edge, and stored in edge->net. */
void edge_init(struct edge *e, struct post *post, struct hub **hubs);
void edge_deinit(struct edge *e);

/* Appends the whole frame of a blob for a wire. */
void edge_wrap(const struct edge *e, unsigned wire, const struct blob *b, buf *out);

/* Hub membership of an upgraded connection: its slot is its member number. */
void edge_join(struct edge *e, struct conn *c, enum edge_wire wire, uint32_t queue_messages_max);
void edge_leave(struct edge *e, struct conn *c);
/* The member's bytes leave in another form from now on (hub_member_wire, whose rule for what waits
 * holds), compressed as `kind`: that of the WebSocket that carries a detached record's session,
 * which is joined without compression. */
void edge_rewire(struct edge *e, struct conn *member, enum edge_wire wire,
                 enum ws_deflate_kind kind);
/* A WebSocket's on_writable for every hub member. */
void edge_on_writable(struct conn *c);
/* Sends a message to one member, compressed where that was agreed and is worth it, in order with
 * what the hub has for it. */
void edge_send(struct conn *c, enum ws_opcode op, span payload, enum blob_class cls);
void edge_send_text(struct conn *c, span text, enum blob_class cls);

#endif
