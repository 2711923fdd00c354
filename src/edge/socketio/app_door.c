#include "edge/socketio/app_door.h"

#include "base/mem.h"
#include "codec/json/read.h"
#include "edge/socketio/app_answer.h"
#include "edge/socketio/app_body.h"
#include "edge/socketio/app_hook.h"
#include "edge/socketio/emit.h"

#include <string.h>

#define FORBIDDEN 403
#define MESSAGE_BYTES_MAX 256 /* of what a receiver says to a client that it refuses */

/* A socket that the receiver let in: sio_socket.user. */
struct app_guest {
    uuid connect; /* the call's id */
    buf answer;   /* what it answered; empty once the rooms are joined */
};

struct connect_hook {
    struct app_hook hook;
    struct sio_joining *joining;
    buf sender;
};

/* --- going --- */

static void on_told(struct receiver_call *c)
{
    struct app_hook *h = CONTAINER_OF(c, struct app_hook, call);
    app_hook_count(h, false);
    app_hook_deinit(h);
    mem_free(h);
}

static void tell_gone(struct edge *e, span sender, uuid connect, span sid, const char *reason)
{
    struct app_hook *h = mem_calloc(1, sizeof *h);
    app_hook_init(h, e, e->home->app_receiver, on_told);
    app_body_disconnect(&h->call.body, sender, connect, sid, reason, h->call.id,
                        loop_wall_ms(e->loop));
    app_hook_begin(h);
}

void app_door_disconnected(struct sio_socket *s, close_reason reason)
{
    struct app_guest *g = s->user;
    if (g == NULL) {
        return;
    }
    buf sender = {0};
    app_body_sender(&sender, s);
    tell_gone(sio_edge(s), buf_span(&sender), g->connect, s->sid[0] == 0 ? SPAN_NONE : sio_sid(s),
              close_label(reason));
    buf_deinit(&sender);
    buf_deinit(&g->answer);
    mem_free(g);
    s->user = NULL;
}

/* --- coming --- */

/* The rooms of an answer that was checked; false when there are none. */
static bool rooms_of(span answer, struct json_iter *it)
{
    span rooms;
    return json_get(json_root(answer), "rooms", &rooms) && json_array_begin(it, rooms);
}

/* Whether all that an answer says can be done. */
static bool is_good(span answer, span nsp, uint32_t rooms_max)
{
    struct json_iter it;
    span rooms, room;
    buf args = {0};
    bool good = app_answer_args(answer, &args);
    buf_deinit(&args);
    if (!good || !json_get(json_root(answer), "rooms", &rooms)) {
        return good;
    }
    if (json_type(rooms) != JSON_ARRAY || json_count(rooms) > rooms_max) {
        return false;
    }
    (void)json_array_begin(&it, rooms);
    while (good && json_array_next(&it, &room)) {
        buf name = {0};
        good = json_string(room, &name) && emit_room_ok(nsp, buf_span(&name));
        buf_deinit(&name);
    }
    return good;
}

void app_door_connected(struct sio_socket *s)
{
    struct app_guest *g = s->user;
    struct json_iter it;
    span room;
    if (g == NULL) {
        return;
    }
    if (rooms_of(buf_span(&g->answer), &it)) {
        while (json_array_next(&it, &room)) {
            buf name = {0};
            (void)json_string(room, &name);
            (void)emit_join(s, buf_span(&name)); /* a recovered one may be in many already */
            buf_deinit(&name);
        }
    }
    buf_deinit(&g->answer);
}

/* The text of {"message":...}, NUL-terminated; false when there is none that could be shown. */
static bool message_of(span answer, char out[MESSAGE_BYTES_MAX + 1])
{
    span value;
    buf args = {0};
    buf text = {0};
    bool ok = app_answer_args(answer, &args) && json_get(json_root(answer), "message", &value) &&
              json_string(value, &text) && text.len > 0 && text.len <= MESSAGE_BYTES_MAX &&
              memchr(text.ptr, '\0', text.len) == NULL;
    if (ok) {
        memcpy(out, text.ptr, text.len);
        out[text.len] = '\0';
    }
    buf_deinit(&args);
    buf_deinit(&text);
    return ok;
}

static void refuse(struct connect_hook *h, bool bad)
{
    struct receiver_call *c = &h->hook.call;
    char message[MESSAGE_BYTES_MAX + 1];
    if (c->result == RECEIVER_REFUSED && c->status == FORBIDDEN) {
        bool said = message_of(buf_span(&c->answer), message);
        sio_admit(h->joining, ERR_PERMISSION_DENIED, said ? message : NULL,
                  app_hook_reason(RECEIVER_REFUSED), 0);
    } else {
        sio_admit(h->joining, ERR_SERVER_ERROR, NULL,
                  app_hook_reason(bad ? RECEIVER_FAILED : c->result), c->retry_ms);
    }
}

static void on_answer(struct receiver_call *c)
{
    struct connect_hook *h = CONTAINER_OF(c, struct connect_hook, hook.call);
    struct edge *e = h->hook.edge;
    struct sio_socket *s = sio_joining_socket(h->joining);
    bool answered = c->result == RECEIVER_ANSWERED;
    bool ok = answered && (s == NULL || is_good(buf_span(&c->answer), sio_nsp(s),
                                                e->conf->sio_rooms_max));
    app_hook_count(&h->hook, answered && !ok);
    if (!ok) {
        refuse(h, answered);
    } else if (s == NULL) { /* let in, and gone meanwhile */
        tell_gone(e, buf_span(&h->sender), c->id, SPAN_NONE, close_label(CLOSE_PEER_GONE));
        sio_admit(h->joining, ERR_NONE, NULL, NULL, 0);
    } else {
        struct app_guest *g = mem_calloc(1, sizeof *g);
        *g = (struct app_guest){.connect = c->id, .answer = c->answer};
        c->answer = (buf){0};
        s->user = g;
        sio_admit(h->joining, ERR_NONE, NULL, NULL, 0);
    }
    buf_deinit(&h->sender);
    app_hook_deinit(&h->hook);
    mem_free(h);
}

bool app_door_ask(struct sio_socket *s, span auth, struct sio_joining *j)
{
    struct edge *e = sio_edge(s);
    if (!e->conf->app_webhook_connect) {
        return false;
    }
    struct connect_hook *h = mem_calloc(1, sizeof *h);
    app_hook_init(&h->hook, e, e->home->app_receiver, on_answer);
    h->joining = j;
    app_body_sender(&h->sender, s);
    app_body_connect(&h->hook.call.body, buf_span(&h->sender), auth, h->hook.call.id,
                     loop_wall_ms(e->loop));
    app_hook_begin(&h->hook);
    return true;
}
