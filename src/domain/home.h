/*
 * What a home loop gives to domain code: the ports, its number, its clock, its objects. Every
 * device, principal, home room and chat room lives at hash(id) mod loops; its state is touched on
 * that loop only, so nothing here is locked. Other loops ask by mail (ports/post.h).
 */
#ifndef SB_DOMAIN_HOME_H
#define SB_DOMAIN_HOME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/uuid.h"
#include "base/wheel.h"
#include "domain/receiver_types.h"
#include "hub/hub.h"
#include "hub/journal.h"
#include "ports/clock.h"
#include "ports/entropy.h"
#include "ports/log.h"
#include "ports/offload.h"
#include "ports/password.h"
#include "ports/post.h"
#include "ports/store.h"
#include "ports/tokens.h"

struct identity; /* domain/identity.h: one a home */
struct fleet;    /* domain/device.h: one a home */
struct recovery; /* domain/recovery.h: one a home */
struct house;    /* domain/house.h: one a home */
struct chat;     /* domain/chat.h: one a home */
struct receiver; /* domain/receiver.h */
struct webhook;  /* ports/webhook.h */
struct files;    /* ports/files.h */
struct sniff;    /* ports/sniff.h */
struct scanner;  /* ports/scanner.h */

/* Limits and times of the domain; each is a setting of the same name (tables/config.def). */
struct domain_conf {
    bool auth_anonymous_loopback;
    int64_t token_access_s;          /* 900 */
    int64_t token_refresh_s;         /* 30 d */
    int64_t session_s;               /* console sessions, 30 d */
    uint32_t issuer_roles;           /* roles outside issuers' tokens may give; bit per enum role */
    uint32_t connections_per_principal_max; /* 50 */
    uint32_t device_stale_s;         /* 90 */
    uint32_t device_gone_s;          /* 300 */
    uint32_t viewers_per_device_max; /* 50 */
    bool telemetry_after_commit;
    uint32_t telemetry_per_s;        /* 200 messages of a connection, */
    uint32_t telemetry_burst;        /* 400 */
    uint32_t telemetry_sensors_max;  /* 256 of a device */
    bool connection_log_clients;     /* on */
    int64_t retention_raw_s;         /* 30 d: rows, states, process samples */
    int64_t retention_minute_s;      /* 90 d */
    int64_t retention_hour_s;        /* 2 y */
    int64_t retention_log_s;         /* 30 d: connection and audit logs */
    int64_t retention_events_s;      /* 24 h: event_log, */
    int64_t events_max;              /* and at most so many */
    int64_t retention_history_s;     /* 30 d: what entities of the house were */
    unsigned home_rooms_max;         /* 1,000 */
    unsigned home_entities_max;      /* 10,000 */
    unsigned home_scenes_max;        /* 1,000 */
    unsigned chat_robots_max;        /* 1,000 */
    uint32_t chat_robot_timeout_ms;  /* 30 s */
    unsigned chat_robot_jobs_max;    /* 32 of a robot */
    unsigned chat_robot_room_jobs_max; /* 8 */
    unsigned chat_robot_context;     /* 20 messages */
    uint32_t chat_robot_answer_bytes_max; /* 256 KiB */
    unsigned chat_batch_messages_max;  /* 250 of one room in one transaction, */
    size_t chat_batch_bytes_max;       /* and 512 KiB of what they say */
    unsigned chat_room_waiting_max;    /* 2,000 messages of one room wait for the store, */
    uint64_t chat_waiting_bytes_max;   /* and 64 MiB of all */
    unsigned chat_room_members_max;    /* 10,000 */
    unsigned chat_rooms_max;           /* 5,000 that one is in, support rooms aside, */
    unsigned chat_rooms_owned_max;     /* and 2,000 of them one's own */
    unsigned chat_receipts_members_max; /* 100: larger rooms are told no receipts, no presence */
    int64_t disk_budget_bytes;       /* of the store; 0: none */
    int64_t recovery_ms;             /* 120 s: how long a dropped session may come back */
    uint64_t recovery_bytes_max;     /* memory of sessions that may, over all homes */
    const char *timezone;            /* of Monitor's `time` labels: UTC or a fixed +hh:mm */
    int64_t chat_edit_window_s;      /* 1 d: how long a message may be changed */
    int64_t chat_typing_ms;          /* 6 s: how long who says so types */
    int64_t chat_presence_grace_ms;  /* 5 s: who comes back within it was not away */
    int64_t chat_tier_ms[3];         /* 30, 120, 480 min: how long an escalation stays at T1-T3 */
    int64_t chat_alone_ms;           /* 60 s: the last employee may be offline for so long */
    int64_t chat_alone_queue_ms;     /* 5 min: then the room waits in the queue */
    int64_t chat_guest_ms;           /* 8 h: a guest's token */
    unsigned chat_guests_max;        /* 100 of a room */
    int64_t chat_guest_keep_ms;      /* 1 d: from a guest's end to the end of its membership */
    int64_t chat_sweep_ms;           /* 1 s */
    uint64_t chat_file_bytes_max;    /* 25 MiB: a file */
    int64_t chat_files_bytes_max;    /* 10 GB of all; 0: none */
    unsigned chat_transfers_max;     /* 256 uploads and downloads at a time */
    int64_t chat_upload_s;           /* 1 h from announcing a file to its last byte */
    int64_t chat_scan_retry_ms;      /* 5 s */
    struct receiver_conf app_receiver; /* of applications' own events */
    struct receiver_conf home_receiver; /* of their own messages on /ws */
};

/* What a home keeps in memory of rows in the store. */
enum home_cache {
    CACHE_PROOFS,     /* device keys, provisioning keys, console cookies */
    CACHE_PRINCIPALS, /* status and rights */
    CACHE_DEVICES,
    CACHE_COUNT
};
const char *home_cache_name(enum home_cache c); /* "proofs" */

/* Times that somebody wanted a row: it was there, or the store was asked. Written by the home's
 * thread only, read by any: relaxed. */
struct cache_count {
    _Atomic uint64_t hits;
    _Atomic uint64_t misses;
};

struct home {
    unsigned index;
    unsigned count;
    const struct domain_conf *conf;
    struct home **peers; /* all homes by index */
    struct post *post;
    struct clock *clock;
    struct log *log;
    struct entropy *entropy;
    struct store *store;
    struct tokens *tokens;
    struct password *password;
    struct offload *offload;
    struct files *files;     /* of chat; NULL: none are taken */
    struct sniff *sniff;     /* with files */
    struct scanner *scanner; /* NULL: files are only sniffed */
    struct offload *disk;    /* with files: their bytes; */
    struct offload *scans;   /* apart, for a scanner that is slow must not stop transfers */
    struct webhook *webhook; /* NULL: nobody is called */
    struct hub *hub;
    struct journal *journal; /* ordered events; journal_tick is the loop's */
    struct wheel wheel; /* domain deadlines, 100 ms ticks of monotonic time */
    struct list turn_works; /* struct turn_work, of this turn */
    struct uuid_gen ids;
    struct identity *identity;
    struct fleet *fleet;
    struct recovery *recovery;
    struct house *house;
    struct chat *chat;
    struct receiver *app_receiver; /* the process's, which lives on home 0; NULL: none */
    struct receiver *home_receiver; /* the same for what clients of /ws say */
    /* Told on this loop when a principal, so a device, is no more. NULL: nobody asks. */
    void (*on_gone)(void *arg, uuid principal);
    void *on_gone_arg; /* borrowed */
    /* Told on this loop when a room of the house changes for its followers; `event` is an enum
     * house_room_event. NULL: nobody asks. */
    void (*on_room)(void *arg, int64_t room, int event);
    void *on_room_arg; /* borrowed */
    struct cache_count caches[CACHE_COUNT];
};

static inline unsigned home_of(const struct home *h, uuid id)
{
    return (unsigned)(uuid_hash(id) % h->count);
}

/* On the home's thread. */
void home_cache_count(struct home *h, enum home_cache c, bool hit);

/* A domain deadline: fire(d) runs on the home's loop at or up to 100 ms after it is due. A zeroed
 * one is not armed. */
struct deadline {
    struct wheel_node node;
    void (*fire)(struct deadline *d);
};
void deadline_set(struct home *h, struct deadline *d, int64_t delay_ms);
void deadline_clear(struct deadline *d);

/* What is gathered until a turn ends: run(w) then, once, behind the deadlines and before the hub
 * writes. Initialise the link. */
struct turn_work {
    struct list link;
    void (*run)(struct turn_work *w);
};
/* Twice in a turn is once. Within `run` it is once more. */
void home_at_turn_end(struct home *h, struct turn_work *w);

void home_init(struct home *h); /* the wheel and the ids, after the ports are filled in */
/* Fires what is due, then runs what the turn has gathered; call every turn, behind its mail. */
void home_tick(struct home *h);
uuid home_new_id(struct home *h); /* UUIDv7 */

#endif
