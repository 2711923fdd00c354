/* What is configured of a receiver (domain/receiver.h). */
#ifndef SB_DOMAIN_RECEIVER_TYPES_H
#define SB_DOMAIN_RECEIVER_TYPES_H

#include <stdint.h>

struct receiver_conf {
    const char *url;    /* empty: there is none */
    const char *ca;     /* PEM file; empty: the system's authorities */
    const char *secret;
    uint32_t timeout_ms; /* from receiver_call to the end of the answer, waiting included */
    uint32_t calls_max;
    uint32_t queue_max;
    uint32_t answer_bytes_max;
    unsigned breaker_failures; /* within BREAKER_WINDOW_MS; 0: no breaker */
    uint32_t breaker_open_ms;
};

#endif
