/*
 * Input: a byte of role and limits, a seed of the cuts, then the peer's bytes. The record must be
 * the same whole, byte by byte and cut at random: nothing depends on how bytes arrive.
 */
#include "codec/ws/session_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start(struct trace *t, uint8_t options)
{
    static const uint32_t bytes[4] = {16, 200, 4096, 1 << 20};
    static const uint16_t fragments[4] = {1, 3, 50, 0};
    *t = (struct trace){
        .limits = {.message_bytes_max = bytes[options >> 1 & 3],
                   .fragments_max = fragments[options >> 3 & 3]},
    };
    ws_session_init(&t->session, (options & 1) != 0 ? WS_CLIENT : WS_SERVER);
    if ((options & 0x20) != 0) {
        ws_session_allow_deflate(&t->session);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    span bytes = span_of(data + 2, size - 2);
    uint32_t seed = data[1] + 1u;
    struct trace whole, single, random;
    start(&whole, data[0]);
    start(&single, data[0]);
    start(&random, data[0]);
    trace_feed(&whole, bytes);
    for (size_t at = 0; at < bytes.len; at++) {
        trace_feed(&single, span_slice(bytes, at, 1));
    }
    for (size_t at = 0, n; at < bytes.len; at += n) {
        seed = seed * 1103515245u + 12345u;
        n = 1 + (seed >> 16) % ((seed & 0x100) != 0 ? 7 : 90);
        trace_feed(&random, span_slice(bytes, at, n));
    }
    ASSERT(span_eq(buf_span(&whole.record), buf_span(&single.record)));
    ASSERT(span_eq(buf_span(&whole.record), buf_span(&random.record)));
    ASSERT(ws_session_is_over(&whole.session) == ws_session_is_over(&single.session));
    trace_deinit(&whole);
    trace_deinit(&single);
    trace_deinit(&random);
    return 0;
}
