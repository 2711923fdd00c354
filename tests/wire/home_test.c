/*
 * The Home wire over a real socket, byte by byte: who is let in, what a client hears, what is
 * refused and in which words, and the limits of a frame.
 */
#include "rest_world.h"

#include "codec/ws/frame.h"
#include "edge/home/session.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: localhost:{port}\r\n"
#define UPGRADE                                                                                    \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define TURNS_MAX 5000

static struct world world;
static struct answer a;

/* --- a client --- */

struct client {
    int fd;
    buf in;
    size_t at;      /* what came before it was looked at */
    bool ended;
    unsigned code;  /* of the close frame; 0: none came */
    char text[4096]; /* the newest message */
};

static void hear(struct client *c)
{
    world_turn(&world);
    ssize_t got = recv(c->fd, buf_reserve(&c->in, 65536), 65536, MSG_DONTWAIT);
    c->ended = c->ended || got == 0;
    c->in.len += got > 0 ? (size_t)got : 0;
}

/* The next whole frame of the server, if it is there: text into c->text. */
static bool take_frame(struct client *c)
{
    span in = span_slice(buf_span(&c->in), c->at, c->in.len);
    if (in.len < 2) {
        return false;
    }
    size_t head = 2, len = in.ptr[1] & 0x7f;
    if (len == 126 && in.len >= 4) {
        len = (size_t)in.ptr[2] << 8 | in.ptr[3];
        head = 4;
    }
    if (in.len < head + len) {
        return false;
    }
    assert_true(len < sizeof c->text);
    memcpy(c->text, in.ptr + head, len);
    c->text[len] = '\0';
    if ((in.ptr[0] & 0x0f) == WS_OP_CLOSE) {
        c->code = len >= 2 ? (unsigned)in.ptr[head] << 8 | in.ptr[head + 1] : 1005;
    }
    c->at += head + len;
    return true;
}

static const char *next(struct client *c)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        if (take_frame(c)) {
            return c->text;
        }
        hear(c);
    }
    fail_msg("nothing came");
    return "";
}

/* Everything until the close frame; its code. */
static unsigned closed(struct client *c)
{
    for (unsigned i = 0; i < TURNS_MAX && c->code == 0; i++) {
        if (!take_frame(c)) {
            hear(c);
        }
    }
    return c->code;
}

static bool is_there(const char *text, const char *part) { return strstr(text, part) != NULL; }

static void expect(struct client *c, const char *part)
{
    const char *text = next(c);
    if (!is_there(text, part)) {
        fail_msg("%s is not in %s", part, text);
    }
}

static struct client connect_with(const char *query, const char *lines)
{
    char request[2048];
    snprintf(request, sizeof request, "GET /ws%s HTTP/1.1\r\n" HOST UPGRADE "%s\r\n", query, lines);
    struct client c = {.fd = world_send(&world, request)};
    const uint8_t *end = NULL;
    for (unsigned i = 0; i < TURNS_MAX && end == NULL; i++) {
        hear(&c);
        end = c.in.len == 0 ? NULL : memmem(c.in.ptr, c.in.len, "\r\n\r\n", 4);
    }
    assert_non_null(end);
    assert_memory_equal(c.in.ptr, "HTTP/1.1 101 ", 13);
    c.at = (size_t)(end - c.in.ptr) + 4;
    expect(&c, "{\"type\":\"connection\",\"data\":{\"status\":\"connected\",\"client_id\":\"");
    return c;
}

static struct client connect_one(void) { return connect_with("", ""); }

static void leave(struct client *c)
{
    close(c->fd);
    buf_deinit(&c->in);
    while (atomic_load(&world.edge.stats.open[STATS_HOME][STATS_CLIENT]) > 0) {
        world_turn(&world);
    }
}

/* A masked frame; the mask is zero. */
static buf frame_of(enum ws_opcode op, span payload)
{
    buf out = {0};
    buf_append_byte(&out, (uint8_t)(0x80 | op));
    if (payload.len < 126) {
        buf_append_byte(&out, (uint8_t)(0x80 | payload.len));
    } else {
        buf_append_byte(&out, 0x80 | 126);
        buf_append_byte(&out, (uint8_t)(payload.len >> 8));
        buf_append_byte(&out, (uint8_t)payload.len);
    }
    buf_append(&out, "\0\0\0", 4);
    buf_append_span(&out, payload);
    return out;
}

static void say_as(struct client *c, enum ws_opcode op, span payload)
{
    buf out = frame_of(op, payload);
    assert_int_equal(send(c->fd, out.ptr, out.len, MSG_NOSIGNAL), out.len);
    buf_deinit(&out);
}

static void say(struct client *c, const char *text) { say_as(c, WS_OP_TEXT, span_str(text)); }

/* --- who is let in --- */

static void who_asks_without_upgrade_is_told(void **state)
{
    world_ask(&world, "GET /ws HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_int_equal(a.status, 426);
    world_ask(&world, "GET /ws?since=no HTTP/1.1\r\n" HOST UPGRADE "\r\n", &a);
    assert_int_equal(a.status, 400);
    world_ask(&world, "GET /ws HTTP/1.1\r\n" HOST UPGRADE "Origin: https://evil.example\r\n\r\n",
              &a);
    assert_int_equal(a.status, 403);
    world_ask(&world, "GET /ws HTTP/1.1\r\n" HOST UPGRADE "X-Forwarded-For: 10.0.0.1\r\n\r\n", &a);
    assert_int_equal(a.status, 401);
    world_ask(&world, "GET /ws?token=nonsense HTTP/1.1\r\n" HOST UPGRADE "\r\n", &a);
    assert_int_equal(a.status, 401);
}

static void a_client_is_welcomed_by_its_id(void **state)
{
    struct client c = connect_one();
    assert_true(is_there(c.text, "\"timestamp\":\""));
    const char *end = c.text + strlen(c.text);
    assert_string_equal(end - 3, "Z\"}");
    assert_null(strchr(c.text, '.')); /* whole seconds */
    leave(&c);
}

/* --- what is said --- */

static void ping_is_answered_by_pong_and_with_an_id_by_a_result(void **state)
{
    struct client c = connect_one();
    say(&c, "{\"type\":\"ping\",\"data\":{}}");
    expect(&c, "{\"type\":\"pong\",\"data\":{\"timestamp\":\"");
    say(&c, "{\"type\":\"ping\"}");
    expect(&c, "{\"type\":\"pong\"");
    say(&c, "{\"type\":\"ping\",\"data\":null,\"id\":\"a\\u0000b\"}");
    expect(&c, "{\"type\":\"pong\"");
    expect(&c, "{\"type\":\"result\",\"data\":{\"id\":\"a\\u0000b\",\"ok\":true},\"timestamp\":\"");
    leave(&c);
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
        struct client c = connect_one();
        say(&c, refusals[i].frame);
        expect(&c, refusals[i].answer);
        say(&c, "{\"type\":\"ping\"}");
        expect(&c, "{\"type\":\"pong\"");
        leave(&c);
    }
}

static void a_deep_frame_is_refused(void **state)
{
    struct client c = connect_one();
    char text[512] = "{\"type\":\"ping\",\"data\":";
    size_t head = strlen(text);
    memset(text + head, '[', 20);
    memset(text + head + 20, ']', 20);
    memcpy(text + head + 40, "}", 2);
    say(&c, text);
    expect(&c, "\"code\":\"invalid_message\"");
    memset(text, '[', 500);
    text[500] = '\0';
    say(&c, text);
    expect(&c, "\"code\":\"invalid_json\"");
    leave(&c);
}

static void ten_refusals_in_a_minute_close(void **state)
{
    struct client c = connect_one();
    for (unsigned i = 0; i < HOME_REFUSALS_MAX; i++) {
        say(&c, "nonsense");
    }
    for (unsigned i = 0; i < HOME_REFUSALS_MAX; i++) {
        expect(&c, "\"code\":\"invalid_json\"");
    }
    assert_int_equal(closed(&c), 1008);
    leave(&c);
}

static void more_than_twenty_at_once_are_too_many(void **state)
{
    struct client c = connect_one();
    for (unsigned i = 0; i < 20; i++) {
        say(&c, "{\"type\":\"ping\"}");
    }
    say(&c, "{\"type\":\"ping\",\"id\":1}");
    for (unsigned i = 0; i < 20; i++) {
        expect(&c, "\"pong\"");
    }
    expect(&c, "{\"type\":\"result\",\"data\":{\"id\":1,\"ok\":false,\"error\":{\"code\":"
               "\"rate_limited\"");
    leave(&c);
}

static void a_frame_is_text_of_512_bytes(void **state)
{
    struct client c = connect_one();
    char text[600] = "{\"type\":\"ping\"";
    memset(text + strlen(text), ' ', 512 - strlen(text));
    text[511] = '}';
    say(&c, text);
    expect(&c, "\"pong\"");
    memset(text + 511, ' ', 1);
    text[512] = '}';
    say(&c, text);
    assert_int_equal(closed(&c), 1009);
    leave(&c);
    c = connect_one();
    say_as(&c, WS_OP_BINARY, SPAN("{\"type\":\"ping\"}"));
    assert_int_equal(closed(&c), 1003);
    leave(&c);
}

static void a_frame_may_come_in_any_pieces(void **state)
{
    const char *text = "{\"type\":\"ping\",\"data\":{},\"id\":1}";
    buf frame = frame_of(WS_OP_TEXT, span_str(text));
    for (size_t cut = 1; cut < frame.len; cut++) {
        struct client c = connect_one();
        assert_int_equal(send(c.fd, frame.ptr, cut, MSG_NOSIGNAL), cut);
        hear(&c);
        assert_int_equal(send(c.fd, frame.ptr + cut, frame.len - cut, MSG_NOSIGNAL),
                         frame.len - cut);
        expect(&c, "\"pong\"");
        expect(&c, "\"result\"");
        leave(&c);
    }
    buf_deinit(&frame);
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
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
