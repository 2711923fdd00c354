/* Escalations as rows: reading and writing them, one by its id, the queue. */
#include "domain/chat_desk_internal.h"

#include "shape/chat_desk.h"
#include "shape/decode.h"

/* --- rows --- */

static int64_t time_of(const struct store_value *cell)
{
    return cell->type == STORE_NULL ? 0 : store_int(cell);
}

void escalation_read(const struct store_value *c, struct chat_escalation_row *out)
{
    *out = (struct chat_escalation_row){
        .reason = store_text(&c[2]),
        .level = (enum chat_tier)shape_chat_tier_of(store_text(&c[3])),
        .status =
            (enum chat_escalation_status)shape_chat_escalation_status_of(store_text(&c[4])),
        .outcome = c[5].type == STORE_NULL ? -1 : shape_chat_outcome_of(store_text(&c[5])),
        .due_ms = time_of(&c[8]),
        .version = store_int(&c[9]),
        .created_ms = store_int(&c[10]),
        .taken_ms = time_of(&c[11]),
        .concluded_ms = time_of(&c[12]),
    };
    (void)chat_cell_uuid(&c[0], &out->id);
    (void)chat_cell_uuid(&c[1], &out->room);
    (void)chat_cell_uuid(&c[6], &out->created_by);
    (void)chat_cell_uuid(&c[7], &out->assigned_to);
}

static void set_time(struct store_req *req, unsigned p, int64_t ms)
{
    if (ms != 0) {
        store_set_int(req, 0, 0, p, ms);
    }
}

void escalation_insert_step(struct store_req *req, const struct chat_escalation_row *e)
{
    store_step_init(req, 0, QUERY_CHAT_ESCALATION_INSERT, 1);
    chat_set_uuid(req, 0, 0, 0, e->id);
    chat_set_uuid(req, 0, 0, 1, e->room);
    store_set_text(req, 0, 0, 2, e->reason);
    store_set_text(req, 0, 0, 3, span_str(shape_chat_tier_name((int)e->level)));
    if (!uuid_is_nil(e->created_by)) {
        chat_set_uuid(req, 0, 0, 4, e->created_by);
    }
    set_time(req, 5, e->due_ms);
    store_set_int(req, 0, 0, 6, e->created_ms);
}

void escalation_update_step(struct store_req *req, const struct chat_escalation_row *e)
{
    store_step_init(req, 0, QUERY_CHAT_ESCALATION_SET, 1);
    req->steps[0].expect = STORE_SOME;
    chat_set_uuid(req, 0, 0, 0, e->id);
    store_set_int(req, 0, 0, 1, e->version - 1);
    store_set_text(req, 0, 0, 2, span_str(shape_chat_tier_name((int)e->level)));
    store_set_text(req, 0, 0, 3,
                   span_str(shape_chat_escalation_status_name((int)e->status)));
    if (e->outcome >= 0) {
        store_set_text(req, 0, 0, 4, span_str(shape_chat_outcome_name(e->outcome)));
    }
    if (!uuid_is_nil(e->assigned_to)) {
        chat_set_uuid(req, 0, 0, 5, e->assigned_to);
    }
    set_time(req, 6, e->due_ms);
    set_time(req, 7, e->taken_ms);
    set_time(req, 8, e->concluded_ms);
}

/* --- one, by its id --- */

void escalation_result(struct chat_ask *a, const struct chat_escalation_row *e)
{
    buf json = {0};
    chat_put_escalation(&json, e);
    a->result.id = e->id;
    a->result.room = e->room;
    a->result.version = e->version;
    a->result.json = chat_copy(a, buf_span(&json));
    buf_deinit(&json);
}

static void found(struct store_req *req)
{
    struct chat_ask *a = req->owner;
    if (req->error != ERR_NONE) {
        chat_answer(a, req->error);
    } else if (req->steps[0].row_count == 0) {
        chat_answer(a, ERR_NOT_FOUND);
    } else {
        struct chat_escalation_row row;
        escalation_read(store_cell(req, 0, 0, 0), &row);
        a->id = a->result.room = row.room;
        if (a->at_home == NULL) {
            escalation_result(a, &row);
            chat_answer(a, ERR_NONE);
        } else {
            chat_ask_start(a);
        }
    }
    store_req_free(req);
}

void escalation_find(struct home *h, uuid id, struct chat_ask *a)
{
    if (!chat_desk_has(&a->who)) {
        chat_answer(a, ERR_PERMISSION_DENIED);
        return;
    }
    struct store_req *req = store_req_new(h->index, 1, found, a);
    store_step_init(req, 0, QUERY_CHAT_ESCALATION_GET, 1);
    chat_set_uuid(req, 0, 0, 0, id);
    h->store->submit(h->store, req);
}

void chat_escalation_get(struct home *h, uuid id, const struct chat_who *who, chat_done done,
                         void *owner)
{
    struct chat_ask *a =
        chat_ask_new(h, sizeof *a, UUID_NIL, NULL, who, NULL, done, owner);
    escalation_find(h, id, a);
}

/* --- the queue --- */

struct listing {
    struct chat_ask ask; /* first */
    unsigned limit;
};

static void listed(struct store_req *req)
{
    struct listing *l = req->owner;
    struct chat_ask *a = &l->ask;
    unsigned limit = l->limit;
    unsigned rows = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    buf json = {0};
    buf_append_byte(&json, '[');
    for (unsigned i = 0; i < rows && i < limit; i++) {
        struct chat_escalation_row row;
        escalation_read(store_cell(req, 0, i, 0), &row);
        if (i > 0) {
            buf_append_byte(&json, ',');
        }
        chat_put_escalation(&json, &row);
    }
    buf_append_byte(&json, ']');
    if (rows > limit) {
        a->result.next = chat_copy(a, store_text(store_cell(req, 0, limit - 1, 0)));
    }
    a->result.json = chat_copy(a, buf_span(&json));
    buf_deinit(&json);
    chat_answer(a, req->error);
    store_req_free(req);
}

void chat_escalation_list(struct home *h, const struct chat_escalation_filter *in,
                          const struct chat_who *who, chat_done done, void *owner)
{
    struct listing *l = chat_ask_new(h, sizeof *l, UUID_NIL, NULL, who, NULL, done, owner);
    uuid after = UUID_NIL;
    if (!chat_desk_has(who)) {
        chat_answer(&l->ask, ERR_PERMISSION_DENIED);
        return;
    }
    if (in->after.len > 0 && !uuid_parse(in->after, &after)) {
        chat_refuse(&l->ask, ERR_INVALID_REQUEST, "cursor", "is not one of ours");
        return;
    }
    l->limit = in->limit;
    struct store_req *req = store_req_new(h->index, 1, listed, l);
    req->row_max = in->limit + 1;
    store_step_init(req, 0, QUERY_CHAT_ESCALATION_LIST, 1);
    if (in->status >= 0) {
        store_set_text(req, 0, 0, 0, span_str(shape_chat_escalation_status_name(in->status)));
    }
    if (in->level >= 0) {
        store_set_text(req, 0, 0, 1, span_str(shape_chat_tier_name(in->level)));
    }
    if (!uuid_is_nil(in->assigned_to)) {
        chat_set_uuid(req, 0, 0, 2, in->assigned_to);
    }
    chat_set_uuid(req, 0, 0, 3, after);
    store_set_int(req, 0, 0, 4, in->limit + 1);
    h->store->submit(h->store, req);
}
