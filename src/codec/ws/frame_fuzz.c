/* Input: a byte of flags, then a header. What decodes must encode to the same bytes, and what is
 * refused or accepted must not change when more bytes follow. */
#include "base/assert.h"
#include "codec/ws/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    unsigned flags = data[0] & (WS_FRAME_MASKED | WS_FRAME_RSV1_OK);
    span in = span_of(data + 1, size - 1);
    struct ws_frame f;
    int n = ws_frame_decode(in, flags, &f);
    for (size_t cut = 0; cut < in.len && cut < WS_HEAD_BYTES_MAX; cut++) {
        struct ws_frame early;
        int m = ws_frame_decode(span_slice(in, 0, cut), flags, &early);
        ASSERT(m == n || m == 0);
        ASSERT(m <= (int)cut);
    }
    if (n > 0) {
        uint8_t head[WS_HEAD_BYTES_MAX];
        const uint8_t *key = (flags & WS_FRAME_MASKED) != 0 ? f.key : NULL;
        size_t m = ws_frame_encode_head(head, f.fin, f.opcode, f.len, key);
        head[0] |= f.rsv1 ? 0x40 : 0;
        ASSERT(m == (size_t)n && memcmp(head, in.ptr, m) == 0);
    }
    return 0;
}
