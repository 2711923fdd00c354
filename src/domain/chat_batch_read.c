/*
 * What a batch reads: before it is written whether what it replies to is there, and when that was
 * refused what was sent before, or where the room is.
 */
#include "domain/chat_batch.h"

#define STEPS_MAX 16  /* of a request (ports/store.h) */
#define IDS_A_STEP 16 /* of CHAT_MESSAGE_PLACES */
_Static_assert(CHAT_BATCH_REPLIES_MAX == STEPS_MAX * IDS_A_STEP, "one request finds them");

/* --- replies --- */

static int64_t first_seq(struct chat_room *r, uuid sender)
{
    const struct chat_member_of *m = chat_member(r, sender);
    return m != NULL && m->type == CHAT_GUEST ? m->first_seq : 0;
}

static bool is_in(const struct store_req *req, unsigned step, uuid id, int64_t after)
{
    for (unsigned row = 0; row < req->steps[step].row_count; row++) {
        uuid at;
        if (chat_cell_uuid(store_cell(req, step, row, 0), &at) && uuid_eq(at, id)) {
            return store_int(store_cell(req, step, row, 1)) > after;
        }
    }
    return false;
}

static void replies_read(struct store_req *req)
{
    struct chat_batch *b = req->owner;
    err error = req->error;
    for (unsigned i = 0, n = 0; error == ERR_NONE && i < b->count; i++) {
        struct chat_outgoing *m = b->messages[i];
        if (!chat_replies(m)) {
            continue;
        }
        if (!is_in(req, n++ / IDS_A_STEP, m->draft.reply_to, first_seq(b->room, m->sender))) {
            m->why = "replyTo is no message of this room";
            chat_batch_answer(b, i, ERR_NOT_FOUND, false);
        }
    }
    store_req_free(req);
    if (error != ERR_NONE) {
        chat_batch_fail(b, error);
    } else {
        chat_batch_go_on(b);
    }
}

void chat_batch_read_replies(struct chat_batch *b)
{
    unsigned steps = (b->replies + IDS_A_STEP - 1) / IDS_A_STEP;
    struct store_req *req = store_req_new(chat_batch_home(b)->index, steps, replies_read, b);
    req->row_max = CHAT_BATCH_REPLIES_MAX;
    for (unsigned i = 0; i < steps; i++) {
        store_step_init(req, i, QUERY_CHAT_MESSAGE_PLACES, 1);
        chat_set_uuid(req, i, 0, 0, b->room->id);
        for (unsigned p = 1; p <= IDS_A_STEP; p++) {
            store_set_text(req, i, 0, p, SPAN(""));
        }
    }
    for (unsigned i = 0, n = 0; i < b->count; i++) {
        if (chat_replies(b->messages[i])) {
            chat_set_uuid(req, n / IDS_A_STEP, 0, 1 + n % IDS_A_STEP,
                          b->messages[i]->draft.reply_to);
            n++;
        }
    }
    chat_batch_submit(b, req);
}

/* --- those that were sent before --- */

static void take_found(struct chat_batch *b, const struct store_req *req)
{
    for (unsigned step = 0, i = b->first; step < req->step_count; i++) {
        struct chat_outgoing *m = b->messages[i];
        if (!chat_has_client_id(m)) {
            continue;
        }
        if (req->steps[step].row_count > 0) {
            struct chat_message_row row;
            chat_message_row_of(req, step, 0, &row);
            m->id = row.id;
            m->seq = row.seq;
            m->at_ms = row.at_ms;
            m->delivery = row.delivery;
            m->row = &row;
            chat_batch_answer(b, i, ERR_NONE, true);
        }
        step++;
    }
}

static void looked(struct store_req *req)
{
    struct chat_batch *b = req->owner;
    err error = req->error;
    if (error == ERR_NONE) {
        take_found(b, req);
    }
    store_req_free(req);
    if (error != ERR_NONE) {
        chat_batch_close_up(b);
        chat_batch_fail(b, error);
    } else {
        chat_batch_look(b);
    }
}

/* A request's worth of them; behind the last what is left is written. */
void chat_batch_look(struct chat_batch *b)
{
    unsigned steps = 0;
    b->first = b->looked;
    for (; b->looked < b->count && steps < STEPS_MAX; b->looked++) {
        steps += chat_has_client_id(b->messages[b->looked]);
    }
    if (steps == 0) {
        unsigned before = b->count;
        chat_batch_close_up(b);
        if (b->count == before) { /* none was: it is something else that is there */
            chat_batch_fail(b, ERR_STORE_FAILED);
        } else {
            chat_batch_go_on(b);
        }
        return;
    }
    struct store_req *req = store_req_new(chat_batch_home(b)->index, steps, looked, b);
    req->row_max = STEPS_MAX;
    for (unsigned i = b->first, step = 0; i < b->looked; i++) {
        const struct chat_outgoing *m = b->messages[i];
        if (chat_has_client_id(m)) {
            store_step_init(req, step, QUERY_CHAT_MESSAGE_BY_CLIENT, 1);
            chat_set_uuid(req, step, 0, 0, b->room->id);
            chat_set_uuid(req, step, 0, 1, m->sender);
            store_set_text(req, step++, 0, 2, m->draft.client_id);
        }
    }
    chat_batch_submit(b, req);
}

/* --- where the room is --- */

static void last_read(struct store_req *req)
{
    struct chat_batch *b = req->owner;
    struct chat_room *r = b->room;
    err error = req->error;
    if (error == ERR_NONE && req->steps[0].row_count == 0) {
        error = ERR_ROOM_ACCESS_DENIED;
    }
    if (error == ERR_NONE) {
        int64_t at_ms = store_int(store_cell(req, 0, 0, 1));
        r->last_seq = store_int(store_cell(req, 0, 0, 0));
        r->last_ms = at_ms > r->last_ms ? at_ms : r->last_ms;
    }
    store_req_free(req);
    if (error != ERR_NONE) {
        chat_batch_fail(b, error);
    } else {
        chat_batch_write(b);
    }
}

/* An earlier request was answered with a failure, and is on disk all the same. */
void chat_batch_read_last(struct chat_batch *b)
{
    struct store_req *req = store_req_new(chat_batch_home(b)->index, 1, last_read, b);
    req->row_max = 1;
    store_step_init(req, 0, QUERY_CHAT_ROOM_LAST, 1);
    chat_set_uuid(req, 0, 0, 0, b->room->id);
    chat_batch_submit(b, req);
}
