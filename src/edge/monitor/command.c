/*
 * Commands on the raw device wire (CONTRACT 6): a frame {type:"device:command",data,id}, which the
 * device acknowledges with {type:"ack",data:{id}} as the server does its own, or {type:"ack",id};
 * and command:response, whose ack says that it is on disk. The same for device:config-update.
 */
#include "edge/command.h"
#include "edge/monitor/session.h"

#include "base/mem.h"
#include "codec/json/read.h"
#include "tables/frames.h"


/* Not acknowledged at once: beyond, the oldest is forgotten, and its ack is nothing any more. */
#define DELIVERIES_MAX 256

struct monitor_delivery {
    struct monitor_delivery *next;
    uint64_t token;
    uint32_t number;
    buf request_id; /* empty: it is no command */
};

static struct monitor_device *device_of(struct monitor *m)
{
    ASSERT(m->is_device);
    return CONTAINER_OF(m, struct monitor_device, m);
}

/* --- deliveries --- */

static void delivery_free(struct monitor_delivery *d)
{
    buf_deinit(&d->request_id);
    mem_free(d);
}

static struct monitor_delivery *take(struct monitor_device *m, struct monitor_delivery **at)
{
    struct monitor_delivery *d = *at;
    *at = d->next;
    m->delivery_count--;
    return d;
}

void monitor_deliveries_free(struct monitor *m)
{
    struct monitor_device *dev = device_of(m);
    while (dev->deliveries != NULL) {
        delivery_free(take(dev, &dev->deliveries));
    }
}

static void await(struct monitor_device *m, const struct link_delivery *what)
{
    struct monitor_delivery *d = mem_calloc(1, sizeof *d);
    struct monitor_delivery **at = &m->deliveries;
    if (m->delivery_count == DELIVERIES_MAX) {
        delivery_free(take(m, &m->deliveries));
    }
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = d;
    m->delivery_count++;
    m->delivery_last = m->delivery_last == UINT32_MAX ? 1 : m->delivery_last + 1;
    d->number = m->delivery_last;
    d->token = what->token;
    delivery_request_id(what, &d->request_id);
}

void monitor_deliver(struct device_link *l, const struct link_delivery *d)
{
    struct monitor_device *m = CONTAINER_OF(l, struct monitor_device, link);
    if (m->m.conn == NULL || !conn_is_open(m->m.conn)) {
        return;
    }
    if (d->token != 0) {
        await(m, d);
    }
    monitor_tell(&m->m, frame_out(d->event), d->payload, d->token != 0 ? m->delivery_last : 0);
}

static bool is_number(span id, uint32_t number)
{
    int64_t n;
    uint64_t quoted;
    if (json_type(id) == JSON_STRING) { /* digits, else it is none of ours */
        return span_u64(span_slice(id, 1, id.len - 2), UINT32_MAX, &quoted) && quoted == number;
    }
    return json_i64(id, &n) && n == number;
}

/* Takes one message from the rate that had none. It may close the socket. */
static void charge(struct monitor *m)
{
    struct bucket_rule rule = event_rule(PEER_HOST);
    int64_t now = loop_now_ms(monitor_edge(m)->loop);
    uint32_t retry_ms;
    if (!bucket_take(&m->bucket, &rule, now, &retry_ms)) {
        stats_name(&monitor_edge(m)->stats.rate_limited, "monitor");
        if (bucket_refused(&m->bucket, now) >= EVENT_FLOOD) {
            conn_close(m->conn, CLOSE_FLOODING);
        }
    }
}

void event_monitor_delivered(struct event_call *in, const struct shape_delivered *p)
{
    struct monitor_device *m = device_of(in->peer);
    struct monitor_delivery **at = &m->deliveries;
    while (*at != NULL && !(p->has_id && is_number(p->id, (*at)->number))) {
        at = &(*at)->next;
    }
    if (*at == NULL) { /* too late, or never sent */
        charge(&m->m);
        return;
    }
    struct monitor_delivery *d = take(m, at);
    device_acknowledged(&m->link, d->token, buf_span(&d->request_id), in->data, in->now_ms);
    delivery_free(d);
}

/* --- responses --- */

void event_monitor_response(struct event_call *in, const struct shape_command_response *p)
{
    struct monitor_device *m = device_of(in->peer);
    struct command_response r = command_response_of(p, in->now_ms);
    if (m->responding >= RESPONSES_MAX) {
        in->wire->refuse(in, &(struct event_refusal){.error = ERR_RATE_LIMIT_EXCEEDED,
                                                     .retry_after_ms = RESPONSES_RETRY_MS});
        return;
    }
    m->responding++;
    device_link_response(&m->link, monitor_ack_of(in, ACK_RESPONSE), &r);
}

void monitor_responded(struct monitor *m, span id, err error)
{
    device_of(m)->responding--;
    if (error == ERR_NONE) {
        monitor_ack(m, id);
        return;
    }
    monitor_refuse(m, id, error, error == ERR_NOT_FOUND ? "requestId" : NULL, NULL);
    if (error == ERR_NOT_FOUND) {
        charge(m); /* nothing is free that was not asked for */
    }
}
