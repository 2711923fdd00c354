/*
 * Telemetry over REST: samples in, ranges, buckets and newest values out (CONTRACT 3).
 *
 * Samples are committed by the device's home, and the answer to an Idempotency-Key behind them. So
 * that a repeat is harmless in between, samples without a sampleId get one that the key's name and
 * their place make: what is on disk already is then a duplicate.
 */
#include "domain/telemetry.h"
#include "edge/dispatch.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "edge/rest/idempotency.h"
#include "edge/rest/internal.h"
#include "shape/telemetry.h"

#define RANGE_DEFAULT_MS 3600000 /* without `from`: the hour before `to` */

/* --- samples in --- */

/* One request; in the call's arena, as what it points to. */
struct batch {
    struct rest_call *call;
    bool many; /* the body is an array */
    struct telemetry_sample *samples;
    unsigned *places; /* of each in the body */
    unsigned count;   /* that can be kept */
    struct rest_fault *faults; /* of the others */
    unsigned *fault_places;
    unsigned fault_count;
    span response; /* to be answered when it is stored */
};

static void add_fault(struct batch *b, unsigned place, const char *member, const char *why)
{
    struct rest_call *c = b->call;
    b->fault_places[b->fault_count] = place;
    b->faults[b->fault_count++] =
        (struct rest_fault){.member = rest_printf(c, "%s", member), .detail = why};
}

static void read_sample(struct batch *b, unsigned place, span object)
{
    struct rest_call *c = b->call;
    struct shape_ctx ctx = {.arena = &c->arena, .now_ms = loop_wall_ms(c->edge->loop)};
    struct shape_telemetry_sample in;
    const char *member = "", *why = "";
    if (!shape_decode(SCHEMA_telemetry_sample, object, &ctx, &in)) {
        add_fault(b, place, ctx.path, ctx.why);
    } else if (!telemetry_sample_of(&in, c->uuids[0], &b->samples[b->count], &member, &why)) {
        add_fault(b, place, member, why);
    } else {
        b->places[b->count++] = place;
    }
}

static bool read_batch(struct batch *b)
{
    struct rest_call *c = b->call;
    struct json_iter it;
    span object;
    unsigned place = 0;
    b->many = json_type(c->json) == JSON_ARRAY;
    size_t count = b->many ? json_count(c->json) : 1;
    if (count == 0 || count > TELEMETRY_BATCH_MAX) {
        rest_invalid(c, "a batch has 1 to 500 samples", NULL, 0);
        return false;
    }
    b->samples = ARENA_ARRAY(&c->arena, struct telemetry_sample, count);
    b->places = ARENA_ARRAY(&c->arena, unsigned, count);
    b->faults = ARENA_ARRAY(&c->arena, struct rest_fault, count);
    b->fault_places = ARENA_ARRAY(&c->arena, unsigned, count);
    if (!b->many) {
        read_sample(b, 0, c->json);
        return true;
    }
    (void)json_array_begin(&it, c->json);
    while (json_array_next(&it, &object)) {
        read_sample(b, place++, object);
    }
    return true;
}

/* Answers 422 naming every member that is wrong. */
static void refuse_all(struct batch *b)
{
    struct rest_call *c = b->call;
    for (unsigned i = 0; b->many && i < b->fault_count; i++) {
        const char *member = b->faults[i].member;
        b->faults[i].member = rest_printf(c, "[%u]%s%s", b->fault_places[i],
                                          member[0] == '\0' ? "" : ".", member);
    }
    answer_error(c, ERR_TELEMETRY_VALIDATION_FAILED,
                 (unsigned)err_status(ERR_TELEMETRY_VALIDATION_FAILED), NULL, b->faults,
                 b->fault_count);
}

static span put_response(const struct batch *b, const struct telemetry_result *r)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '{');
    json_member_u64(&w, "accepted", r->accepted);
    json_member_u64(&w, "duplicates", r->duplicates);
    json_member_open(&w, "rejected", '[');
    for (unsigned i = 0; i < b->fault_count; i++) {
        json_open(&w, '{');
        json_member_u64(&w, "index", b->fault_places[i]);
        json_member_open(&w, "error", '{');
        event_error_members(&w, &(struct event_refusal){.error = ERR_TELEMETRY_VALIDATION_FAILED,
                                                        .member = b->faults[i].member,
                                                        .why = b->faults[i].detail});
        json_close(&w, '}');
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    span response = arena_dup(&b->call->arena, buf_span(&out));
    buf_deinit(&out);
    return response;
}

static void answer(struct batch *b, err error, uint32_t retry_after_ms)
{
    idem_end(b->call);
    struct rest_call *c = rest_resume(b->call);
    if (c == NULL) {
        return;
    }
    if (error == ERR_RATE_LIMIT_EXCEEDED) {
        rest_retry_later(c, error, retry_after_ms);
    } else if (error != ERR_NONE) {
        rest_error(c, error, NULL);
    } else {
        idem_ok(c, b->response, NULL);
    }
}

static void answer_stored(struct store_req *req)
{
    struct batch *b = req->owner;
    err error = req->error;
    store_req_free(req);
    answer(b, error, 0);
}

static void stored(void *owner, const struct telemetry_result *r)
{
    struct batch *b = owner;
    struct rest_call *c = b->call;
    if (r->error == ERR_NONE) {
        b->response = put_response(b, r);
    }
    if (r->error != ERR_NONE || idem_steps(c) == 0) {
        answer(b, r->error, r->retry_after_ms);
        return;
    }
    struct store_req *req = store_req_new(loop_index(c->edge->loop), 1, answer_stored, b);
    idem_step(c, req, 0, b->response, false);
    c->edge->home->store->submit(c->edge->home->store, req);
}

static void run(struct rest_call *c)
{
    struct batch *b = c->user;
    char text[IDEM_NAME_LEN];
    span name = idem_name(c, text);
    for (unsigned i = 0; name.len > 0 && i < b->count; i++) {
        if (b->samples[i].sample_id.len == 0) {
            b->samples[i].sample_id =
                span_str(rest_printf(c, "%.*s-%u", SPAN_FMT(name), b->places[i]));
        }
    }
    rest_later(c);
    telemetry_put(c->edge->home, c->uuids[0], b->samples, b->count, stored, b);
}

void rest_telemetry_put(struct rest_call *c)
{
    struct batch *b = ARENA_NEW(&c->arena, struct batch);
    b->call = c;
    if (!read_batch(b)) {
        return;
    }
    if (b->count == 0) {
        refuse_all(b);
        return;
    }
    c->user = b;
    idem_begin(c, run);
}

/* --- what is known, out --- */

static void shown(void *owner, err error, span json)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && error != ERR_NONE) {
        rest_error(c, error, NULL);
    } else if (c != NULL) {
        rest_ok_cached(c, json);
    }
}

void rest_telemetry_latest(struct rest_call *c)
{
    rest_later(c);
    telemetry_latest(c->edge->home, c->uuids[0], shown, c);
}

static void paged(void *owner, const struct telemetry_page *p)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (p->error == ERR_INVALID_REQUEST && rest_query(c, "cursor").len > 0) {
        device_bad_query(c, "cursor", "is not one of ours");
    } else if (p->error == ERR_INVALID_REQUEST) {
        device_bad_query(c, "points", "are too many for all sensors: name one, or ask for fewer");
    } else if (p->error != ERR_NONE) {
        rest_error(c, p->error, NULL);
    } else {
        rest_ok_list(c, p->json, p->next);
    }
}

/* Without points, and without agg, samples are shown as they were sent. */
static bool query_points(struct rest_call *c, struct telemetry_query *q)
{
    span points = rest_query(c, "points"), agg = rest_query(c, "agg");
    uint64_t n = agg.len > 0 ? TELEMETRY_POINTS_DEFAULT : 0;
    q->aggregate = agg.len == 0 ? 0 : shape_aggregate_of(agg);
    if (points.len > 0 && (!span_u64(points, UINT32_MAX, &n) || n == 0)) {
        device_bad_query(c, "points", "must be a whole number from 1");
    } else if (q->aggregate < 0) {
        device_bad_query(c, "agg", "is avg, min, max or last");
    } else if (n > 0 && q->after.len > 0) {
        device_bad_query(c, "cursor", "is for samples, without points and agg");
    } else {
        q->points = n < TELEMETRY_POINTS_MAX ? (unsigned)n : TELEMETRY_POINTS_MAX;
        return true;
    }
    return false;
}

static bool query_range(struct rest_call *c, struct telemetry_query *q)
{
    if (!rest_query_time(c, "to", loop_wall_ms(c->edge->loop), &q->to_ms)) {
        device_bad_query(c, "to", "must be a time");
        return false;
    }
    int64_t fallback = q->after.len > 0 ? 0 : q->to_ms - RANGE_DEFAULT_MS;
    if (!rest_query_time(c, "from", fallback, &q->from_ms)) {
        device_bad_query(c, "from", "must be a time");
        return false;
    }
    q->from_ms = q->from_ms < 0 ? 0 : q->from_ms;
    if (q->from_ms >= q->to_ms) {
        device_bad_query(c, "from", "must be before to");
        return false;
    }
    return true;
}

void rest_telemetry_read(struct rest_call *c)
{
    struct telemetry_query q = {.device = c->uuids[0],
                                .sensor = rest_query(c, "sensor"),
                                .after = rest_query(c, "cursor"),
                                .limit = rest_query_limit(c)};
    if (q.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
    } else if (query_range(c, &q) && query_points(c, &q)) {
        rest_later(c);
        telemetry_read(c->edge->home, &q, paged, c);
    }
}
