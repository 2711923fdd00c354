#include "shape/chat_history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define A "01900000-0000-7000-8000-00000000000a"
#define B "01900000-0000-7000-8000-00000000000b"

static buf out;

static uuid id_of(unsigned n)
{
    char text[UUID_TEXT_LEN + 1];
    uuid id;
    snprintf(text, sizeof text, "01900000-0000-7000-8000-%012x", n);
    assert_true(uuid_parse(span_of(text, UUID_TEXT_LEN), &id));
    return id;
}

static enum chat_reacted react(const struct chat_reaction *rows, unsigned count, const char *emoji,
                               unsigned who, bool on)
{
    buf_clear(&out);
    enum chat_reacted r = chat_react_json(rows, count, span_str(emoji), id_of(who), on, &out);
    assert_true(r == CHAT_REACTED || out.len == 0);
    return r;
}

static void assert_out(const char *expected)
{
    buf_append_byte(&out, '\0');
    assert_string_equal((const char *)out.ptr, expected);
}

static void a_reaction_comes_and_goes(void **state)
{
    const struct chat_reaction one[] = {{SPAN("+1"), id_of(0xa), 1}};
    const struct chat_reaction two[] = {{SPAN("+1"), id_of(0xa), 2}, {SPAN("+1"), id_of(0xb), 2}};
    (void)state;
    assert_int_equal(react(NULL, 0, "+1", 0xa, true), CHAT_REACTED);
    assert_out("[{\"emoji\":\"+1\",\"count\":1,\"userIds\":[\"" A "\"]}]");
    assert_int_equal(react(one, 1, "+1", 0xb, true), CHAT_REACTED);
    assert_out("[{\"emoji\":\"+1\",\"count\":2,\"userIds\":[\"" A "\",\"" B "\"]}]");
    assert_int_equal(react(one, 1, "x", 0xb, true), CHAT_REACTED);
    assert_out("[{\"emoji\":\"+1\",\"count\":1,\"userIds\":[\"" A "\"]},"
               "{\"emoji\":\"x\",\"count\":1,\"userIds\":[\"" B "\"]}]");
    assert_int_equal(react(two, 2, "+1", 0xa, false), CHAT_REACTED);
    assert_out("[{\"emoji\":\"+1\",\"count\":1,\"userIds\":[\"" B "\"]}]");
    assert_int_equal(react(one, 1, "+1", 0xa, false), CHAT_REACTED);
    assert_int_equal(out.len, 0);
    assert_int_equal(react(one, 1, "+1", 0xa, true), CHAT_REACTED_SAME);
    assert_int_equal(react(one, 1, "+1", 0xb, false), CHAT_REACTED_SAME);
    assert_int_equal(react(one, 1, "x", 0xa, false), CHAT_REACTED_SAME);
}

static unsigned users(void)
{
    unsigned n = 0;
    for (size_t i = 0; i + 8 < out.len; i++) {
        n += memcmp(out.ptr + i, "01900000", 8) == 0;
    }
    return n;
}

static void what_is_shown_is_bounded(void **state)
{
    struct chat_reaction rows[CHAT_REACTIONS_MAX + 8];
    static char names[CHAT_REACTIONS_MAX + 8][8];
    (void)state;
    for (unsigned i = 0; i < CHAT_REACTION_USERS_SHOWN + 1; i++) {
        rows[i] = (struct chat_reaction){SPAN("+1"), id_of(i), 500};
    }
    rows[CHAT_REACTION_USERS_SHOWN + 1] = (struct chat_reaction){SPAN("+1"), id_of(400), 500};
    assert_int_equal(react(rows, CHAT_REACTION_USERS_SHOWN + 1, "+1", 0xfff, true), CHAT_REACTED);
    assert_int_equal(users(), CHAT_REACTION_USERS_SHOWN);
    assert_non_null(memmem(out.ptr, out.len, "\"count\":501", 11));
    /* One that is shown goes: the next takes its place. */
    assert_int_equal(react(rows, CHAT_REACTION_USERS_SHOWN + 1, "+1", 3, false), CHAT_REACTED);
    assert_int_equal(users(), CHAT_REACTION_USERS_SHOWN);
    assert_int_equal(react(rows, CHAT_REACTION_USERS_SHOWN + 2, "+1", 400, true),
                     CHAT_REACTED_SAME);
    for (unsigned i = 0; i < CHAT_REACTIONS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "e%u", i);
        rows[i] = (struct chat_reaction){span_str(names[i]), id_of(i), 1};
    }
    assert_int_equal(react(rows, CHAT_REACTIONS_MAX, "new", 1, true), CHAT_REACTED_FULL);
    assert_int_equal(react(rows, CHAT_REACTIONS_MAX, "e7", 1, true), CHAT_REACTED);
    assert_int_equal(react(rows, CHAT_REACTIONS_MAX - 1, "new", 1, true), CHAT_REACTED);
}

static void a_reaction_is_short_and_plain(void **state)
{
    (void)state;
    assert_true(chat_is_reaction(SPAN("\xf0\x9f\x91\x8d")));
    assert_true(chat_is_reaction(SPAN(":+1:")));
    assert_false(chat_is_reaction(SPAN("")));
    assert_false(chat_is_reaction(SPAN("a b")));
    assert_false(chat_is_reaction(SPAN("\"")));
    assert_false(chat_is_reaction(SPAN("\\")));
    assert_false(chat_is_reaction(SPAN("\xf0\x9f")));
    assert_false(chat_is_reaction(SPAN("\x7f")));
    assert_false(chat_is_reaction(SPAN("123456789012345678901234567890123")));
}

static void retention_is_a_whole_number_of_days(void **state)
{
    (void)state;
    assert_int_equal(chat_retention_days(SPAN("{\"retentionDays\":30}")), 30);
    assert_int_equal(chat_retention_days(SPAN("{\"a\":{\"retentionDays\":30}}")), 0);
    assert_int_equal(chat_retention_days(SPAN("{\"retentionDays\":0}")), 0);
    assert_int_equal(chat_retention_days(SPAN("{\"retentionDays\":-5}")), 0);
    assert_int_equal(chat_retention_days(SPAN("{\"retentionDays\":\"30\"}")), 0);
    assert_int_equal(chat_retention_days(SPAN("{\"retentionDays\":1e9}")), 36500);
}

static void parts_of_messages_are_objects(void **state)
{
    (void)state;
    buf_clear(&out);
    chat_put_file(&out, &(struct chat_message_file){.id = id_of(0xa), .name = SPAN("a\"b.pdf"),
                                                    .mime = SPAN("application/pdf"), .size = 7});
    assert_out("{\"fileId\":\"" A "\",\"name\":\"a\\\"b.pdf\",\"size\":7,"
               "\"mime\":\"application/pdf\",\"url\":\"/api/v1/chat/files/" A "/content\"}");
    buf_clear(&out);
    chat_put_revision(&out, SPAN("\"x\""), 0, SPAN(""));
    assert_out("{\"content\":\"x\",\"editedAt\":\"1970-01-01T00:00:00.000Z\",\"editedBy\":null}");
    buf_clear(&out);
    chat_put_found(&out, SPAN("{}"), SPAN("a \x02word\x03"));
    assert_out("{\"message\":{},\"snippet\":\"a \\u0002word\\u0003\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reaction_comes_and_goes),
        cmocka_unit_test(what_is_shown_is_bounded),
        cmocka_unit_test(a_reaction_is_short_and_plain),
        cmocka_unit_test(retention_is_a_whole_number_of_days),
        cmocka_unit_test(parts_of_messages_are_objects),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_deinit(&out);
    return failed;
}
