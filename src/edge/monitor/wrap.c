#include "edge/monitor/wrap.h"

#include "codec/json/write.h"
#include "edge/resume.h"
#include "net/ws.h"
#include "tables/events.h"

static void wrap_event(const struct edge *e, const struct blob *b, buf *out)
{
    char pos[POS_TEXT_MAX], id[UUID_TEXT_LEN + 1];
    buf frame = {0};
    struct json_writer w = json_writer_of(&frame);
    uuid_format(b->id, id);
    json_open(&w, '{');
    json_member_string(&w, "type", span_str(event_name((enum event)b->event)));
    json_member_raw(&w, "data", blob_payload(b));
    json_member_string(&w, "pos", span_of(pos, edge_pos(e, b, pos)));
    json_member_string(&w, "id", span_of(id, UUID_TEXT_LEN));
    json_close(&w, '}');
    ws_frame_append(out, WS_OP_TEXT, buf_span(&frame));
    buf_deinit(&frame);
}

void monitor_wrap(const struct edge *e, const struct blob *b, buf *out)
{
    if (b->pos != 0) {
        wrap_event(e, b, out);
    } else {
        ws_frame_append(out, WS_OP_TEXT, blob_payload(b));
    }
}
