/*
 * One question to every loop, and their answers together: for requests about what is connected,
 * wherever it is.
 */
#ifndef SB_EDGE_GATHER_H
#define SB_EDGE_GATHER_H

#include "base/buf.h"
#include "edge/edge.h"

/* The loops answer within microseconds; one that does not for so long is in trouble, and who asks
 * should hear of it. */
#define GATHER_MS_MAX 2000

/* Asks loop by loop, each on its own thread, with its edge: appends to `out`, bytes of any form. */
typedef void (*gather_ask)(struct edge *e, const void *in, buf *out);
/* On the loop that asked, once, never inside gather(): an answer a loop, or NULL when not all came
 * within GATHER_MS_MAX (what the others did is done). */
typedef void (*gather_done)(void *owner, const buf *answers, unsigned count);

/* `in` was allocated with mem_alloc, and is freed here when nobody can read it any more. */
void gather(struct edge *e, void *in, gather_ask ask, gather_done done, void *owner);
/* The same, but answers come by way of loop `via`: what asking made a loop post there has arrived
 * when `done` is called. */
void gather_via(struct edge *e, unsigned via, void *in, gather_ask ask, gather_done done,
                void *owner);

#endif
