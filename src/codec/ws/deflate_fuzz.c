/*
 * The first byte chooses: the rest is a field value to negotiate, a compressed message to inflate
 * within a bound (whole, and in pieces: the same must come out), or a message to compress and get
 * back.
 */
#include "codec/ws/deflate.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ws_deflate_memory memory = {.alloc = mem_alloc, .release = mem_free};

static void negotiate(span value, unsigned window_bits)
{
    struct ws_deflate_agreed agreed, again;
    int rc = ws_deflate_negotiate(value, window_bits, &agreed);
    ASSERT(rc >= WS_DEFLATE_E_SYNTAX && rc <= 1);
    ASSERT((rc == 1) == (agreed.kind != WS_DEFLATE_NONE));
    if (rc == 1) { /* an answer reads as an offer, and is met as it stands */
        buf answer = {0};
        ws_deflate_answer(&agreed, &answer);
        ASSERT(ws_deflate_negotiate(buf_span(&answer), window_bits, &again) == 1);
        ASSERT(again.kind == agreed.kind && again.server_window_bits == agreed.server_window_bits);
        ASSERT(again.client_window_bits == 0);
        buf_deinit(&answer);
    }
}

static int inflate_in(struct ws_deflater *d, span in, size_t step, size_t bytes_max, buf *out)
{
    ws_inflate_begin(d);
    for (size_t at = 0; at < in.len; at += step) {
        int rc = ws_inflate_feed(d, span_slice(in, at, step), bytes_max, out);
        if (rc < 0) {
            return rc;
        }
    }
    return ws_inflate_end(d, bytes_max, out);
}

static void inflate_both_ways(struct ws_deflater *d, span in, uint8_t options)
{
    static const size_t bounds[4] = {1, 100, 5000, 1 << 20};
    size_t bytes_max = bounds[options & 3];
    buf whole = {0}, pieces = {0};
    int a = inflate_in(d, in, in.len + 1, bytes_max, &whole);
    int b = inflate_in(d, in, 1 + (options >> 2), bytes_max, &pieces);
    ASSERT(a == b);
    ASSERT(whole.len <= bytes_max + 1 && whole.cap <= 2 * (bytes_max + 1) + 64);
    ASSERT((a == WS_INFLATE_E_TOO_BIG) == (whole.len > bytes_max));
    ASSERT(a != 0 || span_eq(buf_span(&whole), buf_span(&pieces)));
    buf_deinit(&whole);
    buf_deinit(&pieces);
}

static void round_trip(struct ws_deflater *d, span in, enum ws_deflate_kind kind)
{
    buf packed = {0}, back = {0};
    if (ws_deflate_encode(d, kind, in, &packed)) {
        ASSERT(packed.len < in.len);
        ASSERT(inflate_in(d, buf_span(&packed), packed.len, in.len, &back) == 0);
        ASSERT(span_eq(buf_span(&back), in));
    } else {
        ASSERT(packed.len == 0);
    }
    buf_deinit(&packed);
    buf_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    span rest = span_of(data + 2, size - 2);
    unsigned window_bits = WS_DEFLATE_WINDOW_BITS_MIN + data[1] % 7;
    struct ws_deflater *d = ws_deflater_new(&memory, window_bits);
    switch (data[0] % 3) {
    case 0:
        negotiate(rest, window_bits);
        break;
    case 1:
        inflate_both_ways(d, rest, data[1]);
        break;
    default:
        round_trip(d, rest, WS_DEFLATE_FULL);
        round_trip(d, rest, WS_DEFLATE_SMALL);
    }
    ws_deflater_free(d);
    return 0;
}
