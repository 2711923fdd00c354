#include "codec/json/walk.h"

#include "codec/json/lex.h"

void json_walk_begin(struct json_walk *w, span json)
{
    *w = (struct json_walk){.at = json.ptr, .end = json.ptr};
    if (json.len > 0) {
        w->end += json.len;
    }
}

static enum json_token take(struct json_walk *w, const uint8_t *after, enum json_token token,
                            span *text)
{
    *text = span_of(w->at, (size_t)(after - w->at));
    w->at = after;
    return token;
}

/* A number or a literal: up to what can follow one. */
static const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end)
{
    do {
        p++;
    } while (p < end && *p != ',' && *p != ']' && *p != '}' && !lex_is_space(*p));
    return p;
}

static bool in_object(const struct json_walk *w)
{
    return (w->objects[0] & 1) != 0;
}

static void push(struct json_walk *w, bool object)
{
    w->objects[1] = w->objects[1] << 1 | w->objects[0] >> 63;
    w->objects[0] = w->objects[0] << 1 | object;
}

static void pop(struct json_walk *w)
{
    w->objects[0] = w->objects[0] >> 1 | w->objects[1] << 63;
    w->objects[1] >>= 1;
}

enum json_token json_walk_next(struct json_walk *w, span *text)
{
    while (w->at < w->end && (*w->at == ',' || *w->at == ':' || lex_is_space(*w->at))) {
        w->at++;
    }
    if (w->at >= w->end) {
        *text = SPAN_NONE;
        return JSON_T_END;
    }
    bool key = w->key;
    bool object = *w->at == '{';
    switch (*w->at) {
    case '{':
    case '[':
        push(w, object);
        w->key = object;
        return take(w, w->at + 1, JSON_T_OPEN, text);
    case '}':
    case ']':
        pop(w);
        w->key = in_object(w);
        return take(w, w->at + 1, JSON_T_CLOSE, text);
    case '"':
        w->key = !key && in_object(w);
        return take(w, lex_skip_string(w->at, w->end), key ? JSON_T_KEY : JSON_T_SCALAR, text);
    default:
        w->key = in_object(w);
        return take(w, skip_plain(w->at, w->end), JSON_T_SCALAR, text);
    }
}
