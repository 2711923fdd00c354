/*
 * The Home wire (/ws, CONTRACT 4) as the rest of the edge sees it: what the hub's sink asks, and
 * what a loop has of it. Its sockets are in session.h.
 */
#ifndef SB_EDGE_HOME_HOME_H
#define SB_EDGE_HOME_HOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "edge/edge.h"
#include "hub/blob.h"
#include "tables/frames.h"

/* Once an edge, and its end, when all sockets have closed. */
void home_wire_init(struct edge *e);
void home_wire_deinit(struct edge *e);

/* Appends one text frame: {"type","data","timestamp"} of enum house_blob, where the payload is the
 * data; of what is logged with "pos" and "id" besides. A broadcast's own type and data are the
 * frame's. The timestamp is when the blob was made, in whole seconds. */
void home_wrap(const struct edge *e, const struct blob *b, buf *out);
/* What a blob that is not logged counts as. */
enum frame home_frame(const struct blob *b);

/* Whether a blob for some (blob.some) is one of this wire's: states of private rooms, broadcasts
 * to a room or to some clients. */
bool home_is_some(const struct blob *b);
/* hub_sink's wants and among for those. */
bool home_wants(struct edge *e, uint32_t member, const struct blob *b);
bool home_among(struct edge *e, const struct blob *b, struct hub_picks *picks);

#endif
