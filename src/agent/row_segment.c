/* One file of the agent's buffer. */
#include "agent/row_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LEN 17 /* rows-0000002a.log */

static void name_of(uint32_t id, char name[NAME_LEN + 1])
{
    snprintf(name, NAME_LEN + 1, "rows-%08x.log", id);
}

bool row_segment_name_id(const char *name, uint32_t *id)
{
    char back[NAME_LEN + 1];
    unsigned value;
    if (strlen(name) != NAME_LEN || sscanf(name, "rows-%8x.log", &value) != 1) {
        return false;
    }
    *id = value;
    name_of(*id, back);
    return strcmp(back, name) == 0;
}

int row_segment_open(struct row_segment *seg, int dir_fd, uint32_t id, bool fresh)
{
    char name[NAME_LEN + 1];
    struct stat st;
    name_of(id, name);
    int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | (fresh ? O_CREAT | O_EXCL : 0), 0600);
    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &st) != 0 || st.st_size > INT32_MAX) {
        close(fd);
        return -EFBIG;
    }
    *seg = (struct row_segment){.id = id, .fd = fd, .bytes = (uint32_t)st.st_size};
    return 0;
}

void row_segment_close(struct row_segment *seg)
{
    close(seg->fd);
    seg->fd = -1;
}

void row_segment_remove(struct row_segment *seg, int dir_fd)
{
    char name[NAME_LEN + 1];
    name_of(seg->id, name);
    (void)unlinkat(dir_fd, name, 0);
    row_segment_close(seg);
}

static int read_whole(const struct row_segment *seg, uint32_t offset, size_t len, buf *out)
{
    buf_clear(out);
    uint8_t *at = buf_reserve(out, len);
    while (out->len < len) {
        ssize_t n = pread(seg->fd, at + out->len, len - out->len, (off_t)(offset + out->len));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EBADMSG;
        }
        out->len += (size_t)n;
    }
    return 0;
}

int row_segment_scan(struct row_segment *seg, row_segment_visit visit, void *arg,
                     size_t *lost_bytes)
{
    buf text = {0};
    struct row_record r;
    *lost_bytes = 0;
    int rc = read_whole(seg, 0, seg->bytes, &text);
    size_t good = 0; /* after the last valid record */
    for (size_t at = 0; rc == 0 && at < text.len;) {
        ptrdiff_t n = row_record_decode(span_slice(buf_span(&text), at, text.len), &r);
        if (n > 0) {
            *lost_bytes += at - good;
            visit(arg, seg, (uint32_t)at, &r);
            at += (size_t)n;
            good = at;
        } else {
            at++; /* the next valid record may begin anywhere */
        }
    }
    if (rc == 0 && good < text.len) {
        *lost_bytes += text.len - good;
        if (ftruncate(seg->fd, (off_t)good) == 0) {
            seg->bytes = (uint32_t)good;
        } else {
            rc = -errno;
        }
    }
    buf_deinit(&text);
    return rc;
}

int row_segment_append(struct row_segment *seg, span record, bool sync)
{
    int rc = 0;
    size_t done = 0;
    while (rc == 0 && done < record.len) {
        ssize_t n = pwrite(seg->fd, record.ptr + done, record.len - done,
                           (off_t)(seg->bytes + done));
        if (n > 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            rc = n == 0 ? -EIO : -errno;
        }
    }
    if (rc == 0 && sync && fdatasync(seg->fd) != 0) {
        rc = -errno;
    }
    if (rc != 0) {
        /* If even this fails the tail is cut at the next start, or overwritten. */
        (void)!ftruncate(seg->fd, (off_t)seg->bytes);
        return rc;
    }
    seg->bytes += (uint32_t)record.len;
    return 0;
}

int row_segment_read(const struct row_segment *seg, uint32_t offset, buf *bytes,
                     struct row_record *out)
{
    size_t len = seg->bytes - offset;
    if (len > ROW_RECORD_HEAD + ROW_RECORD_BYTES_MAX) {
        len = ROW_RECORD_HEAD + ROW_RECORD_BYTES_MAX;
    }
    int rc = read_whole(seg, offset, len, bytes);
    if (rc == 0 && row_record_decode(buf_span(bytes), out) <= 0) {
        rc = -EBADMSG;
    }
    return rc;
}

int row_segment_clear(struct row_segment *seg)
{
    if (ftruncate(seg->fd, 0) != 0) {
        return -errno;
    }
    seg->bytes = 0;
    return 0;
}
