#include "shape/robot_answer.h"

#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "domain/chat_types.h"
#include "shape/decode.h"

#define UTF8_BYTES_MAX 4

static bool refuse(struct robot_answer *a, const char *why)
{
    a->why = why;
    return false;
}

bool robot_answer_init(struct robot_answer *a, span content_type)
{
    span type = span_trim(span_cut(&content_type, ';'));
    *a = (struct robot_answer){0};
    if (span_ieq(type, SPAN("application/json"))) {
        a->form = ROBOT_ANSWER_JSON;
    } else if (span_ieq(type, SPAN("application/x-ndjson"))) {
        a->form = ROBOT_ANSWER_LINES;
    } else if (span_ieq(type, SPAN("text/event-stream"))) {
        a->form = ROBOT_ANSWER_EVENTS;
    } else if (!span_ieq(type, SPAN("text/plain"))) {
        return refuse(a, "is of no media type that is known");
    }
    return true;
}

void robot_answer_deinit(struct robot_answer *a)
{
    buf_deinit(&a->text);
    buf_deinit(&a->object);
    buf_deinit(&a->line);
    buf_deinit(&a->event);
}

static size_t characters_of(span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += (text.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

/* Lines of other systems end in CRLF; a CR is not stored. */
bool robot_answer_add(struct robot_answer *a, span text)
{
    size_t before = a->text.len;
    while (text.len > 0) {
        span line = span_cut(&text, '\r');
        if (!utf8_storable(line)) { /* each by itself: a CR within a character is no text */
            a->text.len = before;
            return refuse(a, "is no text");
        }
        buf_append_span(&a->text, line);
    }
    span added = span_slice(buf_span(&a->text), before, a->text.len);
    size_t more = characters_of(added);
    if (more > CHAT_TEXT_MAX - a->characters) {
        a->text.len = before;
        return refuse(a, "is too long");
    }
    a->characters += more;
    return true;
}

/* A character that is not whole waits for its end. */
static bool feed_text(struct robot_answer *a, span data)
{
    buf_append_span(&a->line, data);
    size_t whole = a->line.len;
    for (size_t back = 1; back < UTF8_BYTES_MAX && back <= a->line.len; back++) {
        uint8_t c = a->line.ptr[a->line.len - back];
        if (c >= 0xc0) {
            unsigned need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            whole -= need > back ? back : 0;
            break;
        }
        if (c < 0x80) {
            break;
        }
    }
    if (!robot_answer_add(a, span_of(a->line.ptr, whole))) {
        return false;
    }
    buf_consume(&a->line, whole);
    return true;
}

/* --- JSON --- */

/* What the message is to be. Text that continues what came already is its rest. */
static bool set_content(struct robot_answer *a, span value)
{
    enum json_type type = json_type(value);
    if (type == JSON_OBJECT) {
        if (value.len > CHAT_OBJECT_MAX) {
            return refuse(a, "is too long");
        }
        buf_clear(&a->object);
        buf_append_span(&a->object, value);
        return true;
    }
    buf text = {0};
    if (!json_string(value, &text)) {
        return refuse(a, "has content that is no text and no object");
    }
    size_t had = a->text.len;
    bool goes_on = span_starts(buf_span(&text), buf_span(&a->text));
    if (!goes_on) {
        a->replaced = true;
        a->text.len = had = a->characters = 0;
    }
    bool ok = robot_answer_add(a, span_of(text.ptr + had, text.len - had));
    buf_deinit(&text);
    return ok;
}

static bool set_members(struct robot_answer *a, span object, bool whole)
{
    span value;
    if (json_get(object, "error", &value) && json_type(value) != JSON_NULL) {
        return refuse(a, "says that it failed");
    }
    if (!whole && json_get(object, "chunk", &value) && json_type(value) != JSON_NULL) {
        buf text = {0};
        bool ok = json_string(value, &text) && robot_answer_add(a, buf_span(&text));
        buf_deinit(&text);
        if (!ok) {
            return refuse(a, a->why != NULL ? a->why : "has a chunk that is no text");
        }
    }
    bool final = whole;
    if (!whole && json_get(object, "final", &value)) {
        final = json_bool(value, &final) && final;
    }
    if (final && json_get(object, "content", &value) && json_type(value) != JSON_NULL &&
        !set_content(a, value)) {
        return false;
    }
    a->final = final;
    return true;
}

/* `text_too`: what is no object is text itself. */
static bool read_json(struct robot_answer *a, span json, bool whole, bool text_too)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    bool is = shape_json(json, &ctx) && json_type(json_root(json)) == JSON_OBJECT;
    bool ok = is         ? set_members(a, json_root(json), whole)
              : text_too ? robot_answer_add(a, json)
                         : refuse(a, "is no JSON object");
    arena_reset(&arena);
    return ok;
}

/* --- lines and events --- */

static bool event_over(struct robot_answer *a)
{
    span data = buf_span(&a->event);
    bool ok = true;
    if (span_eq(data, SPAN("[DONE]"))) {
        a->final = true;
    } else if (data.len > 0) {
        ok = read_json(a, data, false, true);
    }
    buf_clear(&a->event);
    return ok;
}

/* A line of an event stream (WHATWG HTML 9.2.6), without its end. */
static bool event_line(struct robot_answer *a, span line)
{
    if (line.len == 0) {
        return event_over(a);
    }
    span value = line;
    span name = span_cut(&value, ':');
    value = span_slice(value, value.len > 0 && value.ptr[0] == ' ' ? 1 : 0, value.len);
    if (span_eq(name, SPAN("data"))) {
        if (a->event.len > 0) {
            buf_append_byte(&a->event, '\n');
        }
        buf_append_span(&a->event, value);
    }
    return true;
}

static bool line_over(struct robot_answer *a, span line)
{
    line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
    if (a->form == ROBOT_ANSWER_EVENTS) {
        return event_line(a, line);
    }
    return span_trim(line).len == 0 || read_json(a, line, false, false);
}

static bool feed_lines(struct robot_answer *a, span data)
{
    while (data.len > 0 && !a->final) {
        ptrdiff_t end = span_find(data, '\n');
        if (end < 0) {
            buf_append_span(&a->line, data);
            return true;
        }
        buf_append_span(&a->line, span_slice(data, 0, (size_t)end));
        data = span_slice(data, (size_t)end + 1, data.len);
        bool ok = line_over(a, buf_span(&a->line));
        buf_clear(&a->line);
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* --- the whole --- */

bool robot_answer_feed(struct robot_answer *a, span data)
{
    if (a->why != NULL) {
        return false;
    }
    if (a->final) {
        return true;
    }
    switch (a->form) {
    case ROBOT_ANSWER_TEXT:
        return feed_text(a, data);
    case ROBOT_ANSWER_JSON:
        buf_append_span(&a->line, data);
        return true;
    case ROBOT_ANSWER_LINES:
    case ROBOT_ANSWER_EVENTS:
        break;
    }
    return feed_lines(a, data);
}

static bool end_of(struct robot_answer *a)
{
    switch (a->form) {
    case ROBOT_ANSWER_TEXT:
        a->final = true;
        return a->line.len == 0 || refuse(a, "is no text");
    case ROBOT_ANSWER_JSON:
        return read_json(a, buf_span(&a->line), true, false);
    case ROBOT_ANSWER_LINES:
        return line_over(a, buf_span(&a->line));
    case ROBOT_ANSWER_EVENTS:
        break;
    }
    /* The last lines may lack their end. */
    return line_over(a, buf_span(&a->line)) && (a->final || event_over(a));
}

bool robot_answer_end(struct robot_answer *a)
{
    if (a->why != NULL) {
        return false;
    }
    if (!a->final && !end_of(a)) {
        return false;
    }
    if (!a->final) {
        return refuse(a, "ended without its last line");
    }
    return a->object.len > 0 || a->text.len > 0 || refuse(a, "is empty");
}

bool robot_answer_finish(struct robot_answer *a, span content)
{
    struct arena arena = {0};
    struct shape_ctx ctx = {.arena = &arena};
    bool ok = a->why == NULL;
    if (ok && content.ptr != NULL) {
        ok = shape_json(content, &ctx) ? set_content(a, json_root(content))
                                       : refuse(a, "has content that is no JSON");
    }
    arena_reset(&arena);
    a->final = ok;
    return ok && robot_answer_end(a);
}

void robot_answer_content(const struct robot_answer *a, buf *out)
{
    ASSERT(a->final && a->why == NULL);
    if (a->object.len > 0) {
        buf_append_span(out, buf_span(&a->object));
    } else {
        json_put_string(out, buf_span(&a->text));
    }
}
