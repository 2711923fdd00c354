/* One simulated device. */
#include "simulator/device.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define REGISTER_ID 1 /* telemetry counts on from there */
#define PENDING_BYTES_MAX 262144 /* what the socket has not taken: then nothing new is sent */
/* A connection that lasted so long was a good one: the next failure starts from the least wait. */
#define GOOD_NS 30000000000u
#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

struct pending_command {
    struct list node;
    uint64_t due_ns;
    size_t request_len;
    char request[]; /* JSON */
};

static void on_joined(struct link *l);
static void on_heard(struct link *l, const struct heard *h);
static void on_closed(struct link *l, const struct link_end *end);
static void on_life(struct timer *t);
static void on_send(struct timer *t);

static const struct link_ops link_ops = {
    .on_joined = on_joined, .on_heard = on_heard, .on_closed = on_closed};

void device_init(struct device *d, struct device_side *side, const char *id, const char *key)
{
    *d = (struct device){.side = side};
    snprintf(d->id, sizeof d->id, "%s", id);
    d->key = mem_strndup(key, strlen(key));
    d->link.side = &side->link;
    d->link.ops = &link_ops;
    d->link.key = d->key;
    d->life.fire = on_life;
    d->send.fire = on_send;
    list_init(&d->queue);
    list_init(&d->commands);
}

static void forget_commands(struct device *d)
{
    LIST_EACH(it, &d->commands) {
        mem_free(LIST_ITEM(it, struct pending_command, node));
    }
    list_init(&d->commands);
    d->command_count = 0;
}

void device_deinit(struct device *d)
{
    forget_commands(d);
    mem_free(d->key);
    mem_free(d->sent_ns);
}

static struct loop *loop_of(const struct device *d)
{
    return d->side->link.loop;
}

static uint64_t random_of(const struct device *d)
{
    uint64_t random;
    entropy_fill(d->side->link.entropy, &random, sizeof random);
    return random;
}

static int64_t wall_ms(const struct device *d)
{
    return loop_wall_ms(loop_of(d));
}

/* Which state may follow which: the picture in the header. */
static void set_state(struct device *d, enum device_state to)
{
    static const unsigned next[] = {
        [DEVICE_WAITING] = 1u << DEVICE_OPENING | 1u << DEVICE_ENDED,
        [DEVICE_OPENING] =
            1u << DEVICE_REGISTERING | 1u << DEVICE_WAITING | 1u << DEVICE_ENDED,
        [DEVICE_REGISTERING] = 1u << DEVICE_LIVE | 1u << DEVICE_WAITING | 1u << DEVICE_ENDED,
        [DEVICE_LIVE] = 1u << DEVICE_WAITING | 1u << DEVICE_ENDED,
        [DEVICE_ENDED] = 0,
    };
    ASSERT(next[d->state] & 1u << to);
    d->side->live += to == DEVICE_LIVE;
    d->side->live -= d->state == DEVICE_LIVE;
    d->state = to;
}

/* --- connecting --- */

static void wait_more(struct device *d, enum close_reconnect rule)
{
    set_state(d, DEVICE_WAITING);
    if (!d->side->stopping) {
        timer_start(loop_of(d), &d->life, backoff_next_ms(&d->backoff, rule, random_of(d)));
    }
}

void device_connect(struct device *d)
{
    set_state(d, DEVICE_OPENING);
    if (link_open(&d->link)) {
        d->side->open++;
    } else {
        d->side->counts->failures++;
        wait_more(d, RECONNECT_FREE);
    }
}

static void flush_text(struct device *d)
{
    link_put(&d->link, buf_span(&d->side->text));
    buf_clear(&d->side->text);
}

static void on_joined(struct link *l)
{
    struct device *d = CONTAINER_OF(l, struct device, link);
    struct device_counts *n = d->side->counts;
    set_state(d, DEVICE_REGISTERING);
    histogram_add(&n->connect, loop_now_ns(loop_of(d)) - l->opened_ns);
    n->connects++;
    n->reconnects += d->was_live;
    words_register(&d->side->text, l->side->wire, span_str(d->id), REGISTER_ID);
    flush_text(d);
    link_flush(l);
}

static uint64_t period_ns(const struct device *d)
{
    return (uint64_t)((double)NS_PER_S / d->side->rate);
}

/* A timer of whole milliseconds for a time of the loop's clock. */
static void timer_at(struct device *d, struct timer *t, uint64_t at_ns)
{
    uint64_t now = loop_now_ns(loop_of(d));
    uint64_t wait = at_ns > now ? (at_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    timer_start(loop_of(d), t, (int64_t)wait);
}

static void plan_life(struct device *d)
{
    uint64_t at = d->beat_ns;
    if (!list_empty(&d->commands)) {
        uint64_t due = LIST_ITEM(d->commands.next, struct pending_command, node)->due_ns;
        at = due < at ? due : at;
    }
    timer_at(d, &d->life, at);
}

static void go_live(struct device *d)
{
    uint64_t now = loop_now_ns(loop_of(d));
    set_state(d, DEVICE_LIVE);
    histogram_add(&d->side->counts->ready, now - d->link.opened_ns);
    d->was_live = true;
    d->oldest = d->next = REGISTER_ID + 1;
    d->beat_ns = now + (uint64_t)d->side->heartbeat_ms * NS_PER_MS;
    plan_life(d);
    if (d->side->live == d->side->wanted && d->side->all_live_ns == 0) {
        d->side->all_live_ns = now;
        d->side->on_all_live(d->side);
    }
    if (!d->side->together || d->side->all_live_ns != 0) {
        device_send(d);
    }
}

void device_send(struct device *d)
{
    if (d->side->rate > 0 && d->state == DEVICE_LIVE && !d->side->stopping &&
        !timer_running(&d->send)) {
        if (d->sent_ns == NULL) {
            d->sent_ns = mem_calloc(DEVICE_WINDOW, sizeof *d->sent_ns);
        }
        /* So that they do not send in step. */
        d->due_ns = loop_now_ns(loop_of(d)) + random_of(d) % period_ns(d);
        timer_at(d, &d->send, d->due_ns);
    }
}

/* --- telemetry --- */

/* One message, if it may be sent; false when the window or the socket is full. */
static bool put_message(struct device *d, uint64_t now)
{
    struct device_side *s = d->side;
    if (d->next - d->oldest >= DEVICE_WINDOW || link_waiting_bytes(&d->link) >= PENDING_BYTES_MAX) {
        return false;
    }
    int64_t late_ms = (int64_t)((now - d->due_ns) / NS_PER_MS);
    const struct words_sample sample = {
        .device = span_of(d->id, UUID_TEXT_LEN),
        .id = d->next,
        .at_ms = wall_ms(d) - late_ms,
        .batch = s->batch,
        .sensors = s->sensors,
        .number = d->number,
        .clock_us = s->clock_values ? (int64_t)(now / 1000) : -1,
        .run = span_str(s->run),
    };
    words_telemetry(&s->words, &s->text, s->link.wire, &sample);
    s->counts->bytes_out += s->text.len;
    flush_text(d);
    d->sent_ns[d->next++ % DEVICE_WINDOW] = now;
    d->number += s->batch;
    s->counts->sent++;
    s->unanswered++;
    return true;
}

/* All that is due leaves in one write. */
static void on_send(struct timer *t)
{
    struct device *d = CONTAINER_OF(t, struct device, send);
    uint64_t now = loop_clock_ns(loop_of(d));
    uint64_t period = period_ns(d);
    bool any = false;
    if (d->side->stopping) {
        return;
    }
    while (d->due_ns <= now) {
        if (put_message(d, now)) {
            any = true;
        } else {
            d->side->counts->held++;
        }
        d->due_ns += period;
    }
    if (any) {
        link_flush(&d->link);
    }
    if (d->state == DEVICE_LIVE) {
        uint64_t least = now + (uint64_t)d->side->every_ms * NS_PER_MS;
        timer_at(d, &d->send, d->due_ns > least ? d->due_ns : least);
    }
}

static void on_ack(struct device *d, const struct heard *h)
{
    struct device_counts *n = d->side->counts;
    if (h->id < d->oldest || h->id >= d->next || d->sent_ns[h->id % DEVICE_WINDOW] == 0) {
        n->errors++; /* of nothing that was asked, or twice */
        return;
    }
    uint64_t sent = d->sent_ns[h->id % DEVICE_WINDOW];
    uint64_t now = loop_now_ns(loop_of(d));
    histogram_add(&n->ack, now > sent ? now - sent : 0);
    d->sent_ns[h->id % DEVICE_WINDOW] = 0;
    d->side->unanswered--;
    while (d->oldest < d->next && d->sent_ns[d->oldest % DEVICE_WINDOW] == 0) {
        d->oldest++;
    }
    n->acked += h->ok;
    n->refused += !h->ok;
    n->samples += h->ok ? h->accepted : 0;
    if (!h->ok) {
        LOG(loop_log(loop_of(d)), LOG_DEBUG, "simulator.refused", LOG_STR("device", d->id),
            LOG_STR("code", h->code));
        if (h->retry_after_ms > 0) { /* patience was asked for */
            d->due_ns = now + (uint64_t)h->retry_after_ms * NS_PER_MS;
            timer_at(d, &d->send, d->due_ns);
        }
    }
}

/* --- commands and configuration --- */

static bool request_is_new(struct device *d, span request)
{
    uint64_t hash = hash_bytes(request) | 1; /* 0 is an empty place */
    for (unsigned i = 0; i < DEVICE_REQUESTS; i++) {
        if (d->requests[i] == hash) {
            return false;
        }
    }
    d->requests[d->request_at++ % DEVICE_REQUESTS] = hash;
    return true;
}

static void answer_command(struct device *d, span request)
{
    words_command_done(&d->side->text, d->side->link.wire, request, ++d->commands_done,
                       wall_ms(d));
    flush_text(d);
    d->side->counts->commands++;
}

static void on_command(struct device *d, const struct heard *h)
{
    bool run = request_is_new(d, h->request_id);
    if (h->wants_ack) {
        words_command_ack(&d->side->text, d->side->link.wire, h);
        flush_text(d);
    }
    d->side->counts->repeats += !run;
    if (d->side->response_ms == 0 || !run || d->command_count == DEVICE_COMMANDS_MAX) {
        answer_command(d, h->request_id);
        link_flush(&d->link);
        return;
    }
    struct pending_command *p = mem_alloc(sizeof *p + h->request_id.len);
    p->due_ns = loop_now_ns(loop_of(d)) + (uint64_t)d->side->response_ms * NS_PER_MS;
    p->request_len = h->request_id.len;
    memcpy(p->request, h->request_id.ptr, p->request_len);
    list_push(&d->commands, &p->node);
    d->command_count++;
    link_flush(&d->link);
    plan_life(d);
}

static void answer_due(struct device *d, uint64_t now)
{
    while (!list_empty(&d->commands)) {
        struct pending_command *p = LIST_ITEM(d->commands.next, struct pending_command, node);
        if (p->due_ns > now) {
            break;
        }
        answer_command(d, span_of(p->request, p->request_len));
        list_remove(&p->node);
        d->command_count--;
        mem_free(p);
    }
}

static void on_config(struct device *d, const struct heard *h)
{
    words_config_report(&d->side->text, d->side->link.wire, h->version, h->desired);
    flush_text(d);
    link_flush(&d->link);
    d->side->counts->configs++;
}

/* Heartbeats and answers while live, the next attempt while waiting. */
static void on_life(struct timer *t)
{
    struct device *d = CONTAINER_OF(t, struct device, life);
    uint64_t now = loop_now_ns(loop_of(d));
    if (d->side->stopping) {
        return;
    }
    if (d->state != DEVICE_LIVE) {
        d->side->on_wait(d);
        return;
    }
    answer_due(d, now);
    if (d->beat_ns <= now) {
        words_heartbeat(&d->side->text, d->side->link.wire, wall_ms(d));
        flush_text(d);
        d->beat_ns = now + (uint64_t)d->side->heartbeat_ms * NS_PER_MS;
    }
    link_flush(&d->link);
    if (d->state == DEVICE_LIVE) {
        plan_life(d);
    }
}

/* --- what is heard --- */

static void on_registered(struct device *d, const struct heard *h)
{
    if (h->ok) {
        go_live(d);
        if (h->desired.len > 0) {
            on_config(d, h);
        }
        return;
    }
    LOG(loop_log(loop_of(d)), LOG_WARN, "simulator.register", LOG_STR("device", d->id),
        LOG_STR("code", h->code));
    d->side->counts->errors++;
    link_close(&d->link, CLOSE_NORMAL);
}

static void on_heard(struct link *l, const struct heard *h)
{
    struct device *d = CONTAINER_OF(l, struct device, link);
    if (h->kind == HEARD_ACK && d->state == DEVICE_REGISTERING) {
        on_registered(d, h);
    } else if (h->kind == HEARD_ACK) {
        on_ack(d, h);
    } else if (h->kind == HEARD_COMMAND) {
        on_command(d, h);
    } else if (h->kind == HEARD_CONFIG) {
        on_config(d, h);
    } else if (h->kind == HEARD_ERROR) {
        d->side->counts->errors++;
        LOG(loop_log(loop_of(d)), LOG_WARN, "simulator.error", LOG_STR("device", d->id),
            LOG_STR("code", h->code));
    }
}

/* Why the server wants no further connection; NULL when it does. */
static const char *final_why(const struct link_end *end)
{
    if (end->status == 401 || end->status == 403 ||
        (end->refused != NULL && strcmp(end->refused, "AUTHENTICATION_FAILED") == 0)) {
        return "the server refuses its key";
    }
    return end->close_code != 0 && backoff_rule(end->close_code) == RECONNECT_NEVER
               ? "the server ended it for good"
               : NULL;
}

static void on_closed(struct link *l, const struct link_end *end)
{
    struct device *d = CONTAINER_OF(l, struct device, link);
    uint64_t now = loop_now_ns(loop_of(d));
    bool opening = d->state == DEVICE_OPENING;
    for (; d->oldest < d->next; d->oldest++) {
        if (d->sent_ns[d->oldest % DEVICE_WINDOW] != 0) {
            d->sent_ns[d->oldest % DEVICE_WINDOW] = 0;
            d->side->counts->lost++;
            d->side->unanswered--;
        }
    }
    d->side->counts->failures += opening;
    d->side->open--;
    timer_stop(loop_of(d), &d->life);
    timer_stop(loop_of(d), &d->send);
    forget_commands(d);
    if (!opening && now - l->opened_ns >= GOOD_NS) {
        d->backoff.attempts = 0;
    }
    const char *why = d->side->stopping ? NULL : final_why(end);
    LOG(loop_log(loop_of(d)), LOG_DEBUG, "simulator.closed", LOG_STR("device", d->id),
        LOG_STR("reason", close_label(end->reason)), LOG_I64("code", end->close_code),
        LOG_I64("status", end->status));
    if (why != NULL) {
        set_state(d, DEVICE_ENDED);
        d->side->ended++;
        d->side->on_ended(d, why);
    } else {
        wait_more(d, end->close_code != 0 ? backoff_rule(end->close_code) : RECONNECT_FREE);
    }
}

void device_stop(struct device *d)
{
    timer_stop(loop_of(d), &d->life);
    timer_stop(loop_of(d), &d->send);
    list_remove(&d->queue);
    link_close(&d->link, CLOSE_NORMAL);
}
