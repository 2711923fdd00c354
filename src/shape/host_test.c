#include "shape/host.h"

#include "base/mem.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOON INT64_C(1767355200000) /* 2026-01-02T12:00:00Z */

static void assert_golden(buf *got, const char *name)
{
    char path[200], wanted[4096];
    (void)snprintf(path, sizeof path, "tests/golden/monitor_%s.json", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(wanted, 1, sizeof wanted, f);
    fclose(f);
    if (!span_eq(buf_span(got), span_of(wanted, len))) {
        fail_msg("%s: got\n%.*s\nwanted\n%.*s", name, SPAN_FMT(buf_span(got)), (int)len, wanted);
    }
    assert_int_equal(json_check(buf_span(got), 16, 0, NULL), 0);
    buf_deinit(got);
}

static struct arena arena;

static void decode(enum schema schema, const char *text, void *out)
{
    struct shape_ctx ctx = {.arena = &arena, .now_ms = NOON};
    assert_true(shape_json(span_str(text), &ctx));
    if (!shape_decode(schema, json_root(span_str(text)), &ctx, out)) {
        fail_msg("%s %s", ctx.path, ctx.why);
    }
}

static const char *const metrics_text =
    "{\"cpu\":12.34,\"memory\":{\"used\":4194304,\"total\":16777216},"
    "\"network\":{\"download\":1000,\"upload\":200.5},\"load\":0.5,"
    "\"disk\":{\"used\":100,\"total\":1000},\"swapUsed\":0,\"temperature\":null,"
    "\"timestamp\":\"2026-01-02T11:59:00Z\"}";

static void metrics_are_normalised(void **state)
{
    (void)state;
    struct shape_metrics m;
    buf out = {0};
    decode(SCHEMA_metrics, metrics_text, &m);
    struct host_point p = host_point_of(&m, NOON);
    host_frame_metrics(&out, &p);
    assert_golden(&out, "metrics");
    arena_reset(&arena);
}

static void a_row_has_the_time_of_recordedAt_else_timestamp_else_now(void **state)
{
    (void)state;
    struct shape_metrics m;
    decode(SCHEMA_metrics, "{\"timestamp\":5,\"recordedAt\":7}", &m);
    assert_int_equal(host_point_of(&m, NOON).at_ms, 7);
    decode(SCHEMA_metrics, "{\"timestamp\":5,\"recordedAt\":null}", &m);
    assert_int_equal(host_point_of(&m, NOON).at_ms, 5);
    decode(SCHEMA_metrics, "{}", &m);
    struct host_point p = host_point_of(&m, NOON);
    assert_int_equal(p.at_ms, NOON);
    for (int i = 0; i < METRIC_COUNT; i++) {
        assert_true(isnan(p.v[i]));
    }
    arena_reset(&arena);
}

static const char *const state_text =
    "{\"os\":\"Debian GNU/Linux 12 (bookworm)\",\"architecture\":\"x86_64\",\"uptime\":12345.9,"
    "\"hostname\":\"web-1\",\"ipAddress\":\"192.0.2.7\",\"macAddress\":\"02:00:00:00:00:01\","
    "\"cpuCores\":4,\"agentVersion\":\"0.1.0\",\"interfaces\":[{\"txErrors\":0,\"name\":\"eth0\","
    "\"mac\":\"02:00:00:00:00:01\",\"addresses\":[\"192.0.2.7/24\",\"2001:db8::7/64\"],"
    "\"up\":true,\"speedMbps\":1000,\"rxBytes\":10,\"txBytes\":20,\"rxErrors\":0},"
    "{\"name\":\"lo\"}],\"top_processes\":[{\"pid\":7,\"name\":\"postgres\",\"cpu\":12.5,"
    "\"mem\":3.25,\"user\":\"postgres\",\"command\":\"postgres -D /srv/db\",\"extra\":1},"
    "{\"pid\":4000000000,\"name\":\"a \\\"b\\\"\",\"user\":null}]}";

static void state_becomes_the_documented_frames(void **state)
{
    (void)state;
    struct shape_state s;
    buf out = {0};
    decode(SCHEMA_state, state_text, &s);
    struct host_facts f = host_facts_of(&s, &arena, NOON);
    host_frame_system(&out, &f);
    assert_golden(&out, "system_info");
    host_frame_interfaces(&out, f.interfaces);
    assert_golden(&out, "network_interfaces");
    host_frame_processes(&out, f.processes, false);
    assert_golden(&out, "processes");
    host_frame_processes(&out, f.processes, true);
    assert_golden(&out, "processes_commands");
    arena_reset(&arena);
}

static void only_the_top_ten_processes_are_kept(void **state)
{
    (void)state;
    buf text = {0};
    buf_append_byte(&text, '[');
    for (int i = 0; i < 30; i++) {
        buf_printf(&text, "%s{\"pid\":%d,\"name\":\"p\"}", i > 0 ? "," : "", i);
    }
    buf_append_byte(&text, ']');
    assert_int_equal(json_count(host_processes_of(buf_span(&text), &arena)), 10);
    assert_int_equal(host_processes_of(SPAN_NONE, &arena).len, 0);
    buf_deinit(&text);
    arena_reset(&arena);
}

static void history_has_clock_labels_and_rounds(void **state)
{
    (void)state;
    buf out = {0};
    struct host_point rows[3] = {
        {.at_ms = NOON - 60000}, {.at_ms = NOON}, {.at_ms = INT64_C(1767384300000)}};
    for (int i = 0; i < 3; i++) {
        for (int m = 0; m < METRIC_COUNT; m++) {
            rows[i].v[m] = NAN;
        }
    }
    rows[0].v[METRIC_CPU] = 12.34;
    rows[0].v[METRIC_MEMORY_USED] = 4 * 1048576.0 + 1000;
    rows[0].v[METRIC_MEMORY_TOTAL] = 16 * 1048576.0;
    rows[0].v[METRIC_DOWNLOAD] = 1000;
    rows[0].v[METRIC_UPLOAD] = 200.5;
    rows[2].v[METRIC_CPU] = 99.5;
    rows[2].v[METRIC_MEMORY_USED] = 1.5 * 1048576;
    rows[2].v[METRIC_MEMORY_TOTAL] = 16 * 1048576.0;
    rows[2].v[METRIC_DOWNLOAD] = 5;
    rows[2].v[METRIC_UPLOAD] = 6;
    host_frame_history(&out, rows, 3, 0);
    /* 14.5 MiB of 16 are left: halves round up */
    span wanted = SPAN("\"available\":15");
    assert_true(memmem(out.ptr, out.len, wanted.ptr, wanted.len) != NULL);
    buf_clear(&out);
    rows[2].v[METRIC_MEMORY_USED] = 2 * 1048576;
    host_frame_history(&out, rows, 3, 0);
    assert_golden(&out, "history");
}

static void clock_labels_follow_the_offset(void **state)
{
    (void)state;
    struct host_point row = {.at_ms = NOON};
    buf out = {0};
    static const struct {
        int offset_min;
        span label;
    } cases[] = {{0, SPAN("\"12:00 PM\"")},         {-720, SPAN("\"12:00 AM\"")},
                 {-721, SPAN("\"11:59 PM\"")},      {330, SPAN("\"05:30 PM\"")},
                 {14 * 60, SPAN("\"02:00 AM\"")}};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        host_frame_history(&out, &row, 1, cases[i].offset_min);
        assert_non_null(memmem(out.ptr, out.len, cases[i].label.ptr, cases[i].label.len));
        buf_clear(&out);
    }
    buf_deinit(&out);
}

static void timezones_are_utc_or_fixed_offsets(void **state)
{
    (void)state;
    int min;
    assert_true(host_timezone(SPAN("UTC"), &min));
    assert_int_equal(min, 0);
    assert_true(host_timezone(SPAN("+02:00"), &min));
    assert_int_equal(min, 120);
    assert_true(host_timezone(SPAN("-09:30"), &min));
    assert_int_equal(min, -570);
    assert_false(host_timezone(SPAN("+14:01"), &min));
    assert_false(host_timezone(SPAN("Europe/Oslo"), &min));
    assert_false(host_timezone(SPAN("+2:000"), &min));
    assert_false(host_timezone(SPAN(""), &min));
}

static void interfaces_are_the_same_but_for_counters(void **state)
{
    (void)state;
    static const char *const one =
        "[{\"name\":\"e\",\"mac\":null,\"addresses\":[],\"up\":true,\"speedMbps\":null,"
        "\"rxBytes\":1,\"txBytes\":1,\"rxErrors\":0,\"txErrors\":0}]";
    static const char *const counted =
        "[{\"name\":\"e\",\"mac\":null,\"addresses\":[],\"up\":true,\"speedMbps\":null,"
        "\"rxBytes\":9,\"txBytes\":9,\"rxErrors\":9,\"txErrors\":9}]";
    static const char *const down =
        "[{\"name\":\"e\",\"mac\":null,\"addresses\":[],\"up\":false,\"speedMbps\":null,"
        "\"rxBytes\":1,\"txBytes\":1,\"rxErrors\":0,\"txErrors\":0}]";
    assert_true(host_interfaces_same(span_str(one), span_str(counted)));
    assert_false(host_interfaces_same(span_str(one), span_str(down)));
    assert_false(host_interfaces_same(span_str(one), SPAN("[]")));
    assert_false(host_interfaces_same(span_str(one), SPAN_NONE));
    assert_true(host_interfaces_same(SPAN_NONE, SPAN_NONE));
}

static void answers_about_the_past_are_json(void **state)
{
    (void)state;
    struct host_point p = {.at_ms = 5, .v = {[METRIC_CPU] = 1.5, [METRIC_LOAD] = NAN}};
    struct host_history h = {.from_ms = 0, .to_ms = 10, .resolution_ms = 60000, .source = "raw",
                             .points = &p, .count = 1};
    buf out = {0};
    host_put_history(&out, &h);
    assert_int_equal(json_check(buf_span(&out), 8, 0, NULL), 0);
    buf_clear(&out);
    host_put_moment(&out, 0, SPAN("[{\"pid\":1,\"command\":\"x\"}]"), false);
    assert_true(span_eq(buf_span(&out), SPAN("{\"recordedAt\":\"1970-01-01T00:00:00.000Z\","
                                             "\"top_processes\":[{\"pid\":1}]}")));
    buf_clear(&out);
    struct host_facts f = {.uptime_s = -1, .cpu_cores = -1};
    host_put_state(&out, &f, SPAN_NONE, true);
    assert_int_equal(json_check(buf_span(&out), 8, 0, NULL), 0);
    span got;
    assert_true(json_get(buf_span(&out), "uptime", &got));
    assert_int_equal(json_type(got), JSON_NULL);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_normalised),
        cmocka_unit_test(a_row_has_the_time_of_recordedAt_else_timestamp_else_now),
        cmocka_unit_test(state_becomes_the_documented_frames),
        cmocka_unit_test(only_the_top_ten_processes_are_kept),
        cmocka_unit_test(history_has_clock_labels_and_rounds),
        cmocka_unit_test(clock_labels_follow_the_offset),
        cmocka_unit_test(timezones_are_utc_or_fixed_offsets),
        cmocka_unit_test(interfaces_are_the_same_but_for_counters),
        cmocka_unit_test(answers_about_the_past_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
