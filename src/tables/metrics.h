/* Metrics; rows in tables/metrics.def. Constant data: any thread. */
#ifndef SB_TABLES_METRICS_H
#define SB_TABLES_METRICS_H

enum metric {
#define M(name, type, labels, help) METRIC_##name,
#include "tables/metrics.def"
#undef M
    METRIC_COUNT
};

struct metric_row {
    const char *name; /* whole, as on the wire */
    const char *type; /* "counter", "gauge", "histogram" */
    const char *labels; /* "wire, event"; may be empty */
    const char *help;
};

const struct metric_row *metric_row(enum metric m); /* m < METRIC_COUNT */

#endif
