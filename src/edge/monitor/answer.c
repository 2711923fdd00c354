/* Frames to one peer of the Monitor wire. */
#include "edge/monitor/session.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

static void count_frame(struct edge *e, const struct monitor *m, enum frame type)
{
    stats_add(&e->stats.messages_out[STATS_MONITOR][type], 1);
    LOG(loop_log(e->loop), LOG_DEBUG, "msg.out", LOG_U64("conn", conn_slot(m->conn)),
        LOG_STR("wire", stats_wire_name(STATS_MONITOR)), LOG_STR("event", frame_name(type)));
}

static struct json_writer open_frame(struct monitor *m, buf *out, enum frame type)
{
    struct json_writer w = json_writer_of(out);
    if (m->conn != NULL) {
        count_frame(monitor_edge(m), m, type);
    }
    json_open(&w, '{');
    json_member_string(&w, "type", span_str(frame_name(type)));
    json_member_open(&w, "data", '{');
    return w;
}

static void send_frame(struct monitor *m, struct json_writer *w, buf *out, enum blob_class cls)
{
    json_close(w, '}');
    json_close(w, '}');
    if (m->conn != NULL) {
        edge_send_text(m->conn, buf_span(out), cls);
    }
    buf_deinit(out);
}

void monitor_tell(struct monitor *m, enum frame type, span data, uint32_t id)
{
    buf out = {0};
    struct edge *e = monitor_edge(m);
    struct json_writer w = json_writer_of(&out);
    count_frame(e, m, type);
    json_open(&w, '{');
    json_member_string(&w, "type", span_str(frame_name(type)));
    json_member_raw(&w, "data", data);
    if (id != 0) {
        json_member_u64(&w, "id", id);
    }
    json_close(&w, '}');
    edge_send_text(m->conn, buf_span(&out), BLOB_ORDERED);
    buf_deinit(&out);
}

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void member_pos(struct json_writer *w, const char *name, struct pos p)
{
    char text[POS_TEXT_MAX];
    json_member_string(w, name, span_of(text, pos_text(p, text)));
}

void monitor_connected(struct monitor *m, const struct monitor_admission *a)
{
    buf out = {0};
    char id[UUID_TEXT_LEN + 1];
    struct json_writer w = open_frame(m, &out, FRAME_CONNECTED);
    uuid_format(m->device, id);
    json_member_string(&w, "deviceUuid", span_of(id, UUID_TEXT_LEN));
    member_time(&w, "timestamp", loop_wall_ms(monitor_edge(m)->loop));
    if (monitor_has_events(m)) {
        member_pos(&w, "pos", monitor_start(m));
    }
    if (m->resume != NULL && a->ask.session) {
        json_member_string(&w, "session", resume_pid(m->resume));
        json_member_bool(&w, "resumed", a->claimed);
    }
    send_frame(m, &w, &out, BLOB_ORDERED);
}

void monitor_gap(struct monitor *m, struct pos from, struct pos to)
{
    buf out = {0};
    struct json_writer w = open_frame(m, &out, FRAME_GAP);
    member_pos(&w, "from", from);
    member_pos(&w, "to", to);
    send_frame(m, &w, &out, BLOB_ORDERED);
}

void monitor_pong(struct monitor *m)
{
    buf out = {0};
    struct json_writer w = open_frame(m, &out, FRAME_PONG);
    member_time(&w, "timestamp", loop_wall_ms(monitor_edge(m)->loop));
    send_frame(m, &w, &out, BLOB_EPHEMERAL);
}

void monitor_expiring(struct monitor *m)
{
    buf out = {0};
    struct json_writer w = open_frame(m, &out, FRAME_AUTH_EXPIRING);
    member_time(&w, "expiresAt", m->session.grant->expires_ms);
    send_frame(m, &w, &out, BLOB_ORDERED);
}

void monitor_ack(struct monitor *m, span id) { monitor_ack_with(m, id, SPAN_NONE); }

void monitor_ack_with(struct monitor *m, span id, span members)
{
    buf out = {0};
    if (id.len == 0) {
        return;
    }
    struct json_writer w = open_frame(m, &out, FRAME_ACK);
    json_member_raw(&w, "id", id);
    json_member_bool(&w, "ok", true);
    if (members.len > 0) {
        buf_append_byte(&out, ',');
        buf_append_span(&out, members);
    }
    send_frame(m, &w, &out, BLOB_ORDERED);
}

void monitor_refuse_with(struct monitor *m, span id, const struct event_refusal *r)
{
    buf out = {0};
    struct json_writer w = open_frame(m, &out, id.len > 0 ? FRAME_ACK : FRAME_ERROR);
    stats_add(&monitor_edge(m)->stats.errors[STATS_MONITOR][r->error], 1);
    if (id.len > 0) {
        json_member_raw(&w, "id", id);
        json_member_bool(&w, "ok", false);
        json_member_open(&w, "error", '{');
        event_error_members(&w, r);
        json_close(&w, '}');
    } else {
        event_error_members(&w, r);
    }
    send_frame(m, &w, &out, BLOB_ORDERED);
}

void monitor_refuse(struct monitor *m, span id, err e, const char *member, const char *why)
{
    monitor_refuse_with(m, id,
                        &(struct event_refusal){.error = e, .member = member, .why = why});
}
