#include "edge/conformance/sio_fixture.h"

#include "base/timefmt.h"
#include "codec/http1/target.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "edge/conformance/sio_bench.h"
#include "edge/socketio/socketio.h"

/* How long the fixture waits for the ack of its own event. */
#define ACK_MS 10000

static void send_text(struct sio_socket *s, const char *args)
{
    sio_emit(s, span_str(args), NULL, 0, BLOB_ORDERED);
}

/* --- the protocol's suite --- */

static void auth_connected(struct sio_socket *s, span auth)
{
    buf out = {0};
    buf_append_str(&out, "[\"auth\",");
    buf_append_span(&out, auth.len > 0 ? auth : SPAN("{}"));
    buf_append_byte(&out, ']');
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

/* What stands behind the name: ",...]" or "]". */
static span after_name(const struct sio_event *ev)
{
    struct json_iter it;
    span name = SPAN_NONE;
    (void)json_array_begin(&it, ev->args);
    (void)json_array_next(&it, &name);
    size_t at = (size_t)(name.ptr + name.len - ev->args.ptr);
    span rest = span_slice(ev->args, at, ev->args.len);
    while (rest.len > 1 && rest.ptr[0] != ',' && rest.ptr[0] != ']') {
        rest = span_slice(rest, 1, rest.len); /* white space */
    }
    return rest;
}

static void send_back(struct sio_socket *s, const struct sio_event *ev)
{
    buf out = {0};
    buf_append_str(&out, "[\"message-back\"");
    buf_append_span(&out, after_name(ev));
    sio_emit(s, buf_span(&out), ev->attachments, ev->attachment_count, BLOB_ORDERED);
    buf_deinit(&out);
}

static void acknowledge(struct sio_socket *s, const struct sio_event *ev)
{
    struct sio_answer to = sio_answer_of(s, ev);
    span rest = after_name(ev);
    buf out = {0};
    buf_append_byte(&out, '[');
    buf_append_span(&out, rest.len > 1 ? span_slice(rest, 1, rest.len) : rest);
    sio_answer(sio_edge(s), &to, buf_span(&out), ev->attachments, ev->attachment_count);
    buf_deinit(&out);
}

static void client_event(struct sio_socket *s, const struct sio_event *ev);

/* The suite's two, the load tests' (sio_bench.h), and those of the other suite. */
static void auth_event(struct sio_socket *s, const struct sio_event *ev)
{
    if (span_eq(ev->name, SPAN("message"))) {
        send_back(s, ev);
    } else if (span_eq(ev->name, SPAN("message-with-ack"))) {
        acknowledge(s, ev);
    } else if (!sio_bench_event(s, ev)) {
        client_event(s, ev);
    }
}

static const struct sio_nsp_ops auth_ops = {
    .msgpack = true, .rooms = true, .on_connect = auth_connected, .on_event = auth_event};

/* --- the client package's suite (its test/support/server.ts) --- */

static void put_handshake(const struct sio_socket *s, span auth, buf *out)
{
    struct json_writer w = json_writer_of(out);
    span rest = sio_handshake_query(s), key, value;
    json_open(&w, '{');
    json_member_open(&w, "query", '{');
    while (http1_query_next(&rest, &key, &value)) {
        buf name = {0}, text = {0};
        if (http1_percent_decode(key, true, &name) && http1_percent_decode(value, true, &text)) {
            json_key_span(&w, buf_span(&name));
            json_write_string(&w, buf_span(&text));
        }
        buf_deinit(&name);
        buf_deinit(&text);
    }
    json_close(&w, '}');
    json_member_raw(&w, "auth", auth.len > 0 ? auth : SPAN("{}"));
    json_close(&w, '}');
}

static void nothing_connected(struct sio_socket *s, span auth)
{
    (void)s;
    (void)auth;
}

static void handshake_connected(struct sio_socket *s, span auth)
{
    buf out = {0};
    buf_append_str(&out, "[\"handshake\",");
    put_handshake(s, auth, &out);
    buf_append_byte(&out, ']');
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

static void got_it(void *owner, err error, span args, const span *attachments, unsigned count)
{
    const struct sio_answer *to = owner;
    struct json_iter it;
    span first = SPAN_NONE, second = SPAN_NONE, test;
    int64_t five = 0;
    (void)attachments;
    (void)count;
    (void)to;
    if (error != ERR_NONE || !json_array_begin(&it, args)) {
        return;
    }
    (void)json_array_next(&it, &first);
    (void)json_array_next(&it, &second);
    if (json_i64(first, &five) && five == 5 && json_get(second, "test", &test)) {
        send_text(owner, "[\"got it\"]"); /* acks end before their socket does */
    }
}

/* [..."date"...] with the time of now in place of the %s. */
static void put_now(const struct sio_socket *s, buf *out)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(loop_wall_ms(sio_edge(s)->loop), text);
    buf_append_byte(out, '"');
    buf_append(out, text, TIME_MS_LEN);
    buf_append_byte(out, '"');
}

static void send_now(struct sio_socket *s, const char *before, const char *after)
{
    buf out = {0};
    buf_append_str(&out, before);
    put_now(s, &out);
    buf_append_str(&out, after);
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

static void send_bytes(struct sio_socket *s, const char *args)
{
    span bytes = SPAN("asdfasdf");
    sio_emit(s, span_str(args), &bytes, 1, BLOB_ORDERED);
}

static void send_texts(struct sio_socket *s)
{
    static const char *const texts[] = {"てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string",
                                        "utf8 — string"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        buf out = {0};
        buf_append_str(&out, "[\"takeUtf8\",\"");
        buf_append_str(&out, texts[i]);
        buf_append_str(&out, "\"]");
        sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
        buf_deinit(&out);
    }
}

/* Events that are answered by another one, whatever they carry; those of binary values only with
 * one. */
static const struct {
    const char *name;
    const char *answer;
    bool binary;
} answers[] = {
    {"hi", "[\"hi\"]", false},
    {"false", "[\"false\",false]", false},
    {"buffa", "[\"buffack\"]", true},
    {"jsonbuff", "[\"jsonbuff-ack\"]", true},
    {"abuff2", "[\"abuff2-ack\"]", false},
    {"blob", "[\"back\"]", true},
    {"jsonblob", "[\"jsonblob-ack\"]", true},
    {"blob3", "[\"blob3-ack\"]", true},
};

static bool answered(struct sio_socket *s, const struct sio_event *ev)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        if (span_eq(ev->name, span_str(answers[i].name))) {
            if (!answers[i].binary || ev->attachment_count > 0) {
                send_text(s, answers[i].answer);
            }
            return true;
        }
    }
    return false;
}

static void answer_with(struct sio_socket *s, const struct sio_event *ev, const buf *value)
{
    struct sio_answer to = sio_answer_of(s, ev);
    buf out = {0};
    buf_append_byte(&out, '[');
    buf_append_span(&out, buf_span(value));
    buf_append_byte(&out, ']');
    sio_answer(sio_edge(s), &to, buf_span(&out), NULL, 0);
    buf_deinit(&out);
}

static void client_event(struct sio_socket *s, const struct sio_event *ev)
{
    buf value = {0};
    if (answered(s, ev)) {
        return;
    }
    if (span_eq(ev->name, SPAN("echo"))) {
        acknowledge(s, ev);
    } else if (span_eq(ev->name, SPAN("ack"))) {
        bool asked = sio_emit_ack(s, SPAN("[\"ack\"]"), NULL, 0, ACK_MS, got_it, s);
        (void)asked;
    } else if (span_eq(ev->name, SPAN("getAckDate"))) {
        put_now(s, &value);
        answer_with(s, ev, &value);
    } else if (span_eq(ev->name, SPAN("getDate"))) {
        send_now(s, "[\"takeDate\",", "]");
    } else if (span_eq(ev->name, SPAN("getDateObj"))) {
        send_now(s, "[\"takeDateObj\",{\"date\":", "}]");
    } else if (span_eq(ev->name, SPAN("getUtf8"))) {
        send_texts(s);
    } else if (span_eq(ev->name, SPAN("doge"))) {
        send_bytes(s, "[\"doge\",{\"_placeholder\":true,\"num\":0}]");
    } else if (span_eq(ev->name, SPAN("getbin"))) {
        send_bytes(s, "[\"takebin\",{\"_placeholder\":true,\"num\":0}]");
    } else if (span_eq(ev->name, SPAN("getHandshake"))) {
        put_handshake(s, SPAN_NONE, &value);
        answer_with(s, ev, &value);
    } else if (span_eq(ev->name, SPAN("getId"))) {
        json_put_string(&value, sio_sid(s));
        answer_with(s, ev, &value);
    }
    buf_deinit(&value);
}

static const char *fail_admit(struct sio_socket *s, span auth)
{
    (void)auth;
    return http1_query_count(sio_handshake_query(s), SPAN("fail")) > 0
               ? "Auth failed (main namespace)"
               : NULL;
}

static const char *no_admit(struct sio_socket *s, span auth)
{
    (void)s;
    (void)auth;
    return "Auth failed (custom namespace)";
}

static const struct sio_nsp_ops main_ops = {.recovers = true,
                                            .msgpack = true,
                                            .admit = fail_admit,
                                            .on_connect = nothing_connected,
                                            .on_event = client_event};
static const struct sio_nsp_ops plain_ops = {
    .recovers = true, .on_connect = nothing_connected, .on_event = client_event};
static const struct sio_nsp_ops handshake_ops = {
    .recovers = true, .on_connect = handshake_connected, .on_event = client_event};
static const struct sio_nsp_ops no_ops = {
    .admit = no_admit, .on_connect = nothing_connected, .on_event = client_event};

void sio_fixture_init(struct edge *e)
{
    if (!e->conf->conformance_clients) {
        sio_nsp_register(e, "/", &auth_ops);
        sio_nsp_register(e, "/custom", &auth_ops);
        return;
    }
    sio_nsp_register(e, "/", &main_ops);
    sio_nsp_register(e, "/foo", &plain_ops);
    sio_nsp_register(e, "/timeout_socket", &plain_ops);
    sio_nsp_register(e, "/valid", &plain_ops);
    sio_nsp_register(e, "/asd", &plain_ops);
    sio_nsp_register(e, "/abc", &handshake_ops);
    sio_nsp_register(e, "/no", &no_ops);
}
