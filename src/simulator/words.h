/*
 * What a simulated device says, on either wire: whole messages appended to a buffer. Cheap enough
 * for 100,000 samples a second of one core. Pure but for the cache of struct words; one thread.
 */
#ifndef SB_SIMULATOR_WORDS_H
#define SB_SIMULATOR_WORDS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "base/timefmt.h"
#include "simulator/heard.h"

/* Times as text: the second is formatted once. Zeroed is valid. */
struct words {
    int64_t second;
    char text[TIME_MS_LEN + 1];
};

/* One message of telemetry: `batch` samples (1 or more; an array unless `batch` is 1). */
struct words_sample {
    span device;      /* its id as text */
    uint64_t id;      /* of the acknowledgement */
    int64_t at_ms;    /* epoch, of the last sample; the others are a millisecond apart before it */
    unsigned batch;
    unsigned sensors; /* the samples go round them: s0, s1, ... */
    uint64_t number;  /* of the first sample, which chooses its sensor and value */
    int64_t clock_us; /* the value of every sample, if not negative, modulo 10^9 */
    span run;         /* makes sample ids with the number; empty: none */
};

/* Appends a message. */
void words_telemetry(struct words *w, buf *out, enum sim_wire wire, const struct words_sample *s);
/* What it can do; `id` of the acknowledgement. */
void words_register(buf *out, enum sim_wire wire, span device, uint64_t id);
void words_heartbeat(buf *out, enum sim_wire wire, int64_t at_ms);
/* A command that wants an acknowledgement has arrived. */
void words_command_ack(buf *out, enum sim_wire wire, const struct heard *command);
/* It was done: `request` is a JSON string, `count` says the how manieth of this device. */
void words_command_done(buf *out, enum sim_wire wire, span request, uint64_t count, int64_t at_ms);
/* The configuration is as it should be; `desired` is JSON. */
void words_config_report(buf *out, enum sim_wire wire, int64_t version, span desired);
/* A provisioning key's: a new device of that name. Socket.IO only. */
void words_provision(buf *out, span name, uint64_t id);

#endif
