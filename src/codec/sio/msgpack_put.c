/* One pass over the JSON. A container's prefix holds how many values it has, which is known at its
 * end: a byte is kept for it, and the few that need more have their content moved up. */
#include "codec/sio/msgpack.h"

#include "codec/json/read.h"
#include "codec/json/walk.h"
#include "codec/sio/placeholder.h"

#include <stdlib.h>

#define SAFE_MAX (INT64_C(1) << 53) /* whole numbers below it are exact as doubles too */

static void put_bytes(buf *out, uint8_t prefix, uint64_t value, unsigned n)
{
    uint8_t *p = buf_reserve(out, n + 1);
    *p++ = prefix;
    for (unsigned i = n; i-- > 0; value >>= 8) {
        p[i] = (uint8_t)value;
    }
    out->len += n + 1;
}

/* The smallest prefix: `prefix` is that of one byte, followed by those of 2, 4 and 8. */
static void put_sized(buf *out, uint8_t prefix, uint64_t value)
{
    unsigned power = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
    put_bytes(out, (uint8_t)(prefix + power), value, 1u << power);
}

static void put_u64(buf *out, uint64_t value)
{
    if (value < 0x80) {
        buf_append_byte(out, (uint8_t)value);
    } else {
        put_sized(out, 0xcc, value);
    }
}

static void put_i64(buf *out, int64_t value)
{
    if (value >= 0) {
        put_u64(out, (uint64_t)value);
    } else if (value >= -0x20) {
        buf_append_byte(out, (uint8_t)value);
    } else {
        unsigned power = value >= INT8_MIN    ? 0
                         : value >= INT16_MIN ? 1
                         : value >= INT32_MIN ? 2
                                              : 3;
        put_bytes(out, (uint8_t)(0xd0 + power), (uint64_t)value, 1u << power);
    }
}

/* How many bytes the prefix of a string has. */
static unsigned string_prefix(size_t len)
{
    return len < 0x20 ? 1 : len <= UINT8_MAX ? 2 : len <= UINT16_MAX ? 3 : 5;
}

static void put_string_prefix(buf *out, size_t len)
{
    if (len < 0x20) {
        buf_append_byte(out, (uint8_t)(0xa0 | len));
    } else {
        put_sized(out, 0xd9, len);
    }
}

static void put_text(buf *out, span text)
{
    put_string_prefix(out, text.len);
    buf_append_span(out, text);
}

/* Writes a prefix over the byte at `at`, which was kept for it, and what follows moves up. */
static void widen(buf *out, size_t at, unsigned prefix_len)
{
    unsigned more = prefix_len - 1;
    buf_reserve(out, more);
    memmove(out->ptr + at + prefix_len, out->ptr + at + 1, out->len - at - 1);
    out->len += more;
}

static void put_string(buf *out, span value)
{
    if (memchr(value.ptr, '\\', value.len) == NULL) {
        put_text(out, span_slice(value, 1, value.len - 2));
        return;
    }
    size_t at = out->len;
    buf_append_byte(out, 0);
    (void)json_string(value, out);
    size_t len = out->len - at - 1;
    widen(out, at, string_prefix(len));
    size_t end = out->len;
    out->len = at;
    put_string_prefix(out, len);
    out->len = end;
}

/* As JSON.parse reads it: infinite when it is beyond a double. */
static double double_of(span number)
{
    double d;
    if (!json_number(number, &d)) {
        buf text = {0};
        buf_append_span(&text, number);
        buf_append_byte(&text, 0);
        d = strtod((const char *)text.ptr, NULL);
        buf_deinit(&text);
    }
    return d;
}

/* Digits alone are exact, whatever their size; what has a fraction or an exponent is a double. */
static void put_number(buf *out, span number)
{
    int64_t i;
    uint64_t u;
    if (json_i64(number, &i) && (i != 0 || number.ptr[0] != '-')) {
        size_t digits = number.ptr[0] == '-';
        bool plain = span_u64(span_slice(number, digits, number.len), UINT64_MAX, &u);
        if (plain || (i < SAFE_MAX && i > -SAFE_MAX)) {
            put_i64(out, i);
            return;
        }
    } else if (span_u64(number, UINT64_MAX, &u)) {
        put_u64(out, u);
        return;
    }
    double d = double_of(number);
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    put_bytes(out, 0xcb, bits, 8);
}

static void put_scalar(buf *out, span value)
{
    switch (json_type(value)) {
    case JSON_STRING:
        put_string(out, value);
        break;
    case JSON_NUMBER:
        put_number(out, value);
        break;
    case JSON_BOOL:
        buf_append_byte(out, value.ptr[0] == 't' ? 0xc3 : 0xc2);
        break;
    case JSON_NULL:
    case JSON_NONE:
    case JSON_ARRAY:
    case JSON_OBJECT:
        buf_append_byte(out, 0xc0);
        break;
    }
}

static void put_binary(buf *out, span bytes)
{
    put_sized(out, 0xc4, bytes.len);
    buf_append_span(out, bytes);
}

struct container {
    size_t at; /* of its prefix in the output */
    size_t count;
    bool object;
    struct sio_seen seen;
};

static void put_prefix(buf *out, const struct container *c)
{
    uint8_t fix = c->object ? 0x80 : 0x90;
    uint8_t wide = c->object ? 0xde : 0xdc;
    if (c->count < 0x10) {
        out->ptr[c->at] = (uint8_t)(fix | c->count);
        return;
    }
    bool two = c->count <= UINT16_MAX;
    widen(out, c->at, two ? 3 : 5);
    size_t end = out->len;
    out->len = c->at;
    put_bytes(out, two ? wide : (uint8_t)(wide + 1), c->count, two ? 2 : 4);
    out->len = end;
}

static void close_container(buf *out, const struct container *c, const span *attachments,
                            unsigned count)
{
    unsigned num;
    if (c->object && count > 0 && sio_seen_num(&c->seen, &num) && num < count) {
        out->len = c->at;
        put_binary(out, attachments[num]);
    } else {
        put_prefix(out, c);
    }
}

/* A value begins: its place among those of the container around it. */
static void count_in(struct container *c, span *key, span scalar)
{
    c->count++;
    if (key->len > 0) {
        sio_see(&c->seen, *key, scalar);
        *key = SPAN_NONE;
    }
}

static void put_json(buf *out, span json, const span *attachments, unsigned count)
{
    struct container stack[JSON_WALK_DEPTH_MAX + 1];
    unsigned depth = 0;
    span key = SPAN_NONE;
    struct json_walk w;
    span text;
    stack[0] = (struct container){0};
    json_walk_begin(&w, json);
    for (enum json_token t; (t = json_walk_next(&w, &text)) != JSON_T_END;) {
        switch (t) {
        case JSON_T_KEY:
            key = text;
            put_string(out, text);
            break;
        case JSON_T_SCALAR:
            count_in(&stack[depth], &key, text);
            put_scalar(out, text);
            break;
        case JSON_T_OPEN:
            count_in(&stack[depth], &key, SPAN_NONE);
            ASSERT(depth < JSON_WALK_DEPTH_MAX);
            stack[++depth] = (struct container){.at = out->len, .object = text.ptr[0] == '{'};
            buf_append_byte(out, 0);
            break;
        case JSON_T_CLOSE:
            ASSERT(depth > 0);
            close_container(out, &stack[depth--], attachments, count);
            break;
        case JSON_T_END:
            break;
        }
    }
}

void sio_msgpack_put(buf *out, enum sio_type type, span nsp, int64_t id, span payload,
                     const span *attachments, unsigned count)
{
    ASSERT(type <= SIO_CONNECT_ERROR && count <= SIO_ATTACHMENTS_MAX);
    buf_append_byte(out, (uint8_t)(0x82 + (payload.len > 0) + (id >= 0)));
    put_text(out, SPAN("type"));
    put_u64(out, type);
    if (payload.len > 0) {
        put_text(out, SPAN("data"));
        put_json(out, payload, attachments, count);
    }
    put_text(out, SPAN("nsp"));
    put_text(out, nsp);
    if (id >= 0) {
        put_text(out, SPAN("id"));
        put_i64(out, id);
    }
}
