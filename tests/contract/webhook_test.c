/* The webhook port: one suite over the adapter with libcurl, whose receiver is a thread of this
 * test, and over its twin. Then what only HTTP has. */
#include "ports/webhook.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/common/curl/url.h"
#include "adapters/post_queue/post_queue.h"
#include "adapters/webhook_http/sign.h"
#include "adapters/webhook_http/webhook_http.h"
#include "adapters/webhook_twin/webhook_twin.h"
#include "base/mem.h"
#include "http_receiver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 60000 /* without any mail: the test has failed */
#define LONG_MS 600000    /* longer than a test */
#define SHORT_MS 60
#define ANSWER_MAX 1000
#define SECRET SPAN("correct horse battery staple")

/* What the suite needs of an adapter's world. */
struct world {
    struct post *post;
    struct webhook *port;
    struct receiver *receiver; /* NULL: the twin's world */
    char url[64];
};

static struct world w;

/* --- the two worlds --- */

static int open_http(void **state)
{
    (void)state;
    const char *why;
    w = (struct world){.post = post_queue_new(4), .receiver = receiver_start()};
    snprintf(w.url, sizeof w.url, "http://127.0.0.1:%d" RECEIVER_PATH, receiver_port(w.receiver));
    assert_true(curl_url_check(w.url, false, &why));
    struct webhook_http_conf conf = {.post = w.post, .clock = clock_system()};
    w.port = webhook_http_open(&conf);
    return 0;
}

static int open_twin(void **state)
{
    (void)state;
    w = (struct world){.post = post_queue_new(4), .url = "http://twin"};
    w.port = webhook_twin_new(w.post);
    return 0;
}

static void close_port(void)
{
    if (w.receiver != NULL) {
        webhook_http_close(w.port);
    } else {
        webhook_twin_close(w.port);
    }
}

static int close_world(void **state)
{
    (void)state;
    close_port();
    while (post_queue_run(w.post, 0)) {
    }
    if (w.receiver != NULL) {
        webhook_http_free(w.port);
        receiver_stop(w.receiver);
    } else {
        webhook_twin_free(w.port);
    }
    post_queue_free(w.post);
    return 0;
}

static void answers(int status, const char *text, const char *body)
{
    char line[64];
    if (w.receiver == NULL) {
        webhook_twin_answers(w.port, status, body, WEBHOOK_OK);
        return;
    }
    snprintf(line, sizeof line, "%d %s", status, text);
    receiver_answers(w.receiver, line, "", span_str(body));
}

static void hold(bool on)
{
    if (w.receiver != NULL) {
        receiver_hold(w.receiver, on);
    } else {
        webhook_twin_hold(w.port, on);
    }
}

static void await_received(unsigned count)
{
    if (w.receiver != NULL) {
        receiver_await(w.receiver, count);
    } else {
        assert_int_equal(webhook_twin_count(w.port), count);
    }
}

/* --- calls --- */

struct made {
    struct webhook_call call;
    unsigned told;
    buf parts;      /* what came in pieces, with a | behind each */
    unsigned count; /* of them */
};

static bool inside; /* of a call of the port */

static void on_done(struct webhook_call *c)
{
    assert_false(inside);
    CONTAINER_OF(c, struct made, call)->told++;
}

static void on_part(struct webhook_call *c, span data)
{
    struct made *m = CONTAINER_OF(c, struct made, call);
    assert_false(inside);
    assert_int_equal(m->told, 0);
    assert_true(data.len > 0);
    assert_string_equal(c->content_type, w.receiver == NULL ? "application/json" : "text/plain");
    buf_append_span(&m->parts, data);
    buf_append_byte(&m->parts, '|');
    m->count++;
}

static bool make(struct made *m, const char *body)
{
    *m = (struct made){.call = {.loop = 2,
                                .url = w.url,
                                .ca = "",
                                .secret = SECRET,
                                .body = span_str(body),
                                .id = uuid_v7(1, (const uint8_t *)"0123456789"),
                                .timeout_ms = LONG_MS,
                                .answer_bytes_max = ANSWER_MAX,
                                .done = on_done}};
    inside = true;
    bool taken = webhook_call(w.port, &m->call);
    inside = false;
    return taken;
}

static void await(struct made *m)
{
    while (m->told == 0) {
        if (!post_queue_run(w.post, PATIENCE_MS)) {
            fail_msg("never told");
        }
    }
    assert_int_equal(m->told, 1);
}

/* The same call, answered in pieces. */
static void make_parted(struct made *m)
{
    *m = (struct made){.call = {.loop = 2,
                                .url = w.url,
                                .ca = "",
                                .body = SPAN("{}"),
                                .timeout_ms = LONG_MS,
                                .answer_bytes_max = ANSWER_MAX,
                                .accept = "text/plain",
                                .on_part = on_part,
                                .done = on_done}};
    inside = true;
    assert_true(webhook_call(w.port, &m->call));
    inside = false;
}

static void await_parts(struct made *m, unsigned count)
{
    while (m->count < count) {
        if (m->told > 0 || !post_queue_run(w.post, PATIENCE_MS)) {
            fail_msg("no part");
        }
    }
}

static void free_made(struct made *m)
{
    buf_deinit(&m->call.answer);
    buf_deinit(&m->parts);
}

static void cancel(struct made *m)
{
    inside = true;
    webhook_cancel(w.port, &m->call);
    inside = false;
}

/* One call, from beginning to end. */
static void expect(enum webhook_result result, int status, const char *answer)
{
    struct made m;
    assert_true(make(&m, "{\"event\":\"a\"}"));
    await(&m);
    if (m.call.result != result) {
        fail_msg("result %d, status %d, %s", m.call.result, m.call.status, m.call.why);
    }
    assert_int_equal(m.call.status, status);
    assert_true(span_eq(buf_span(&m.call.answer), span_str(answer)));
    assert_non_null(m.call.why);
    free_made(&m);
}

/* --- the suite --- */

static void an_answer_comes_whole(void **state)
{
    (void)state;
    answers(200, "OK", "{\"hello\":[1,2]}");
    expect(WEBHOOK_OK, 200, "{\"hello\":[1,2]}");
    answers(201, "Created", "7");
    expect(WEBHOOK_OK, 201, "7");
    answers(204, "No Content", "");
    expect(WEBHOOK_OK, 204, "");
    await_received(3);
}

static void another_status_is_told_with_what_came(void **state)
{
    (void)state;
    static const int statuses[] = {301, 302, 307, 400, 403, 404, 429, 500, 503};
    for (unsigned i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        answers(statuses[i], "Other", "no");
        expect(WEBHOOK_STATUS, statuses[i], "no");
    }
    await_received(9); /* nothing is tried again */
}

static void a_longer_answer_is_not_kept(void **state)
{
    (void)state;
    char body[ANSWER_MAX + 2];
    memset(body, 'x', sizeof body);
    body[ANSWER_MAX] = '\0';
    answers(200, "OK", body);
    expect(WEBHOOK_OK, 200, body);
    body[ANSWER_MAX] = 'x';
    body[ANSWER_MAX + 1] = '\0';
    answers(200, "OK", body);
    struct made m;
    assert_true(make(&m, "{}"));
    await(&m);
    assert_int_equal(m.call.result, WEBHOOK_TOO_LONG);
    assert_int_equal(m.call.answer.len, 0);
    free_made(&m);
}

static void a_slow_call_delays_no_other(void **state)
{
    (void)state;
    struct made slow[20];
    answers(200, "OK", "1");
    hold(true);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(make(&slow[i], "{}"));
    }
    await_received(20); /* all are under way at once */
    assert_false(post_queue_run(w.post, 0));
    hold(false);
    for (unsigned i = 0; i < 20; i++) {
        await(&slow[i]);
        assert_int_equal(slow[i].call.result, WEBHOOK_OK);
        free_made(&slow[i]);
    }
}

static void cancelling_ends_one_call(void **state)
{
    (void)state;
    struct made m[3];
    answers(200, "OK", "1");
    hold(true);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(make(&m[i], "{}"));
    }
    await_received(3);
    cancel(&m[1]);
    await(&m[1]);
    assert_int_equal(m[1].call.result, WEBHOOK_CANCELLED);
    assert_int_equal(m[0].told + m[2].told, 0);
    hold(false);
    await(&m[0]);
    await(&m[2]);
    assert_int_equal(m[2].call.result, WEBHOOK_OK);
    for (unsigned i = 0; i < 3; i++) {
        free_made(&m[i]);
    }
}

static void cancelling_late_or_twice_does_no_harm(void **state)
{
    (void)state;
    answers(200, "OK", "1");
    for (unsigned i = 0; i < 50; i++) {
        struct made m;
        assert_true(make(&m, "{}"));
        cancel(&m);
        cancel(&m);
        await(&m);
        assert_true(m.call.result == WEBHOOK_OK || m.call.result == WEBHOOK_CANCELLED);
        free_made(&m);
    }
    expect(WEBHOOK_OK, 200, "1");
}

static void closing_ends_all_and_takes_no_more(void **state)
{
    (void)state;
    struct made m[5], late;
    hold(true);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(make(&m[i], "{}"));
    }
    await_received(5);
    close_port();
    for (unsigned i = 0; i < 5; i++) {
        await(&m[i]);
        assert_int_equal(m[i].call.result, WEBHOOK_CANCELLED);
        free_made(&m[i]);
    }
    assert_false(make(&late, "{}"));
    assert_int_equal(late.told, 0);
    if (w.receiver != NULL) { /* the teardown closes again: another one */
        webhook_http_free(w.port);
        struct webhook_http_conf conf = {.post = w.post, .clock = clock_system()};
        w.port = webhook_http_open(&conf);
    }
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"

/* "one" comes while the rest is held, then "two" and the end. */
static void part_one(void)
{
    hold(true);
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
    make_parted(&m);
    push_one();
    await_parts(&m, 1);
    assert_int_equal(m.told, 0);
    hold(false);
    await(&m);
    assert_int_equal(m.call.result, WEBHOOK_OK);
    assert_int_equal(m.call.status, 200);
    assert_int_equal(m.call.answer.len, 0);
    assert_true(span_eq(buf_span(&m.parts), SPAN("one|two|")));
    free_made(&m);
}

static void no_piece_comes_after_cancel(void **state)
{
    (void)state;
    struct made m;
    part_one();
    make_parted(&m);
    push_one();
    await_parts(&m, 1);
    push_one();
    cancel(&m);
    await(&m);
    hold(false);
    assert_int_equal(m.call.result, WEBHOOK_CANCELLED);
    assert_int_equal(m.count, 1);
    free_made(&m);
}

static void a_refusal_comes_whole(void **state)
{
    (void)state;
    struct made m;
    answers(500, "Oh", "no");
    make_parted(&m);
    await(&m);
    assert_int_equal(m.call.result, WEBHOOK_STATUS);
    assert_int_equal(m.count, 0);
    assert_true(span_eq(buf_span(&m.call.answer), SPAN("no")));
    free_made(&m);
    answers(204, "No Content", "");
    make_parted(&m);
    await(&m);
    assert_int_equal(m.call.result, WEBHOOK_OK);
    assert_int_equal(m.count, 0);
    free_made(&m);
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
    hold(w.receiver == NULL);
    make_parted(&m);
    while (w.receiver == NULL && webhook_twin_part(w.port, "0123456789abcdef")) {
    }
    await(&m);
    assert_int_equal(m.call.result, WEBHOOK_TOO_LONG);
    assert_true(m.parts.len - m.count <= ANSWER_MAX);
    assert_int_equal(m.call.answer.len, 0);
    free_made(&m);
    buf_deinit(&body);
}

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

/* --- HTTP --- */

/* A field of the last request, into `out`. */
static void field(const char *name, char *out, size_t size)
{
    buf head = {0};
    buf body = {0};
    out[0] = '\0';
    receiver_last(w.receiver, &head, &body);
    buf_append_byte(&head, 0);
    span rest = span_str((const char *)head.ptr);
    while (rest.len > 0) {
        span line = span_cut(&rest, '\n');
        span key = span_cut(&line, ':');
        if (span_ieq(key, span_str(name))) {
            line = span_trim(line);
            line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
            snprintf(out, size, "%.*s", SPAN_FMT(line));
        }
    }
    buf_deinit(&head);
    buf_deinit(&body);
}

static void what_is_sent_is_signed_and_named(void **state)
{
    (void)state;
    char sent[256], made_of[WEBHOOK_SIGNATURE_MAX];
    buf head = {0};
    buf body = {0};
    answers(200, "OK", "1");
    expect(WEBHOOK_OK, 200, "1");
    receiver_last(w.receiver, &head, &body);
    assert_true(span_starts(buf_span(&head), SPAN("POST " RECEIVER_PATH " HTTP/1.1\r\n")));
    assert_true(span_eq(buf_span(&body), SPAN("{\"event\":\"a\"}")));
    field("content-type", sent, sizeof sent);
    assert_string_equal(sent, "application/json");
    field("user-agent", sent, sizeof sent);
    assert_string_equal(sent, "signalbox/" SIGNALBOX_VERSION);
    field("expect", sent, sizeof sent);
    assert_string_equal(sent, "");
    field("x-signalbox-delivery", sent, sizeof sent);
    assert_int_equal(strlen(sent), UUID_TEXT_LEN);
    field("x-signalbox-signature", sent, sizeof sent);
    long long at = 0;
    assert_int_equal(sscanf(sent, "t=%lld,", &at), 1);
    int64_t now = clock_wall_ms(clock_system()) / 1000;
    assert_in_range(now - at, 0, 600);
    webhook_sign(SECRET, at, buf_span(&body), made_of);
    assert_string_equal(sent, made_of);
    buf_deinit(&head);
    buf_deinit(&body);
}

static void without_a_secret_nothing_is_signed(void **state)
{
    (void)state;
    char sent[256];
    struct made m;
    assert_true(make(&m, "{}"));
    await(&m);
    free_made(&m);
    field("x-signalbox-signature", sent, sizeof sent);
    assert_string_not_equal(sent, "");
    m = (struct made){.call = {.url = w.url, .body = SPAN("{}"), .timeout_ms = LONG_MS,
                               .answer_bytes_max = ANSWER_MAX, .done = on_done}};
    assert_true(webhook_call(w.port, &m.call));
    await(&m);
    free_made(&m);
    field("x-signalbox-signature", sent, sizeof sent);
    assert_string_equal(sent, "");
}

static void a_connection_is_kept(void **state)
{
    (void)state;
    answers(200, "OK", "1");
    for (unsigned i = 0; i < 20; i++) {
        expect(WEBHOOK_OK, 200, "1");
    }
    assert_int_equal(receiver_requests(w.receiver), 20);
    assert_int_equal(receiver_connections(w.receiver), 1);
}

static void a_stalled_receiver_is_given_up(void **state)
{
    (void)state;
    struct made m;
    hold(true);
    assert_true(make(&m, "{}"));
    free_made(&m);
    await_received(1);
    struct made other = {.call = m.call};
    other.call.timeout_ms = SHORT_MS;
    assert_true(webhook_call(w.port, &other.call));
    await(&other);
    assert_int_equal(other.call.result, WEBHOOK_TIMEOUT);
    assert_int_equal(m.told, 0);
    cancel(&m);
    await(&m);
    free_made(&other);
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    struct receiver *gone = receiver_start();
    snprintf(w.url, sizeof w.url, "http://127.0.0.1:%d/", receiver_port(gone));
    receiver_stop(gone);
    struct made m;
    assert_true(make(&m, "{}"));
    await(&m);
    assert_int_equal(m.call.result, WEBHOOK_UNREACHABLE);
    assert_string_not_equal(m.call.why, "");
    free_made(&m);
    /* TLS with somebody who does not speak it */
    snprintf(w.url, sizeof w.url, "https://127.0.0.1:%d/", receiver_port(w.receiver));
    receiver_answers(w.receiver, "200 OK", "", SPAN("x"));
    m.told = 0;
    assert_true(make(&m, "{}"));
    m.call.timeout_ms = LONG_MS;
    cancel(&m); /* it reads our hello as a request that never ends */
    await(&m);
    assert_int_equal(m.call.result, WEBHOOK_CANCELLED);
    free_made(&m);
}

static void a_redirect_is_not_followed(void **state)
{
    (void)state;
    char to[128];
    struct receiver *other = receiver_start();
    snprintf(to, sizeof to, "Location: http://127.0.0.1:%d/\r\n", receiver_port(other));
    receiver_answers(w.receiver, "307 Temporary Redirect", to, SPAN("x"));
    expect(WEBHOOK_STATUS, 307, "x");
    assert_int_equal(receiver_connections(other), 0);
    receiver_stop(other);
}

static void an_answer_that_announces_too_much_is_not_read(void **state)
{
    (void)state;
    buf body = {0};
    for (unsigned i = 0; i < 2000000; i++) {
        buf_append_byte(&body, 'x');
    }
    receiver_answers(w.receiver, "200 OK", "", buf_span(&body));
    struct made m;
    assert_true(make(&m, "{}"));
    await(&m);
    assert_int_equal(m.call.result, WEBHOOK_TOO_LONG);
    assert_true(m.call.answer.cap <= 65536);
    free_made(&m);
    buf_deinit(&body);
}

/* The result, whatever it was, and nothing of the answer unless it was whole. */
static enum webhook_result result_of(span bytes)
{
    struct made m;
    receiver_says(w.receiver, bytes);
    assert_true(make(&m, "{}"));
    await(&m);
    enum webhook_result result = m.call.result;
    assert_true(result == WEBHOOK_OK || m.call.answer.len == 0);
    free_made(&m);
    return result;
}

static void what_is_no_http_is_no_answer(void **state)
{
    (void)state;
    assert_int_equal(result_of(SPAN("")), WEBHOOK_UNREACHABLE);
    assert_int_equal(result_of(SPAN("{\"ok\":true}\r\n\r\n")), WEBHOOK_UNREACHABLE);
    assert_int_equal(result_of(SPAN("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")),
                     WEBHOOK_UNREACHABLE);
    assert_int_equal(result_of(SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")),
                     WEBHOOK_UNREACHABLE);
    assert_int_equal(result_of(SPAN("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n")),
                     WEBHOOK_TOO_LONG);
    assert_int_equal(result_of(SPAN("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n1\r\n7\r\n0\r\n\r\n")),
                     WEBHOOK_OK);
    buf flood = {0};
    buf_append_str(&flood, "HTTP/1.1 200 OK\r\n");
    for (unsigned i = 0; i < 20000; i++) {
        buf_printf(&flood, "X-%u: 0123456789012345678901234567890123456789\r\n", i);
    }
    buf_append_str(&flood, "\r\n");
    assert_int_equal(result_of(buf_span(&flood)), WEBHOOK_UNREACHABLE);
    buf_deinit(&flood);
    answers(200, "OK", "1");
    expect(WEBHOOK_OK, 200, "1");
}

static void a_connection_that_was_closed_meanwhile_is_made_anew(void **state)
{
    (void)state;
    receiver_answers(w.receiver, "200 OK", "Connection: close\r\n", SPAN("1"));
    for (unsigned i = 0; i < 5; i++) {
        expect(WEBHOOK_OK, 200, "1");
    }
    assert_int_equal(receiver_requests(w.receiver), 5);
}

int main(void)
{
#define HTTP(f) {"http/" #f, f, open_http, close_world, NULL}
#define TWIN(f) {"twin/" #f, f, open_twin, close_world, NULL}
#define BOTH(f) HTTP(f), TWIN(f)
    const struct CMUnitTest tests[] = {
        BOTH(an_answer_comes_whole),
        BOTH(another_status_is_told_with_what_came),
        BOTH(a_longer_answer_is_not_kept),
        BOTH(a_slow_call_delays_no_other),
        BOTH(cancelling_ends_one_call),
        BOTH(cancelling_late_or_twice_does_no_harm),
        BOTH(closing_ends_all_and_takes_no_more),
        BOTH(pieces_come_as_they_are_sent),
        BOTH(no_piece_comes_after_cancel),
        BOTH(a_refusal_comes_whole),
        BOTH(pieces_that_flood_are_cut_off),
        BOTH(urls_are_checked),
        HTTP(what_is_sent_is_signed_and_named),
        HTTP(without_a_secret_nothing_is_signed),
        HTTP(a_connection_is_kept),
        HTTP(a_stalled_receiver_is_given_up),
        HTTP(nobody_there_is_unreachable),
        HTTP(a_redirect_is_not_followed),
        HTTP(an_answer_that_announces_too_much_is_not_read),
        HTTP(what_is_no_http_is_no_answer),
        HTTP(a_connection_that_was_closed_meanwhile_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
