/* Blobs on Socket.IO, one form a hub wire. */
#ifndef SB_EDGE_SOCKETIO_WRAP_H
#define SB_EDGE_SOCKETIO_WRAP_H

#include "base/buf.h"
#include "edge/edge.h"
#include "hub/blob.h"

/* Appends a blob as the members of one wire get it. A logged event of the product is
 * ["name",{...,"pos","eventId"},offset] in "/"; an emit (emit.h) what was emitted, and the offset
 * where its namespace recovers; one of chat stands in its envelope (chat.h); anything else is a
 * whole array of arguments for "/". */
void sio_wrap(const struct edge *e, const struct blob *b, buf *out);
/* The same in the form of the other wires. */
void sio_wrap_poll(const struct edge *e, const struct blob *b, buf *out);
void sio_wrap_v3(const struct edge *e, const struct blob *b, buf *out);
void sio_wrap_msgpack(const struct edge *e, const struct blob *b, buf *out);
void sio_wrap_msgpack_poll(const struct edge *e, const struct blob *b, buf *out);
/* hub_sink's own and encode_own: who asked for what an event of chat tells hears it with its
 * requestId, in any form. UINT32_MAX: nobody of this loop. */
uint32_t sio_own(struct edge *e, const struct blob *b);
void sio_wrap_own(const struct edge *e, enum edge_wire wire, const struct blob *b, buf *out);

#endif
