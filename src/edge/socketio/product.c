#include "edge/socketio/product.h"
#include "domain/device_config.h"
#include "edge/rest/devices.h"
#include "edge/socketio/app.h"
#include "edge/socketio/chat.h"
#include "edge/states.h"
#include "edge/telemetry.h"

#include "base/mem.h"
#include "codec/json/read.h"
#include "loop/addr.h"
#include "shape/device.h"

#include <string.h>

/* One event on its way. What names its ack is the bytes of a struct sio_answer. */
struct product_call {
    struct event_call in;
    struct sio_socket *socket;
    const struct sio_event *event;
    struct sio_answer answer;
};

static struct product_call *call_of(const struct event_call *in)
{
    return CONTAINER_OF((struct event_call *)(uintptr_t)in, struct product_call, in);
}

struct product *product_of(struct sio_socket *s)
{
    if (s->user == NULL) {
        struct product *p = mem_calloc(1, sizeof *p);
        p->socket = s;
        s->user = p;
    }
    return s->user;
}

/* --- the wire --- */

struct sio_answer product_answer(const struct event_call *in)
{
    struct sio_answer a;
    ASSERT(in->id.len == sizeof a);
    memcpy(&a, in->id.ptr, sizeof a);
    return a;
}

static void on_ok(const struct event_call *in, span members)
{
    struct sio_answer a = product_answer(in);
    sio_answer_ok(in->edge, &a, members);
}

static void on_refuse(const struct event_call *in, const struct event_refusal *r)
{
    struct sio_answer a = product_answer(in);
    sio_answer_refusal(in->edge, &a, r);
}

static bool within_rate(const struct event_call *in)
{
    struct product_call *c = call_of(in);
    return sio_within_rate(c->socket, c->event);
}

static void on_flooding(const struct event_call *in)
{
    sio_disconnect(call_of(in)->socket, CLOSE_FLOODING, true);
}

static bool unknown(const struct event_call *in)
{
    struct product_call *c = call_of(in);
    return in->kind != PEER_PROVISIONER && !c->event->refused_names &&
           app_event(c->socket, c->event);
}

static const struct event_wire wire = {.stats = STATS_SOCKETIO,
                                       .name = "socketio",
                                       .name_member = "event",
                                       .ok = on_ok,
                                       .refuse = on_refuse,
                                       .flooding = on_flooding,
                                       .within_rate = within_rate,
                                       .unknown = unknown};

enum event_peer product_peer(const struct sio_socket *s)
{
    switch (s->session.grant->kind) {
    case PRINCIPAL_DEVICE:
        return PEER_DEVICE;
    case PRINCIPAL_PROVISIONER:
        return PEER_PROVISIONER;
    case PRINCIPAL_ROBOT:
        return PEER_ROBOT;
    case PRINCIPAL_USER:
    case PRINCIPAL_GUEST:
    case PRINCIPAL_SERVICE:
    case PRINCIPAL_ANONYMOUS:
        break;
    }
    return PEER_CLIENT;
}

span product_payload(span args)
{
    struct json_iter it;
    span value = SPAN_NONE;
    if (json_array_begin(&it, args) && json_array_next(&it, &value) &&
        json_array_next(&it, &value)) {
        return value;
    }
    return SPAN_NONE;
}

static void on_event(struct sio_socket *s, const struct sio_event *ev)
{
    if (chat_is_name(ev->name)) {
        chat_event(s, ev);
        return;
    }
    struct arena arena = {0};
    struct product_call c = {.socket = s, .event = ev, .answer = sio_answer_of(s, ev)};
    bool device = product_peer(s) == PEER_DEVICE;
    c.in = (struct event_call){.wire = &wire,
                               .edge = sio_edge(s),
                               .arena = &arena,
                               .peer = s,
                               .kind = product_peer(s),
                               .grant = s->session.grant,
                               .device = s->session.grant->principal,
                               .slot = conn_slot(sio_engine(s)->conn),
                               .name = ev->name,
                               .data = product_payload(ev->args),
                               .unchecked = true,
                               .id = span_of(&c.answer, sizeof c.answer),
                               .wants_ack = ev->wants_ack,
                               .telemetry = device ? &product_of(s)->telemetry : NULL,
                               .bytes = ev->args.len};
    event_dispatch(&c.in); /* which may free s */
    arena_reset(&arena);
}

void event_product_auth_refresh(struct event_call *in, const struct shape_auth_refresh *p)
{
    struct product_call *c = call_of(in);
    (void)p; /* it holds: the same is read again there, for every namespace */
    sio_refresh(c->socket, c->event);
}

/* --- a device's own socket --- */

static void device_read(void *owner, const struct device_result *r)
{
    struct product_wait *w = owner;
    buf members = {0};
    if (r->error == ERR_NONE) {
        device_put_registered(&members, r->json, r->config);
        sio_answer_ok(w->edge, &w->answer, buf_span(&members));
    } else {
        sio_answer_error(w->edge, &w->answer, r->error, NULL, NULL, 0);
    }
    buf_deinit(&members);
    mem_free(w);
}

static void link_answered(struct device_link *l, span ack, err error)
{
    struct product_wait w;
    ASSERT(ack.len == sizeof w);
    memcpy(&w, ack.ptr, sizeof w);
    if (w.what == WAIT_RESPONSE) {
        product_responded(l, &w, error); /* which may close the socket */
    } else if (error != ERR_NONE) {
        bool version = w.what == WAIT_CONFIG && error == ERR_INVALID_MESSAGE_FORMAT;
        sio_answer_error(w.edge, &w.answer, error, version ? "version" : NULL,
                         version ? CONFIG_VERSION_BAD : NULL, 0);
    } else if (w.what != WAIT_REGISTER) {
        sio_answer_ok(w.edge, &w.answer, SPAN_NONE);
    } else if (w.answer.wanted) {
        struct product_wait *copy = mem_alloc(sizeof *copy);
        *copy = w;
        device_registered_get(w.edge->home, l->device, device_read, copy);
    }
}

static void link_ended(struct device_link *l, close_reason reason)
{
    sio_disconnect(CONTAINER_OF(l, struct product, link)->socket, reason, false);
}

span product_address(const struct sio_socket *s, char text[ADDR_TEXT_MAX])
{
    struct sockaddr_storage addr;
    text[0] = '\0';
    if (conn_peer(sio_engine(s)->conn, &addr)) {
        addr_format_host(&addr, text);
    }
    return span_str(text);
}

static void open_link(struct sio_socket *s)
{
    struct product *p = product_of(s);
    char address[ADDR_TEXT_MAX];
    p->linked = true;
    p->link.on_close = link_ended;
    p->link.on_answer = link_answered;
    p->link.on_deliver = product_deliver;
    device_link_open(sio_edge(s)->home, &p->link,
                     &(struct device_link_conf){.device = s->session.grant->principal,
                                                .wire = "socketio",
                                                .socket_id = sio_sid(s),
                                                .remote_address = product_address(s, address)});
}

struct device_link *product_link(const struct event_call *in)
{
    struct product *p = product_of(in->peer);
    ASSERT(p->linked); /* every socket of a device is, as soon as it is connected */
    return &p->link;
}

struct product_wait product_wait_of(const struct event_call *in, enum product_what what)
{
    struct product_wait w;
    memset(&w, 0, sizeof w); /* it travels as bytes */
    w.answer = product_answer(in);
    w.edge = in->edge;
    w.what = what;
    return w;
}

void event_product_register(struct event_call *in, const struct shape_register *p)
{
    struct product_wait w = product_wait_of(in, WAIT_REGISTER);
    if (p->has_deviceId && !uuid_eq(p->deviceId, in->device)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, "deviceId", "is another device's");
        return;
    }
    device_link_register(product_link(in), span_of(&w, sizeof w),
                         p->has_capabilities ? device_texts(p->capabilities, in->arena)
                                             : SPAN_NONE);
}

void event_product_heartbeat(struct event_call *in, const struct shape_heartbeat *p)
{
    struct product_wait w = product_wait_of(in, WAIT_PLAIN);
    (void)p;
    device_link_heartbeat(product_link(in), w.answer.wanted ? span_of(&w, sizeof w) : SPAN_NONE);
}

void event_product_config_report(struct event_call *in, const struct shape_config_report *p)
{
    struct product_wait w = product_wait_of(in, WAIT_CONFIG);
    device_link_config(product_link(in), span_of(&w, sizeof w), p->version, p->reported);
}

void event_product_telemetry(struct event_call *in, struct event_many *m)
{
    telemetry_event(in, m, product_link(in));
}

void event_product_states(struct event_call *in, const struct shape_device_states *p)
{
    states_event(in, p->states, product_link(in), NULL);
}

/* --- provisioning keys --- */

static void provisioned(void *owner, const struct device_result *r)
{
    struct product_wait *w = owner;
    buf members = {0};
    if (r->error == ERR_NONE) {
        struct json_writer j = json_writer_of(&members);
        json_member_raw(&j, "device", r->json);
        json_member_string(&j, "key", r->key);
        sio_answer_ok(w->edge, &w->answer, buf_span(&members));
    } else {
        if (r->error == ERR_AUTHENTICATION_FAILED) {
            stats_name(&w->edge->stats.auth_failures, "used_up");
        }
        sio_answer_error(w->edge, &w->answer, r->error, NULL,
                         r->error == ERR_CONFLICT ? "a device of that id exists already" : NULL,
                         0);
    }
    buf_deinit(&members);
    mem_free(w);
}

void event_product_provision(struct event_call *in, const struct shape_device_register *p)
{
    struct product_wait *w = mem_alloc(sizeof *w);
    char address[ADDR_TEXT_MAX];
    *w = product_wait_of(in, WAIT_PLAIN);
    if (!w->answer.wanted) { /* the key would be lost */
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, NULL, "needs an acknowledgement");
        mem_free(w);
        return;
    }
    device_provision(in->edge->home, in->grant, p, in->arena, product_address(in->peer, address),
                     provisioned, w);
}

/* --- the namespace --- */

static void on_connect(struct sio_socket *s, span auth)
{
    (void)auth;
    if (s->session.grant->kind == PRINCIPAL_DEVICE) {
        open_link(s);
    }
    chat_connect(s);
}

static void keep(const struct sio_socket *s, struct json_writer *w)
{
    product_subs_keep(s, w);
    chat_keep(s, w);
}

static void restore(struct sio_socket *s, span state)
{
    product_subs_restore(s, state);
    chat_restore(s, state);
}

static void on_rights(struct sio_socket *s)
{
    product_subs_rights(s);
    chat_rights(s);
}

static void on_writable(struct sio_socket *s)
{
    product_subs_writable(s);
    chat_writable(s);
}

static void on_disconnect(struct sio_socket *s, close_reason reason)
{
    struct product *p = s->user;
    if (p == NULL) {
        return;
    }
    product_subs_close(s);
    chat_disconnect(s);
    if (p->linked) {
        device_link_close(&p->link, reason);
    }
    mem_free(p);
    s->user = NULL;
}

static const struct sio_nsp_ops ops = {.authenticates = true,
                                       .recovers = true,
                                       .rooms = true,
                                       .msgpack = true,
                                       .refuses_names = true,
                                       .limits_itself = true,
                                       .on_connect = on_connect,
                                       .keep = keep,
                                       .restore = restore,
                                       .holds = chat_holds,
                                       .on_event = on_event,
                                       .on_rights = on_rights,
                                       .on_closing = chat_closing,
                                       .on_writable = on_writable,
                                       .on_disconnect = on_disconnect};

void product_init(struct edge *e)
{
    if (!e->conf->conformance) {
        sio_nsp_register(e, "/", &ops);
    }
}
