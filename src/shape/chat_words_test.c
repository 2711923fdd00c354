#include "shape/chat_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static buf out;

static const char *words(const char *typed)
{
    const char *why;
    buf_clear(&out);
    if (!chat_words(span_str(typed), &out, &why)) {
        assert_int_equal(out.len, 0);
        return why;
    }
    buf_append_byte(&out, '\0');
    return (const char *)out.ptr;
}

static void words_phrases_and_beginnings_are_told_apart(void **state)
{
    (void)state;
    assert_string_equal(words("hello"), "\"hello\"");
    assert_string_equal(words("  two\twords \n"), "\"two\" \"words\"");
    assert_string_equal(words("\"a phrase\" word"), "\"a phrase\" \"word\"");
    assert_string_equal(words("pre* \"a phr\"*"), "\"pre\"* \"a phr\"*");
    assert_string_equal(words("pre***"), "\"pre\"*");
    assert_string_equal(words("gr\xc3\xb6\xc3\x9f*"), "\"gr\xc3\xb6\xc3\x9f\"*");
}

static void what_means_something_to_the_store_is_text(void **state)
{
    (void)state;
    assert_string_equal(words("a AND NOT b"), "\"a\" \"AND\" \"NOT\" \"b\"");
    assert_string_equal(words("NEAR(a b, 2)"), "\"NEAR(a\" \"b,\" \"2)\"");
    assert_string_equal(words("room:x ^y -z {text}:w"),
                        "\"room:x\" \"^y\" \"-z\" \"{text}:w\"");
    assert_string_equal(words("'; DROP TABLE t;--"), "\"DROP\" \"TABLE\" \"t;--\"");
    assert_string_equal(words("it's"), "\"it's\"");
}

static void quotation_marks_never_reach_the_store(void **state)
{
    (void)state;
    assert_string_equal(words("\"open"), "\"open\"");
    assert_string_equal(words("a\"b c\"d"), "\"a\" \"b c\" \"d\"");
    assert_string_equal(words("\"\"\"\"x\"\""), "\"x\"");
    assert_string_equal(words("\"\"* y"), "\"y\"");
    assert_string_equal(words("end.* z"), "\"end.\" \"z\"");
    assert_string_equal(words("a\x01" "b\x7f" "c"), "\"a\" \"b\" \"c\"");
    assert_string_equal(words("\"a\x02" "b\""), "\"a b\"");
}

static void what_cannot_be_looked_for_is_named(void **state)
{
    char more[CHAT_WORDS_BYTES_MAX + 2] = {0};
    (void)state;
    assert_string_equal(words(""), "must have a word");
    assert_string_equal(words(" \"\" * -- !!"), "must have a word");
    memset(more, 'x', CHAT_WORDS_BYTES_MAX + 1);
    assert_string_equal(words(more), "is longer than 400 bytes");
    more[CHAT_WORDS_BYTES_MAX] = '\0';
    assert_int_equal(strlen(words(more)), CHAT_WORDS_BYTES_MAX + 2);
    assert_string_equal(words("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"),
                        "has more than 16 words");
    assert_string_equal(words("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 !") + 61, "\"15\" \"16\"");
}

static void rooms_are_words_of_their_own(void **state)
{
    const uuid rooms[] = {{{1, 0x90}}, {{0xab}}};
    (void)state;
    buf_clear(&out);
    chat_words_in_rooms(SPAN("\"a\""), NULL, 0, &out);
    buf_append_byte(&out, '\n');
    chat_words_in_rooms(SPAN("\"a\" \"b\"*"), rooms, 2, &out);
    buf_append_byte(&out, '\0');
    assert_string_equal((const char *)out.ptr,
                        "text : (\"a\")\n"
                        "room : (\"r01900000000000000000000000000000\" OR"
                        " \"rab000000000000000000000000000000\") AND text : (\"a\" \"b\"*)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_phrases_and_beginnings_are_told_apart),
        cmocka_unit_test(what_means_something_to_the_store_is_text),
        cmocka_unit_test(quotation_marks_never_reach_the_store),
        cmocka_unit_test(what_cannot_be_looked_for_is_named),
        cmocka_unit_test(rooms_are_words_of_their_own),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_deinit(&out);
    return failed;
}
