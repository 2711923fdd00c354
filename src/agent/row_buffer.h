/*
 * Rows that the server has not acknowledged, on disk: a folder of segment files (row_segment.h),
 * appended to at the newest and removed from the oldest. One thread; every call may wait for the
 * disk.
 *
 * A row is written before it is first sent and is gone when it has been acknowledged, so none
 * that row_buffer_push took is lost by a crash at any point. With `sync` each row is also synced
 * (fdatasync: one a minute) before push returns, so none is lost by a power cut either. What
 * records an acknowledgement is not synced: losing it sends a row again, which the server knows
 * by its key. When all rows are acknowledged the files are emptied instead.
 *
 * At bytes_max the oldest segment (an eighth of the whole) is given up and its rows are counted
 * as dropped. When the disk takes nothing more, rows are kept in memory, ROW_BUFFER_MEMORY_MAX
 * of them, the oldest of those given up first.
 */
#ifndef SB_AGENT_ROW_BUFFER_H
#define SB_AGENT_ROW_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "agent/row_segment.h"

#define ROW_BUFFER_BYTES_DEFAULT (10 * 1024 * 1024)
/* Below it the eighth could not hold the longest row. */
#define ROW_BUFFER_BYTES_MIN (1024 * 1024)
/* Segments: eight full ones and the one being filled, and a few that long rows left half empty;
 * at the bound the oldest is given up as if the bytes had run out. */
#define ROW_BUFFER_SEGMENTS_MAX 12
/* An hour of rows while the disk is full. */
#define ROW_BUFFER_MEMORY_MAX 60

struct row_entry {
    int64_t key;
    uint8_t *memory; /* owned; the payload of a row that the disk did not take, else NULL */
    uint32_t memory_bytes;
    uint32_t segment; /* id */
    uint32_t offset;
    bool done; /* acknowledged or given up */
};

struct row_buffer {
    int dir_fd;
    int lock_fd;
    bool sync;
    size_t bytes_max;
    unsigned segment_count;
    struct row_segment segments[ROW_BUFFER_SEGMENTS_MAX]; /* the oldest first */
    struct row_entry *entries; /* owned; the first belongs to number `first` */
    size_t entry_count;
    size_t entry_cap;
    uint64_t first;    /* number of entries[0]; numbers begin at 1 with each opening */
    size_t pending;    /* entries that are not done */
    unsigned memory_count;
    uint64_t dropped;  /* rows given up since opening */
    uint64_t lost_bytes; /* damaged or torn, found at opening */
    buf scratch;
};

/*
 * Opens the folder `dir`, making it and its parents (mode 0700), and reads what a former process
 * left. `bytes_max` is at least ROW_BUFFER_BYTES_MIN (asserted). 0, -EWOULDBLOCK when another
 * process has it open, or -errno; after a failure the buffer is as if closed.
 */
MUST_CHECK int row_buffer_open(struct row_buffer *b, const char *dir, size_t bytes_max, bool sync);
/* Closes the files; what is pending stays on disk (rows in memory are lost). */
void row_buffer_close(struct row_buffer *b);

/* Keeps a row; `payload` (at most ROW_RECORD_BYTES_MAX, asserted) is copied. 0, or -errno when
 * the disk refused it and it is kept in memory only. */
MUST_CHECK int row_buffer_push(struct row_buffer *b, int64_t key, span payload);

/* The number of the first pending row after number `after` (0: from the oldest), or 0. Rows come
 * in the order they were pushed, over restarts too. */
uint64_t row_buffer_next(const struct row_buffer *b, uint64_t after);
/* The payload of pending row `number`, replacing what `out` holds, and its key. -EBADMSG: it is
 * damaged on disk; -ENOENT: it is not pending. */
MUST_CHECK int row_buffer_get(struct row_buffer *b, uint64_t number, buf *out, int64_t *key);
/* Row `number` is acknowledged, or refused for good: it will not be offered again. False when it
 * is not pending. */
bool row_buffer_ack(struct row_buffer *b, uint64_t number);

/* Bytes of all segment files. */
size_t row_buffer_bytes(const struct row_buffer *b);

#endif
