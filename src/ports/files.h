/*
 * Port: bytes of files that people send, by id. A file begins in quarantine, where it grows, and is
 * released into what is served; it is in one of both. Everything blocks: call on a worker
 * (ports/offload.h). Thread-safe; what concerns one file is asked one after the other.
 *
 * Errors: ERR_STORE_FULL (the disk, or a quota), ERR_STORE_READ_ONLY, ERR_NOT_FOUND, ERR_CONFLICT,
 * ERR_STORE_FAILED for everything else.
 */
#ifndef SB_PORTS_FILES_H
#define SB_PORTS_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"
#include "base/uuid.h"
#include "tables/errors.h"

#define FILES_DIGEST_BYTES 32

enum files_area { FILES_QUARANTINE, FILES_AVAILABLE };

struct files {
    /* Puts bytes at `at` of a file in quarantine, which is made by the first ones. What is there
     * behind `at` is dropped first (it was never acknowledged); ERR_CONFLICT when less than `at`
     * is there. With `sync` all of the file is on disk when this returns. */
    err (*write)(struct files *self, uuid id, uint64_t at, span bytes, bool sync);
    /* Up to `len` bytes from `at`; *got is 0 at and behind the end. */
    err (*read)(struct files *self, enum files_area area, uuid id, uint64_t at, uint8_t *out,
                size_t len, size_t *got);
    /* SHA-256 of a whole file in quarantine. */
    err (*digest)(struct files *self, uuid id, uint8_t out[FILES_DIGEST_BYTES]);
    /* Out of quarantine, on disk when this returns; ERR_NONE too when it was so already. */
    err (*release)(struct files *self, uuid id);
    /* Wherever it is; ERR_NONE too when there is none. */
    err (*remove)(struct files *self, uuid id);
    /* Calls visit for each file in quarantine. */
    err (*quarantined)(struct files *self, void (*visit)(void *arg, uuid id), void *arg);
};

#endif
