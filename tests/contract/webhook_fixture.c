#include "webhook_fixture.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/common/curl/url.h"
#include "adapters/post_queue/post_queue.h"
#include "adapters/webhook_http/webhook_http.h"
#include "adapters/webhook_twin/webhook_twin.h"

#include <stdio.h>

#define PATIENCE_MS 60000 /* without any mail: the test has failed */

struct webhook_world w;

/* --- the two worlds --- */

int world_open_http(void **state)
{
    (void)state;
    const char *why;
    w = (struct webhook_world){.post = post_queue_new(4), .receiver = receiver_start()};
    snprintf(w.url, sizeof w.url, "http://127.0.0.1:%d" RECEIVER_PATH, receiver_port(w.receiver));
    assert_true(curl_url_check(w.url, false, &why));
    struct webhook_http_conf conf = {.post = w.post, .clock = clock_system()};
    w.port = webhook_http_open(&conf);
    return 0;
}

int world_open_twin(void **state)
{
    (void)state;
    w = (struct webhook_world){.post = post_queue_new(4), .url = "http://twin"};
    w.port = webhook_twin_new(w.post);
    return 0;
}

void world_close_port(void)
{
    if (w.receiver != NULL) {
        webhook_http_close(w.port);
    } else {
        webhook_twin_close(w.port);
    }
}

int world_close(void **state)
{
    (void)state;
    world_close_port();
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

void world_answers(int status, const char *text, const char *body)
{
    char line[64];
    if (w.receiver == NULL) {
        webhook_twin_answers(w.port, status, body, WEBHOOK_OK);
        return;
    }
    snprintf(line, sizeof line, "%d %s", status, text);
    receiver_answers(w.receiver, line, "", span_str(body));
}

void world_hold(bool on)
{
    if (w.receiver != NULL) {
        receiver_hold(w.receiver, on);
    } else {
        webhook_twin_hold(w.port, on);
    }
}

void world_await(unsigned count)
{
    if (w.receiver != NULL) {
        receiver_await(w.receiver, count);
    } else {
        assert_int_equal(webhook_twin_count(w.port), count);
    }
}

/* --- calls --- */

static bool inside; /* of a call of the port */

void on_call_done(struct webhook_call *c)
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

bool call_make(struct made *m, const char *body)
{
    *m = (struct made){.call = {.loop = 2,
                                .url = w.url,
                                .ca = "",
                                .secret = SECRET,
                                .body = span_str(body),
                                .id = uuid_v7(1, (const uint8_t *)"0123456789"),
                                .timeout_ms = LONG_MS,
                                .answer_bytes_max = ANSWER_MAX,
                                .done = on_call_done}};
    inside = true;
    bool taken = webhook_call(w.port, &m->call);
    inside = false;
    return taken;
}

void call_await(struct made *m)
{
    while (m->told == 0) {
        if (!post_queue_run(w.post, PATIENCE_MS)) {
            fail_msg("never told");
        }
    }
    assert_int_equal(m->told, 1);
}

void call_make_parted(struct made *m)
{
    *m = (struct made){.call = {.loop = 2,
                                .url = w.url,
                                .ca = "",
                                .body = SPAN("{}"),
                                .timeout_ms = LONG_MS,
                                .answer_bytes_max = ANSWER_MAX,
                                .accept = "text/plain",
                                .on_part = on_part,
                                .done = on_call_done}};
    inside = true;
    assert_true(webhook_call(w.port, &m->call));
    inside = false;
}

void call_await_parts(struct made *m, unsigned count)
{
    while (m->count < count) {
        if (m->told > 0 || !post_queue_run(w.post, PATIENCE_MS)) {
            fail_msg("no part");
        }
    }
}

void call_free(struct made *m)
{
    buf_deinit(&m->call.answer);
    buf_deinit(&m->parts);
}

void call_cancel(struct made *m)
{
    inside = true;
    webhook_cancel(w.port, &m->call);
    inside = false;
}

void call_expect(enum webhook_result result, int status, const char *answer)
{
    struct made m;
    assert_true(call_make(&m, "{\"event\":\"a\"}"));
    call_await(&m);
    if (m.call.result != result) {
        fail_msg("result %d, status %d, %s", m.call.result, m.call.status, m.call.why);
    }
    assert_int_equal(m.call.status, status);
    assert_true(span_eq(buf_span(&m.call.answer), span_str(answer)));
    assert_non_null(m.call.why);
    call_free(&m);
}
