#include "codec/json/write.h"

#include "codec/json/read.h"
#include "codec/json/scan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void strings_escape_what_must_be(void **state)
{
    static const struct {
        span text;
        const char *json;
    } rows[] = {
        {SPAN_NONE, "\"\""},
        {SPAN("plain"), "\"plain\""},
        {SPAN("a \"quoted\" \\ text / <b>"), "\"a \\\"quoted\\\" \\\\ text / <b>\""},
        {SPAN("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {SPAN("\x01\x1f\x7f"), "\"\\u0001\\u001f\x7f\""},
        {SPAN("a\0b"), "\"a\\u0000b\""},
        {SPAN("1234567\n"), "\"1234567\\n\""},
        {SPAN("12345678\n12345678\""), "\"12345678\\n12345678\\\"\""},
        {SPAN("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {SPAN("\xe2\x80\xa8"), "\"\xe2\x80\xa8\""},
        {SPAN("\xff"), "\"\xef\xbf\xbd\""},
        {SPAN("a\x80z"), "\"a\xef\xbf\xbdz\""},
        {SPAN("a\xe2\x82"), "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
        {SPAN("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {SPAN("\xf0\x9f\x98x"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf out = {0};
        json_put_string(&out, rows[i].text);
        if (!span_eq(buf_span(&out), span_str(rows[i].json))) {
            fail_msg("%s came out as %.*s", rows[i].json, SPAN_FMT(buf_span(&out)));
        }
        assert_int_equal(json_check(buf_span(&out), 0, 0, NULL), 0);
        buf_deinit(&out);
    }
}

static void every_character_round_trips(void **state)
{
    buf text = {0}, json = {0}, back = {0};
    for (unsigned byte = 0; byte < 0x80; byte++) {
        buf_append_byte(&text, (uint8_t)byte);
        buf_append_str(&text, "\xc2\x80");
    }
    json_put_string(&json, buf_span(&text));
    assert_int_equal(json_check(buf_span(&json), 0, 0, NULL), 0);
    assert_true(json_string(buf_span(&json), &back));
    assert_true(span_eq(buf_span(&text), buf_span(&back)));
    buf_deinit(&text);
    buf_deinit(&json);
    buf_deinit(&back);
}

static void commas_stand_between(void **state)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '{');
    json_member_string(&w, "s", SPAN("x\ny"));
    json_member_i64(&w, "i", INT64_MIN);
    json_member_u64(&w, "u", UINT64_MAX);
    json_member_double(&w, "d", 12.5);
    json_member_bool(&w, "t", true);
    json_member_bool(&w, "f", false);
    json_member_null(&w, "n");
    json_member_raw(&w, "r", SPAN("{\"raw\":[]}"));
    json_member_open(&w, "a", '[');
    json_close(&w, ']');
    json_member_open(&w, "o", '{');
    json_close(&w, '}');
    json_key_span(&w, SPAN("\"k\""));
    json_open(&w, '[');
    json_write_i64(&w, -1);
    json_write_u64(&w, 2);
    json_write_double(&w, 0.25);
    json_write_bool(&w, false);
    json_write_null(&w);
    json_write_string(&w, SPAN("z"));
    json_write_raw(&w, SPAN("[0]"));
    json_open(&w, '{');
    json_close(&w, '}');
    json_close(&w, ']');
    json_close(&w, '}');
    span got = buf_span(&out);
    assert_true(span_eq(got, SPAN("{\"s\":\"x\\ny\",\"i\":-9223372036854775808,"
                                  "\"u\":18446744073709551615,\"d\":12.5,\"t\":true,\"f\":false,"
                                  "\"n\":null,\"r\":{\"raw\":[]},\"a\":[],\"o\":{},\"\\\"k\\\"\":"
                                  "[-1,2,0.25,false,null,\"z\",[0],{}]}")));
    assert_int_equal(json_check(got, JSON_DEPTH_MAX, 0, NULL), 0);
    buf_deinit(&out);
}

static void a_single_value_needs_no_bracket(void **state)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_write_string(&w, SPAN("alone"));
    assert_true(span_eq(buf_span(&out), SPAN("\"alone\"")));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_escape_what_must_be),
        cmocka_unit_test(every_character_round_trips),
        cmocka_unit_test(commas_stand_between),
        cmocka_unit_test(a_single_value_needs_no_bracket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
