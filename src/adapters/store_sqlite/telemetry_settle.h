/*
 * Settling telemetry (decision 0015). Ingest appends to telemetry_tail, which is unindexed; the
 * writer moves what is there into telemetry_sample, clustered by series and time, in rounds:
 *
 *     idle --enough rows, or some are old--> load: the tail's rows into memory, by series
 *     load --> settle: series after series into telemetry_sample, with its latest and rollups
 *     settle --> clear: the settled rows leave the tail --> idle
 *
 * Each step is cut into slices between two commits of others. A slice of `settle` is one
 * transaction that also moves telemetry_settling, and telemetry_unsettled, through which
 * everybody reads the tail, leaves out what is before that mark. So a sample is seen once at
 * any moment and settled once, through crashes too: a start goes on at the mark.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_TELEMETRY_SETTLE_H
#define SB_ADAPTERS_STORE_SQLITE_TELEMETRY_SETTLE_H

#include "adapters/store_sqlite/db.h"

struct sqlite_store;
struct settle;

/* All of these on the writer's thread, or before it is started and after it has ended. */
struct settle *settle_new(struct sqlite_store *s); /* borrowed */
void settle_free(struct settle *t); /* NULL is harmless. What is not settled stays in the tail */
/* Notes a request whose transaction has been committed. */
void settle_note(struct settle *t, const struct store_req *req);
/* How long the writer may wait for requests, in ms: 0 when there is work, -1: for ever. */
int settle_wait_ms(const struct settle *t);
/* Works for at most a slice, or, when the tail is longer than it may be, until as much is settled
 * as the commits since the last call added. */
void settle_work(struct settle *t);

#endif
