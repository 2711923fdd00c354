#include "adapters/log_json/line.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static char text[LOG_LINE_BYTES_MAX + 1];

/* The line of the given fields, checked to be one line of strict JSON within the limit. */
static json_t *line_of(const struct log_field *fields, unsigned count)
{
    buf out = {0};
    log_line_append(&out, 1752701400123, LOG_WARN, "conn.close", "node \"a\"", fields, count);
    assert_true(out.len <= LOG_LINE_BYTES_MAX);
    assert_int_equal(out.ptr[out.len - 1], '\n');
    assert_null(memchr(out.ptr, '\n', out.len - 1));
    memcpy(text, out.ptr, out.len);
    text[out.len - 1] = '\0';
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        print_error("%s\n%s\n", error.text, text);
    }
    assert_non_null(json);
    buf_deinit(&out);
    return json;
}

static void a_line_has_time_level_event_node_then_the_fields(void **state)
{
    const struct log_field fields[] = {
        LOG_STR("reason", "slow_reader"), LOG_I64("delta", -3),       LOG_U64("bytes", INT64_MAX),
        LOG_BOOL("tls", true),            LOG_BOOL("resumed", false), LOG_F64("ms", 0.1),
    };
    json_decref(line_of(fields, ARRAY_LEN(fields)));
    assert_string_equal(text,
                        "{\"ts\":\"2025-07-16T21:30:00.123Z\",\"level\":\"warn\","
                        "\"event\":\"conn.close\",\"node\":\"node \\\"a\\\"\","
                        "\"reason\":\"slow_reader\",\"delta\":-3,\"bytes\":9223372036854775807,"
                        "\"tls\":true,\"resumed\":false,\"ms\":0.1}");
    json_decref(line_of(NULL, 0));
}

static void hostile_strings_stay_valid_json(void **state)
{
    static const span values[] = {
        SPAN("\"},{\"level\":\"error\"}\n{\"x\":\""),
        SPAN("\\"),
        SPAN("\0\1\x1f\x7f\r\n\t"),
        SPAN("\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80"),
        SPAN("\xe2\x82"),
        SPAN("\xf0\x9f\x98"),
        SPAN("\xc3"),
        SPAN("ok \xe2\x82\xac \xf0\x9f\x98\x80"),
        SPAN("\xe2\x80\xa8\xe2\x80\xa9</script>"),
        {NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        const struct log_field fields[] = {LOG_SPAN("value", values[i])};
        json_t *json = line_of(fields, 1);
        assert_int_equal(json_object_size(json), 5);
        assert_string_equal(json_string_value(json_object_get(json, "level")), "warn");
        json_decref(json);
    }
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b += 5) {
            const uint8_t pair[3] = {(uint8_t)a, (uint8_t)b, 'x'};
            const struct log_field fields[] = {LOG_SPAN("value", span_of(pair, 3))};
            json_decref(line_of(fields, 1));
        }
    }
}

static void numbers_read_back_and_infinities_are_null(void **state)
{
    static const double values[] = {0, -0.5, 1e300, 5e-324, 0.1, 1.0 / 3, 123456789.123456789};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        const struct log_field fields[] = {LOG_F64("v", values[i])};
        json_t *json = line_of(fields, 1);
        assert_true(json_number_value(json_object_get(json, "v")) == values[i]);
        json_decref(json);
    }
    const struct log_field fields[] = {LOG_F64("a", INFINITY), LOG_F64("b", -INFINITY),
                                       LOG_F64("c", NAN)};
    json_t *json = line_of(fields, 3);
    assert_true(json_is_null(json_object_get(json, "a")));
    assert_true(json_is_null(json_object_get(json, "b")));
    assert_true(json_is_null(json_object_get(json, "c")));
    json_decref(json);
}

static void long_values_and_lines_are_cut_and_say_so(void **state)
{
    static uint8_t big[40000];
    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = i % 3 == 0 ? 0xe2 : i % 3 == 1 ? 0x82 : 0xac; /* euro signs */
    }
    const struct log_field one[] = {LOG_SPAN("v", span_of(big, sizeof big))};
    json_t *json = line_of(one, 1);
    const char *v = json_string_value(json_object_get(json, "v"));
    assert_true(strlen(v) <= LOG_VALUE_BYTES_MAX + 8);
    assert_string_equal(v + strlen(v) - 3, "\xe2\x80\xa6");
    assert_null(json_object_get(json, "cut"));
    json_decref(json);

    memset(big, 1, sizeof big); /* each byte becomes six */
    struct log_field many[40];
    char names[40][4];
    for (unsigned i = 0; i < 40; i++) {
        names[i][0] = 'f';
        names[i][1] = (char)('0' + i / 10);
        names[i][2] = (char)('0' + i % 10);
        names[i][3] = '\0';
        many[i] = (struct log_field)LOG_SPAN(names[i], span_of(big, sizeof big));
    }
    json = line_of(many, 40);
    assert_true(json_is_true(json_object_get(json, "cut")));
    json_decref(json);
}

static void secrets_never_reach_the_line(void **state)
{
    const struct log_field fields[] = {
        LOG_STR("token", "hunter2"),
        LOG_STR("Password", "hunter2"),
        LOG_STR("key", "hunter2"),
        LOG_STR("secret", "hunter2"),
        LOG_STR("authorization", "Bearer hunter2"),
        LOG_STR("cookie", "s=hunter2"),
        LOG_STR("path", "/monitor?token=hunter2&x=1"),
        LOG_STR("referer", "http://h/?a=b&Token=hunter2"),
        LOG_STR("text", "t to tok token toke=1 tokens"),
    };
    json_t *json = line_of(fields, ARRAY_LEN(fields));
    assert_null(strstr(text, "hunter2"));
    assert_string_equal(json_string_value(json_object_get(json, "path")),
                        "/monitor?token=[redacted]&x=1");
    assert_string_equal(json_string_value(json_object_get(json, "text")),
                        "t to tok token toke=1 tokens");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_node_then_the_fields),
        cmocka_unit_test(hostile_strings_stay_valid_json),
        cmocka_unit_test(numbers_read_back_and_infinities_are_null),
        cmocka_unit_test(long_values_and_lines_are_cut_and_say_so),
        cmocka_unit_test(secrets_never_reach_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
