/* A payload of revision 4 is cut at its separators; one of revision 3 says how long each packet is,
 * in the units of a JavaScript string, or in bytes. */
#include "codec/eio/packet.h"

#include "base/base64.h"
#include "base/utf8.h"

void eio_walk_begin(struct eio_walk *w, enum eio_revision revision, uint8_t *bytes, size_t len)
{
    *w = (struct eio_walk){.at = bytes, .end = bytes, .revision = revision, .more = true};
    if (len > 0) {
        w->end += len;
    }
}

static size_t walk_left(const struct eio_walk *w)
{
    return (size_t)(w->end - w->at);
}

/* A packet's place in the bytes. */
struct cut {
    uint8_t *ptr;
    size_t len;
    bool raw; /* its type is a number, and what follows is not text */
};

/* Up to the next separator, or the rest. */
static bool take_v4(struct eio_walk *w, struct cut *c)
{
    c->ptr = w->at;
    c->len = walk_left(w);
    uint8_t *end = c->len == 0 ? NULL : memchr(w->at, EIO_SEPARATOR, c->len);
    if (end != NULL) {
        c->len = (size_t)(end - w->at);
        w->at = end + 1;
    } else {
        w->at = w->end;
    }
    w->more = end != NULL;
    return c->len > 0;
}

/* Digits from `zero` on, and `end`; more than the bytes left cannot be meant. */
static bool take_length(struct eio_walk *w, uint8_t zero, uint8_t end, size_t *length)
{
    size_t max = walk_left(w);
    const uint8_t *start = w->at;
    *length = 0;
    for (; w->at < w->end && (uint8_t)(*w->at - zero) <= 9; w->at++) {
        *length = *length * 10 + (size_t)(*w->at - zero);
        if (*length > max) {
            return false;
        }
    }
    return w->at > start && w->at < w->end && *w->at++ == end;
}

/* How many UTF-16 units a character has, by its first byte; 0 for the other bytes of one. */
static unsigned units_of(uint8_t b)
{
    return (b & 0xc0) == 0x80 ? 0 : b >= 0xf0 ? 2 : 1;
}

static bool take_v3(struct eio_walk *w, struct cut *c)
{
    size_t units;
    if (!take_length(w, '0', ':', &units)) {
        return false;
    }
    c->ptr = w->at;
    size_t n = 0;
    while (w->at < w->end && n + units_of(*w->at) <= units) {
        n += units_of(*w->at++);
    }
    c->len = (size_t)(w->at - c->ptr);
    w->more = false;
    return n == units;
}

static bool take_v3_binary(struct eio_walk *w, struct cut *c)
{
    if (walk_left(w) == 0 || *w->at > 1) {
        return false;
    }
    c->raw = *w->at++ == 1;
    if (!take_length(w, 0, 0xff, &c->len) || c->len == 0 || c->len > walk_left(w)) {
        return false;
    }
    c->ptr = w->at;
    w->at += c->len;
    w->more = false;
    return true;
}

static bool take(struct eio_walk *w, struct cut *c)
{
    *c = (struct cut){0};
    switch (w->revision) {
    case EIO_V4:
        return take_v4(w, c);
    case EIO_V3:
        return take_v3(w, c);
    case EIO_V3_BINARY:
        return take_v3_binary(w, c);
    }
    return false;
}

static bool decode(const struct eio_walk *w, const struct cut *c, struct eio_packet *out)
{
    if (!c->raw) {
        enum eio_revision revision = w->revision == EIO_V4 ? EIO_V4 : EIO_V3;
        return eio_packet_decode(c->ptr, c->len, revision, out) &&
               (out->binary || utf8_valid(out->data));
    }
    *out = (struct eio_packet){EIO_MESSAGE, true, span_of(c->ptr + 1, c->len - 1)};
    return c->ptr[0] == EIO_MESSAGE;
}

static int fail(struct eio_walk *w, struct eio_packet *out)
{
    *out = (struct eio_packet){0};
    w->at = w->end;
    w->more = true;
    return -1;
}

int eio_walk_next(struct eio_walk *w, struct eio_packet *out)
{
    struct cut c;
    do {
        if (w->at == w->end && !w->more) {
            *out = (struct eio_packet){0};
            return 0;
        }
        if (!take(w, &c)) {
            return fail(w, out);
        }
    } while (c.len == 0);
    return decode(w, &c, out) ? 1 : fail(w, out);
}

void eio_payload_put(buf *out, enum eio_type type, bool binary, span data)
{
    ASSERT(!binary || type == EIO_MESSAGE);
    size_t size = binary ? BASE64_SIZE(data.len) : data.len;
    uint8_t *p = buf_reserve(out, size + 2);
    if (binary) {
        *p = 'b';
        base64_encode(data, (char *)p + 1);
    } else {
        *p = (uint8_t)('0' + type);
        memcpy(p + 1, data.len > 0 ? data.ptr : p, data.len);
    }
    p[size + 1] = EIO_SEPARATOR;
    out->len += size + 2;
}

static size_t units_in(span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += (text.ptr[i] & 0xc0) != 0x80;
        n += text.ptr[i] >= 0xf0;
    }
    return n;
}

void eio_payload_to_v3(buf *out, span payload)
{
    while (payload.len > 0) {
        span packet = span_cut(&payload, EIO_SEPARATOR);
        if (packet.len == 0) {
            continue;
        }
        bool binary = packet.ptr[0] == 'b';
        buf_append_u64(out, binary ? packet.len + 1 : units_in(packet));
        buf_append_byte(out, ':');
        if (binary) {
            buf_append_str(out, "b4");
            packet = span_slice(packet, 1, packet.len);
        }
        buf_append_span(out, packet);
    }
}

/* Base64 has no EIO_SEPARATOR in it, so it is found by what stands before it. */
static bool has_binary(span payload)
{
    return payload.len > 0 &&
           (payload.ptr[0] == 'b' || memmem(payload.ptr, payload.len, "\x1e" "b", 2) != NULL);
}

/* 0 or 1, the length's digits as bytes, 255 (v3.md, Payload). */
static void put_binary_head(buf *out, bool binary, size_t len)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)(len % 10);
        len /= 10;
    } while (len > 0);
    buf_append_byte(out, binary);
    buf_append(out, digits + at, sizeof digits - at);
    buf_append_byte(out, 0xff);
}

bool eio_payload_to_v3_binary(buf *out, span payload)
{
    buf bytes = {0};
    if (!has_binary(payload)) {
        return false;
    }
    while (payload.len > 0) {
        span packet = span_cut(&payload, EIO_SEPARATOR);
        if (packet.len == 0) {
            continue;
        }
        if (packet.ptr[0] != 'b') {
            put_binary_head(out, false, packet.len);
            buf_append_span(out, packet);
            continue;
        }
        packet = span_slice(packet, 1, packet.len);
        ptrdiff_t len = base64_decode(packet, buf_reserve(&bytes, packet.len / 4 * 3 + 3));
        ASSERT(len >= 0); /* eio_payload_put has made it */
        put_binary_head(out, true, (size_t)len + 1);
        buf_append_byte(out, EIO_MESSAGE);
        buf_append(out, bytes.ptr, (size_t)len);
    }
    buf_deinit(&bytes);
    return true;
}
