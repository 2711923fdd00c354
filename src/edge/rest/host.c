/* A device's host: its past, its newest state, what ran at a moment (CONTRACT 6). */
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"

#include "domain/device_watch.h"
#include "domain/hostmetrics.h"
#include "shape/device_states.h"
#include "shape/host.h"

#define RANGE_DEFAULT_MS 3600000 /* without `from`: the hour before `to` */

static bool sees_commands(const struct rest_call *c)
{
    return rest_can(c, PERM_HOST_COMMANDS_READ, scope_device(c->uuids[0]));
}

/* --- metrics --- */

static bool query_points(struct rest_call *c, unsigned *out)
{
    span text = rest_query(c, "points");
    uint64_t n = HOST_POINTS_DEFAULT;
    if (text.len > 0 && (!span_u64(text, UINT32_MAX, &n) || n == 0)) {
        device_bad_query(c, "points", "must be a whole number from 1");
        return false;
    }
    *out = n < HOST_POINTS_MAX ? (unsigned)n : HOST_POINTS_MAX;
    return true;
}

static bool query_aggregate(struct rest_call *c, enum host_aggregate *out)
{
    static const struct {
        const char *name;
        enum host_aggregate aggregate;
    } names[] = {{"avg", HOST_MEAN}, {"min", HOST_LEAST}, {"max", HOST_GREATEST},
                 {"last", HOST_LAST}};
    span text = rest_query(c, "agg");
    *out = HOST_MEAN;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (span_eq(text, span_str(names[i].name))) {
            *out = names[i].aggregate;
            return true;
        }
    }
    if (text.len > 0) {
        device_bad_query(c, "agg", "is avg, min, max or last");
        return false;
    }
    return true;
}

void rest_host_metrics(struct rest_call *c)
{
    struct host_range r;
    if (!rest_query_time(c, "to", loop_wall_ms(c->edge->loop), &r.to_ms)) {
        device_bad_query(c, "to", "must be a time");
    } else if (!rest_query_time(c, "from", r.to_ms - RANGE_DEFAULT_MS, &r.from_ms)) {
        device_bad_query(c, "from", "must be a time");
    } else if (r.from_ms >= r.to_ms) {
        device_bad_query(c, "from", "must be before to");
    } else if (query_points(c, &r.points) && query_aggregate(c, &r.aggregate)) {
        rest_later(c);
        host_metrics(c->edge->home, c->uuids[0], &r, device_answer_json, c);
    }
}

/* --- processes, state, viewers --- */

void rest_host_processes(struct rest_call *c)
{
    int64_t at_ms;
    if (!rest_query_time(c, "at", loop_wall_ms(c->edge->loop), &at_ms)) {
        device_bad_query(c, "at", "must be a time");
        return;
    }
    rest_later(c);
    host_processes_at(c->edge->home, c->uuids[0], at_ms, sees_commands(c), device_answer_json, c);
}

void rest_host_state(struct rest_call *c)
{
    rest_later(c);
    host_state(c->edge->home, c->uuids[0], sees_commands(c), device_answer_json, c);
}

static void reported(void *owner, const struct device_result *r)
{
    struct rest_call *c = device_answer(owner, r);
    if (c != NULL) {
        rest_ok(c, SPAN("{\"ok\":true}"));
    }
}

static void report(struct rest_call *c, const struct shape_state *s)
{
    int64_t now = loop_wall_ms(c->edge->loop);
    struct host_facts f = host_facts_of(s, &c->arena, now);
    struct host_point row = host_point_of(&s->metrics, now);
    rest_later(c);
    host_report(c->edge->home, c->uuids[0], &f, s->has_metrics ? &row : NULL, reported, c);
}

struct said {
    struct rest_call *call;
    struct shape_state state;
};

/* Its states are on disk: what it says of the host follows. */
static void said(void *owner, err error, unsigned moved)
{
    struct said *x = owner;
    struct rest_call *c = rest_resume(x->call);
    if (c == NULL) {
        return;
    }
    if (error != ERR_NONE) {
        rest_error(c, error, NULL);
    } else if (host_facts_given(&x->state)) {
        report(c, &x->state);
    } else {
        rest_ok(c, span_str(rest_printf(c, "{\"ok\":true,\"moved\":%u}", moved)));
    }
}

void rest_host_report(struct rest_call *c)
{
    struct shape_state s;
    struct shape_ctx ctx = {.arena = &c->arena};
    struct house_say *says;
    unsigned count;
    if (!device_body(c, SCHEMA_state, &s)) {
        return;
    }
    if (!s.has_states) {
        report(c, &s);
        return;
    }
    if (!device_states_read(s.states, &ctx, &says, &count)) {
        struct rest_fault fault = {.member = ctx.path, .detail = ctx.why};
        rest_invalid(c, rest_printf(c, "%s %s", ctx.path, ctx.why), &fault, 1);
        return;
    }
    struct said *x = ARENA_NEW(&c->arena, struct said);
    *x = (struct said){.call = c, .state = s};
    rest_later(c);
    device_says(c->edge->home, c->uuids[0], says, count, said, x);
}

static void viewers(void *owner, const struct device_result *r)
{
    struct rest_call *c = device_answer(owner, r);
    if (c == NULL) {
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    json_member_u64(&w, "viewers", r->viewers);
    json_member_u64(&w, "viewers_max", c->edge->home->conf->viewers_per_device_max);
    json_close(&w, '}');
    rest_ok(c, buf_span(&c->data));
}

void rest_host_viewers(struct rest_call *c)
{
    rest_later(c);
    device_viewers(c->edge->home, c->uuids[0], viewers, c);
}
