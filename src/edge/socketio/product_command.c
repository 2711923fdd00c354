/*
 * Commands in the namespace "/" (CONTRACT 3):
 *
 *     client --device:command--> recorded --ack--> client
 *     home --on_deliver--> device:command with an ack id --> device --ack--> home
 *     device --command:response--> home, on disk --ack--> device
 *
 * What became of a command comes to clients as command:result, by topics (issuer.h).
 */
#include "edge/command.h"
#include "edge/socketio/product.h"

#include "base/mem.h"
#include "codec/json/read.h"
#include "tables/frames.h"

#include <string.h>

/* A device's ack is waited for as long as its command may run. */
#define ACK_MS_MAX COMMAND_TIMEOUT_MS_MAX

/* --- asked for --- */

struct asked {
    struct sio_answer answer;
    struct edge *edge;
};

static void recorded(void *owner, const struct command_result *r)
{
    struct asked *a = owner;
    struct event_refusal refusal;
    buf members = {0};
    if (command_refused(r, &members, &refusal)) {
        sio_answer_refusal(a->edge, &a->answer, &refusal);
    } else {
        struct json_writer w = json_writer_of(&members);
        command_members(&w, r);
        sio_answer_ok(a->edge, &a->answer, buf_span(&members));
    }
    buf_deinit(&members);
    mem_free(a);
}

void event_product_command(struct event_call *in, const struct shape_command_send *p)
{
    char address[ADDR_TEXT_MAX];
    struct asked *a = mem_alloc(sizeof *a);
    struct command_draft draft = COMMAND_DRAFT(p);
    struct actor who = {.id = in->grant->principal,
                        .address = product_address(in->peer, address)};
    *a = (struct asked){.answer = product_answer(in), .edge = in->edge};
    draft.device = p->deviceId;
    command_send(in->edge->home, &draft, &who, recorded, a);
}

/* --- delivered --- */

/* What the device has not acknowledged yet; the socket's acks end before it does. */
struct delivery {
    struct product *product;
    uint64_t token;
    buf request_id; /* empty: it is no command */
};

static void acknowledged(void *owner, err error, span args, const span *attachments,
                         unsigned count)
{
    struct delivery *d = owner;
    struct json_iter it;
    span answer = SPAN_NONE;
    (void)attachments;
    (void)count;
    if (error == ERR_NONE) {
        if (json_array_begin(&it, args)) {
            (void)json_array_next(&it, &answer);
        }
        device_acknowledged(&d->product->link, d->token, buf_span(&d->request_id), answer,
                            loop_wall_ms(sio_edge(d->product->socket)->loop));
    }
    buf_deinit(&d->request_id);
    mem_free(d);
}

static bool emit_with_ack(struct product *p, const struct link_delivery *what, span args)
{
    struct delivery *d = mem_calloc(1, sizeof *d);
    d->product = p;
    d->token = what->token;
    delivery_request_id(what, &d->request_id);
    if (sio_emit_ack(p->socket, args, NULL, 0, ACK_MS_MAX, acknowledged, d)) {
        return true;
    }
    buf_deinit(&d->request_id);
    mem_free(d);
    return false;
}

void product_deliver(struct device_link *l, const struct link_delivery *d)
{
    struct product *p = CONTAINER_OF(l, struct product, link);
    struct edge *e = sio_edge(p->socket);
    buf args = {0};
    struct json_writer w = json_writer_of(&args);
    json_open(&w, '[');
    json_write_string(&w, span_str(event_out_row(d->event)->name));
    json_write_raw(&w, d->payload);
    json_close(&w, ']');
    stats_add(&e->stats.messages_out[STATS_SOCKETIO][frame_out(d->event)], 1);
    if (d->token == 0 || !emit_with_ack(p, d, buf_span(&args))) {
        sio_emit(p->socket, buf_span(&args), NULL, 0, BLOB_ORDERED);
    }
    buf_deinit(&args);
}

/* --- answered --- */

void event_product_response(struct event_call *in, const struct shape_command_response *p)
{
    struct product *mine = product_of(in->peer);
    struct product_wait w = product_wait_of(in, WAIT_RESPONSE);
    struct command_response r = command_response_of(p, in->now_ms);
    if (mine->responding >= RESPONSES_MAX) {
        in->wire->refuse(in, &(struct event_refusal){.error = ERR_RATE_LIMIT_EXCEEDED,
                                                     .retry_after_ms = RESPONSES_RETRY_MS});
        return;
    }
    mine->responding++;
    device_link_response(product_link(in), span_of(&w, sizeof w), &r);
}

void product_responded(struct device_link *l, const struct product_wait *w, err error)
{
    struct product *p = CONTAINER_OF(l, struct product, link);
    p->responding--;
    if (error == ERR_NONE) {
        sio_answer_ok(w->edge, &w->answer, SPAN_NONE);
        return;
    }
    sio_answer_error(w->edge, &w->answer, error, error == ERR_NOT_FOUND ? "requestId" : NULL, NULL,
                     0);
    if (error == ERR_NOT_FOUND) {
        sio_charge(p->socket); /* nothing is free that was not asked for */
    }
}
