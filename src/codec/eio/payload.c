/* A payload of revision 4 is cut at its separators; one of revision 3 says how long each packet is,
 * in the units of a JavaScript string. */
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

/* The packet's place: up to the next separator, or the rest. */
static bool take_v4(struct eio_walk *w, uint8_t **packet, size_t *len)
{
    *packet = w->at;
    *len = walk_left(w);
    uint8_t *cut = *len == 0 ? NULL : memchr(w->at, EIO_SEPARATOR, *len);
    if (cut != NULL) {
        *len = (size_t)(cut - w->at);
        w->at = cut + 1;
    } else {
        w->at = w->end;
    }
    w->more = cut != NULL;
    return *len > 0;
}

/* "length:"; more than the bytes left cannot be meant. */
static bool take_length(struct eio_walk *w, size_t *units)
{
    size_t max = walk_left(w);
    const uint8_t *start = w->at;
    *units = 0;
    for (; w->at < w->end && (uint8_t)(*w->at - '0') <= 9; w->at++) {
        *units = *units * 10 + (size_t)(*w->at - '0');
        if (*units > max) {
            return false;
        }
    }
    return w->at > start && w->at < w->end && *w->at++ == ':';
}

/* How many UTF-16 units a character has, by its first byte; 0 for the other bytes of one. */
static unsigned units_of(uint8_t b)
{
    return (b & 0xc0) == 0x80 ? 0 : b >= 0xf0 ? 2 : 1;
}

static bool take_v3(struct eio_walk *w, uint8_t **packet, size_t *len)
{
    size_t units;
    if (!take_length(w, &units)) {
        return false;
    }
    *packet = w->at;
    size_t n = 0;
    while (w->at < w->end && n + units_of(*w->at) <= units) {
        n += units_of(*w->at++);
    }
    *len = (size_t)(w->at - *packet);
    w->more = false;
    return n == units;
}

static bool take(struct eio_walk *w, uint8_t **packet, size_t *len)
{
    return w->revision == EIO_V3 ? take_v3(w, packet, len) : take_v4(w, packet, len);
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
    uint8_t *packet;
    size_t len;
    do {
        if (w->at == w->end && !w->more) {
            *out = (struct eio_packet){0};
            return 0;
        }
        if (!take(w, &packet, &len)) {
            return fail(w, out);
        }
    } while (len == 0);
    if (!eio_packet_decode(packet, len, w->revision, out) ||
        (!out->binary && !utf8_valid(out->data))) {
        return fail(w, out);
    }
    return 1;
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
