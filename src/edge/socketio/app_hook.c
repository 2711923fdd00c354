#include "edge/socketio/app_hook.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "codec/json/read.h"
#include "domain/receiver.h"
#include "edge/socketio/app_answer.h"
#include "edge/socketio/emit.h"
#include "tables/permissions.h"

/* One call on its way; it may outlive its socket, whose answer then goes nowhere. */
struct hook {
    struct receiver_call call;
    struct edge *edge;
    struct sio_answer answer;
    uint64_t begun_ns;
};

/* --- what is sent --- */

static void put_args(struct json_writer *w, span args)
{
    struct json_iter it;
    span value;
    json_member_open(w, "args", '[');
    if (json_array_begin(&it, args) && json_array_next(&it, &value)) { /* the name */
        while (json_array_next(&it, &value)) {
            json_write_raw(w, value);
        }
    }
    json_close(w, ']');
}

static void put_attachments(struct json_writer *w, const struct sio_event *ev)
{
    json_member_open(w, "attachments", '[');
    for (unsigned i = 0; i < ev->attachment_count; i++) {
        size_t len = BASE64_SIZE(ev->attachments[i].len);
        buf_append_str(w->out, i == 0 ? "\"" : ",\"");
        w->out->len += base64_encode(ev->attachments[i], (char *)buf_reserve(w->out, len));
        buf_append_byte(w->out, '"');
    }
    json_close(w, ']');
}

static void put_sender(struct json_writer *w, const struct sio_socket *s)
{
    const struct grant *g = s->session.grant;
    char id[UUID_TEXT_LEN + 1];
    json_member_string(w, "namespace", sio_nsp(s));
    json_member_string(w, "sid", sio_sid(s));
    if (g == NULL) {
        return;
    }
    uuid_format(g->principal, id);
    json_member_string(w, "principal", span_of(id, UUID_TEXT_LEN));
    json_member_string(w, "kind", span_str(principal_kind_name(g->kind)));
    json_member_open(w, "roles", '[');
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if (g->global_roles & 1u << r) {
            json_write_string(w, span_str(role_name((enum role)r)));
        }
    }
    json_close(w, ']');
}

static void put_rooms(struct json_writer *w, const struct sio_socket *s)
{
    unsigned count = emit_rooms(s, NULL, 0);
    span *rooms = mem_alloc((count + 1) * sizeof *rooms);
    (void)emit_rooms(s, rooms, count);
    json_member_open(w, "rooms", '[');
    for (unsigned i = 0; i < count; i++) {
        json_write_string(w, rooms[i]);
    }
    json_close(w, ']');
    mem_free(rooms);
}

void app_hook_body(buf *out, const struct sio_socket *s, const struct sio_event *ev, uuid id,
                   int64_t now_ms)
{
    char text[UUID_TEXT_LEN + 1];
    char time[TIME_MS_LEN + 1];
    struct json_writer w = json_writer_of(out);
    uuid_format(id, text);
    time_format_ms(now_ms, time);
    json_open(&w, '{');
    json_member_string(&w, "id", span_of(text, UUID_TEXT_LEN));
    json_member_string(&w, "event", ev->name);
    put_args(&w, ev->args);
    put_attachments(&w, ev);
    put_sender(&w, s);
    put_rooms(&w, s);
    json_member_bool(&w, "ack", ev->wants_ack);
    json_member_string(&w, "timestamp", span_of(time, TIME_MS_LEN));
    json_close(&w, '}');
}

/* --- what comes back --- */

/* details.reason of a SERVER_ERROR; the log says more, and only to the operator. */
static const char *reason_of(enum receiver_result r)
{
    switch (r) {
    case RECEIVER_TIMEOUT:
        return "the application did not answer in time";
    case RECEIVER_REFUSED:
        return "the application refused";
    case RECEIVER_BREAKER:
        return "the application failed too often and is spared for a while";
    case RECEIVER_BUSY:
        return "too many events wait for the application";
    case RECEIVER_NONE:
    case RECEIVER_UNREACHABLE:
        return "the application cannot be reached";
    case RECEIVER_CLOSED:
        return "the server ends";
    case RECEIVER_ANSWERED:
    case RECEIVER_FAILED:
    case RECEIVER_TOO_LONG:
    case RECEIVER_RESULT_COUNT:
        break;
    }
    return "the application failed";
}

static void on_done(struct receiver_call *c)
{
    struct hook *h = CONTAINER_OF(c, struct hook, call);
    struct edge *e = h->edge;
    buf args = {0};
    const char *label = receiver_result_name(c->result);
    bool ok = c->result == RECEIVER_ANSWERED;
    if (ok && !app_answer_args(buf_span(&c->answer), &args)) {
        ok = false;
        label = "bad_answer";
        LOG(loop_log(e->loop), LOG_WARN, "webhook.failed", LOG_STR("receiver", "app"),
            LOG_STR("result", label), LOG_STR("why", "the answer is no JSON of depth 16"));
    }
    stats_name(&e->stats.webhook_calls, label);
    stats_time(&e->stats.webhook_times, (loop_clock_ns(e->loop) - h->begun_ns) / 1000);
    if (ok) {
        sio_answer(e, &h->answer, buf_span(&args), NULL, 0);
    } else {
        sio_answer_error(e, &h->answer, ERR_SERVER_ERROR, NULL, reason_of(c->result),
                         c->retry_ms);
    }
    buf_deinit(&args);
    buf_deinit(&c->answer);
    buf_deinit(&c->body);
    mem_free(h);
}

void app_hook_event(struct sio_socket *s, const struct sio_event *ev)
{
    struct edge *e = sio_edge(s);
    struct hook *h = mem_calloc(1, sizeof *h);
    h->edge = e;
    h->answer = sio_answer_of(s, ev);
    h->begun_ns = loop_clock_ns(e->loop);
    h->call.loop = loop_index(e->loop);
    h->call.id = home_new_id(e->home);
    h->call.done = on_done;
    app_hook_body(&h->call.body, s, ev, h->call.id, loop_wall_ms(e->loop));
    receiver_call(e->home->app_receiver, e->home, &h->call);
}
