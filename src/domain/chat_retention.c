/*
 * Retention of rooms that have one of their own (settings.retentionDays): what is older goes, a
 * small batch at a time, so that the writer is never held for long. Files of such messages are
 * marked gone in the same transaction; the store of files drops their bytes.
 *
 * It runs at home 0, beside the rooms' queues: it takes what is oldest and gives no number again,
 * so a room's order and its last_seq stay as they are. A change of a message that went meanwhile
 * finds no row, and is refused.
 */
#include "domain/chat_retention.h"

#include "base/mem.h"
#include "shape/chat_history.h"

#define BATCH_ROWS 200  /* some 10 ms of the writer: each row leaves the search's words, too */
#define ROOMS_PAGE 50
#define PAUSE_MS 200    /* between batches: others' writes come first */
#define REST_MS 600000  /* between sweeps: 10 min are little of a day */
#define RETRY_MS 60000  /* after an error of the store */
#define FIRST_MS 30000  /* after the start, which has enough to do */
#define DAY_MS 86400000

struct keeping {
    uuid room;
    int64_t days;
};

struct chat_retention {
    struct home *home;
    struct deadline next;
    uuid after; /* where the next page of rooms begins */
    struct keeping rooms[ROOMS_PAGE];
    unsigned count, at;
    bool last;  /* there is no further page */
};

enum { STEP_FILES, STEP_MESSAGES, STEPS };

static void rest(struct chat_retention *x, int64_t wait_ms)
{
    deadline_set(x->home, &x->next, wait_ms);
}

/* --- messages --- */

static void expired(struct store_req *req)
{
    struct chat_retention *x = req->owner;
    err error = req->error;
    bool clean = error == ERR_NONE && req->steps[STEP_MESSAGES].change_count < BATCH_ROWS;
    x->at += clean;
    store_req_free(req);
    rest(x, error == ERR_NONE ? PAUSE_MS : RETRY_MS);
}

static void expire(struct chat_retention *x, const struct keeping *k)
{
    struct home *h = x->home;
    int64_t now_ms = clock_wall_ms(h->clock);
    int64_t before_ms = now_ms - k->days * DAY_MS;
    struct store_req *req = store_req_new(h->index, STEPS, expired, x);
    store_step_init(req, STEP_FILES, QUERY_CHAT_FILES_EXPIRE, 1);
    chat_set_uuid(req, STEP_FILES, 0, 0, k->room);
    store_set_int(req, STEP_FILES, 0, 1, before_ms);
    store_set_int(req, STEP_FILES, 0, 2, now_ms);
    store_set_int(req, STEP_FILES, 0, 3, BATCH_ROWS);
    store_step_init(req, STEP_MESSAGES, QUERY_CHAT_MESSAGES_EXPIRE, 1);
    chat_set_uuid(req, STEP_MESSAGES, 0, 0, k->room);
    store_set_int(req, STEP_MESSAGES, 0, 1, before_ms);
    store_set_int(req, STEP_MESSAGES, 0, 2, BATCH_ROWS);
    h->store->submit(h->store, req);
}

/* --- rooms --- */

static void listed(struct store_req *req)
{
    struct chat_retention *x = req->owner;
    err error = req->error;
    x->count = x->at = 0;
    for (unsigned i = 0; error == ERR_NONE && i < req->steps[0].row_count; i++) {
        const struct store_value *c = store_cell(req, 0, i, 0);
        struct keeping *k = &x->rooms[x->count];
        k->days = chat_retention_days(store_text(&c[1]));
        x->count += chat_cell_uuid(&c[0], &k->room) && k->days > 0;
        (void)chat_cell_uuid(&c[0], &x->after);
    }
    x->last = error == ERR_NONE && req->steps[0].row_count < ROOMS_PAGE;
    store_req_free(req);
    rest(x, error == ERR_NONE ? PAUSE_MS : RETRY_MS);
}

static void list(struct chat_retention *x)
{
    struct home *h = x->home;
    struct store_req *req = store_req_new(h->index, 1, listed, x);
    req->row_max = ROOMS_PAGE;
    store_step_init(req, 0, QUERY_CHAT_ROOMS_KEEPING, 1);
    chat_set_uuid(req, 0, 0, 0, x->after);
    store_set_int(req, 0, 0, 1, ROOMS_PAGE);
    h->store->submit(h->store, req);
}

static void sweep(struct deadline *d)
{
    struct chat_retention *x = CONTAINER_OF(d, struct chat_retention, next);
    if (x->at < x->count) {
        expire(x, &x->rooms[x->at]);
    } else if (!x->last) {
        list(x);
    } else {
        x->last = false;
        x->count = x->at = 0;
        x->after = UUID_NIL;
        rest(x, REST_MS);
    }
}

struct chat_retention *chat_retention_new(struct home *h)
{
    struct chat_retention *x = mem_calloc(1, sizeof *x);
    x->home = h;
    x->next.fire = sweep;
    rest(x, FIRST_MS);
    return x;
}

void chat_retention_free(struct chat_retention *x)
{
    if (x != NULL) {
        deadline_clear(&x->next);
        mem_free(x);
    }
}
