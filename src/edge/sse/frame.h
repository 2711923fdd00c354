/*
 * Server-sent events (HTML, 9.2) as bytes: one event is lines of `id`, `event`, `data` and an empty
 * one. An id without data moves the client's Last-Event-ID and is heard by nobody.
 */
#ifndef SB_EDGE_SSE_FRAME_H
#define SB_EDGE_SSE_FRAME_H

#include "base/buf.h"
#include "edge/edge.h"
#include "hub/blob.h"
#include "hub/pos.h"
#include "tables/closes.h"

/* Appends a logged event: its data is the payload, an object, with `pos` and `eventId` added; who
 * asked for it is not told. Nothing for other blobs. */
void sse_wrap(const struct edge *e, const struct blob *b, buf *out);
/* Appends where the client goes on from, for the event that is appended next. */
void sse_at(buf *out, struct pos at);
/* Appends an event of our own; `data` is JSON without line breaks. */
void sse_event(buf *out, const char *name, span data);
/* Appends {from,to}, after which the client goes on from `to`. */
void sse_gap(buf *out, struct pos from, struct pos to);
/* Appends a comment, and where the client has come to. */
void sse_beat(buf *out, struct pos at);
/* Appends what a stream begins with: how long to wait before coming back, and from where. */
void sse_hello(buf *out, uint32_t retry_ms, struct pos start);
/* Appends the last event, {code,reason,reconnect}. */
void sse_closing(buf *out, close_reason reason);

#endif
