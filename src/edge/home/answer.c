/* Frames to one client of the Home wire. Times are whole seconds (CONTRACT 1). */
#include "edge/home/session.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

#define MINUTE_S 60

const struct raw_wire home_raw = {
    .stats = STATS_HOME, .ok = FRAME_RESULT, .format_time = time_format_s, .stamped = true};

void home_connection(struct home_client *m, const struct raw_admission *a)
{
    struct raw_frame f;
    char id[UUID_TEXT_LEN + 1];
    raw_frame_open(&f, &home_raw, m->conn, FRAME_CONNECTION);
    uuid_format(m->id, id);
    json_member_string(&f.w, "status", SPAN("connected"));
    json_member_string(&f.w, "client_id", span_of(id, UUID_TEXT_LEN));
    raw_member_time(&f, "timestamp", loop_wall_ms(home_edge(m)->loop));
    raw_member_pos(&f, "pos", resume_start(m->resume));
    if (resume_pid(m->resume).len > 0) {
        json_member_string(&f.w, "session", resume_pid(m->resume));
        json_member_bool(&f.w, "resumed", a->claimed);
    }
    raw_frame_close(&f, BLOB_ORDERED);
}

void home_result(struct home_client *m, span id, span members)
{
    raw_ok(&home_raw, m->conn, id, members);
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
    struct raw_frame f;
    raw_frame_open(&f, &home_raw, m->conn, FRAME_REFUSAL);
    put_refusal(&f.w, r);
    raw_frame_close(&f, BLOB_ORDERED);
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
        struct raw_frame f;
        raw_frame_open(&f, &home_raw, m->conn, FRAME_RESULT);
        json_member_raw(&f.w, "id", id);
        json_member_bool(&f.w, "ok", false);
        json_member_open(&f.w, "error", '{');
        put_refusal(&f.w, r);
        json_close(&f.w, '}');
        raw_frame_close(&f, BLOB_ORDERED);
    }
}

void home_refuse(struct home_client *m, span id, const struct home_refusal *r, err error)
{
    home_fail(m, id, r, error);
    if (is_too_many(m)) {
        conn_close(m->conn, CLOSE_POLICY);
    }
}
