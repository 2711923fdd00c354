/* The webhook port over HTTP: what is sent, how connections are kept, and whatever a receiver may
 * answer with. */
#include "webhook_fixture.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/webhook_http/sign.h"

#include <stdio.h>
#include <string.h>

#define SHORT_MS 60

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
    world_answers(200, "OK", "1");
    call_expect(WEBHOOK_OK, 200, "1");
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
    assert_true(call_make(&m, "{}"));
    call_await(&m);
    call_free(&m);
    field("x-signalbox-signature", sent, sizeof sent);
    assert_string_not_equal(sent, "");
    m = (struct made){.call = {.url = w.url, .body = SPAN("{}"), .timeout_ms = LONG_MS,
                               .answer_bytes_max = ANSWER_MAX, .done = on_call_done}};
    assert_true(webhook_call(w.port, &m.call));
    call_await(&m);
    call_free(&m);
    field("x-signalbox-signature", sent, sizeof sent);
    assert_string_equal(sent, "");
}

static void a_connection_is_kept(void **state)
{
    (void)state;
    world_answers(200, "OK", "1");
    for (unsigned i = 0; i < 20; i++) {
        call_expect(WEBHOOK_OK, 200, "1");
    }
    assert_int_equal(receiver_requests(w.receiver), 20);
    assert_int_equal(receiver_connections(w.receiver), 1);
}

static void a_stalled_receiver_is_given_up(void **state)
{
    (void)state;
    struct made m;
    world_hold(true);
    assert_true(call_make(&m, "{}"));
    call_free(&m);
    world_await(1);
    struct made other = {.call = m.call};
    other.call.timeout_ms = SHORT_MS;
    assert_true(webhook_call(w.port, &other.call));
    call_await(&other);
    assert_int_equal(other.call.result, WEBHOOK_TIMEOUT);
    assert_int_equal(m.told, 0);
    call_cancel(&m);
    call_await(&m);
    call_free(&other);
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    struct receiver *gone = receiver_start();
    snprintf(w.url, sizeof w.url, "http://127.0.0.1:%d/", receiver_port(gone));
    receiver_stop(gone);
    struct made m;
    assert_true(call_make(&m, "{}"));
    call_await(&m);
    assert_int_equal(m.call.result, WEBHOOK_UNREACHABLE);
    assert_string_not_equal(m.call.why, "");
    call_free(&m);
    /* TLS with somebody who does not speak it */
    snprintf(w.url, sizeof w.url, "https://127.0.0.1:%d/", receiver_port(w.receiver));
    receiver_answers(w.receiver, "200 OK", "", SPAN("x"));
    m.told = 0;
    assert_true(call_make(&m, "{}"));
    m.call.timeout_ms = LONG_MS;
    call_cancel(&m); /* it reads our hello as a request that never ends */
    call_await(&m);
    assert_int_equal(m.call.result, WEBHOOK_CANCELLED);
    call_free(&m);
}

static void a_redirect_is_not_followed(void **state)
{
    (void)state;
    char to[128];
    struct receiver *other = receiver_start();
    snprintf(to, sizeof to, "Location: http://127.0.0.1:%d/\r\n", receiver_port(other));
    receiver_answers(w.receiver, "307 Temporary Redirect", to, SPAN("x"));
    call_expect(WEBHOOK_STATUS, 307, "x");
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
    assert_true(call_make(&m, "{}"));
    call_await(&m);
    assert_int_equal(m.call.result, WEBHOOK_TOO_LONG);
    assert_true(m.call.answer.cap <= 65536);
    call_free(&m);
    buf_deinit(&body);
}

/* The result, whatever it was, and nothing of the answer unless it was whole. */
static enum webhook_result result_of(span bytes)
{
    struct made m;
    receiver_says(w.receiver, bytes);
    assert_true(call_make(&m, "{}"));
    call_await(&m);
    enum webhook_result result = m.call.result;
    assert_true(result == WEBHOOK_OK || m.call.answer.len == 0);
    call_free(&m);
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
    world_answers(200, "OK", "1");
    call_expect(WEBHOOK_OK, 200, "1");
}

static void a_connection_that_was_closed_meanwhile_is_made_anew(void **state)
{
    (void)state;
    receiver_answers(w.receiver, "200 OK", "Connection: close\r\n", SPAN("1"));
    for (unsigned i = 0; i < 5; i++) {
        call_expect(WEBHOOK_OK, 200, "1");
    }
    assert_int_equal(receiver_requests(w.receiver), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_HTTP(what_is_sent_is_signed_and_named),
        ON_HTTP(without_a_secret_nothing_is_signed),
        ON_HTTP(a_connection_is_kept),
        ON_HTTP(a_stalled_receiver_is_given_up),
        ON_HTTP(nobody_there_is_unreachable),
        ON_HTTP(a_redirect_is_not_followed),
        ON_HTTP(an_answer_that_announces_too_much_is_not_read),
        ON_HTTP(what_is_no_http_is_no_answer),
        ON_HTTP(a_connection_that_was_closed_meanwhile_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
