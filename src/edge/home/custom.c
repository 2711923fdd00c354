#include "edge/home/custom.h"

#include "base/mem.h"
#include "base/timefmt.h"
#include "edge/home/broadcast.h"
#include "edge/home/session.h"
#include "edge/rest/rest.h"
#include "edge/socketio/app_hook.h"

bool custom_next(span *rest, span *type, bool *ok)
{
    if (rest->len == 0) {
        return false;
    }
    *type = span_trim(span_cut(rest, ','));
    *ok = broadcast_type_ok(*type);
    return true;
}

static bool is_custom(const struct edge *e, span name)
{
    const char *types = e->conf->home.custom_types;
    span rest = span_str(types == NULL ? "" : types); /* NULL: tests */
    span type;
    bool ok;
    while (custom_next(&rest, &type, &ok)) {
        if (ok && span_eq(type, name)) {
            return true;
        }
    }
    return false;
}

/* A message on its way; it may outlive its client, whose answer then goes nowhere. */
struct custom {
    struct app_hook hook;
    struct conn_ref conn;
    buf id; /* of the frame; empty: none */
};

static void put_sender(struct json_writer *w, const struct home_client *m)
{
    const struct grant *g = m->session.grant;
    rest_member_uuid(w, "client_id", m->id);
    json_member_open(w, "room_ids", '[');
    for (unsigned i = 0; m->rooms != NULL && i < m->rooms->count; i++) {
        json_write_i64(w, m->rooms->rooms[i]);
    }
    json_close(w, ']');
    rest_member_uuid(w, "principal", g->principal);
    json_member_string(w, "kind", span_str(principal_kind_name(g->kind)));
    json_member_open(w, "roles", '[');
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if (g->global_roles & 1u << r) {
            json_write_string(w, span_str(role_name((enum role)r)));
        }
    }
    json_close(w, ']');
}

static void put_body(buf *out, const struct event_call *in, uuid id)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    rest_member_uuid(&w, "id", id);
    json_member_string(&w, "event", in->name);
    json_member_raw(&w, "data", in->data.len > 0 ? in->data : SPAN("{}"));
    json_member_bool(&w, "ack", in->id.len > 0);
    put_sender(&w, in->peer);
    rest_member_time(&w, "timestamp", in->now_ms);
    json_close(&w, '}');
}

/* The answer as a member of the result; false: it is no JSON that payloads may be. */
static bool read_answer(span answer, buf *members)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    span root = json_root(answer);
    bool ok = root.len == 0 || shape_json(answer, &ctx);
    if (ok && root.len > 0) {
        buf_append_str(members, "\"answer\":");
        buf_append_span(members, root);
    }
    arena_reset(&arena);
    return ok;
}

static void on_done(struct receiver_call *call)
{
    struct custom *x = CONTAINER_OF(call, struct custom, hook.call);
    struct conn *c = conn_find(x->hook.edge->net, x->conn);
    buf members = {0};
    bool answered = call->result == RECEIVER_ANSWERED;
    bool ok = answered && read_answer(buf_span(&call->answer), &members);
    app_hook_count(&x->hook, answered && !ok);
    if (c != NULL && ok) {
        home_result(ws_user(c), buf_span(&x->id), buf_span(&members));
    } else if (c != NULL) {
        home_fail(ws_user(c), buf_span(&x->id),
                  &(struct home_refusal){.code = "server_error",
                                         .message = app_hook_reason(call->result)},
                  ERR_SERVER_ERROR);
    }
    buf_deinit(&members);
    buf_deinit(&x->id);
    app_hook_deinit(&x->hook);
    mem_free(x);
}

bool custom_take(const struct event_call *in)
{
    if (!is_custom(in->edge, in->name)) {
        return false;
    }
    if (in->grant->kind == PRINCIPAL_ANONYMOUS) {
        event_refuse(in, ERR_PERMISSION_DENIED, NULL, NULL);
        return true;
    }
    struct custom *x = mem_calloc(1, sizeof *x);
    app_hook_init(&x->hook, in->edge, in->edge->home->home_receiver, on_done);
    x->conn = in->conn;
    buf_append_span(&x->id, in->id);
    put_body(&x->hook.call.body, in, x->hook.call.id);
    app_hook_begin(&x->hook);
    return true;
}
