/*
 * The Home wire over a real socket, byte by byte: who is let in, what a client hears, what is
 * refused and in which words, and the limits of a frame.
 */
#include "home_peer.h"

#include "edge/home/session.h"

#include <stdio.h>
#include <sys/socket.h>

static struct world world;
static struct answer a;

static struct peer connect_one(void) { return peer_connect(&world, "", ""); }

/* --- who is let in --- */

static void expect_status(const char *query, const char *lines, int status)
{
    char request[1024];
    snprintf(request, sizeof request, "GET /ws%s HTTP/1.1\r\n" PEER_HOST_LINE PEER_UPGRADE "%s\r\n",
             query, lines);
    world_ask(&world, request, &a);
    assert_int_equal(a.status, status);
}

static void who_asks_without_upgrade_is_told(void **state)
{
    world_ask(&world, "GET /ws HTTP/1.1\r\n" PEER_HOST_LINE "\r\n", &a);
    assert_int_equal(a.status, 426);
    expect_status("?since=no", "", 400);
    expect_status("", "Origin: https://evil.example\r\n", 403);
    expect_status("", "X-Forwarded-For: 10.0.0.1\r\n", 401);
    expect_status("?token=nonsense", "", 401);
}

static void a_client_is_welcomed_by_its_id(void **state)
{
    struct peer c = connect_one();
    assert_true(peer_is_there(c.text, "\"timestamp\":\""));
    const char *end = c.text + strlen(c.text);
    assert_string_equal(end - 3, "Z\"}");
    assert_null(strchr(c.text, '.')); /* whole seconds */
    peer_leave(&c);
}

/* --- what is said --- */

static void ping_is_answered_by_pong_and_with_an_id_by_a_result(void **state)
{
    struct peer c = connect_one();
    peer_say(&c, "{\"type\":\"ping\",\"data\":{}}");
    peer_expect(&c, "{\"type\":\"pong\",\"data\":{\"timestamp\":\"");
    peer_say(&c, "{\"type\":\"ping\"}");
    peer_expect(&c, "{\"type\":\"pong\"");
    peer_say(&c, "{\"type\":\"ping\",\"data\":null,\"id\":\"a\\u0000b\"}");
    peer_expect(&c, "{\"type\":\"pong\"");
    peer_expect(&c, "{\"type\":\"result\",\"data\":{\"id\":\"a\\u0000b\",\"ok\":true},"
                    "\"timestamp\":\"");
    peer_leave(&c);
}

struct refusal {
    const char *frame;
    const char *answer;
};

static const struct refusal refusals[] = {
    {"", "\"code\":\"invalid_json\""},
    {"{", "\"code\":\"invalid_json\""},
    {"{} {}", "\"code\":\"invalid_json\""},
    {"{\"type\":\"ping\"}{\"type\":\"ping\"}", "\"code\":\"invalid_json\""},
    {"[]", "\"code\":\"invalid_message\""},
    {"7", "\"code\":\"invalid_message\""},
    {"{}", "\"code\":\"invalid_message\",\"message\":\"the message does not have the documented "
           "form: type must be a string\""},
    {"{\"type\":7}", "\"code\":\"invalid_message\""},
    {"{\"type\":\"ping\",\"id\":{}}", "\"code\":\"invalid_message\""},
    {"{\"type\":\"ping\",\"__proto__\":1}", "\"code\":\"invalid_message\""},
    {"{\"type\":\"nonsense\"}", "{\"type\":\"error\",\"data\":{\"code\":\"unknown_type\","
                                "\"message\":\"there is no message of this type\"}"},
    {"{\"type\":\"auth_refresh\"}", "\"code\":\"unknown_type\""},
    {"{\"id\":7,\"type\":\"nonsense\"}",
     "{\"type\":\"result\",\"data\":{\"id\":7,\"ok\":false,\"error\":{\"code\":\"unknown_type\""},
    {"{\"id\":7}", "{\"type\":\"result\",\"data\":{\"id\":7,\"ok\":false,\"error\":{\"code\":"
                   "\"invalid_message\""},
};

static void what_is_refused_is_told_and_the_client_stays(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct peer c = connect_one();
        peer_say(&c, refusals[i].frame);
        peer_expect(&c, refusals[i].answer);
        peer_say(&c, "{\"type\":\"ping\"}");
        peer_expect(&c, "{\"type\":\"pong\"");
        peer_leave(&c);
    }
}

static void a_deep_frame_is_refused(void **state)
{
    struct peer c = connect_one();
    char text[512] = "{\"type\":\"ping\",\"data\":";
    size_t head = strlen(text);
    memset(text + head, '[', 20);
    memset(text + head + 20, ']', 20);
    memcpy(text + head + 40, "}", 2);
    peer_say(&c, text);
    peer_expect(&c, "\"code\":\"invalid_message\"");
    memset(text, '[', 500);
    text[500] = '\0';
    peer_say(&c, text);
    peer_expect(&c, "\"code\":\"invalid_json\"");
    peer_leave(&c);
}

static void ten_refusals_in_a_minute_close(void **state)
{
    struct peer c = connect_one();
    for (unsigned i = 0; i < HOME_REFUSALS_MAX; i++) {
        peer_say(&c, "nonsense");
    }
    for (unsigned i = 0; i < HOME_REFUSALS_MAX; i++) {
        peer_expect(&c, "\"code\":\"invalid_json\"");
    }
    assert_int_equal(peer_closed(&c), 1008);
    peer_leave(&c);
}

static void more_than_twenty_at_once_are_too_many(void **state)
{
    struct peer c = connect_one();
    for (unsigned i = 0; i < 20; i++) {
        peer_say(&c, "{\"type\":\"ping\"}");
    }
    peer_say(&c, "{\"type\":\"ping\",\"id\":1}");
    for (unsigned i = 0; i < 20; i++) {
        peer_expect(&c, "\"pong\"");
    }
    peer_expect(&c, "{\"type\":\"result\",\"data\":{\"id\":1,\"ok\":false,\"error\":{\"code\":"
               "\"rate_limited\"");
    peer_leave(&c);
}

static void a_frame_is_text_of_512_bytes(void **state)
{
    struct peer c = connect_one();
    char text[600] = "{\"type\":\"ping\"";
    memset(text + strlen(text), ' ', 512 - strlen(text));
    text[511] = '}';
    peer_say(&c, text);
    peer_expect(&c, "\"pong\"");
    memset(text + 511, ' ', 1);
    text[512] = '}';
    peer_say(&c, text);
    assert_int_equal(peer_closed(&c), 1009);
    peer_leave(&c);
    c = connect_one();
    peer_say_as(&c, WS_OP_BINARY, SPAN("{\"type\":\"ping\"}"));
    assert_int_equal(peer_closed(&c), 1003);
    peer_leave(&c);
}

static void a_frame_may_come_in_any_pieces(void **state)
{
    const char *text = "{\"type\":\"ping\",\"data\":{},\"id\":1}";
    buf frame = peer_frame(WS_OP_TEXT, span_str(text));
    for (size_t cut = 1; cut < frame.len; cut++) {
        struct peer c = connect_one();
        assert_int_equal(send(c.fd, frame.ptr, cut, MSG_NOSIGNAL), cut);
        peer_hear(&c);
        assert_int_equal(send(c.fd, frame.ptr + cut, frame.len - cut, MSG_NOSIGNAL),
                         frame.len - cut);
        peer_expect(&c, "\"pong\"");
        peer_expect(&c, "\"result\"");
        peer_leave(&c);
    }
    buf_deinit(&frame);
}

/* Last: what follows has no time. */
static void who_sends_no_frame_is_pinged_and_then_closed(void **state)
{
    struct ws_wire *ws = &world.edge.home_wire->ws;
    ws->ping_ms = 100;
    ws->idle_ms = 300;
    struct peer c = connect_one();
    buf ping = {0}; /* the server's: a head and nothing behind it */
    buf_append(&ping, "\x89\x00", 2);
    for (unsigned i = 0; i < 5000 && !c.ended; i++) {
        peer_hear(&c);
    }
    assert_true(c.ended);
    assert_non_null(memmem(c.in.ptr + c.at, c.in.len - c.at, ping.ptr, ping.len));
    buf_deinit(&ping);
    c.code = 1006;
    peer_leave(&c);
    assert_int_equal(atomic_load(&world.edge.stats.open[STATS_HOME][STATS_CLIENT]), 0);
}

static int open_world(void **state)
{
    world_open(&world);
    return 0;
}

static int close_world(void **state)
{
    world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_without_upgrade_is_told),
        cmocka_unit_test(a_client_is_welcomed_by_its_id),
        cmocka_unit_test(ping_is_answered_by_pong_and_with_an_id_by_a_result),
        cmocka_unit_test(what_is_refused_is_told_and_the_client_stays),
        cmocka_unit_test(a_deep_frame_is_refused),
        cmocka_unit_test(ten_refusals_in_a_minute_close),
        cmocka_unit_test(more_than_twenty_at_once_are_too_many),
        cmocka_unit_test(a_frame_is_text_of_512_bytes),
        cmocka_unit_test(a_frame_may_come_in_any_pieces),
        cmocka_unit_test(who_sends_no_frame_is_pinged_and_then_closed),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
