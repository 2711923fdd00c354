#include "shape/chat_message.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool check(const char *content, struct shape_ctx *ctx, struct chat_draft *d)
{
    *d = (struct chat_draft){.content = span_str(content)};
    assert_true(shape_json(d->content, ctx));
    return chat_draft_check(d, ctx);
}

static void assert_text(span got, const char *want)
{
    if (!span_eq(got, span_str(want))) {
        fail_msg("%.*s is not %s", SPAN_FMT(got), want);
    }
}

static void a_text_is_kept_in_its_plain_form(void **unused)
{
    (void)unused;
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    struct chat_draft d;
    assert_true(check("\"caf\\u00e9 \\/ <b>\\n\\ud83d\\ude00\"", &ctx, &d));
    assert_false(d.object);
    assert_text(d.content, "\"caf\xc3\xa9 / <b>\\n\xf0\x9f\x98\x80\"");
    assert_true(check("{ \"a\" : [1, \"\\u00e9\"] }", &ctx, &d));
    assert_true(d.object);
    assert_text(d.content, "{ \"a\" : [1, \"\\u00e9\"] }");
    arena_reset(&arena);
}

static char *quoted(size_t characters, const char *each)
{
    size_t len = strlen(each);
    char *text = malloc(characters * len + 3);
    text[0] = '"';
    for (size_t i = 0; i < characters; i++) {
        memcpy(text + 1 + i * len, each, len);
    }
    memcpy(text + 1 + characters * len, "\"", 2);
    return text;
}

static void a_text_has_up_to_8000_characters(void **unused)
{
    (void)unused;
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    struct chat_draft d;
    char *most = quoted(CHAT_TEXT_MAX, "\xf0\x9f\x98\x80"), *more = quoted(CHAT_TEXT_MAX + 1, "a");
    assert_true(check(most, &ctx, &d));
    assert_false(check(more, &ctx, &d));
    assert_string_equal(ctx.path, "content");
    assert_string_equal(ctx.why, "is longer than 8000 characters");
    assert_false(check("\"\"", &ctx, &d));
    assert_string_equal(ctx.why, "must not be empty");
    free(most);
    free(more);
    arena_reset(&arena);
}

static void an_object_has_up_to_32_kib_and_nothing_else_is_content(void **unused)
{
    (void)unused;
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    struct chat_draft d;
    char *text = malloc(CHAT_OBJECT_MAX + 2);
    memset(text, ' ', CHAT_OBJECT_MAX + 1);
    text[0] = '{';
    text[CHAT_OBJECT_MAX - 1] = '}';
    text[CHAT_OBJECT_MAX] = '\0';
    assert_true(check(text, &ctx, &d));
    text[CHAT_OBJECT_MAX - 1] = ' ';
    text[CHAT_OBJECT_MAX] = '}';
    text[CHAT_OBJECT_MAX + 1] = '\0';
    assert_false(check(text, &ctx, &d));
    assert_string_equal(ctx.why, "is larger than 32768 bytes");
    static const char *const none[] = {"1", "[\"a\"]", "true", "null"};
    for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_false(check(none[i], &ctx, &d));
        assert_string_equal(ctx.why, "must be a text or an object");
    }
    free(text);
    arena_reset(&arena);
}

#define ID "0197f000-0000-7000-8000-000000000001"
#define ROOM "0197f000-0000-7000-8000-000000000002"
#define WHO "0197f000-0000-7000-8000-000000000003"

static uuid id(const char *text)
{
    uuid u;
    assert_true(uuid_parse(span_str(text), &u));
    return u;
}

static void a_message_is_shown_with_what_it_has(void **unused)
{
    (void)unused;
    buf out = {0};
    struct chat_message_row m = {.id = id(ID), .room = id(ROOM), .sender = id(WHO),
                                 .type = CHAT_MESSAGE_CHAT, .seq = 7, .at_ms = 1752701400000,
                                 .content = SPAN("\"hello\"")};
    chat_message_json(&m, &out);
    assert_text(buf_span(&out),
                "{\"id\":\"" ID "\",\"type\":\"chat\",\"roomId\":\"" ROOM "\",\"senderId\":\"" WHO
                "\",\"content\":\"hello\",\"timestamp\":\"2025-07-16T21:30:00.000Z\","
                "\"deliveryStatus\":\"streaming\",\"seq\":7}");
    buf_clear(&out);
    m.sender = UUID_NIL;
    m.type = CHAT_MESSAGE_SYSTEM;
    m.delivery = CHAT_DELIVERED;
    m.metadata = SPAN("{\"a\":1}");
    m.client_id = SPAN("c\"1");
    m.reply_to = id(ID);
    m.edited_ms = 1752701401000;
    m.reactions = SPAN("[]");
    m.file_json = SPAN("{}");
    chat_message_json(&m, &out);
    assert_text(buf_span(&out),
                "{\"id\":\"" ID "\",\"type\":\"system\",\"roomId\":\"" ROOM "\",\"senderId\":null,"
                "\"content\":\"hello\",\"timestamp\":\"2025-07-16T21:30:00.000Z\","
                "\"deliveryStatus\":\"delivered\",\"metadata\":{\"a\":1},\"seq\":7,"
                "\"clientId\":\"c\\\"1\",\"replyTo\":\"" ID
                "\",\"editedAt\":\"2025-07-16T21:30:01.000Z\",\"reactions\":[],\"file\":{}}");
    buf_deinit(&out);
}

static void what_was_deleted_says_nothing(void **unused)
{
    (void)unused;
    buf out = {0};
    struct chat_message_row m = {.id = id(ID), .room = id(ROOM), .sender = id(WHO), .seq = 1,
                                 .deleted_ms = 1, .content = SPAN("\"secret\""),
                                 .metadata = SPAN("{\"a\":\"secret\"}")};
    chat_message_json(&m, &out);
    buf_append_byte(&out, '\0');
    assert_null(strstr((const char *)out.ptr, "secret"));
    assert_non_null(strstr((const char *)out.ptr, "\"content\":null"));
    assert_non_null(strstr((const char *)out.ptr, "\"deleted\":true"));
    buf_deinit(&out);
}

static void smaller_things_are_shown_too(void **unused)
{
    (void)unused;
    buf out = {0};
    chat_status_json(id(ROOM), id(ID), 3, CHAT_BATCH_DELAY, &out);
    assert_text(buf_span(&out), "{\"messageId\":\"" ID "\",\"roomId\":\"" ROOM
                                "\",\"seq\":3,\"deliveryStatus\":\"batch-delay\"}");
    buf_clear(&out);
    chat_receipt_json(id(ROOM), id(WHO), 3, &out);
    assert_text(buf_span(&out),
                "{\"roomId\":\"" ROOM "\",\"userId\":\"" WHO "\",\"seq\":3}");
    buf_clear(&out);
    chat_system_json("room.renamed", SPAN("{\"name\": \"a\",\"by\":null}"), &out);
    assert_text(buf_span(&out), "{\"code\":\"room.renamed\",\"name\":\"a\",\"by\":null}");
    buf_clear(&out);
    chat_system_json("x", SPAN_NONE, &out);
    assert_text(buf_span(&out), "{\"code\":\"x\"}");
    buf_deinit(&out);
    assert_string_equal(chat_room_type_name(CHAT_SUPPORT), "support");
    assert_string_equal(chat_user_type_name(CHAT_GUEST), "guest");
    assert_string_equal(chat_role_name(CHAT_OWNER), "owner");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_kept_in_its_plain_form),
        cmocka_unit_test(a_text_has_up_to_8000_characters),
        cmocka_unit_test(an_object_has_up_to_32_kib_and_nothing_else_is_content),
        cmocka_unit_test(a_message_is_shown_with_what_it_has),
        cmocka_unit_test(what_was_deleted_says_nothing),
        cmocka_unit_test(smaller_things_are_shown_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
