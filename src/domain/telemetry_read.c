/*
 * What is stored of telemetry: samples as they were sent, page by page, or buckets of them, from
 * the samples or from minutes or hours. Read on the loop that asks.
 */
#include "domain/fleet_internal.h"
#include "domain/telemetry.h"
#include "domain/time_cursor.h"

#include "base/mem.h"
#include "shape/telemetry.h"
#include "shape/telemetry_series.h"

#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS INT64_C(3600000)
/* Buckets of samples are made of at most so long a time, for each sample is looked at. */
#define SAMPLES_MS_MAX (6 * HOUR_MS)

#define CURSOR_MARK 't'

struct reading {
    struct mail mail; /* of a refusal */
    struct home *home;
    struct telemetry_query q; /* `after` is not kept, */
    int64_t after_ms;         /* this is */
    int64_t after_key;
    int64_t bucket_ms;        /* 0: samples as they are */
    int64_t resolution_ms;    /* of the rollup; 0: samples */
    telemetry_paged done;
    void *owner;
    uint8_t sensor[];
};

static void finish(struct reading *r, const struct telemetry_page *p)
{
    r->done(r->owner, p);
    mem_free(r);
}

static void refused(struct mail *m)
{
    struct reading *r = CONTAINER_OF(m, struct reading, mail);
    finish(r, &(struct telemetry_page){.error = ERR_INVALID_REQUEST});
}

/* --- samples --- */

/* Columns of TELEMETRY_RANGE: key, sensor_type, timestamp, value, unit, metadata, sample_id. */
static struct telemetry_sample sample_of(const struct store_value *cells)
{
    return (struct telemetry_sample){.sensor_type = store_text(&cells[1]),
                                     .at_ms = store_int(&cells[2]),
                                     .value = store_real(&cells[3]),
                                     .unit = store_text(&cells[4]),
                                     .metadata = store_text(&cells[5]),
                                     .sample_id = store_text(&cells[6])};
}

static span put_samples(const struct reading *r, const struct store_req *req, buf *out,
                        char next[TIME_CURSOR_SIZE])
{
    unsigned rows = req->steps[1].row_count;
    unsigned count = rows > r->q.limit ? r->q.limit : rows; /* one more was asked for, to know */
    buf_append_byte(out, '[');
    for (unsigned i = 0; i < count; i++) {
        struct telemetry_sample s = sample_of(store_cell(req, 1, i, 0));
        if (i > 0) {
            buf_append_byte(out, ',');
        }
        telemetry_put_json(out, r->q.device, &s, false);
    }
    buf_append_byte(out, ']');
    return rows <= count ? SPAN_NONE
                         : time_cursor(CURSOR_MARK, store_int(store_cell(req, 1, count - 1, 2)),
                                       store_int(store_cell(req, 1, count - 1, 0)), next);
}

/* --- buckets --- */

static int64_t ceil_to(int64_t v, int64_t step) { return (v + step - 1) / step * step; }

/* Buckets that a range touches; they begin at multiples of their length. */
static int64_t bucket_count(const struct reading *r, int64_t bucket_ms)
{
    return (r->q.to_ms - 1) / bucket_ms - r->q.from_ms / bucket_ms + 1;
}

/* Samples, minutes or hours: the finest that is still kept for the whole range, and not finer than
 * the points asked for. */
static void choose(struct reading *r)
{
    const struct domain_conf *conf = r->home->conf;
    int64_t span_ms = r->q.to_ms - r->q.from_ms;
    int64_t step = (span_ms + r->q.points - 1) / r->q.points;
    int64_t age_s = (clock_wall_ms(r->home->clock) - r->q.from_ms) / 1000;
    if (step < MINUTE_MS && span_ms <= SAMPLES_MS_MAX && age_s <= conf->retention_raw_s) {
        r->resolution_ms = 0;
        r->bucket_ms = step;
    } else {
        bool minutes = step < HOUR_MS && age_s <= conf->retention_minute_s;
        r->resolution_ms = minutes ? MINUTE_MS : HOUR_MS;
        r->bucket_ms = ceil_to(step, r->resolution_ms);
        r->q.from_ms -= r->q.from_ms % r->resolution_ms; /* what is rolled up is taken whole */
    }
    while (bucket_count(r, r->bucket_ms) > r->q.points) { /* it begins within one */
        r->bucket_ms += r->q.points > 1 ? ceil_to(r->bucket_ms / (r->q.points - 1) + 1,
                                                  r->resolution_ms > 0 ? r->resolution_ms : 1)
                                        : r->bucket_ms;
    }
}

/* Columns: sensor_type, unit, start, n, avg, min, max, last; by sensor, unit and start. */
static bool same_series(const struct store_value *a, const struct store_value *b)
{
    return span_eq(store_text(&a[0]), store_text(&b[0])) &&
           span_eq(store_text(&a[1]), store_text(&b[1]));
}

static void put_buckets(const struct reading *r, struct store_req *req, buf *out)
{
    unsigned rows = req->steps[1].row_count;
    struct telemetry_point *points = ARENA_ARRAY(&req->arena, struct telemetry_point, rows + 1);
    buf_append_byte(out, '[');
    for (unsigned i = 0, from = 0; i < rows; from = i) {
        const struct store_value *first = store_cell(req, 1, i, 0);
        for (; i < rows && same_series(first, store_cell(req, 1, i, 0)); i++) {
            const struct store_value *cells = store_cell(req, 1, i, 0);
            points[i] = (struct telemetry_point){.at_ms = store_int(&cells[2]),
                                                 .n = store_int(&cells[3]),
                                                 .value = store_real(&cells[4 + r->q.aggregate])};
        }
        if (from > 0) {
            buf_append_byte(out, ',');
        }
        telemetry_put_series(out, &(struct telemetry_series){
                                      .sensor_type = store_text(&first[0]),
                                      .unit = store_text(&first[1]),
                                      .resolution_ms = r->bucket_ms,
                                      .count = i - from,
                                      .points = points + from});
    }
    buf_append_byte(out, ']');
}

/* --- reading --- */

static void on_rows(struct store_req *req)
{
    struct reading *r = req->owner;
    char next[TIME_CURSOR_SIZE];
    struct telemetry_page p = {.error = req->error};
    buf out = {0};
    if (p.error == ERR_NONE && req->steps[0].row_count == 0) {
        p.error = ERR_DEVICE_NOT_FOUND;
    } else if (p.error == ERR_NONE && r->bucket_ms == 0) {
        p.next = put_samples(r, req, &out, next);
    } else if (p.error == ERR_NONE && req->steps[1].row_count > TELEMETRY_BUCKETS_MAX) {
        p.error = ERR_INVALID_REQUEST;
    } else if (p.error == ERR_NONE) {
        put_buckets(r, req, &out);
    }
    store_req_free(req);
    p.json = buf_span(&out);
    finish(r, &p);
    buf_deinit(&out);
}

static void set_range(const struct reading *r, struct store_req *req)
{
    req_set_uuid(req, 1, 0, 0, r->q.device);
    store_set_text(req, 1, 0, 1, r->q.sensor);
    store_set_int(req, 1, 0, 2, r->q.from_ms);
    store_set_int(req, 1, 0, 3, r->q.to_ms);
}

static void read_samples(struct reading *r, struct store_req *req)
{
    req->row_max = r->q.limit + 2; /* the device's, and one more than asked for */
    store_step_init(req, 1, QUERY_TELEMETRY_RANGE, 1);
    set_range(r, req);
    store_set_int(req, 1, 0, 4, r->after_ms);
    store_set_int(req, 1, 0, 5, r->after_key);
    store_set_int(req, 1, 0, 6, (int64_t)r->q.limit + 1);
}

static void read_buckets(struct reading *r, struct store_req *req)
{
    choose(r);
    req->row_max = TELEMETRY_BUCKETS_MAX + 2;
    store_step_init(req, 1, r->resolution_ms > 0 ? QUERY_TELEMETRY_ROLLUP_BUCKETS
                                                 : QUERY_TELEMETRY_BUCKETS, 1);
    set_range(r, req);
    store_set_int(req, 1, 0, 4, r->bucket_ms);
    store_set_int(req, 1, 0, 5, TELEMETRY_BUCKETS_MAX + 1);
    if (r->resolution_ms > 0) {
        store_set_int(req, 1, 0, 6, r->resolution_ms);
    }
}

static struct reading *reading_new(struct home *h, const struct telemetry_query *q,
                                   telemetry_paged done, void *owner)
{
    struct reading *r = mem_calloc(1, sizeof *r + q->sensor.len);
    r->home = h;
    r->q = *q;
    if (q->sensor.len > 0) {
        memcpy(r->sensor, q->sensor.ptr, q->sensor.len);
    }
    r->q.sensor = span_of(r->sensor, q->sensor.len);
    r->after_ms = q->from_ms - 1;
    r->after_key = INT64_MAX;
    r->done = done;
    r->owner = owner;
    return r;
}

void telemetry_read(struct home *h, const struct telemetry_query *q, telemetry_paged done,
                    void *owner)
{
    ASSERT(q->from_ms >= 0 && q->from_ms < q->to_ms);
    ASSERT(q->points <= TELEMETRY_POINTS_MAX);
    ASSERT(q->points > 0 || (q->limit >= 1 && q->limit <= TELEMETRY_ROWS_MAX));
    struct reading *r = reading_new(h, q, done, owner);
    if (q->after.len > 0 &&
        !time_cursor_read(CURSOR_MARK, q->after, &r->after_ms, &r->after_key)) {
        r->mail.run = refused;
        post_mail(h->post, h->index, &r->mail);
        return;
    }
    struct store_req *req = store_req_new(h->index, 2, on_rows, r);
    store_step_init(req, 0, QUERY_DEVICE_GET, 1);
    req_set_uuid(req, 0, 0, 0, q->device);
    if (q->points == 0) {
        read_samples(r, req);
    } else {
        read_buckets(r, req);
    }
    req_submit(h, req);
}
