/*
 * The namespace "/": devices and who watches them (CONTRACT 3), by the rows of tables/events.def.
 *
 *     product.c        the namespace: events to dispatch, answers, a device's own socket
 *     product_subs.c   device:subscribe: subscriptions, their replay, rights, recovery
 *     product_telemetry.c  telemetry:subscribe: the same for values
 *     product_command.c  commands: asked for by clients, delivered to devices, answered by them
 *     issuer.c         results of commands for who asked, where they do not follow the device
 *     chat.h           chat, whose names begin `chat:`, in files of its own
 *
 * Names that nobody knows may be an application's (app.h).
 */
#ifndef SB_EDGE_SOCKETIO_PRODUCT_H
#define SB_EDGE_SOCKETIO_PRODUCT_H

#include "domain/device_link.h"
#include "edge/dispatch.h"
#include "edge/reach.h"
#include "edge/socketio/socketio.h"
#include "loop/addr.h"

/* Registers the namespace, unless the conformance setting has it; once an edge, after sio_init. */
void product_init(struct edge *e);

/* --- private to these files --- */

/* Devices that a socket names one by one; more is SUBSCRIPTION_FAILED. Of more than some 300 the
 * session is too large to be kept (RECOVERY_STATE_BYTES_MAX): then it comes back as a new one. */
#define PRODUCT_DEVICES_MAX REACH_DEVICES_MAX
/* Replays of one socket under way; more is RATE_LIMIT_EXCEEDED. */
#define PRODUCT_REPLAYS_MAX 16

struct product_replay {
    struct journal_reader reader;
    struct product_replay *next;
    struct product *product;
    struct pos since;
    uuid device; /* nil: every one */
};
struct product_follow; /* one telemetry:subscribe */

/* What a socket of "/" has beside sio's; most that only answer have none. */
struct product {
    struct sio_socket *socket;
    bool all;                       /* device:subscribe without an id */
    struct reach reach;             /* then: of whom */
    uuid *devices;                  /* owned: named ones */
    unsigned device_count;
    unsigned device_cap;
    struct product_replay *replays; /* owned */
    struct product_follow *follows; /* owned: devices whose telemetry it has */
    unsigned follow_count;
    unsigned follow_cap;
    struct device_link link;        /* of a device's own socket */
    bool linked;
    struct bucket telemetry;        /* of its messages */
    unsigned responding;            /* responses of it that are on their way to the disk */
    struct chat_socket *chat;       /* owned: chat.h; NULL: it has said and heard nothing there */
};

/* The socket's; made when there is none. */
struct product *product_of(struct sio_socket *s);
/* Which rows of tables/events.def are its. */
enum event_peer product_peer(const struct sio_socket *s);
/* The argument after an event's name; others are ignored. */
span product_payload(span args);
/* What names the ack of a call. */
struct sio_answer product_answer(const struct event_call *in);
/* The peer's address as text, in `text`. */
span product_address(const struct sio_socket *s, char text[ADDR_TEXT_MAX]);
/* The link of a device's own socket. */
struct device_link *product_link(const struct event_call *in);

/* What waits for the device's home: travels as the link's ack, in bytes. */
enum product_what {
    WAIT_PLAIN,
    WAIT_REGISTER, /* its answer shows the device */
    WAIT_CONFIG,   /* its refusal names the version */
    WAIT_RESPONSE, /* it is of command:response, which are counted */
};
struct product_wait {
    struct sio_answer answer;
    struct edge *edge;
    enum product_what what;
};
struct product_wait product_wait_of(const struct event_call *in, enum product_what what);

/* device_link.on_deliver. */
void product_deliver(struct device_link *l, const struct link_delivery *d);
/* A response was handled; it may close the socket. */
void product_responded(struct device_link *l, const struct product_wait *w, err error);
/* Ends every subscription, and what is replayed. */
void product_subs_close(struct sio_socket *s);
/* sio_nsp_ops of the same names. */
void product_subs_keep(const struct sio_socket *s, struct json_writer *w);
void product_subs_restore(struct sio_socket *s, span state);
void product_subs_rights(struct sio_socket *s);
void product_subs_writable(struct sio_socket *s);
/* {ok:true,count} */
void product_answer_count(struct edge *e, const struct sio_answer *a, int64_t count);
/* `error` with SUBSCRIPTION_FAILED; a nil device: of all. */
void product_say_dropped(struct sio_socket *s, uuid device, const char *why);

/* product_telemetry.c, as above. How many there were. */
unsigned product_telemetry_close(struct sio_socket *s);
void product_telemetry_keep(const struct product *p, struct json_writer *w);
void product_telemetry_restore(struct sio_socket *s, span state);
void product_telemetry_rights(struct sio_socket *s);

#endif
