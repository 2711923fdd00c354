/*
 * What the files of hub/ share. Nobody outside hub/ includes this.
 *
 *   hub.c     members and the public calls
 *   home.c    topics at their home, mail between loops
 *   local.c   this loop's subscribers
 *   shapes.c  which patterns a topic has, at its home and here
 *   turn.c    the turn's segment, one write a member
 *   window.c  when messages wait for those of the next turns
 *   outbox.c  whole messages of a blocked member
 */
#ifndef SB_HUB_INTERNAL_H
#define SB_HUB_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/mail.h"
#include "base/map.h"
#include "hub/hub.h"
#include "hub/shapes.h"

#define NONE UINT32_MAX

/* A subscription of a member: its place in the topic's array, or a token while the home has not
 * answered yet (so that an answer to an older subscription is recognised). */
#define SUB_PENDING 0x80000000u
/* In place of a token: the home counts the subscriber, and whoever asked for it tells its loop, by
 * mail of its own from there (local_join). */
#define TOKEN_JOINS SUB_PENDING

#define LOCAL_FEW_LOG 1
#define LOCAL_FEW (1u << LOCAL_FEW_LOG) /* what fits in place of a pointer */

#define COMPACT __attribute__((packed, aligned(4))) /* without padding behind pointers */

struct COMPACT sub {
    struct topic *topic;
    uint32_t index; /* place in topic->members, or SUB_PENDING | token */
};

/* 24 bytes, for it stands beside every connection. What is waiting to be written stands apart
 * (union waiting), in memory that a connection at rest never touches. */
struct COMPACT member {
    union COMPACT {
        struct sub one;    /* sub_count <= 1 */
        struct sub *many;  /* owned; room for the next power of two */
    };
    uint32_t sub_count;
    uint32_t gen;
    uint16_t queue_max;
    uint8_t wire;
    uint8_t flags;
};

/* A member has one or the other, or neither: zero. */
union waiting {
    struct outbox *out; /* owned; with MEMBER_BLOCKED: the socket is full */
    uintptr_t place;    /* in hub->dirty, and 1 */
};

enum member_flags {
    MEMBER_OPEN = 1,
    MEMBER_SLOW = 2,     /* to be closed at the end of the turn */
    MEMBER_FILTERED = 4, /* hub->events says what of the log it wants */
    MEMBER_BLOCKED = 8,  /* it has an outbox */
};

/* Where the subscribers of a topic are. */
struct spread {
    uint64_t loops; /* bit per loop with subscribers */
    uint32_t count[]; /* by loop */
};

enum topic_kind {
    TOPIC_PLAIN,
    TOPIC_LEAD,    /* a pattern's first home: one a pattern, for counting and showing */
    TOPIC_FURTHER, /* its other homes */
};

/* A topic at its home, or with members on this loop, or both: rooms of one's own are many, and with
 * one loop they are one object of 48 bytes and a name. It goes when both are over. A pattern is one
 * in hub->patterns at its home, and one in hub->local_patterns for each home that was asked for it,
 * for each starts to count at its own time. */
struct topic {
    struct map_node node;
    union {
        uint32_t few[LOCAL_FEW]; /* cap_log == LOCAL_FEW_LOG: such rooms need no array */
        uint32_t *many;          /* owned; dense */
    };
    struct spread *spread; /* of its home, owned; NULL with one loop */
    uint32_t subscribers;  /* of its home: over all loops; 0: its home is elsewhere */
    uint32_t count;        /* members here */
    uint32_t pending;      /* subscriptions from here that the home has not answered */
    uint8_t cap_log;       /* there is room for 1 << cap_log members */
    uint8_t home;          /* of those who are here */
    uint8_t name_len;
    uint8_t kind : 4;      /* enum topic_kind */
    uint8_t owner : 4;     /* its row in hub->owners and 1; 0: nobody, and for a pattern */
    char name[];
};
_Static_assert(HUB_TOPIC_BYTES_MAX <= UINT8_MAX, "name_len is a byte");

/* A message of this turn, encoded for one wire: a range of hub->segment. */
struct turn_msg {
    uint32_t from;
    uint32_t len;
    struct blob *blob; /* one reference; NULL for bytes */
    struct blob *kept; /* of a dear one: the encoding itself, made for the first outbox */
    uint64_t key;      /* STATE: what replaces what in an outbox; KEY_NONE: nothing */
    uint8_t cls;
    bool dear;   /* outboxes keep the encoding */
    bool direct; /* to one member: never waits for a later turn */
    uint8_t wire;
    uint32_t members; /* whose sockets take it this turn */
};

#define KEY_NONE 0

/* What one member is to get this turn: ranges of the segment, neighbours joined. */
struct dirty {
    uint32_t member;
    uint32_t from;
    uint32_t to;
    uint32_t more; /* first of the further ranges, or NONE */
    uint32_t last; /* last of them */
    uint32_t turn; /* the newest that brought it something */
    bool urgent;   /* it stands in hub->urgent */
};

struct range {
    uint32_t from;
    uint32_t to;
    uint32_t next;
};

struct outbox_entry {
    struct list link;
    struct blob *blob; /* one reference; NULL when the bytes follow */
    uint64_t key;      /* as of turn_msg */
    uint32_t bytes;
    uint8_t cls;
    bool encoded;      /* the blob's payload is the wire message itself */
    uint8_t data[];    /* bytes, when blob is NULL */
};

struct outbox {
    struct list entries;
    uint32_t messages;
    uint64_t bytes;
};

enum hub_mail_kind {
    MAIL_SUBSCRIBE,    /* to the home */
    MAIL_UNSUBSCRIBE,  /* to the home */
    MAIL_ACTIVATE,     /* home to the subscriber's loop */
    MAIL_REPLY,        /* home to the subscriber's loop */
    MAIL_PUBLISH_HOME, /* to the home */
    MAIL_PUBLISH,      /* home to each interested loop */
};

struct hub_mail {
    struct mail mail;
    struct hub *to;
    enum hub_mail_kind kind;
    struct hub_ticket who;
    uint32_t token;
    struct blob *blob;
    uint64_t hash;
    uint16_t from; /* the loop that posts: in mail of a home, the home */
    uint16_t name_len;
    char name[];
};

#define OWNERS_MAX 8 /* topic.owner has 4 bits */

struct owner_row {
    span prefix;
    const struct topic_owner *owner;
    void *arg;
};

/* What the flush window is judged by (window.c). */
struct window {
    bool on;
    uint32_t published; /* in this period: messages to topics with members here, */
    uint32_t writes;    /* members that got something of them to wait for a write, */
    uint32_t saved;     /* and members that had something of an earlier turn waiting */
    uint64_t period_ns; /* when the period began */
    uint64_t again_ns;  /* it is not tried before */
    uint64_t pause_ns;  /* from the last try that saved nothing to the next; 0 after others */
};

struct hub {
    struct hub_conf conf;
    struct member *members; /* owned; by connection slot */
    uint32_t member_cap;
    uint32_t member_top; /* members below it are initialised */
    union waiting *waiting; /* owned; member_cap of them */
    uint64_t *events; /* owned; by member, where MEMBER_FILTERED; few have one */
    uint32_t event_cap;
    uint32_t token;
    struct map topics; /* struct topic: those whose home is here */
    struct map locals; /* struct local: those with subscribers here */
    struct map patterns;       /* struct topic: patterns subscribed at this home */
    struct map local_patterns; /* struct local: patterns with subscribers here */
    struct shapes shapes;       /* of patterns */
    struct shapes local_shapes; /* of local_patterns */
    uint32_t *matched; /* owned: members of several lists, each once; used while publishing */
    uint32_t matched_cap;
    uint64_t *seen; /* owned: bit per member, all 0 between uses */
    uint32_t seen_words;
    struct owner_row owners[OWNERS_MAX];
    unsigned owner_count;
    uint64_t newest_pos; /* of the logged events published here; they come in order */
    buf segment; /* this turn's encoded messages */
    size_t composing; /* where the message of hub_compose begins */
    buf gather;  /* several ranges made one, for one write */
    struct turn_msg *msgs;
    uint32_t msg_count, msg_cap;
    struct dirty *dirty;
    uint32_t dirty_count, dirty_cap;
    uint32_t *urgent; /* places in dirty that do not wait; kept while the window is on */
    uint32_t urgent_count, urgent_cap;
    uint32_t turn;
    uint64_t held_ns; /* since when the oldest waits; 0: nothing does */
    struct window window;
    struct range *ranges;
    uint32_t range_count, range_cap;
    uint32_t *slow; /* members to close at the end of the turn */
    uint32_t slow_count, slow_cap;
    struct hub_stats stats;
};

/* Counters have one writer, the loop's thread, so no bus lock is needed. */
#define COUNT(field, n)                                                                            \
    atomic_store_explicit(&(field), atomic_load_explicit(&(field), memory_order_relaxed) + (n),    \
                          memory_order_relaxed)
#define UNCOUNT(field, n) COUNT(field, -(uint64_t)(n))

/* How long ago a blob was made; `now_us` as of the sink. A turn of another loop may have begun
 * before it: that is no time. */
static inline uint32_t blob_age_us(const struct blob *b, uint32_t now_us)
{
    uint32_t us = now_us - b->made_us;
    return b->made_us == 0 ? HUB_UNTIMED : us > INT32_MAX ? 0 : us;
}

/* The outbox of a member, or NULL. */
static inline struct outbox *member_out(const struct hub *h, uint32_t member)
{
    return h->members[member].flags & MEMBER_BLOCKED ? h->waiting[member].out : NULL;
}

/* Its place in hub->dirty, or NONE. */
static inline uint32_t member_dirty(const struct hub *h, uint32_t member)
{
    return h->members[member].flags & MEMBER_BLOCKED ? NONE
                                                     : (uint32_t)h->waiting[member].place - 1;
}

/* The member, when it is open; else NULL. */
struct member *member_get(const struct hub *h, uint32_t member);
uint64_t topic_hash(span name);
static inline bool wire_is_dear(const struct hub *h, unsigned wire)
{
    return (h->conf.dear_wires >> wire & 1) != 0;
}

/* local.c */
/* For a pattern the one of any home. */
struct sub *local_find_sub(const struct hub *h, struct member *m, span name);
void local_subscribe(struct hub *h, uint32_t member, unsigned home, span name);
/* `home` may be HUB_EVERY_HOME. */
void local_subscribe_pattern(struct hub *h, uint32_t member, unsigned home, span name);
bool local_unsubscribe(struct hub *h, uint32_t member, span name);
/* The home has counted the open member with TOKEN_JOINS: what is published there from now on
 * reaches it. */
void local_join(struct hub *h, uint32_t member, unsigned home, span name);
/* The home counted a subscriber so, who is gone. */
void local_decline(struct hub *h, struct hub_ticket who, unsigned home, span name);
void local_drop_all(struct hub *h, uint32_t member);
/* Patterns that a member has, each once however many homes it is at; the first `max` of them. */
uint32_t local_patterns(const struct hub *h, uint32_t member, struct topic **out, uint32_t max);
void local_activate(struct hub *h, struct hub_ticket who, uint32_t token, unsigned home,
                    span name);
/* Delivers to this loop's subscribers what was published at `home`; takes one reference. */
void local_publish(struct hub *h, unsigned home, span name, uint64_t hash, struct blob *b);
void local_free_all(struct hub *h);

/* home.c */
void home_subscribe(struct hub *h, struct hub_ticket who, uint32_t token, span name);
void home_unsubscribe(struct hub *h, struct hub_ticket who, span name);
void home_publish(struct hub *h, span name, uint64_t hash, struct blob *b);
void home_free_all(struct hub *h);
/* In hub->topics, whether its home is here or not; else NULL. */
struct topic *topic_find(const struct hub *h, uint64_t hash, span name);
/* One that has nobody yet. */
struct topic *topic_make(struct map *map, uint64_t hash, span name);
/* Of hub->topics: frees it when it is nobody's any more. */
void topic_release(struct hub *h, struct topic *t);
void topic_free(struct topic *t);
/* Posts a copy of what is asked to the loop's hub; takes over a blob's reference. */
void hub_mail_post(struct hub *h, unsigned loop, enum hub_mail_kind kind, struct hub_ticket who,
                   uint32_t token, struct blob *b, span name);

/* turn.c */
/* Before a message is added: writes what has gathered when that is much already. Positions of
 * messages are void afterwards. */
void turn_make_room(struct hub *h);
/* Encodes a blob into the segment; takes one reference. `topic_key` is 0 for a direct message.
 * Returns its place among the messages. */
uint32_t turn_encode(struct hub *h, unsigned wire, struct blob *b, uint64_t topic_key);
/* The same in the words for the blob's own member (hub_sink.own). */
uint32_t turn_encode_own(struct hub *h, unsigned wire, struct blob *b, uint64_t topic_key);
/* Who that is, on this loop; NONE: nobody. */
static inline uint32_t turn_own(const struct hub *h, const struct blob *b)
{
    struct hub_sink *sink = h->conf.sink;
    return LIKELY(!b->own) || sink->own == NULL ? NONE : sink->own(sink, b);
}
/* Delivers a blob to members of a topic whose name has that hash: one encoding a wire, one range a
 * member. Borrows the blob. */
void turn_fan_out(struct hub *h, const uint32_t *members, uint32_t count, uint64_t hash,
                  struct blob *b);
/* Drops the turn's messages. */
void turn_clear(struct hub *h);
/* Whether a blob that a topic brings is for the member. */
static inline bool member_wants(const struct hub *h, uint32_t member, const struct blob *b)
{
    struct hub_sink *sink = h->conf.sink;
    return !b->some || (sink->wants != NULL && sink->wants(sink, member, b));
}
/* Whether what is replayed was for the member. */
static inline bool member_had(const struct hub *h, uint32_t member, const struct blob *b)
{
    struct hub_sink *sink = h->conf.sink;
    return sink->replays == NULL || sink->replays(sink, member, b);
}
/* Makes a message of what was appended to the segment from `from` on. */
uint32_t turn_bytes(struct hub *h, size_t from, enum blob_class cls);
void turn_deliver(struct hub *h, uint32_t member, uint32_t msg);
/* Writes what a member has waiting from this turn. */
void turn_flush_member(struct hub *h, uint32_t member);

/* window.c */
/* At the end of every turn: whether the next one's messages may wait. */
void window_judge(struct window *w, uint64_t now_ns, uint64_t window_ns);

/* outbox.c */
/* Queues a message by the rules of its class; may mark the member slow. `encoded`: the blob's
 * payload is the message itself. */
void outbox_push(struct hub *h, uint32_t member, struct blob *b, span bytes, uint64_t key,
                 enum blob_class cls, uint32_t encoded_bytes, bool encoded);
/* Writes until the outbox is empty (it is then freed) or the socket is full. */
void outbox_drain(struct hub *h, uint32_t member);
void outbox_free(struct hub *h, uint32_t member);

#endif
