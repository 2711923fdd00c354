/* What the blob of an emit says, and the names of topics. */
#include "edge/socketio/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/mem.h"
#include "codec/json/scan.h"
#include "domain/command.h"
#include "hub/pattern.h"

static void expect_topic(const char *nsp, const char *room, const char *want)
{
    char text[HUB_TOPIC_BYTES_MAX];
    span topic = emit_topic(span_str(nsp), span_str(room), text);
    if (!span_eq(topic, span_str(want))) {
        fail_msg("%s %s is %.*s, expected %s", nsp, room, SPAN_FMT(topic), want);
    }
    assert_false(pattern_is(topic));
}

static void topics_name_namespace_and_room_and_are_no_patterns(void **state)
{
    expect_topic("/", "", COMMAND_ISSUER_TOPIC);
    expect_topic("/", "a", "io/%2f/a");
    expect_topic("/x/y", "+", "io/%2fx%2fy/%2b");
    expect_topic("/x", "y/a", "io/%2fx/y%2fa");
    expect_topic("/x/y", "a", "io/%2fx%2fy/a");
    expect_topic("/", "100%", "io/%2f/100%25");
    expect_topic("/", "%2f", "io/%2f/%252f");
    expect_topic("/", "zu Haus \xc3\xa9", "io/%2f/zu Haus \xc3\xa9");
}

static void rooms_are_bounded_text_on_one_line(void **state)
{
    char name[EMIT_ROOM_BYTES_MAX + 1];
    memset(name, 'a', sizeof name);
    assert_true(emit_room_ok(SPAN("/"), SPAN("a room")));
    assert_true(emit_room_ok(SPAN("/"), span_of(name, EMIT_ROOM_BYTES_MAX)));
    assert_false(emit_room_ok(SPAN("/"), span_of(name, sizeof name)));
    assert_false(emit_room_ok(SPAN("/"), SPAN("")));
    assert_false(emit_room_ok(SPAN("/"), SPAN("a\nb")));
    assert_false(emit_room_ok(SPAN("/"), SPAN("a\tb")));
    assert_false(emit_room_ok(SPAN("/"), SPAN("a\0b")));
    assert_false(emit_room_ok(SPAN("/"), SPAN("\xff")));
    memset(name, '/', sizeof name);
    assert_true(emit_room_ok(SPAN("/"), span_of(name, 64)));
    assert_false(emit_room_ok(SPAN("/"), span_of(name, 65))); /* three bytes each */
    char text[HUB_TOPIC_BYTES_MAX];
    assert_int_equal(emit_topic(SPAN("/"), span_of(name, 65), text).len, 0);
}

static void what_is_written_reads_the_same(void **state)
{
    const span attachments[] = {SPAN("\0\1\2\xff"), SPAN("")};
    const span rooms[] = {SPAN("a \"b\""), SPAN("c/d")};
    const span except[] = {SPAN("e")};
    const uuid principals[] = {{.bytes = {1, 2, 3}}};
    const struct emit whole = {
        .nsp = SPAN("/shop"),
        .args = SPAN("[\"pic\",{\"_placeholder\":true,\"num\":0},\"\\u00e9\"]"),
        .attachments = attachments,
        .attachment_count = 2,
        .rooms = rooms,
        .room_count = 2,
        .principals = principals,
        .principal_count = 1,
        .except = except,
        .except_count = 1,
        .kinds = EMIT_DEVICES,
    };
    struct arena arena = {0};
    struct emit m;
    buf text = {0};
    size_t at;
    emit_write(&text, &whole);
    assert_int_equal(json_check(buf_span(&text), 16, JSON_REFUSE_PROTO, &at), 0);
    assert_true(emit_read(buf_span(&text), &arena, &m));
    assert_true(span_eq(m.nsp, whole.nsp) && span_eq(m.args, whole.args));
    assert_int_equal(m.attachment_count, 2);
    assert_true(span_eq(m.attachments[0], whole.attachments[0]));
    assert_int_equal(m.attachments[1].len, 0);
    assert_int_equal(m.room_count, 2);
    assert_true(span_eq(m.rooms[0], whole.rooms[0]) && span_eq(m.rooms[1], whole.rooms[1]));
    assert_int_equal(m.principal_count, 1);
    assert_true(uuid_eq(m.principals[0], whole.principals[0]));
    assert_int_equal(m.except_count, 1);
    assert_true(span_eq(m.except[0], whole.except[0]));
    assert_int_equal(m.kinds, EMIT_DEVICES);
    arena_reset(&arena);
    buf_deinit(&text);
}

static void the_plain_case_says_only_what_it_is(void **state)
{
    buf text = {0};
    emit_write(&text, &(struct emit){.nsp = SPAN("/"), .args = SPAN("[\"a\",1]")});
    assert_true(span_eq(buf_span(&text), SPAN("{\"nsp\":\"/\",\"args\":[\"a\",1]}")));
    buf_deinit(&text);
}

static bool reads(const char *json)
{
    struct arena arena = {0};
    struct emit m;
    bool ok = emit_read(span_str(json), &arena, &m);
    arena_reset(&arena);
    return ok;
}

static void what_is_no_emit_is_refused(void **state)
{
    assert_true(reads("{\"nsp\":\"/\",\"args\":[]}"));
    assert_true(reads("{\"args\":[],\"nsp\":\"/\",\"later\":1}")); /* of a newer program */
    assert_false(reads("[]"));
    assert_false(reads("{\"nsp\":\"/\"}"));
    assert_false(reads("{\"args\":[]}"));
    assert_false(reads("{\"nsp\":7,\"args\":[]}"));
    assert_false(reads("{\"nsp\":\"/\",\"args\":{}}"));
    assert_false(reads("{\"nsp\":\"/\",\"args\":[],\"rooms\":[1]}"));
    assert_false(reads("{\"nsp\":\"/\",\"args\":[],\"rooms\":\"a\"}"));
    assert_false(reads("{\"nsp\":\"/\",\"args\":[],\"bin\":[\"a\"]}"));
    assert_false(reads("{\"nsp\":\"/\",\"args\":[],\"principals\":[\"a\"]}"));
    assert_false(reads("{\"nsp\":\"/\",\"args\":[],\"kinds\":4}"));
    assert_false(reads("{\"nsp\":\"/\",\"args\":[],\"bin\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\","
                       "\"\",\"\",\"\",\"\"]}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_name_namespace_and_room_and_are_no_patterns),
        cmocka_unit_test(rooms_are_bounded_text_on_one_line),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(the_plain_case_says_only_what_it_is),
        cmocka_unit_test(what_is_no_emit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
