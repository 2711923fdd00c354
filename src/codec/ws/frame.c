/*
 * The layout of a frame (RFC 6455 5.2):
 *
 *     byte 0: FIN RSV1 RSV2 RSV3 opcode(4)   byte 1: MASK length(7)
 *     length 126: two more bytes, 127: eight more; then four bytes of key when MASK is set.
 */
#include "codec/ws/frame.h"

#include "base/assert.h"

#define BIT_FIN 0x80
#define BIT_RSV1 WS_FRAME_RSV1
#define BITS_RSV23 0x30
#define BITS_OPCODE 0x0f
#define BIT_MASK 0x80
#define BITS_LEN 0x7f
#define LEN_16 126 /* the length stands in 16 more bits */
#define LEN_64 127
#define CLOSE_REASON_BYTES_MAX (WS_CONTROL_BYTES_MAX - 2)

static bool opcode_known(unsigned op)
{
    return op <= WS_OP_BINARY || (op >= WS_OP_CLOSE && op <= WS_OP_PONG);
}

static int check_byte0(uint8_t b, unsigned flags)
{
    unsigned op = b & BITS_OPCODE;
    /* "MUST be 0 unless an extension is negotiated"; RFC 7692 uses RSV1 of a first data frame. */
    bool rsv1_ok = (flags & WS_FRAME_RSV1_OK) != 0 && (op == WS_OP_TEXT || op == WS_OP_BINARY);
    if ((b & BITS_RSV23) != 0 || ((b & BIT_RSV1) != 0 && !rsv1_ok)) {
        return WS_FRAME_E_RSV;
    }
    if (!opcode_known(op)) {
        return WS_FRAME_E_OPCODE;
    }
    if (op >= WS_OP_CLOSE && (b & BIT_FIN) == 0) { /* "MUST NOT be fragmented" */
        return WS_FRAME_E_FRAGMENTED;
    }
    return 0;
}

static int check_byte1(uint8_t b, unsigned op, unsigned flags)
{
    if (((b & BIT_MASK) != 0) != ((flags & WS_FRAME_MASKED) != 0)) {
        return WS_FRAME_E_MASK;
    }
    if (op >= WS_OP_CLOSE && (b & BITS_LEN) > WS_CONTROL_BYTES_MAX) {
        return WS_FRAME_E_CONTROL;
    }
    return 0;
}

static uint64_t get_be(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

int ws_frame_decode(span in, unsigned flags, struct ws_frame *out)
{
    const uint8_t *p = in.ptr;
    if (in.len == 0) {
        return 0;
    }
    int error = check_byte0(p[0], flags);
    if (error != 0) {
        return error;
    }
    if (in.len < 2) {
        return 0;
    }
    unsigned op = p[0] & BITS_OPCODE;
    error = check_byte1(p[1], op, flags);
    if (error != 0) {
        return error;
    }
    uint64_t len = p[1] & BITS_LEN;
    size_t len_bytes = len < LEN_16 ? 0 : len == LEN_16 ? 2 : 8;
    size_t key_bytes = (p[1] & BIT_MASK) != 0 ? 4 : 0;
    if (len_bytes > 0) {
        if (in.len < 2 + len_bytes) {
            return 0;
        }
        len = get_be(p + 2, (unsigned)len_bytes);
        /* "the minimal number of bytes MUST be used", "the most significant bit MUST be 0" */
        if (len_bytes == 2 ? len < LEN_16 : len <= UINT16_MAX || len > INT64_MAX) {
            return WS_FRAME_E_LENGTH;
        }
    }
    size_t head = 2 + len_bytes + key_bytes;
    if (in.len < head) {
        return 0;
    }
    *out = (struct ws_frame){
        .len = len,
        .opcode = (uint8_t)op,
        .fin = (p[0] & BIT_FIN) != 0,
        .rsv1 = (p[0] & BIT_RSV1) != 0,
    };
    memcpy(out->key, p + 2 + len_bytes, key_bytes);
    return (int)head;
}

const char *ws_frame_error_name(int error)
{
    switch (error) {
    case WS_FRAME_E_RSV:
        return "reserved bit set";
    case WS_FRAME_E_OPCODE:
        return "reserved opcode";
    case WS_FRAME_E_FRAGMENTED:
        return "fragmented control frame";
    case WS_FRAME_E_CONTROL:
        return "control frame over 125 bytes";
    case WS_FRAME_E_MASK:
        return "masking against the role";
    case WS_FRAME_E_LENGTH:
        return "length not in its shortest form";
    default:
        return "no frame error";
    }
}

size_t ws_frame_encode_head(uint8_t out[WS_HEAD_BYTES_MAX], bool fin, enum ws_opcode opcode,
                            uint64_t len, const uint8_t *key)
{
    ASSERT(opcode_known(opcode));
    ASSERT(len <= INT64_MAX);
    uint8_t mask = key != NULL ? BIT_MASK : 0;
    size_t n = 2;
    out[0] = (uint8_t)((fin ? BIT_FIN : 0) | opcode);
    if (len < LEN_16) {
        out[1] = (uint8_t)(mask | len);
    } else if (len <= UINT16_MAX) {
        out[1] = mask | LEN_16;
        out[2] = (uint8_t)(len >> 8);
        out[3] = (uint8_t)len;
        n = 4;
    } else {
        out[1] = mask | LEN_64;
        for (unsigned i = 0; i < 8; i++) {
            out[2 + i] = (uint8_t)(len >> (56 - 8 * i));
        }
        n = 10;
    }
    if (key != NULL) {
        memcpy(out + n, key, 4);
        n += 4;
    }
    return n;
}

size_t ws_control_encode(uint8_t out[WS_CONTROL_FRAME_BYTES_MAX], enum ws_opcode opcode,
                         span payload, const uint8_t *key)
{
    ASSERT(opcode >= WS_OP_CLOSE);
    ASSERT(payload.len <= WS_CONTROL_BYTES_MAX);
    uint8_t head[WS_HEAD_BYTES_MAX];
    size_t n = ws_frame_encode_head(head, true, opcode, payload.len, key);
    memcpy(out, head, n);
    if (payload.len > 0) {
        memcpy(out + n, payload.ptr, payload.len);
    }
    if (key != NULL) {
        ws_mask(out + n, payload.len, key, 0);
    }
    return n + payload.len;
}

size_t ws_close_encode(uint16_t code, span reason, uint8_t out[WS_CONTROL_BYTES_MAX])
{
    if (code == 0) {
        return 0;
    }
    ASSERT(ws_close_code_valid(code));
    size_t n = reason.len;
    if (n > CLOSE_REASON_BYTES_MAX) {
        n = CLOSE_REASON_BYTES_MAX;
        while (n > 0 && (reason.ptr[n] & 0xc0) == 0x80) { /* not between bytes of a character */
            n--;
        }
    }
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    if (n > 0) {
        memcpy(out + 2, reason.ptr, n);
    }
    return 2 + n;
}

bool ws_close_code_valid(uint16_t code)
{
    /* 7.4.1: 1004 is reserved; 1005, 1006 and 1015 must never be sent. 1012-1014 are registered
     * with IANA; 1016-2999 are reserved for revisions of the protocol (7.4.2). */
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

void ws_mask(uint8_t *data, size_t len, const uint8_t key[4], size_t offset)
{
    uint8_t turned[8];
    for (size_t i = 0; i < sizeof turned; i++) {
        turned[i] = key[(offset + i) & 3];
    }
    uint64_t wide;
    memcpy(&wide, turned, sizeof wide);
    size_t at = 0;
    for (; len - at >= sizeof wide; at += sizeof wide) {
        uint64_t word;
        memcpy(&word, data + at, sizeof word);
        word ^= wide;
        memcpy(data + at, &word, sizeof word);
    }
    for (; at < len; at++) {
        data[at] ^= turned[at & 7];
    }
}
