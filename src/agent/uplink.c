/* The agent's connection to the server. */
#include "agent/uplink.h"

#include "agent/frames.h"
#include "agent/incoming.h"

#include <errno.h>
#include <stdio.h>

/* `self` is the device that the key belongs to: the agent is told a key, not an id. */
#define TARGET "/api/v1/devices/self/ws"
/* Bytes waiting in the socket's queue above which no further row is added. */
#define PENDING_BYTES_MAX 65536
/* How often late acks, heartbeats and the pace of rows are looked at. */
#define TICK_MS 100
#define TICK_IDLE_MS 1000
/* A connection that lasted so long was a good one: the next failure starts from the least wait. */
#define GOOD_MS 30000
#define MESSAGE_BYTES_MAX 262144 /* CONTRACT 6: frames up to 256 KiB */

static void on_message(struct conn *c, enum ws_opcode op, span payload);
static void on_open(struct conn *c);
static void on_close(struct conn *c, close_reason reason);
static void on_resolved(struct resolve *r);
static void on_retry(struct timer *t);
static void on_tick(struct timer *t);

/* The server pings every 25 s; three silent intervals mean that it is gone (60 s at its side). */
static const struct ws_wire wire = {
    .name = "agent",
    .limits = {.message_bytes_max = MESSAGE_BYTES_MAX, .fragments_max = 64},
    .ping_ms = 25000,
    .idle_ms = 75000,
    .write_ms = 10000,
    .text_only = true,
    .on_message = on_message,
    .on_close = on_close,
    .on_open = on_open,
};

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value != 0 ? value : fallback;
}

void uplink_init(struct uplink *u)
{
    u->pace.ack_ms = or_default(u->pace.ack_ms, 10000);
    u->pace.heartbeat_ms = or_default(u->pace.heartbeat_ms, 30000);
    u->pace.open_ms = or_default(u->pace.open_ms, 10000);
    u->pace.rows_per_s = or_default(u->pace.rows_per_s, 50);
    u->pace.retry_ms = or_default(u->pace.retry_ms, 30000);
    u->state = UPLINK_WAITING;
    u->resolve.url = u->url;
    u->resolve.done = on_resolved;
    u->retry.fire = on_retry;
    u->tick.fire = on_tick;
}

void uplink_deinit(struct uplink *u)
{
    buf_deinit(&u->frame);
    buf_deinit(&u->payload);
}

bool uplink_is_open(const struct uplink *u)
{
    return u->state == UPLINK_OPEN;
}

/* Which state may follow which: the picture in the header. */
static void set_state(struct uplink *u, enum uplink_state to)
{
    static const unsigned next[] = {
        [UPLINK_WAITING] = 1u << UPLINK_RESOLVING | 1u << UPLINK_STOPPED,
        [UPLINK_RESOLVING] =
            1u << UPLINK_CONNECTING | 1u << UPLINK_WAITING | 1u << UPLINK_STOPPED,
        [UPLINK_CONNECTING] = 1u << UPLINK_OPEN | 1u << UPLINK_WAITING | 1u << UPLINK_STOPPED,
        [UPLINK_OPEN] = 1u << UPLINK_WAITING | 1u << UPLINK_STOPPED,
        [UPLINK_STOPPED] = 0,
    };
    ASSERT(next[u->state] & 1u << to);
    u->state = to;
}

static void stopped(struct uplink *u, const char *why)
{
    set_state(u, UPLINK_STOPPED);
    timer_stop(u->loop, &u->retry);
    timer_stop(u->loop, &u->tick);
    u->resolve.cancelled = true;
    u->on_stopped(u, why);
}

/* Waits for the next attempt. */
static void wait_more(struct uplink *u, enum close_reconnect rule)
{
    uint64_t random;
    entropy_fill(u->entropy, &random, sizeof random);
    int64_t delay = backoff_next_ms(&u->backoff, rule, random);
    set_state(u, UPLINK_WAITING);
    timer_start(u->loop, &u->retry, delay);
    LOG(loop_log(u->loop), LOG_INFO, "agent.wait", LOG_I64("ms", delay),
        LOG_U64("attempts", u->backoff.attempts), LOG_U64("rows_waiting", u->rows->pending));
}

static void connect_now(struct uplink *u)
{
    uint8_t entropy[20];
    char authorization[UPLINK_KEY_MAX + 8];
    uint32_t seed;
    entropy_fill(u->entropy, entropy, sizeof entropy);
    memcpy(&seed, entropy + 16, sizeof seed);
    snprintf(authorization, sizeof authorization, "Bearer %s", u->key);
    struct ws_client_conf conf = {
        .addr = (const struct sockaddr *)&u->resolve.addr,
        .addr_len = u->resolve.addr_len,
        .host = span_str(u->url->authority),
        .target = SPAN(TARGET),
        .authorization = span_str(authorization),
        .wire = &wire,
        .user = u,
        .tls = u->tls,
        .tls_host = u->url->host,
        .tls_literal = u->url->literal,
        .open_ms = u->pace.open_ms,
        .entropy = entropy,
        .mask_seed = seed,
    };
    set_state(u, UPLINK_CONNECTING);
    u->conn = ws_connect(u->net, &conf);
    if (u->conn == NULL) {
        wait_more(u, RECONNECT_FREE);
    }
}

static void on_resolved(struct resolve *r)
{
    struct uplink *u = CONTAINER_OF(r, struct uplink, resolve);
    if (r->rc == 0) {
        connect_now(u);
        return;
    }
    LOG(loop_log(u->loop), LOG_WARN, "agent.resolve", LOG_STR("host", u->url->host),
        LOG_STR("error", resolve_why(r)));
    wait_more(u, RECONNECT_FREE);
}

void uplink_start(struct uplink *u)
{
    set_state(u, UPLINK_RESOLVING);
    if (resolve_literal(&u->resolve)) {
        on_resolved(&u->resolve);
    } else if (u->resolve.running || !resolve_start(&u->resolve, u->workers)) {
        wait_more(u, RECONNECT_FREE);
    }
}

static void on_retry(struct timer *t)
{
    uplink_start(CONTAINER_OF(t, struct uplink, retry));
}

bool uplink_send(struct uplink *u, span frame)
{
    if (u->state != UPLINK_OPEN) {
        return false;
    }
    ws_send(u->conn, WS_OP_TEXT, frame);
    return true;
}

/* A place for an answer that is awaited; 0 when all are taken. */
static uint64_t flight_add(struct uplink *u, enum uplink_flight_kind kind, uint64_t row)
{
    if (u->state != UPLINK_OPEN || u->flight_count == UPLINK_FLIGHTS_MAX) {
        return 0;
    }
    u->flights[u->flight_count++] = (struct uplink_flight){
        .id = ++u->next_id, .kind = kind, .row = row, .sent_ms = loop_now_ms(u->loop)};
    return u->next_id;
}

static bool row_in_flight(const struct uplink *u, uint64_t row)
{
    for (unsigned i = 0; i < u->flight_count; i++) {
        if (u->flights[i].kind == FLIGHT_ROW && u->flights[i].row == row) {
            return true;
        }
    }
    return false;
}

uint64_t uplink_state_id(struct uplink *u)
{
    return flight_add(u, FLIGHT_STATE, 0);
}

static void send_row(struct uplink *u, uint64_t row)
{
    int64_t key = 0;
    int rc = row_buffer_get(u->rows, row, &u->payload, &key);
    if (rc != 0) {
        LOG(loop_log(u->loop), LOG_WARN, "agent.row.damaged", LOG_I64("recorded_at", key),
            LOG_STR("error", strerror(-rc)));
        (void)row_buffer_ack(u->rows, row);
        return;
    }
    uint64_t id = flight_add(u, FLIGHT_ROW, row);
    ASSERT(id != 0);
    buf_clear(&u->frame);
    frame_row(&u->frame, id, buf_span(&u->payload));
    (void)uplink_send(u, buf_span(&u->frame));
    u->rows_sent++;
}

/* The next row that was not sent over this connection, or 0. */
static uint64_t next_row(const struct uplink *u)
{
    uint64_t row = row_buffer_next(u->rows, u->cursor);
    while (row != 0 && row_in_flight(u, row)) {
        row = row_buffer_next(u->rows, row);
    }
    return row;
}

/* Sends rows as far as pace, window and socket allow; one place stays free for a state. */
static void send_rows(struct uplink *u)
{
    int64_t now = loop_now_ms(u->loop);
    int64_t cost = 1000 / u->pace.rows_per_s > 0 ? 1000 / u->pace.rows_per_s : 1;
    uint64_t row;
    if (u->stopping || now < u->hold_until_ms) {
        return;
    }
    if (u->credit_ms < now - 2 * TICK_MS) {
        u->credit_ms = now - 2 * TICK_MS; /* what a pause saves up: rows of two ticks */
    }
    while (u->state == UPLINK_OPEN && u->credit_ms < now &&
           u->flight_count < UPLINK_FLIGHTS_MAX - 1 &&
           conn_pending_bytes(u->conn) < PENDING_BYTES_MAX && (row = next_row(u)) != 0) {
        u->cursor = row;
        u->credit_ms += cost;
        send_row(u, row);
    }
}

void uplink_rows(struct uplink *u)
{
    if (u->state == UPLINK_OPEN) {
        send_rows(u);
        if (next_row(u) != 0) {
            timer_start(u->loop, &u->tick, TICK_MS);
        }
    }
}

static void on_open(struct conn *c)
{
    struct uplink *u = ws_user(c);
    set_state(u, UPLINK_OPEN);
    u->conn = c;
    u->opened_ms = u->beat_ms = loop_now_ms(u->loop);
    u->hold_until_ms = 0;
    u->cursor = 0;
    u->flight_count = 0;
    LOG(loop_log(u->loop), LOG_INFO, "agent.open", LOG_STR("server", u->url->authority),
        LOG_U64("rows_waiting", u->rows->pending));
    buf_clear(&u->frame);
    frame_register(&u->frame, flight_add(u, FLIGHT_REGISTER, 0));
    (void)uplink_send(u, buf_span(&u->frame));
    u->on_open(u);
    timer_start(u->loop, &u->tick, TICK_MS);
    if (u->state == UPLINK_OPEN) {
        send_rows(u);
    }
}

/* Why the server wants no further connection; NULL when it does. */
static const char *final_why(int status, int code)
{
    if (status == 401) {
        return "the server refuses the key: it is wrong, revoked or the device is disabled (401)";
    }
    if (status == 403) {
        return "the server refuses this device or address (403)";
    }
    if (backoff_rule(code) != RECONNECT_NEVER) {
        return NULL;
    }
    for (int r = 0; r < CLOSE_COUNT; r++) {
        if (close_code((close_reason)r) == code) {
            return close_text((close_reason)r);
        }
    }
    return "closed by the server for good";
}

static void on_close(struct conn *c, close_reason reason)
{
    struct uplink *u = ws_user(c);
    int status = ws_client_status(c);
    int code = ws_client_close_code(c);
    int64_t now = loop_now_ms(u->loop);
    bool was_open = u->state == UPLINK_OPEN;
    const char *why = final_why(was_open ? 0 : status, code);
    LOG(loop_log(u->loop), why == NULL ? LOG_INFO : LOG_ERROR, "agent.close",
        LOG_STR("reason", close_label(reason)), LOG_I64("code", code), LOG_I64("status", status),
        LOG_U64("unanswered", u->flight_count));
    u->conn = NULL;
    u->flight_count = 0;
    timer_stop(u->loop, &u->tick);
    if (u->stopping || why != NULL) {
        stopped(u, u->stopping ? u->stop_why : why);
        return;
    }
    if (was_open && now - u->opened_ms >= GOOD_MS) {
        u->backoff.attempts = 0;
    }
    wait_more(u, code != 0 ? backoff_rule(code) : RECONNECT_FREE);
}

static void close_now(struct uplink *u, close_reason reason)
{
    if (u->conn != NULL) {
        conn_close(u->conn, reason); /* on_close runs inside */
    }
}

void uplink_stop(struct uplink *u, uint32_t drain_ms)
{
    if (u->state == UPLINK_STOPPED || u->stopping) {
        return;
    }
    u->stopping = true;
    if (u->conn == NULL) {
        stopped(u, NULL);
    } else if (u->state != UPLINK_OPEN || u->flight_count == 0 || drain_ms == 0) {
        close_now(u, CLOSE_NORMAL);
    } else {
        u->pace.ack_ms = drain_ms;
        for (unsigned i = 0; i < u->flight_count; i++) {
            u->flights[i].sent_ms = loop_now_ms(u->loop);
        }
        timer_start(u->loop, &u->tick, TICK_MS);
    }
}

/* A row that the server could not take now stays in the buffer and is sent again later. */
static void row_again(struct uplink *u, uint64_t row, const struct incoming *in)
{
    int64_t wait = in->retry_after_ms > 0 ? in->retry_after_ms : u->pace.retry_ms;
    u->hold_until_ms = loop_now_ms(u->loop) + wait;
    if (u->cursor >= row) {
        u->cursor = row - 1;
    }
}

static void on_row_ack(struct uplink *u, uint64_t row, const struct incoming *in)
{
    if (in->ok) {
        (void)row_buffer_ack(u->rows, row);
        return;
    }
    bool final = incoming_code_is_final(in->code);
    LOG(loop_log(u->loop), LOG_WARN, "agent.row.refused", LOG_STR("code", in->code),
        LOG_BOOL("final", final));
    if (final) {
        u->rows_refused++;
        (void)row_buffer_ack(u->rows, row);
    } else {
        row_again(u, row, in);
    }
}

static void on_ack(struct uplink *u, const struct incoming *in)
{
    unsigned i = 0;
    while (i < u->flight_count && u->flights[i].id != in->id) {
        i++;
    }
    if (i == u->flight_count) {
        return; /* not ours, or answered twice */
    }
    struct uplink_flight f = u->flights[i];
    u->flight_count--;
    memmove(&u->flights[i], &u->flights[i + 1], (u->flight_count - i) * sizeof f);
    if (f.kind == FLIGHT_ROW) {
        on_row_ack(u, f.row, in);
    } else if (f.kind == FLIGHT_STATE) {
        u->on_state_ack(u, in->ok);
    }
    if (!in->ok && f.kind != FLIGHT_ROW) {
        LOG(loop_log(u->loop), LOG_WARN, "agent.refused",
            LOG_STR("frame", f.kind == FLIGHT_STATE ? "state" : "register"),
            LOG_STR("code", in->code));
    }
    if (u->stopping && u->flight_count == 0) {
        close_now(u, CLOSE_NORMAL);
    } else {
        uplink_rows(u);
    }
}

static void on_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct uplink *u = ws_user(c);
    struct incoming in;
    (void)op;
    if (!incoming_parse(payload, &in)) {
        LOG(loop_log(u->loop), LOG_WARN, "agent.bad_frame", LOG_U64("bytes", payload.len));
        return;
    }
    switch (in.type) {
    case INCOMING_ACK:
        on_ack(u, &in);
        break;
    case INCOMING_ERROR:
        LOG(loop_log(u->loop), LOG_WARN, "agent.error", LOG_STR("code", in.code));
        break;
    case INCOMING_COMMAND:
        buf_clear(&u->frame);
        frame_command_refused(&u->frame, in.request_id, loop_wall_ms(u->loop));
        (void)uplink_send(u, buf_span(&u->frame));
        break;
    case INCOMING_OTHER:
        break;
    }
}

static bool ack_is_late(const struct uplink *u, int64_t now)
{
    for (unsigned i = 0; i < u->flight_count; i++) {
        if (now - u->flights[i].sent_ms >= u->pace.ack_ms) {
            return true;
        }
    }
    return false;
}

static void on_tick(struct timer *t)
{
    struct uplink *u = CONTAINER_OF(t, struct uplink, tick);
    int64_t now = loop_now_ms(u->loop);
    if (u->state != UPLINK_OPEN) {
        return;
    }
    if (ack_is_late(u, now)) {
        LOG(loop_log(u->loop), LOG_WARN, "agent.ack.late", LOG_U64("unanswered", u->flight_count));
        close_now(u, u->stopping ? CLOSE_NORMAL : CLOSE_TIMEOUT);
        return;
    }
    if (now - u->beat_ms >= u->pace.heartbeat_ms) {
        u->beat_ms = now;
        buf_clear(&u->frame);
        frame_heartbeat(&u->frame, loop_wall_ms(u->loop));
        (void)uplink_send(u, buf_span(&u->frame));
    }
    send_rows(u);
    if (u->state == UPLINK_OPEN) {
        bool busy = u->stopping || u->flight_count > 0 || next_row(u) != 0;
        timer_start(u->loop, &u->tick, busy && now >= u->hold_until_ms ? TICK_MS : TICK_IDLE_MS);
    }
}
