/*
 * Events of chat on their way to dispatch. They have buckets of their own, of the connection and of
 * the principal, so that whoever types fast still gets a device's command through, and the other
 * way round.
 */
#include "base/base64.h"
#include "base/mem.h"
#include "codec/json/read.h"
#include "edge/socketio/chat_socket.h"
#include "edge/socketio/internal.h"
#include "edge/socketio/product.h"

#include <string.h>

#define PRINCIPAL_TIMES 4
#define PRINCIPALS_MAX 16384 /* kept at once; beyond, the one seen longest ago is forgotten */
#define MINUTE_MS 60000
#define WITH_BYTES SPAN("chat:file:upload")

/* One event on its way. Its id is the bytes of a struct sio_answer and of the requestId. */
struct chat_call {
    struct event_call in;
    struct sio_socket *socket;
    const struct sio_event *event;
    span request_id;
    bool protocol; /* what is wrong is the envelope */
};

static struct chat_call *call_of(const struct event_call *in)
{
    return CONTAINER_OF((struct event_call *)(uintptr_t)in, struct chat_call, in);
}

bool chat_is_name(span name) { return span_starts(name, SPAN("chat:")); }

/* --- rates --- */

struct chat_rates {
    struct limiter *of[PEER_COUNT][CHAT_RATES];
    struct limiter *guests;
};

void chat_rates_free(struct chat_rates *r)
{
    for (unsigned i = 0; r != NULL && i < PEER_COUNT * CHAT_RATES; i++) {
        limiter_free(r->of[i / CHAT_RATES][i % CHAT_RATES]);
    }
    if (r != NULL) {
        limiter_free(r->guests);
    }
    mem_free(r);
}

static enum chat_rate rate_of(const struct event_in_row *row)
{
    switch (row == NULL ? EVENT_LIMIT_CHAT : row->limit) {
    case EVENT_LIMIT_CHAT_MESSAGE:
        return CHAT_RATE_MESSAGE;
    case EVENT_LIMIT_CHAT_TYPING:
        return CHAT_RATE_TYPING;
    case EVENT_LIMIT_CHAT_STOP:
        return CHAT_RATE_STOP;
    case EVENT_LIMIT_CHAT_JOIN:
        return CHAT_RATE_JOIN;
    case EVENT_LIMIT_CHAT:
    case EVENT_LIMIT_CONNECTION:
    case EVENT_LIMIT_FREE:
    case EVENT_LIMIT_TELEMETRY:
        break;
    }
    return CHAT_RATE_OTHER;
}

/* A robot answers many rooms at once: what it says is bounded by the row of its peer alone. */
static struct bucket_rule rule_of(const struct event_call *in, enum chat_rate rate)
{
    const struct chat_wire_conf *conf = &in->edge->conf->chat;
    switch (rate) {
    case CHAT_RATE_MESSAGE:
        if (in->grant->kind == PRINCIPAL_GUEST) {
            return (struct bucket_rule){
                .count = conf->guest_per_s, .period_ms = 1000, .burst = conf->guest_burst};
        }
        if (in->kind == PEER_CLIENT) {
            return (struct bucket_rule){
                .count = conf->messages_per_s, .period_ms = 1000, .burst = conf->messages_burst};
        }
        break;
    case CHAT_RATE_TYPING:
    case CHAT_RATE_STOP:
        return (struct bucket_rule){.count = 1, .period_ms = conf->typing_every_ms, .burst = 1};
    case CHAT_RATE_JOIN:
        return (struct bucket_rule){.count = conf->joins_per_min,
                                    .period_ms = MINUTE_MS,
                                    .burst = conf->joins_per_min};
    case CHAT_RATE_OTHER:
    case CHAT_RATES:
        break;
    }
    return event_rule(in->kind);
}

static struct limiter *principals_of(const struct event_call *in, enum chat_rate rate)
{
    struct sio_loop *l = in->edge->sio;
    struct bucket_rule rule = rule_of(in, rate);
    if (l->chat == NULL) {
        l->chat = mem_calloc(1, sizeof *l->chat);
    }
    bool guest = rate == CHAT_RATE_MESSAGE && in->grant->kind == PRINCIPAL_GUEST;
    struct limiter **of = guest ? &l->chat->guests : &l->chat->of[in->kind][rate];
    if (*of == NULL) {
        rule.count *= PRINCIPAL_TIMES;
        rule.burst *= PRINCIPAL_TIMES;
        *of = limiter_new(&rule, PRINCIPALS_MAX);
    }
    return *of;
}

static bool within_rate(const struct event_call *in)
{
    struct chat_call *c = call_of(in);
    struct edge *e = in->edge;
    enum chat_rate rate = rate_of(in->row);
    struct bucket *b = &chat_socket_of(c->socket)->rates[rate];
    struct bucket_rule rule = rule_of(in, rate);
    int64_t now = loop_now_ms(e->loop);
    uint32_t retry_ms = 0;
    span who = span_of(&in->grant->principal, sizeof in->grant->principal);
    bool mine = bucket_take(b, &rule, now, &retry_ms);
    if (mine && limiter_take(principals_of(in, rate), who, now, &retry_ms)) {
        return true;
    }
    stats_name(&e->stats.rate_limited, mine ? "chat_principal" : "chat");
    if (bucket_refused(b, now) >= EVENT_FLOOD) {
        in->wire->flooding(in);
    } else {
        in->wire->refuse(in, &(struct event_refusal){.error = ERR_RATE_LIMIT_EXCEEDED,
                                                     .retry_after_ms = retry_ms});
    }
    return false;
}

/* --- answers --- */

static void on_ok(const struct event_call *in, span members)
{
    struct chat_call *c = call_of(in);
    struct sio_answer to = sio_answer_of(c->socket, c->event);
    chat_answer_ok(in->edge, &to, c->request_id, members);
}

static void on_refuse(const struct event_call *in, const struct event_refusal *r)
{
    struct chat_call *c = call_of(in);
    struct sio_answer to = sio_answer_of(c->socket, c->event);
    struct event_refusal with = *r;
    bool protocol = c->protocol && r->error == ERR_INVALID_MESSAGE_FORMAT;
    if (protocol) {
        with.details = SPAN(CHAT_SUPPORTED);
    }
    chat_answer_refusal(in->edge, &to, c->request_id, &with, protocol);
}

static void on_flooding(const struct event_call *in)
{
    sio_disconnect(call_of(in)->socket, CLOSE_FLOODING, true);
}

static const struct event_wire wire = {.stats = STATS_SOCKETIO,
                                       .name = "socketio",
                                       .name_member = "event",
                                       .ok = on_ok,
                                       .refuse = on_refuse,
                                       .flooding = on_flooding,
                                       .within_rate = within_rate};

/* --- events --- */

/* {"_placeholder":true,"num":N}, as Socket.IO has it. */
static bool attachment_of(const struct sio_event *ev, span value, span *out)
{
    span member;
    int64_t num;
    bool yes;
    if (!json_get(value, "_placeholder", &member) || !json_bool(member, &yes) || !yes ||
        !json_get(value, "num", &member) || !json_i64(member, &num) || num < 0 ||
        num >= (int64_t)ev->attachment_count) {
        return false;
    }
    *out = ev->attachments[num];
    return true;
}

bool chat_bytes(const struct event_call *in, span value, span *out)
{
    if (json_type(value) == JSON_OBJECT) {
        return attachment_of(call_of(in)->event, value, out);
    }
    if (json_type(value) != JSON_STRING) {
        return false;
    }
    span text = json_string_in(value, in->arena);
    uint8_t *bytes = arena_alloc(in->arena, text.len + 1);
    ptrdiff_t len = base64_decode(text, bytes);
    if (len < 0) {
        len = base64url_decode(text, bytes);
    }
    *out = span_of(bytes, len < 0 ? 0 : (size_t)len);
    return len >= 0;
}

static size_t attached_bytes(const struct sio_event *ev)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < ev->attachment_count; i++) {
        bytes += ev->attachments[i].len;
    }
    return bytes;
}

static span id_of(const struct sio_answer *answer, span request_id, uint8_t *out)
{
    memcpy(out, answer, sizeof *answer);
    if (request_id.len > 0) {
        memcpy(out + sizeof *answer, request_id.ptr, request_id.len);
    }
    return span_of(out, sizeof *answer + request_id.len);
}

void chat_event(struct sio_socket *s, const struct sio_event *ev)
{
    struct arena arena = {0};
    uint8_t id[sizeof(struct sio_answer) + CHAT_REQUEST_ID_BYTES_MAX];
    struct sio_answer answer = sio_answer_of(s, ev);
    struct chat_envelope envelope =
        chat_envelope_read(product_payload(ev->args), ev->name, &arena);
    struct chat_call c = {.socket = s,
                          .event = ev,
                          .request_id = envelope.request_id,
                          .protocol = envelope.bad != NULL};
    if (envelope.bad == NULL && ev->attachment_count > 0 && !span_eq(ev->name, WITH_BYTES)) {
        envelope.bad = "takes no binary values";
    }
    c.in = (struct event_call){.wire = &wire,
                               .edge = sio_edge(s),
                               .arena = &arena,
                               .peer = s,
                               .kind = product_peer(s),
                               .grant = s->session.grant,
                               .device = s->session.grant->principal,
                               .slot = conn_slot(sio_engine(s)->conn),
                               .name = ev->name,
                               .data = envelope.data,
                               .unchecked = true,
                               .id = id_of(&answer, envelope.request_id, id),
                               .wants_ack = ev->wants_ack,
                               .bytes = ev->args.len,
                               .attached = attached_bytes(ev),
                               .bad = envelope.bad,
                               .bad_member = envelope.member};
    event_dispatch(&c.in); /* which may free s */
    arena_reset(&arena);
}
