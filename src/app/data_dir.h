/*
 * The data folder: made with mode 0700, locked by one server at a time, home of generated keys.
 */
#ifndef SB_APP_DATA_DIR_H
#define SB_APP_DATA_DIR_H

#include "base/assert.h"
#include "base/buf.h"
#include "ports/entropy.h"

/* Makes the folder if it is missing. False: `why` says what the system said. Blocks. */
bool data_dir_make(const char *path, buf *why) MUST_CHECK;
/* Takes the folder's lock for this process: a descriptor to keep open, or -1 with `why` when
 * another server has it. Released by closing, also when the process dies. */
int data_dir_lock(const char *path, buf *why) MUST_CHECK;
/* Appends the text of <path>/<name>, made of `bytes` random bytes in hex with mode 0600 if there
 * is none. False with `why`. */
bool data_dir_secret(const char *path, const char *name, size_t bytes, struct entropy *entropy,
                     buf *out, buf *why) MUST_CHECK;

#endif
