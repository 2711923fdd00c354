/*
 * One state machine for the three kinds of body. Data is given out as slices; everything else
 * (size lines, CRLFs, trailers) is walked byte by byte, bounded by the limits in body.h.
 */
#include "codec/http1/body.h"

#include "codec/http1/chars.h"

enum state {
    DONE,
    FIXED,         /* `left` bytes of a fixed length */
    UNTIL_CLOSE,
    SIZE_FIRST,    /* the first digit of a chunk size */
    SIZE,          /* more digits, ";" or CR */
    EXTENSION,     /* to the CR of the size line */
    SIZE_LF,
    DATA,          /* `left` bytes of a chunk */
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* a field line, or the CR of the last line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    FAILED         /* `left` is the error, negated */
};

/* 15 hexadecimal digits cannot overflow `left`; a smaller limit follows from bytes_max. */
#define SIZE_DIGITS_MAX 15

int http1_body_init(struct http1_body *b, int64_t content_length, bool chunked,
                    uint64_t bytes_max)
{
    ASSERT(content_length >= -1 && !(chunked && content_length >= 0));
    *b = (struct http1_body){.bytes_max = bytes_max};
    if (chunked) {
        b->state = SIZE_FIRST;
        return 0;
    }
    b->left = content_length < 0 ? 0 : (uint64_t)content_length;
    b->state = b->left > 0 ? FIXED : DONE;
    if (b->left > bytes_max) {
        b->state = FAILED;
        b->left = -(unsigned)HTTP1_ERR_BODY_TOO_LARGE;
        return HTTP1_ERR_BODY_TOO_LARGE;
    }
    return 0;
}

void http1_body_init_until_close(struct http1_body *b, uint64_t bytes_max)
{
    *b = (struct http1_body){.bytes_max = bytes_max, .state = UNTIL_CLOSE};
}

static int size_digit(struct http1_body *b, uint8_t c)
{
    int digit = http1_hex_value(c);
    if (digit < 0 || ++b->line_bytes > SIZE_DIGITS_MAX) {
        return HTTP1_ERR_BAD_CHUNK_SIZE;
    }
    b->left = b->left << 4 | (unsigned)digit;
    b->state = SIZE;
    return 0;
}

static int extension_byte(struct http1_body *b, uint8_t c)
{
    if (!http1_is(c, HTTP1_C_VALUE)) {
        return HTTP1_ERR_BAD_CHUNK_EXTENSION;
    }
    if (++b->line_bytes > HTTP1_CHUNK_LINE_BYTES_MAX) {
        return HTTP1_ERR_CHUNK_LINE_TOO_LONG;
    }
    if (++b->extension_bytes > HTTP1_CHUNK_EXTENSIONS_BYTES_MAX) {
        return HTTP1_ERR_CHUNK_EXTENSIONS_TOO_LARGE;
    }
    b->state = EXTENSION;
    return 0;
}

/* The size line is complete: data follows, or the trailer section after the last chunk. */
static int size_known(struct http1_body *b)
{
    if (b->left > b->bytes_max - b->total) {
        return HTTP1_ERR_BODY_TOO_LARGE;
    }
    b->total += b->left;
    b->line_bytes = 0;
    b->state = b->left > 0 ? DATA : TRAILER_START;
    return 0;
}

static int trailer_byte(struct http1_body *b, uint8_t c)
{
    if (++b->trailer_bytes > HTTP1_TRAILERS_BYTES_MAX) {
        return HTTP1_ERR_TRAILERS_TOO_LARGE;
    }
    switch (b->state) {
    case TRAILER_START:
        if (c == '\r') {
            b->state = LAST_LF;
            return 0;
        }
        b->state = TRAILER_NAME;
        return http1_is(c, HTTP1_C_TOKEN) ? 0 : HTTP1_ERR_BAD_TRAILER;
    case TRAILER_NAME:
        if (c == ':') {
            b->state = TRAILER_VALUE;
            return 0;
        }
        return http1_is(c, HTTP1_C_TOKEN) ? 0 : HTTP1_ERR_BAD_TRAILER;
    case TRAILER_VALUE:
        if (c == '\r') {
            b->state = TRAILER_LF;
            return 0;
        }
        return http1_is(c, HTTP1_C_VALUE) ? 0 : HTTP1_ERR_BAD_TRAILER;
    default: /* TRAILER_LF, LAST_LF */
        if (c != '\n') {
            return HTTP1_ERR_BAD_TRAILER;
        }
        b->state = b->state == LAST_LF ? DONE : TRAILER_START;
        return 0;
    }
}

/* One byte of chunked framing. */
static int framing_byte(struct http1_body *b, uint8_t c)
{
    switch (b->state) {
    case SIZE_FIRST:
        return size_digit(b, c);
    case SIZE:
        if (c == '\r') {
            b->state = SIZE_LF;
            return 0;
        }
        /* RFC 9112 7.1.1 allows white space before ";": readers differ in it, senders omit it. */
        return c == ';' ? extension_byte(b, c) : size_digit(b, c);
    case EXTENSION:
        if (c == '\r') {
            b->state = SIZE_LF;
            return 0;
        }
        return extension_byte(b, c);
    case SIZE_LF:
        return c == '\n' ? size_known(b) : HTTP1_ERR_BAD_CHUNK_SIZE;
    case DATA_CR:
        b->state = DATA_LF;
        return c == '\r' ? 0 : HTTP1_ERR_BAD_CHUNK_END;
    case DATA_LF:
        b->state = SIZE_FIRST;
        return c == '\n' ? 0 : HTTP1_ERR_BAD_CHUNK_END;
    default:
        return trailer_byte(b, c);
    }
}

static span take(struct http1_body *b, span in)
{
    span data = span_slice(in, 0, in.len < b->left ? in.len : (size_t)b->left);
    b->left -= data.len;
    return data;
}

static int fail(struct http1_body *b, int error)
{
    b->state = FAILED;
    b->left = (uint64_t)-error;
    return error;
}

static int take_until_close(struct http1_body *b, span in, span *out, size_t *consumed)
{
    if (in.len > b->bytes_max - b->total) {
        return fail(b, HTTP1_ERR_BODY_TOO_LARGE);
    }
    b->total += in.len;
    *out = in;
    *consumed = in.len;
    return 0;
}

int http1_body_feed(struct http1_body *b, span in, span *out, size_t *consumed)
{
    *out = span_of(in.ptr, 0);
    *consumed = 0;
    if (b->state == FAILED) {
        return -(int)b->left;
    }
    if (b->state == UNTIL_CLOSE) {
        return take_until_close(b, in, out, consumed);
    }
    size_t pos = 0;
    while (b->state != DONE && pos < in.len) {
        if (b->state == FIXED || b->state == DATA) {
            *out = take(b, span_slice(in, pos, in.len));
            pos += out->len;
            if (b->left == 0) {
                b->state = b->state == FIXED ? DONE : DATA_CR;
            }
            break; /* one slice a call */
        }
        int error = framing_byte(b, in.ptr[pos]);
        if (error < 0) {
            return fail(b, error);
        }
        pos++;
    }
    *consumed = pos;
    return b->state == DONE ? HTTP1_BODY_DONE : 0;
}

bool http1_body_done(const struct http1_body *b)
{
    return b->state == DONE;
}

int http1_body_eof(struct http1_body *b)
{
    if (b->state == FAILED) {
        return -(int)b->left;
    }
    if (b->state == UNTIL_CLOSE) {
        b->state = DONE;
    }
    return b->state == DONE ? HTTP1_BODY_DONE : fail(b, HTTP1_ERR_BODY_TRUNCATED);
}
