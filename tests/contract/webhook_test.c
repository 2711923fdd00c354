/* The webhook port: one suite over the adapter with libcurl and over its twin. What only HTTP has:
 * webhook_http_test.c. */
#include "webhook_fixture.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/post_queue/post_queue.h"
#include "adapters/webhook_http/webhook_http.h"
#include "adapters/webhook_twin/webhook_twin.h"

#include <string.h>

/* --- calls --- */

static void an_answer_comes_whole(void **state)
{
    (void)state;
    world_answers(200, "OK", "{\"hello\":[1,2]}");
    call_expect(WEBHOOK_OK, 200, "{\"hello\":[1,2]}");
    world_answers(201, "Created", "7");
    call_expect(WEBHOOK_OK, 201, "7");
    world_answers(204, "No Content", "");
    call_expect(WEBHOOK_OK, 204, "");
    world_await(3);
}

static void another_status_is_told_with_what_came(void **state)
{
    (void)state;
    static const int statuses[] = {301, 302, 307, 400, 403, 404, 429, 500, 503};
    for (unsigned i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        world_answers(statuses[i], "Other", "no");
        call_expect(WEBHOOK_STATUS, statuses[i], "no");
    }
    world_await(9); /* nothing is tried again */
}

static void a_longer_answer_is_not_kept(void **state)
{
    (void)state;
    char body[ANSWER_MAX + 2];
    memset(body, 'x', sizeof body);
    body[ANSWER_MAX] = '\0';
    world_answers(200, "OK", body);
    call_expect(WEBHOOK_OK, 200, body);
    body[ANSWER_MAX] = 'x';
    body[ANSWER_MAX + 1] = '\0';
    world_answers(200, "OK", body);
    struct made m;
    assert_true(call_make(&m, "{}"));
    call_await(&m);
    assert_int_equal(m.call.result, WEBHOOK_TOO_LONG);
    assert_int_equal(m.call.answer.len, 0);
    call_free(&m);
}

static void a_slow_call_delays_no_other(void **state)
{
    (void)state;
    struct made slow[20];
    world_answers(200, "OK", "1");
    world_hold(true);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(call_make(&slow[i], "{}"));
    }
    world_await(20); /* all are under way at once */
    assert_false(post_queue_run(w.post, 0));
    world_hold(false);
    for (unsigned i = 0; i < 20; i++) {
        call_await(&slow[i]);
        assert_int_equal(slow[i].call.result, WEBHOOK_OK);
        call_free(&slow[i]);
    }
}

static void cancelling_ends_one_call(void **state)
{
    (void)state;
    struct made m[3];
    world_answers(200, "OK", "1");
    world_hold(true);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(call_make(&m[i], "{}"));
    }
    world_await(3);
    call_cancel(&m[1]);
    call_await(&m[1]);
    assert_int_equal(m[1].call.result, WEBHOOK_CANCELLED);
    assert_int_equal(m[0].told + m[2].told, 0);
    world_hold(false);
    call_await(&m[0]);
    call_await(&m[2]);
    assert_int_equal(m[2].call.result, WEBHOOK_OK);
    for (unsigned i = 0; i < 3; i++) {
        call_free(&m[i]);
    }
}

static void cancelling_late_or_twice_does_no_harm(void **state)
{
    (void)state;
    world_answers(200, "OK", "1");
    for (unsigned i = 0; i < 50; i++) {
        struct made m;
        assert_true(call_make(&m, "{}"));
        call_cancel(&m);
        call_cancel(&m);
        call_await(&m);
        assert_true(m.call.result == WEBHOOK_OK || m.call.result == WEBHOOK_CANCELLED);
        call_free(&m);
    }
    call_expect(WEBHOOK_OK, 200, "1");
}

static void closing_ends_all_and_takes_no_more(void **state)
{
    (void)state;
    struct made m[5], late;
    world_hold(true);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(call_make(&m[i], "{}"));
    }
    world_await(5);
    world_close_port();
    for (unsigned i = 0; i < 5; i++) {
        call_await(&m[i]);
        assert_int_equal(m[i].call.result, WEBHOOK_CANCELLED);
        call_free(&m[i]);
    }
    assert_false(call_make(&late, "{}"));
    assert_int_equal(late.told, 0);
    if (w.receiver != NULL) { /* the teardown closes again: another one */
        webhook_http_free(w.port);
        struct webhook_http_conf conf = {.post = w.post, .clock = clock_system()};
        w.port = webhook_http_open(&conf);
    }
}

/* --- answers that come in pieces --- */

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"

/* "one" comes while the rest is held, then "two" and the end. */
static void part_one(void)
{
    world_hold(true);
    if (w.receiver == NULL) {
        webhook_twin_answers(w.port, 200, "two", WEBHOOK_OK);
        return;
    }
    receiver_says(w.receiver, SPAN(HEAD "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
    receiver_hold_after(w.receiver, strlen(HEAD "3\r\none\r\n"));
}

static void push_one(void)
{
    if (w.receiver == NULL) {
        assert_true(webhook_twin_part(w.port, "one"));
    }
}

static void pieces_come_as_they_are_sent(void **state)
{
    (void)state;
    struct made m;
    part_one();
    call_make_parted(&m);
    push_one();
    call_await_parts(&m, 1);
    assert_int_equal(m.told, 0);
    world_hold(false);
    call_await(&m);
    assert_int_equal(m.call.result, WEBHOOK_OK);
    assert_int_equal(m.call.status, 200);
    assert_int_equal(m.call.answer.len, 0);
    assert_true(span_eq(buf_span(&m.parts), SPAN("one|two|")));
    call_free(&m);
}

static void no_piece_comes_after_cancel(void **state)
{
    (void)state;
    struct made m;
    part_one();
    call_make_parted(&m);
    push_one();
    call_await_parts(&m, 1);
    push_one();
    call_cancel(&m);
    call_await(&m);
    world_hold(false);
    assert_int_equal(m.call.result, WEBHOOK_CANCELLED);
    assert_int_equal(m.count, 1);
    call_free(&m);
}

static void a_refusal_comes_whole(void **state)
{
    (void)state;
    struct made m;
    world_answers(500, "Oh", "no");
    call_make_parted(&m);
    call_await(&m);
    assert_int_equal(m.call.result, WEBHOOK_STATUS);
    assert_int_equal(m.count, 0);
    assert_true(span_eq(buf_span(&m.call.answer), SPAN("no")));
    call_free(&m);
    world_answers(204, "No Content", "");
    call_make_parted(&m);
    call_await(&m);
    assert_int_equal(m.call.result, WEBHOOK_OK);
    assert_int_equal(m.count, 0);
    call_free(&m);
}

static void pieces_that_flood_are_cut_off(void **state)
{
    (void)state;
    struct made m;
    buf body = {0};
    buf_append_str(&body, HEAD);
    for (unsigned i = 0; i < 100000; i++) {
        buf_append_str(&body, "10\r\n0123456789abcdef\r\n");
    }
    if (w.receiver != NULL) {
        receiver_says(w.receiver, buf_span(&body));
    }
    world_hold(w.receiver == NULL);
    call_make_parted(&m);
    while (w.receiver == NULL && webhook_twin_part(w.port, "0123456789abcdef")) {
    }
    call_await(&m);
    assert_int_equal(m.call.result, WEBHOOK_TOO_LONG);
    assert_true(m.parts.len - m.count <= ANSWER_MAX);
    assert_int_equal(m.call.answer.len, 0);
    call_free(&m);
    buf_deinit(&body);
}

/* --- urls --- */

static void urls_are_checked(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_true(webhook_check(w.port, "https://robots.example/answer", &why));
    assert_false(webhook_check(w.port, "ftp://robots.example/", &why));
    assert_non_null(why);
    assert_false(webhook_check(w.port, "http://robots.example/", &why));
    assert_false(webhook_check(w.port, "", &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(an_answer_comes_whole),
        ON_BOTH(another_status_is_told_with_what_came),
        ON_BOTH(a_longer_answer_is_not_kept),
        ON_BOTH(a_slow_call_delays_no_other),
        ON_BOTH(cancelling_ends_one_call),
        ON_BOTH(cancelling_late_or_twice_does_no_harm),
        ON_BOTH(closing_ends_all_and_takes_no_more),
        ON_BOTH(pieces_come_as_they_are_sent),
        ON_BOTH(no_piece_comes_after_cancel),
        ON_BOTH(a_refusal_comes_whole),
        ON_BOTH(pieces_that_flood_are_cut_off),
        ON_BOTH(urls_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
