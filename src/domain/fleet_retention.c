/*
 * Retention: what is older than its setting goes, events beyond their number, and the history of
 * entities that are gone, a small batch at a time, so that the writer is never held for long. One
 * sweep visits each table until nothing old is left, then rests.
 */
#include "domain/fleet_internal.h"

#include "base/mem.h"

#define BATCH_ROWS 1000     /* some 10 ms of the writer */
#define TELEMETRY_ROWS 4000 /* the same, as they lie side by side */
#define PAUSE_MS 200        /* between batches: others' writes come first */
#define BEHIND_PAUSE_MS 20  /* telemetry comes faster than that, so it must go faster */
#define REST_MS 600000      /* between sweeps: 10 min are 0.02 % of 30 days */
#define RETRY_MS 60000      /* after an error of the store */
#define IDEMPOTENCY_S 86400 /* CONTRACT 7: an Idempotency-Key means something for 24 h */
#define FIRST_MS 30000      /* after the start, which has enough to do */

struct retention {
    struct home *home;
    struct deadline next;
    unsigned table;
};

static int64_t ago(int64_t now_ms, int64_t s) { return now_ms - s * 1000; }

static int64_t raw(const struct domain_conf *c, int64_t now_ms)
{
    return ago(now_ms, c->retention_raw_s);
}
static int64_t minute(const struct domain_conf *c, int64_t now_ms)
{
    return ago(now_ms, c->retention_minute_s);
}
static int64_t hour(const struct domain_conf *c, int64_t now_ms)
{
    return ago(now_ms, c->retention_hour_s);
}
static int64_t events(const struct domain_conf *c, int64_t now_ms)
{
    return ago(now_ms, c->retention_events_s);
}
static int64_t event_count(const struct domain_conf *c, int64_t now_ms)
{
    return (void)now_ms, c->events_max;
}
static int64_t answers(const struct domain_conf *c, int64_t now_ms)
{
    return (void)c, ago(now_ms, IDEMPOTENCY_S);
}
static int64_t logs(const struct domain_conf *c, int64_t now_ms)
{
    return ago(now_ms, c->retention_log_s);
}
static int64_t history(const struct domain_conf *c, int64_t now_ms)
{
    return ago(now_ms, c->retention_history_s);
}
static int64_t all(const struct domain_conf *c, int64_t now_ms)
{
    return (void)c, (void)now_ms, INT64_MAX;
}

static const struct {
    enum query query;
    int64_t (*bound)(const struct domain_conf *c, int64_t now_ms); /* first parameter */
    int64_t resolution_ms; /* third parameter, when not 0 */
    enum query next;       /* a second step, which sees to the next batch */
} tables[] = {
    {QUERY_EVENT_EXPIRE, events, 0, QUERY_NONE},
    {QUERY_EVENT_TRIM, event_count, 0, QUERY_NONE},
    {QUERY_METRICS_EXPIRE, raw, 0, QUERY_NONE},
    {QUERY_PROCESS_EXPIRE, raw, 0, QUERY_NONE},
    {QUERY_STATE_EXPIRE, raw, 0, QUERY_NONE},
    {QUERY_ROLLUP_EXPIRE, minute, 60000, QUERY_NONE},
    {QUERY_ROLLUP_EXPIRE, hour, 3600000, QUERY_NONE},
    {QUERY_TELEMETRY_EXPIRE, raw, 0, QUERY_TELEMETRY_EXPIRE_NEXT},
    {QUERY_TELEMETRY_ROLLUP_EXPIRE, minute, 60000, QUERY_NONE},
    {QUERY_TELEMETRY_ROLLUP_EXPIRE, hour, 3600000, QUERY_NONE},
    {QUERY_ENTITY_HISTORY_PURGE, all, 0, QUERY_NONE},
    {QUERY_ENTITY_GONE_END, all, 0, QUERY_NONE}, /* behind their history */
    {QUERY_ENTITY_HISTORY_EXPIRE, history, 0, QUERY_NONE},
    {QUERY_CONNECTION_EXPIRE, logs, 0, QUERY_NONE},
    {QUERY_AUDIT_EXPIRE, logs, 0, QUERY_NONE},
    {QUERY_JOB_TARGET_EXPIRE, logs, 0, QUERY_NONE},
    {QUERY_JOB_EXPIRE, logs, 0, QUERY_NONE}, /* before their commands */
    {QUERY_COMMAND_EXPIRE, logs, 0, QUERY_NONE},
    {QUERY_ROBOT_JOB_EXPIRE, logs, 0, QUERY_NONE},
    {QUERY_IDEMPOTENCY_EXPIRE, answers, 0, QUERY_NONE},
};

static void swept(struct store_req *req)
{
    struct retention *r = req->owner;
    unsigned gone = req->error == ERR_NONE ? req->steps[0].change_count : 0;
    int64_t wait = PAUSE_MS;
    bool clean = gone < BATCH_ROWS;
    if (!clean && tables[r->table].query == QUERY_ENTITY_HISTORY_EXPIRE) {
        wait = BEHIND_PAUSE_MS; /* it comes faster than a batch a pause, too */
    }
    if (req->step_count > 1) { /* an hour at a time: few may be followed by more */
        clean = gone + req->steps[1].change_count == 0;
        wait = gone < TELEMETRY_ROWS ? PAUSE_MS : BEHIND_PAUSE_MS;
    }
    if (req->error != ERR_NONE) {
        wait = RETRY_MS;
    } else if (clean && ++r->table == ARRAY_LEN(tables)) {
        r->table = 0;
        wait = REST_MS;
    }
    store_req_free(req);
    deadline_set(r->home, &r->next, wait);
}

static void sweep(struct deadline *d)
{
    struct retention *r = CONTAINER_OF(d, struct retention, next);
    struct home *h = r->home;
    int64_t bound = tables[r->table].bound(h->conf, clock_wall_ms(h->clock));
    enum query next = tables[r->table].next;
    struct store_req *req = store_req_new(h->index, next == QUERY_NONE ? 1 : 2, swept, r);
    store_step_init(req, 0, tables[r->table].query, 1);
    if (next != QUERY_NONE) {
        store_step_init(req, 1, next, 1);
    }
    for (unsigned i = 0; i < req->step_count; i++) {
        store_set_int(req, i, 0, 0, bound);
        store_set_int(req, i, 0, 1, next == QUERY_NONE ? BATCH_ROWS : TELEMETRY_ROWS);
    }
    if (tables[r->table].resolution_ms != 0) {
        store_set_int(req, 0, 0, 2, tables[r->table].resolution_ms);
    }
    req_submit(h, req);
}

struct retention *retention_new(struct home *h)
{
    struct retention *r = mem_calloc(1, sizeof *r);
    r->home = h;
    r->next.fire = sweep;
    deadline_set(h, &r->next, FIRST_MS);
    return r;
}

void retention_free(struct retention *r)
{
    if (r != NULL) {
        deadline_clear(&r->next);
        mem_free(r);
    }
}
