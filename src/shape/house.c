/* Rooms and entities as JSON objects, and the names of entities. */
#include "shape/house.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_S_LEN + 1];
    time_format_s(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_S_LEN));
}

void house_put_room(buf *out, const struct house_room_row *row, unsigned entity_count)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_i64(&w, "id", row->id);
    json_member_string(&w, "name", row->name);
    json_member_string(&w, "description", row->description);
    json_member_string(&w, "icon", row->icon);
    json_member_string(&w, "floor", row->floor);
    json_member_i64(&w, "sort", row->sort);
    json_member_bool(&w, "private", row->private);
    json_member_u64(&w, "entity_count", entity_count);
    member_time(&w, "created_at", row->created_ms);
    member_time(&w, "updated_at", row->updated_ms);
    json_member_i64(&w, "version", row->version);
    json_close(&w, '}');
}

void house_put_room_updated(buf *out, int64_t room, span name, const char *action)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_i64(&w, "room_id", room);
    json_member_string(&w, "room_name", name);
    json_member_string(&w, "action", span_str(action));
    json_close(&w, '}');
}

static void member_room(struct json_writer *w, int64_t room)
{
    if (room == 0) {
        json_member_null(w, "room_id");
    } else {
        json_member_i64(w, "room_id", room);
    }
}

static void members_backing(struct json_writer *w, const struct house_entity_row *row)
{
    char id[UUID_TEXT_LEN + 1];
    if (uuid_is_nil(row->device)) {
        json_member_null(w, "device_id");
        json_member_null(w, "capability");
        return;
    }
    uuid_format(row->device, id);
    json_member_string(w, "device_id", span_of(id, UUID_TEXT_LEN));
    json_member_string(w, "capability", row->capability);
}

void house_put_entity(buf *out, const struct house_entity_row *row)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "entity_id", row->entity_id);
    json_member_string(&w, "name", row->name);
    member_room(&w, row->room);
    members_backing(&w, row);
    json_member_string(&w, "state", row->state);
    json_member_raw(&w, "attributes", row->attributes);
    json_member_bool(&w, "available", row->available);
    member_time(&w, "last_changed", row->changed_ms);
    member_time(&w, "last_updated", row->said_ms);
    member_time(&w, "created_at", row->created_ms);
    member_time(&w, "updated_at", row->updated_ms);
    json_member_i64(&w, "version", row->version);
    json_member_open(&w, "aliases", '[');
    for (unsigned i = 0; i < row->alias_count; i++) {
        json_write_string(&w, row->aliases[i]);
    }
    json_close(&w, ']');
    json_close(&w, '}');
}

static bool word_ok(span word)
{
    if (word.len == 0 || word.ptr[0] == '_' || word.ptr[word.len - 1] == '_') {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        uint8_t c = word.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return true;
}

bool house_entity_id_ok(span id)
{
    span object = id;
    span domain = span_cut(&object, '.');
    return id.len <= HOUSE_ENTITY_ID_MAX && word_ok(domain) && word_ok(object);
}
