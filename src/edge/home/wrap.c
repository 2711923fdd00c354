/* What the hub brings to clients of the Home wire: as frames, and for whom. */
#include "base/timefmt.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "domain/house.h"
#include "edge/home/broadcast.h"
#include "edge/home/session.h"

enum frame home_frame(const struct blob *b)
{
    static const enum frame frames[] = {[HOUSE_STATE_CHANGED] = FRAME_ENTITY_STATE_CHANGED,
                                        [HOUSE_SNAPSHOT] = FRAME_ROOM_SNAPSHOT,
                                        [HOUSE_HEARTBEAT] = FRAME_HOME_HEARTBEAT,
                                        [HOUSE_STATUS] = FRAME_SYSTEM_STATUS};
    return b->event < ARRAY_LEN(frames) ? frames[b->event] : FRAME_UNKNOWN;
}

static void put_head(struct json_writer *w, const char *type, span data)
{
    json_open(w, '{');
    json_member_string(w, "type", span_str(type));
    json_member_raw(w, "data", data);
}

static bool is_broadcast(const struct blob *b)
{
    return b->event == EVENT_HOME_BROADCAST || b->event == EVENT_HOME_BROADCAST_SOME;
}

/* {"type","data",...} in the payload: its own, as they stand there. */
static void put_broadcast_head(struct json_writer *w, span payload)
{
    span type, data;
    bool whole = json_get(payload, "type", &type) && json_get(payload, "data", &data);
    json_open(w, '{');
    json_member_raw(w, "type", whole ? type : SPAN("\"\""));
    json_member_raw(w, "data", whole ? data : SPAN("{}"));
}

static void put_logged(const struct edge *e, const struct blob *b, struct json_writer *w)
{
    char pos[POS_TEXT_MAX], id[UUID_TEXT_LEN + 1];
    if (is_broadcast(b)) {
        put_broadcast_head(w, blob_payload(b));
    } else {
        put_head(w, event_name((enum event)b->event), blob_payload(b));
    }
    uuid_format(b->id, id);
    json_member_string(w, "pos", span_of(pos, edge_pos(e, b, pos)));
    json_member_string(w, "id", span_of(id, UUID_TEXT_LEN));
}

void home_wrap(const struct edge *e, const struct blob *b, buf *out)
{
    char time[TIME_S_LEN + 1];
    buf frame = {0};
    struct json_writer w = json_writer_of(&frame);
    if (b->pos != 0) {
        put_logged(e, b, &w);
    } else {
        put_head(&w, frame_name(home_frame(b)), blob_payload(b));
    }
    time_format_s(b->time_ms, time);
    json_member_string(&w, "timestamp", span_of(time, TIME_S_LEN));
    json_close(&w, '}');
    ws_frame_append(out, WS_OP_TEXT, buf_span(&frame));
    buf_deinit(&frame);
}

/* --- what is for some --- */

bool home_is_some(const struct blob *b)
{
    return b->pos == 0 ? b->event == HOUSE_STATE_CHANGED : b->event == EVENT_HOME_BROADCAST_SOME;
}

bool home_wants(struct edge *e, uint32_t member, const struct blob *b)
{
    if (b->pos != 0) {
        return broadcast_wants(e, member, b);
    }
    const struct home_client *m = home_client_of(e, member);
    return m != NULL && m->session.grant->kind != PRINCIPAL_ANONYMOUS; /* a private room's state */
}

/* Everybody who has the topic is asked; a broadcast to a few clients could name them here. */
bool home_among(struct edge *e, const struct blob *b, struct hub_picks *picks)
{
    (void)e;
    (void)b;
    (void)picks;
    return false;
}
