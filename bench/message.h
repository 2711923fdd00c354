/*
 * What the generator sends: publisher, number and due time as printable characters, then filling,
 * so that every delivery can be checked by itself.
 */
#ifndef SB_BENCH_MESSAGE_H
#define SB_BENCH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_HEAD_BYTES 26 /* '#', 6 + 8 + 11 digits of 6 bits */

struct message {
    uint32_t publisher;
    uint64_t seq;    /* below 2^48 */
    uint64_t due_ns;
};

/* Writes `size` bytes, at least MESSAGE_HEAD_BYTES. */
void message_write(char *to, size_t size, const struct message *m);
/* False for bytes that message_write did not write. */
bool message_read(const uint8_t *from, size_t len, size_t size, struct message *m);

#endif
