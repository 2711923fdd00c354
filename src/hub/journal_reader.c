/*
 * One member's way from a position to live.
 *
 *          subscribe            gate: all of it is here
 *     IDLE ---------> DUE ---------------------------------------> LIVE
 *                    ^  |  gate: a part; log: a page                 |
 *                    |  +----> SENT -> (WAITING) -> DUE              | another topic
 *                    +-----------------------------------------------+
 *
 * Every topic has a floor: all its events up to there were given to the member. A step gives the
 * events above the floors of all topics together, in the order of their numbers, and raises all
 * floors to the same number; the last step, at the gate, gives the rest and subscribes the topics
 * in the hub in one go, so nothing is published between. What follows is live.
 *
 * Why a client that comes back with the last pos p that it received misses nothing: whatever the
 * member was given so far, if the last pos in it is p, then of every topic everything up to p was
 * given. In the hub that holds because the gate publishes in the order of the numbers, and what
 * this loop delivers is in that order. A topic that is subscribed while others are live is behind
 * them: so they leave the hub first, with a floor that is all this loop has delivered
 * (journal_now: the newest number published here, and the gate's word, which follows what it
 * published to a loop). From then on numbers go up from the lowest floor, and of the topics with
 * higher floors everything up to theirs was given before. Between the two the last pos is the
 * higher one still: so the answer to a subscription has the lower one (journal_reader_pos) for the
 * client to go on from. What it then gets twice, in the next connection, it was given before.
 *
 * Changes of the topics while an answer is under way make it stale: it is dropped (with the
 * subscriptions that the gate counted) and asked again. A reader that closed is not found by its
 * id any more, with the same effect.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "hub/internal.h"
#include "hub/journal_internal.h"
#include "hub/pattern.h"

#include <string.h>

#define PAGES_MAX 8 /* of a loop at once, so that a storm of readers leaves the store to others */
/* A position that was told on one loop may be asked for on another before its event, or a hole in
 * front of it, has come to the gate: asked again after 5 ms, 10 ms ... in all 1.3 s, until it is
 * called unknown. */
#define AHEAD_TRIES 8
#define AHEAD_NS 5000000ULL

/* --- phases --- */

static struct list *list_of(struct journal *j, enum reader_phase phase)
{
    switch (phase) {
    case READER_DUE:
        return &j->due;
    case READER_QUEUED:
        return &j->queued;
    case READER_RETRYING:
        return &j->retrying;
    case READER_SENT:
        return &j->sent;
    case READER_IDLE:
    case READER_LIVE:
    case READER_ASKING:
    case READER_PAGING:
    case READER_WAITING:
    case READER_FAILED:
        break;
    }
    return NULL;
}

void reader_set_phase(struct journal_reader_state *s, enum reader_phase phase)
{
    struct journal *j = s->journal;
    list_remove(&s->link);
    s->phase = phase;
    struct list *to = list_of(j, phase);
    if (to != NULL) {
        list_push(to, &s->link);
    }
    s->sent_turn = j->turn;
}

/* --- open and close --- */

static bool id_eq(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, struct journal_reader_state, node)->id == *(const uint64_t *)key;
}

static uint64_t id_hash(uint64_t id) { return id * UINT64_C(0x9e3779b97f4a7c15); }

struct journal_reader_state *reader_find(const struct journal *j, uint64_t id)
{
    struct map_node *node = map_get(&j->readers, id_hash(id), id_eq, &id);
    return node == NULL ? NULL : CONTAINER_OF(node, struct journal_reader_state, node);
}

void readers_init(struct journal *j)
{
    list_init(&j->due);
    list_init(&j->sent);
    list_init(&j->queued);
    list_init(&j->retrying);
}

void journal_open(struct journal *j, struct journal_reader *r, uint32_t member,
                  const struct pos *since)
{
    ASSERT(r->ops != NULL && r->journal == NULL);
    r->journal = j;
    r->state = NULL;
    r->member = member;
    if (since != NULL) {
        struct journal_reader_state *s = mem_calloc(1, sizeof *s);
        s->id = ++j->reader_id;
        s->journal = j;
        s->reader = r;
        s->since = *since;
        list_init(&s->link);
        map_put(&j->readers, id_hash(s->id), &s->node);
        r->state = s;
    }
}

static void drop_topic(struct journal_reader_state *s, uint32_t i)
{
    mem_free((void *)s->topics[i].name.ptr);
    s->topics[i] = s->topics[--s->topic_count];
}

void journal_close(struct journal_reader *r)
{
    struct journal_reader_state *s = r->state;
    if (s != NULL) {
        list_remove(&s->link);
        map_remove(&s->journal->readers, &s->node);
        while (s->topic_count > 0) {
            drop_topic(s, 0);
        }
        mem_free(s->topics);
        mem_free(s);
    }
    r->state = NULL;
    r->journal = NULL;
}

/* --- topics --- */

static uint32_t topic_index(const struct journal_reader_state *s, span name)
{
    uint64_t hash = topic_hash(name);
    uint32_t i = 0;
    while (i < s->topic_count &&
           (s->topics[i].hash != hash || !span_eq(s->topics[i].name, name))) {
        i++;
    }
    return i;
}

static bool pattern_fits(const struct journal_reader_state *s, span name)
{
    uint32_t patterns = 0;
    for (uint32_t i = 0; i < s->topic_count; i++) {
        patterns += s->topics[i].pattern;
    }
    return pattern_allowed(name) && patterns < HUB_MEMBER_PATTERNS_MAX;
}

static void add_topic(struct journal_reader_state *s, span name, uint64_t floor)
{
    if (s->topic_count == s->topic_cap) {
        s->topic_cap = s->topic_cap == 0 ? 2 : s->topic_cap * 2;
        s->topics = mem_realloc(s->topics, s->topic_cap * sizeof *s->topics);
    }
    uint8_t *copy = mem_alloc(name.len);
    memcpy(copy, name.ptr, name.len);
    s->topics[s->topic_count++] = (struct journal_topic){.floor = floor,
                                                         .hash = topic_hash(name),
                                                         .name = span_of(copy, name.len),
                                                         .pattern = pattern_is(name)};
}

/* Out of the hub again, with what was delivered behind it. */
static void leave_live(struct journal_reader_state *s)
{
    struct journal *j = s->journal;
    reader_raise(s, journal_now(j).n);
    for (uint32_t i = 0; i < s->topic_count; i++) {
        (void)hub_unsubscribe(j->conf.hub, s->reader->member, JOURNAL_HOME, s->topics[i].name);
    }
}

static void follow(struct journal_reader_state *s, span topic, uint64_t floor)
{
    if (s->phase == READER_LIVE) {
        leave_live(s);
    }
    add_topic(s, topic, floor);
    if (s->phase == READER_LIVE || s->phase == READER_IDLE) {
        reader_set_phase(s, READER_DUE);
    }
    s->stale = s->phase == READER_ASKING || s->phase == READER_PAGING;
}

bool journal_subscribe(struct journal_reader *r, span topic)
{
    struct journal_reader_state *s = r->state;
    ASSERT(topic.len > 0 && topic.len <= HUB_TOPIC_BYTES_MAX);
    if (s == NULL) {
        return hub_subscribe(r->journal->conf.hub, r->member, JOURNAL_HOME, topic);
    }
    if (s->phase == READER_FAILED || topic_index(s, topic) < s->topic_count) {
        return true;
    }
    if (pattern_is(topic) && !pattern_fits(s, topic)) {
        return false;
    }
    follow(s, topic, s->since.n);
    return true;
}

void journal_subscribe_after(struct journal_reader *r, span topic, struct pos after)
{
    struct journal_reader_state *s = r->state;
    ASSERT(s != NULL && !pattern_is(topic) && topic.len <= HUB_TOPIC_BYTES_MAX);
    ASSERT(after.epoch == r->journal->epoch);
    if (s->phase != READER_FAILED && topic_index(s, topic) == s->topic_count) {
        follow(s, topic, after.n > s->since.n ? after.n : s->since.n);
    }
}

bool journal_unsubscribe(struct journal_reader *r, span topic)
{
    struct journal_reader_state *s = r->state;
    if (s == NULL) {
        return hub_unsubscribe(r->journal->conf.hub, r->member, JOURNAL_HOME, topic);
    }
    uint32_t i = topic_index(s, topic);
    if (i == s->topic_count) {
        return false;
    }
    if (s->phase == READER_LIVE) {
        (void)hub_unsubscribe(r->journal->conf.hub, r->member, JOURNAL_HOME, topic);
    }
    drop_topic(s, i);
    s->stale = s->phase == READER_ASKING || s->phase == READER_PAGING;
    return true;
}

uint64_t reader_position(const struct journal_reader_state *s)
{
    uint64_t lowest = s->topics[0].floor;
    for (uint32_t i = 1; i < s->topic_count; i++) {
        lowest = s->topics[i].floor < lowest ? s->topics[i].floor : lowest;
    }
    return lowest;
}

void reader_raise(struct journal_reader_state *s, uint64_t n)
{
    for (uint32_t i = 0; i < s->topic_count; i++) {
        s->topics[i].floor = n > s->topics[i].floor ? n : s->topics[i].floor;
    }
}

struct pos journal_reader_pos(const struct journal_reader *r)
{
    const struct journal_reader_state *s = r->state;
    if (s == NULL || s->phase == READER_LIVE) {
        return journal_now(r->journal);
    }
    return s->topic_count == 0 || s->since.epoch != r->journal->epoch
               ? s->since
               : journal_pos(r->journal, reader_position(s));
}

/* --- steps --- */

/* Of another log, or from one that went back: no floor means anything here. */
static void forget_floors(struct journal_reader_state *s, uint64_t n)
{
    for (uint32_t i = 0; i < s->topic_count; i++) {
        s->topics[i].floor = n;
    }
}

bool reader_gap(struct journal_reader_state *s, struct pos from, uint64_t to)
{
    struct journal *j = s->journal;
    uint64_t id = s->id;
    COUNT(j->counts.gaps, 1);
    if (from.epoch != j->epoch || from.n > to) {
        forget_floors(s, to);
    }
    reader_raise(s, to);
    if (from.epoch != s->since.epoch || from.n <= s->since.n) {
        s->since = journal_pos(j, to);
    } /* else what a later topic misses from there on is told then */
    s->reader->ops->on_gap(s->reader, from, journal_pos(j, to));
    return reader_find(j, id) != NULL;
}

void reader_give(struct journal_reader_state *s, struct blob *b)
{
    struct journal *j = s->journal;
    if (!member_wants(j->conf.hub, s->reader->member, b) ||
        !member_had(j->conf.hub, s->reader->member, b)) {
        blob_unref(b);
        return;
    }
    s->reader->gave = true;
    if (!s->replaying) {
        s->replaying = true;
        COUNT(j->counts.replays, 1);
    }
    COUNT(j->counts.replayed, 1);
    hub_send(j->conf.hub, s->reader->member, b);
}

static void go_live(struct journal_reader_state *s)
{
    struct hub *h = s->journal->conf.hub;
    uint32_t member = s->reader->member;
    for (uint32_t i = 0; i < s->topic_count; i++) {
        if (hub_subscribed(h, member, s->topics[i].name)) { /* not by this reader */
            struct hub_ticket who = {.loop = h->conf.loop, .member = member};
            local_decline(h, who, JOURNAL_HOME, s->topics[i].name);
        } else {
            local_join(h, member, JOURNAL_HOME, s->topics[i].name);
        }
    }
    s->replaying = false;
    reader_set_phase(s, READER_LIVE);
    if (s->reader->ops->on_live != NULL) {
        s->reader->ops->on_live(s->reader); /* may close it: `s` is not used any more */
    }
}

static void take_given(struct journal_reader_state *s, struct journal_ask *a)
{
    for (unsigned i = 0; i < a->given_count; i++) {
        reader_give(s, a->given[i]);
    }
    reader_raise(s, a->upto);
    if (a->answer == ASK_MORE) {
        reader_set_phase(s, READER_SENT);
    } else {
        journal_learn(s->journal, a->upto);
        go_live(s);
    }
    mem_free(a);
}

/* Whether the gate may still come to where the reader is. It will where a topic begins
 * (journal_subscribe_after), for that was told by this log. */
static bool waits_for_gate(struct journal_reader_state *s, const struct journal_ask *a)
{
    const struct journal *j = s->journal;
    bool begins = a->answer == ASK_AHEAD && s->since.n <= a->published;
    if (begins && s->ahead == AHEAD_TRIES) {
        s->ahead--;
    }
    if (a->answer != ASK_AHEAD || s->since.epoch != j->epoch || s->ahead == AHEAD_TRIES) {
        s->ahead = 0;
        return false;
    }
    s->retry_ns = clock_mono_ns(j->conf.clock) + (AHEAD_NS << s->ahead++);
    reader_set_phase(s, READER_RETRYING);
    return true;
}

void reader_answered(struct journal_ask *a)
{
    struct journal_reader_state *s = reader_find(a->from, a->reader);
    bool open = member_get(a->from->conf.hub, a->who.member) != NULL;
    if (s == NULL || s->stale || !open) {
        ask_drop(a);
        if (s != NULL) {
            s->stale = false;
            reader_set_phase(s, open ? READER_DUE : READER_FAILED);
        }
        return;
    }
    s->published = a->published;
    s->ring_floor = a->ring_floor;
    if (waits_for_gate(s, a)) {
        mem_free(a);
        return;
    }
    if (a->answer == ASK_JOINED || a->answer == ASK_MORE) {
        take_given(s, a);
        return;
    }
    reader_set_phase(s, READER_DUE);
    if (a->answer == ASK_AHEAD) {
        struct pos from = s->since.epoch == a->from->epoch ? journal_pos(a->from, a->position)
                                                           : s->since;
        open = reader_gap(s, from, a->published);
        (void)open; /* `s` is not used any more */
    }
    mem_free(a);
}

static void step(struct journal_reader_state *s)
{
    struct journal *j = s->journal;
    if (s->topic_count == 0) {
        reader_set_phase(s, READER_IDLE);
        return;
    }
    if (s->since.epoch != j->epoch) {
        forget_floors(s, UINT64_MAX); /* the gate says how far it is */
    }
    uint64_t position = reader_position(s);
    if (position < s->ring_floor) {
        reader_set_phase(s, READER_QUEUED);
    } else {
        reader_set_phase(s, READER_ASKING);
        ask_post(s, position);
    }
}

static bool socket_took_all(const struct journal_reader_state *s)
{
    uint32_t messages;
    uint64_t bytes;
    hub_member_queue(s->journal->conf.hub, s->reader->member, &messages, &bytes);
    return messages == 0;
}

void journal_writable(struct journal_reader *r)
{
    struct journal_reader_state *s = r->state;
    if (s != NULL && s->phase == READER_WAITING && socket_took_all(s)) {
        reader_set_phase(s, READER_DUE);
    }
}

/* --- the turn --- */

static struct journal_reader_state *first_of(struct list *l)
{
    return list_empty(l) ? NULL : LIST_ITEM(l->next, struct journal_reader_state, link);
}

/* Those whose turn's output has left: on, if their sockets took it. */
static void look_at_sent(struct journal *j)
{
    LIST_EACH(it, &j->sent) {
        struct journal_reader_state *s = LIST_ITEM(it, struct journal_reader_state, link);
        if (s->sent_turn < j->turn) {
            reader_set_phase(s, socket_took_all(s) ? READER_DUE : READER_WAITING);
        }
    }
}

static void look_at_retrying(struct journal *j)
{
    if (list_empty(&j->retrying)) {
        return;
    }
    uint64_t now_ns = clock_mono_ns(j->conf.clock);
    LIST_EACH(it, &j->retrying) {
        struct journal_reader_state *s = LIST_ITEM(it, struct journal_reader_state, link);
        if (now_ns >= s->retry_ns) {
            reader_set_phase(s, s->ahead > 0 ? READER_DUE : READER_QUEUED);
        }
    }
}

static void on_nudge(struct mail *m) { CONTAINER_OF(m, struct journal, nudge)->nudged = false; }

void readers_tick(struct journal *j)
{
    look_at_sent(j);
    look_at_retrying(j);
    for (struct journal_reader_state *s = first_of(&j->due); s != NULL; s = first_of(&j->due)) {
        step(s);
    }
    while (!j->stopped && j->pages < PAGES_MAX && !list_empty(&j->queued)) {
        page_read(first_of(&j->queued));
    }
    j->turn++;
    if (!list_empty(&j->sent) && !j->nudged) { /* what they were given leaves after this */
        j->nudged = true;
        j->nudge.run = on_nudge;
        post_mail(j->conf.post, j->conf.loop, &j->nudge);
    }
}
