/*
 * WebSocket frames, the bits only (RFC 6455 5.2): header in, header out, masking. What frames
 * mean together (messages, closing) is ws/session.h. Pure functions, any thread.
 */
#ifndef SB_CODEC_WS_FRAME_H
#define SB_CODEC_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define WS_HEAD_BYTES_MAX 14      /* 2 + 8 of length + 4 of key (5.2) */
#define WS_CONTROL_BYTES_MAX 125  /* payload of close, ping, pong (5.5) */
#define WS_CONTROL_FRAME_BYTES_MAX (2 + 4 + WS_CONTROL_BYTES_MAX)

enum ws_opcode { /* 11.8; all others are reserved */
    WS_OP_CONTINUATION = 0x0,
    WS_OP_TEXT = 0x1,
    WS_OP_BINARY = 0x2,
    WS_OP_CLOSE = 0x8,
    WS_OP_PING = 0x9,
    WS_OP_PONG = 0xa,
};

#define WS_FRAME_RSV1 0x40 /* of byte 0: to mark a compressed message after encoding its head */

enum ws_frame_error { /* each is a protocol error (1002) of the sender */
    WS_FRAME_E_RSV = -1,        /* a reserved bit without an extension (5.2) */
    WS_FRAME_E_OPCODE = -2,     /* a reserved opcode (5.2) */
    WS_FRAME_E_FRAGMENTED = -3, /* a control frame without FIN (5.5) */
    WS_FRAME_E_CONTROL = -4,    /* a control frame of more than 125 bytes (5.5) */
    WS_FRAME_E_MASK = -5,       /* client not masked, or server masked (5.1) */
    WS_FRAME_E_LENGTH = -6,     /* not the shortest form of the length, or over 63 bits (5.2) */
};

enum ws_frame_flags {
    WS_FRAME_MASKED = 1,  /* the peer is a client: frames must be masked; otherwise must not */
    WS_FRAME_RSV1_OK = 2, /* RSV1 is allowed on the first frame of a data message (RFC 7692 6) */
};

struct ws_frame {
    uint64_t len;   /* payload bytes, at most 2^63 - 1 */
    uint8_t key[4]; /* zero when not masked */
    uint8_t opcode; /* enum ws_opcode */
    bool fin;
    bool rsv1;
};

/*
 * Reads the header at the start of `in`. `flags` are ws_frame_flags. Returns the header's size
 * (2-14), 0 when more bytes are needed, or an enum ws_frame_error as soon as the bytes present
 * show it, even before the header is complete. The payload need not be there.
 */
int ws_frame_decode(span in, unsigned flags, struct ws_frame *out);

/* A short English name of the error, for logs and close reasons; never NULL. */
const char *ws_frame_error_name(int error);

/*
 * Writes a header; returns its size (2-14). `key`: the 4 mask bytes of a client, NULL for a
 * server. The caller masks the payload itself (ws_mask). `len` is asserted to fit 63 bits.
 */
size_t ws_frame_encode_head(uint8_t out[WS_HEAD_BYTES_MAX], bool fin, enum ws_opcode opcode,
                            uint64_t len, const uint8_t *key);

/*
 * A whole control frame with its payload (at most 125 bytes, asserted), masked when `key` is not
 * NULL. Returns its size.
 */
size_t ws_control_encode(uint8_t out[WS_CONTROL_FRAME_BYTES_MAX], enum ws_opcode opcode,
                         span payload, const uint8_t *key);

/*
 * The payload of a close frame (5.5.1): code, then the reason cut to 123 bytes at a character
 * boundary. Code 0 gives the empty payload. Returns its length; `reason` must be UTF-8. Send it
 * with ws_control_encode(out, WS_OP_CLOSE, ...).
 */
size_t ws_close_encode(uint16_t code, span reason, uint8_t out[WS_CONTROL_BYTES_MAX]);

/* May this code stand in a close frame (7.4): 1000-1003, 1007-1014, 3000-4999. */
bool ws_close_code_valid(uint16_t code);

/*
 * Masks or unmasks in place (5.3; the operation is its own inverse). `offset` is the position of
 * data[0] in the frame's payload. Eight bytes a step.
 */
void ws_mask(uint8_t *data, size_t len, const uint8_t key[4], size_t offset);

#endif
