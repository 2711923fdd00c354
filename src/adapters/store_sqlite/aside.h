/* Rows that the new store does not take, as JSON lines in a file that is made with the first. */
#ifndef SB_ADAPTERS_STORE_SQLITE_ASIDE_H
#define SB_ADAPTERS_STORE_SQLITE_ASIDE_H

#include "adapters/store_sqlite/salvage.h"

#include <stdio.h>

struct aside {
    const char *path; /* borrowed */
    FILE *file;       /* NULL before the first row */
    bool failed;      /* a row could not be written: the repair is no good */
    bool exists;      /* somebody else's file is there */
    buf line;
};

/* One row: values in the order of t->columns. Blobs are written in hex. */
void aside_row(struct aside *a, const struct tree *t, const char *why,
               const struct store_value *values, unsigned count);
/* Flushes and closes; false when something was not written. */
bool aside_close(struct aside *a) MUST_CHECK;

#endif
