/*
 * From readings to samples and rows. A sample shows the means of one interval (10 s), a row the
 * means of a minute with the last values of what is no rate. Pure: times and readings are given.
 * One thread.
 *
 * Rates use monotonic time, so a set clock cannot bend them. A row ends with the first reading of
 * a new wall-clock minute and carries that minute's beginning as its key, so a row that is sent
 * twice is recognised. No key is given twice. When the clock is set back, readings go on into the
 * same row until a minute comes that has no row yet: one after the last key, or, when the clock
 * had been far ahead, one before the first of this process (otherwise a host that booted in 2038
 * would keep no row until then).
 */
#ifndef SB_AGENT_SAMPLER_H
#define SB_AGENT_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/host_types.h"

#define SAMPLER_INTERVAL_MS 10000
#define SAMPLER_ROW_MS 60000

struct sampler_sums {
    struct proc_cpu_delta cpu;
    uint64_t rx_bytes;
    uint64_t tx_bytes;
    int64_t elapsed_ms; /* monotonic */
};

struct sampler {
    bool has_last;
    int64_t last_ms; /* monotonic */
    struct host_reading last;
    struct sampler_sums row; /* since the last row */
    int64_t minute_ms;       /* beginning of the wall-clock minute that the row belongs to */
    bool has_key;
    int64_t key_first; /* keys given since the clock was last far set back: a rising run */
    int64_t key_last;
    bool has_past;
    int64_t past_first; /* keys given before that: none of this range is given again */
    int64_t past_last;
};

struct sampler_out {
    bool has_sample;
    struct host_sample sample;
    bool has_row;
    struct host_sample row; /* at_ms is its key */
};

/* Begins without a reading. */
void sampler_init(struct sampler *s);
/* Takes a reading made now. The first gives neither sample nor row; nor does one within the
 * same millisecond as the last. */
void sampler_add(struct sampler *s, int64_t mono_ms, int64_t wall_ms,
                 const struct host_reading *r, struct sampler_out *out);
/* How long to wait for the next reading, ms: until just after the next multiple of the interval
 * on the wall clock, so that minutes end with a reading. Between 1 s and 11 s. */
int64_t sampler_delay_ms(int64_t wall_ms);

#endif
