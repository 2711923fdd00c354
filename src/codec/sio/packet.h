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
    enum sio_type type;   /* as read: SIO_EVENT and SIO_ACK of binary ones too */
    span nsp;             /* "/" or "/name", without a query */
    span query;           /* behind the '?' of the namespace (v2 clients' credentials), or empty */
    bool has_id;
    uint64_t id;
    unsigned attachments; /* announced */
    span payload;         /* JSON text, checked; empty when there is none */
    span event;           /* of events: the first element, a JSON string or number */
    bool refused_names;   /* of text events: a member is named __proto__ or its like. All else is
                             well, so who takes such a packet can answer it */
};

enum sio_fault {
    SIO_OK,
    SIO_BAD_TYPE,
    SIO_BAD_ATTACHMENTS, /* a count that is missing, malformed or over SIO_ATTACHMENTS_MAX */
    SIO_BAD_NAMESPACE, /* longer than SIO_NAMESPACE_BYTES_MAX, or not storable text on one line */
    SIO_BAD_ID,
    SIO_BAD_JSON,        /* malformed, deeper than allowed, or a refused member name */
    SIO_BAD_PAYLOAD,     /* not what the type asks for; an event name that is reserved or longer
                          * than SIO_EVENT_NAME_BYTES_MAX (unescaped) */
    SIO_BAD_PLACEHOLDER, /* names no attachment, or one that was named before, or says more */
};
const char *sio_fault_name(enum sio_fault f); /* "bad_json" */

/* Spans point into `text`. depth_max: of the JSON (json_check). Only what a client may send: a
 * CONNECT_ERROR is SIO_BAD_TYPE. Where none is announced, what looks like a placeholder is data, as
 * the reference has it. Stricter than the reference: an EVENT and an ACK have a payload, counts and
 * ids are digits only, no member is named __proto__ and its like (JSON_REFUSE_PROTO; of an event
 * refused_names says so instead). Strings may hold halves of surrogate pairs
 * (JSON_LONE_SURROGATES): who cuts a string in JavaScript is not to lose the connection for it. One
 * pass over the text, and one more with attachments. */
enum sio_fault sio_packet_read(span text, unsigned depth_max, struct sio_packet *out) MUST_CHECK;

/* The rules about what a packet says, for readers of other layouts: payload, which is checked JSON,
 * placeholders, event name; sets out->event. */
enum sio_fault sio_packet_check(struct sio_packet *out) MUST_CHECK;
/* The same for a namespace as it was sent: sets out->nsp and out->query. */
enum sio_fault sio_namespace_check(span sent, struct sio_packet *out) MUST_CHECK;

/* connect, connect_error, disconnect, disconnecting, newListener, removeListener; unescaped. */
bool sio_event_reserved(span name);
/* Where there are attachments: is this value of checked JSON what stands in for one? Its number is
 * in *num then. Cost: a pass over three members at most. */
bool sio_placeholder(span value, unsigned *num);

/* Appends everything before the payload, of any type, which becomes the binary one when
 * attachments > 0 (SIO_EVENT or SIO_ACK, asserted). `id` < 0: none. */
void sio_packet_head(buf *out, enum sio_type type, unsigned attachments, span nsp, int64_t id);

#endif
