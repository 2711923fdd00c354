/* See command_world.h. */
#include "sim/command_world.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* --- gadgets --- */

struct got *gadget_got(struct gadget *g, const char *request)
{
    for (unsigned i = 0; i < g->got_count; i++) {
        if (strcmp(g->got[i].request, request) == 0) {
            return &g->got[i];
        }
    }
    return NULL;
}

static void text_of(span payload, const char *member, char *out, size_t size)
{
    char key[48];
    snprintf(key, sizeof key, "\"%s\":\"", member);
    const char *at = memmem(payload.ptr, payload.len, key, strlen(key));
    SIM_CHECK(at != NULL);
    at += strlen(key);
    const char *end = memchr(at, '"', 100);
    SIM_CHECK(end != NULL && (size_t)(end - at) < size);
    snprintf(out, size, "%.*s", (int)(end - at), at);
}

static void respond(struct plug *p, const char *request, enum response_status status,
                    const char *result)
{
    struct command_response r = {.request_id = span_str(request),
                                 .status = status,
                                 .result = span_str(result),
                                 .at_ms = 1};
    char ack[80];
    snprintf(ack, sizeof ack, "%s:%d", request, (int)status);
    if (status == RESPONSE_ERROR) {
        r.error_code = SPAN("E_BUSY");
        r.error_message = SPAN("not now");
    }
    device_link_response(&p->link, span_str(ack), &r);
}

static void deliver(struct device_link *l, const struct link_delivery *d)
{
    struct plug *p = CONTAINER_OF(l, struct plug, link);
    struct gadget *g = p->gadget;
    char request[64];
    SIM_CHECK(d->event == OUT_DEVICE_COMMAND && d->token != 0);
    if (!p->open) {
        return; /* cut */
    }
    text_of(d->payload, "requestId", request, sizeof request);
    struct got *got = gadget_got(g, request);
    if (got == NULL) {
        SIM_CHECK(g->got_count < GOT_MAX);
        got = &g->got[g->got_count++];
        snprintf(got->request, sizeof got->request, "%s", request);
        buf_append_span(&got->payload, d->payload);
    }
    SIM_CHECK(span_eq(d->payload, buf_span(&got->payload))); /* a requestId is one command */
    got->times++;
    g->deliveries++;
    if (g->on_got != NULL) {
        g->on_got(g, got);
    }
    if (g->deaf) {
        return;
    }
    if (g->acks) {
        device_link_delivered(l, d->token);
    }
    if (g->answers) {
        got->runs += !got->ran;
        got->ran = true;
        respond(p, request, RESPONSE_SUCCESS, "{\"ok\":1}");
    }
}

static void ended(struct device_link *l, close_reason reason)
{
    struct plug *p = CONTAINER_OF(l, struct plug, link);
    p->open = false;
    p->reason = reason;
    if (p->gadget->plug == p) {
        p->gadget->plug = NULL;
    }
    device_link_close(l, reason);
}

static void answered(struct device_link *l, span ack, err error)
{
    struct plug *p = CONTAINER_OF(l, struct plug, link);
    struct gadget *g = p->gadget;
    if (!p->open) {
        return;
    }
    char request[80];
    span rest = ack, name = span_cut(&rest, ':');
    snprintf(request, sizeof request, "%.*s", SPAN_FMT(name));
    struct got *got = gadget_got(g, request);
    if (got != NULL && error == ERR_NONE && rest.ptr[0] <= '0' + RESPONSE_ERROR) {
        got->settled = true;
    }
    g->answered++;
    g->good += error == ERR_NONE;
    g->last = error;
}

void gadget_init(struct gadget *g, struct world *w, uuid id)
{
    *g = (struct gadget){.world = w, .id = id};
}

void gadget_deinit(struct gadget *g)
{
    gadget_disconnect(g);
    for (unsigned i = 0; i < g->got_count; i++) {
        buf_deinit(&g->got[i].payload);
    }
}

static void do_connect(void *arg)
{
    struct plug *p = arg;
    device_link_open(&p->gadget->world->homes[p->loop], &p->link,
                     &(struct device_link_conf){.device = p->gadget->id,
                                                .wire = "monitor",
                                                .socket_id = SPAN("1-2-3"),
                                                .remote_address = SPAN("127.0.0.1")});
}

void gadget_connect(struct gadget *g)
{
    SIM_CHECK(g->plug_count < ARRAY_LEN(g->plugs));
    struct plug *p = &g->plugs[g->plug_count++];
    *p = (struct plug){.link = {.device = g->id, .on_close = ended, .on_answer = answered,
                                .on_deliver = deliver},
                       .gadget = g,
                       .loop = world_loop(g->world),
                       .open = true};
    g->plug = p;
    sim_on_loop(g->world->sim, p->loop, do_connect, p);
}

static void do_disconnect(void *arg)
{
    struct plug *p = arg;
    p->open = false;
    device_link_close(&p->link, CLOSE_PEER_CLOSED);
}

void gadget_disconnect(struct gadget *g)
{
    for (unsigned i = 0; i < g->plug_count; i++) {
        if (g->plugs[i].open) {
            sim_on_loop(g->world->sim, g->plugs[i].loop, do_disconnect, &g->plugs[i]);
        }
    }
    g->plug = NULL;
}

void gadget_cut(struct gadget *g)
{
    for (unsigned i = 0; i < g->plug_count; i++) {
        g->plugs[i].open = false;
    }
    g->plug = NULL;
}

struct saying {
    struct plug *plug;
    const char *capabilities;
    const char *request;
    enum response_status status;
    const char *result;
};

static void do_register(void *arg)
{
    struct saying *s = arg;
    device_link_register(&s->plug->link, SPAN_NONE, span_str(s->capabilities));
}

void gadget_register(struct gadget *g, const char *capabilities)
{
    struct saying s = {.plug = g->plug, .capabilities = capabilities};
    sim_on_loop(g->world->sim, g->plug->loop, do_register, &s);
}

static void do_respond(void *arg)
{
    struct saying *s = arg;
    respond(s->plug, s->request, s->status, s->result);
}

void gadget_respond(struct gadget *g, const char *request, enum response_status status,
                    const char *result)
{
    struct saying s = {.plug = g->plug, .request = request, .status = status, .result = result};
    if (g->plug != NULL) {
        sim_on_loop(g->world->sim, g->plug->loop, do_respond, &s);
    }
}

/* --- calls --- */

static void copy(char *to, size_t size, span s) { snprintf(to, size, "%.*s", SPAN_FMT(s)); }

static void take(void *owner, const struct command_result *r)
{
    struct sent *s = owner;
    SIM_CHECK(!s->done);
    s->done = true;
    s->error = r->error;
    copy(s->why, sizeof s->why, span_str(r->why == NULL ? "" : r->why));
    copy(s->reason, sizeof s->reason, span_str(r->reason == NULL ? "" : r->reason));
    copy(s->request, sizeof s->request, r->request_id);
    s->repeated = r->repeated;
    s->id = r->id;
    s->phase = r->phase;
    buf_append_span(&s->json, r->json);
    buf_append_span(&s->next, r->next);
}

void sent_deinit(struct sent *s)
{
    buf_deinit(&s->json);
    buf_deinit(&s->next);
    *s = (struct sent){0};
}

struct command_asking {
    struct home *home;
    struct sent *sent;
    const struct command_draft *draft;
    const struct command_filter *filter;
    uuid who, device, command;
    uint32_t wait_ms;
};

static const struct actor *actor_of(const struct command_asking *q, struct actor *a)
{
    *a = (struct actor){.id = q->who, .name = SPAN("ann"), .address = SPAN("::1")};
    return a;
}

static void do_send(void *arg)
{
    struct command_asking *q = arg;
    struct actor who;
    command_send(q->home, q->draft, actor_of(q, &who), take, q->sent);
}

static void do_get(void *arg)
{
    struct command_asking *q = arg;
    command_get(q->home, q->device, q->command, take, q->sent);
}

static void do_cancel(void *arg)
{
    struct command_asking *q = arg;
    struct actor who;
    command_cancel(q->home, q->device, q->command, actor_of(q, &who), take, q->sent);
}

static void do_watch(void *arg)
{
    struct command_asking *q = arg;
    command_wait(q->home, q->device, q->command, q->wait_ms, take, q->sent);
}

static void do_list(void *arg)
{
    struct command_asking *q = arg;
    command_list(q->home, q->filter, take, q->sent);
}

static void start(struct world *w, struct command_asking *q, void (*call)(void *))
{
    unsigned loop = world_loop(w);
    sent_deinit(q->sent);
    q->home = &w->homes[loop];
    sim_on_loop(w->sim, loop, call, q);
}

static bool is_done(void *arg) { return ((struct sent *)arg)->done; }

void command_wait_for(struct world *w, struct sent *s)
{
    SIM_CHECK(sim_until(w->sim, is_done, s, 400000));
}

void command_start(struct world *w, struct sent *s, const struct command_draft *draft, uuid who)
{
    start(w, &(struct command_asking){.sent = s, .draft = draft, .who = who}, do_send);
}

void command_do(struct world *w, struct sent *s, const struct command_draft *draft, uuid who)
{
    command_start(w, s, draft, who);
    command_wait_for(w, s);
}

void command_show(struct world *w, struct sent *s, uuid device, uuid command)
{
    start(w, &(struct command_asking){.sent = s, .device = device, .command = command}, do_get);
    command_wait_for(w, s);
}

void command_stop_start(struct world *w, struct sent *s, uuid device, uuid command)
{
    start(w, &(struct command_asking){.sent = s, .device = device, .command = command}, do_cancel);
}

void command_stop(struct world *w, struct sent *s, uuid device, uuid command)
{
    command_stop_start(w, s, device, command);
    command_wait_for(w, s);
}

void command_watch_start(struct world *w, struct sent *s, uuid device, uuid command,
                         uint32_t wait_ms)
{
    start(w, &(struct command_asking){.sent = s, .device = device, .command = command,
                                      .wait_ms = wait_ms}, do_watch);
}

void command_watch(struct world *w, struct sent *s, uuid device, uuid command, uint32_t wait_ms)
{
    command_watch_start(w, s, device, command, wait_ms);
    command_wait_for(w, s);
}

void command_page(struct world *w, struct sent *s, const struct command_filter *f)
{
    start(w, &(struct command_asking){.sent = s, .filter = f}, do_list);
    command_wait_for(w, s);
}

bool sent_holds(const struct sent *s, const char *text)
{
    return s->json.len > 0 && memmem(s->json.ptr, s->json.len, text, strlen(text)) != NULL;
}
