#include "edge/sse/frame.h"

#include "codec/json/write.h"
#include "edge/resume.h"
#include "edge/socketio/chat.h"
#include "tables/events.h"

#include <string.h>

static void put_pos(buf *out, const char *text)
{
    buf_append_str(out, "id: ");
    buf_append_str(out, text);
    buf_append_byte(out, '\n');
}

/* One line: what JSON allows between values may be a line break, within strings it is escaped. */
static void put_line(buf *out, span data)
{
    size_t from = out->len;
    buf_append_span(out, data);
    for (size_t i = from; i < out->len; i++) {
        if (out->ptr[i] == '\n' || out->ptr[i] == '\r') {
            out->ptr[i] = ' ';
        }
    }
}

void sse_wrap(const struct edge *e, const struct blob *b, buf *out)
{
    char pos[POS_TEXT_MAX], id[UUID_TEXT_LEN + 1];
    span data = blob_payload(b);
    if (b->pos == 0) {
        return;
    }
    if (event_is_chat((enum event)b->event)) {
        data = chat_stored_payload(data);
    }
    (void)edge_pos(e, b, pos);
    uuid_format(b->id, id);
    put_pos(out, pos);
    buf_append_str(out, "event: ");
    buf_append_str(out, event_name(event_spoken((enum event)b->event)));
    buf_append_str(out, "\ndata: ");
    put_line(out, data);
    if (data.len >= 2 && out->ptr[out->len - 1] == '}') { /* payloads are objects */
        out->len--;
        buf_printf(out, "%s\"pos\":\"%s\",\"eventId\":\"%s\"}", data.len > 2 ? "," : "", pos, id);
    }
    buf_append_str(out, "\n\n");
}

void sse_at(buf *out, struct pos at)
{
    char text[POS_TEXT_MAX];
    (void)pos_text(at, text);
    put_pos(out, text);
}

void sse_event(buf *out, const char *name, span data)
{
    buf_append_str(out, "event: ");
    buf_append_str(out, name);
    buf_append_str(out, "\ndata: ");
    put_line(out, data);
    buf_append_str(out, "\n\n");
}

void sse_gap(buf *out, struct pos from, struct pos to)
{
    char since[POS_TEXT_MAX], until[POS_TEXT_MAX];
    (void)pos_text(from, since);
    (void)pos_text(to, until);
    put_pos(out, until);
    buf_printf(out, "event: gap\ndata: {\"from\":\"%s\",\"to\":\"%s\"}\n\n", since, until);
}

void sse_beat(buf *out, struct pos at)
{
    buf_append_str(out, ":\n");
    sse_at(out, at);
    buf_append_byte(out, '\n');
}

void sse_hello(buf *out, uint32_t retry_ms, struct pos start)
{
    buf_printf(out, "retry: %u\n", retry_ms);
    sse_at(out, start);
    buf_append_byte(out, '\n');
}

void sse_closing(buf *out, close_reason reason)
{
    static const char *const rules[] = {[RECONNECT_FREE] = "free",
                                        [RECONNECT_NEVER] = "never",
                                        [RECONNECT_BACKOFF] = "backoff",
                                        [RECONNECT_NOW] = "now"};
    buf data = {0};
    struct json_writer w = json_writer_of(&data);
    json_open(&w, '{');
    json_member_i64(&w, "code", close_code(reason));
    json_member_string(&w, "reason", span_str(close_text(reason)));
    json_member_string(&w, "reconnect", span_str(rules[close_reconnect_rule(reason)]));
    json_close(&w, '}');
    sse_event(out, "closing", buf_span(&data));
    buf_deinit(&data);
}
