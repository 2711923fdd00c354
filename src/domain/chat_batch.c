/*
 * Messages that stand together in a room's queue are one request: the room's last_seq moves on by
 * their number if it is what memory says, they get its next numbers, and each is recorded as an
 * event. So a request that fails leaves nothing: no number is skipped and none is given twice.
 *
 *     gather -> [replies: are they there?] -> write -> committed
 *                                              |  ^
 *            last_seq is another: read it  <---+  |
 *            a clientId is there: look for all <--+   (what is found is answered as the first was)
 *
 * Whether a message was sent before costs nothing as long as it was not: the unique index says so.
 * What is read on these ways is chat_batch_read.c.
 */
#include "domain/chat_batch.h"
#include "domain/chat_delivery.h"

#include "base/mem.h"

#define TRIES_MAX 4
enum { STEP_ROOM, STEP_MESSAGES, STEP_EVENTS, STEPS };

/* --- answering --- */

static void end(struct chat_outgoing *m, err error, bool repeated)
{
    m->done(m, error, repeated);
    chat_outgoing_free(m);
}

void chat_batch_answer(struct chat_batch *b, unsigned i, err error, bool repeated)
{
    struct chat_outgoing *m = b->messages[i];
    b->messages[i] = NULL;
    while (m->twin != NULL) {
        struct chat_outgoing *t = m->twin;
        m->twin = t->twin;
        t->id = m->id;
        t->seq = m->seq;
        t->at_ms = m->at_ms;
        t->delivery = m->delivery;
        t->draft = m->draft; /* m outlives the call */
        t->row = m->row;
        t->why = m->why;
        end(t, error, true);
    }
    end(m, error, repeated);
}

void chat_batch_close_up(struct chat_batch *b)
{
    unsigned left = 0;
    for (unsigned i = 0; i < b->count; i++) {
        if (b->messages[i] != NULL) {
            b->messages[left++] = b->messages[i];
        }
    }
    b->count = left;
}

static void over(struct chat_batch *b)
{
    struct chat_room *r = b->room;
    ASSERT(b->count == 0);
    mem_free(b);
    chat_item_over(r);
    chat_release(r);
}

void chat_batch_fail(struct chat_batch *b, err error)
{
    for (unsigned i = 0; i < b->count; i++) {
        chat_batch_answer(b, i, error, false);
    }
    b->count = 0;
    over(b);
}

void chat_batch_go_on(struct chat_batch *b)
{
    chat_batch_close_up(b);
    if (b->count == 0) {
        over(b);
    } else {
        chat_batch_write(b);
    }
}

/* --- gathering --- */

static bool joins(const struct chat_batch *b, const struct chat_outgoing *m)
{
    const struct domain_conf *conf = chat_batch_home(b)->conf;
    return b->count == 0 ||
           (m->more_steps == 0 && b->messages[0]->more_steps == 0 &&
            b->count < conf->chat_batch_messages_max && b->replies < CHAT_BATCH_REPLIES_MAX &&
            b->bytes + m->bytes <= conf->chat_batch_bytes_max);
}

static struct chat_outgoing *twin_of(const struct chat_batch *b, const struct chat_outgoing *m)
{
    for (unsigned i = 0; chat_has_client_id(m) && i < b->count; i++) {
        struct chat_outgoing *x = b->messages[i];
        if (x->client_hash == m->client_hash && chat_has_client_id(x) &&
            uuid_eq(x->sender, m->sender) && span_eq(x->draft.client_id, m->draft.client_id)) {
            return x;
        }
    }
    return NULL;
}

static void take(struct chat_batch *b, struct chat_outgoing *m)
{
    if (list_linked(&m->item.link)) {
        list_remove(&m->item.link);
    }
    if (m->allowed != NULL && !m->allowed(m)) {
        chat_outgoing_free(m);
        return;
    }
    struct chat_outgoing *first = m->more_steps > 0 ? NULL : twin_of(b, m);
    if (first != NULL) {
        m->twin = first->twin;
        first->twin = m;
        return;
    }
    b->messages[b->count++] = m;
    b->bytes += m->bytes;
    b->replies += chat_replies(m);
}

static struct chat_outgoing *next_in_queue(const struct chat_room *r)
{
    struct chat_item *i = LIST_ITEM(r->queue.next, struct chat_item, link);
    return list_empty(&r->queue) || i->run != chat_messages_run
               ? NULL
               : CONTAINER_OF(i, struct chat_outgoing, item);
}

/* --- writing --- */

static void committed(struct chat_batch *b, const struct store_req *req)
{
    struct chat_room *r = b->room;
    struct chat_outgoing *last = b->messages[b->count - 1];
    r->last_seq = last->seq;
    r->last_ms = last->at_ms;
    chat_publish(r->chat, r, req);
    if (b->unhides) {
        chat_unhide(r);
    }
    for (unsigned i = 0; i < b->count; i++) {
        struct chat_outgoing *m = b->messages[i];
        struct chat_member_of *sender = chat_member(r, m->sender);
        if (sender != NULL) {
            chat_typing_ends(r, sender);
            chat_cursor_sent(r, sender, m->seq);
        }
        chat_delivery_sent(r, m, (uint64_t)store_int(store_cell(req, STEP_EVENTS, i, 0)));
    }
    if (b->taken) {
        chat_robot_taken(r);
    }
    chat_committed(r, b->messages, b->count);
    for (unsigned i = 0; i < b->count; i++) {
        chat_batch_answer(b, i, ERR_NONE, false);
    }
    b->count = 0;
    over(b);
}

static void written(struct store_req *req)
{
    struct chat_batch *b = req->owner;
    err error = req->error;
    unsigned step = req->failed_step;
    bool again = error != ERR_NONE && ++b->tries < TRIES_MAX;
    if (error == ERR_NONE) {
        committed(b, req);
    }
    store_req_free(req);
    if (again && error == ERR_STORE_CONSTRAINT && step == STEP_MESSAGES) {
        b->looked = 0;
        chat_batch_look(b);
    } else if (again && error == ERR_CONFLICT && step == STEP_ROOM) {
        chat_batch_read_last(b);
    } else if (error != ERR_NONE) {
        /* A conflict is nobody's who sent something. */
        bool ours = (error == ERR_CONFLICT || error == ERR_STORE_CONSTRAINT) &&
                    (b->messages[0]->more_steps == 0 || step < STEPS);
        chat_batch_fail(b, ours ? ERR_STORE_FAILED : error);
    }
}

static void put_text(struct store_req *req, unsigned set, unsigned p, span text)
{
    if (text.ptr != NULL) {
        store_set_borrowed(req, STEP_MESSAGES, set, p, text); /* the message outlives the request */
    }
}

static void put_uuid(struct store_req *req, unsigned set, unsigned p, uuid id)
{
    if (!uuid_is_nil(id)) {
        chat_set_uuid(req, STEP_MESSAGES, set, p, id);
    }
}

static void put_message(struct store_req *req, unsigned set, const struct chat_outgoing *m)
{
    put_uuid(req, set, 0, m->room->id);
    store_set_int(req, STEP_MESSAGES, set, 1, m->seq);
    put_uuid(req, set, 2, m->id);
    put_text(req, set, 3, span_str(chat_message_type_name(m->draft.type)));
    put_uuid(req, set, 4, m->sender);
    put_text(req, set, 5, m->draft.content);
    put_text(req, set, 6, m->draft.client_id);
    put_uuid(req, set, 7, m->draft.reply_to);
    put_text(req, set, 8, m->draft.metadata);
    put_uuid(req, set, 9, m->draft.file);
    put_text(req, set, 10, span_str(chat_delivery_name(m->delivery)));
    store_set_int(req, STEP_MESSAGES, set, 11, m->at_ms);
}

static void put_event(struct store_req *req, unsigned set, const struct chat_outgoing *m, buf *json)
{
    struct chat_message_row row;
    char topic[CHAT_TOPIC_MAX];
    chat_outgoing_row(m, &row);
    buf_clear(json);
    chat_message_json(&row, json);
    chat_event_set(m->room->chat, req, STEP_EVENTS, set, EVENT_CHAT_MESSAGE_RECEIVED,
                   chat_room_topic(m->room->id, topic), buf_span(json), &m->origin);
}

static void put_room(struct store_req *req, const struct chat_batch *b, int64_t now)
{
    store_step_init(req, STEP_ROOM, QUERY_CHAT_ROOM_ADVANCE, 1);
    req->steps[STEP_ROOM].expect = STORE_SOME;
    chat_set_uuid(req, STEP_ROOM, 0, 0, b->room->id);
    store_set_int(req, STEP_ROOM, 0, 1, b->room->last_seq);
    store_set_int(req, STEP_ROOM, 0, 2, b->room->last_seq + b->count);
    store_set_int(req, STEP_ROOM, 0, 3, now);
}

/* A person among them takes the room over from its robot, which the same transaction says. */
static void take_over(struct chat_batch *b)
{
    struct chat_outgoing *word =
        b->taken ? NULL : chat_robot_taken_by(b->room, b->messages, b->count);
    if (word != NULL) {
        b->taken = true;
        b->messages[b->count++] = word;
    }
}

void chat_batch_write(struct chat_batch *b)
{
    struct chat_room *r = b->room;
    struct home *h = chat_batch_home(b);
    int64_t now = clock_wall_ms(h->clock);
    now = now > r->last_ms ? now : r->last_ms;
    unsigned more = b->messages[0]->more_steps;
    take_over(b);
    unsigned taken = b->taken ? CHAT_ROBOT_TAKE_STEPS : 0;
    b->unhides = chat_has_hidden(r);
    struct store_req *req = store_req_new(h->index, STEPS + b->unhides + taken + more, written, b);
    req->row_max = b->count + CHAT_MORE_STEPS; /* events' numbers */
    put_room(req, b, now);
    store_step_init(req, STEP_MESSAGES, QUERY_CHAT_MESSAGE_INSERT, b->count);
    journal_steps(req, STEP_EVENTS, b->count);
    buf json = {0};
    for (unsigned i = 0; i < b->count; i++) {
        struct chat_outgoing *m = b->messages[i];
        m->seq = r->last_seq + 1 + i;
        m->at_ms = now;
        m->delivery = chat_delivery_first(r, m->sender);
        put_message(req, i, m);
        put_event(req, i, m, &json);
    }
    buf_deinit(&json);
    if (b->unhides) {
        store_step_init(req, STEPS, QUERY_CHAT_MEMBER_UNHIDE, 1);
        chat_set_uuid(req, STEPS, 0, 0, r->id);
    }
    if (b->taken) {
        chat_robot_take_steps(r, req, STEPS + b->unhides);
    }
    if (more > 0) {
        b->messages[0]->more(b->messages[0], req, STEPS + b->unhides + taken);
    }
    chat_batch_submit(b, req);
}

void chat_messages_run(struct chat_item *i, struct chat_room *r)
{
    unsigned max = r->chat->home->conf->chat_batch_messages_max;
    struct chat_batch *b = mem_calloc(1, sizeof *b + (max + 1) * sizeof b->messages[0]);
    b->room = r;
    chat_hold(r);
    struct chat_outgoing *m = CONTAINER_OF(i, struct chat_outgoing, item);
    for (; m != NULL && joins(b, m); m = next_in_queue(r)) {
        take(b, m);
    }
    if (r->state != CHAT_ROOM_READY) {
        chat_batch_fail(b, ERR_ROOM_ACCESS_DENIED);
    } else if (b->replies > 0) {
        chat_batch_read_replies(b);
    } else {
        chat_batch_go_on(b);
    }
}
