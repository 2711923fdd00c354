/* Frames to one client of the Home wire. Times are whole seconds (CONTRACT 1). */
#include "edge/home/session.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

#define MINUTE_S 60

static void count_frame(struct home_client *m, enum frame type)
{
    struct edge *e = home_edge(m);
    stats_add(&e->stats.messages_out[STATS_HOME][type], 1);
    LOG(loop_log(e->loop), LOG_DEBUG, "msg.out", LOG_U64("conn", conn_slot(m->conn)),
        LOG_STR("wire", stats_wire_name(STATS_HOME)), LOG_STR("event", frame_name(type)));
}

static struct json_writer open_frame(struct home_client *m, buf *out, enum frame type)
{
    struct json_writer w = json_writer_of(out);
    count_frame(m, type);
    json_open(&w, '{');
    json_member_string(&w, "type", span_str(frame_name(type)));
    json_member_open(&w, "data", '{');
    return w;
}

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_S_LEN + 1];
    time_format_s(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_S_LEN));
}

static void member_pos(struct json_writer *w, const char *name, struct pos p)
{
    char text[POS_TEXT_MAX];
    json_member_string(w, name, span_of(text, pos_text(p, text)));
}

static int64_t now_ms(const struct home_client *m) { return loop_wall_ms(home_edge(m)->loop); }

static void send_frame(struct home_client *m, struct json_writer *w, buf *out, enum blob_class cls)
{
    json_close(w, '}');
    member_time(w, "timestamp", now_ms(m));
    json_close(w, '}');
    edge_send_text(m->conn, buf_span(out), cls);
    buf_deinit(out);
}

void home_connection(struct home_client *m, const struct home_admission *a)
{
    buf out = {0};
    char id[UUID_TEXT_LEN + 1];
    struct json_writer w = open_frame(m, &out, FRAME_CONNECTION);
    uuid_format(m->id, id);
    json_member_string(&w, "status", SPAN("connected"));
    json_member_string(&w, "client_id", span_of(id, UUID_TEXT_LEN));
    member_time(&w, "timestamp", now_ms(m));
    member_pos(&w, "pos", resume_start(m->resume));
    if (resume_pid(m->resume).len > 0) {
        json_member_string(&w, "session", resume_pid(m->resume));
        json_member_bool(&w, "resumed", a->claimed);
    }
    send_frame(m, &w, &out, BLOB_ORDERED);
}

void home_gap(struct home_client *m, struct pos from, struct pos to)
{
    buf out = {0};
    struct json_writer w = open_frame(m, &out, FRAME_GAP);
    member_pos(&w, "from", from);
    member_pos(&w, "to", to);
    send_frame(m, &w, &out, BLOB_ORDERED);
}

void home_pong(struct home_client *m)
{
    buf out = {0};
    struct json_writer w = open_frame(m, &out, FRAME_PONG);
    member_time(&w, "timestamp", now_ms(m));
    send_frame(m, &w, &out, BLOB_EPHEMERAL);
}

void home_expiring(struct home_client *m)
{
    buf out = {0};
    struct json_writer w = open_frame(m, &out, FRAME_AUTH_EXPIRING);
    member_time(&w, "expiresAt", m->session.grant->expires_ms);
    send_frame(m, &w, &out, BLOB_ORDERED);
}

void home_result(struct home_client *m, span id, span members)
{
    buf out = {0};
    if (id.len == 0) {
        return;
    }
    struct json_writer w = open_frame(m, &out, FRAME_RESULT);
    json_member_raw(&w, "id", id);
    json_member_bool(&w, "ok", true);
    if (members.len > 0) {
        buf_append_byte(&out, ',');
        buf_append_span(&out, members);
    }
    send_frame(m, &w, &out, BLOB_ORDERED);
}

static void put_refusal(struct json_writer *w, const struct home_refusal *r)
{
    json_member_string(w, "code", span_str(r->code));
    json_member_string(w, "message", span_str(r->message));
    if (r->room != 0) {
        json_member_i64(w, "room_id", r->room);
    }
}

void home_tell(struct home_client *m, const struct home_refusal *r)
{
    buf out = {0};
    struct json_writer w = open_frame(m, &out, FRAME_REFUSAL);
    put_refusal(&w, r);
    send_frame(m, &w, &out, BLOB_ORDERED);
}

/* Whether this refusal is the last that is borne. */
static bool is_too_many(struct home_client *m)
{
    uint32_t now_s = (uint32_t)(loop_now_ms(home_edge(m)->loop) / 1000);
    if (m->refusals == 0 || now_s - m->refusals_s >= MINUTE_S) {
        m->refusals = 0;
        m->refusals_s = now_s;
    }
    return ++m->refusals >= HOME_REFUSALS_MAX;
}

void home_fail(struct home_client *m, span id, const struct home_refusal *r, err error)
{
    stats_add(&home_edge(m)->stats.errors[STATS_HOME][error], 1);
    if (id.len == 0) {
        home_tell(m, r);
    } else {
        buf out = {0};
        struct json_writer w = open_frame(m, &out, FRAME_RESULT);
        json_member_raw(&w, "id", id);
        json_member_bool(&w, "ok", false);
        json_member_open(&w, "error", '{');
        put_refusal(&w, r);
        json_close(&w, '}');
        send_frame(m, &w, &out, BLOB_ORDERED);
    }
}

void home_refuse(struct home_client *m, span id, const struct home_refusal *r, err error)
{
    home_fail(m, id, r, error);
    if (is_too_many(m)) {
        conn_close(m->conn, CLOSE_POLICY);
    }
}
