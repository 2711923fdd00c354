/*
 * Socket.IO packets of socket.io-msgpack-parser: a map {type, data, nsp, id?} in one binary
 * message, read into and written from the form that everything else here uses: JSON text with
 * placeholders, and attachments. Both dialects of notepack are taken: 3 (nil for undefined, ext -1
 * timestamps) and 2 (fixext 1 type 0 for undefined, ext 0 of 8 bytes for dates, ext 0 for
 * ArrayBuffer). Dates become the text of Date.prototype.toJSON. Pure; any thread. Fuzz target:
 * msgpack_fuzz.c.
 */
#ifndef SB_CODEC_SIO_MSGPACK_H
#define SB_CODEC_SIO_MSGPACK_H

#include "codec/sio/packet.h"

/*
 * Reads one message whole. The JSON is appended to `json`, where the payload and the event point
 * (it must not move while they are used); namespace and attachments point into `in`. The same rules
 * as sio_packet_read, and at most json_bytes_max of JSON; what is no msgpack, or no JSON could say,
 * is SIO_BAD_JSON: other ext types, text that is not UTF-8, names that are not strings. As
 * JSON.stringify has it, numbers that are not finite become null and undefined members are left
 * out; integers stay exact up to 64 bits. Other members of the packet (options) are passed over. An
 * object that looks like a placeholder beside real binary values is refused, since the JSON could
 * not tell it from them. Cost: one pass; a count beyond the bytes that are there is refused at
 * once, so memory is json_bytes_max and six times the longest string at most.
 */
enum sio_fault sio_msgpack_read(span in, unsigned depth_max, size_t json_bytes_max, buf *json,
                                struct sio_packet *out,
                                span attachments[SIO_ATTACHMENTS_MAX]) MUST_CHECK;

/* Appends a packet; payload is checked JSON (empty: no data; with what was put around it at most
 * JSON_WALK_DEPTH_MAX deep, asserted), whose placeholders name the attachments. `id` < 0: none.
 * Every value in its smallest form, as notepack has it: integers and numbers that are whole below
 * 2^53 as integers, others and -0 as 64-bit floats. */
void sio_msgpack_put(buf *out, enum sio_type type, span nsp, int64_t id, span payload,
                     const span *attachments, unsigned count);

#endif
