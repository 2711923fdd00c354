#include "tables/metrics.h"

#define COUNTER "counter"
#define GAUGE "gauge"
#define HISTOGRAM "histogram"

static const struct metric_row rows[METRIC_COUNT] = {
#define M(name, type, labels, help) {"signalbox_" #name, type, labels, help},
#include "tables/metrics.def"
#undef M
};

const struct metric_row *metric_row(enum metric m) { return &rows[m]; }
