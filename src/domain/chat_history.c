/*
 * What was said, read: pages of a room, one message. A page is one request on the loop that asks:
 * who is in the room, messages and their files in one snapshot of the store, which has all that was
 * acknowledged. Rooms' homes are not asked, so reading holds nobody up.
 *
 * Reactions stand in the message's row. What a non-member reads who monitors is audited.
 */
#include "domain/chat_history.h"
#include "domain/chat_delivery.h"

#include "shape/chat_history.h"
#include "shape/chat_message.h"
#include "shape/decode.h"

#include <stdio.h>

/* Columns of MESSAGE_READ (queries.def). */
enum {
    MSG_ID, MSG_ROOM, MSG_SEQ, MSG_TYPE, MSG_SENDER, MSG_CONTENT, MSG_CLIENT_ID, MSG_REPLY_TO,
    MSG_METADATA, MSG_DELIVERY, MSG_AT, MSG_EDITED, MSG_DELETED, MSG_REACTIONS, MSG_VERSION,
    MSG_FILE, MSG_FILE_NAME, MSG_FILE_SIZE, MSG_FILE_MIME, MSG_FILE_STATE,
    MSG_CELLS
};
_Static_assert(MSG_CELLS == CHAT_ROW_CELLS, "what stands behind the row begins elsewhere");

/* --- messages --- */

static span optional(const struct store_value *cell)
{
    return cell->type == STORE_NULL ? SPAN_NONE : store_text(cell);
}

int64_t chat_row_read(const struct store_value *c, struct arena *arena,
                      struct chat_message_row *out)
{
    *out = (struct chat_message_row){
        .type = (enum chat_message_type)shape_chat_message_type_of(store_text(&c[MSG_TYPE])),
        .delivery = (enum chat_delivery)shape_chat_delivery_of(store_text(&c[MSG_DELIVERY])),
        .seq = store_int(&c[MSG_SEQ]),
        .at_ms = store_int(&c[MSG_AT]),
        .edited_ms = store_int(&c[MSG_EDITED]),
        .deleted_ms = store_int(&c[MSG_DELETED]),
        .content = store_text(&c[MSG_CONTENT]),
        .client_id = optional(&c[MSG_CLIENT_ID]),
        .metadata = optional(&c[MSG_METADATA]),
        .reactions = optional(&c[MSG_REACTIONS]),
    };
    (void)chat_cell_uuid(&c[MSG_ID], &out->id);
    (void)chat_cell_uuid(&c[MSG_ROOM], &out->room);
    (void)chat_cell_uuid(&c[MSG_SENDER], &out->sender);
    (void)chat_cell_uuid(&c[MSG_REPLY_TO], &out->reply_to);
    if (chat_cell_uuid(&c[MSG_FILE], &out->file)) {
        buf file = {0};
        chat_put_file(&file, &(struct chat_message_file){
                                 .id = out->file,
                                 .name = store_text(&c[MSG_FILE_NAME]),
                                 .size = store_int(&c[MSG_FILE_SIZE]),
                                 .mime = store_text(&c[MSG_FILE_MIME]),
                                 .gone = span_eq(store_text(&c[MSG_FILE_STATE]), SPAN("gone"))});
        out->file_json = arena_dup(arena, buf_span(&file));
        buf_deinit(&file);
    }
    return store_int(&c[MSG_VERSION]);
}

/* By then a message is delivered, or who has not got it has gone: its socket would have ended. What
 * a crash left behind is not on its way for ever, also while the store cannot be told so. */
static void settle(struct chat_message_row *row, int64_t now_ms)
{
    if (row->delivery == CHAT_STREAMING && row->at_ms < now_ms - CHAT_SETTLED_MS) {
        row->delivery = CHAT_DELIVERED;
    }
}

void chat_row_put(const struct store_value *cells, int64_t now_ms, buf *out)
{
    struct arena arena = {0};
    struct chat_message_row row;
    (void)chat_row_read(cells, &arena, &row);
    settle(&row, now_ms);
    chat_message_json(&row, out);
    arena_reset(&arena);
}

/* --- who may read --- */

enum { STEP_SEEN = CHAT_SEEN_STEP, STEP_ROWS, STEP_ROWS_AFTER };

/* Columns of CHAT_ROOM_SEEN. */
enum { SEEN_LAST_SEQ, SEEN_FIRST_SEQ };

static void note_watching(struct chat_ask *a, uuid room)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(room, id);
    audit_note(a->from,
               &(struct audit_entry){.who = &a->who.actor,
                                     .action = "chat.read",
                                     .target_kind = "chat_room",
                                     .target = span_of(id, UUID_TEXT_LEN)},
               NULL, NULL);
}

bool chat_outside(const struct chat_ask *a, uuid room)
{
    return !uuid_is_nil(a->who.only) && !uuid_eq(a->who.only, room);
}

bool chat_may_read(struct chat_ask *a, const struct store_req *req)
{
    bool there = req->steps[STEP_SEEN].row_count == 1;
    bool member = there && store_cell(req, STEP_SEEN, 0, SEEN_FIRST_SEQ)->type != STORE_NULL;
    if (there && !member && a->who.monitors) {
        note_watching(a, a->id);
    }
    return member || (there && a->who.monitors);
}

void chat_seen_step(struct store_req *req, const struct chat_ask *a)
{
    store_step_init(req, STEP_SEEN, QUERY_CHAT_ROOM_SEEN, 1);
    chat_set_uuid(req, STEP_SEEN, 0, 0, a->id);
    chat_set_uuid(req, STEP_SEEN, 0, 1, a->who.actor.id);
}

/* --- pages --- */

/* Messages one behind the other, to be put in an array in this order or the other way round. */
struct pile {
    buf json;
    size_t ends[CHAT_PAGE_MESSAGES_MAX];
    unsigned count;
    int64_t last; /* seq of the last one */
    int64_t now_ms;
};

static bool pile_full(const struct pile *p, unsigned limit)
{
    return p->count == limit || (p->count > 0 && p->json.len >= CHAT_PAGE_BYTES_MAX);
}

/* False: a row was left out. */
static bool pile_messages(struct pile *p, const struct store_req *req, unsigned step,
                          unsigned limit)
{
    for (unsigned i = 0; i < req->steps[step].row_count; i++) {
        const struct store_value *c = store_cell(req, step, i, 0);
        if (pile_full(p, limit)) {
            return false;
        }
        chat_row_put(c, p->now_ms, &p->json);
        p->last = store_int(&c[MSG_SEQ]);
        p->ends[p->count++] = p->json.len;
    }
    return true;
}

static void pile_put(const struct pile *p, bool backwards, buf *out)
{
    for (unsigned i = 0; i < p->count; i++) {
        unsigned at = backwards ? p->count - 1 - i : i;
        size_t from = at == 0 ? 0 : p->ends[at - 1];
        if (out->len > 1) {
            buf_append_byte(out, ',');
        }
        buf_append(out, p->json.ptr + from, p->ends[at] - from);
    }
}

struct reading {
    struct chat_ask ask; /* first */
    struct chat_page page;
};

static void put_last_seq(struct chat_ask *a, const struct store_req *req)
{
    buf text = {0};
    buf_append_str(&text, "\"lastSeq\":");
    buf_append_i64(&text, store_int(store_cell(req, STEP_SEEN, 0, SEEN_LAST_SEQ)));
    a->result.members = chat_copy(a, buf_span(&text));
    buf_deinit(&text);
}

static void put_next(struct chat_ask *a, char way, int64_t seq)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%c%lld", way, (long long)seq);
    a->result.next = chat_copy(a, span_of(text, (size_t)len));
}

static void put_page(struct reading *x, const struct store_req *req)
{
    struct chat_ask *a = &x->ask;
    struct pile first = {.now_ms = clock_wall_ms(a->from->clock)};
    struct pile second = {.now_ms = first.now_ms};
    buf out = {0};
    bool forward = x->page.way == CHAT_AFTER;
    bool around = x->page.way == CHAT_AROUND;
    unsigned half = around ? (x->page.limit + 1) / 2 : x->page.limit;
    bool all = pile_messages(&first, req, STEP_ROWS, half);
    if (around) {
        (void)pile_messages(&second, req, STEP_ROWS_AFTER, x->page.limit - half);
    } else if (!all) {
        put_next(a, forward ? 'a' : 'b', first.last);
    }
    buf_append_byte(&out, '[');
    pile_put(&first, !forward, &out);
    pile_put(&second, false, &out);
    buf_append_byte(&out, ']');
    a->result.json = chat_copy(a, buf_span(&out));
    put_last_seq(a, req);
    buf_deinit(&out);
    buf_deinit(&first.json);
    buf_deinit(&second.json);
}

static void on_page(struct store_req *req)
{
    struct reading *x = req->owner;
    err error = req->error;
    if (error == ERR_NONE && !chat_may_read(&x->ask, req)) {
        error = ERR_ROOM_ACCESS_DENIED;
    }
    if (error == ERR_NONE) {
        put_page(x, req);
    }
    store_req_free(req);
    chat_answer(&x->ask, error);
}

/* One more than wanted tells that there are more. */
static void step_rows(struct store_req *req, unsigned step, enum query q, const struct chat_ask *a,
                      int64_t seq, unsigned limit)
{
    store_step_init(req, step, q, 1);
    chat_set_uuid(req, step, 0, 0, a->id);
    chat_set_uuid(req, step, 0, 1, a->who.actor.id);
    store_set_int(req, step, 0, 2, seq);
    store_set_int(req, step, 0, 3, limit + 1);
    req->row_max += limit + 1;
}

void chat_messages(struct home *h, uuid room, const struct chat_page *in,
                   const struct chat_who *who, chat_done done, void *owner)
{
    ASSERT(in->limit >= 1 && in->limit <= CHAT_PAGE_MESSAGES_MAX && in->seq >= 0);
    struct reading *x = chat_ask_new(h, sizeof *x, room, NULL, who, NULL, done, owner);
    struct chat_ask *a = &x->ask;
    bool around = in->way == CHAT_AROUND;
    x->page = *in;
    if (chat_outside(a, room)) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return;
    }
    struct store_req *req = store_req_new(h->index, around ? 3 : 2, on_page, x);
    req->row_max = 1;
    chat_seen_step(req, a);
    if (in->way == CHAT_AFTER) {
        step_rows(req, STEP_ROWS, QUERY_CHAT_MESSAGES_AFTER, a, in->seq, in->limit);
    } else if (in->way == CHAT_BEFORE) {
        step_rows(req, STEP_ROWS, QUERY_CHAT_MESSAGES_BEFORE, a,
                  in->seq == 0 ? INT64_MAX : in->seq, in->limit);
    } else {
        unsigned half = (in->limit + 1) / 2;
        int64_t above = in->seq == INT64_MAX ? in->seq : in->seq + 1;
        step_rows(req, STEP_ROWS, QUERY_CHAT_MESSAGES_BEFORE, a, above, half);
        step_rows(req, STEP_ROWS_AFTER, QUERY_CHAT_MESSAGES_AFTER, a, in->seq, in->limit - half);
    }
    h->store->submit(h->store, req);
}

/* --- by its id --- */

/* Columns of CHAT_MESSAGE_SEEN. */
enum { WHERE_ROOM, WHERE_SEQ, WHERE_FIRST_SEQ };

/* Whether the caller sees the message: from the row of CHAT_MESSAGE_SEEN. Names its room. */
static bool sees_message(struct chat_ask *a, const struct store_req *req, bool *member)
{
    if (req->steps[STEP_SEEN].row_count == 0) {
        return false;
    }
    const struct store_value *c = store_cell(req, STEP_SEEN, 0, 0);
    *member = c[WHERE_FIRST_SEQ].type != STORE_NULL;
    bool after = store_int(&c[WHERE_SEQ]) > store_int(&c[WHERE_FIRST_SEQ]);
    bool named = chat_cell_uuid(&c[WHERE_ROOM], &a->id);
    a->result.room = a->id;
    return named && !chat_outside(a, a->id) && (*member ? after : a->who.monitors);
}

static void step_message_seen(struct store_req *req, const struct chat_ask *a, uuid message)
{
    store_step_init(req, STEP_SEEN, QUERY_CHAT_MESSAGE_SEEN, 1);
    chat_set_uuid(req, STEP_SEEN, 0, 0, message);
    chat_set_uuid(req, STEP_SEEN, 0, 1, a->who.actor.id);
}

static void on_message(struct store_req *req)
{
    struct chat_ask *a = req->owner;
    err error = req->error;
    bool member = false;
    if (error == ERR_NONE &&
        (!sees_message(a, req, &member) || req->steps[STEP_ROWS].row_count == 0)) {
        error = ERR_ROOM_ACCESS_DENIED;
    }
    if (error == ERR_NONE) {
        if (!member) {
            note_watching(a, a->id);
        }
        struct chat_message_row row;
        a->result.version = chat_row_read(store_cell(req, STEP_ROWS, 0, 0), &a->arena, &row);
        settle(&row, clock_wall_ms(a->from->clock));
        chat_result_message(a, &row);
    }
    store_req_free(req);
    chat_answer(a, error);
}

void chat_result_message(struct chat_ask *a, const struct chat_message_row *row)
{
    buf json = {0};
    chat_message_json(row, &json);
    a->result.json = chat_copy(a, buf_span(&json));
    a->result.id = row->id;
    a->result.room = row->room;
    a->result.seq = row->seq;
    a->result.at_ms = row->at_ms;
    buf_deinit(&json);
}

void chat_message_get(struct home *h, uuid message, const struct chat_who *who, chat_done done,
                      void *owner)
{
    struct chat_ask *a =
        chat_ask_new(h, sizeof *a, UUID_NIL, NULL, who, NULL, done, owner);
    struct store_req *req = store_req_new(h->index, 2, on_message, a);
    req->row_max = 2;
    step_message_seen(req, a, message);
    store_step_init(req, STEP_ROWS, QUERY_CHAT_MESSAGE_GET, 1);
    chat_set_uuid(req, STEP_ROWS, 0, 0, message);
    h->store->submit(h->store, req);
}

static void on_where(struct store_req *req)
{
    struct chat_ask *a = req->owner;
    err error = req->error;
    bool member = false;
    if (error == ERR_NONE && !sees_message(a, req, &member)) {
        error = ERR_ROOM_ACCESS_DENIED;
    }
    store_req_free(req);
    if (error == ERR_NONE) {
        chat_ask_start(a);
    } else {
        chat_answer(a, error);
    }
}

void chat_ask_of_message(struct chat_ask *a, uuid message)
{
    struct home *h = a->from;
    struct store_req *req = store_req_new(h->index, 1, on_where, a);
    req->row_max = 1;
    step_message_seen(req, a, message);
    h->store->submit(h->store, req);
}
