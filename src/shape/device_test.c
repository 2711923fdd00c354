#include "shape/device.h"

#include "codec/json/scan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static int teardown(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

static void a_device_has_the_documented_members(void **state)
{
    (void)state;
    struct device_row row = {.name = SPAN("web \"1\""), .type = SPAN("host"),
                             .status = DEVICE_MAINTENANCE, .connection = CONNECTION_STALE,
                             .capabilities = SPAN("[\"a\"]"), .tags = SPAN("[]"),
                             .metadata = SPAN("{\"k\":1}"), .version = 3, .created_ms = 1,
                             .updated_ms = 2};
    buf out = {0};
    assert_true(uuid_parse(SPAN("01900000-0000-7000-8000-000000000001"), &row.id));
    device_put(&out, &row, NULL, NULL);
    assert_true(span_eq(
        buf_span(&out),
        SPAN("{\"id\":\"01900000-0000-7000-8000-000000000001\",\"name\":\"web \\\"1\\\"\","
             "\"type\":\"host\",\"status\":\"maintenance\",\"connectionStatus\":\"stale\","
             "\"lastSeen\":null,\"capabilities\":[\"a\"],\"tags\":[],\"metadata\":{\"k\":1},"
             "\"createdAt\":\"1970-01-01T00:00:00.001Z\","
             "\"updatedAt\":\"1970-01-01T00:00:00.002Z\",\"version\":3}")));
    buf_clear(&out);
    struct host_point p = {.at_ms = 5, .v = {[METRIC_LOAD] = NAN}};
    struct host_facts f = {.os = SPAN("x"), .uptime_s = -1, .cpu_cores = -1};
    row.last_seen_ms = 5;
    device_put(&out, &row, &p, &f);
    assert_int_equal(json_check(buf_span(&out), 8, 0, NULL), 0);
    buf_deinit(&out);
}

static void tags_are_kept_once(void **state)
{
    (void)state;
    assert_true(span_eq(device_texts(SPAN("[ \"a\", \"b\",\"\\u0061\" ]"), &arena),
                        SPAN("[\"b\",\"a\"]")));
    assert_true(span_eq(device_texts(SPAN("[]"), &arena), SPAN("[]")));
    assert_true(span_eq(device_tag_literal(SPAN("a\"b"), &arena), SPAN("\"a\\\"b\"")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_has_the_documented_members),
        cmocka_unit_test(tags_are_kept_once),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
