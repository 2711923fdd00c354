/*
 * For tests: a server of HTTP whose paths say what it does: /later answers when the test does,
 * /watch too, and hears at once when the peer ends, /close closes, /big/N has a body of N bytes,
 * others echo body or path. Needs cmocka before it.
 */
#ifndef SB_NET_TEST_HTTP_H
#define SB_NET_TEST_HTTP_H

#include "net/http.h"
#include "net/test_server.h"

static struct {
    struct conn_ref ref;
    unsigned requests;
    unsigned refused;
    unsigned abandoned;
    bool watched;
    int refused_status;
} seen;

static void on_request(struct http_exchange *x)
{
    seen.requests++;
    if (span_eq(x->path, SPAN("/later"))) {
        seen.ref = conn_ref_of(x->conn);
    } else if (span_eq(x->path, SPAN("/watch"))) {
        seen.ref = conn_ref_of(x->conn);
        seen.watched = true;
        http_watch(x);
    } else if (span_eq(x->path, SPAN("/close"))) {
        conn_close(x->conn, CLOSE_KICKED);
    } else if (span_eq(x->path, SPAN("/close-pending"))) {
        conn_close(x->conn, CLOSE_DRAIN);
    } else if (span_starts(x->path, SPAN("/big/"))) {
        size_t len;
        assert_true(span_u64(span_slice(x->path, 5, x->path.len), SIZE_MAX, &len));
        uint8_t *bytes = arena_alloc(&x->arena, len);
        memset(bytes, 'b', len);
        http_respond(x, 200, "text/plain", span_of(bytes, len));
    } else if (span_eq(x->path, SPAN("/empty"))) {
        http_respond(x, 204, NULL, SPAN_NONE);
    } else if (span_eq(x->path, SPAN("/last"))) {
        http_close_after(x);
        http_header(x, "X-Tail", SPAN("yes"));
        http_respond(x, 200, "text/plain", SPAN("bye"));
    } else {
        http_respond(x, 200, "text/plain", x->body.len > 0 ? x->body : x->path);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    seen.refused++;
    seen.refused_status = status;
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static void on_abandoned(struct http_exchange *x) { seen.abandoned++; }

static const struct http_handler handler = {
    .on_request = on_request, .on_refused = on_refused, .on_abandoned = on_abandoned};

static struct server s;

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    server_start(&s, &handler, &test_limits);
    return 0;
}

static int teardown(void **state)
{
    server_stop(&s);
    return 0;
}

static bool answer_is(struct peer *p, const char *text)
{
    struct answer a;
    span body;
    if (!answer_next(p, &a, &body)) {
        return false;
    }
    assert_int_equal(a.status, 200);
    assert_true(span_eq(body, span_str(text)));
    answer_drop(p, body);
    return true;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
