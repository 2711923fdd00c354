/* Devices as JSON objects. */
#include "shape/device.h"

#include "base/timefmt.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "shape/host.h"
#include "shape/merge.h"

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    if (epoch_ms == 0) {
        json_member_null(w, name);
        return;
    }
    time_format_ms(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void member_id(struct json_writer *w, uuid value)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(value, id);
    json_member_string(w, "id", span_of(id, UUID_TEXT_LEN));
}

static void member_status(struct json_writer *w, enum device_status status)
{
    json_member_string(w, "status", span_str(shape_device_status_name((int)status)));
}

void device_put(buf *out, const struct device_row *row, const struct host_point *metrics,
                const struct host_facts *system)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_id(&w, row->id);
    json_member_string(&w, "name", row->name);
    json_member_string(&w, "type", row->type);
    member_status(&w, row->status);
    json_member_string(&w, "connectionStatus",
                       span_str(shape_connection_status_name((int)row->connection)));
    member_time(&w, "lastSeen", row->last_seen_ms);
    json_member_raw(&w, "capabilities", row->capabilities);
    json_member_raw(&w, "tags", row->tags);
    json_member_raw(&w, "metadata", row->metadata);
    member_time(&w, "createdAt", row->created_ms);
    member_time(&w, "updatedAt", row->updated_ms);
    json_member_i64(&w, "version", row->version);
    if (row->connected_ms != 0) {
        member_time(&w, "connectedAt", row->connected_ms);
        json_member_string(&w, "wire", span_str(row->wire));
    }
    if (row->flapping) {
        json_member_bool(&w, "flapping", true);
    }
    if (row->config.desired_version != 0 || row->config.reported_version != 0) {
        json_member_open(&w, "config", '{');
        json_member_i64(&w, "desiredVersion", row->config.desired_version);
        json_member_i64(&w, "reportedVersion", row->config.reported_version);
        json_member_bool(&w, "drift", row->config.drift);
        json_close(&w, '}');
    }
    if (metrics != NULL) {
        json_key(&w, "metrics");
        host_put_metrics(out, metrics);
        w.comma = true;
    }
    if (system != NULL) {
        json_key(&w, "system");
        host_put_system(out, system);
        w.comma = true;
    }
    json_close(&w, '}');
}

void device_put_status(buf *out, const struct device_row *row)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_id(&w, row->id);
    member_status(&w, row->status);
    member_time(&w, "updatedAt", row->updated_ms);
    json_close(&w, '}');
}

void device_put_id(buf *out, uuid id, const char *member, int64_t at_ms)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_id(&w, id);
    if (member != NULL) {
        member_time(&w, member, at_ms);
    }
    json_close(&w, '}');
}

static span keep(buf *text, struct arena *arena)
{
    span kept = arena_dup(arena, buf_span(text));
    buf_deinit(text);
    return kept;
}

static void member_delta(struct json_writer *w, const struct device_config *c)
{
    struct arena arena = {0};
    json_member_raw(w, "delta", merge_make(c->reported, c->desired, &arena));
    arena_reset(&arena);
}

void device_put_config(buf *out, const struct device_config *c)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_i64(&w, "version", c->state.desired_version);
    json_member_raw(&w, "desired", c->desired);
    member_delta(&w, c);
    member_time(&w, "timestamp", c->desired_ms);
    json_close(&w, '}');
}

void device_put_registered(buf *out, span device, span config)
{
    struct json_writer w = json_writer_of(out);
    json_member_raw(&w, "device", device);
    if (config.len > 0) {
        json_member_raw(&w, "config", config);
    }
}

void device_put_configuration(buf *out, uuid id, const struct device_config *c)
{
    char text[UUID_TEXT_LEN + 1];
    struct json_writer w = json_writer_of(out);
    uuid_format(id, text);
    json_open(&w, '{');
    json_member_string(&w, "deviceId", span_of(text, UUID_TEXT_LEN));
    json_member_raw(&w, "desired", c->desired);
    json_member_i64(&w, "desiredVersion", c->state.desired_version);
    member_time(&w, "desiredAt", c->desired_ms);
    json_member_raw(&w, "reported", c->reported);
    json_member_i64(&w, "reportedVersion", c->state.reported_version);
    member_time(&w, "reportedAt", c->reported_ms);
    member_delta(&w, c);
    json_member_bool(&w, "drift", c->state.drift);
    json_close(&w, '}');
}

span device_tag_literal(span text, struct arena *arena)
{
    buf out = {0};
    json_put_string(&out, text);
    return keep(&out, arena);
}

span device_texts(span list, struct arena *arena)
{
    struct json_iter it, later;
    span text, other;
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '[');
    bool is_array = json_array_begin(&it, list);
    while (is_array && json_array_next(&it, &text)) {
        span plain = json_string_in(text, arena);
        bool repeated = false;
        later = it;
        while (!repeated && json_array_next(&later, &other)) {
            repeated = json_string_eq(other, plain);
        }
        if (!repeated) {
            json_write_string(&w, plain);
        }
    }
    json_close(&w, ']');
    return keep(&out, arena);
}
