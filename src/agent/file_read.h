/* Small files of /proc and /sys, read whole into a buffer that is used again and again. */
#ifndef SB_AGENT_FILE_READ_H
#define SB_AGENT_FILE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/assert.h"
#include "base/buf.h"

/* The largest file of /proc that is read whole: /proc/net/dev with 4,000 interfaces, or
 * /proc/stat with 1,000 CPUs. What is beyond is not read. */
#define FILE_READ_BYTES_MAX (512 * 1024)

/*
 * Replaces what `out` holds by the first `max` bytes of dirfd/path. Returns 0, or -errno and an
 * empty buffer. Three system calls for a file of less than 4 KiB. `dirfd` may
 * be AT_FDCWD. Blocks as the file does.
 */
MUST_CHECK int file_read_at(int dirfd, const char *path, buf *out, size_t max);

/* The first line of a small file, without blanks around it, NUL-terminated and cut at cap - 1;
 * false, and an empty text, when there is none. */
bool file_read_word(int dirfd, const char *path, char *out, size_t cap);
/* A file that holds one decimal number, possibly negative; false when it does not. */
bool file_read_i64(int dirfd, const char *path, int64_t *out);

#endif
