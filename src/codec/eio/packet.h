/*
 * Engine.IO packets and polling payloads, revision 4, and 3 for old clients (engine.io-protocol).
 * Pure; any thread. Fuzz targets: packet_fuzz.c, payload_fuzz.c.
 *
 *     text frame      digit + data                 binary frame   the data of a message
 *     payload (4)     packet 1E packet 1E ...      binary in it   'b' + base64
 *     payload (3)     length ':' packet ...        length in UTF-16 units; binary "b4" + base64
 *             or      00 length FF packet ...      as application/octet-stream: length in bytes, a
 *                     01 length FF 04 data         digit (00 to 09) each; never sent by us
 */
#ifndef SB_CODEC_EIO_PACKET_H
#define SB_CODEC_EIO_PACKET_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"

enum eio_type {
    EIO_OPEN,
    EIO_CLOSE,
    EIO_PING,
    EIO_PONG,
    EIO_MESSAGE,
    EIO_UPGRADE,
    EIO_NOOP,
};

enum eio_revision {
    EIO_V4,
    EIO_V3,
    EIO_V3_BINARY, /* only of payloads: what came as application/octet-stream */
};

struct eio_packet {
    enum eio_type type;
    bool binary; /* only of EIO_MESSAGE */
    span data;
};

/* The packet of a text frame; false when it is none. data points into `text`. */
bool eio_packet_read(span text, struct eio_packet *out) MUST_CHECK;
/* The same, and binary in base64, which clients that were told to (forceBase64) also send in text
 * frames: decoded in place, strictly (base64.h); the bytes are lost when it is malformed. */
bool eio_packet_decode(uint8_t *text, size_t len, enum eio_revision revision,
                       struct eio_packet *out) MUST_CHECK;

/* Ends each packet of a payload under way; the last one is cut off before it leaves. */
#define EIO_SEPARATOR 0x1e

/* A walk over a payload. Base64 is decoded in place, so the bytes are the caller's to lose. Costs
 * one pass over the bytes. */
struct eio_walk {
    uint8_t *at;
    uint8_t *end;
    enum eio_revision revision;
    bool more; /* a packet has to follow */
};
void eio_walk_begin(struct eio_walk *w, enum eio_revision revision, uint8_t *bytes, size_t len);
/* 1: a packet, whose data points into the bytes and is valid UTF-8 unless binary; 0: the end; -1:
 * no payload (what came before it stands), and ever after. An empty payload is none; one of
 * revision 3 may hold empty packets ("0:"), which are passed over. */
int eio_walk_next(struct eio_walk *w, struct eio_packet *out) MUST_CHECK;

/* Appends one packet as a payload of revision 4 holds it, and EIO_SEPARATOR. Only a message is
 * binary (asserted). Text holds no EIO_SEPARATOR, as no JSON does: it would end the packet. */
void eio_payload_put(buf *out, enum eio_type type, bool binary, span data);
/* Appends what eio_payload_put has made (with or without the last separator) as a payload of
 * revision 3. Nothing becomes nothing. */
void eio_payload_to_v3(buf *out, span payload);
/* The same as bytes (application/octet-stream), if there is anything binary in it; else false, and
 * nothing is appended. For clients of revision 3 that did not ask for b64. */
bool eio_payload_to_v3_binary(buf *out, span payload);

#endif
