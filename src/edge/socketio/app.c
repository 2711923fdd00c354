#include "edge/socketio/app.h"

#include "base/mem.h"
#include "edge/socketio/app_door.h"
#include "edge/socketio/app_hook.h"
#include "edge/socketio/app_nsp.h"
#include "edge/socketio/emit.h"
#include "edge/socketio/names.h"

struct app {
    unsigned count;
    struct app_nsp nsps[APP_NAMESPACES_MAX]; /* their patterns are registered */
};

static void refuse(struct sio_socket *s, const struct sio_event *ev, const char *member,
                   const char *why)
{
    struct sio_answer to = sio_answer_of(s, ev);
    sio_answer_error(sio_edge(s), &to, ERR_INVALID_MESSAGE_FORMAT, member, why, 0);
}

static bool is_small(const struct sio_socket *s, const struct sio_event *ev)
{
    size_t bytes = ev->args.len;
    for (unsigned i = 0; i < ev->attachment_count; i++) {
        bytes += ev->attachments[i].len;
    }
    return bytes <= sio_edge(s)->conf->app_event_bytes_max;
}

/* False when it was refused. */
static bool relay(struct sio_socket *s, const struct sio_event *ev)
{
    span rooms[EMIT_ROOMS_MAX];
    span self = sio_sid(s);
    unsigned count = emit_rooms(s, rooms, EMIT_ROOMS_MAX);
    if (count > EMIT_ROOMS_MAX) {
        refuse(s, ev, NULL, "its sender is in more rooms than one event may go to (32)");
        return false;
    }
    if (count > 0) {
        struct emit m = {.nsp = sio_nsp(s),
                         .args = ev->args,
                         .attachments = ev->attachments,
                         .attachment_count = ev->attachment_count,
                         .rooms = rooms,
                         .room_count = count,
                         .except = &self,
                         .except_count = 1};
        emit_now(sio_edge(s), &m, BLOB_ORDERED);
    }
    return true;
}

static void take(struct sio_socket *s, const struct sio_event *ev)
{
    struct edge *e = sio_edge(s);
    unsigned ways = e->conf->app_events;
    if (!is_small(s, ev)) {
        refuse(s, ev, NULL, "larger than app_event_bytes_max");
        return;
    }
    if ((ways & APP_TO_ROOMS) && !relay(s, ev)) {
        return;
    }
    if (ways & APP_TO_WEBHOOK) {
        app_hook_event(s, ev);
    } else {
        struct sio_answer to = sio_answer_of(s, ev);
        sio_answer_ok(e, &to, SPAN_NONE);
    }
}

bool app_event(struct sio_socket *s, const struct sio_event *ev)
{
    if (sio_edge(s)->conf->app_events == 0 || sio_name_is_product(ev->name)) {
        return false;
    }
    take(s, ev);
    return true;
}

/* --- namespaces of applications --- */

static void on_event(struct sio_socket *s, const struct sio_event *ev)
{
    if (span_eq(ev->name, SPAN("auth:refresh"))) {
        sio_refresh(s, ev);
    } else if (!app_event(s, ev)) {
        refuse(s, ev, "event",
               sio_name_is_product(ev->name) ? "a name of the server's own"
                                     : "unknown, and applications' events are off");
    }
}

/* A provisioning key registers devices and nothing else (CONTRACT 2). */
static const char *admit(struct sio_socket *s, span auth)
{
    (void)auth;
    bool provisions = s->session.grant->kind == PRINCIPAL_PROVISIONER;
    return provisions ? "A provisioning key only registers devices" : NULL;
}

static void on_connect(struct sio_socket *s, span auth)
{
    (void)auth;
    app_door_connected(s);
}

static const struct sio_nsp_ops app_ops = {
    .authenticates = true,
    .recovers = true,
    .rooms = true,
    .admit = admit,
    .ask = app_door_ask,
    .on_connect = on_connect,
    .on_event = on_event,
    .on_disconnect = app_door_disconnected,
};

static const struct sio_nsp_ops app_msgpack_ops = {
    .authenticates = true,
    .recovers = true,
    .rooms = true,
    .msgpack = true,
    .admit = admit,
    .ask = app_door_ask,
    .on_connect = on_connect,
    .on_event = on_event,
    .on_disconnect = app_door_disconnected,
};

void app_init(struct edge *e)
{
    struct app *app = mem_calloc(1, sizeof *app);
    span rest = span_str(e->conf->app_namespaces);
    span entry;
    const char *why;
    while (app->count < APP_NAMESPACES_MAX &&
           app_nsp_next(&rest, &app->nsps[app->count], &entry, &why) == APP_NSP_GOT) {
        const struct app_nsp *n = &app->nsps[app->count++];
        sio_nsp_register(e, n->pattern, n->msgpack ? &app_msgpack_ops : &app_ops);
    }
    e->app = app;
}

void app_deinit(struct edge *e)
{
    mem_free(e->app);
    e->app = NULL;
}
