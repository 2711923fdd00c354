/*
 * Lines from one thread to the writer: a byte ring with one producer and one consumer. Lines go
 * in whole, so what the consumer finds always ends with a line.
 */
#ifndef SB_ADAPTERS_LOG_JSON_RING_H
#define SB_ADAPTERS_LOG_JSON_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"

struct log_ring {
    struct log_ring *next;  /* the list that it is in */
    atomic_bool orphaned;   /* the producer's thread has ended */
    buf line;               /* the producer's, to format in */
    uint64_t size;          /* a power of two */
    _Atomic uint64_t head;  /* bytes ever put in; the producer's */
    char pad[64];           /* keeps the two ends off each other's cache line */
    _Atomic uint64_t tail;  /* bytes ever taken; the consumer's */
    uint8_t bytes[];        /* size */
};

/* An empty ring of `size` bytes, a power of two; freed when both ends are done with it. */
struct log_ring *log_ring_new(size_t size);
void log_ring_free(struct log_ring *r);
/* Producer: puts the line in whole; false when it does not fit now. Never waits. */
bool log_ring_push(struct log_ring *r, span line) MUST_CHECK;
/* Consumer: bytes of the whole lines that are in it. */
size_t log_ring_used(struct log_ring *r);
/* Consumer: the oldest bytes in one piece, empty when there are none; a line that wraps around
 * the end comes in two pieces. */
span log_ring_peek(struct log_ring *r);
/* Consumer: gives `len` peeked bytes free. */
void log_ring_pop(struct log_ring *r, size_t len);

#endif
