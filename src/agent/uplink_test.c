/* The uplink against a server on the same loop: what is sent, in which order, how often, and when
 * it comes back or stays away. */
#include "agent/uplink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/frames.h"
#include "agent/incoming.h"
#include "agent/test_server.h"
#include "agent/test_tree.h"

/* Far above what a busy machine takes. */
#define WAIT_MS_MAX 60000

struct bench {
    struct test_tree tree;
    struct clock clock;
    struct entropy entropy;
    struct loop *loop;
    struct loop *peers[1];
    struct test_server server;
    struct row_buffer rows;
    struct server_url url;
    struct uplink up;
    unsigned opens;
    unsigned state_acks;
    bool state_ok;
    bool stopped;
    const char *why;
};

static void on_open(struct uplink *u)
{
    struct bench *b = CONTAINER_OF(u, struct bench, up);
    buf frame = {0};
    struct host_state *s = mem_calloc(1, sizeof *s);
    struct host_top top = {0};
    b->opens++;
    frame_state(&frame, uplink_state_id(u), s, &top);
    assert_true(uplink_send(u, buf_span(&frame)));
    buf_deinit(&frame);
    mem_free(s);
}

static void on_state_ack(struct uplink *u, bool ok)
{
    struct bench *b = CONTAINER_OF(u, struct bench, up);
    b->state_acks++;
    b->state_ok = ok;
}

static void on_stopped(struct uplink *u, const char *why)
{
    struct bench *b = CONTAINER_OF(u, struct bench, up);
    b->stopped = true;
    b->why = why;
}

static int setup(void **state)
{
    struct bench *b = mem_calloc(1, sizeof *b);
    test_tree_make(&b->tree);
    b->clock = (struct clock){.wall_ms = test_wall_ms, .mono_ns = test_mono_ns};
    b->entropy.fill = test_entropy_fill;
    b->loop = b->peers[0] = loop_new(&(struct loop_conf){.count = 1, .clock = &b->clock,
                                                         .poller = poller_epoll_new()},
                                     b->peers);
    test_server_start(&b->server, b->loop);
    assert_int_equal(row_buffer_open(&b->rows, b->tree.path, ROW_BUFFER_BYTES_MIN, false), 0);
    assert_null(server_url_parse(span_str(b->server.url), &b->url));
    b->up = (struct uplink){
        .loop = b->loop, .net = b->server.net, .entropy = &b->entropy, .rows = &b->rows,
        .url = &b->url, .key = "sbk_test", .on_open = on_open, .on_state_ack = on_state_ack,
        .on_stopped = on_stopped,
        .pace = {.ack_ms = WAIT_MS_MAX, .heartbeat_ms = 150, .rows_per_s = 1000,
                 .retry_ms = 200}};
    uplink_init(&b->up);
    loop_turn(b->loop, 0);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    test_server_stop(&b->server);
    loop_free(b->loop);
    uplink_deinit(&b->up);
    row_buffer_close(&b->rows);
    test_tree_remove(&b->tree);
    mem_free(b);
    return 0;
}

/* Turns the loop until the condition holds. */
#define AWAIT(b, condition)                                                                        \
    do {                                                                                           \
        int64_t until_ = test_wall_ms(NULL) + WAIT_MS_MAX;                                         \
        while (!(condition) && test_wall_ms(NULL) < until_) {                                      \
            loop_turn((b)->loop, 50);                                                              \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static void push_rows(struct bench *b, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char text[64];
        int len = snprintf(text, sizeof text, "{\"row\":true,\"n\":%d}", i);
        assert_int_equal(row_buffer_push(&b->rows, i, span_of(text, (size_t)len)), 0);
    }
}

/* The "n" of every row frame that the server saw, in order, as text. */
static void rows_seen(struct bench *b, buf *out)
{
    span rest = buf_span(&b->server.frames);
    buf_clear(out);
    while (rest.len > 0) {
        span data, n, frame = span_cut(&rest, '\n');
        if (json_get(frame, "data", &data) && json_get(data, "n", &n)) {
            buf_append_span(out, n);
            buf_append_byte(out, ' ');
        }
    }
    buf_append_byte(out, 0);
}

static void a_connection_begins_with_register_and_state_and_shows_the_key(void **state)
{
    struct bench *b = *state;
    uplink_start(&b->up);
    AWAIT(b, b->state_acks == 1);
    assert_true(b->state_ok);
    assert_true(uplink_is_open(&b->up));
    assert_true(span_eq(buf_span(&b->server.authorization), SPAN("Bearer sbk_test")));
    assert_true(span_eq(buf_span(&b->server.path), SPAN("/api/v1/devices/self/ws")));
    span frames = buf_span(&b->server.frames);
    assert_true(span_starts(frames, SPAN("{\"type\":\"register\",\"id\":1,")));
    assert_true(test_server_saw(&b->server, "\n{\"type\":\"state\",\"id\":2,"));
    AWAIT(b, test_server_saw(&b->server, "{\"type\":\"heartbeat\""));
}

static void localhost_is_reached_without_a_look_up(void **state)
{
    struct bench *b = *state;
    char text[64];
    snprintf(text, sizeof text, "http://localhost%s", strrchr(b->server.url, ':'));
    assert_null(server_url_parse(span_str(text), &b->url));
    uplink_start(&b->up);
    AWAIT(b, b->state_acks == 1);
}

static void rows_are_sent_in_order_and_leave_the_buffer_when_acknowledged(void **state)
{
    struct bench *b = *state;
    buf seen = {0};
    push_rows(b, 1, 100); /* more than the window */
    uplink_start(&b->up);
    AWAIT(b, b->rows.pending == 0);
    push_rows(b, 101, 101);
    uplink_rows(&b->up);
    AWAIT(b, b->rows.pending == 0);
    rows_seen(b, &seen);
    assert_true(span_starts(buf_span(&seen), SPAN("1 2 3 4 5 6 7 8 9 10 11 ")));
    assert_non_null(strstr((const char *)seen.ptr, " 99 100 101 "));
    assert_int_equal(b->up.rows_sent, 101);
    buf_deinit(&seen);
}

static void backfill_keeps_its_pace(void **state)
{
    struct bench *b = *state;
    b->up.pace.rows_per_s = 50;
    push_rows(b, 1, 30);
    int64_t began = test_wall_ms(NULL);
    uplink_start(&b->up);
    AWAIT(b, b->rows.pending == 0);
    int64_t took = test_wall_ms(NULL) - began;
    assert_true(took >= 300); /* 30 rows at 20 ms, but for the burst of ten */
}

static void unanswered_frames_end_the_connection_and_rows_are_sent_again(void **state)
{
    struct bench *b = *state;
    buf seen = {0};
    push_rows(b, 1, 3);
    b->server.silent = true;
    b->up.pace.ack_ms = 300;
    uplink_start(&b->up);
    AWAIT(b, b->server.opens == 2);
    b->server.silent = false;
    b->up.pace.ack_ms = WAIT_MS_MAX;
    AWAIT(b, b->rows.pending == 0);
    rows_seen(b, &seen);
    assert_true(span_starts(buf_span(&seen), SPAN("1 2 3 1 2 3 ")));
    buf_deinit(&seen);
}

static void a_lost_connection_comes_back_and_sends_what_was_not_acknowledged(void **state)
{
    struct bench *b = *state;
    uplink_start(&b->up);
    AWAIT(b, b->state_acks == 1);
    conn_close(b->server.peer, CLOSE_RESTART);
    AWAIT(b, !uplink_is_open(&b->up));
    assert_int_equal(b->up.backoff.attempts, 5); /* 1012 asks for patience */
    push_rows(b, 1, 2);
    uplink_rows(&b->up); /* harmless while there is no connection */
    assert_false(uplink_send(&b->up, SPAN("{}")));
    assert_int_equal(uplink_state_id(&b->up), 0);
    AWAIT(b, b->rows.pending == 0);
    assert_int_equal(b->opens, 2);
}

static void a_refused_connection_is_tried_again(void **state)
{
    struct bench *b = *state;
    b->server.refuse_status = 503;
    uplink_start(&b->up);
    AWAIT(b, b->server.requests == 2);
    b->server.refuse_status = 0;
    AWAIT(b, b->opens == 1);
    assert_false(b->stopped);
}

static void a_wrong_key_stops_it_for_good(void **state)
{
    struct bench *b = *state;
    b->server.refuse_status = 401;
    uplink_start(&b->up);
    AWAIT(b, b->stopped);
    assert_non_null(strstr(b->why, "key"));
    assert_int_equal(b->server.requests, 1);
}

static void close_codes_decide_whether_it_comes_back(void **state)
{
    struct bench *b = *state;
    uplink_start(&b->up);
    AWAIT(b, b->state_acks == 1);
    conn_close(b->server.peer, CLOSE_DRAINED); /* 4200: at once */
    AWAIT(b, b->state_acks == 2);
    conn_close(b->server.peer, CLOSE_REPLACED); /* 4001: never */
    AWAIT(b, b->stopped);
    assert_string_equal(b->why, close_text(CLOSE_REPLACED));
    assert_int_equal(b->opens, 2);
}

static void rows_refused_for_now_stay_and_those_refused_for_good_go(void **state)
{
    struct bench *b = *state;
    buf seen = {0};
    push_rows(b, 1, 2);
    b->server.refuse_frames = "{\"type\":\"SERVER_ERROR\",\"message\":\"disk\",\"code\":\"x\"}";
    uplink_start(&b->up);
    AWAIT(b, b->server.acks >= 4);
    AWAIT(b, b->up.flight_count == 0);
    assert_false(b->state_ok);
    assert_int_equal(b->rows.pending, 2);
    b->server.refuse_frames =
        "{\"code\":\"RATE_LIMIT_EXCEEDED\",\"details\":{\"retryAfterMs\":50}}";
    AWAIT(b, b->server.acks >= 6);
    AWAIT(b, b->up.flight_count == 0);
    assert_int_equal(b->rows.pending, 2);
    b->server.refuse_frames = "\"INVALID_MESSAGE_FORMAT\"";
    AWAIT(b, b->rows.pending == 0);
    assert_int_equal(b->up.rows_refused, 2);
    assert_int_equal(b->opens, 1); /* all over one connection */
    rows_seen(b, &seen);
    assert_true(span_starts(buf_span(&seen), SPAN("1 2 1 2 1 2 ")));
    buf_deinit(&seen);
}

static void commands_are_refused_and_odd_frames_passed_over(void **state)
{
    struct bench *b = *state;
    uplink_start(&b->up);
    AWAIT(b, b->state_acks == 1);
    ws_send(b->server.peer, WS_OP_TEXT, SPAN("not json"));
    ws_send(b->server.peer, WS_OP_TEXT,
            SPAN("{\"type\":\"ack\",\"data\":{\"id\":99,\"ok\":true}}"));
    ws_send(b->server.peer, WS_OP_TEXT, SPAN("{\"type\":\"error\",\"data\":{\"code\":\"X\"}}"));
    ws_send(b->server.peer, WS_OP_TEXT, SPAN("{\"type\":\"device:config-update\",\"data\":{}}"));
    ws_send(b->server.peer, WS_OP_TEXT,
            SPAN("{\"type\":\"device:command\",\"data\":{\"requestId\":\"r1\"}}"));
    AWAIT(b, test_server_saw(&b->server, "{\"type\":\"command:response\",\"data\":{\"requestId\":"
                                         "\"r1\",\"status\":\"error\""));
    assert_true(uplink_is_open(&b->up));
}

static void a_stop_waits_for_acks_and_then_closes(void **state)
{
    struct bench *b = *state;
    uplink_start(&b->up);
    AWAIT(b, b->state_acks == 1);
    push_rows(b, 1, 1);
    uplink_rows(&b->up);
    assert_int_equal(b->up.flight_count, 1);
    uplink_stop(&b->up, WAIT_MS_MAX);
    assert_false(b->stopped);
    AWAIT(b, b->stopped);
    assert_null(b->why);
    assert_int_equal(b->rows.pending, 0);
    AWAIT(b, b->server.closes == 1);
    uplink_stop(&b->up, 0); /* harmless */
}

static void a_stop_does_not_wait_for_ever(void **state)
{
    struct bench *b = *state;
    b->server.silent = true;
    uplink_start(&b->up);
    AWAIT(b, b->server.opens == 1);
    uplink_stop(&b->up, 200);
    AWAIT(b, b->stopped);
}

static void a_stop_without_connection_is_at_once(void **state)
{
    struct bench *b = *state;
    b->server.refuse_status = 503;
    uplink_start(&b->up);
    AWAIT(b, b->up.state == UPLINK_WAITING);
    uplink_stop(&b->up, 1000);
    assert_true(b->stopped);
    assert_null(b->why);
}

static void damaged_rows_are_given_up(void **state)
{
    struct bench *b = *state;
    push_rows(b, 1, 2);
    test_tree_write(&b->tree, "rows-00000001.log", "overwritten");
    uplink_start(&b->up);
    AWAIT(b, b->rows.pending == 0);
    assert_int_equal(b->up.rows_sent, 0);
}

static void names_are_looked_up_on_a_worker(void **state)
{
    struct bench *b = *state;
    struct post *post = loop_post_port(b->peers, 1);
    struct workers *workers = workers_new(1, 2, post);
    assert_null(server_url_parse(SPAN("http://name.invalid:1"), &b->url));
    b->up.workers = workers;
    uplink_start(&b->up);
    assert_int_equal(b->up.state, UPLINK_RESOLVING);
    AWAIT(b, b->up.state == UPLINK_WAITING);
    assert_true(b->up.resolve.rc != 0);
    assert_non_null(resolve_why(&b->up.resolve));
    uplink_stop(&b->up, 0);
    workers_free(workers);
    loop_post_port_free(post);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_connection_begins_with_register_and_state_and_shows_the_key),
        T(localhost_is_reached_without_a_look_up),
        T(rows_are_sent_in_order_and_leave_the_buffer_when_acknowledged),
        T(backfill_keeps_its_pace),
        T(unanswered_frames_end_the_connection_and_rows_are_sent_again),
        T(a_lost_connection_comes_back_and_sends_what_was_not_acknowledged),
        T(a_refused_connection_is_tried_again),
        T(a_wrong_key_stops_it_for_good),
        T(close_codes_decide_whether_it_comes_back),
        T(rows_refused_for_now_stay_and_those_refused_for_good_go),
        T(commands_are_refused_and_odd_frames_passed_over),
        T(a_stop_waits_for_acks_and_then_closes),
        T(a_stop_does_not_wait_for_ever),
        T(a_stop_without_connection_is_at_once),
        T(damaged_rows_are_given_up),
        T(names_are_looked_up_on_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
