/*
 * The pages of a database file and its write-ahead log as a reader would see them, read without
 * SQLite, which refuses damaged files, and without writing. Nobody may write to them meanwhile.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_IMAGE_H
#define SB_ADAPTERS_STORE_SQLITE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "tables/errors.h"

struct image {
    int fd;
    int wal_fd; /* -1: no log */
    uint32_t page_bytes;
    uint32_t usable;     /* bytes of a page that hold data */
    uint32_t page_count; /* pages are numbered from 1 */
    uint32_t free_head;  /* first page of the free list; 0: none, or not known */
    bool header_lost;    /* page size and free list are guesses */
    uint32_t *frames;    /* page n is frame frames[n - 1] - 1 of the log; 0: in the file. Owned */
    uint32_t frame_count; /* of the log that are committed and sound */
    struct stat before[2]; /* of file and log */
};

/* ERR_NONE, or with a sentence "it ..." in why: ERR_STORE_READ_ONLY (not there, not readable),
 * ERR_STORE_CORRUPT (no file, or not one page). Memory: 4 bytes a page. */
err image_open(struct image *m, const char *path, char why[256]) MUST_CHECK;
void image_close(struct image *m);
/* Page n (1 to page_count) into page_bytes bytes; what the file lacks is zeros. False when the
 * disk refuses or the page is wholly missing. */
bool image_read(const struct image *m, uint32_t n, uint8_t *out) MUST_CHECK;
/* Whether somebody wrote to file or log since image_open. */
bool image_changed(const struct image *m);

#endif
