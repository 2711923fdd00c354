/*
 * Every message comes back. With conformance = clients it is the server that engine.io-client's
 * own suite expects (its test/support/hooks.js): a greeting, answers to "give ...", a refusal and
 * cookies to test with.
 */
#include "edge/conformance/eio_echo.h"

#include "edge/engineio/engine.h"

static bool on_open(struct eio *s, const struct eio_hello *hello)
{
    struct edge *e = hello->call->edge;
    if (!e->conf->conformance_clients) {
        return true;
    }
    if (rest_query(hello->call, "deny").ptr != NULL) {
        return false;
    }
    eio_send(s, false, SPAN("hi"), SPAN_NONE, BLOB_ORDERED);
    return true;
}

static void on_message(struct eio *s, bool binary, span data)
{
    struct edge *e = eio_edge(s);
    stats_add(&e->stats.messages_in[STATS_CONFORMANCE][FRAME_ECHO], 1);
    stats_add(&e->stats.messages_out[STATS_CONFORMANCE][FRAME_ECHO], 1);
    if (e->conf->conformance_clients && span_eq(data, SPAN("give binary"))) {
        binary = true;
        data = SPAN("\x00\x01\x02\x03\x04");
    } else if (e->conf->conformance_clients && span_eq(data, SPAN("give utf8"))) {
        data = SPAN("пойду спать всем спокойной ночи");
    }
    eio_send(s, binary, SPAN_NONE, data, BLOB_ORDERED);
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
