/* Members of one loop's hub, and the public calls; the work is done in the files beside. */
#include "hub/hub.h"

#include "base/hash.h"
#include "base/mem.h"
#include "hub/internal.h"

#include <stdatomic.h>
#include <string.h>

_Static_assert(sizeof(struct member) == 24, "a member stands beside every connection");

struct hub *hub_new(const struct hub_conf *conf)
{
    struct hub *h = mem_calloc(1, sizeof *h);
    h->conf = *conf;
    return h;
}

static void turn_reset_all(struct hub *h)
{
    turn_clear(h);
    buf_deinit(&h->segment);
    buf_deinit(&h->gather);
    mem_free(h->msgs);
    mem_free(h->dirty);
    mem_free(h->urgent);
    mem_free(h->ranges);
    mem_free(h->slow);
}

void hub_free(struct hub *h)
{
    for (uint32_t i = 0; i < h->member_top; i++) {
        struct member *m = &h->members[i];
        if (m->flags & MEMBER_OPEN) {
            outbox_free(h, i);
            if (m->sub_count > 1) {
                mem_free(m->many);
            }
        }
    }
    local_free_all(h);
    home_free_all(h);
    turn_reset_all(h);
    mem_free(h->members);
    mem_free(h->waiting);
    mem_free(h->events);
    mem_free(h);
}

const struct hub_stats *hub_stats(const struct hub *h) { return &h->stats; }
uint64_t topic_hash(span name) { return hash_bytes(name); }

struct member *member_get(const struct hub *h, uint32_t member)
{
    if (member >= h->member_top || !(h->members[member].flags & MEMBER_OPEN)) {
        return NULL;
    }
    return &h->members[member];
}

/* Members come with small numbers first, so memory behind the highest stays untouched. */
static void make_room(struct hub *h, uint32_t member)
{
    if (member >= h->member_cap) {
        uint32_t cap = h->member_cap == 0 ? 64 : h->member_cap;
        while (cap <= member) {
            cap *= 2;
        }
        h->members = mem_realloc(h->members, cap * sizeof *h->members);
        union waiting *waiting = mem_calloc(cap, sizeof *waiting);
        for (uint32_t i = 0; i < h->member_cap; i++) {
            if (h->waiting[i].place != 0) {
                waiting[i] = h->waiting[i];
            }
        }
        mem_free(h->waiting);
        h->waiting = waiting;
        h->member_cap = cap;
    }
    if (member >= h->member_top) {
        memset(h->members + h->member_top, 0,
               (member + 1 - h->member_top) * sizeof *h->members);
        h->member_top = member + 1;
    }
}

void hub_member_open(struct hub *h, uint32_t member, uint32_t gen, unsigned wire,
                     uint32_t queue_messages_max)
{
    ASSERT(wire < HUB_WIRES_MAX && member_get(h, member) == NULL);
    make_room(h, member);
    uint32_t max = queue_messages_max == 0 ? h->conf.outbox_messages_max : queue_messages_max;
    h->members[member] = (struct member){.gen = gen,
                                         .queue_max = max > UINT16_MAX ? UINT16_MAX : (uint16_t)max,
                                         .wire = (uint8_t)wire,
                                         .flags = MEMBER_OPEN};
}

void hub_member_close(struct hub *h, uint32_t member)
{
    struct member *m = member_get(h, member);
    if (m == NULL) {
        return;
    }
    turn_flush_member(h, member); /* what was said before the close leaves before it */
    local_drop_all(h, member);
    outbox_free(h, member);
    if (member_dirty(h, member) != NONE) {
        h->dirty[member_dirty(h, member)].member = NONE;
        h->waiting[member].place = 0;
    }
    h->members[member].flags = 0; /* not m: an owner of its topics may have opened others */
}

void hub_member_wire(struct hub *h, uint32_t member, unsigned wire)
{
    struct member *m = member_get(h, member);
    ASSERT(wire < HUB_WIRES_MAX && m != NULL);
    turn_flush_member(h, member);
    if (m->flags & MEMBER_BLOCKED) {
        outbox_drain(h, member);
    }
    ASSERT(!(m->flags & MEMBER_BLOCKED));
    m->wire = (uint8_t)wire;
}

void hub_member_events(struct hub *h, uint32_t member, uint64_t events)
{
    struct member *m = member_get(h, member);
    ASSERT(m != NULL);
    if (member >= h->event_cap) {
        h->event_cap = h->member_cap;
        h->events = mem_realloc(h->events, h->event_cap * sizeof *h->events);
    }
    h->events[member] = events;
    m->flags |= MEMBER_FILTERED;
}

void hub_writable(struct hub *h, uint32_t member)
{
    struct member *m = member_get(h, member);
    if (m != NULL && (m->flags & MEMBER_BLOCKED)) {
        outbox_drain(h, member);
    }
}

void hub_member_queue(const struct hub *h, uint32_t member, uint32_t *messages, uint64_t *bytes)
{
    struct member *m = member_get(h, member);
    const struct outbox *o = m == NULL ? NULL : member_out(h, member);
    *messages = o == NULL ? 0 : o->messages;
    *bytes = o == NULL ? 0 : o->bytes;
}

bool hub_subscribe(struct hub *h, uint32_t member, unsigned home, span topic)
{
    ASSERT(topic.len > 0 && topic.len <= HUB_TOPIC_BYTES_MAX);
    struct member *m = member_get(h, member);
    if (m == NULL || local_find_sub(h, m, topic) != NULL) {
        return true;
    }
    bool pattern = pattern_is(topic);
    ASSERT(home < h->conf.post->loop_count || (pattern && home == HUB_EVERY_HOME));
    if (!pattern) {
        local_subscribe(h, member, home, topic);
        return true;
    }
    struct topic *had[HUB_MEMBER_PATTERNS_MAX];
    bool full = local_patterns(h, member, had, ARRAY_LEN(had)) == HUB_MEMBER_PATTERNS_MAX;
    if (full || !pattern_allowed(topic)) {
        return false;
    }
    local_subscribe_pattern(h, member, home, topic);
    return true;
}

bool hub_unsubscribe(struct hub *h, uint32_t member, unsigned home, span topic)
{
    (void)home; /* the subscription knows it */
    return member_get(h, member) != NULL && local_unsubscribe(h, member, topic);
}

bool hub_subscribed(const struct hub *h, uint32_t member, span topic)
{
    struct member *m = member_get(h, member);
    return m != NULL && local_find_sub(h, m, topic) != NULL;
}

static void show(struct hub *h, uint32_t member, const struct topic *l,
                 void (*visit)(struct hub *h, uint32_t member, span topic, void *arg), void *arg)
{
    char name[HUB_TOPIC_BYTES_MAX]; /* a visit may drop what it is shown */
    size_t len = l->name_len;
    memcpy(name, l->name, len);
    visit(h, member, span_of(name, len), arg);
}

void hub_member_topics(struct hub *h, uint32_t member,
                       void (*visit)(struct hub *h, uint32_t member, span topic, void *arg),
                       void *arg)
{
    struct member *m = member_get(h, member);
    if (m == NULL) {
        return;
    }
    struct topic *patterns[HUB_MEMBER_PATTERNS_MAX];
    uint32_t pattern_count = local_patterns(h, member, patterns, ARRAY_LEN(patterns));
    uint32_t left = m->sub_count;
    while (left > 0) { /* from the end, so that a visit may drop what it is shown */
        left--;
        struct topic *l = (m->sub_count == 1 ? &m->one : &m->many[left])->topic;
        if (l->kind == TOPIC_PLAIN) {
            show(h, member, l, visit, arg);
        }
        left = left < m->sub_count ? left : m->sub_count;
    }
    for (uint32_t i = 0; i < pattern_count && m->sub_count > 0; i++) {
        show(h, member, patterns[i], visit, arg);
    }
}

void hub_publish(struct hub *h, unsigned home, span topic, struct blob *b)
{
    ASSERT(home < h->conf.post->loop_count);
    COUNT(h->stats.published, 1);
    if (h->conf.sink->now_us != NULL && b->made_us == 0) {
        b->made_us = h->conf.sink->now_us(h->conf.sink, false);
    }
    if (home == h->conf.loop) {
        home_publish(h, topic, topic_hash(topic), b);
    } else {
        hub_mail_post(h, home, MAIL_PUBLISH_HOME, (struct hub_ticket){0}, 0, b, topic);
    }
}

void hub_send(struct hub *h, uint32_t member, struct blob *b)
{
    struct member *m = member_get(h, member);
    if (m == NULL) {
        blob_unref(b);
        return;
    }
    turn_make_room(h);
    bool own = turn_own(h, b) == member;
    turn_deliver(h, member,
                 own ? turn_encode_own(h, m->wire, b, 0) : turn_encode(h, m->wire, b, 0));
}

/* In place of a topic's hash: what has no state key of its own merges with its own kind. */
#define MANY_KEY 1

void hub_send_many(struct hub *h, const uint32_t *members, uint32_t count, struct blob *b)
{
    uint32_t msg[HUB_WIRES_MAX];
    uint32_t made = 0;
    turn_make_room(h);
    h->window.published++;
    for (uint32_t i = 0; i < count; i++) {
        const struct member *m = member_get(h, members[i]);
        if (m == NULL) {
            continue;
        }
        if (!(made & (1u << m->wire))) {
            msg[m->wire] = turn_encode(h, m->wire, blob_ref(b), MANY_KEY);
            made |= 1u << m->wire;
        }
        turn_deliver(h, members[i], msg[m->wire]);
    }
    blob_unref(b);
}

buf *hub_compose(struct hub *h)
{
    turn_make_room(h);
    h->composing = h->segment.len;
    return &h->segment;
}

void hub_send_composed(struct hub *h, uint32_t member, enum blob_class cls)
{
    ASSERT(h->segment.len >= h->composing);
    if (member_get(h, member) == NULL) {
        h->segment.len = h->composing;
    } else {
        turn_deliver(h, member, turn_bytes(h, h->composing, cls));
    }
}

void hub_send_bytes(struct hub *h, uint32_t member, span message, enum blob_class cls)
{
    buf_append_span(hub_compose(h), message);
    hub_send_composed(h, member, cls);
}

void hub_reply(struct hub *h, struct hub_ticket who, struct blob *b)
{
    if (who.loop != h->conf.loop) {
        hub_mail_post(h, who.loop, MAIL_REPLY, who, 0, b, SPAN_NONE);
        return;
    }
    struct member *m = member_get(h, who.member);
    if (m == NULL || m->gen != who.gen) {
        blob_unref(b);
        return;
    }
    hub_send(h, who.member, b);
}

void hub_own(struct hub *h, span prefix, const struct topic_owner *owner, void *arg)
{
    ASSERT(h->owner_count < OWNERS_MAX);
    h->owners[h->owner_count++] = (struct owner_row){prefix, owner, arg};
}
