/*
 * permessage-deflate (RFC 7692): the negotiation of the handshake, and the compression of whole
 * messages. What RSV1 means between frames is ws/session.h.
 *
 * Our side of the bargain. Neither direction takes its context over: the answer always carries
 * server_no_context_takeover, so that one compressed message serves every subscriber with the
 * same settings, and client_no_context_takeover (which a server may ask for unoffered, 7.1.1.2),
 * so that no connection holds a window while it rests. All state of zlib stands in one
 * ws_deflater a loop: 40 KiB to inflate, 264 KiB to compress at 15 window bits and 24 KiB for peers
 * that asked for less, each made when it is first used.
 */
#ifndef SB_CODEC_WS_DEFLATE_H
#define SB_CODEC_WS_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"

#define WS_DEFLATE_WINDOW_BITS_MIN 9 /* zlib makes no raw stream of 8: such offers are declined */
#define WS_DEFLATE_WINDOW_BITS_MAX 15

/* How messages to a peer are compressed; all peers of one kind can share the bytes. */
enum ws_deflate_kind {
    WS_DEFLATE_NONE,  /* not agreed */
    WS_DEFLATE_FULL,  /* with our own window */
    WS_DEFLATE_SMALL, /* with the smallest window: the peer asked for one below ours */
    WS_DEFLATE_KINDS
};

/* --- the handshake (RFC 6455 9.1, RFC 7692 5 and 7.1) --- */

struct ws_deflate_agreed {
    enum ws_deflate_kind kind;
    uint8_t server_window_bits; /* to be answered; 0: not */
    uint8_t client_window_bits; /* to be answered; 0: not */
};

#define WS_DEFLATE_E_SYNTAX -1 /* no extension list: the handshake fails (RFC 6455 9.1) */

/*
 * Reads one Sec-WebSocket-Extensions line of a client and takes the first permessage-deflate
 * offer that can be met. An offer with an unknown parameter, one twice, one with a value that
 * is not allowed, or server_max_window_bits=8 is declined (7.1); other extensions are passed
 * over. `window_bits` (9-15, asserted) is the most that either side shall use; a client that
 * names client_max_window_bits is held to it. Returns 1 and fills *out, 0 when nothing was
 * agreed (kind is WS_DEFLATE_NONE), or WS_DEFLATE_E_SYNTAX. Fuzzed by ws_deflate.
 */
MUST_CHECK int ws_deflate_negotiate(span offers, unsigned window_bits,
                                    struct ws_deflate_agreed *out);
/* Appends the field value that answers what was agreed (kind is not NONE). */
void ws_deflate_answer(const struct ws_deflate_agreed *agreed, buf *out);

/* --- messages --- */

/* Where zlib's memory comes from: as mem_alloc and mem_free, never NULL. */
struct ws_deflate_memory {
    void *(*alloc)(size_t bytes);
    void (*release)(void *ptr);
};

struct ws_deflater;

/* One loop's streams. `window_bits` as given to ws_deflate_negotiate. */
struct ws_deflater *ws_deflater_new(const struct ws_deflate_memory *memory, unsigned window_bits);
void ws_deflater_free(struct ws_deflater *d); /* NULL is allowed */

/*
 * Appends the payload of a compressed message (7.2.1), without the last 00 00 FF FF. False, with
 * nothing appended, when it would not be shorter than `payload`: then send that, uncompressed.
 * Takes and keeps room for payload.len + 16 bytes of `out` at most.
 */
MUST_CHECK bool ws_deflate_encode(struct ws_deflater *d, enum ws_deflate_kind kind, span payload,
                                  buf *out);

enum ws_inflate_error {
    WS_INFLATE_E_DATA = -1,    /* not DEFLATE, or cut short, or it points before its beginning */
    WS_INFLATE_E_TOO_BIG = -2, /* more than bytes_max come out */
};

/*
 * One message: begin, its compressed payload in any pieces, end. Each appends to `out`, which
 * never holds more than bytes_max + 1 bytes and is not grown beyond twice that, whatever the input
 * says. Return 0, or an enum ws_inflate_error, after which the message is over and only begin may
 * follow. Nothing else of this deflater is used between begin and end but ws_deflate_encode.
 */
void ws_inflate_begin(struct ws_deflater *d);
MUST_CHECK int ws_inflate_feed(struct ws_deflater *d, span piece, size_t bytes_max, buf *out);
MUST_CHECK int ws_inflate_end(struct ws_deflater *d, size_t bytes_max, buf *out);

/*
 * The most bytes of payload that a compressed message may have when it may inflate to bytes_max:
 * stored blocks make a message grow (by 5 bytes a block, and zlib's hold 127 bytes or more).
 */
static inline uint64_t ws_deflate_payload_bytes_max(uint32_t bytes_max)
{
    return bytes_max + (uint64_t)bytes_max / 16 + 64;
}

#endif
