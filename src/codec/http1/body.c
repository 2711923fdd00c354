/*
 * One state machine for the three kinds of body. Data is given out as slices; everything else
 * (size lines, CRLFs, trailers) is walked byte by byte, bounded by the limits in body.h.
 */
#include "codec/http1/body.h"

#include "codec/http1/chars.h"

enum state {
    DONE,
    FIXED,       /* `left` bytes of a fixed length */
    UNTIL_CLOSE,
    SIZE_FIRST,  /* the first digit of a chunk size */
    SIZE,        /* more digits, ";" or CR */
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_QUOTED_END,
    SIZE_LF,
    DATA,        /* `left` bytes of a chunk */
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* a field line, or the CR of the last line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    FAILED       /* `left` is the error, negated */
};

/* 15 hexadecimal digits cannot overflow `left`; a smaller limit follows from bytes_max. */
#define SIZE_DIGITS_MAX 15

static int fail(struct http1_body *b, int error)
{
    b->state = FAILED;
    b->left = (uint64_t)-error;
    return error;
}

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
    return b->left > bytes_max ? fail(b, HTTP1_ERR_BODY_TOO_LARGE) : 0;
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

/* chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ) (RFC 9112 7.1.1), without the
 * white space, quoted pairs and obs-text that it allows, in which readers differ. Returns the
 * state behind `c`, or -1. */
static int extension_next(int state, uint8_t c)
{
    bool token = http1_is(c, HTTP1_C_TOKEN);
    switch (state) {
    case EXT_NAME_FIRST:
        return token ? EXT_NAME : -1;
    case EXT_NAME:
        return token ? EXT_NAME : c == '=' ? EXT_VALUE_FIRST : c == ';' ? EXT_NAME_FIRST : -1;
    case EXT_VALUE_FIRST:
        return c == '"' ? EXT_QUOTED : token ? EXT_VALUE : -1;
    case EXT_VALUE:
        return token ? EXT_VALUE : c == ';' ? EXT_NAME_FIRST : -1;
    case EXT_QUOTED:
        if (c == '"') {
            return EXT_QUOTED_END;
        }
        return c != '\\' && c >= ' ' && c < 0x7f ? EXT_QUOTED : -1;
    default: /* SIZE, EXT_QUOTED_END */
        return c == ';' ? EXT_NAME_FIRST : -1;
    }
}

static int extension_byte(struct http1_body *b, uint8_t c)
{
    bool may_end = b->state == EXT_NAME || b->state == EXT_VALUE || b->state == EXT_QUOTED_END;
    if (c == '\r' && may_end) {
        b->state = SIZE_LF;
        return 0;
    }
    int next = http1_is(c, HTTP1_C_VALUE) ? extension_next(b->state, c) : -1;
    if (next < 0) {
        return HTTP1_ERR_BAD_CHUNK_EXTENSION;
    }
    if (++b->line_bytes > HTTP1_CHUNK_LINE_BYTES_MAX) {
        return HTTP1_ERR_CHUNK_LINE_TOO_LONG;
    }
    if (++b->extension_bytes > HTTP1_CHUNK_EXTENSIONS_BYTES_MAX) {
        return HTTP1_ERR_CHUNK_EXTENSIONS_TOO_LARGE;
    }
    b->state = (uint8_t)next;
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

/* Names that would frame or route the message if they were fields of the head (RFC 9110 6.5.1:
 * a sender must not put them into the trailer section). */
static const char *const misplaced[] = {"content-length", "transfer-encoding", "host"};

/* Follows the trailer name along with each misplaced one; `c` is its next byte, or ":". */
static int trailer_name_byte(struct http1_body *b, uint8_t c)
{
    if (!http1_is(c, HTTP1_C_TOKEN) && (c != ':' || b->state == TRAILER_START)) {
        return HTTP1_ERR_BAD_TRAILER;
    }
    if (b->state == TRAILER_START) {
        b->line_bytes = 0;
        b->trailer_names = (1u << ARRAY_LEN(misplaced)) - 1;
        b->state = TRAILER_NAME;
    }
    uint8_t expected = c == ':' ? 0 : c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    for (unsigned i = 0; i < ARRAY_LEN(misplaced); i++) {
        unsigned bit = 1u << i;
        if ((b->trailer_names & bit) != 0 && (uint8_t)misplaced[i][b->line_bytes] != expected) {
            b->trailer_names &= (uint8_t)~bit;
        }
    }
    b->line_bytes++;
    if (c == ':') {
        b->state = TRAILER_VALUE;
        return b->trailer_names == 0 ? 0 : HTTP1_ERR_BAD_TRAILER;
    }
    return 0;
}

static int trailer_byte(struct http1_body *b, uint8_t c)
{
    if (++b->trailer_bytes > HTTP1_TRAILERS_BYTES_MAX) {
        return HTTP1_ERR_TRAILERS_TOO_LARGE;
    }
    switch (b->state) {
    case TRAILER_START:
    case TRAILER_NAME:
        if (c == '\r' && b->state == TRAILER_START) {
            b->state = LAST_LF;
            return 0;
        }
        return trailer_name_byte(b, c);
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
    case SIZE_LF:
        return c == '\n' ? size_known(b) : HTTP1_ERR_BAD_CHUNK_SIZE;
    case DATA_CR:
        b->state = DATA_LF;
        return c == '\r' ? 0 : HTTP1_ERR_BAD_CHUNK_END;
    case DATA_LF:
        b->state = SIZE_FIRST;
        return c == '\n' ? 0 : HTTP1_ERR_BAD_CHUNK_END;
    default:
        return b->state < SIZE_LF ? extension_byte(b, c) : trailer_byte(b, c);
    }
}

static span take(struct http1_body *b, span in)
{
    span data = span_slice(in, 0, in.len < b->left ? in.len : (size_t)b->left);
    b->left -= data.len;
    return data;
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
