/*
 * As much of io_uring as the probe needs, on the bare system calls: one ring of one thread, with
 * direct descriptors, completions run when the thread asks (DEFER_TASKRUN), and one group of
 * provided buffers. Aborts on what a kernel of 6.1 offers and this one does not.
 */
#ifndef SB_BENCH_URING_H
#define SB_BENCH_URING_H

#include <linux/io_uring.h>
#include <stdint.h>

struct uring {
    int fd;
    unsigned entries;
    uint32_t *sq_head, *sq_tail, *sq_array, *cq_head, *cq_tail;
    uint32_t sq_mask, cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned queued; /* filled and not yet submitted */
    struct io_uring_buf_ring *buffers;
    uint8_t *buffer_bytes;
    uint32_t buffer_count, buffer_size;
    uint16_t buffer_tail;
};

/* 0, or -errno when the kernel has no such ring. */
int uring_open(struct uring *u, unsigned entries);
void uring_close(struct uring *u);
/* Direct descriptors: number i is fds[i]. */
void uring_register(struct uring *u, const int *fds, unsigned count);
/* A zeroed entry of the submission queue, which must have room. */
struct io_uring_sqe *uring_sqe(struct uring *u);
/* Submits what is queued and waits for at least `wait` completions. */
void uring_enter(struct uring *u, unsigned wait);
/* The next completion or NULL; uring_seen() after it was read. */
struct io_uring_cqe *uring_peek(struct uring *u);
void uring_seen(struct uring *u);
/* Provided buffers, group 0: `count` (a power of two) of `size` bytes each. */
void uring_buffers(struct uring *u, uint32_t count, uint32_t size);
uint8_t *uring_buffer(struct uring *u, uint32_t id);
void uring_buffer_back(struct uring *u, uint32_t id);

#endif
