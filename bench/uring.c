#include "uring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *map(int fd, size_t bytes, uint64_t at)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)at);
    if (p == MAP_FAILED) {
        die("io_uring mmap");
    }
    return p;
}

int uring_open(struct uring *u, unsigned entries)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                         IORING_SETUP_CQSIZE,
                                .cq_entries = entries * 8};
    *u = (struct uring){.fd = (int)syscall(__NR_io_uring_setup, entries, &p)};
    if (u->fd < 0) {
        return -errno;
    }
    uint8_t *sq = map(u->fd, p.sq_off.array + p.sq_entries * 4, IORING_OFF_SQ_RING);
    uint8_t *cq = map(u->fd, p.cq_off.cqes + p.cq_entries * sizeof *u->cqes, IORING_OFF_CQ_RING);
    u->sqes = map(u->fd, p.sq_entries * sizeof *u->sqes, IORING_OFF_SQES);
    u->entries = p.sq_entries;
    u->sq_head = (uint32_t *)(void *)(sq + p.sq_off.head);
    u->sq_tail = (uint32_t *)(void *)(sq + p.sq_off.tail);
    u->sq_array = (uint32_t *)(void *)(sq + p.sq_off.array);
    u->sq_mask = *(uint32_t *)(void *)(sq + p.sq_off.ring_mask);
    u->cq_head = (uint32_t *)(void *)(cq + p.cq_off.head);
    u->cq_tail = (uint32_t *)(void *)(cq + p.cq_off.tail);
    u->cq_mask = *(uint32_t *)(void *)(cq + p.cq_off.ring_mask);
    u->cqes = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
    return 0;
}

void uring_close(struct uring *u) { close(u->fd); }

void uring_register(struct uring *u, const int *fds, unsigned count)
{
    if (syscall(__NR_io_uring_register, u->fd, IORING_REGISTER_FILES, fds, count) < 0) {
        die("io_uring register files");
    }
}

struct io_uring_sqe *uring_sqe(struct uring *u)
{
    uint32_t at = *u->sq_tail + u->queued;
    if (at - LOAD(u->sq_head) >= u->entries) {
        fprintf(stderr, "io_uring: the submission queue is full\n");
        exit(1);
    }
    struct io_uring_sqe *e = &u->sqes[at & u->sq_mask];
    memset(e, 0, sizeof *e);
    u->sq_array[at & u->sq_mask] = at & u->sq_mask;
    u->queued++;
    return e;
}

void uring_enter(struct uring *u, unsigned wait)
{
    unsigned n = u->queued;
    STORE(u->sq_tail, *u->sq_tail + n);
    u->queued = 0;
    while (n > 0 || wait > 0) {
        long rc = syscall(__NR_io_uring_enter, u->fd, n, wait, IORING_ENTER_GETEVENTS, NULL, 0);
        if (rc < 0 && errno != EINTR) {
            die("io_uring enter");
        }
        if (rc >= (long)n) {
            return;
        }
        n -= rc > 0 ? (unsigned)rc : 0;
    }
}

struct io_uring_cqe *uring_peek(struct uring *u)
{
    uint32_t head = *u->cq_head;
    return head == LOAD(u->cq_tail) ? NULL : &u->cqes[head & u->cq_mask];
}

void uring_seen(struct uring *u) { STORE(u->cq_head, *u->cq_head + 1); }

void uring_buffers(struct uring *u, uint32_t count, uint32_t size)
{
    size_t ring = count * sizeof(struct io_uring_buf);
    u->buffers = mmap(NULL, ring, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    u->buffer_bytes = calloc(count, size);
    u->buffer_count = count;
    u->buffer_size = size;
    if (u->buffers == MAP_FAILED || u->buffer_bytes == NULL) {
        die("buffers");
    }
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)u->buffers, .ring_entries = count};
    if (syscall(__NR_io_uring_register, u->fd, IORING_REGISTER_PBUF_RING, &reg, 1) < 0) {
        die("io_uring register buffers");
    }
    for (uint32_t i = 0; i < count; i++) {
        uring_buffer_back(u, i);
    }
}

uint8_t *uring_buffer(struct uring *u, uint32_t id)
{
    return u->buffer_bytes + (size_t)id * u->buffer_size;
}

void uring_buffer_back(struct uring *u, uint32_t id)
{
    struct io_uring_buf *b = &u->buffers->bufs[u->buffer_tail & (u->buffer_count - 1)];
    b->addr = (uintptr_t)uring_buffer(u, id);
    b->len = u->buffer_size;
    b->bid = (uint16_t)id;
    __atomic_store_n(&u->buffers->tail, ++u->buffer_tail, __ATOMIC_RELEASE);
}
