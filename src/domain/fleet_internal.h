/*
 * What the files of the fleet share. Nobody else includes this.
 *
 *   fleet.c            devices: loading, holding, leaving; asks between loops
 *   device_row.c       a device's stored members in memory and as JSON
 *   device_ops.c       get, create, patch          device_delete.c, device_list.c
 *   device_events.c    the ordered events of devices
 *   device_config.c    what is desired of a device, and what it reports
 *   device_link.c      sockets and homes, between loops
 *   device_watch.c     devices that the house follows   device_says.c  what they say of states
 *   presence.c         the live link, deadlines, flapping
 *   presence_write.c   what the store and the event log say of it
 *   connection_log.c   connection_logs
 *   host_memory.c      the newest values of a host
 *   host_channels.c    topics, timers, frames
 *   host_reports.c     what devices report, into the store
 *   host_history.c     reads of stored rows
 *   telemetry*.c       what devices measure (telemetry_internal.h)
 *   command*.c         commands (command_internal.h)
 *   fleet_retention.c  what becomes too old goes
 *   fleet_budget.c     what is too much goes
 *
 * A device is held by whoever needs it in memory: its link, each viewer, each subscribed channel,
 * each request of the store that will come back to it. Held by nobody it may go.
 */
#ifndef SB_DOMAIN_FLEET_INTERNAL_H
#define SB_DOMAIN_FLEET_INTERNAL_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "domain/behind.h"
#include "domain/device.h"
#include "domain/device_link.h"
#include "domain/fleet.h"
#include "domain/heard.h"
#include "domain/hostmetrics.h"

#define HOST_ROWS_MAX 30 /* of `history` (CONTRACT 6) */

/* The newest values of a host; one block a device that has any. */
struct host {
    struct host_point point;  /* newest sample or row */
    bool has_point;
    unsigned row_count;
    struct host_point rows[HOST_ROWS_MAX]; /* oldest first */
    bool has_facts;
    struct host_facts facts;  /* spans into facts_text */
    uint8_t *facts_text;      /* owned */
    int64_t stored_ms;        /* facts.at_ms of the newest stored record */
    buf processes;            /* newest list, JSON */
    int64_t processes_ms;
    int64_t processes_stored_ms;
};

struct channel {
    struct deadline tick;
    struct device *device;
    uint32_t subscribers;
};

enum device_state {
    DEVICE_LOADING,
    DEVICE_READY,
    DEVICE_GONE, /* being deleted or not there: not found by anybody, freed with the last hold */
};

struct configuration;
struct connection_log;
struct flap;

struct live {
    bool on;
    bool stale;
    bool registered;    /* and announced as such */
    bool delivers;      /* its wire takes what the home has for the device */
    unsigned loop;
    uint64_t link;
    const char *wire;
    int64_t since_ms;   /* wall */
    int64_t opened_ms;  /* monotonic */
    int64_t heard_ms;   /* monotonic: the newest application message */
    uuid log_id;        /* of connection_logs */
    struct connection_log *log; /* while its beginning is not on disk */
};

/* What store and log say of a device's presence. */
struct told {
    bool on;
    bool stale;
    bool flapping;
    uint32_t turn;
};

struct device {
    struct map_node node;
    struct fleet *fleet;
    uuid id;
    enum device_state state;
    struct list waiting; /* struct wait, while loading */
    struct list idle;    /* in fleet->idle while nobody holds it */
    unsigned holds;
    struct device_row row; /* spans into row_text */
    uint8_t *row_text;     /* owned */
    struct live live;
    struct deadline silence;
    uint32_t turn;           /* how often it came online */
    int64_t connected_ms;    /* wall: when it last came online, */
    int64_t disconnected_ms; /* and when it last went offline */
    int64_t connect_ms;      /* monotonic: the newest link, take-overs too; 0: none yet */
    struct flap *flap;       /* NULL while calm */
    struct behind_item write;
    struct told told;
    struct told was;         /* before the write on its way */
    bool owed;               /* device:updated, whatever else has changed */
    bool was_owed;
    bool touch_later;        /* presence waits for the change below */
    int64_t seen_written_ms; /* monotonic; 0: not yet */
    bool changing;           /* a change of the row is on its way, */
    struct list changes;     /* and these asks wait for it */
    struct configuration *config; /* NULL while there is nothing */
    unsigned viewers;
    struct list watched;  /* in fleet->watched while there are any */
    struct host *host; /* NULL while there is nothing */
    struct channel *channels; /* HOST_CHANNEL_COUNT, or NULL: never subscribed */
    struct device_telemetry *telemetry; /* NULL: nobody has asked */
    struct commands *commands; /* NULL until there was one */
    struct watch *watch; /* NULL: the house does not follow it */
    bool deleting;
};

struct fleet {
    struct home *home;
    struct map devices;
    struct list idle; /* the longest unused first */
    unsigned idle_count;
    unsigned online, stale, viewers, timers, asks;
    unsigned followed; /* devices with a watch */
    struct heard heard; /* of the live links' heard_ms */
    int offset_min; /* of clock labels */
    struct map links; /* struct device_link of this loop */
    uint64_t link_last;
    struct behind presence;
    struct behind logs;
    unsigned logs_waiting;
    struct list watched; /* devices with viewers */
    struct list local; /* asks that this loop's callers wait for */
    struct telemetry *telemetry;
    struct watches *watches; /* device_watch.c */
    struct behind commands; /* their changes of phase */
    uint64_t command_last;  /* the newest number of a token */
    struct command_sweep *sweep; /* home 0 only */
    _Atomic uint64_t commands_ended[PHASE_COUNT]; /* written by this thread, read by any */
    struct list partings; /* device_delete.c */
    struct job_runner *jobs; /* home 0 only */
    struct retention *retention; /* home 0 only */
    struct budget *budget;       /* home 0 only */
};

/* --- fleet.c --- */

/* Somebody waits for a device to be loaded. `ready` runs once, maybe before device_need returns;
 * `d` is NULL when error is not ERR_NONE, and held for the call. */
struct wait {
    struct list link;
    void (*ready)(struct wait *w, struct device *d, err error);
};
void device_need(struct fleet *f, uuid id, struct wait *w);
/* The device if it is loaded, else NULL. */
struct device *device_find(struct fleet *f, uuid id);
/* The same, in any state. */
struct device *device_peek(struct fleet *f, uuid id);
void device_hold(struct device *d);
void device_release(struct device *d);
/* For everybody it does not exist any more. Hold it. */
void device_forget(struct device *d);

/*
 * A question to a device's home and its answer. `at_home` runs there with the loaded device (held
 * for the call; to go on later hold it again) and ends with ask_answer, now or later; without the
 * device the answer is its error. `at_caller` runs on the asking loop, then the ask is freed.
 */
struct ask {
    struct mail mail;
    struct wait wait;
    struct home *from;
    struct fleet *fleet; /* at home */
    uuid id;
    struct device *device; /* while it is held across requests */
    void (*at_home)(struct ask *a, struct device *d);
    void (*at_caller)(struct ask *a);
    struct arena arena;    /* arguments and results */
    struct device_result result;
    device_done done;
    void *owner;
};
/* `bytes` for a struct that begins with an ask, zeroed. */
void *ask_new(struct home *h, size_t bytes, uuid id, void (*at_home)(struct ask *, struct device *),
              device_done done, void *owner);
void ask_start(struct ask *a);
void ask_answer(struct ask *a, err error);
span ask_copy(struct ask *a, span s);

/*
 * Changes of a device's row, and those of its presence, are made one after the other, so that its
 * events show what is stored. False: another one is on its way; at_home runs again when it is
 * over. Else the caller ends it, holding the device, when its request is answered.
 */
bool change_begin(struct ask *a, struct device *d) MUST_CHECK;
void change_end(struct device *d);
/* The device's presence was written: changes that waited go on. Hold the device. */
void changes_next(struct device *d);

/* A request with ids as text. */
void req_set_uuid(struct store_req *req, unsigned step, unsigned set, unsigned p, uuid id);
void req_submit(struct home *h, struct store_req *req);
/* An AUDIT_INSERT as step `i`. */
void req_audit(struct home *h, struct store_req *req, unsigned i, const struct actor *who,
               const char *action, uuid target);

/* --- device_row.c --- */

/* From a row of DEVICE_GET; all texts are copied. */
void device_row_load(struct device *d, const struct store_value *cells);
/* Takes other members; the spans may be the present ones. */
void device_row_set(struct device *d, const struct device_row *row);
void device_json(struct device *d, buf *out);
/* Puts JSON, version and status into the answer. */
void ask_result_device(struct ask *a, struct device *d);

/* --- device_events.c: steps that record an event of the device --- */

/* DEVICE_CREATED or DEVICE_UPDATED: the whole device. */
void req_event_device(struct home *h, struct store_req *req, unsigned step, enum event event,
                      const struct device_row *row);
void req_event_status(struct home *h, struct store_req *req, unsigned step,
                      const struct device_row *row);
void req_event_deleted(struct home *h, struct store_req *req, unsigned step, uuid id);
void req_event_connection(struct home *h, struct store_req *req, unsigned step, bool connected,
                          uuid id, int64_t at_ms);
/* For done: publishes the events of a request that is on disk; nothing after an error. */
void req_publish(struct home *h, const struct store_req *req);

/* --- device_config.c --- */

/* From a row of CONFIG_GET, after device_row_load. */
void config_load(struct device *d, const struct store_value *cells);
void config_free(struct device *d);
/* Its live link registered: it is told what is desired while it is behind. */
void config_registered(struct device *d);

/* --- device_delete.c --- */

/* Whoever had rights for a deleted device of this home and was not told yet is told now. */
void partings_end(struct fleet *f, uuid device);
/* Who is still to be told of a deleted device is not. */
void partings_drop(struct fleet *f);

/* --- device_link.c --- */

/* A link of this loop by its number; NULL when it is closed. */
struct device_link *link_find(struct fleet *f, uint64_t id);
/* Asks the live link's loop to close it. */
void presence_end_link(struct device *d, close_reason reason);
/* Whether presence_deliver would take something: there is a live link, its wire can, and the device
 * is not disabled. */
bool presence_reachable(const struct device *d);
/* Hands it to the live link, in the order of calls; it arrives unless the link is closed meanwhile.
 * The payload is copied. False: not reachable, nothing happened. */
bool presence_deliver(struct device *d, const struct link_delivery *what);
/* What is told back with device_link_delivered says by its upper byte whose it is; the rest is the
 * owner's number. */
enum token_owner { TOKEN_NONE, TOKEN_COMMAND, TOKEN_CONFIG };
#define TOKEN(owner, number) ((uint64_t)(owner) << 56 | (number))
#define TOKEN_OF(token) ((enum token_owner)((token) >> 56))

/* --- device_watch.c: of devices with d->watch --- */

struct device_news;

struct telemetry_sample;
/* A sensor's newest value has changed. */
void watch_value(struct device *d, const struct telemetry_sample *s);
/* Presence or status may have. */
void watch_presence(struct device *d);
/* It is being deleted, which may fail; it is deleted. */
void watch_deleting(struct device *d);
void watch_deleted(struct fleet *f, uuid id);
/* News to be filled in, whose texts live in *arena; NULL: the house does not follow that device. */
struct device_news *watch_says(struct fleet *f, uuid id, struct arena **arena);
/* Of a home; owned by the caller. */
struct watches *watches_new(struct home *h);
void watches_free(struct watches *ws);

/* --- device_says.c --- */

/* It did a command, whose parameters may name a capability, and answered so. */
void watch_result(struct device *d, span parameters, span result);

/* --- presence.c --- */

/* last_seen_at is on disk at most so old while a device is connected; a crash forgets no more. */
#define SEEN_WRITE_MS 60000

struct opening {
    unsigned loop;
    uint64_t link;
    const char *wire; /* of static duration */
    bool delivers;
    span socket_id;
    span remote_address;
};
/* A newer link: from now on it is the live one. */
void presence_open(struct device *d, const struct opening *o);
void presence_closed(struct device *d, close_reason reason); /* the live link is closed */
void presence_close(struct device *d, close_reason reason);  /* ends it, if there is one */
void presence_viewer_joins(struct device *d);
void presence_viewer_leaves(struct device *d); /* one there is */
void presence_drop_viewers(struct device *d);
/* Nothing of its presence will be told any more: it is being deleted. Hold it. */
void presence_forget(struct device *d);
void presence_deinit(struct device *d);
/* An application message of the live link or of a host without one. */
void presence_heard(struct device *d, bool linked);
/* The live link said what it is: announced once a connection. */
void presence_registered(struct device *d);
enum connection_status presence_of(const struct device *d);
/* Its announcements are held: it flaps. */
bool presence_held(const struct device *d);
/* The device as it is now. */
void presence_row(const struct device *d, struct device_row *out);

/* --- presence_write.c --- */

extern const struct behind_ops presence_writing;
/* Presence or last seen changed: it will be written, and announced. */
void presence_touch(struct device *d);
/* Loaded with that connection_status. */
void presence_loaded(struct device *d, int stored);
/* The device as events show it: with the presence that the events before have told. */
void presence_told_row(const struct device *d, struct device_row *out);

/* --- connection_log.c --- */

extern const struct behind_ops connection_log_writing;
/* The live link begins: its row will be written; live.since_ms is set. */
void connection_log_open(struct device *d, const struct opening *o);
/* It ends; before `live` is emptied. */
void connection_log_close(struct device *d, close_reason reason);
/* The device, or its connection, is no more; what waits is written. */
void connection_log_detach(struct device *d);
/* What waits is not written. */
void connection_logs_drop(struct fleet *f);

/* --- host_memory.c --- */

struct host *host_of(struct device *d); /* made when missing */
void host_free(struct device *d);
/* From the rows of STATE_LATEST, METRICS_LAST and the newest PROCESS sample. */
void host_load(struct device *d, const struct store_req *req, unsigned step);
/* True when it is newer than what was known. */
bool host_take_point(struct device *d, const struct host_point *p);
void host_take_row(struct device *d, const struct host_point *p);
void host_take_facts(struct device *d, const struct host_facts *f);
bool host_take_processes(struct device *d, span processes, int64_t at_ms);
/* Equal but for what moves all the time: uptime, counters, processes. */
bool host_facts_same(const struct host_facts *a, const struct host_facts *b);

/* --- host_channels.c --- */

extern const struct topic_owner host_topic_owner;
/* A channel's value changed: `metrics` is sent at once, others only if nobody had one yet. */
void host_publish_metrics(struct device *d);
void host_publish_first(struct device *d, enum host_channel c);
/* Stops the timers and gives back the channels' holds. */
void host_channels_drop(struct device *d);
void host_channels_free(struct device *d);

/* From the columns recorded_at, cpu_usage ... temperature. */
struct host_point host_point_row(const struct store_value *cells);

/* --- host_reports.c --- */

/* Step `i`: METRICS_INSERT of p. */
void req_row(struct store_req *req, unsigned i, uuid device, const struct host_point *p);

/* --- telemetry.c --- */

/* Of a home; owned by the caller. */
struct telemetry *telemetry_new(struct home *h);
/* Nothing is under way. */
void telemetry_end(struct telemetry *t);

/* --- telemetry_memory.c, telemetry_topics.c --- */

extern const struct topic_owner telemetry_topic_owner;
/* Nobody follows any more: stops the timers and gives back the followers' hold. */
void telemetry_drop(struct device *d);
void telemetry_free(struct device *d);
/* --- command*.c --- */

/* From the rows of COMMAND_LIST_OPEN: each takes up where its row says. */
void commands_load(struct device *d, const struct store_req *req, unsigned step);
/* The device has a newer link: what it has not acknowledged is sent, in the order of creation. */
void commands_connected(struct device *d);
/* What waits for the device will not be sent: it is disabled. */
void commands_disabled(struct device *d);
/* What was sent under that token has arrived. */
void commands_delivered(struct device *d, uint64_t token);
/* The device is being deleted: nobody will be told of its commands any more. Hold it. */
void commands_forget(struct device *d);
/* The process ends: who waits for a command's end, or for a store that fails, is answered. */
void commands_stop_waiting(struct device *d);
/* The device leaves memory. */
void commands_free(struct device *d);
/* Changes of commands are written behind (command_write.c); the sweep is home 0's. */
void commands_start(struct fleet *f);
void commands_stop(struct fleet *f);

/* --- fleet_retention.c --- */

/* Sweeps the tables for as long as it lives; owned by the caller. */
struct retention *retention_new(struct home *h);
/* Stops; NULL is allowed. */
void retention_free(struct retention *r);

/* --- fleet_budget.c --- */

/* Keeps the store within disk_budget_bytes for as long as it lives; owned by the caller. */
struct budget *budget_new(struct home *h);
/* Stops; NULL is allowed. */
void budget_free(struct budget *b);

#endif
