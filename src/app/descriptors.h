/*
 * How descriptors are shared out among loops. A connection is one descriptor, and one table of
 * them holds RLIMIT_NOFILE. Threads of a process share a table unless they ask for their own: a
 * loop's thread does, so that each loop holds as many connections as the limit allows a process,
 * and its system calls pay for no shared reference counts.
 *
 * A table of one's own begins as a copy, so what threads wake each other by (eventfds of loops,
 * log and control, libcurl's), and the sockets by which loops give each other connections, must be
 * made before the loops start: its number then means the same in every table. A number made later
 * means another thing there, or a connection. Listeners are made before, too, but one that its
 * loop closes would still listen through the copies: each loop closes those of others, and the
 * common table gives up all.
 *
 * A loop's connections end on its thread (net_stop), for their numbers mean nothing elsewhere.
 * Other threads never use a descriptor of a loop; one that is moved (net/move.h) gets a number of
 * theirs.
 */
#ifndef SB_APP_DESCRIPTORS_H
#define SB_APP_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tables/config.h"

/* Of each table, for what are no connections: listeners, wake-ups, files that are read for
 * moments, and connections taken from the queue of a loop that is full. Of a small limit half. */
#define DESCRIPTORS_RESERVE 512

struct descriptors {
    bool own;          /* each loop has a table of its own */
    unsigned loops;    /* setting `loops`; 0: the more of cores and what connections_max needs */
    uint64_t limit;    /* RLIMIT_NOFILE, of one table */
    uint32_t per_loop; /* connections that one loop holds */
    uint32_t spare;    /* of the reserve, for who waits at the door of a loop that is full */
};

/* Raises the soft limit to the hard one: a connection is a descriptor. */
void descriptors_raise_limit(void);
/* What settings and system allow; `loops` is at most LOOP_COUNT_MAX. Starts and ends a thread, to
 * see whether tables of one's own are permitted. */
void descriptors_plan(const struct config *c, struct descriptors *out);
/* As above, from given facts. */
void descriptors_share(const struct config *c, uint64_t limit, unsigned cores, bool own,
                       struct descriptors *out);
/* Connections that all loops hold together. */
uint64_t descriptors_possible(const struct descriptors *d);
/* Appends a sentence about it, without an end of line. */
void descriptors_print(const struct descriptors *d, const struct config *c, buf *out);

/* Gives the calling thread a table of its own, in which `drop` are closed. False when the system
 * refuses. */
bool descriptors_own(const int *drop, unsigned count) MUST_CHECK;

#endif
