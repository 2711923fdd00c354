/*
 * The turn's segment. Every message is encoded once a wire and appended; a member only notes
 * which ranges are its own, neighbours joined, so a burst to one topic is one range and one
 * write. At the end of the turn each dirty member is written to once; what a full socket leaves
 * over becomes whole messages in its outbox.
 */
#include "base/mem.h"
#include "hub/internal.h"

#include <stdatomic.h>
#include <string.h>

/* Memory of the segment that is kept between turns; a larger burst is given back. */
#define SEGMENT_KEEP_BYTES (1u << 20)

/* A turn that brings more than this is written in parts: it would leave the cache, and a few
 * large echoes would cost memory for all of them at once. */
#define SEGMENT_FULL_BYTES (1u << 18)

#define GROW(array, count, cap)                                                                    \
    do {                                                                                           \
        if ((count) == (cap)) {                                                                    \
            (cap) = (cap) == 0 ? 64 : (cap) * 2;                                                   \
            (array) = mem_realloc((array), (cap) * sizeof *(array));                               \
        }                                                                                          \
    } while (0)

/* The next message; its place among them is msg_count - 1. */
static struct turn_msg *add_msg(struct hub *h)
{
    GROW(h->msgs, h->msg_count, h->msg_cap);
    return &h->msgs[h->msg_count++];
}

static uint32_t add_encoded(struct hub *h, unsigned wire, struct blob *b, uint64_t topic_key,
                            size_t from, bool dear)
{
    ASSERT(h->segment.len <= UINT32_MAX);
    uint64_t key = b->state_key;
    if (key == 0 && topic_key != 0) {
        key = topic_key ^ ((uint64_t)b->event << 48);
    }
    *add_msg(h) = (struct turn_msg){.from = (uint32_t)from,
                                    .len = (uint32_t)(h->segment.len - from),
                                    .blob = b,
                                    .key = key,
                                    .cls = b->class,
                                    .dear = dear,
                                    .direct = topic_key == 0,
                                    .wire = (uint8_t)wire};
    return h->msg_count - 1;
}

uint32_t turn_encode(struct hub *h, unsigned wire, struct blob *b, uint64_t topic_key)
{
    size_t from = h->segment.len;
    h->conf.sink->encode(h->conf.sink, wire, b, &h->segment);
    return add_encoded(h, wire, b, topic_key, from, wire_is_dear(h, wire));
}

uint32_t turn_encode_own(struct hub *h, unsigned wire, struct blob *b, uint64_t topic_key)
{
    size_t from = h->segment.len;
    h->conf.sink->encode_own(h->conf.sink, wire, b, &h->segment);
    return add_encoded(h, wire, b, topic_key, from, true);
}

uint32_t turn_bytes(struct hub *h, size_t from, enum blob_class cls)
{
    ASSERT(h->segment.len <= UINT32_MAX);
    *add_msg(h) = (struct turn_msg){.from = (uint32_t)from,
                                    .len = (uint32_t)(h->segment.len - from),
                                    .key = KEY_NONE,
                                    .cls = (uint8_t)cls,
                                    .direct = true};
    return h->msg_count - 1;
}

static void add_range(struct hub *h, struct dirty *d, uint32_t from, uint32_t to)
{
    uint32_t *end = d->more == NONE ? &d->to : &h->ranges[d->last].to;
    if (*end == from) {
        *end = to;
        return;
    }
    GROW(h->ranges, h->range_count, h->range_cap);
    h->ranges[h->range_count] = (struct range){.from = from, .to = to, .next = NONE};
    if (d->more == NONE) {
        d->more = h->range_count;
    } else {
        h->ranges[d->last].next = h->range_count;
    }
    d->last = h->range_count++;
}

/* What an outbox keeps of a message: its blob, encoded again when there is room; of a dear one the
 * encoding, one for all outboxes. NULL for bytes. */
static struct blob *outbox_blob(const struct hub *h, struct turn_msg *t)
{
    if (!t->dear) {
        return t->blob;
    }
    if (t->kept == NULL) {
        span bytes = span_of(h->segment.ptr + t->from, t->len);
        t->kept = blob_new((enum blob_class)t->cls, t->blob->event, t->blob->time_ms, bytes);
        t->kept->pos = t->blob->pos; /* it is the same message */
        t->kept->barrier = t->blob->barrier;
        t->kept->made_us = t->blob->made_us;
    }
    return t->kept;
}

/* A message for a member that has something waiting, or has just got its first. */
static void note_kind(struct hub *h, uint32_t at, bool direct)
{
    struct dirty *d = &h->dirty[at];
    if (direct && h->window.on && !d->urgent) {
        d->urgent = true;
        GROW(h->urgent, h->urgent_count, h->urgent_cap);
        h->urgent[h->urgent_count++] = at;
    }
    if (d->turn != h->turn) {
        d->turn = h->turn;
        h->window.saved += !direct;
        COUNT(h->stats.joined, 1);
    }
}

void turn_deliver(struct hub *h, uint32_t member, uint32_t msg)
{
    struct member *m = &h->members[member];
    struct turn_msg *t = &h->msgs[msg];
    if (UNLIKELY(t->len == 0)) {
        return; /* this wire has no words for it */
    }
    if (UNLIKELY((m->flags & MEMBER_FILTERED) && t->blob != NULL && t->blob->pos != 0 &&
                 (h->events[member] >> t->blob->event & 1) == 0)) {
        return;
    }
    if (UNLIKELY(m->flags & MEMBER_BLOCKED)) {
        span bytes = span_of(h->segment.ptr + t->from, t->len);
        struct blob *b = outbox_blob(h, t);
        outbox_push(h, member, b, bytes, t->key, (enum blob_class)t->cls, t->len, t->dear);
        return;
    }
    t->members++;
    COUNT(h->stats.delivered, 1); /* keep_range takes back what the socket leaves */
    uint32_t at = (uint32_t)h->waiting[member].place - 1;
    if (at != NONE) {
        note_kind(h, at, t->direct);
        add_range(h, &h->dirty[at], t->from, t->from + t->len);
        return;
    }
    GROW(h->dirty, h->dirty_count, h->dirty_cap);
    at = h->dirty_count;
    h->waiting[member].place = (uintptr_t)at + 1;
    h->dirty[h->dirty_count++] = (struct dirty){
        .member = member, .from = t->from, .to = t->from + t->len, .more = NONE, .last = NONE,
        .turn = h->turn};
    h->window.writes += !t->direct;
    note_kind(h, at, t->direct);
}

/* The message that covers a position of the segment. */
static uint32_t msg_at(const struct hub *h, uint32_t pos)
{
    uint32_t low = 0;
    uint32_t high = h->msg_count;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (h->msgs[mid].from <= pos) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Queues the messages of one range from `pos` on; a message that was begun must be finished. */
static void keep_range(struct hub *h, uint32_t member, uint32_t pos, uint32_t to)
{
    while (pos < to) {
        struct turn_msg *t = &h->msgs[msg_at(h, pos)];
        uint32_t end = t->from + t->len;
        if (pos > t->from) {
            span rest = span_of(h->segment.ptr + pos, end - pos);
            h->conf.sink->rest(h->conf.sink, member, rest);
        } else {
            UNCOUNT(h->stats.delivered, 1);
            t->members--;
            struct blob *b = outbox_blob(h, t);
            outbox_push(h, member, b, span_of(h->segment.ptr + pos, t->len), t->key,
                        (enum blob_class)t->cls, t->len, t->dear);
        }
        pos = end;
    }
}

static void keep_unsent(struct hub *h, uint32_t member, const struct dirty *d, size_t sent)
{
    struct outbox *o = mem_calloc(1, sizeof *o);
    list_init(&o->entries);
    h->members[member].flags |= MEMBER_BLOCKED;
    h->waiting[member].out = o;
    uint32_t from = d->from;
    uint32_t to = d->to;
    uint32_t next = d->more;
    for (;;) {
        if (sent < to - from) {
            keep_range(h, member, from + (uint32_t)sent, to);
            sent = 0;
        } else {
            sent -= to - from;
        }
        if (next == NONE) {
            return;
        }
        from = h->ranges[next].from;
        to = h->ranges[next].to;
        next = h->ranges[next].next;
    }
}

static span gather(struct hub *h, const struct dirty *d)
{
    if (d->more == NONE) {
        return span_of(h->segment.ptr + d->from, d->to - d->from);
    }
    buf_clear(&h->gather);
    buf_append(&h->gather, h->segment.ptr + d->from, d->to - d->from);
    for (uint32_t r = d->more; r != NONE; r = h->ranges[r].next) {
        buf_append(&h->gather, h->segment.ptr + h->ranges[r].from,
                   h->ranges[r].to - h->ranges[r].from);
    }
    return buf_span(&h->gather);
}

static void flush(struct hub *h, struct dirty *d)
{
    span all = gather(h, d);
    struct iovec iov = {.iov_base = (void *)all.ptr, .iov_len = all.len};
    h->waiting[d->member].place = 0;
    size_t sent = h->conf.sink->send(h->conf.sink, d->member, &iov, 1);
    if (sent < all.len) {
        keep_unsent(h, d->member, d, sent);
    }
}

void turn_flush_member(struct hub *h, uint32_t member)
{
    uint32_t at = member_dirty(h, member);
    if (at != NONE) {
        struct dirty *d = &h->dirty[at];
        flush(h, d);
        d->member = NONE;
    }
}

static void close_slow(struct hub *h)
{
    for (uint32_t i = 0; i < h->slow_count; i++) {
        struct member *m = member_get(h, h->slow[i]);
        if (m != NULL && (m->flags & MEMBER_SLOW)) {
            COUNT(h->stats.slow_closed, 1);
            h->conf.sink->close(h->conf.sink, h->slow[i], CLOSE_SLOW);
        }
    }
    h->slow_count = 0;
}

void turn_clear(struct hub *h)
{
    for (uint32_t i = 0; i < h->msg_count; i++) {
        blob_unref(h->msgs[i].blob);
        blob_unref(h->msgs[i].kept);
    }
    h->msg_count = 0;
    h->segment.len = 0;
}

/* Tells what has been sent: a look at the clock a turn, a call a message. */
static void tell_sent(struct hub *h)
{
    struct hub_sink *sink = h->conf.sink;
    if (sink->sent == NULL || h->msg_count == 0) {
        return;
    }
    uint32_t now_us = sink->now_us(sink, true);
    for (uint32_t i = 0; i < h->msg_count; i++) {
        const struct turn_msg *t = &h->msgs[i];
        if (t->blob != NULL && t->members > 0) {
            sink->sent(sink, t->wire, t->blob, t->members, blob_age_us(t->blob, now_us));
        }
    }
}

/* Writes every dirty member once. Calls nobody who could come back here: a member found too slow
 * is closed at the end of the turn. */
static void flush_all(struct hub *h)
{
    for (uint32_t i = 0; i < h->dirty_count; i++) {
        if (h->dirty[i].member != NONE) {
            flush(h, &h->dirty[i]);
        }
    }
    h->dirty_count = 0;
    h->urgent_count = 0;
    h->range_count = 0;
    h->held_ns = 0;
    tell_sent(h);
    turn_clear(h);
}

void turn_make_room(struct hub *h)
{
    if (UNLIKELY(h->segment.len >= SEGMENT_FULL_BYTES)) {
        flush_all(h);
    }
}

static void give_back_memory(struct hub *h)
{
    if (h->segment.cap > SEGMENT_KEEP_BYTES) {
        buf_deinit(&h->segment);
    }
    if (h->gather.cap > SEGMENT_KEEP_BYTES) {
        buf_deinit(&h->gather);
    }
}

/* Of a blob that has other words for one of the members. */
static void fan_out_own(struct hub *h, const uint32_t *members, uint32_t count, uint64_t hash,
                        struct blob *b, uint32_t own)
{
    uint32_t msg[HUB_WIRES_MAX];
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
        unsigned wire = h->members[members[i]].wire;
        if (members[i] == own) {
            turn_deliver(h, own, turn_encode_own(h, wire, blob_ref(b), hash));
            continue;
        }
        if (!(made & (1u << wire))) {
            msg[wire] = turn_encode(h, wire, blob_ref(b), hash);
            made |= 1u << wire;
        }
        turn_deliver(h, members[i], msg[wire]);
    }
}

void turn_fan_out(struct hub *h, const uint32_t *members, uint32_t count, uint64_t hash,
                  struct blob *b)
{
    turn_make_room(h);
    h->window.published++;
    uint32_t own = turn_own(h, b);
    if (UNLIKELY(own != NONE)) {
        fan_out_own(h, members, count, hash, b, own);
        return;
    }
    uint32_t msg[HUB_WIRES_MAX];
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
        unsigned wire = h->members[members[i]].wire;
        if (!(made & (1u << wire))) {
            msg[wire] = turn_encode(h, wire, blob_ref(b), hash);
            made |= 1u << wire;
        }
        turn_deliver(h, members[i], msg[wire]);
    }
}

void hub_turn_end(struct hub *h)
{
    h->turn++;
    flush_all(h);
    while (h->slow_count > 0) {
        close_slow(h);
        flush_all(h); /* what owners published about those who left */
    }
    give_back_memory(h);
}

/* Writes members that got something direct, with what waited before it. */
static void flush_urgent(struct hub *h)
{
    for (uint32_t i = 0; i < h->urgent_count; i++) {
        struct dirty *d = &h->dirty[h->urgent[i]];
        if (d->member != NONE) {
            flush(h, d);
            d->member = NONE;
        }
    }
    h->urgent_count = 0;
}

int64_t hub_turn_pause(struct hub *h, uint64_t now_ns, uint64_t window_ns)
{
    bool held = h->held_ns != 0;
    bool may_wait = h->window.on && (!held || now_ns - h->held_ns < window_ns);
    window_judge(&h->window, now_ns, window_ns);
    if (!may_wait || h->urgent_count == h->dirty_count) {
        hub_turn_end(h);
        return -1;
    }
    h->turn++;
    do {
        close_slow(h);
        flush_urgent(h);
    } while (h->slow_count > 0);
    h->held_ns = held ? h->held_ns : now_ns;
    return (int64_t)(h->held_ns + window_ns - now_ns);
}
