/*
 * Messages found by their words: in one room, whose membership is read along, or in all rooms that
 * the caller is in. Like a page it is read on the loop that asks.
 */
#include "domain/chat_history.h"

#include "domain/time_cursor.h"
#include "shape/chat_history.h"
#include "shape/chat_words.h"

#define CURSOR_MARK 's'
/* Rooms that a search names to the index; who is in more is searched in all, and the rest left
 * out, which takes longer. */
#define SEARCH_ROOMS_MAX 100

/* In one room; in all there are rows alone. */
enum { STEP_SEEN = CHAT_SEEN_STEP, STEP_ROWS };

/* Columns of CHAT_SEARCH behind the row. */
enum { FOUND_N = CHAT_ROW_CELLS, FOUND_SNIPPET };

struct searching {
    struct chat_ask ask; /* first */
    struct chat_search in; /* its text the store's words, in the arena */
    int64_t below;
};

static void put_found(struct searching *x, const struct store_req *req, unsigned step)
{
    struct chat_ask *a = &x->ask;
    buf out = {0}, message = {0};
    int64_t last = 0, now_ms = clock_wall_ms(a->from->clock);
    bool more = false;
    buf_append_byte(&out, '[');
    for (unsigned i = 0; i < req->steps[step].row_count && !more; i++) {
        const struct store_value *c = store_cell(req, step, i, 0);
        more = i == x->in.limit || out.len >= CHAT_PAGE_BYTES_MAX;
        if (more) {
            break;
        }
        if (i > 0) {
            buf_append_byte(&out, ',');
        }
        buf_clear(&message);
        chat_row_put(c, now_ms, &message);
        chat_put_found(&out, buf_span(&message), store_text(&c[FOUND_SNIPPET]));
        last = store_int(&c[FOUND_N]);
    }
    buf_append_byte(&out, ']');
    a->result.json = chat_copy(a, buf_span(&out));
    if (more) {
        char text[TIME_CURSOR_SIZE];
        a->result.next = chat_copy(a, time_cursor(CURSOR_MARK, 0, last, text));
    }
    buf_deinit(&message);
    buf_deinit(&out);
}

static void on_found(struct store_req *req)
{
    struct searching *x = req->owner;
    bool room = req->step_count > 1; /* one room, whose membership is read along */
    err error = req->error;
    if (error == ERR_NONE && room && !chat_may_read(&x->ask, req)) {
        error = ERR_ROOM_ACCESS_DENIED;
    }
    if (error == ERR_NONE) {
        put_found(x, req, room ? STEP_ROWS : 0);
    }
    store_req_free(req);
    chat_answer(&x->ask, error);
}

static void step_search(struct store_req *req, unsigned step, const struct searching *x,
                        const uuid *rooms, unsigned count)
{
    buf words = {0};
    chat_words_in_rooms(x->in.text, rooms, count, &words);
    store_step_init(req, step, QUERY_CHAT_SEARCH, 1);
    store_set_text(req, step, 0, 0, buf_span(&words));
    chat_set_uuid(req, step, 0, 1, x->ask.who.actor.id);
    store_set_int(req, step, 0, 2, x->below);
    if (!uuid_is_nil(x->in.room)) {
        chat_set_uuid(req, step, 0, 3, x->in.room);
    }
    if (!uuid_is_nil(x->in.sender)) {
        chat_set_uuid(req, step, 0, 4, x->in.sender);
    }
    store_set_int(req, step, 0, 5, x->in.from_ms);
    store_set_int(req, step, 0, 6, x->in.to_ms);
    store_set_int(req, step, 0, 7, x->in.limit + 1);
    req->row_max += x->in.limit + 1;
    buf_deinit(&words);
}

static void on_rooms(struct store_req *rooms)
{
    struct searching *x = rooms->owner;
    struct home *h = x->ask.from;
    uuid ids[SEARCH_ROOMS_MAX + 1];
    err error = rooms->error;
    unsigned count = error == ERR_NONE ? rooms->steps[0].row_count : 0;
    for (unsigned i = 0; i < count; i++) {
        (void)chat_cell_uuid(store_cell(rooms, 0, i, 0), &ids[i]);
    }
    store_req_free(rooms);
    if (count == 0) {
        x->ask.result.json = SPAN("[]");
        chat_answer(&x->ask, error);
        return;
    }
    struct store_req *req = store_req_new(h->index, 1, on_found, x);
    req->row_max = 0;
    step_search(req, 0, x, ids, count <= SEARCH_ROOMS_MAX ? count : 0);
    h->store->submit(h->store, req);
}

static void search_rooms(struct searching *x)
{
    struct home *h = x->ask.from;
    struct store_req *req = store_req_new(h->index, 1, on_rooms, x);
    req->row_max = SEARCH_ROOMS_MAX + 1;
    store_step_init(req, 0, QUERY_CHAT_SEARCH_ROOMS, 1);
    chat_set_uuid(req, 0, 0, 0, x->ask.who.actor.id);
    store_set_int(req, 0, 0, 1, SEARCH_ROOMS_MAX + 1);
    h->store->submit(h->store, req);
}

static void search_room(struct searching *x)
{
    struct home *h = x->ask.from;
    struct store_req *req = store_req_new(h->index, 2, on_found, x);
    req->row_max = 1;
    chat_seen_step(req, &x->ask);
    step_search(req, STEP_ROWS, x, &x->in.room, 1);
    h->store->submit(h->store, req);
}

static bool read_search(struct searching *x, const struct chat_search *in)
{
    struct chat_ask *a = &x->ask;
    int64_t none;
    const char *why = NULL;
    buf words = {0};
    bool ok = chat_words(in->text, &words, &why);
    x->in.text = chat_copy(a, buf_span(&words));
    buf_deinit(&words);
    if (!ok) {
        chat_refuse(a, ERR_INVALID_REQUEST, "q", why);
        return false;
    }
    x->below = INT64_MAX;
    if (in->after.len > 0 && !time_cursor_read(CURSOR_MARK, in->after, &none, &x->below)) {
        chat_refuse(a, ERR_INVALID_REQUEST, "cursor", "is not one of ours");
        return false;
    }
    return true;
}

void chat_search(struct home *h, const struct chat_search *in, const struct chat_who *who,
                 chat_done done, void *owner)
{
    ASSERT(in->limit >= 1 && in->limit <= CHAT_PAGE_MESSAGES_MAX);
    struct searching *x = chat_ask_new(h, sizeof *x, in->room, NULL, who, NULL, done, owner);
    x->in = *in;
    if (!read_search(x, in)) {
        return;
    }
    if (uuid_is_nil(x->in.room) && !uuid_is_nil(who->only)) {
        x->in.room = x->ask.id = who->only;
    }
    if (chat_outside(&x->ask, x->in.room)) {
        chat_answer(&x->ask, ERR_ROOM_ACCESS_DENIED);
    } else if (uuid_is_nil(x->in.room)) {
        search_rooms(x);
    } else {
        search_room(x);
    }
}
