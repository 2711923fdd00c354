/* Written piece by piece, without a writer's bookkeeping: it is done 10,000 times a second. */
#include "shape/house_state.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

/* The literals hold their quotes, colon and comma. */
static void put_time(buf *out, const char *member, int64_t epoch_ms)
{
    char text[TIME_S_LEN + 1];
    time_format_s(epoch_ms, text);
    buf_append_str(out, member);
    buf_append_byte(out, '"');
    buf_append(out, text, TIME_S_LEN);
    buf_append_byte(out, '"');
}

static void put_text(buf *out, const char *member, span text)
{
    buf_append_str(out, member);
    if (text.ptr == NULL) {
        buf_append_str(out, "null");
    } else {
        json_put_string(out, text);
    }
}

static void put_json(buf *out, const char *member, span json)
{
    buf_append_str(out, member);
    buf_append_span(out, json);
}

static void put_room(buf *out, const char *member, int64_t room)
{
    buf_append_str(out, member);
    if (room == 0) {
        buf_append_str(out, "null");
    } else {
        buf_append_i64(out, room);
    }
}

void house_put_told(buf *out, const struct house_told *t)
{
    put_text(out, "{\"entity_id\":", t->entity_id);
    put_text(out, ",\"old_state\":", t->old_state);
    put_text(out, ",\"new_state\":", t->new_state);
    put_json(out, ",\"attributes\":", t->attributes);
    put_room(out, ",\"room_id\":", t->room);
    put_time(out, ",\"last_changed\":", t->changed_ms);
    put_time(out, ",\"last_updated\":", t->updated_ms);
    buf_append_byte(out, '}');
}

void house_snapshot_begin(buf *out, int64_t room)
{
    put_room(out, "{\"room_id\":", room);
    buf_append_str(out, ",\"entities\":[");
}

void house_snapshot_add(buf *out, const struct house_seen *e, bool first)
{
    put_text(out, first ? "{\"entity_id\":" : ",{\"entity_id\":", e->entity_id);
    put_text(out, ",\"name\":", e->name);
    put_text(out, ",\"state\":", e->state);
    put_json(out, ",\"attributes\":", e->attributes);
    put_time(out, ",\"last_changed\":", e->changed_ms);
    put_time(out, ",\"last_updated\":", e->updated_ms);
    buf_append_byte(out, '}');
}

void house_snapshot_end(buf *out, span pos)
{
    buf_append_byte(out, ']');
    if (pos.len > 0) {
        put_text(out, ",\"pos\":", pos);
    }
    buf_append_byte(out, '}');
}

void house_put_past(buf *out, span state, span attributes, int64_t changed_ms, span by)
{
    put_text(out, "{\"state\":", state);
    put_json(out, ",\"attributes\":", attributes);
    put_time(out, ",\"changed_at\":", changed_ms);
    put_text(out, ",\"changed_by\":", by.len == 0 ? SPAN_NONE : by);
    buf_append_byte(out, '}');
}
