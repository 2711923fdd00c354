/*
 * Publish and subscribe over all loops. One hub a loop; it knows no sockets and no wire format.
 *
 * A topic has a home loop, which keeps the set of loops that have subscribers and answers
 * subscriptions; each loop keeps its own subscribers ("members", small numbers given by the
 * edge: connection slots) as u32 arrays. Publishing makes one immutable blob, hands it to the
 * home, and from there once to each interested loop. There it is encoded once per wire format
 * into the turn's segment, and every member takes a range of it; hub_turn_end() writes what
 * each dirty member has, one write a member a turn. A member whose socket is full keeps whole
 * messages in a bounded outbox, by class:
 *
 *   ordered    kept; more than the outbox holds: closed with CLOSE_SLOW. An empty outbox takes
 *              one message of any size, for a wire's own limit allowed it
 *   state      the newest value of each key is kept in place of the older one; direct messages
 *              without a key of their own are kept like ordered ones. What says many states at
 *              once is a barrier (blob.barrier): what came before it stays before it
 *   ephemeral  dropped
 *
 * Order: what one loop publishes to one topic arrives in that order at every member; a direct
 * hub_send keeps its place between them.
 *
 * Patterns (hub/pattern.h: `device/+/telemetry`) are subscribed like topics. What is published at
 * a home reaches each member that is subscribed to the topic or to patterns of it once, in the
 * order published there. A pattern is kept by each home that its topics may live at, and starts to
 * count there at its own time; a home answers it through the owners of the topics it may match.
 * While no pattern is subscribed publishing asks nothing; with patterns it costs a look-up for
 * each shape of them that has the topic's number of segments, however many patterns there are.
 */
#ifndef SB_HUB_HUB_H
#define SB_HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/span.h"
#include "hub/blob.h"
#include "ports/post.h"
#include "tables/closes.h"
#include "tables/errors.h"

#define HUB_TOPIC_BYTES_MAX 200
/* In place of a home, for a pattern whose topics live at the homes of their objects. */
#define HUB_EVERY_HOME UINT32_MAX
/* Patterns of one member: each costs it 16 bytes a home, and each home and loop a record. */
#define HUB_MEMBER_PATTERNS_MAX 64
#define HUB_WIRES_MAX 32 /* sets of them are bits of a word */

struct hub;
struct topic; /* at its home */

/* A subscriber somewhere: enough to answer it. */
struct hub_ticket {
    uint32_t loop;
    uint32_t member;
    uint32_t gen;
};

struct hub_picks;

/* The outer world of one loop's hub: how members' bytes leave. All on the loop's thread. */
struct hub_sink {
    /* As conn_send: bytes taken; less than all means blocked until hub_writable. */
    size_t (*send)(struct hub_sink *self, uint32_t member, const struct iovec *iov, int count);
    /* As conn_send_rest: the remainder of a message that was begun. */
    void (*rest)(struct hub_sink *self, uint32_t member, span bytes);
    /* Appends the whole wire message (frame included) of a blob for a wire. */
    void (*encode)(struct hub_sink *self, unsigned wire, const struct blob *b, buf *out);
    /* Whether a blob that is for some of a topic's members only (blob.some) is for this one. Asked
     * where it is delivered, on the member's loop, before it is encoded: once a member when it is
     * published, and when it is replayed (hub/journal.h), by what is true then. Not asked about
     * hub_send and hub_reply. May not change the hub. NULL: such blobs reach nobody. */
    bool (*wants)(struct hub_sink *self, uint32_t member, const struct blob *b);
    /* Who may want it, where that is known without asking everybody: adds members, or all of
     * another topic, to `picks`, and `wants` is asked about those of them that have the topic.
     * False: everybody is asked. Asked once a loop when it is published. May be NULL. */
    bool (*among)(struct hub_sink *self, const struct blob *b, struct hub_picks *picks);
    /* Whether a blob that is replayed to a member (hub/journal.h) is for it: it may have come later
     * than what its topics tell. Asked of each, besides `wants`; may not change the hub. NULL: all
     * are. */
    bool (*replays)(struct hub_sink *self, uint32_t member, const struct blob *b);
    /* Of a blob that says something else to one member (blob.own): that member, of this loop;
     * UINT32_MAX: it is not here. It is given what encode_own appends in place of what encode
     * does, at the same place of the order, also when it had to wait in an outbox, and when it is
     * replayed. Asked once a loop when it is published, and when it is sent to one member. May not
     * change the hub; both or none may be NULL: then nobody is told anything else. */
    uint32_t (*own)(struct hub_sink *self, const struct blob *b);
    void (*encode_own)(struct hub_sink *self, unsigned wire, const struct blob *b, buf *out);
    /* Asks to end the member; the edge answers with hub_member_close. */
    void (*close)(struct hub_sink *self, uint32_t member, close_reason reason);
    /* For measuring; both or none may be NULL. Monotonic microseconds modulo 2^32, never 0: when
     * this turn began, or the clock read now. */
    uint32_t (*now_us)(struct hub_sink *self, bool exact);
    /* A blob's bytes were given to the sockets of so many members of a wire, `us` after it was
     * made (HUB_UNTIMED: not known). Once a message, wire and turn; and for each one that had to
     * wait in an outbox. */
    void (*sent)(struct hub_sink *self, unsigned wire, const struct blob *b, uint32_t members,
                 uint32_t us);
};
#define HUB_UNTIMED UINT32_MAX

/* What the home of a topic does about its subscribers; may all be NULL. On the home loop. A pattern
 * has no topic of its own: its subscribers are not counted in topic_subscribers() of any, and its
 * end is told to nobody; hub_wanted() tells whether anybody listens. */
struct topic_owner {
    /* A subscriber arrived (it is counted already). Answer the newest values with hub_reply;
     * they reach it after nothing and before everything published later. */
    void (*on_subscribe)(struct topic *t, struct hub_ticket who, void *arg);
    /* The number of subscribers fell to n. */
    void (*on_unsubscribe)(struct topic *t, uint32_t left, void *arg);
    /* A subscriber arrived for a pattern that may match topics of the owner's prefix; at every
     * home that the pattern is subscribed at, for every owner concerned. As on_subscribe: nothing
     * published at this home before reaches it, everything after does. A member that has a topic
     * and patterns of it is told of for each; what was active before goes on meanwhile. */
    void (*on_subscribe_pattern)(struct hub *h, span pattern, struct hub_ticket who, void *arg);
};

struct hub_conf {
    unsigned loop;
    struct post *post;
    struct hub_sink *sink;         /* borrowed */
    uint32_t outbox_messages_max;  /* a member: 1,024 unless the wire says less */
    uint32_t outbox_bytes_max;     /* a member: 1 MiB */
    struct hub **peers;            /* all hubs of the process by loop, filled before use */
    uint32_t dear_wires;           /* bit per wire whose encoding costs much (it compresses):
                                      outboxes share it, instead of making it again */
};

struct hub_stats {
    _Atomic uint64_t published;
    _Atomic uint64_t delivered;     /* messages handed to sockets, each member's counted */
    _Atomic uint64_t joined;        /* writes saved by the flush window */
    _Atomic uint64_t merged;        /* state values replaced for slow readers */
    _Atomic uint64_t dropped;       /* ephemeral messages dropped for slow readers */
    _Atomic uint64_t slow_closed;
    _Atomic uint64_t outbox_bytes;  /* in all outboxes now */
    _Atomic uint64_t topics;        /* with local members; patterns too, each once a home */
    _Atomic uint64_t subscriptions; /* local; to a pattern, one a home */
};

/* One loop's hub; owned by the caller. The conf is copied, what it points to is borrowed. */
struct hub *hub_new(const struct hub_conf *conf);
/* Drops every member, topic and message without telling anybody. */
void hub_free(struct hub *h);
/* Counters of this loop; any thread may read them. */
const struct hub_stats *hub_stats(const struct hub *h);

/* Members. `wire` chooses the encoding; queue_messages_max 0 takes the hub's own. */
void hub_member_open(struct hub *h, uint32_t member, uint32_t gen, unsigned wire,
                     uint32_t queue_messages_max);
/* Drops its subscriptions and its outbox. Harmless when not open. */
void hub_member_close(struct hub *h, uint32_t member);
/* Encodes for another wire from now on. What waits for the member was encoded for the old one and
 * leaves first, through the sink, which must take all of it now (asserted): an edge that changes a
 * session's wire collects these bytes, turns them into the new form and sends them before anything
 * else. Not between hub_compose and hub_send_composed. */
void hub_member_wire(struct hub *h, uint32_t member, unsigned wire);
/* Of what is logged (blob.pos), only these events reach the member: bit per enum event. */
void hub_member_events(struct hub *h, uint32_t member, uint64_t events);
/* The member's socket takes bytes again. */
void hub_writable(struct hub *h, uint32_t member);
/* Messages and bytes waiting in the member's outbox. */
void hub_member_queue(const struct hub *h, uint32_t member, uint32_t *messages, uint64_t *bytes);

/* Subscribes a local member; twice is once. `home` is the topic's home loop (the caller derives
 * it from the id in the topic, so that a topic lives with its object); of a pattern, where all its
 * topics live, or HUB_EVERY_HOME. One name has one home. Takes effect at the home in order with
 * what this loop posts. Names are at most HUB_TOPIC_BYTES_MAX (asserted). False for a pattern that
 * is over the bounds (pattern_allowed) or one too many for the member; a topic never is. */
bool hub_subscribe(struct hub *h, uint32_t member, unsigned home, span topic);
/* False when it was not subscribed. */
bool hub_unsubscribe(struct hub *h, uint32_t member, unsigned home, span topic);
bool hub_subscribed(const struct hub *h, uint32_t member, span topic);
/* Whether what is published to the topic now reaches the member: it has the topic, or a pattern of
 * it at that home, and its home knows. */
bool hub_hears(const struct hub *h, uint32_t member, unsigned home, span topic);
/* Calls visit for each topic and pattern of a member (which may unsubscribe what it is shown). */
void hub_member_topics(struct hub *h, uint32_t member,
                       void (*visit)(struct hub *h, uint32_t member, span topic, void *arg),
                       void *arg);

/* Publishes from any loop (on this hub's thread); takes over one reference. The name is taken as a
 * topic's, even if it looks like a pattern. */
void hub_publish(struct hub *h, unsigned home, span topic, struct blob *b);
/* Sends to one local member, in order with topic messages of this turn; takes one reference. */
void hub_send(struct hub *h, uint32_t member, struct blob *b);
/* The same to several, which is encoded once a wire; those that are not open are passed over. Takes
 * one reference. Like a topic's message it may wait for those of later turns. */
void hub_send_many(struct hub *h, const uint32_t *members, uint32_t count, struct blob *b);
/* The same for bytes that are already a whole wire message (acks, pongs); copied. */
void hub_send_bytes(struct hub *h, uint32_t member, span message, enum blob_class cls);
/* The same without the copy: append one whole wire message to the buffer that hub_compose
 * returns, then send it; no other call in between. */
buf *hub_compose(struct hub *h);
void hub_send_composed(struct hub *h, uint32_t member, enum blob_class cls);
/* From a home: answers a subscriber wherever it is; takes one reference. Dropped if it left. */
void hub_reply(struct hub *h, struct hub_ticket who, struct blob *b);

/* At home: who owns topics that begin with `prefix` (at most 8 prefixes; asserted). */
void hub_own(struct hub *h, span prefix, const struct topic_owner *owner, void *arg);
span topic_name(const struct topic *t);
uint32_t topic_subscribers(const struct topic *t); /* over all loops */
/* At home; NULL without subscribers of its own, whatever patterns there are. */
struct topic *hub_topic(struct hub *h, span name);
/* At home: whether anybody would get what is published to a topic, patterns included. */
bool hub_wanted(const struct hub *h, span name);

/* Inside hub_sink.among: a member, open or not; the members that a topic has on this loop. */
void hub_pick(struct hub_picks *picks, uint32_t member);
void hub_pick_topic(struct hub_picks *picks, span topic);

/* For showing: O(topics of this loop). */
struct hub_topic_row {
    uint32_t subscribers; /* over all loops */
    uint8_t name_len;
    char name[HUB_TOPIC_BYTES_MAX];
};
/* At home: topics with subscribers that begin with `prefix`, in the order of their names' bytes,
 * from behind `after` (empty: from the first) on. How many are in `out`, at most `max`. */
unsigned hub_topics(const struct hub *h, span prefix, span after, struct hub_topic_row *out,
                    unsigned max);
/* Calls visit for each local member that has the topic; it changes nothing of the hub. */
void hub_topic_members(const struct hub *h, span topic, void (*visit)(uint32_t member, void *arg),
                       void *arg);

/* Phase 5 of the loop: writes every dirty member once, then closes those that are too slow. */
void hub_turn_end(struct hub *h);
/* The same, but under load messages of topics may wait up to `window_ns` (0: never) for those of
 * later turns, so that several leave in one write. Whatever is sent to one member (hub_send and its
 * kin, hub_reply) never waits, and takes along what waits before it; so does a member's close. A
 * loop with little to publish, or whose members get one message a window, is not delayed
 * (docs/decisions/0009). `now_ns` is monotonic. Returns in how many nanoseconds it must be called
 * again, -1 when nothing waits. */
int64_t hub_turn_pause(struct hub *h, uint64_t now_ns, uint64_t window_ns);

#endif
