/*
 * What samples of one series (device, sensor, unit) change when they are settled: themselves, the
 * series' newest value, its rollups. In the writer's transaction and thread; after an error that
 * transaction is rolled back. Errors as db_error.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_TELEMETRY_SERIES_H
#define SB_ADAPTERS_STORE_SQLITE_TELEMETRY_SERIES_H

#include "adapters/store_sqlite/telemetry_round.h"
#include "adapters/store_sqlite/telemetry_sql.h"

struct sums {
    int64_t resolution_ms;
    int64_t bucket_ms;
    int64_t n; /* 0: none yet */
    double sum, min, max, last;
    int64_t last_at;
};

/* What samples of one series, one after another, change besides telemetry_sample. */
struct series_run {
    int64_t series;
    int64_t device;
    int64_t latest_at;
    int64_t first_at;
    const struct round_row *newest; /* when newer than latest_at */
    int64_t oldest_at;
    struct sums minute;
    struct sums hour;
};

/* Finds the series or makes it; *found is false when its device is gone: then nothing follows. */
err series_begin(struct settle_sql *q, const struct round_series *s, struct series_run *out,
                 bool *found) MUST_CHECK;
/* The next sample, which lives until series_end. */
err series_add(struct settle_sql *q, struct series_run *r, const struct round_row *row) MUST_CHECK;
/* Writes what the samples came to. */
err series_end(struct settle_sql *q, const struct series_run *r) MUST_CHECK;

#endif
