/* The offload port: on the server's worker threads, or at once on the caller's. */
#ifndef SB_ADAPTERS_OFFLOAD_WORKERS_H
#define SB_ADAPTERS_OFFLOAD_WORKERS_H

#include "loop/workers.h"
#include "ports/offload.h"
#include "ports/post.h"

/* Borrows the pool; free after the pool. */
struct offload *offload_workers_new(struct workers *ws);
/* Does the work inside submit and posts the answer: for the command line and tests. */
struct offload *offload_inline_new(struct post *post);
void offload_free(struct offload *o);

#endif
