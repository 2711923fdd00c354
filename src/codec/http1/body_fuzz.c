/*
 * Any bytes as a body. Byte 0 chooses the framing and its length, byte 1 the limit, byte 2 the
 * size of pieces. Whole, byte by byte and in pieces give the same body, end and error.
 */
#include "base/buf.h"
#include "codec/http1/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    buf body;
    size_t used;
    int result;
};

static void init(struct http1_body *b, const uint8_t *options, struct reading *r)
{
    uint64_t bytes_max = options[1];
    r->result = 0;
    if (options[0] < 128) {
        r->result = http1_body_init(b, -1, true, bytes_max);
    } else if (options[0] < 250) {
        r->result = http1_body_init(b, options[0] - 128, false, bytes_max);
    } else {
        http1_body_init_until_close(b, bytes_max);
    }
}

static void read_body(const uint8_t *options, span in, size_t step, struct reading *r)
{
    struct http1_body b;
    *r = (struct reading){0};
    init(&b, options, r);
    while (r->result == 0 && r->used < in.len) {
        span piece = span_slice(in, r->used, step);
        size_t fed = 0;
        do {
            span out;
            size_t consumed;
            span rest = span_slice(piece, fed, piece.len);
            r->result = http1_body_feed(&b, rest, &out, &consumed);
            ASSERT(consumed <= rest.len && out.len <= consumed);
            ASSERT(out.ptr >= rest.ptr && out.ptr + out.len <= rest.ptr + consumed);
            ASSERT(r->result != 0 || consumed > 0);
            buf_append_span(&r->body, out);
            fed += consumed;
        } while (r->result == 0 && fed < piece.len);
        r->used += fed;
    }
    ASSERT(r->body.len <= options[1]);
    ASSERT((r->result == HTTP1_BODY_DONE) == http1_body_done(&b) || r->used == 0);
    if (r->result == 0) {
        r->result = http1_body_eof(&b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    span in = span_of(data + 3, size - 3);
    const size_t steps[] = {1, 1u + data[2]};
    struct reading whole;
    read_body(data, in, in.len + 1, &whole);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct reading pieces;
        read_body(data, in, steps[i], &pieces);
        ASSERT(pieces.result == whole.result);
        if (whole.result > 0) {
            ASSERT(pieces.used == whole.used);
            ASSERT(span_eq(buf_span(&pieces.body), buf_span(&whole.body)));
        }
        buf_deinit(&pieces.body);
    }
    buf_deinit(&whole.body);
    return 0;
}
