#include "shape/robot_answer.h"

#include "domain/chat_types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The content as JSON, or "!" and why there is none, read in pieces of so many bytes. */
static void expect_by(const char *type, span body, size_t piece, const char *expected)
{
    struct robot_answer a;
    buf out = {0};
    bool ok = robot_answer_init(&a, span_str(type));
    for (size_t at = 0; ok && at < body.len; at += piece) {
        ok = robot_answer_feed(&a, span_slice(body, at, piece));
    }
    if (ok && robot_answer_end(&a)) {
        robot_answer_content(&a, &out);
    } else {
        buf_printf(&out, "!%s", a.why);
    }
    buf_append_byte(&out, 0);
    assert_string_equal((const char *)out.ptr, expected);
    buf_deinit(&out);
    robot_answer_deinit(&a);
}

static void expect(const char *type, const char *body, const char *expected)
{
    for (size_t piece = 1; piece < 20; piece++) {
        expect_by(type, span_str(body), piece, expected);
    }
    expect_by(type, span_str(body), 100000, expected);
}

static void json_is_whole(void **state)
{
    (void)state;
    expect("application/json; charset=utf-8", "{\"content\":\"h\\u00e9\\n\"}", "\"hé\\n\"");
    expect("Application/JSON", " {\"content\":{\"a\":[1]},\"x\":2} ", "{\"a\":[1]}");
    expect("application/json", "{\"content\":7}", "!has content that is no text and no object");
    expect("application/json", "{\"chunk\":\"a\"}", "!is empty");
    expect("application/json", "{\"content\":\"\"}", "!is empty");
    expect("application/json", "[]", "!is no JSON object");
    expect("application/json", "{\"content\":\"\\u0000\"}", "!is no text");
    expect("application/json", "{\"error\":\"no\",\"content\":\"a\"}", "!says that it failed");
    expect("application/json", "{\"content\":{\"__proto__\":1}}", "!is no JSON object");
}

static void text_is_itself(void **state)
{
    (void)state;
    expect("text/plain", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "\"grüß € 😀\"");
    expect("text/plain", "a\r\nb\t", "\"a\\nb\\t\"");
    expect("text/plain", "half \xe2\x82", "!is no text");
    expect("text/plain", "\xff", "!is no text");
    expect("text/plain", "bell \a", "!is no text");
    expect("text/plain", "\xf0\x9f\r\x98\x80", "!is no text");
    expect("text/plain", "", "!is empty");
    expect("text/html", "a", "!is of no media type that is known");
    expect("", "a", "!is of no media type that is known");
}

static void lines_end_with_the_final_one(void **state)
{
    (void)state;
    const char *type = "application/x-ndjson";
    expect(type, "{\"chunk\":\"a\"}\n\n{\"chunk\":\"b\"}\r\n{\"final\":true}\n", "\"ab\"");
    expect(type, "{\"chunk\":\"a\",\"final\":false}\n{\"chunk\":\"b\",\"final\":true}", "\"ab\"");
    expect(type, "{\"chunk\":\"a\"}\n{\"final\":true,\"content\":\"abc\"}\nwhat", "\"abc\"");
    expect(type, "{\"chunk\":\"a\"}\n{\"final\":true,\"content\":\"xyz\"}", "\"xyz\"");
    expect(type, "{\"chunk\":\"a\"}\n{\"final\":true,\"content\":{\"k\":1}}", "{\"k\":1}");
    expect(type, "{\"chunk\":\"a\"}\n", "!ended without its last line");
    expect(type, "{\"final\":true}\n", "!is empty");
    expect(type, "{\"chunk\":1}\n{\"final\":true}", "!has a chunk that is no text");
    expect(type, "chunk\n", "!is no JSON object");
    expect(type, "{\"chunk\":\"a\"}\n{\"error\":{}}\n", "!says that it failed");
}

static void events_hold_lines_or_text(void **state)
{
    (void)state;
    const char *type = "text/event-stream";
    expect(type, ": hi\nid: 7\ndata: {\"chunk\":\"a\"}\n\ndata:b\ndata: c\n\ndata: [DONE]\n\n",
           "\"ab\\nc\"");
    expect(type, "data: a\r\n\r\ndata: {\"final\":true}", "\"a\"");
    expect(type, "data: a\n\n", "!ended without its last line");
    expect(type, "event: x\n\ndata: [DONE]\n\n", "!is empty");
    expect(type, "data: a\n\ndata: {\"final\":true,\"content\":\"b\"}\n\ndata: c\n\n", "\"b\"");
}

static void more_than_a_message_holds_is_refused(void **state)
{
    (void)state;
    struct robot_answer a;
    assert_true(robot_answer_init(&a, SPAN("text/plain")));
    for (unsigned i = 0; i < CHAT_TEXT_MAX; i++) {
        assert_true(robot_answer_feed(&a, SPAN("\xc3\xa9")));
    }
    assert_false(robot_answer_feed(&a, SPAN("a")));
    assert_false(robot_answer_feed(&a, SPAN("")));
    assert_false(robot_answer_end(&a));
    assert_string_equal(a.why, "is too long");
    robot_answer_deinit(&a);
    buf big = {0};
    buf_append_str(&big, "{\"content\":{\"a\":\"");
    while (big.len < CHAT_OBJECT_MAX + 50) {
        buf_append_byte(&big, 'x');
    }
    buf_append_str(&big, "\"}}");
    expect_by("application/json", buf_span(&big), 1000, "!is too long");
    buf_deinit(&big);
}

static void text_that_was_not_continued_is_replaced(void **state)
{
    (void)state;
    struct robot_answer a;
    assert_true(robot_answer_init(&a, SPAN("application/x-ndjson")));
    assert_true(robot_answer_feed(&a, SPAN("{\"chunk\":\"ab\"}\n")));
    assert_false(a.replaced);
    assert_true(robot_answer_feed(&a, SPAN("{\"final\":true,\"content\":\"b\"}\n")));
    assert_true(a.replaced && a.final);
    assert_true(span_eq(buf_span(&a.text), SPAN("b")));
    assert_true(robot_answer_feed(&a, SPAN("{\"chunk\":\"no\"}\n")));
    assert_true(robot_answer_end(&a));
    assert_int_equal(a.characters, 1);
    robot_answer_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_whole),
        cmocka_unit_test(text_is_itself),
        cmocka_unit_test(lines_end_with_the_final_one),
        cmocka_unit_test(events_hold_lines_or_text),
        cmocka_unit_test(more_than_a_message_holds_is_refused),
        cmocka_unit_test(text_that_was_not_continued_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
