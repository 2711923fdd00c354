/* One file of the agent's buffer: records of row_record.h one after the other, appended only. */
#ifndef SB_AGENT_ROW_SEGMENT_H
#define SB_AGENT_ROW_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "agent/row_record.h"

struct row_segment {
    uint32_t id; /* rises from file to file; "rows-0000002a.log" */
    int fd;      /* owned */
    uint32_t bytes;
    unsigned pending; /* rows in it that are not acknowledged; the buffer's count */
};

/* Called for each record in order; `offset` is where it begins. */
typedef void (*row_segment_visit)(void *arg, struct row_segment *seg, uint32_t offset,
                                  const struct row_record *r);

/* Opens file `id` of the folder, which must not exist when `fresh`. 0 or -errno. */
MUST_CHECK int row_segment_open(struct row_segment *seg, int dir_fd, uint32_t id, bool fresh);
void row_segment_close(struct row_segment *seg); /* closes the file; the file stays */
/* The same, and removes the file. */
void row_segment_remove(struct row_segment *seg, int dir_fd);

/*
 * Reads the whole file, visits its records, and cuts off what a crash left at its end. Damaged
 * bytes before a later valid record are skipped: nothing that can still be read is given up.
 * *lost_bytes is both together. 0, or -errno when it cannot be read or cut.
 */
MUST_CHECK int row_segment_scan(struct row_segment *seg, row_segment_visit visit, void *arg,
                                size_t *lost_bytes);

/* Appends bytes that row_record_encode made; with `sync` they are on the disk when it returns. A
 * failure takes back what was written and returns -errno. */
MUST_CHECK int row_segment_append(struct row_segment *seg, span record, bool sync);
/* Reads the record at `offset`; its payload lies in `bytes`. -EBADMSG: it is damaged. */
MUST_CHECK int row_segment_read(const struct row_segment *seg, uint32_t offset, buf *bytes,
                                struct row_record *out);
/* Makes the file empty; 0 or -errno. */
MUST_CHECK int row_segment_clear(struct row_segment *seg);

/* The id in a file name; false when the name is not one of a segment. */
bool row_segment_name_id(const char *name, uint32_t *id);

#endif
