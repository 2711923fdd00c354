/* Input: a text frame. What is read gives the same bytes when it is put together again, in either
 * revision; reading and decoding agree on text. */
#include "codec/eio/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(span text, enum eio_revision revision)
{
    buf copy = {0}, back = {0};
    struct eio_packet plain, p;
    buf_reserve(&copy, 1);
    buf_append_span(&copy, text);
    bool read = eio_packet_read(text, &plain);
    bool decoded = eio_packet_decode(copy.ptr, copy.len, revision, &p);
    ASSERT(!plain.binary);
    ASSERT(read ? decoded && !p.binary && p.type == plain.type && span_eq(p.data, plain.data)
                : !decoded || p.binary);
    if (decoded) {
        eio_payload_put(&back, p.type, p.binary, p.data);
        if (p.binary && revision == EIO_V3) {
            ASSERT(text.len > 1 && text.ptr[1] == '4');
            buf_clear(&copy);
            buf_append_byte(&copy, 'b');
            buf_append_span(&copy, span_slice(text, 2, text.len));
            text = buf_span(&copy);
        }
        ASSERT(back.ptr[back.len - 1] == EIO_SEPARATOR);
        ASSERT(span_eq(span_of(back.ptr, back.len - 1), text));
    }
    buf_deinit(&copy);
    buf_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(span_of(data, size), EIO_V4);
    check(span_of(data, size), EIO_V3);
    return 0;
}
