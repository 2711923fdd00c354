/*
 * What has reached whom. A message is `delivered` once every member who was online when it was
 * committed has it, or has gone. Each message in between is a place in the room's ring with the
 * number of members who still miss it:
 *
 *     seq       41   42   43   44   45        a member with delivered_seq 42 that came online at 41
 *     missing    -    1    3    3    2        misses 43, 44, 45: when it has 44, these count down
 *
 * so a message costs one place however many members there are, and a member's pong one step for
 * each message since its last. What is delivered is told to its sender and stored behind. After a
 * restart nobody is online who was when it was sent: what the store still calls streaming, and no
 * ring has, is delivered (chat_delivery_now), and told by chat_delivery_left.c.
 */
#include "domain/chat_delivery.h"
#include "domain/chat_outgoing.h"

#include "base/mem.h"

#define ROWS_MAX 250 /* of one transaction */
/* Messages of a room on their way at once: two minutes at 100/s, longer than a silent peer is kept,
 * some 1 MiB. The oldest beyond that is called delivered. */
#define RING_MAX 16384

struct place {
    uint64_t n;       /* of its event */
    uuid id, sender;
    uint32_t missing; /* members */
    bool told;        /* or it needs not be */
};

/* Delivered, and not told yet. */
struct told {
    struct list link;
    uuid id, sender;
    int64_t seq;
};

/* While anything is on its way; holds the room. */
struct chat_delivery_of_room {
    struct behind_item write;
    struct chat_room *room;
    struct place *ring; /* owned; cap is a power of two */
    unsigned cap, head, count;
    int64_t seq;        /* of the head */
    struct list told;
    unsigned told_count, flying;
};

static struct chat_delivery_of_room *delivery_of(struct behind_item *it)
{
    return CONTAINER_OF(it, struct chat_delivery_of_room, write);
}

static struct place *place_at(const struct chat_delivery_of_room *d, unsigned i)
{
    return &d->ring[(d->head + i) & (d->cap - 1)];
}

/* --- the ring --- */

static void told_free(struct chat_delivery_of_room *d, struct told *t)
{
    list_remove(&t->link);
    d->told_count--;
    mem_free(t);
}

static void delivery_free(struct chat_delivery_of_room *d)
{
    while (!list_empty(&d->told)) {
        told_free(d, LIST_ITEM(d->told.next, struct told, link));
    }
    d->room->delivery = NULL;
    mem_free(d->ring);
    mem_free(d);
}

static void free_if_over(struct chat_delivery_of_room *d)
{
    struct chat_room *r = d->room;
    if (d->count == 0 && d->told_count == 0 && !behind_pending(&d->write)) {
        delivery_free(d);
        chat_release(r);
    }
}

static struct chat_delivery_of_room *delivery_for(struct chat_room *r, int64_t seq)
{
    struct chat_delivery_of_room *d = r->delivery;
    if (d == NULL) {
        d = mem_calloc(1, sizeof *d);
        list_init(&d->write.link);
        list_init(&d->told);
        d->room = r;
        r->delivery = d;
        chat_hold(r);
    }
    d->seq = d->count == 0 ? seq : d->seq;
    return d;
}

static void drop_head(struct chat_delivery_of_room *d)
{
    d->head = (d->head + 1) & (d->cap - 1);
    d->seq++;
    d->count--;
}

static void grow(struct chat_delivery_of_room *d)
{
    unsigned cap = d->cap == 0 ? 16 : 2 * d->cap;
    struct place *ring = mem_alloc(cap * sizeof *ring);
    for (unsigned i = 0; i < d->count; i++) {
        ring[i] = *place_at(d, i);
    }
    mem_free(d->ring);
    d->ring = ring;
    d->cap = cap;
    d->head = 0;
}

static void tell(struct chat_delivery_of_room *d, const struct place *p, int64_t seq)
{
    if (d->room->state == CHAT_ROOM_GONE) {
        return;
    }
    struct told *t = mem_alloc(sizeof *t);
    *t = (struct told){.id = p->id, .sender = p->sender, .seq = seq};
    list_init(&t->link);
    list_push(&d->told, &t->link);
    d->told_count++;
}

static struct place *push(struct chat_delivery_of_room *d)
{
    if (d->count == RING_MAX) {
        struct place *oldest = place_at(d, 0);
        if (!oldest->told) {
            tell(d, oldest, d->seq);
        }
        drop_head(d);
    }
    if (d->count == d->cap) {
        grow(d);
    }
    struct place *p = place_at(d, d->count++);
    *p = (struct place){0};
    return p;
}

/* --- telling --- */

/* What nobody misses any more is told, and leaves with what is before it. */
static void settle(struct chat_delivery_of_room *d, int64_t from, int64_t to)
{
    for (int64_t seq = from < d->seq ? d->seq : from; seq <= to; seq++) {
        struct place *p = place_at(d, (unsigned)(seq - d->seq));
        if (p->missing == 0 && !p->told) {
            p->told = true;
            tell(d, p, seq);
        }
    }
    while (d->count > 0 && place_at(d, 0)->told) {
        drop_head(d);
    }
    if (d->told_count > d->flying) {
        behind_touch(d->room->chat->deliveries, &d->write);
    }
    free_if_over(d);
}

static unsigned put(struct store_req *req, struct chat_delivery_of_room *d, unsigned row,
                    unsigned *event)
{
    unsigned left = d->flying;
    LIST_EACH(it, &d->told) {
        const struct told *t = LIST_ITEM(it, struct told, link);
        if (left-- == 0) {
            break;
        }
        chat_set_uuid(req, 0, row, 0, d->room->id);
        store_set_int(req, 0, row, 1, t->seq);
        store_set_text(req, 0, row++, 2, span_str(chat_delivery_name(CHAT_DELIVERED)));
        if (!uuid_is_nil(t->sender)) {
            buf json = {0};
            char topic[CHAT_TOPIC_MAX];
            chat_status_json(d->room->id, t->id, t->seq, CHAT_DELIVERED, &json);
            chat_event_set(d->room->chat, req, 1, (*event)++, EVENT_CHAT_MESSAGE_STATUS,
                           chat_user_topic(t->sender, topic), buf_span(&json), NULL);
            buf_deinit(&json);
        }
    }
    return row;
}

static unsigned events_of(const struct chat_delivery_of_room *d)
{
    unsigned n = 0, left = d->flying;
    LIST_EACH(it, &d->told) {
        if (left-- == 0) {
            break;
        }
        n += !uuid_is_nil(LIST_ITEM(it, struct told, link)->sender);
    }
    return n;
}

static struct store_req *fill(struct behind *b, struct behind_batch *batch)
{
    unsigned rows = 0, events = 0;
    for (struct behind_item *it; rows < ROWS_MAX && (it = behind_first(b, batch)) != NULL;) {
        struct chat_delivery_of_room *d = delivery_of(it);
        unsigned room = ROWS_MAX - rows;
        d->flying = d->told_count < room ? d->told_count : room;
        rows += d->flying;
        events += events_of(d);
        behind_take(b, batch);
    }
    if (rows == 0) {
        return NULL;
    }
    struct store_req *req = store_req_new(b->home->index, 1 + (events > 0), NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_MESSAGE_SET_DELIVERY, rows);
    if (events > 0) {
        journal_steps(req, 1, events);
    }
    rows = events = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        rows = put(req, delivery_of(batch->items[i]), rows, &events);
    }
    return req;
}

static void committed(struct behind *b, struct store_req *req)
{
    chat_publish(b->owner, NULL, req);
}

static void written(struct behind *b, struct behind_item *it, err error, bool rests)
{
    struct chat_delivery_of_room *d = delivery_of(it);
    for (; d->flying > 0 && error == ERR_NONE; d->flying--) {
        told_free(d, LIST_ITEM(d->told.next, struct told, link));
    }
    d->flying = 0;
    if (rests && d->told_count > 0) {
        behind_touch(b, it); /* what had no room in the request */
    }
    free_if_over(d);
}

static const struct behind_ops writing = {
    .fill = fill, .committed = committed, .written = written};

void chat_deliveries_start(struct chat *c)
{
    c->deliveries = mem_calloc(1, sizeof *c->deliveries);
    behind_init(c->deliveries, c->home, &writing, "what was delivered of chat", c);
}

void chat_deliveries_free(struct chat *c)
{
    if (c->deliveries != NULL) {
        behind_deinit(c->deliveries);
        mem_free(c->deliveries);
        c->deliveries = NULL;
    }
}

void chat_delivery_free(struct chat_room *r)
{
    if (r->delivery != NULL) {
        delivery_free(r->delivery);
    }
}

/* --- what happens --- */

/* Members who should have it, and do not yet. */
static unsigned others_online(struct chat_room *r, uuid sender)
{
    const struct chat_member_of *m = chat_member(r, sender);
    return r->online_count - (m != NULL && m->clients > 0);
}

enum chat_delivery chat_delivery_first(struct chat_room *r, uuid sender)
{
    return others_online(r, sender) == 0 ? CHAT_DELIVERED : CHAT_STREAMING;
}

enum chat_delivery chat_delivery_now(const struct chat_room *r, int64_t seq,
                                     enum chat_delivery stored)
{
    const struct chat_delivery_of_room *d = r->delivery;
    bool on_its_way = d != NULL && seq >= d->seq && seq < d->seq + d->count &&
                      place_at(d, (unsigned)(seq - d->seq))->missing > 0;
    return stored == CHAT_STREAMING && !on_its_way ? CHAT_DELIVERED : stored;
}

void chat_delivery_sent(struct chat_room *r, const struct chat_outgoing *m, uint64_t n)
{
    unsigned missing = others_online(r, m->sender);
    if (missing == 0 && m->delivery == CHAT_DELIVERED && r->delivery == NULL) {
        return;
    }
    struct chat_delivery_of_room *d = delivery_for(r, m->seq);
    while (d->count > 0 && d->seq + d->count < m->seq) {
        push(d)->told = true; /* committed, though the store said that it failed */
    }
    struct place *p = push(d);
    p->n = n;
    p->id = m->id;
    p->sender = m->sender;
    p->missing = missing;
    p->told = missing == 0 && m->delivery == CHAT_DELIVERED;
    settle(d, m->seq, m->seq);
}

/* The member misses nothing up to `to` any more. */
static void count_down(struct chat_room *r, const struct chat_member_of *m, int64_t to)
{
    struct chat_delivery_of_room *d = r->delivery;
    int64_t from = m->delivered_seq > m->online_from_seq ? m->delivered_seq : m->online_from_seq;
    if (d == NULL) {
        return;
    }
    from = from + 1 < d->seq ? d->seq : from + 1;
    to = to < d->seq + d->count ? to : d->seq + d->count - 1;
    for (int64_t seq = from; seq <= to; seq++) {
        struct place *p = place_at(d, (unsigned)(seq - d->seq));
        if (p->missing > 0 && !uuid_eq(p->sender, m->principal)) {
            p->missing--;
        }
    }
    if (from <= to) {
        settle(d, from, to);
    }
}

void chat_delivery_has(struct chat_room *r, struct chat_member_of *m, int64_t seq)
{
    seq = seq < r->last_seq ? seq : r->last_seq;
    if (seq <= m->delivered_seq) {
        return;
    }
    if (m->clients > 0) {
        count_down(r, m, seq);
    }
    m->delivered_seq = seq;
    chat_cursor_touch(r, m, false);
}

void chat_delivery_gone(struct chat_room *r, struct chat_member_of *m)
{
    count_down(r, m, r->last_seq);
    m->online_from_seq = r->last_seq;
}

void chat_delivery_received(struct chat_room *r, struct chat_member_of *m, uint64_t n)
{
    const struct chat_delivery_of_room *d = r->delivery;
    if (d == NULL || d->count == 0) {
        return;
    }
    unsigned low = 0, high = d->count; /* places below low have come */
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (place_at(d, mid)->n <= n) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    chat_delivery_has(r, m, d->seq + low - 1);
}
