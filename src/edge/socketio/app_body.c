#include "edge/socketio/app_body.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "codec/json/read.h"
#include "edge/socketio/emit.h"
#include "tables/permissions.h"

static void member_uuid(struct json_writer *w, const char *name, uuid u)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(u, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}

static void begin(struct json_writer *w, uuid id, span event)
{
    json_open(w, '{');
    member_uuid(w, "id", id);
    json_member_string(w, "event", event);
}

static void end(struct json_writer *w, span sender, int64_t now_ms)
{
    char time[TIME_MS_LEN + 1];
    time_format_ms(now_ms, time);
    buf_append_byte(w->out, ',');
    buf_append_span(w->out, sender);
    json_member_string(w, "timestamp", span_of(time, TIME_MS_LEN));
    json_close(w, '}');
}

void app_body_sender(buf *out, const struct sio_socket *s)
{
    struct json_writer w = json_writer_of(out);
    const struct grant *g = s->session.grant;
    json_member_string(&w, "namespace", sio_nsp(s));
    if (g == NULL) {
        return;
    }
    member_uuid(&w, "principal", g->principal);
    json_member_string(&w, "kind", span_str(principal_kind_name(g->kind)));
    json_member_open(&w, "roles", '[');
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if (g->global_roles & 1u << r) {
            json_write_string(&w, span_str(role_name((enum role)r)));
        }
    }
    json_close(&w, ']');
}

static void put_args(struct json_writer *w, span args)
{
    struct json_iter it;
    span value;
    json_member_open(w, "args", '[');
    if (json_array_begin(&it, args) && json_array_next(&it, &value)) { /* the name */
        while (json_array_next(&it, &value)) {
            json_write_raw(w, value);
        }
    }
    json_close(w, ']');
}

static void put_attachments(struct json_writer *w, const struct sio_event *ev)
{
    json_member_open(w, "attachments", '[');
    for (unsigned i = 0; i < ev->attachment_count; i++) {
        size_t len = BASE64_SIZE(ev->attachments[i].len);
        buf_append_str(w->out, i == 0 ? "\"" : ",\"");
        char *to = (char *)buf_reserve(w->out, len);
        w->out->len += base64_encode(ev->attachments[i], to);
        buf_append_byte(w->out, '"');
    }
    json_close(w, ']');
}

static void put_rooms(struct json_writer *w, const struct sio_socket *s)
{
    unsigned count = emit_rooms(s, NULL, 0);
    span *rooms = mem_calloc(count + 1, sizeof *rooms);
    (void)emit_rooms(s, rooms, count);
    json_member_open(w, "rooms", '[');
    for (unsigned i = 0; i < count; i++) {
        json_write_string(w, rooms[i]);
    }
    json_close(w, ']');
    mem_free(rooms);
}

void app_body_event(buf *out, const struct sio_socket *s, const struct sio_event *ev, uuid id,
                    int64_t now_ms)
{
    struct json_writer w = json_writer_of(out);
    buf sender = {0};
    app_body_sender(&sender, s);
    begin(&w, id, ev->name);
    put_args(&w, ev->args);
    put_attachments(&w, ev);
    json_member_bool(&w, "ack", ev->wants_ack);
    json_member_string(&w, "sid", sio_sid(s));
    put_rooms(&w, s);
    end(&w, buf_span(&sender), now_ms);
    buf_deinit(&sender);
}

void app_body_connect(buf *out, span sender, span auth, uuid id, int64_t now_ms)
{
    struct json_writer w = json_writer_of(out);
    struct json_iter it;
    span key, value;
    begin(&w, id, SPAN("connect"));
    json_member_open(&w, "auth", '{');
    if (json_object_begin(&it, json_root(auth))) {
        while (json_object_next(&it, &key, &value)) {
            if (!json_string_eq(key, SPAN("token")) && !json_string_eq(key, SPAN("pid")) &&
                !json_string_eq(key, SPAN("offset"))) {
                json_write_raw(&w, key);
                buf_append_byte(out, ':');
                buf_append_span(out, value);
            }
        }
    }
    json_close(&w, '}');
    end(&w, sender, now_ms);
}

void app_body_disconnect(buf *out, span sender, uuid connect, span sid, const char *reason, uuid id,
                         int64_t now_ms)
{
    struct json_writer w = json_writer_of(out);
    begin(&w, id, SPAN("disconnect"));
    member_uuid(&w, "connect", connect);
    if (sid.len > 0) {
        json_member_string(&w, "sid", sid);
    }
    json_member_string(&w, "reason", span_str(reason));
    end(&w, sender, now_ms);
}
