/*
 * The disk budget: while the store holds more than disk_budget_mb, the oldest rows go before their
 * time, a batch at a time: first what is largest and least missed, then the rest that is kept for
 * its history. Devices, users, the audit log and the last hour stay whatever it costs.
 *
 * What counts is the space in use: a SQLite file does not shrink, but free pages are used again,
 * so a file within its budget does not grow.
 */
#include "domain/fleet_internal.h"

#include "base/mem.h"

#define BATCH_ROWS 1000   /* of each table: some 10 ms of the writer */
#define TELEMETRY_ROWS 4000 /* the same, as they lie side by side */
#define PAUSE_MS 200      /* between batches: others' writes come first */
#define BEHIND_PAUSE_MS 20 /* telemetry comes faster than that, so it must go faster */
#define REST_MS 60000     /* between looks while all is well: one cheap read */
#define FIRST_MS 45000    /* after the start, and after the first sweep of what is too old */
#define STAYS_MS 3600000  /* what is younger is what people look at */
#define STAGE_TABLES_MAX 6

struct budget {
    struct home *home;
    struct deadline next;
    unsigned stage;
    bool over;
    uint64_t rows; /* deleted since it is over */
};

static const struct {
    enum query queries[STAGE_TABLES_MAX];
    unsigned count;
} stages[] = {
    {{QUERY_TELEMETRY_EXPIRE, QUERY_TELEMETRY_EXPIRE_NEXT, QUERY_PROCESS_EXPIRE,
      QUERY_METRICS_EXPIRE, QUERY_ENTITY_HISTORY_EXPIRE},
     5},
    {{QUERY_STATE_EXPIRE, QUERY_CONNECTION_EXPIRE, QUERY_ROLLUP_EXPIRE,
      QUERY_TELEMETRY_ROLLUP_EXPIRE, QUERY_EVENT_EXPIRE, QUERY_COMMAND_EXPIRE},
     6},
};

static bool is_telemetry(enum query q)
{
    return q == QUERY_TELEMETRY_EXPIRE || q == QUERY_TELEMETRY_EXPIRE_NEXT;
}

static unsigned batch_of(enum query q) { return is_telemetry(q) ? TELEMETRY_ROWS : BATCH_ROWS; }

/* Of what comes faster than a batch a pause. */
static bool is_full(const struct store_step *step)
{
    bool quick = is_telemetry(step->query) || step->query == QUERY_ENTITY_HISTORY_EXPIRE;
    return quick && step->change_count >= batch_of(step->query);
}

static void again(struct budget *b, int64_t wait_ms) { deadline_set(b->home, &b->next, wait_ms); }

static void deleted(struct store_req *req)
{
    struct budget *b = req->owner;
    struct log *log = b->home->log;
    unsigned gone = 0;
    err error = req->error;
    bool many = false;
    for (unsigned i = 0; error == ERR_NONE && i < req->step_count; i++) {
        gone += req->steps[i].change_count;
        many = many || is_full(&req->steps[i]);
    }
    store_req_free(req);
    b->rows += gone;
    if (error != ERR_NONE) {
        again(b, REST_MS);
        return;
    }
    if (gone == 0 && ++b->stage == ARRAY_LEN(stages)) {
        b->stage = 0;
        LOG(log, LOG_WARN, "retention.budget_missed", LOG_U64("rows", b->rows),
            LOG_STR("advice", "what is left is not deleted by itself; raise disk_budget_mb"));
        again(b, REST_MS);
        return;
    }
    again(b, many ? BEHIND_PAUSE_MS : PAUSE_MS);
}

static void delete_batch(struct budget *b)
{
    struct home *h = b->home;
    unsigned count = stages[b->stage].count;
    struct store_req *req = store_req_new(h->index, count, deleted, b);
    for (unsigned i = 0; i < count; i++) {
        enum query q = stages[b->stage].queries[i];
        store_step_init(req, i, q, 1);
        store_set_int(req, i, 0, 0, clock_wall_ms(h->clock) - STAYS_MS);
        store_set_int(req, i, 0, 1, batch_of(q));
        if (q == QUERY_ROLLUP_EXPIRE || q == QUERY_TELEMETRY_ROLLUP_EXPIRE) {
            store_set_int(req, i, 0, 2, 60000);
        }
    }
    req_submit(h, req);
}

static void measured(struct store_req *req)
{
    struct budget *b = req->owner;
    err error = req->error;
    int64_t bytes = error == ERR_NONE ? store_int(store_cell(req, 0, 0, 0)) : 0;
    int64_t bytes_max = b->home->conf->disk_budget_bytes;
    store_req_free(req);
    if (error != ERR_NONE || bytes_max == 0) {
        again(b, REST_MS);
        return;
    }
    if (bytes > bytes_max) {
        if (!b->over) {
            LOG(b->home->log, LOG_WARN, "retention.over_budget", LOG_I64("bytes", bytes),
                LOG_I64("bytes_max", bytes_max));
        }
        b->over = true;
        delete_batch(b);
        return;
    }
    if (b->over) {
        LOG(b->home->log, LOG_INFO, "retention.budget_met", LOG_I64("bytes", bytes),
            LOG_U64("rows", b->rows));
    }
    b->over = false;
    b->stage = 0;
    b->rows = 0;
    again(b, REST_MS);
}

static void look(struct deadline *d)
{
    struct budget *b = CONTAINER_OF(d, struct budget, next);
    if (b->home->conf->disk_budget_bytes == 0) {
        again(b, REST_MS); /* it may be set while the server runs */
        return;
    }
    struct store_req *req = store_req_new(b->home->index, 1, measured, b);
    store_step_init(req, 0, QUERY_STORE_BYTES, 1);
    req_submit(b->home, req);
}

struct budget *budget_new(struct home *h)
{
    struct budget *b = mem_calloc(1, sizeof *b);
    b->home = h;
    b->next.fire = look;
    again(b, FIRST_MS);
    return b;
}

void budget_free(struct budget *b)
{
    if (b != NULL) {
        deadline_clear(&b->next);
        mem_free(b);
    }
}
