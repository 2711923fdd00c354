/*
 * A device's socket and the viewers of a device, as their edge's loop sees them. The device's
 * home decides which socket is the live one (the newest), what the device's presence is, and
 * keeps what it reports; what one link sends arrives there in order.
 *
 *     offline --link opens--> online --silence 90 s--> stale --silence 300 s--> closed, offline
 *        ^                      ^  |                     |
 *        |                      |  +--newer link: 4001   +--message--> online
 *        +------link closes-----+
 */
#ifndef SB_DOMAIN_DEVICE_LINK_H
#define SB_DOMAIN_DEVICE_LINK_H

#include "base/map.h"
#include "domain/command_types.h"
#include "domain/home.h"
#include "domain/host_types.h"
#include "tables/closes.h"
#include "tables/events.h"

/* May this uuid be watched, or connected to? Answered once on the caller's loop. */
typedef void (*device_admitted)(void *owner, err error);
/* Counts a viewer in: ERR_NONE, ERR_DEVICE_NOT_FOUND, ERR_RATE_LIMIT_EXCEEDED
 * (viewers_per_device_max) or the store's error. Each ERR_NONE is given back by
 * device_viewer_leave. */
void device_viewer_admit(struct home *h, uuid id, device_admitted done, void *owner);
void device_viewer_leave(struct home *h, uuid id);
/* Whether the device exists and is not disabled (ERR_PERMISSION_DENIED). */
void device_admit(struct home *h, uuid id, device_admitted done, void *owner);

/* What the home has for the device: OUT_DEVICE_COMMAND or OUT_DEVICE_CONFIG_UPDATE. */
struct link_delivery {
    enum event_out event;
    span payload;   /* a JSON object, borrowed for the call */
    uint64_t token; /* for device_link_delivered; 0: nobody waits for it */
};

/* A device's socket, embedded in the edge's session. */
struct device_link {
    struct map_node node; /* private */
    struct home *home;    /* private */
    uuid device;
    uint64_t id;          /* private: names the link between loops */
    /* The home ends the link (4001, 4002, 4000, time-out): close the socket, then
     * device_link_close as always. */
    void (*on_close)(struct device_link *l, close_reason reason);
    /* A report that carried an ack id was handled: `ack` is that id. Rows and states: after the
     * commit. */
    void (*on_answer)(struct device_link *l, span ack, err error);
    /* Send it. Where the wire has acknowledgements of what the server says, the device's is told
     * with device_link_delivered; a wire without them leaves that to the device's response. NULL:
     * the wire cannot; commands then find the device offline. */
    void (*on_deliver)(struct device_link *l, const struct link_delivery *d);
};

struct device_link_conf {
    uuid device;
    const char *wire;    /* "monitor"; of static duration */
    span socket_id;      /* 1-100 characters, for connection_logs */
    span remote_address; /* as text */
};
/* The link is the device's live one as soon as its home hears of it; an older one is closed with
 * 4001, which is no disconnect. Fill on_close and on_answer first. */
void device_link_open(struct home *h, struct device_link *l, const struct device_link_conf *conf);
/* The socket is closed. Answers that come later are dropped. Harmless when not open. */
void device_link_close(struct device_link *l, close_reason reason);

/* What a device says. `ack` is copied and given back with the answer; an empty one wants none. */
void device_link_heartbeat(struct device_link *l, span ack);
/* capabilities: JSON array of texts without repeats; ptr NULL: unchanged. */
void device_link_register(struct device_link *l, span ack, span capabilities);
/* A live sample: shown, not stored. */
void device_link_sample(struct device_link *l, span ack, const struct host_point *p);
/* A row to be stored, with the processes of that moment (JSON array, empty: none). One that is
 * stored already is answered ERR_NONE and changes nothing. */
void device_link_row(struct device_link *l, span ack, const struct host_point *p, span processes);
void device_link_state(struct device_link *l, span ack, const struct host_facts *f);
/* The configuration that the device has: the version of what was desired, and an object of up to
 * CONFIG_BYTES_MAX bytes (domain/device_config.h). Answered after the commit;
 * ERR_INVALID_MESSAGE_FORMAT: that version was never desired. */
void device_link_config(struct device_link *l, span ack, int64_t version, span reported);
/* The device has what was delivered under that token; harmless when it has been told before. */
void device_link_delivered(struct device_link *l, uint64_t token);
/* What became of a command (domain/command.h). Answered after the commit; ERR_NOT_FOUND: it was
 * never asked of this device. */
void device_link_response(struct device_link *l, span ack, const struct command_response *r);

#endif
