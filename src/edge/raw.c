#include "edge/raw.h"

#include "base/timefmt.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "edge/clients.h"
#include "edge/rest/devices.h"

/* --- admission --- */

bool raw_admit(struct rest_call *c, struct raw_admission *a)
{
    *a = (struct raw_admission){.call = c, .edge = c->edge, .principal = c->grant->principal};
    if (!c->x->req->upgrade_websocket) {
        (void)rest_upgrade(c, NULL, NULL); /* answers 426 */
        return false;
    }
    if (!resume_ask_parse(rest_query(c, "since"), rest_query(c, "session"), &a->ask)) {
        device_bad_query(c, "since", "is no position of ours");
        return false;
    }
    return true;
}

bool raw_may_claim(const struct raw_admission *a)
{
    return a->ask.pid[0] != '\0' && !uuid_is_nil(a->principal);
}

bool raw_claimed(struct raw_admission *a, const struct recovery_result *r, buf *state)
{
    a->claimed = r->error == ERR_NONE;
    a->kept = r->pos;
    a->call = rest_resume(a->call);
    if (a->call == NULL) {
        return false;
    }
    buf_append_span(state, a->claimed ? r->state : SPAN_NONE);
    a->state = buf_span(state);
    return true;
}

void raw_give_back(struct raw_admission *a)
{
    if (a->claimed) {
        recovery_drop(a->edge->home, span_str(a->ask.pid), a->principal, NULL);
        a->claimed = false;
    }
}

/* --- what a client says --- */

void raw_message(struct conn *c, span payload, struct event_call *in,
                 void (*parse)(struct event_call *in, span payload))
{
    struct arena arena = {0};
    in->edge = edge_of(c);
    in->arena = &arena;
    in->conn = conn_ref_of(c);
    in->slot = conn_slot(c);
    in->bytes = payload.len;
    parse(in, payload);
    in->wants_ack = in->id.len > 0;
    event_dispatch(in); /* which may close it and free its peer */
    arena_reset(&arena);
    in->arena = NULL;
}

void raw_bad(struct event_call *in, const char *member, const char *why)
{
    in->bad_member = member;
    in->bad = why;
}

bool raw_type(struct event_call *in, span root)
{
    span type;
    if (!json_get(root, "type", &type) || json_type(type) != JSON_STRING) {
        raw_bad(in, "type", "must be a string");
        return false;
    }
    in->name = json_string_in(type, in->arena);
    return true;
}

void raw_flooding(const struct event_call *in)
{
    struct conn *c = conn_find(in->edge->net, in->conn);
    if (c != NULL) {
        conn_close(c, CLOSE_FLOODING);
    }
}

bool raw_again(struct event_call *in)
{
    struct conn *c = conn_find(in->edge->net, in->conn);
    in->peer = c == NULL ? NULL : ws_user(c);
    return c != NULL;
}

/* --- what a client is sent --- */

void raw_frame_begin(struct raw_frame *f, const struct raw_wire *wire, struct conn *c,
                     enum frame type)
{
    struct edge *e = edge_of(c);
    *f = (struct raw_frame){.wire = wire, .conn = c};
    f->w = json_writer_of(&f->out);
    stats_add(&e->stats.messages_out[wire->stats][type], 1);
    LOG(loop_log(e->loop), LOG_DEBUG, "msg.out", LOG_U64("conn", conn_slot(c)),
        LOG_STR("wire", stats_wire_name(wire->stats)), LOG_STR("name", frame_name(type)));
    json_open(&f->w, '{');
    json_member_string(&f->w, "type", span_str(frame_name(type)));
}

void raw_frame_end(struct raw_frame *f, enum blob_class cls)
{
    json_close(&f->w, '}');
    edge_send_text(f->conn, buf_span(&f->out), cls);
    buf_deinit(&f->out);
}

void raw_frame_open(struct raw_frame *f, const struct raw_wire *wire, struct conn *c,
                    enum frame type)
{
    raw_frame_begin(f, wire, c, type);
    json_member_open(&f->w, "data", '{');
}

static int64_t now_ms(const struct raw_frame *f) { return loop_wall_ms(edge_of(f->conn)->loop); }

void raw_frame_close(struct raw_frame *f, enum blob_class cls)
{
    json_close(&f->w, '}');
    if (f->wire->stamped) {
        raw_member_time(f, "timestamp", now_ms(f));
    }
    raw_frame_end(f, cls);
}

void raw_member_time(struct raw_frame *f, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1]; /* the longer of the two */
    f->wire->format_time(epoch_ms, text);
    json_member_string(&f->w, name, span_str(text));
}

void raw_member_pos(struct raw_frame *f, const char *name, struct pos p)
{
    char text[POS_TEXT_MAX];
    json_member_string(&f->w, name, span_of(text, pos_text(p, text)));
}

void raw_gap(const struct raw_wire *wire, struct conn *c, struct pos from, struct pos to)
{
    struct raw_frame f;
    raw_frame_open(&f, wire, c, FRAME_GAP);
    raw_member_pos(&f, "from", from);
    raw_member_pos(&f, "to", to);
    raw_frame_close(&f, BLOB_ORDERED);
}

void raw_pong(const struct raw_wire *wire, struct conn *c)
{
    struct raw_frame f;
    raw_frame_open(&f, wire, c, FRAME_PONG);
    raw_member_time(&f, "timestamp", now_ms(&f));
    raw_frame_close(&f, BLOB_EPHEMERAL);
}

void raw_ok(const struct raw_wire *wire, struct conn *c, span id, span members)
{
    struct raw_frame f;
    if (id.len == 0) {
        return;
    }
    raw_frame_open(&f, wire, c, wire->ok);
    json_member_raw(&f.w, "id", id);
    json_member_bool(&f.w, "ok", true);
    if (members.len > 0) {
        buf_append_byte(&f.out, ',');
        buf_append_span(&f.out, members);
    }
    raw_frame_close(&f, BLOB_ORDERED);
}

/* --- rights --- */

static void tell_expiring(const struct raw_wire *wire, struct conn *c, int64_t expires_ms)
{
    struct raw_frame f;
    raw_frame_open(&f, wire, c, FRAME_AUTH_EXPIRING);
    raw_member_time(&f, "expiresAt", expires_ms);
    raw_frame_close(&f, BLOB_ORDERED);
}

bool raw_change(const struct raw_wire *wire, struct conn *c, const struct session *s,
                enum session_change change)
{
    if (c == NULL || !conn_is_open(c)) {
        return false;
    }
    switch (change) {
    case SESSION_REVOKED:
        conn_close(c, CLOSE_REVOKED);
        break;
    case SESSION_DISABLED:
        conn_close(c, CLOSE_DISABLED);
        break;
    case SESSION_RIGHTS:
        clients_rights(edge_of(c), c, s->grant);
        return true;
    case SESSION_EXPIRING:
        tell_expiring(wire, c, s->grant->expires_ms);
        break;
    case SESSION_EXPIRED:
        conn_close(c, CLOSE_TOKEN_EXPIRED);
        break;
    }
    return false;
}
