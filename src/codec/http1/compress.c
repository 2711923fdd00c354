/*
 * One raw stream of zlib serves both codings, whose headers and checks are a few bytes: so a loop
 * pays for one window. Every body is whole, so the stream is reset before it.
 */
#include "codec/http1/compress.h"

#include <zlib.h>

#include <string.h>

/* Of 1-9: for one peer, who waits for it (ws/deflate.c has figures). */
#define LEVEL 3
#define MEMORY 8 /* of 1-9; zlib's default */

#define GZIP_HEAD_BYTES 10
#define GZIP_TAIL_BYTES 8
#define ZLIB_HEAD_BYTES 2
#define ZLIB_TAIL_BYTES 4

struct http1_compressor {
    const struct http1_compress_memory *memory;
    bool made;
    z_stream stream;
};

enum http1_coding http1_coding_choose(const struct http1_fields *f)
{
    int gzip = http1_fields_coding_weight(f, SPAN("gzip"));
    int deflate = http1_fields_coding_weight(f, SPAN("deflate"));
    int best = gzip >= deflate ? gzip : deflate;
    /* Unless it is named, identity is only what is always allowed. */
    if (best <= 0 || http1_fields_weight_named(f, SPAN("identity")) > best) {
        return HTTP1_IDENTITY;
    }
    return gzip >= deflate ? HTTP1_GZIP : HTTP1_DEFLATE;
}

span http1_coding_name(enum http1_coding coding)
{
    switch (coding) {
    case HTTP1_IDENTITY:
        break;
    case HTTP1_GZIP:
        return SPAN("gzip");
    case HTTP1_DEFLATE:
        return SPAN("deflate");
    }
    return SPAN_NONE;
}

static voidpf stream_alloc(voidpf opaque, uInt items, uInt bytes)
{
    const struct http1_compress_memory *m = opaque;
    return m->alloc((size_t)items * bytes);
}

static void stream_free(voidpf opaque, voidpf ptr)
{
    const struct http1_compress_memory *m = opaque;
    m->release(ptr);
}

struct http1_compressor *http1_compressor_new(const struct http1_compress_memory *memory)
{
    struct http1_compressor *z = memory->alloc(sizeof *z);
    *z = (struct http1_compressor){.memory = memory};
    return z;
}

void http1_compressor_free(struct http1_compressor *z)
{
    if (z != NULL) {
        if (z->made) {
            deflateEnd(&z->stream);
        }
        z->memory->release(z);
    }
}

static z_stream *fresh_stream(struct http1_compressor *z)
{
    int rc;
    if (z->made) {
        rc = deflateReset(&z->stream);
    } else {
        z->stream = (z_stream){.zalloc = stream_alloc, .zfree = stream_free,
                               .opaque = (void *)(uintptr_t)z->memory};
        rc = deflateInit2(&z->stream, LEVEL, Z_DEFLATED, -MAX_WBITS, MEMORY, Z_DEFAULT_STRATEGY);
        z->made = true;
    }
    ASSERT(rc == Z_OK);
    return &z->stream;
}

/* Bytes of a raw stream at `at`, 0 when they would be more than `room`. */
static size_t deflate_whole(struct http1_compressor *z, span body, uint8_t *at, size_t room)
{
    z_stream *s = fresh_stream(z);
    s->next_in = (z_const Bytef *)body.ptr;
    s->avail_in = (uInt)body.len;
    s->next_out = at;
    s->avail_out = (uInt)room;
    int rc = deflate(s, Z_FINISH);
    ASSERT(rc == Z_STREAM_END || rc == Z_OK || rc == Z_BUF_ERROR);
    return rc == Z_STREAM_END ? room - s->avail_out : 0;
}

static void put_le32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void put_be32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

bool http1_compress(struct http1_compressor *z, enum http1_coding coding, span body, buf *out)
{
    /* Without a name, a time or a system (RFC 1952 2.3); a window of 32 KiB (RFC 1950 2.2). */
    static const uint8_t gzip_head[GZIP_HEAD_BYTES] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
    static const uint8_t zlib_head[ZLIB_HEAD_BYTES] = {0x78, 0x5e};
    ASSERT(coding != HTTP1_IDENTITY);
    bool gzip = coding == HTTP1_GZIP;
    size_t head = gzip ? GZIP_HEAD_BYTES : ZLIB_HEAD_BYTES;
    size_t tail = gzip ? GZIP_TAIL_BYTES : ZLIB_TAIL_BYTES;
    if (body.len <= head + tail + 1 || body.len > UINT32_MAX) {
        return false;
    }
    uint8_t *at = buf_reserve(out, body.len);
    size_t made = deflate_whole(z, body, at + head, body.len - 1 - head - tail);
    if (made == 0) {
        return false;
    }
    memcpy(at, gzip ? gzip_head : zlib_head, head);
    if (gzip) {
        put_le32(at + head + made, (uint32_t)crc32(0, body.ptr, (uInt)body.len));
        put_le32(at + head + made + 4, (uint32_t)body.len);
    } else {
        put_be32(at + head + made, (uint32_t)adler32(1, body.ptr, (uInt)body.len));
    }
    out->len += head + made + tail;
    return true;
}
