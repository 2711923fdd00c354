/* CPU time of the host from /proc/stat. */
#include "agent/proc_stat.h"

#include "agent/proc_text.h"

/* user, nice, system and idle are in every kernel; the later columns came one by one. */
#define COLUMNS_MIN 4

static bool total_parse(span line, struct proc_stat *out)
{
    unsigned n = 0;
    while (n < PROC_CPU_COLUMNS && proc_u64_next(&line, &out->ticks[n])) {
        n++;
    }
    return n >= COLUMNS_MIN;
}

static bool is_cpu_line(span name)
{
    uint64_t number;
    return span_starts(name, SPAN("cpu")) &&
           span_u64(span_slice(name, 3, name.len - 3), UINT32_MAX, &number);
}

bool proc_stat_parse(span text, struct proc_stat *out)
{
    bool found = false;
    span line, name;
    *out = (struct proc_stat){0};
    while (proc_line_next(&text, &line)) {
        if (!proc_field_next(&line, &name)) {
            continue;
        }
        if (span_eq(name, SPAN("cpu")) && !found) {
            found = total_parse(line, out);
        } else if (is_cpu_line(name)) {
            out->cpu_count++;
        } else if (found && span_eq(name, SPAN("intr"))) {
            break; /* the CPU lines come first; this one can be 20 kB long */
        }
    }
    return found;
}

struct proc_cpu_delta proc_cpu_between(const struct proc_stat *before, const struct proc_stat *now)
{
    struct proc_cpu_delta d = {0, 0};
    for (unsigned i = 0; i < PROC_CPU_COLUMNS; i++) {
        uint64_t ticks = now->ticks[i] > before->ticks[i] ? now->ticks[i] - before->ticks[i] : 0;
        d.total_ticks += ticks;
        if (i != PROC_CPU_IDLE && i != PROC_CPU_IOWAIT) {
            d.busy_ticks += ticks;
        }
    }
    return d;
}

double proc_cpu_percent(struct proc_cpu_delta d)
{
    if (d.total_ticks == 0 || d.busy_ticks == 0) {
        return 0;
    }
    double percent = 100.0 * (double)d.busy_ticks / (double)d.total_ticks;
    return percent > 100 ? 100 : percent;
}
