/* edge/dispatch.h with a wire of its own: what is refused, in which order, and how it is counted.
 * What handlers do is shown over the real wires. */
#include "rest_world.h"

#include "base/mem.h"
#include "edge/dispatch.h"

#include <stdio.h>
#include <string.h>

#define ONE "01900000-0000-7000-8000-000000000001"

static struct world world;

/* What the wire was told. */
static struct {
    unsigned refusals;
    unsigned oks;
    unsigned floods;
    struct event_refusal last;
    char member[SHAPE_PATH_MAX];
    bool lets_pass;
    bool takes_unknown;
} said;

static void on_ok(const struct event_call *in, span members)
{
    (void)in;
    (void)members;
    said.oks++;
}

static void on_refuse(const struct event_call *in, const struct event_refusal *r)
{
    (void)in;
    said.refusals++;
    said.last = *r;
    snprintf(said.member, sizeof said.member, "%s", r->member != NULL ? r->member : "");
}

static void on_flooding(const struct event_call *in)
{
    (void)in;
    said.floods++;
}

static bool within_rate(const struct event_call *in)
{
    (void)in;
    return said.lets_pass;
}

static bool unknown(const struct event_call *in)
{
    (void)in;
    return said.takes_unknown;
}

static const struct event_wire by_bucket = {.stats = STATS_MONITOR,
                                            .name = "test",
                                            .name_member = "type",
                                            .ok = on_ok,
                                            .refuse = on_refuse,
                                            .flooding = on_flooding};
static const struct event_wire by_itself = {.stats = STATS_SOCKETIO,
                                            .name = "test",
                                            .name_member = "event",
                                            .ok = on_ok,
                                            .refuse = on_refuse,
                                            .within_rate = within_rate,
                                            .unknown = unknown};

static struct grant *nobody; /* a user without any role */
static struct bucket bucket;
static struct bucket telemetry;

static void call_with(const struct event_wire *wire, enum event_peer kind, const char *name,
                      span data, const char *bad)
{
    struct arena arena = {0};
    struct event_call in = {.wire = wire,
                            .edge = &world.edge,
                            .arena = &arena,
                            .kind = kind,
                            .grant = nobody,
                            .bucket = &bucket,
                            .telemetry = &telemetry,
                            .name = span_str(name),
                            .data = data,
                            .unchecked = true,
                            .bad = bad,
                            .bytes = data.len};
    event_dispatch(&in);
    arena_reset(&arena);
}

static void call(const struct event_wire *wire, enum event_peer kind, const char *name,
                 const char *data)
{
    call_with(wire, kind, name, span_str(data), NULL);
}

static void expect(err error, const char *member)
{
    assert_int_equal(said.refusals, 1);
    assert_int_equal(said.last.error, error);
    assert_string_equal(said.member, member);
    assert_int_equal(said.oks, 0);
}

static int fresh(void **state)
{
    memset(&said, 0, sizeof said);
    memset(&bucket, 0, sizeof bucket);
    memset(&telemetry, 0, sizeof telemetry);
    said.lets_pass = true;
    return 0;
}

static uint64_t counted(enum stats_wire wire, enum frame what)
{
    return atomic_load(&world.edge.stats.messages_in[wire][what]);
}

static void a_name_without_a_row_is_refused_by_the_member_that_held_it(void **state)
{
    uint64_t before = counted(STATS_MONITOR, FRAME_UNKNOWN);
    call(&by_bucket, PEER_HOST, "no such thing", "{}");
    expect(ERR_INVALID_MESSAGE_FORMAT, "type");
    assert_int_equal(counted(STATS_MONITOR, FRAME_UNKNOWN), before + 1);
}

static void a_wire_may_take_what_no_row_has(void **state)
{
    said.takes_unknown = true;
    uint64_t before = counted(STATS_SOCKETIO, FRAME_APP);
    call(&by_itself, PEER_CLIENT, "an application's", "{}");
    assert_int_equal(said.refusals, 0);
    assert_int_equal(counted(STATS_SOCKETIO, FRAME_APP), before + 1);
}

static void another_kind_of_peer_is_told_so(void **state)
{
    said.takes_unknown = true; /* it is not asked */
    call(&by_itself, PEER_CLIENT, "device:heartbeat", "{}");
    expect(ERR_PERMISSION_DENIED, "");
    fresh(NULL);
    call(&by_itself, PEER_CLIENT, "metrics", "{}"); /* of another wire: unknown here */
    expect(ERR_INVALID_MESSAGE_FORMAT, "event");
}

static void what_could_not_be_read_is_refused_and_counts_as_refused(void **state)
{
    uint64_t before = counted(STATS_MONITOR, FRAME_REFUSED);
    call_with(&by_bucket, PEER_HOST, "", SPAN_NONE, "is no JSON");
    expect(ERR_INVALID_MESSAGE_FORMAT, "");
    assert_string_equal(said.last.why, "is no JSON");
    assert_int_equal(counted(STATS_MONITOR, FRAME_REFUSED), before + 1);
}

static void a_peer_has_its_kinds_bucket(void **state)
{
    struct bucket_rule rule = event_rule(PEER_VIEWER);
    for (unsigned i = 0; i < rule.burst; i++) {
        call(&by_bucket, PEER_VIEWER, "no such thing", "{}");
        assert_int_equal(said.last.error, ERR_INVALID_MESSAGE_FORMAT);
    }
    fresh(NULL);
    bucket.empty_us = INT64_MAX / 4; /* as if it had gone on for long */
    call(&by_bucket, PEER_VIEWER, "no such thing", "{}");
    expect(ERR_RATE_LIMIT_EXCEEDED, "");
    assert_true(said.last.retry_after_ms > 0);
    for (unsigned i = 1; i < EVENT_FLOOD; i++) {
        assert_int_equal(said.floods, 0);
        call(&by_bucket, PEER_VIEWER, "no such thing", "{}");
    }
    assert_int_equal(said.floods, 1);
}

static void what_is_never_limited_is_not(void **state)
{
    bucket.empty_us = INT64_MAX / 4;
    call(&by_bucket, PEER_HOST, "auth_refresh", "{}");
    expect(ERR_INVALID_MESSAGE_FORMAT, "token"); /* it came as far as its payload */
}

static void telemetry_has_a_bucket_of_its_own(void **state)
{
    bucket.empty_us = INT64_MAX / 4;
    said.lets_pass = false;
    call(&by_bucket, PEER_HOST, "telemetry", "[]");
    expect(ERR_INVALID_MESSAGE_FORMAT, ""); /* it came as far as its payload */
    fresh(NULL);
    telemetry.empty_us = INT64_MAX / 4;
    call(&by_bucket, PEER_HOST, "telemetry", "[]");
    expect(ERR_RATE_LIMIT_EXCEEDED, "");
    assert_true(said.last.retry_after_ms > 0);
    for (unsigned i = 1; i < EVENT_FLOOD; i++) {
        assert_int_equal(said.floods, 0);
        call(&by_bucket, PEER_HOST, "telemetry", "[]");
    }
    assert_int_equal(said.floods, 1);
    call(&by_bucket, PEER_HOST, "no such thing", "{}");
    assert_int_equal(said.last.error, ERR_INVALID_MESSAGE_FORMAT);
}

static void of_many_there_are_neither_none_nor_too_many_nor_a_large_one(void **state)
{
    buf text = {0};
    call(&by_bucket, PEER_HOST, "telemetry", "[]");
    expect(ERR_INVALID_MESSAGE_FORMAT, "");
    assert_string_equal(said.last.why, "must not be empty");
    fresh(NULL);
    for (unsigned i = 0; i < 501; i++) {
        buf_append_str(&text, i == 0 ? "[{}" : ",{}");
    }
    buf_append_byte(&text, ']');
    call_with(&by_bucket, PEER_HOST, "telemetry", buf_span(&text), NULL);
    expect(ERR_INVALID_MESSAGE_FORMAT, "");
    assert_string_equal(said.last.why, "has too many elements");
    fresh(NULL);
    buf_clear(&text);
    buf_append_str(&text, "{\"pad\":\"");
    memset(buf_reserve(&text, EVENT_ONE_BYTES_MAX), 'x', EVENT_ONE_BYTES_MAX);
    text.len += EVENT_ONE_BYTES_MAX;
    buf_append_str(&text, "\"}");
    call_with(&by_bucket, PEER_HOST, "telemetry", buf_span(&text), NULL);
    expect(ERR_INVALID_MESSAGE_FORMAT, "");
    assert_string_equal(said.last.why, "is larger than one may be");
    buf_deinit(&text);
}

static void a_wire_that_keeps_its_own_rate_is_asked_once_and_has_answered(void **state)
{
    said.lets_pass = false;
    call(&by_itself, PEER_CLIENT, "device:subscribe", "{}");
    assert_int_equal(said.refusals, 0);
}

static void a_payload_over_the_events_size_is_refused_before_it_is_read(void **state)
{
    char *text = mem_alloc(70000);
    memset(text, 'x', 70000);
    call_with(&by_itself, PEER_CLIENT, "device:subscribe", span_of(text, 70000), NULL);
    expect(ERR_INVALID_MESSAGE_FORMAT, "");
    assert_string_equal(said.last.why, "is larger than this event may be");
    mem_free(text);
}

static void who_holds_the_permission_nowhere_is_refused_before_it_is_read(void **state)
{
    call(&by_itself, PEER_CLIENT, "device:subscribe", "{\"deviceId\":7}");
    expect(ERR_PERMISSION_DENIED, "");
}

static void a_device_that_one_may_not_read_is_not_there(void **state)
{
    nobody->kind = PRINCIPAL_DEVICE; /* it may read itself */
    assert_true(uuid_parse(SPAN("01900000-0000-7000-8000-000000000002"), &nobody->principal));
    call(&by_itself, PEER_DEVICE, "device:subscribe", "{\"deviceId\":\"" ONE "\"}");
    expect(ERR_DEVICE_NOT_FOUND, "deviceId");
    nobody->kind = PRINCIPAL_USER;
}

static void a_bad_member_is_named(void **state)
{
    nobody->kind = PRINCIPAL_DEVICE;
    call(&by_itself, PEER_DEVICE, "device:subscribe", "{\"deviceId\":7}");
    expect(ERR_INVALID_MESSAGE_FORMAT, "deviceId");
    fresh(NULL);
    call(&by_bucket, PEER_HOST, "metrics", "{\"top_processes\":[{\"pid\":1,\"name\":\"a\"},{}]}");
    expect(ERR_INVALID_MESSAGE_FORMAT, "top_processes[1].pid");
    fresh(NULL);
    call(&by_itself, PEER_DEVICE, "device:subscribe", "[]");
    expect(ERR_INVALID_MESSAGE_FORMAT, "");
    assert_string_equal(said.last.why, "must be an object");
    nobody->kind = PRINCIPAL_USER;
}

static void nesting_and_names_of_prototypes_are_refused(void **state)
{
    nobody->kind = PRINCIPAL_DEVICE;
    call(&by_itself, PEER_DEVICE, "device:subscribe",
         "{\"a\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}");
    expect(ERR_INVALID_MESSAGE_FORMAT, "");
    fresh(NULL);
    call(&by_itself, PEER_DEVICE, "device:subscribe", "{\"__proto__\":{}}");
    expect(ERR_INVALID_MESSAGE_FORMAT, "");
    nobody->kind = PRINCIPAL_USER;
}

static int open_world(void **state)
{
    world_open_with(&world, &rest_handler);
    nobody = mem_calloc(1, sizeof *nobody);
    nobody->kind = PRINCIPAL_USER;
    return 0;
}

static int close_world(void **state)
{
    grant_free(nobody);
    world_close(&world);
    return 0;
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_name_without_a_row_is_refused_by_the_member_that_held_it),
        T(a_wire_may_take_what_no_row_has),
        T(another_kind_of_peer_is_told_so),
        T(what_could_not_be_read_is_refused_and_counts_as_refused),
        T(a_peer_has_its_kinds_bucket),
        T(what_is_never_limited_is_not),
        T(telemetry_has_a_bucket_of_its_own),
        T(of_many_there_are_neither_none_nor_too_many_nor_a_large_one),
        T(a_wire_that_keeps_its_own_rate_is_asked_once_and_has_answered),
        T(a_payload_over_the_events_size_is_refused_before_it_is_read),
        T(who_holds_the_permission_nowhere_is_refused_before_it_is_read),
        T(a_device_that_one_may_not_read_is_not_there),
        T(a_bad_member_is_named),
        T(nesting_and_names_of_prototypes_are_refused),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
