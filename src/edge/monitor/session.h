/*
 * A socket of the Monitor wire (CONTRACT 6), of a viewer or of the device itself.
 *
 *   admit.c    admission before the upgrade
 *   socket.c   opening, closing, changes of rights
 *   message.c  a frame's way to dispatch, and how this wire answers
 *   viewer.c   subscribe, unsubscribe, ping
 *   events.c   the channel `events`: what is ordered, and resuming it
 *   device.c   what devices report
 *   command.c  what devices are told, and what they answer to it
 *   answer.c   frames to the peer: connected, ack, error
 *
 * What it has in common with /ws is edge/raw.h: gap, pong and auth_expiring too.
 */
#ifndef SB_EDGE_MONITOR_SESSION_H
#define SB_EDGE_MONITOR_SESSION_H

#include "base/arena.h"
#include "domain/device_link.h"
#include "domain/identity.h"
#include "edge/dispatch.h"
#include "edge/raw.h"
#include "shape/decode.h"

/* Messages waiting for one slow viewer; states are merged, so only acks could fill it. */
#define MONITOR_QUEUE_MAX 256
/* A viewer's frame: its largest is auth_refresh with a token. More: closed 1009. */
#define VIEWER_FRAME_BYTES_MAX 32768
#define DEVICE_FRAME_BYTES_MAX 262144
/* The channel of what is ordered; its name on the wire. */
#define MONITOR_EVENTS SPAN("events")

/* 152 bytes, for there are many that only look on: what few of them need has memory of its own
 * (resume, a refresh). */
struct monitor {
    struct session session;
    struct conn *conn; /* NULL before the upgrade */
    uuid device;
    bool is_device;
    bool events;           /* the channel `events` is subscribed */
    bool refreshing;       /* an auth_refresh is under way */
    uint8_t channels;      /* bit per enum host_channel that the viewer asked for, named ones */
    uint32_t ignored;      /* bad frames */
    uint32_t ignored_log_s; /* when they were last logged, monotonic; 0: never */
    uint32_t heard_s;       /* epoch: when the newest frame came; 0: none yet */
    uint64_t opened_ns;
    struct resume *resume; /* owned; NULL until there is something to resume */
    uint64_t start;        /* without it: the number of the position at which the channel begins */
    struct bucket bucket;
};

/* What the device has not acknowledged yet (command.c). */
struct monitor_delivery;

/* A device's own socket is all that has a link. */
struct monitor_device {
    struct monitor m;
    struct device_link link;
    struct bucket telemetry;
    struct monitor_delivery *deliveries; /* owned; the oldest first */
    unsigned delivery_count;
    uint32_t delivery_last; /* number of the newest, its frame's id */
    unsigned responding;    /* responses that are on their way to the disk */
};

static inline struct device_link *monitor_link(struct monitor *m)
{
    ASSERT(m->is_device);
    return &CONTAINER_OF(m, struct monitor_device, m)->link;
}

static inline struct bucket *monitor_bucket(struct monitor *m)
{
    ASSERT(m->is_device);
    return &CONTAINER_OF(m, struct monitor_device, m)->telemetry;
}

/* Its edge, once it has a connection. */
static inline struct edge *monitor_edge(const struct monitor *m) { return edge_of(m->conn); }

/* answer.c */
extern const struct raw_wire monitor_raw; /* how its frames are written */
void monitor_connected(struct monitor *m, const struct raw_admission *a);
/* One of device:command and device:config-update; `data` is JSON, `id` 0: none. */
void monitor_tell(struct monitor *m, enum frame type, span data, uint32_t id);
/* {type:"ack",data:{id,ok:true}}; nothing without an id. */
void monitor_ack(struct monitor *m, span id);
/* The same with `members`, JSON members without braces. */
void monitor_ack_with(struct monitor *m, span id, span members);
/* {type:"ack",data:{id,ok:false,error}} or without an id {type:"error",data:error}, error being
 * {type,message,code,details}. */
void monitor_refuse_with(struct monitor *m, span id, const struct event_refusal *r);
/* The same; member and why may be NULL. */
void monitor_refuse(struct monitor *m, span id, err e, const char *member, const char *why);

/* device.c */
/* What the device's home answers to a report, under the ack it was given. */
void monitor_answered(struct monitor *m, span ack, err error);

/* viewer.c */
/* Subscribes what a kept session had. */
void monitor_restore(struct monitor *m, span state);
/* Counts a bad frame, and logs now and then. */
void monitor_ignore(struct monitor *m, const char *why);
/* The rights changed: which process list, or none at all. */
void monitor_recheck(struct monitor *m);

/* events.c */
/* Before monitor_connected, which says where the channel begins. */
void monitor_events_open(struct monitor *m, const struct raw_admission *a);
/* Whether it may have the channel at all: no device, no anonymous client. */
bool monitor_has_events(const struct monitor *m);
/* Where the channel begins. */
struct pos monitor_start(const struct monitor *m);
void monitor_events_close(struct monitor *m, close_reason reason);
/* Keeps which channels are subscribed, for a session that is to come back. */
void monitor_keep(struct monitor *m);
/* Whether that is what monitor_keep kept for the device: {device,channels[]}. */
bool monitor_state_fits(span state, uuid device);
/* As resume_claim. */
void monitor_claim(struct edge *e, const struct resume_ask *ask, uuid principal,
                   recovery_done done, void *owner);
void monitor_events_join(struct monitor *m);
void monitor_events_leave(struct monitor *m);
/* The rights changed. */
void monitor_events_recheck(struct monitor *m);

/* command.c */
/* device_link.on_deliver: {type,data,id?}; with an id where the home wants to know that it came. */
void monitor_deliver(struct device_link *l, const struct link_delivery *d);
/* Acks of the link are the id, which is a number or a string, or with one of these in front. */
#define ACK_REGISTER 'r' /* shows the device */
#define ACK_CONFIG 'c'   /* names what was wrong */
#define ACK_RESPONSE 'p' /* of command:response, which are counted */
span monitor_ack_of(const struct event_call *in, uint8_t kind); /* device.c; in the call's arena */
/* A response was handled. It may close the socket. */
void monitor_responded(struct monitor *m, span id, err error);
/* What waits for acknowledgements is forgotten. */
void monitor_deliveries_free(struct monitor *m);

/* message.c */
void monitor_message(struct conn *c, enum ws_opcode op, span payload);

/* socket.c */
/* Upgrades the call, or answers it and returns false: then free m. */
bool monitor_open(struct monitor *m, const struct raw_admission *a);
/* Of a socket that is not open. */
void monitor_free(struct monitor *m);
void monitor_refresh(struct monitor *m, span id, span token);

#endif
