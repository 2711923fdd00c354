/*
 * Every message comes back. With conformance = clients it is the server that engine.io-client's
 * own suite starts (test/support/hooks.js there): it greets, answers to "give ...", refuses `deny`
 * and sets cookies of each kind.
 */
#include "edge/conformance/eio_echo.h"

#include "codec/json/write.h"
#include "edge/engineio/engine.h"

static void set_cookies(struct rest_call *c)
{
    rest_header(c, "Set-Cookie", SPAN("1=1; Max-Age=86400"));
    rest_header(c, "Set-Cookie", SPAN("2=2; Path=/; HttpOnly; Secure; SameSite=Strict"));
    rest_header(c, "Set-Cookie", SPAN("3=3; Max-Age=0"));
    rest_header(c, "Set-Cookie", SPAN("4=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
}

static bool on_open(struct eio *s, const struct eio_hello *hello)
{
    if (!hello->call->edge->conf->conformance_clients) {
        return true;
    }
    if (rest_query(hello->call, "deny").ptr != NULL) {
        return false;
    }
    set_cookies(hello->call);
    eio_send(s, false, SPAN("hi"), SPAN_NONE, BLOB_ORDERED);
    return true;
}

/* The request that carried the message, as far as the suite looks at it. */
static void send_headers(struct eio *s)
{
    const struct rest_call *post = eio_post_of(s);
    span cookie = post == NULL ? SPAN_NONE : http1_field(post->x->req, "Cookie");
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '{');
    if (cookie.ptr != NULL) {
        json_member_string(&w, "cookie", cookie);
    }
    json_close(&w, '}');
    eio_send(s, false, SPAN_NONE, buf_span(&out), BLOB_ORDERED);
    buf_deinit(&out);
}

/* False when it is a message like any other. */
static bool answer_suite(struct eio *s, span data)
{
    if (span_eq(data, SPAN("give binary"))) {
        eio_send(s, true, SPAN_NONE, SPAN("\x00\x01\x02\x03\x04"), BLOB_ORDERED);
    } else if (span_eq(data, SPAN("give utf8"))) {
        eio_send(s, false, SPAN_NONE, SPAN("пойду спать всем спокойной ночи"), BLOB_ORDERED);
    } else if (span_eq(data, SPAN("sendHeaders"))) {
        send_headers(s);
    } else {
        return false;
    }
    return true;
}

static void on_message(struct eio *s, bool binary, span data)
{
    struct edge *e = eio_edge(s);
    stats_add(&e->stats.messages_in[STATS_CONFORMANCE][FRAME_ECHO], 1);
    stats_add(&e->stats.messages_out[STATS_CONFORMANCE][FRAME_ECHO], 1);
    if (!e->conf->conformance_clients || binary || !answer_suite(s, data)) {
        eio_send(s, binary, SPAN_NONE, data, BLOB_ORDERED);
    }
}

static void on_writable(struct eio *s) { (void)s; }

static void on_close(struct eio *s, close_reason reason)
{
    (void)s;
    (void)reason;
}

static const struct eio_app echo = {
    .path = "/engine.io/",
    .name = "conformance_engineio",
    .stats = STATS_CONFORMANCE,
    .session_bytes = sizeof(struct eio),
    .wires = {WIRE_TEXT, WIRE_TEXT, WIRE_TEXT}, /* it has no topics */
    .on_open = on_open,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_close = on_close,
};

void eio_echo_init(struct edge *e) { eio_register(e, &echo); }
