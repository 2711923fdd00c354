/*
 * States into the store, behind what is true: an entity's state as it is by then and the rows of
 * history that it went through, in one transaction with those of other entities. Under a storm the
 * store gets few large requests: whatever changes while two are on their way goes with the next.
 *
 * What waits is bounded. When a store that fails, or is too slow, lets too much of it gather, the
 * newest waiting row of history of the entity that changes is replaced, and counted; the newest
 * state always arrives.
 */
#include "domain/house_internal.h"

#include "base/mem.h"

#include <string.h>

#define FLYING_MAX 2         /* one is committed while the next one fills */
#define REQUEST_ROWS_MAX 500 /* some 10 ms of the writer */
/* Of one entity: half a request, so that a failed one and what came since fit the next. */
#define ENTITY_ROWS_MAX 256
/* Of all: 10 s of 10,000 changes a second; and the memory that they may cost. */
#define ROWS_MAX 100000u
#define BYTES_MAX (64u << 20)
/* Of rows that a process before this one may have written in the same millisecond. */
#define SEQ_LOADED (1 << 20)

struct history_row {
    struct list link;
    int64_t at_ms;
    int64_t seq;
    uuid by;
    uint32_t state_len;
    uint32_t attributes_len;
    uint8_t text[]; /* both */
};

struct house_writer {
    struct house *house;
    struct behind behind;
    unsigned rows; /* of history that are not on disk, */
    uint64_t bytes;
    bool stopping;
};

/* --- rows that wait --- */

static uint64_t bytes_of(const struct history_row *r)
{
    return sizeof *r + r->state_len + r->attributes_len;
}

static void row_free(struct house_writer *w, struct entity *e, struct list *link)
{
    struct history_row *r = LIST_ITEM(link, struct history_row, link);
    list_remove(link);
    e->rows--;
    w->rows--;
    w->bytes -= bytes_of(r);
    mem_free(r);
}

bool house_write_full(const struct house *s)
{
    return s->writer->rows >= ROWS_MAX || s->writer->bytes >= BYTES_MAX;
}

static void row_number(struct entity *e, struct history_row *r)
{
    r->at_ms = e->updated_ms;
    if (e->row_at_ms == 0 && e->stored) {
        r->seq = SEQ_LOADED;
    } else {
        r->seq = r->at_ms == e->row_at_ms ? e->row_seq + 1 : 0;
    }
    e->row_at_ms = r->at_ms;
    e->row_seq = r->seq;
}

/* False: it took the place of another. */
static bool row_add(struct house *s, struct entity *e, uuid by)
{
    struct house_writer *w = s->writer;
    unsigned waiting = e->rows - e->rows_flying;
    bool full = waiting > 0 && (waiting >= ENTITY_ROWS_MAX || house_write_full(s));
    if (full) {
        row_free(w, e, e->unwritten.prev);
    }
    span state = entity_shown(e);
    struct history_row *r = mem_alloc(sizeof *r + state.len + e->attributes.len);
    list_init(&r->link);
    r->by = by;
    r->state_len = (uint32_t)state.len;
    r->attributes_len = (uint32_t)e->attributes.len;
    memcpy(r->text, state.ptr, state.len);
    memcpy(r->text + state.len, e->attributes.ptr, e->attributes.len);
    row_number(e, r);
    list_push(&e->unwritten, &r->link);
    e->rows++;
    w->rows++;
    w->bytes += bytes_of(r);
    return !full;
}

static void count_unwritten(struct house *s, int more)
{
    unsigned n = atomic_load_explicit(&s->unwritten_now, memory_order_relaxed);
    atomic_store_explicit(&s->unwritten_now, n + (unsigned)more, memory_order_relaxed);
}

/* From then on it is held, until it rests. */
static void pend(struct house *s, struct entity *e)
{
    if (!behind_pending(&e->write)) {
        entity_hold(e);
        count_unwritten(s, 1);
    }
}

static void rest(struct house *s, struct entity *e)
{
    count_unwritten(s, -1);
    entity_release(s, e);
}

void entity_touch(struct house *s, struct entity *e, bool shown, uuid by)
{
    ASSERT(!e->gone);
    bool kept = !shown || row_add(s, e, by);
    e->stored = true;
    e->change_count++;
    if (!kept) {
        atomic_store_explicit(&s->merged,
                              atomic_load_explicit(&s->merged, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    }
    pend(s, e);
    behind_touch(&s->writer->behind, &e->write);
}

/* --- who waits --- */

/* Those whose change is not newer. */
static void answer(struct entity *e, uint32_t change, err error)
{
    while (!list_empty(&e->waiting)) {
        struct house_wait *w = LIST_ITEM(e->waiting.next, struct house_wait, link);
        if ((int32_t)(w->change - change) > 0) {
            return;
        }
        list_remove(&w->link);
        w->ready(w, error);
    }
}

/* The store failed, and nothing is tried again before the process ends. */
static bool given_up(const struct house_writer *w)
{
    return w->stopping && wheel_armed(&w->behind.retry.node);
}

void house_written(struct house *s, struct entity *e, struct house_wait *w)
{
    w->change = e->change_count;
    if (e->gone || !behind_pending(&e->write)) {
        w->ready(w, e->gone ? ERR_NOT_FOUND : ERR_NONE);
    } else if (given_up(s->writer)) {
        w->ready(w, ERR_STORE_CLOSED);
    } else {
        list_push(&e->waiting, &w->link);
    }
}

/* --- writing --- */

static struct entity *entity_of(struct behind_item *it)
{
    return CONTAINER_OF(it, struct entity, write);
}

static void put_state(struct store_req *req, unsigned set, const struct entity *e)
{
    store_set_int(req, 0, set, 0, e->number);
    store_set_text(req, 0, set, 1, e->state);
    store_set_text(req, 0, set, 2, e->attributes);
    store_set_int(req, 0, set, 3, e->available);
    store_set_int(req, 0, set, 4, e->changed_ms);
    store_set_int(req, 0, set, 5, e->updated_ms);
}

/* A row on its way is neither changed nor freed: its texts are borrowed. */
static void put_row(struct store_req *req, unsigned set, int64_t number,
                    const struct history_row *r)
{
    store_set_int(req, 1, set, 0, number);
    store_set_int(req, 1, set, 1, r->at_ms);
    store_set_int(req, 1, set, 2, r->seq);
    store_set_borrowed(req, 1, set, 3, span_of(r->text, r->state_len));
    store_set_borrowed(req, 1, set, 4, span_of(r->text + r->state_len, r->attributes_len));
    if (!uuid_is_nil(r->by)) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(r->by, id);
        store_set_text(req, 1, set, 5, span_of(id, UUID_TEXT_LEN));
    }
}

static unsigned take(struct behind *b, struct behind_batch *batch)
{
    unsigned rows = 0, history = 0;
    for (struct behind_item *it; (it = behind_first(b, batch)) != NULL;) {
        const struct entity *e = entity_of(it);
        rows += 1 + e->rows;
        if (batch->count > 0 && rows > REQUEST_ROWS_MAX) {
            break;
        }
        history += e->rows;
        behind_take(b, batch);
    }
    return history;
}

static struct store_req *fill(struct behind *b, struct behind_batch *batch)
{
    unsigned history = take(b, batch);
    struct store_req *req = store_req_new(b->home->index, history > 0 ? 2 : 1, NULL, NULL);
    store_step_init(req, 0, QUERY_ENTITY_STATE_PUT, batch->count);
    if (history > 0) {
        store_step_init(req, 1, QUERY_ENTITY_HISTORY_INSERT, history);
    }
    unsigned set = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        struct entity *e = entity_of(batch->items[i]);
        put_state(req, i, e);
        LIST_EACH(it, &e->unwritten) {
            put_row(req, set++, e->number, LIST_ITEM(it, struct history_row, link));
        }
        e->rows_flying = e->rows;
        e->change_flying = e->change_count;
    }
    return req;
}

static void written(struct behind *b, struct behind_item *it, err error, bool rests)
{
    struct entity *e = entity_of(it);
    struct house_writer *w = b->owner;
    for (unsigned n = error == ERR_NONE || e->gone ? e->rows_flying : 0; n > 0; n--) {
        row_free(w, e, e->unwritten.next);
    }
    e->rows_flying = 0;
    if (e->gone && !rests) {
        behind_forget(it);
        rests = true;
    }
    answer(e, e->change_flying, error);
    if (rests) { /* or did: who was answered may have changed it again, and holds it anew */
        rest(w->house, e);
    }
}

static const struct behind_ops writing = {.fill = fill, .written = written};

void entity_write_forget(struct house *s, struct entity *e)
{
    bool pending = behind_pending(&e->write);
    while (e->rows > e->rows_flying) {
        row_free(s->writer, e, e->unwritten.prev);
    }
    behind_forget(&e->write);
    entity_hold(e);
    answer(e, e->change_count, ERR_NOT_FOUND);
    if (pending && !e->write.writing) {
        rest(s, e);
    }
    entity_release(s, e);
}

void house_writer_start(struct house *s)
{
    struct house_writer *w = mem_calloc(1, sizeof *w);
    w->house = s;
    behind_init(&w->behind, s->home, &writing, "states of entities", w);
    w->behind.flying_max = FLYING_MAX;
    s->writer = w;
}

void house_writer_stop(struct house *s)
{
    s->writer->stopping = true;
    if (!given_up(s->writer)) {
        return;
    }
    for (struct map_node *n = NULL; (n = map_next(&s->entities, n)) != NULL;) {
        struct entity *e = CONTAINER_OF(n, struct entity, node);
        answer(e, e->change_count, ERR_STORE_CLOSED);
    }
}

void house_writer_free(struct house *s)
{
    struct house_writer *w = s->writer;
    if (w == NULL) {
        return;
    }
    for (struct map_node *n = NULL; (n = map_next(&s->entities, n)) != NULL;) {
        struct entity *e = CONTAINER_OF(n, struct entity, node);
        ASSERT(!e->write.writing);
        while (e->rows > 0) {
            row_free(w, e, e->unwritten.next);
        }
        if (behind_pending(&e->write)) {
            behind_forget(&e->write);
            rest(s, e);
        }
    }
    behind_deinit(&w->behind);
    mem_free(w);
    s->writer = NULL;
}
