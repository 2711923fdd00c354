/*
 * Adapter of ports/log: JSON lines to a descriptor, written by a thread of its own.
 *
 *     {"ts":"2025-07-16T21:30:00.000Z","level":"info","event":"conn.open","node":"a","conn":7}
 *
 *     loop 0 --> ring --\
 *     loop 1 --> ring ---> writer --> fd        each logging thread has a ring of its own
 *     worker --> ring --/
 *
 * A call formats its line into the calling thread's ring: no lock, no waiting, and a system call
 * only when the writer sleeps. A ring that is full drops the line and counts it; once the reader
 * takes lines again, a `log.dropped` line tells how many are missing. Lines of one thread keep
 * their order; those of several threads may stand out of order by what one pass writes.
 */
#ifndef SB_ADAPTERS_LOG_JSON_LOG_JSON_H
#define SB_ADAPTERS_LOG_JSON_LOG_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "ports/clock.h"
#include "ports/log.h"

struct log_json_conf {
    int fd;              /* borrowed, blocking or not; must outlive the log */
    const char *node;    /* copied */
    struct clock *clock; /* borrowed */
    enum log_level level_min;
    size_t ring_bytes;     /* of each thread that logs, a power of two; 0: 256 KiB */
    unsigned flush_ms_max; /* how long close waits for a reader that does not read; 0: 1,000 */
};

/* Starts the writer thread, which takes no signals. Owned by the caller; aborts when the kernel
 * gives no thread, key or descriptor (start-up only). */
struct log *log_json_open(const struct log_json_conf *conf);
/* Writes what is left, for at most flush_ms_max, and frees. No thread may log to it any more, nor
 * be just about to end. Blocks. */
void log_json_close(struct log *log);
/* Lines lost so far: rings that were full, and writes that failed. Any thread. */
uint64_t log_json_dropped(struct log *log);

#endif
