/*
 * What an entity was: rows of history, page by page. A page is read behind the write of what has
 * been told by then; a store that does not take it still says what it has.
 */
#include "domain/house_internal.h"

#include "domain/time_cursor.h"
#include "shape/house_state.h"

#define CURSOR_MARK 'h'
#define LIMIT_MAX 200

/* Columns of ENTITY_HISTORY_RANGE. */
enum { PAST_AT, PAST_SEQ, PAST_STATE, PAST_ATTRIBUTES, PAST_BY };

struct looking {
    struct house_ask ask;
    struct house_history_filter in; /* its entity_id in the arena; `after` as below */
    bool first;                     /* of the pages */
    int64_t after_ms;
    int64_t after_seq;
    struct house_wait wait;
    int64_t number;
    struct entity *entity; /* held while waiting */
};

static void put_row(buf *out, const struct store_value *cells)
{
    if (out->len > 1) {
        buf_append_byte(out, ',');
    }
    house_put_past(out, store_text(&cells[PAST_STATE]), store_text(&cells[PAST_ATTRIBUTES]),
                   store_int(&cells[PAST_AT]), store_text(&cells[PAST_BY]));
}

/* The row that held and those of the range; one more than asked for tells that there are more. */
static void put_page(struct looking *x, const struct store_req *req)
{
    struct house_ask *a = &x->ask;
    buf out = {0};
    unsigned left = x->in.limit;
    const struct store_value *last = NULL;
    bool more = false;
    buf_append_byte(&out, '[');
    for (unsigned i = 0; i < req->step_count; i++) {
        for (unsigned row = 0; row < req->steps[i].row_count; row++) {
            more = left == 0;
            if (more) {
                break;
            }
            left--;
            last = store_cell(req, i, row, 0);
            put_row(&out, last);
        }
    }
    buf_append_byte(&out, ']');
    a->result.json = arena_dup(&a->arena, buf_span(&out));
    buf_deinit(&out);
    if (more) {
        char text[TIME_CURSOR_SIZE];
        a->result.next = arena_dup(&a->arena, time_cursor(CURSOR_MARK, store_int(&last[PAST_AT]),
                                                          store_int(&last[PAST_SEQ]), text));
    }
}

static void on_rows(struct store_req *req)
{
    struct looking *x = req->owner;
    err error = req->error;
    if (error == ERR_NONE) {
        put_page(x, req);
    }
    store_req_free(req);
    house_answer(&x->ask, error);
}

/* Steps: the row that held (on the first page), the range. */
static void look(struct looking *x)
{
    struct home *h = x->ask.house->home;
    unsigned range = x->first ? 1 : 0;
    struct store_req *req = store_req_new(h->index, range + 1, on_rows, x);
    req->row_max = x->in.limit + 2;
    if (x->first) {
        store_step_init(req, 0, QUERY_ENTITY_HISTORY_HELD, 1);
        store_set_int(req, 0, 0, 0, x->number);
        store_set_int(req, 0, 0, 1, x->in.from_ms);
    }
    store_step_init(req, range, QUERY_ENTITY_HISTORY_RANGE, 1);
    store_set_int(req, range, 0, 0, x->number);
    store_set_int(req, range, 0, 1,
                  x->after_ms > x->in.from_ms ? x->after_ms : x->in.from_ms);
    store_set_int(req, range, 0, 2, x->in.to_ms);
    store_set_int(req, range, 0, 3, x->after_ms);
    store_set_int(req, range, 0, 4, x->after_seq);
    store_set_int(req, range, 0, 5, x->in.limit + 1);
    h->store->submit(h->store, req);
}

static void on_disk(struct house_wait *w, err error)
{
    struct looking *x = CONTAINER_OF(w, struct looking, wait);
    struct entity *e = x->entity;
    if (error == ERR_NOT_FOUND) { /* deleted meanwhile */
        house_answer(&x->ask, error);
    } else {
        look(x);
    }
    entity_release(x->ask.house, e);
}

static void history_at_home(struct house_ask *a)
{
    struct looking *x = (struct looking *)a;
    struct entity *e = house_entity_for(a, x->in.entity_id);
    if (e != NULL) {
        x->number = e->number;
        x->entity = e;
        entity_hold(e);
        house_written(a->house, e, &x->wait);
    }
}

static void refuse_cursor(struct house_ask *a)
{
    house_refuse(a, ERR_INVALID_REQUEST, "cursor", "none of this list");
}

void house_history(struct home *h, const struct house_history_filter *in,
                   const struct house_who *who, house_done done, void *owner)
{
    ASSERT(in->limit >= 1 && in->limit <= LIMIT_MAX);
    struct looking *x = house_ask_new(h, sizeof *x, history_at_home, who, done, owner);
    x->in = *in;
    x->in.entity_id = house_copy(&x->ask, in->entity_id);
    x->first = in->after.len == 0;
    x->after_ms = x->after_seq = INT64_MIN;
    x->wait.ready = on_disk;
    list_init(&x->wait.link);
    if (!x->first && !time_cursor_read(CURSOR_MARK, in->after, &x->after_ms, &x->after_seq)) {
        x->ask.at_home = refuse_cursor;
    }
    house_ask_start(&x->ask);
}
