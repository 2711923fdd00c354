/*
 * What is stored of a host: rows, minutes, hours, processes of a moment. Read on the loop that
 * asks; only the newest state comes from the device's home.
 */
#include "domain/fleet_internal.h"

#include "base/mem.h"
#include "shape/host.h"

#include <math.h>

#define ROW_MS 60000     /* between rows (CONTRACT 6) */
#define MINUTE_MS 60000
#define HOUR_MS 3600000
/* How much older than asked for a process sample may be. */
#define PROCESSES_TOLERANCE_MS 120000

/* --- the newest state, at home --- */

struct state_ask {
    struct ask ask;
    bool commands;
};

static void at_home_state(struct ask *a, struct device *d)
{
    const struct host *h = d->host;
    buf out = {0};
    if (h == NULL || !h->has_facts) {
        ask_answer(a, ERR_NOT_FOUND);
        return;
    }
    host_put_state(&out, &h->facts, buf_span(&h->processes), ((struct state_ask *)a)->commands);
    a->result.json = arena_dup(&a->arena, buf_span(&out));
    buf_deinit(&out);
    ask_answer(a, ERR_NONE);
}

void host_state(struct home *h, uuid device, bool commands, device_done done, void *owner)
{
    struct state_ask *a = ask_new(h, sizeof *a, device, at_home_state, done, owner);
    a->commands = commands;
    ask_start(&a->ask);
}

/* --- reads --- */

struct reading {
    struct home *home;
    uuid device;
    struct host_range range;
    int64_t bucket_ms;     /* 0: rows as they are */
    int64_t resolution_ms; /* of the rollup; 0: rows */
    bool commands;
    device_done done;
    void *owner;
};

static void finish(struct reading *r, err error, const buf *json)
{
    struct device_result result = {.error = error, .id = r->device};
    if (json != NULL) {
        result.json = buf_span(json);
    }
    r->done(r->owner, &result);
    mem_free(r);
}

/* Step 0 of every read: is there such a device? */
static struct store_req *read_new(struct reading *r, void (*done)(struct store_req *))
{
    struct store_req *req = store_req_new(r->home->index, 2, done, r);
    store_step_init(req, 0, QUERY_DEVICE_GET, 1);
    req_set_uuid(req, 0, 0, 0, r->device);
    return req;
}

static err read_error(const struct store_req *req)
{
    return req->error != ERR_NONE             ? req->error
           : req->steps[0].row_count == 0 ? ERR_DEVICE_NOT_FOUND
                                            : ERR_NONE;
}

static int64_t ceil_to(int64_t v, int64_t step) { return (v + step - 1) / step * step; }

/* Rows, minutes or hours: the finest that is still kept for the whole range and is not finer
 * than the points asked for. */
static void choose(struct reading *r)
{
    const struct domain_conf *conf = r->home->conf;
    int64_t span_ms = r->range.to_ms - r->range.from_ms;
    int64_t step = (span_ms + r->range.points - 1) / r->range.points;
    int64_t age_s = (clock_wall_ms(r->home->clock) - r->range.from_ms) / 1000;
    r->bucket_ms = r->resolution_ms = 0;
    if (step <= ROW_MS && age_s <= conf->retention_raw_s) {
        return;
    }
    bool minutes = step < HOUR_MS && age_s <= conf->retention_minute_s;
    r->resolution_ms = minutes ? MINUTE_MS : HOUR_MS;
    r->bucket_ms = ceil_to(step, r->resolution_ms);
}

/* Columns of METRICS_BUCKETS: start, n, then avg, min, max, last of six metrics, two totals. */
static struct host_point bucket_point(const struct store_value *cells, enum host_aggregate agg)
{
    static const enum metric metrics[] = {METRIC_CPU,    METRIC_MEMORY_USED, METRIC_DOWNLOAD,
                                          METRIC_UPLOAD, METRIC_LOAD,        METRIC_DISK_USED};
    struct host_point p = {.at_ms = store_int(&cells[0])};
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        p.v[m] = NAN;
    }
    for (unsigned i = 0; i < ARRAY_LEN(metrics); i++) {
        const struct store_value *v = &cells[2 + 4 * i + (unsigned)agg];
        if (v->type != STORE_NULL) {
            bool bytes = metrics[i] == METRIC_MEMORY_USED || metrics[i] == METRIC_DISK_USED;
            p.v[metrics[i]] = bytes ? round(store_real(v)) : store_real(v);
        }
    }
    const struct store_value *totals = &cells[2 + 4 * ARRAY_LEN(metrics)];
    p.v[METRIC_MEMORY_TOTAL] = totals[0].type == STORE_NULL ? NAN : store_real(&totals[0]);
    p.v[METRIC_DISK_TOTAL] = totals[1].type == STORE_NULL ? NAN : store_real(&totals[1]);
    return p;
}

static void read_metrics(struct reading *r);

static void metrics_read(struct store_req *req)
{
    struct reading *r = req->owner;
    err error = read_error(req);
    buf out = {0};
    unsigned n = req->steps[1].row_count;
    if (error == ERR_NONE && r->bucket_ms == 0 && n > r->range.points) {
        /* rows stand closer than one a minute: put some together */
        int64_t span_ms = r->range.to_ms - r->range.from_ms;
        r->bucket_ms = (span_ms + r->range.points - 1) / r->range.points;
        store_req_free(req);
        read_metrics(r);
        return;
    }
    if (error == ERR_NONE) {
        struct host_history h = {.from_ms = r->range.from_ms,
                                 .to_ms = r->range.to_ms,
                                 .resolution_ms = r->bucket_ms > 0 ? r->bucket_ms : ROW_MS,
                                 .source = r->resolution_ms == HOUR_MS     ? "1h"
                                           : r->resolution_ms == MINUTE_MS ? "1m"
                                                                           : "raw"};
        struct host_point *points = ARENA_ARRAY(&req->arena, struct host_point, n + 1);
        h.count = n < r->range.points ? n : r->range.points;
        for (unsigned i = 0; i < h.count; i++) {
            const struct store_value *cells = store_cell(req, 1, i, 0);
            points[i] = r->bucket_ms > 0 ? bucket_point(cells, r->range.aggregate)
                                         : host_point_row(cells);
        }
        h.points = points;
        host_put_history(&out, &h);
    }
    store_req_free(req);
    finish(r, error, &out);
    buf_deinit(&out);
}

static void read_metrics(struct reading *r)
{
    struct store_req *req = read_new(r, metrics_read);
    int64_t limit = (int64_t)r->range.points + 1; /* one more tells that there are too many */
    /* A bucket that began before the range is asked for whole: its start is what is shown. */
    int64_t from = r->resolution_ms > 0 ? r->range.from_ms - r->range.from_ms % r->bucket_ms
                                        : r->range.from_ms;
    req->row_max = (unsigned)limit + 1;
    store_step_init(req, 1, r->resolution_ms > 0 ? QUERY_ROLLUP_BUCKETS
                            : r->bucket_ms > 0   ? QUERY_METRICS_BUCKETS
                                                 : QUERY_METRICS_RANGE, 1);
    req_set_uuid(req, 1, 0, 0, r->device);
    store_set_int(req, 1, 0, 1, from);
    store_set_int(req, 1, 0, 2, r->range.to_ms);
    if (r->bucket_ms > 0) {
        store_set_int(req, 1, 0, 3, r->bucket_ms);
        store_set_int(req, 1, 0, 4, limit);
        if (r->resolution_ms > 0) {
            store_set_int(req, 1, 0, 5, r->resolution_ms);
        }
    } else {
        store_set_int(req, 1, 0, 3, limit);
    }
    req_submit(r->home, req);
}

void host_metrics(struct home *h, uuid device, const struct host_range *in, device_done done,
                  void *owner)
{
    ASSERT(in->points >= 1 && in->points <= HOST_POINTS_MAX && in->from_ms < in->to_ms);
    struct reading *r = mem_calloc(1, sizeof *r);
    *r = (struct reading){.home = h, .device = device, .range = *in, .done = done, .owner = owner};
    choose(r);
    read_metrics(r);
}

static void processes_read(struct store_req *req)
{
    struct reading *r = req->owner;
    err error = read_error(req);
    buf out = {0};
    if (error == ERR_NONE && req->steps[1].row_count == 0) {
        error = ERR_NOT_FOUND;
    }
    if (error == ERR_NONE) {
        host_put_moment(&out, store_int(store_cell(req, 1, 0, 0)),
                        store_text(store_cell(req, 1, 0, 1)), r->commands);
    }
    store_req_free(req);
    finish(r, error, &out);
    buf_deinit(&out);
}

void host_processes_at(struct home *h, uuid device, int64_t at_ms, bool commands, device_done done,
                       void *owner)
{
    struct reading *r = mem_calloc(1, sizeof *r);
    *r = (struct reading){
        .home = h, .device = device, .commands = commands, .done = done, .owner = owner};
    struct store_req *req = read_new(r, processes_read);
    req->row_max = 2;
    store_step_init(req, 1, QUERY_PROCESS_AT, 1);
    req_set_uuid(req, 1, 0, 0, device);
    store_set_int(req, 1, 0, 1, at_ms);
    store_set_int(req, 1, 0, 2, PROCESSES_TOLERANCE_MS);
    req_submit(h, req);
}
