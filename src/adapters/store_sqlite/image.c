#include "adapters/store_sqlite/image.h"

#include "adapters/store_sqlite/page.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The file's header, section 1.3. */
#define MAGIC "SQLite format 3"
#define AT_PAGE_BYTES 16
#define AT_RESERVED 20
#define AT_FREE_HEAD 32
/* What SQLite gives a new file, and this program does not change. */
#define PAGE_BYTES_DEFAULT 4096

/* The log, section 4.1: big-endian numbers, checksums over words of the order that the magic
 * number's last bit tells. */
#define WAL_MAGIC 0x377f0682
#define WAL_HEADER 32
#define WAL_FRAME 24

static bool is_page_size(uint32_t bytes)
{
    return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

static void read_header(struct image *m)
{
    uint8_t h[PAGE_ONE_HEADER] = {0};
    ssize_t got = pread(m->fd, h, sizeof h, 0);
    uint32_t bytes = (uint32_t)h[AT_PAGE_BYTES] << 8 | h[AT_PAGE_BYTES + 1];
    bytes = bytes == 1 ? PAGE_BYTES_MAX : bytes;
    m->header_lost = got != (ssize_t)sizeof h || memcmp(h, MAGIC, sizeof MAGIC) != 0 ||
                     !is_page_size(bytes) || bytes - h[AT_RESERVED] < 480;
    m->page_bytes = m->header_lost ? PAGE_BYTES_DEFAULT : bytes;
    m->usable = m->page_bytes - (m->header_lost ? 0 : h[AT_RESERVED]);
    m->free_head = m->header_lost ? 0 : page_u32(h + AT_FREE_HEAD);
}

struct sums {
    bool big;
    uint32_t a, b;
};

static void sum(struct sums *s, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i + 8 <= len; i += 8) {
        uint32_t x = page_u32(p + i);
        uint32_t y = page_u32(p + i + 4);
        s->a += (s->big ? x : __builtin_bswap32(x)) + s->b;
        s->b += (s->big ? y : __builtin_bswap32(y)) + s->a;
    }
}

static off_t frame_at(const struct image *m, uint32_t frame)
{
    return WAL_HEADER + (off_t)frame * (WAL_FRAME + (off_t)m->page_bytes);
}

/* Whether the next frame is sound; its page number and, at the end of a transaction, the pages
 * of the file. */
static bool frame_read(const struct image *m, const uint8_t wal[WAL_HEADER], uint32_t frame,
                       struct sums *s, uint8_t *bytes, uint32_t *page, uint32_t *pages)
{
    size_t len = WAL_FRAME + m->page_bytes;
    if (pread(m->wal_fd, bytes, len, frame_at(m, frame)) != (ssize_t)len ||
        memcmp(bytes + 8, wal + 16, 8) != 0) { /* the salts */
        return false;
    }
    sum(s, bytes, 8);
    sum(s, bytes + WAL_FRAME, m->page_bytes);
    *page = page_u32(bytes);
    *pages = page_u32(bytes + 4);
    return s->a == page_u32(bytes + 16) && s->b == page_u32(bytes + 20) && *page != 0;
}

/* Counts the frames up to the last sound end of a transaction; then a second run takes them. */
static uint32_t wal_run(struct image *m, const uint8_t wal[WAL_HEADER], uint32_t frames,
                        uint32_t *pages_out)
{
    struct sums s = {.big = (page_u32(wal) & 1) != 0};
    uint8_t *bytes = mem_alloc(WAL_FRAME + m->page_bytes);
    uint32_t committed = 0;
    uint32_t page;
    uint32_t pages;
    sum(&s, wal, 24);
    for (uint32_t i = 0; i < frames && frame_read(m, wal, i, &s, bytes, &page, &pages); i++) {
        if (pages != 0) {
            committed = i + 1;
            *pages_out = pages;
        }
        if (m->frames != NULL && page <= m->page_count) {
            m->frames[page - 1] = i + 1;
        }
    }
    mem_free(bytes);
    return committed;
}

static uint32_t pages_in_file(const struct image *m)
{
    uint64_t pages = ((uint64_t)m->before[0].st_size + m->page_bytes - 1) / m->page_bytes;
    return pages > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)pages;
}

static bool wal_header(struct image *m, uint8_t h[WAL_HEADER])
{
    struct sums s = {0};
    if (m->wal_fd < 0 || pread(m->wal_fd, h, WAL_HEADER, 0) != WAL_HEADER ||
        (page_u32(h) & ~1U) != WAL_MAGIC) {
        return false;
    }
    s.big = (page_u32(h) & 1) != 0;
    sum(&s, h, 24);
    uint32_t bytes = page_u32(h + 8);
    bool ok = s.a == page_u32(h + 24) && s.b == page_u32(h + 28) && is_page_size(bytes);
    if (ok && m->header_lost) {
        m->page_bytes = bytes;
        m->usable = bytes;
    }
    return ok && bytes == m->page_bytes;
}

static void read_wal(struct image *m)
{
    uint8_t h[WAL_HEADER];
    uint32_t pages = 0;
    m->page_count = pages_in_file(m);
    if (!wal_header(m, h)) {
        return;
    }
    m->page_count = pages_in_file(m);
    m->frame_count = wal_run(m, h, UINT32_MAX - 1, &pages);
    if (m->frame_count == 0) {
        return;
    }
    /* No more pages than there are bytes for, whatever the log says. */
    uint64_t most = (uint64_t)pages_in_file(m) + m->frame_count;
    m->page_count = pages < most ? pages : (uint32_t)most;
    m->frames = mem_calloc(m->page_count, sizeof *m->frames);
    (void)wal_run(m, h, m->frame_count, &pages);
}

static int open_log(const char *path)
{
    char *name = mem_alloc(strlen(path) + sizeof "-wal");
    snprintf(name, strlen(path) + sizeof "-wal", "%s-wal", path);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    mem_free(name);
    return fd;
}

err image_open(struct image *m, const char *path, char why[256])
{
    *m = (struct image){.fd = open(path, O_RDONLY | O_CLOEXEC), .wal_fd = -1};
    if (m->fd < 0 || fstat(m->fd, &m->before[0]) != 0) {
        snprintf(why, 256, "it cannot be read: %s", strerrordesc_np(errno));
        return ERR_STORE_READ_ONLY;
    }
    if (!S_ISREG(m->before[0].st_mode)) {
        snprintf(why, 256, "it is not a regular file");
        return ERR_STORE_CORRUPT;
    }
    m->wal_fd = open_log(path);
    if (m->wal_fd >= 0 && (fstat(m->wal_fd, &m->before[1]) != 0 ||
                           !S_ISREG(m->before[1].st_mode))) {
        close(m->wal_fd);
        m->wal_fd = -1;
    }
    read_header(m);
    read_wal(m);
    if (m->page_count == 0) {
        snprintf(why, 256, "it is empty");
        return ERR_STORE_CORRUPT;
    }
    /* The log may have a newer first page, or the only one. */
    uint8_t *one = mem_alloc(m->page_bytes);
    if (m->frames != NULL && m->frames[0] != 0 && image_read(m, 1, one)) {
        m->free_head = page_u32(one + AT_FREE_HEAD);
        m->usable = m->page_bytes - one[AT_RESERVED];
        m->header_lost = false;
    }
    mem_free(one);
    return ERR_NONE;
}

void image_close(struct image *m)
{
    if (m->fd >= 0) {
        close(m->fd);
    }
    if (m->wal_fd >= 0) {
        close(m->wal_fd);
    }
    mem_free(m->frames);
    *m = (struct image){.fd = -1, .wal_fd = -1};
}

bool image_read(const struct image *m, uint32_t n, uint8_t *out)
{
    ASSERT(n > 0 && n <= m->page_count);
    uint32_t frame = m->frames == NULL ? 0 : m->frames[n - 1];
    ssize_t got;
    if (frame > 0) {
        got = pread(m->wal_fd, out, m->page_bytes, frame_at(m, frame - 1) + WAL_FRAME);
    } else {
        got = pread(m->fd, out, m->page_bytes, (off_t)(n - 1) * m->page_bytes);
    }
    if (got <= 0) {
        return false;
    }
    memset(out + got, 0, m->page_bytes - (size_t)got);
    return true;
}

static bool differs(int fd, const struct stat *before)
{
    struct stat now;
    return fd >= 0 && (fstat(fd, &now) != 0 || now.st_size != before->st_size ||
                       now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
                       now.st_mtim.tv_nsec != before->st_mtim.tv_nsec);
}

bool image_changed(const struct image *m)
{
    return differs(m->fd, &m->before[0]) || differs(m->wal_fd, &m->before[1]);
}
