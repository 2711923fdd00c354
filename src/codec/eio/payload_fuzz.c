/*
 * Input: a payload. Packets walked in it are put again: without a fault that is the same payload
 * (of revision 3: the same packets, since that may be written otherwise), and what is put reads
 * back the same in both revisions.
 */
#include "codec/eio/packet.h"

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walks a copy and puts what it finds; how the walk ended. `*separators`: some text held one. */
static int walk(span payload, enum eio_revision revision, buf *put, bool *separators)
{
    buf copy = {0};
    struct eio_walk w;
    struct eio_packet p;
    int n;
    buf_reserve(&copy, 1);
    buf_append_span(&copy, payload);
    eio_walk_begin(&w, revision, copy.ptr, copy.len);
    *separators = false;
    while ((n = eio_walk_next(&w, &p)) == 1) {
        const uint8_t *end = copy.ptr + copy.len;
        ASSERT(p.data.ptr > copy.ptr && p.data.ptr <= end && p.data.ptr + p.data.len <= end);
        ASSERT(p.type <= EIO_NOOP && (!p.binary || p.type == EIO_MESSAGE));
        ASSERT(p.binary || utf8_valid(p.data));
        *separators |= !p.binary && span_find(p.data, EIO_SEPARATOR) >= 0;
        eio_payload_put(put, p.type, p.binary, p.data);
    }
    ASSERT(eio_walk_next(&w, &p) == n);
    buf_deinit(&copy);
    return n;
}

static void check(span payload, enum eio_revision revision)
{
    buf put = {0}, again = {0}, v3 = {0};
    bool separators, unused;
    int n = walk(payload, revision, &put, &separators);
    if (put.len > 0 && !separators) {
        span whole = span_of(put.ptr, put.len - 1);
        ASSERT(n < 0 || revision != EIO_V4 || span_eq(whole, payload));
        ASSERT(walk(whole, EIO_V4, &again, &unused) == 0);
        ASSERT(span_eq(buf_span(&again), buf_span(&put)));
        buf_clear(&again);
        eio_payload_to_v3(&v3, whole);
        ASSERT(walk(buf_span(&v3), EIO_V3, &again, &unused) == 0);
        ASSERT(span_eq(buf_span(&again), buf_span(&put)));
        buf_clear(&again);
        buf_clear(&v3);
        if (eio_payload_to_v3_binary(&v3, whole)) {
            ASSERT(walk(buf_span(&v3), EIO_V3_BINARY, &again, &unused) == 0);
            ASSERT(span_eq(buf_span(&again), buf_span(&put)));
        }
    }
    buf_deinit(&put);
    buf_deinit(&again);
    buf_deinit(&v3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(span_of(data, size), EIO_V4);
    check(span_of(data, size), EIO_V3);
    check(span_of(data, size), EIO_V3_BINARY);
    return 0;
}
