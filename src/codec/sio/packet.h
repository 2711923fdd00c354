/*
 * Socket.IO packets, protocol revision 5 (and 4 of v2 clients, whose text is the same).
 *
 *     <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
 *
 * Read means checked: the layout, the JSON, and that the payload is what its type asks for. What
 * stands in for a binary value, {"_placeholder":true,"num":n}, names an attachment that is
 * announced, each at most once, so that a message cannot be multiplied. Pure; any thread. Fuzz
 * target: packet_fuzz.c.
 */
#ifndef SB_CODEC_SIO_PACKET_H
#define SB_CODEC_SIO_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"

enum sio_type {
    SIO_CONNECT,
    SIO_DISCONNECT,
    SIO_EVENT,
    SIO_ACK,
    SIO_CONNECT_ERROR,
    SIO_BINARY_EVENT,
    SIO_BINARY_ACK,
};

/* The reference's parser since 4.2.6 (CVE-2026-33151). */
#define SIO_ATTACHMENTS_MAX 10
#define SIO_NAMESPACE_BYTES_MAX 64
#define SIO_EVENT_NAME_BYTES_MAX 128
/* Ack ids are counted up by clients; 2^53 is where JavaScript stops. */
#define SIO_ACK_ID_MAX 9007199254740992ull

struct sio_packet {
    enum sio_type type;
    span nsp;             /* "/" or "/name", without a query */
    bool has_id;
    uint64_t id;
    unsigned attachments; /* announced */
    span payload;         /* JSON text, checked; empty when there is none */
    span event;           /* of events: the first element, a JSON string or number */
};

enum sio_fault {
    SIO_OK,
    SIO_BAD_TYPE,
    SIO_BAD_ATTACHMENTS, /* a count that is missing, malformed or over SIO_ATTACHMENTS_MAX */
    SIO_BAD_NAMESPACE,
    SIO_BAD_ID,
    SIO_BAD_JSON,        /* malformed, deeper than allowed, or a refused member name */
    SIO_BAD_PAYLOAD,     /* not what the type asks for; a reserved event name */
    SIO_BAD_PLACEHOLDER, /* names no attachment, or one that was named before */
};
const char *sio_fault_name(enum sio_fault f); /* "bad_json" */

/* Spans point into `text`. depth_max: of the JSON (json_check). Only what a client may send: a
 * CONNECT_ERROR is SIO_BAD_TYPE. */
enum sio_fault sio_packet_read(span text, unsigned depth_max, struct sio_packet *out) MUST_CHECK;

/* connect, connect_error, disconnect, disconnecting, newListener, removeListener. */
bool sio_event_reserved(span name);

/* Appends everything before the payload. The type becomes the binary one when attachments > 0
 * (SIO_EVENT or SIO_ACK). `id` < 0: none. */
void sio_packet_head(buf *out, enum sio_type type, unsigned attachments, span nsp, int64_t id);

#endif
