/*
 * How far each member has read, and what has reached it. Cursors move forward only, in memory, and
 * follow into the store behind; a member's receipt is told when its cursor is on disk, so however
 * fast it reads, one is on its way at a time. What a crash forgets of them is read once more.
 */
#include "domain/chat_delivery.h"

#include "base/mem.h"

#define ROWS_MAX 250 /* of one transaction */

/* Cursors that the store has not; lives while they are queued or being written, and holds the room.
 * The member may go meanwhile, and come back. */
struct chat_cursor {
    struct behind_item write;
    struct chat_room *room;
    uuid principal;
    bool receipt;        /* to be told, */
    bool receipt_flying; /* and in the request that is on its way */
};

static struct chat_cursor *cursor_of(struct behind_item *it)
{
    return CONTAINER_OF(it, struct chat_cursor, write);
}

static struct chat_member_of *member_of(const struct chat_cursor *x)
{
    return x->room->state == CHAT_ROOM_GONE ? NULL : chat_member(x->room, x->principal);
}

/* --- writing --- */

static bool tells(const struct chat_cursor *x)
{
    const struct domain_conf *conf = x->room->chat->home->conf;
    return x->receipt && x->room->member_count <= conf->chat_receipts_members_max;
}

static void put_receipt(struct store_req *req, unsigned set, const struct chat_cursor *x,
                        const struct chat_member_of *m)
{
    buf json = {0};
    char topic[CHAT_TOPIC_MAX];
    chat_receipt_json(x->room->id, x->principal, m->read_seq, &json);
    chat_event_set(x->room->chat, req, 1, set, EVENT_CHAT_MESSAGE_RECEIPT,
                   chat_room_topic(x->room->id, topic), buf_span(&json), NULL);
    buf_deinit(&json);
}

static void put_row(struct store_req *req, unsigned set, const struct chat_cursor *x,
                    const struct chat_member_of *m)
{
    chat_set_uuid(req, 0, set, 0, x->room->id);
    chat_set_uuid(req, 0, set, 1, x->principal);
    store_set_int(req, 0, set, 2, m->read_seq);
    store_set_int(req, 0, set, 3, m->delivered_seq);
}

static struct store_req *fill(struct behind *b, struct behind_batch *batch)
{
    unsigned rows = 0, receipts = 0;
    for (struct behind_item *it; rows < ROWS_MAX && (it = behind_first(b, batch)) != NULL;) {
        struct chat_cursor *x = cursor_of(it);
        behind_take(b, batch);
        x->receipt_flying = member_of(x) != NULL && tells(x);
        x->receipt = false;
        rows += member_of(x) != NULL;
        receipts += x->receipt_flying;
    }
    if (rows == 0) {
        return NULL;
    }
    struct store_req *req = store_req_new(b->home->index, 1 + (receipts > 0), NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_MEMBER_SET_CURSORS, rows);
    if (receipts > 0) {
        journal_steps(req, 1, receipts);
    }
    rows = receipts = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        const struct chat_cursor *x = cursor_of(batch->items[i]);
        const struct chat_member_of *m = member_of(x);
        if (m != NULL) {
            put_row(req, rows++, x, m);
        }
        if (x->receipt_flying) {
            put_receipt(req, receipts++, x, m);
        }
    }
    return req;
}

static void committed(struct behind *b, struct store_req *req)
{
    chat_publish(b->owner, NULL, req);
}

static void cursor_free(struct chat_cursor *x)
{
    struct chat_member_of *m = chat_member(x->room, x->principal);
    if (m != NULL && m->cursor == x) {
        m->cursor = NULL;
    }
    chat_release(x->room);
    mem_free(x);
}

static void written(struct behind *b, struct behind_item *it, err error, bool rests)
{
    struct chat_cursor *x = cursor_of(it);
    (void)b;
    x->receipt = x->receipt || (error != ERR_NONE && x->receipt_flying);
    x->receipt_flying = false;
    if (rests) {
        cursor_free(x);
    }
}

static const struct behind_ops writing = {
    .fill = fill, .committed = committed, .written = written};

void chat_cursor_touch(struct chat_room *r, struct chat_member_of *m, bool receipt)
{
    struct chat_cursor *x = m->cursor;
    if (x == NULL) {
        x = mem_calloc(1, sizeof *x);
        list_init(&x->write.link);
        x->room = r;
        x->principal = m->principal;
        m->cursor = x;
        chat_hold(r);
    }
    x->receipt = x->receipt || receipt;
    behind_touch(r->chat->cursors, &x->write);
}

void chat_cursors_start(struct chat *c)
{
    c->cursors = mem_calloc(1, sizeof *c->cursors);
    behind_init(c->cursors, c->home, &writing, "chat cursors", c);
    chat_deliveries_start(c);
}

void chat_cursors_free(struct chat *c)
{
    struct behind *b = c->cursors;
    chat_deliveries_free(c);
    while (b != NULL && !list_empty(&b->dirty)) {
        struct chat_cursor *x =
            cursor_of(LIST_ITEM(b->dirty.next, struct behind_item, link));
        list_remove(&x->write.link);
        cursor_free(x);
    }
    if (b != NULL) {
        behind_deinit(b);
        mem_free(b);
        c->cursors = NULL;
    }
}

/* --- reading --- */

void chat_cursor_sent(struct chat_room *r, struct chat_member_of *m, int64_t seq)
{
    if (m->read_seq == seq - 1) {
        m->read_seq = seq;
        chat_cursor_touch(r, m, false);
    }
}

struct move {
    struct chat_ask ask;
    int64_t seq;
    bool read;
};

static void move_read(struct chat_room *r, struct chat_member_of *m, int64_t seq)
{
    if (seq > m->read_seq) {
        m->read_seq = seq;
        chat_cursor_touch(r, m, true);
    }
}

static void at_home_move(struct chat_ask *a, struct chat_room *r)
{
    struct move *v = (struct move *)a;
    struct chat_member_of *m = chat_member_for(a, r);
    if (m == NULL) {
        return;
    }
    int64_t seq = v->seq < r->last_seq ? v->seq : r->last_seq;
    chat_delivery_has(r, m, seq); /* what was read has come */
    if (v->read) {
        move_read(r, m, seq);
    }
    buf members = {0};
    buf_printf(&members, "\"seq\":%lld,\"unread\":%lld",
               (long long)(v->read ? m->read_seq : m->delivered_seq),
               (long long)chat_unread_of(r, m));
    a->result.seq = v->read ? m->read_seq : m->delivered_seq;
    a->result.members = arena_dup(&a->arena, buf_span(&members));
    buf_deinit(&members);
    chat_answer(a, ERR_NONE);
}

static void move(struct home *h, uuid room, int64_t seq, bool read, const struct chat_who *who,
                 chat_done done, void *owner)
{
    struct move *v = chat_ask_new(h, sizeof *v, room, at_home_move, who, NULL, done, owner);
    v->seq = seq;
    v->read = read;
    chat_ask_start(&v->ask);
}

void chat_read(struct home *h, uuid room, int64_t seq, const struct chat_who *who, chat_done done,
               void *owner)
{
    move(h, room, seq, true, who, done, owner);
}

void chat_delivered(struct home *h, uuid room, int64_t seq, const struct chat_who *who,
                    chat_done done, void *owner)
{
    move(h, room, seq, false, who, done, owner);
}
