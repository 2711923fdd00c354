/* Rows that the server has not acknowledged, on disk. */
#include "agent/row_buffer.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENTS_PER_BUFFER 8

/* An ack names the row by its place: unique as long as the row's file exists. */
static int64_t place_of(uint32_t segment, uint32_t offset)
{
    return (int64_t)segment << 32 | offset;
}

static struct row_segment *segment_find(struct row_buffer *b, uint32_t id)
{
    for (unsigned i = 0; i < b->segment_count; i++) {
        if (b->segments[i].id == id) {
            return &b->segments[i];
        }
    }
    return NULL;
}

static struct row_segment *newest(struct row_buffer *b)
{
    return &b->segments[b->segment_count - 1];
}

static struct row_entry *entry_at(const struct row_buffer *b, uint64_t number)
{
    if (number < b->first || number - b->first >= b->entry_count) {
        return NULL;
    }
    struct row_entry *e = &b->entries[number - b->first];
    return e->done ? NULL : e;
}

static void entry_add(struct row_buffer *b, struct row_entry e)
{
    if (b->entry_count == b->entry_cap) {
        b->entry_cap = b->entry_cap == 0 ? 64 : b->entry_cap * 2;
        b->entries = mem_realloc(b->entries, b->entry_cap * sizeof *b->entries);
    }
    b->entries[b->entry_count++] = e;
    b->pending++;
    struct row_segment *seg = e.memory == NULL ? segment_find(b, e.segment) : NULL;
    if (seg != NULL) {
        seg->pending++;
    }
}

static void entry_done(struct row_buffer *b, struct row_entry *e)
{
    if (e->memory != NULL) {
        mem_free(e->memory);
        e->memory = NULL;
        b->memory_count--;
    } else {
        struct row_segment *seg = segment_find(b, e->segment);
        ASSERT(seg != NULL && seg->pending > 0);
        seg->pending--;
    }
    e->done = true;
    b->pending--;
}

/* Forgets the entries before the first pending one. */
static void entries_trim(struct row_buffer *b)
{
    size_t n = 0;
    while (n < b->entry_count && b->entries[n].done) {
        n++;
    }
    /* Moving the rest costs its length: only when it is at most half. */
    if (n > 0 && n * 2 >= b->entry_count) {
        b->entry_count -= n;
        memmove(b->entries, b->entries + n, b->entry_count * sizeof *b->entries);
        b->first += n;
    }
}

static void segment_drop(struct row_buffer *b)
{
    row_segment_remove(&b->segments[0], b->dir_fd);
    b->segment_count--;
    memmove(&b->segments[0], &b->segments[1], b->segment_count * sizeof b->segments[0]);
}

/* Gives up the oldest segment with the rows in it that are still pending. */
static void give_up_oldest(struct row_buffer *b)
{
    for (size_t i = 0; i < b->entry_count && b->segments[0].pending > 0; i++) {
        struct row_entry *e = &b->entries[i];
        if (!e->done && e->memory == NULL && e->segment == b->segments[0].id) {
            entry_done(b, e);
            b->dropped++;
        }
    }
    segment_drop(b);
    entries_trim(b);
}

/* Files whose rows and acks concern nobody any more: from the oldest on, as an ack is only of
 * use while the file of its row exists. */
static void segments_trim(struct row_buffer *b)
{
    while (b->segment_count > 1 && b->segments[0].pending == 0) {
        segment_drop(b);
    }
    if (b->segment_count == 1 && b->segments[0].pending == 0 && b->segments[0].bytes > 0) {
        (void)!row_segment_clear(&b->segments[0]);
    }
}

size_t row_buffer_bytes(const struct row_buffer *b)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < b->segment_count; i++) {
        bytes += b->segments[i].bytes;
    }
    return bytes;
}

static int segment_begin(struct row_buffer *b)
{
    struct row_segment seg;
    uint32_t id = b->segment_count > 0 ? newest(b)->id + 1 : 1;
    int rc = row_segment_open(&seg, b->dir_fd, id, true);
    if (rc == 0) {
        if (b->segment_count == ROW_BUFFER_SEGMENTS_MAX) {
            give_up_oldest(b);
        }
        b->segments[b->segment_count++] = seg;
        if (b->sync) {
            (void)!fsync(b->dir_fd); /* the name of the new file */
        }
    }
    return rc;
}

/* A segment with room for `bytes` more, within the whole's bound. */
static int make_room(struct row_buffer *b, size_t bytes)
{
    size_t segment_max = b->bytes_max / SEGMENTS_PER_BUFFER;
    if (b->segment_count == 0 || newest(b)->bytes + bytes > segment_max) {
        int rc = segment_begin(b);
        if (rc != 0) {
            return rc;
        }
    }
    while (b->segment_count > 1 && row_buffer_bytes(b) + bytes > b->bytes_max) {
        give_up_oldest(b);
    }
    return 0;
}

static void keep_in_memory(struct row_buffer *b, int64_t key, span payload)
{
    for (size_t i = 0; i < b->entry_count && b->memory_count == ROW_BUFFER_MEMORY_MAX; i++) {
        if (b->entries[i].memory != NULL) {
            entry_done(b, &b->entries[i]);
            b->dropped++;
        }
    }
    uint8_t *copy = mem_alloc(payload.len);
    if (payload.len > 0) {
        memcpy(copy, payload.ptr, payload.len);
    }
    b->memory_count++;
    entry_add(b, (struct row_entry){
                     .key = key, .memory = copy, .memory_bytes = (uint32_t)payload.len});
}

int row_buffer_push(struct row_buffer *b, int64_t key, span payload)
{
    buf_clear(&b->scratch);
    row_record_encode(&b->scratch, key, ROW_KIND_ROW, payload);
    int rc = make_room(b, b->scratch.len);
    uint32_t offset = rc == 0 ? newest(b)->bytes : 0;
    if (rc == 0) {
        rc = row_segment_append(newest(b), buf_span(&b->scratch), b->sync);
    }
    if (rc != 0) {
        keep_in_memory(b, key, payload);
        return rc;
    }
    entry_add(b, (struct row_entry){.key = key, .segment = newest(b)->id, .offset = offset});
    return 0;
}

uint64_t row_buffer_next(const struct row_buffer *b, uint64_t after)
{
    uint64_t number = after + 1 > b->first ? after + 1 : b->first;
    for (; number - b->first < b->entry_count; number++) {
        if (!b->entries[number - b->first].done) {
            return number;
        }
    }
    return 0;
}

int row_buffer_get(struct row_buffer *b, uint64_t number, buf *out, int64_t *key)
{
    const struct row_entry *e = entry_at(b, number);
    if (e == NULL) {
        return -ENOENT;
    }
    *key = e->key;
    buf_clear(out);
    if (e->memory != NULL) {
        buf_append(out, e->memory, e->memory_bytes);
        return 0;
    }
    struct row_record r;
    const struct row_segment *seg = segment_find(b, e->segment);
    ASSERT(seg != NULL);
    int rc = row_segment_read(seg, e->offset, &b->scratch, &r);
    if (rc == 0) {
        buf_append_span(out, r.payload);
    }
    return rc;
}

bool row_buffer_ack(struct row_buffer *b, uint64_t number)
{
    struct row_entry *e = entry_at(b, number);
    if (e == NULL) {
        return false;
    }
    if (e->memory == NULL && b->pending > 1) {
        buf_clear(&b->scratch);
        row_record_encode(&b->scratch, place_of(e->segment, e->offset), ROW_KIND_ACK, SPAN_NONE);
        /* Refused by the disk: the row is sent once more after a restart. */
        (void)!row_segment_append(newest(b), buf_span(&b->scratch), false);
    }
    entry_done(b, e);
    entries_trim(b);
    segments_trim(b);
    return true;
}

static void on_record(void *arg, struct row_segment *seg, uint32_t offset,
                      const struct row_record *r)
{
    struct row_buffer *b = arg;
    if (r->kind == ROW_KIND_ROW) {
        entry_add(b, (struct row_entry){.key = r->key, .segment = seg->id, .offset = offset});
        return;
    }
    /* Entries are in the order of their places: the acknowledged one is found by halving. */
    size_t from = 0, to = b->entry_count;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (place_of(b->entries[mid].segment, b->entries[mid].offset) < r->key) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    if (from < b->entry_count && !b->entries[from].done &&
        place_of(b->entries[from].segment, b->entries[from].offset) == r->key) {
        entry_done(b, &b->entries[from]);
    }
}

static int id_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The ids of the segment files, rising. */
static unsigned find_segments(int dir_fd, uint32_t *ids, unsigned max)
{
    unsigned count = 0;
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL && count < max;
         e = readdir(dir)) {
        count += row_segment_name_id(e->d_name, &ids[count]) ? 1 : 0;
    }
    if (dir != NULL) {
        closedir(dir);
    } else if (fd >= 0) {
        close(fd);
    }
    qsort(ids, count, sizeof ids[0], id_order);
    return count;
}

static int load(struct row_buffer *b)
{
    uint32_t ids[ROW_BUFFER_SEGMENTS_MAX * 4];
    unsigned count = find_segments(b->dir_fd, ids, ARRAY_LEN(ids));
    for (unsigned i = 0; i < count; i++) {
        size_t lost;
        if (b->segment_count == ROW_BUFFER_SEGMENTS_MAX) {
            give_up_oldest(b); /* left over by a process with another bound */
        }
        struct row_segment *seg = &b->segments[b->segment_count];
        int rc = row_segment_open(seg, b->dir_fd, ids[i], false);
        if (rc != 0) {
            return rc;
        }
        b->segment_count++;
        rc = row_segment_scan(seg, on_record, b, &lost);
        if (rc != 0) {
            return rc;
        }
        b->lost_bytes += lost;
    }
    entries_trim(b);
    segments_trim(b);
    return 0;
}

static int make_folders(const char *dir)
{
    char path[PATH_MAX];
    size_t len = strlen(dir);
    if (len == 0 || len >= sizeof path) {
        return -ENAMETOOLONG;
    }
    memcpy(path, dir, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            char was = path[i];
            path[i] = '\0';
            if (mkdir(path, 0700) != 0 && errno != EEXIST) {
                return -errno;
            }
            path[i] = was;
        }
    }
    return 0;
}

int row_buffer_open(struct row_buffer *b, const char *dir, size_t bytes_max, bool sync)
{
    ASSERT(bytes_max >= ROW_BUFFER_BYTES_MIN);
    *b = (struct row_buffer){
        .dir_fd = -1, .lock_fd = -1, .sync = sync, .bytes_max = bytes_max, .first = 1};
    int rc = make_folders(dir);
    if (rc != 0) {
        return rc;
    }
    b->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    b->lock_fd = b->dir_fd < 0 ? -1 : openat(b->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (b->lock_fd < 0 || flock(b->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        rc = -errno;
    } else {
        rc = load(b);
    }
    if (rc != 0) {
        row_buffer_close(b);
    }
    return rc;
}

void row_buffer_close(struct row_buffer *b)
{
    for (unsigned i = 0; i < b->segment_count; i++) {
        row_segment_close(&b->segments[i]);
    }
    for (size_t i = 0; i < b->entry_count; i++) {
        mem_free(b->entries[i].memory);
    }
    mem_free(b->entries);
    buf_deinit(&b->scratch);
    if (b->lock_fd >= 0) {
        close(b->lock_fd);
    }
    if (b->dir_fd >= 0) {
        close(b->dir_fd);
    }
    *b = (struct row_buffer){.dir_fd = -1, .lock_fd = -1, .first = 1};
}
