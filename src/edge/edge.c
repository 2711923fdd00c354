#include "edge/edge.h"

#include "base/mem.h"
#include "codec/http1/compress.h"
#include "domain/fleet.h"
#include "domain/hostmetrics.h"
#include "edge/clients.h"
#include "edge/conformance/conformance.h"
#include "edge/conformance/eio_echo.h"
#include "edge/conformance/sio_fixture.h"
#include "edge/engineio/engine.h"
#include "edge/home/broadcast.h"
#include "edge/home/home.h"
#include "edge/home/news.h"
#include "edge/monitor/wrap.h"
#include "edge/rest/commands.h"
#include "edge/rest/house_actions.h"
#include "edge/rest/idempotency.h"
#include "edge/socketio/app.h"
#include "edge/socketio/chat.h"
#include "edge/socketio/emit.h"
#include "edge/socketio/issuer.h"
#include "edge/socketio/product.h"
#include "edge/socketio/socketio.h"
#include "edge/socketio/wrap.h"
#include "edge/spec/spec.h"
#include "edge/sse/frame.h"
#include "edge/sse/sse.h"
#include "hub/ratelimit.h"

typedef void (*wrap_fn)(const struct edge *e, const struct blob *b, buf *out);

static void wrap_text(const struct edge *e, const struct blob *b, buf *out)
{
    ws_frame_append(out, WS_OP_TEXT, blob_payload(b));
}

static const wrap_fn wraps[WIRE_COUNT] = {
    [WIRE_TEXT] = wrap_text,
    [WIRE_MONITOR] = monitor_wrap,
    [WIRE_HOME] = home_wrap,
    [WIRE_SSE] = sse_wrap,
    [WIRE_SIO] = sio_wrap,
    [WIRE_SIO_POLL] = sio_wrap_poll,
    [WIRE_SIO3] = sio_wrap_v3,
    [WIRE_SIO_MSGPACK] = sio_wrap_msgpack,
    [WIRE_SIO_MSGPACK_POLL] = sio_wrap_msgpack_poll,
};

static const enum stats_wire stats_wires[WIRE_COUNT] = {
    [WIRE_TEXT] = STATS_CONFORMANCE,
    [WIRE_MONITOR] = STATS_MONITOR,
    [WIRE_HOME] = STATS_HOME,
    [WIRE_SSE] = STATS_SSE,
    [WIRE_SIO] = STATS_SOCKETIO,
    [WIRE_SIO_POLL] = STATS_SOCKETIO,
    [WIRE_SIO3] = STATS_SOCKETIO,
    [WIRE_SIO_MSGPACK] = STATS_SOCKETIO,
    [WIRE_SIO_MSGPACK_POLL] = STATS_SOCKETIO,
};

_Static_assert(WIRE_COUNT * WS_DEFLATE_KINDS <= HUB_WIRES_MAX, "a hub wire a format and kind");

static unsigned hub_wire(enum edge_wire wire, enum ws_deflate_kind kind)
{
    return wire * WS_DEFLATE_KINDS + kind;
}

void edge_wrap(const struct edge *e, unsigned wire, const struct blob *b, buf *out)
{
    wraps[wire](e, b, out);
}

struct edge *edge_of(const struct conn *c) { return net_user(conn_net(c)); }

static struct edge *of_sink(struct hub_sink *s) { return CONTAINER_OF(s, struct edge, sink); }

static size_t sink_send(struct hub_sink *s, uint32_t member, const struct iovec *iov, int count)
{
    return conn_send(conn_at(of_sink(s)->net, member), iov, count);
}

static void sink_rest(struct hub_sink *s, uint32_t member, span bytes)
{
    conn_send_rest(conn_at(of_sink(s)->net, member), bytes);
}

static void sink_encode(struct hub_sink *s, unsigned wire, const struct blob *b, buf *out)
{
    size_t from = out->len;
    edge_wrap(of_sink(s), wire / WS_DEFLATE_KINDS, b, out);
    ws_deflate_frames(of_sink(s)->net, (enum ws_deflate_kind)(wire % WS_DEFLATE_KINDS), out, from);
}

static uint32_t sink_own(struct hub_sink *s, const struct blob *b)
{
    return sio_own(of_sink(s), b);
}

static void sink_encode_own(struct hub_sink *s, unsigned wire, const struct blob *b, buf *out)
{
    size_t from = out->len;
    sio_wrap_own(of_sink(s), (enum edge_wire)(wire / WS_DEFLATE_KINDS), b, out);
    ws_deflate_frames(of_sink(s)->net, (enum ws_deflate_kind)(wire % WS_DEFLATE_KINDS), out, from);
}

static void sink_close(struct hub_sink *s, uint32_t member, close_reason reason)
{
    conn_close(conn_at(of_sink(s)->net, member), reason);
}

/* What a blob is called on a wire, for metrics. A logged one says so itself; else the number is
 * the publisher's own: Monitor's channels, or of values what they are. */
static enum frame frame_of(enum edge_wire wire, const struct blob *b)
{
    static const enum frame channels[HOST_CHANNEL_COUNT] = {
        [HOST_SYSTEM_INFO] = FRAME_SYSTEM_INFO, [HOST_PROCESSES] = FRAME_PROCESSES,
        [HOST_HISTORY] = FRAME_HISTORY,         [HOST_INTERFACES] = FRAME_NETWORK_INTERFACES,
        [HOST_METRICS] = FRAME_METRICS,         [HOST_PROCESSES_ALL] = FRAME_PROCESSES};
    if (b->pos != 0 && b->event < EVENT_COUNT) {
        return (enum frame)(FRAME_EVENTS + b->event);
    }
    if (wire == WIRE_MONITOR) {
        return b->event < HOST_CHANNEL_COUNT ? channels[b->event] : FRAME_UNKNOWN;
    }
    if (wire == WIRE_HOME) {
        return home_frame(b);
    }
    if (stats_wires[wire] != STATS_SOCKETIO) {
        return FRAME_MESSAGE;
    }
    switch (b->event) {
    case OUT_TELEMETRY_UPDATE:
    case OUT_CHAT_TYPING:
    case OUT_CHAT_PRESENCE:
    case OUT_CHAT_ROBOT_RESPONSE:
        return frame_out((enum event_out)b->event);
    default:
        return FRAME_APP;
    }
}

/* Members of chat's topics are sockets and streams. */
static bool wants_change(struct edge *e, uint32_t member, const struct blob *b)
{
    bool stream = clients_peer(e, STATS_SSE, member) != NULL;
    return stream ? sse_had(e, member, b) : chat_wants(e, member, b);
}

static bool sink_wants(struct hub_sink *s, uint32_t member, const struct blob *b)
{
    struct edge *e = of_sink(s);
    return issuer_is_result(b)  ? issuer_wants(e, member, b)
           : home_is_some(b)    ? home_wants(e, member, b)
           : chat_is_changed(b) ? wants_change(e, member, b)
                                : emit_wants(s, member, b);
}

static bool sink_among(struct hub_sink *s, const struct blob *b, struct hub_picks *picks)
{
    if (issuer_is_result(b)) {
        issuer_among(of_sink(s), b, picks);
        return true;
    }
    if (home_is_some(b)) {
        return home_among(of_sink(s), b, picks);
    }
    return !chat_is_changed(b) && emit_among(s, b, picks);
}

static bool sink_replays(struct hub_sink *s, uint32_t member, const struct blob *b)
{
    return sse_had(of_sink(s), member, b);
}

static uint32_t sink_now_us(struct hub_sink *s, bool exact)
{
    const struct loop *l = of_sink(s)->loop;
    return (uint32_t)((exact ? loop_clock_ns(l) : loop_now_ns(l)) / 1000) | 1;
}

static void sink_sent(struct hub_sink *s, unsigned wire, const struct blob *b, uint32_t members,
                      uint32_t us)
{
    struct edge_stats *stats = &of_sink(s)->stats;
    enum edge_wire as = (enum edge_wire)(wire / WS_DEFLATE_KINDS);
    enum frame what = frame_of(as, b);
    stats_add(&stats->messages_out[stats_wires[as]][what], members);
    LOG(loop_log(of_sink(s)->loop), LOG_DEBUG, "msg.route",
        LOG_STR("wire", stats_wire_name(stats_wires[as])), LOG_STR("name", frame_name(what)),
        LOG_U64("members", members), LOG_U64("us", us == HUB_UNTIMED ? 0 : us));
    if (us != HUB_UNTIMED) {
        stats_time_n(&stats->delivery_times, us, members);
    }
}

/* The home's wheel has ticks of this length; nobody else wakes a loop without connections. */
#define HOME_TICK_MS 100

static void home_due(struct timer *t) { (void)t; /* turn_end follows and starts it again */ }

/* For /metrics, which may be asked for on another loop. */
static void copy_gauges(struct edge *e)
{
    struct fleet_stats s;
    fleet_stats(e->home->fleet, &s);
    stats_set(&e->stats.devices_online, s.online);
    stats_set(&e->stats.devices_stale, s.stale);
    stats_set(&e->stats.viewers, s.viewers);
}

static void turn_end(struct loop_hook *hook)
{
    struct edge *e = CONTAINER_OF(hook, struct edge, turn_end);
    if (e->home != NULL) {
        home_tick(e->home);
        if (!timer_running(&e->home_timer)) {
            e->home_timer.fire = home_due;
            timer_start(e->loop, &e->home_timer, HOME_TICK_MS);
        }
        if (e->home->fleet != NULL) {
            copy_gauges(e);
        }
        if (e->home->journal != NULL) {
            journal_tick(e->home->journal);
        }
    }
    uint64_t window_ns = (uint64_t)e->conf->flush_us * 1000;
    int64_t wait_ns = hub_turn_pause(e->hub, loop_now_ns(e->loop), window_ns);
    if (wait_ns >= 0) {
        loop_wake_in(e->loop, (uint64_t)wait_ns);
    }
}

/* Bits of the hub wires that compress. */
static uint32_t compressing_wires(void)
{
    uint32_t bits = 0;
    for (unsigned wire = 0; wire < WIRE_COUNT; wire++) {
        bits |= 1u << hub_wire((enum edge_wire)wire, WS_DEFLATE_FULL);
        bits |= 1u << hub_wire((enum edge_wire)wire, WS_DEFLATE_SMALL);
    }
    return bits;
}

void edge_init(struct edge *e, struct post *post, struct hub **hubs)
{
    event_index_init(&e->events);
    clients_init(e);
    e->sink = (struct hub_sink){
        .send = sink_send, .rest = sink_rest, .encode = sink_encode, .close = sink_close,
        .wants = sink_wants, .among = sink_among, .replays = sink_replays, .own = sink_own,
        .encode_own = sink_encode_own, .now_us = sink_now_us, .sent = sink_sent};
    struct hub_conf conf = {.loop = loop_index(e->loop),
                            .post = post,
                            .sink = &e->sink,
                            .outbox_messages_max = e->conf->outbox_messages_max,
                            .outbox_bytes_max = e->conf->outbox_bytes_max,
                            .peers = hubs,
                            .dear_wires = compressing_wires()};
    e->hub = hub_new(&conf);
    hubs[conf.loop] = e->hub;
    e->turn_end.run = turn_end;
    loop_add_hook(e->loop, &e->turn_end);
    eio_init(e);
    sio_init(e);
    emit_init(e);
    commands_init(e);
    house_actions_init(e);
    if (e->conf->conformance) {
        conformance_init(e);
        eio_echo_init(e);
        sio_fixture_init(e);
    }
    product_init(e);
    app_init(e);
    home_wire_init(e);
    broadcast_init(e);
    news_init(e);
}

void edge_deinit(struct edge *e)
{
    timer_stop(e->loop, &e->home_timer);
    eio_deinit(e);
    sio_deinit(e);
    app_deinit(e);
    news_deinit(e);
    broadcast_deinit(e);
    home_wire_deinit(e);
    emit_deinit(e);
    house_actions_deinit(e);
    commands_deinit(e);
    clients_deinit(e);
    hub_free(e->hub);
    spec_deinit(e);
    limiter_free(e->rest_limiter);
    limiter_free(e->rest_chat);
    limiter_free(e->rest_chat_guests);
    http1_compressor_free(e->compressor);
    idem_deinit(e);
}

void edge_join(struct edge *e, struct conn *c, enum edge_wire wire, uint32_t queue_messages_max)
{
    unsigned as = hub_wire(wire, ws_deflate_kind_of(c));
    hub_member_open(e->hub, conn_slot(c), conn_ref_of(c).gen, as, queue_messages_max);
}

void edge_leave(struct edge *e, struct conn *c) { hub_member_close(e->hub, conn_slot(c)); }

void edge_rewire(struct edge *e, struct conn *member, enum edge_wire wire,
                 enum ws_deflate_kind kind)
{
    hub_member_wire(e->hub, conn_slot(member), hub_wire(wire, kind));
}

void edge_on_writable(struct conn *c) { hub_writable(edge_of(c)->hub, conn_slot(c)); }

void edge_send(struct conn *c, enum ws_opcode op, span payload, enum blob_class cls)
{
    struct edge *e = edge_of(c);
    buf *out = hub_compose(e->hub);
    size_t from = out->len;
    ws_frame_append(out, op, payload);
    ws_deflate_frames(e->net, ws_deflate_kind_of(c), out, from);
    hub_send_composed(e->hub, conn_slot(c), cls);
}

void edge_send_text(struct conn *c, span text, enum blob_class cls)
{
    edge_send(c, WS_OP_TEXT, text, cls);
}
