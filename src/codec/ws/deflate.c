/*
 * zlib behind the messages of permessage-deflate. Every message starts from an empty window, so
 * a stream is reset before it and means nothing after it.
 */
#include "codec/ws/deflate.h"

#include <zlib.h>

/* Of 1-9. 4 KiB of JSON take 17 us at 3 (26 % of the bytes left), 24 us at 5 (23 %) and 28 us at 6
 * (22 %); a message to many is worth the bytes, one to a single peer the time. */
#define LEVEL 5
/* Of 1-9: how much zlib hashes and holds back; 8 is its default, the smallest window needs less. */
#define MEMORY_FULL 8
#define MEMORY_SMALL 5
/* Output is made in steps of this, so that a small message costs a small buffer. */
#define INFLATE_STEP_BYTES 4096
/* Beyond the payload: an empty block's end, and what zlib wants free to flush once (zlib.h). */
#define DEFLATE_SLACK_BYTES 16

static const uint8_t block_end[4] = {0x00, 0x00, 0xff, 0xff}; /* 7.2.1, 7.2.2 */

struct ws_deflater {
    const struct ws_deflate_memory *memory;
    unsigned window_bits;
    bool inflating; /* `in` is made */
    bool ended;     /* the last block so far had BFINAL set (7.2.3.4) */
    bool made[WS_DEFLATE_KINDS];
    z_stream in;
    z_stream out[WS_DEFLATE_KINDS];
};

static voidpf stream_alloc(voidpf opaque, uInt items, uInt bytes)
{
    const struct ws_deflate_memory *m = opaque;
    return m->alloc((size_t)items * bytes);
}

static void stream_free(voidpf opaque, voidpf ptr)
{
    const struct ws_deflate_memory *m = opaque;
    m->release(ptr);
}

static void stream_init(struct ws_deflater *d, z_stream *z)
{
    *z = (z_stream){
        .zalloc = stream_alloc, .zfree = stream_free, .opaque = (void *)(uintptr_t)d->memory};
}

struct ws_deflater *ws_deflater_new(const struct ws_deflate_memory *memory, unsigned window_bits)
{
    ASSERT(window_bits >= WS_DEFLATE_WINDOW_BITS_MIN && window_bits <= WS_DEFLATE_WINDOW_BITS_MAX);
    struct ws_deflater *d = memory->alloc(sizeof *d);
    *d = (struct ws_deflater){.memory = memory, .window_bits = window_bits};
    return d;
}

void ws_deflater_free(struct ws_deflater *d)
{
    if (d == NULL) {
        return;
    }
    if (d->inflating) {
        inflateEnd(&d->in);
    }
    for (unsigned kind = 0; kind < WS_DEFLATE_KINDS; kind++) {
        if (d->made[kind]) {
            deflateEnd(&d->out[kind]);
        }
    }
    d->memory->release(d);
}

static z_stream *fresh_stream(struct ws_deflater *d, enum ws_deflate_kind kind)
{
    z_stream *z = &d->out[kind];
    bool full = kind == WS_DEFLATE_FULL;
    int bits = full ? (int)d->window_bits : WS_DEFLATE_WINDOW_BITS_MIN;
    int rc;
    if (d->made[kind]) {
        rc = deflateReset(z);
    } else {
        stream_init(d, z);
        rc = deflateInit2(z, LEVEL, Z_DEFLATED, -bits, full ? MEMORY_FULL : MEMORY_SMALL,
                          Z_DEFAULT_STRATEGY);
        d->made[kind] = true;
    }
    ASSERT(rc == Z_OK);
    return z;
}

bool ws_deflate_encode(struct ws_deflater *d, enum ws_deflate_kind kind, span payload, buf *out)
{
    ASSERT(kind == WS_DEFLATE_FULL || kind == WS_DEFLATE_SMALL);
    if (payload.len == 0 || payload.len > UINT32_MAX - DEFLATE_SLACK_BYTES) {
        return false;
    }
    z_stream *z = fresh_stream(d, kind);
    size_t room = payload.len + DEFLATE_SLACK_BYTES;
    uint8_t *at = buf_reserve(out, room);
    z->next_in = (z_const Bytef *)payload.ptr;
    z->avail_in = (uInt)payload.len;
    z->next_out = at;
    z->avail_out = (uInt)room;
    int rc = deflate(z, Z_SYNC_FLUSH);
    ASSERT(rc == Z_OK || rc == Z_BUF_ERROR);
    size_t made = room - z->avail_out;
    if (z->avail_out == 0 || made - sizeof block_end >= payload.len) {
        return false;
    }
    ASSERT(memcmp(at + made - sizeof block_end, block_end, sizeof block_end) == 0);
    out->len += made - sizeof block_end;
    return true;
}

/* Any client's window fits into the largest one (7.2.2). */
void ws_inflate_begin(struct ws_deflater *d)
{
    int rc;
    if (d->inflating) {
        rc = inflateReset(&d->in);
    } else {
        stream_init(d, &d->in);
        rc = inflateInit2(&d->in, -WS_DEFLATE_WINDOW_BITS_MAX);
        d->inflating = true;
    }
    ASSERT(rc == Z_OK);
    d->ended = false;
}

/* Inflates until the input is used up. */
static int inflate_some(struct ws_deflater *d, span piece, size_t bytes_max, buf *out)
{
    z_stream *z = &d->in;
    z->next_in = (z_const Bytef *)piece.ptr;
    z->avail_in = (uInt)piece.len;
    for (;;) {
        /* One byte beyond the bound shows that there is more. */
        size_t room = bytes_max + 1 - out->len;
        room = room < INFLATE_STEP_BYTES ? room : INFLATE_STEP_BYTES;
        z->next_out = buf_reserve(out, room);
        z->avail_out = (uInt)room;
        int rc = inflate(z, Z_SYNC_FLUSH);
        out->len += room - z->avail_out;
        if (out->len > bytes_max) {
            return WS_INFLATE_E_TOO_BIG;
        }
        if (rc == Z_STREAM_END) { /* a block with BFINAL may be followed by others (7.2.3.4) */
            d->ended = true;
            if (z->avail_in == 0) {
                return 0;
            }
            d->ended = false;
            rc = inflateReset(z);
            ASSERT(rc == Z_OK);
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            return WS_INFLATE_E_DATA;
        } else if (z->avail_in == 0 && z->avail_out > 0) {
            return 0;
        }
    }
}

int ws_inflate_feed(struct ws_deflater *d, span piece, size_t bytes_max, buf *out)
{
    ASSERT(d->inflating && bytes_max < SIZE_MAX / 4 && out->len <= bytes_max);
    if (piece.len == 0) {
        return 0;
    }
    if (piece.len > UINT32_MAX) {
        return WS_INFLATE_E_TOO_BIG;
    }
    if (d->ended) {
        int rc = inflateReset(&d->in);
        ASSERT(rc == Z_OK);
        d->ended = false;
    }
    return inflate_some(d, piece, bytes_max, out);
}

int ws_inflate_end(struct ws_deflater *d, size_t bytes_max, buf *out)
{
    if (d->ended) {
        return 0;
    }
    int rc = ws_inflate_feed(d, span_of(block_end, sizeof block_end), bytes_max, out);
    /* Bit 7 of data_type: zlib stands between two blocks; the low bits: with nothing left of the
     * last byte. Anything else is a message that was cut. */
    if (rc == 0 && (d->in.data_type & (128 | 63)) != 128) {
        return WS_INFLATE_E_DATA;
    }
    return rc;
}
