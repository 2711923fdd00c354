/* Small files of /proc and /sys. */
#include "agent/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* One read at a time: a page holds nearly every file read here, larger ones take more turns. */
#define READ_BYTES 4096

static ssize_t read_some(int fd, void *out, size_t len)
{
    ssize_t n;
    do {
        n = read(fd, out, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int file_read_at(int dirfd, const char *path, buf *out, size_t max)
{
    buf_clear(out);
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    ssize_t n = 1;
    while (out->len < max && n > 0) {
        size_t want = max - out->len < READ_BYTES ? max - out->len : READ_BYTES;
        n = read_some(fd, buf_reserve(out, want), want);
        if (n > 0) {
            out->len += (size_t)n;
            if ((size_t)n < want / 2) {
                break; /* procfs and sysfs give short reads only at the end */
            }
        }
    }
    close(fd);
    if (n < 0) {
        buf_clear(out);
        return (int)n;
    }
    return 0;
}

bool file_read_word(int dirfd, const char *path, char *out, size_t cap)
{
    char text[256];
    size_t len = 0;
    ASSERT(cap > 0);
    out[0] = '\0';
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        ssize_t n = read_some(fd, text, sizeof text);
        close(fd);
        span rest = span_of(text, n > 0 ? (size_t)n : 0);
        span line = span_trim(span_cut(&rest, '\n'));
        len = line.len < cap ? line.len : cap - 1;
        memcpy(out, line.ptr == NULL ? text : (const char *)line.ptr, len);
        out[len] = '\0';
    }
    return len > 0;
}

bool file_read_i64(int dirfd, const char *path, int64_t *out)
{
    char text[32];
    uint64_t value;
    if (!file_read_word(dirfd, path, text, sizeof text)) {
        return false;
    }
    bool negative = text[0] == '-';
    if (!span_u64(span_str(text + (negative ? 1 : 0)), INT64_MAX, &value)) {
        return false;
    }
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}
