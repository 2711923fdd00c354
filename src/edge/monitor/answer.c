/* Frames to one peer of the Monitor wire. */
#include "edge/monitor/session.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

const struct raw_wire monitor_raw = {
    .stats = STATS_MONITOR, .ok = FRAME_ACK, .format_time = time_format_ms};

void monitor_tell(struct monitor *m, enum frame type, span data, uint32_t id)
{
    struct raw_frame f;
    raw_frame_begin(&f, &monitor_raw, m->conn, type);
    json_member_raw(&f.w, "data", data);
    if (id != 0) {
        json_member_u64(&f.w, "id", id);
    }
    raw_frame_end(&f, BLOB_ORDERED);
}

void monitor_connected(struct monitor *m, const struct raw_admission *a)
{
    struct raw_frame f;
    char id[UUID_TEXT_LEN + 1];
    raw_frame_open(&f, &monitor_raw, m->conn, FRAME_CONNECTED);
    uuid_format(m->device, id);
    json_member_string(&f.w, "deviceUuid", span_of(id, UUID_TEXT_LEN));
    raw_member_time(&f, "timestamp", loop_wall_ms(monitor_edge(m)->loop));
    if (monitor_has_events(m)) {
        raw_member_pos(&f, "pos", monitor_start(m));
    }
    if (m->resume != NULL && a->ask.session) {
        json_member_string(&f.w, "session", resume_pid(m->resume));
        json_member_bool(&f.w, "resumed", a->claimed);
    }
    raw_frame_close(&f, BLOB_ORDERED);
}

void monitor_ack(struct monitor *m, span id) { monitor_ack_with(m, id, SPAN_NONE); }

void monitor_ack_with(struct monitor *m, span id, span members)
{
    raw_ok(&monitor_raw, m->conn, id, members);
}

void monitor_refuse_with(struct monitor *m, span id, const struct event_refusal *r)
{
    struct raw_frame f;
    raw_frame_open(&f, &monitor_raw, m->conn, id.len > 0 ? FRAME_ACK : FRAME_ERROR);
    stats_add(&monitor_edge(m)->stats.errors[STATS_MONITOR][r->error], 1);
    if (id.len > 0) {
        json_member_raw(&f.w, "id", id);
        json_member_bool(&f.w, "ok", false);
        json_member_open(&f.w, "error", '{');
        event_error_members(&f.w, r);
        json_close(&f.w, '}');
    } else {
        event_error_members(&f.w, r);
    }
    raw_frame_close(&f, BLOB_ORDERED);
}

void monitor_refuse(struct monitor *m, span id, err e, const char *member, const char *why)
{
    monitor_refuse_with(m, id,
                        &(struct event_refusal){.error = e, .member = member, .why = why});
}
