/* The lines that a simulator prints. Pure but for the stream; one thread. */
#ifndef SB_SIMULATOR_REPORT_H
#define SB_SIMULATOR_REPORT_H

#include <stdio.h>

#include "simulator/device.h"

/* Adds all of `from` to `to`. */
void report_add(struct device_counts *to, const struct device_counts *from);
/* One line: what happened in the second that ended `t` seconds after the start. */
void report_second(FILE *out, uint64_t t, const struct device_side *side,
                   const struct device_counts *n);
/* A run, and of it the seconds that began when every device was there. */
struct report_sums {
    double seconds;
    double connected_s; /* until every device was live for the first time; 0: never */
    const struct device_counts *total;
    double steady_s;
    const struct device_counts *steady;
};

/* The last line. */
void report_summary(FILE *out, const struct device_side *side, const struct report_sums *sums);

#endif
