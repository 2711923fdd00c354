/*
 * The samples of one round of settling: read from the tail in the order of arrival, given out by
 * series (device, sensor, unit, as bytes) and, in each, by time and id. Filling costs a look-up a
 * sample, giving out the logarithm of the number of series for each series. One thread.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_TELEMETRY_ROUND_H
#define SB_ADAPTERS_STORE_SQLITE_TELEMETRY_ROUND_H

#include "base/arena.h"
#include "base/map.h"

/* Of device, sensor and unit together: ids of 36 bytes, sensors of 100 and units of 20 characters
 * of at most 4 bytes, and two NULs. */
#define ROUND_KEY_BYTES_MAX (36 + 4 * 120 + 2)

struct round_row {
    int64_t id;
    int64_t timestamp;
    int64_t created_at;
    double value;
    span metadata;  /* ptr NULL: none */
    span sample_id; /* ptr NULL: none */
    struct round_row *next;
};

struct round_series {
    struct map_node node;
    span key; /* device NUL sensor NUL unit: compares as the three do */
    span device_id, sensor_type, unit;
    struct round_row *head; /* what is left, in order once the series is first */
    struct round_row *last;
    unsigned count;
    bool unsorted;
};

struct telemetry_round {
    struct arena arena; /* owns series and rows */
    struct map series;
    struct round_series **heap; /* owned; the least is first, when ordered */
    size_t heap_count;
    size_t heap_cap;
    unsigned row_count;
};

/* Zeroed is empty. Frees what it holds; empty and usable again. */
void round_clear(struct telemetry_round *r);
/* Adds a sample; everything is copied. The key fits (asserted). Only before round_order(). */
void round_add(struct telemetry_round *r, span device_id, span sensor_type, span unit,
               const struct round_row *row);
/* All are in. */
void round_order(struct telemetry_round *r);
/* The least series that has samples left; NULL when there is none. */
struct round_series *round_first(struct telemetry_round *r);
/* Takes the first sample of the first series out; the series goes with its last one, and the next
 * round_first() gives another. */
void round_take(struct telemetry_round *r);

#endif
