/* CPU use of every process between two scans. */
#include "agent/process_table.h"

#include "base/mem.h"
#include "agent/text_clean.h"

/* The order of the list (CONTRACT 6): 60 % CPU, 40 % memory. */
#define WEIGHT_CPU 0.6
#define WEIGHT_MEMORY 0.4

void process_table_init(struct process_table *t, unsigned ticks_per_s, unsigned page_bytes)
{
    *t = (struct process_table){.ticks_per_s = ticks_per_s, .page_bytes = page_bytes};
}

void process_table_deinit(struct process_table *t)
{
    mem_free(t->before.items);
    mem_free(t->now.items);
    t->before = t->now = (struct process_set){0};
}

void process_table_begin(struct process_table *t, int64_t mono_ms, uint64_t uptime_s,
                         uint64_t memory_total_bytes)
{
    t->now.count = 0;
    t->top_count = 0;
    t->now_ms = mono_ms;
    double ticks = (double)(mono_ms - t->before_ms) / 1000 * t->ticks_per_s;
    t->interval_ticks = ticks > 1 ? ticks : 1;
    t->uptime_ticks = (double)uptime_s * t->ticks_per_s;
    t->memory_bytes = memory_total_bytes > 0 ? (double)memory_total_bytes : 1;
}

static const struct process_seen *find(const struct process_set *set, uint32_t pid)
{
    unsigned from = 0, to = set->count;
    while (from < to) {
        unsigned mid = from + (to - from) / 2;
        if (set->items[mid].pid < pid) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from < set->count && set->items[from].pid == pid ? &set->items[from] : NULL;
}

static void remember(struct process_set *set, const struct proc_pid_stat *p)
{
    if (set->count == PROCESS_TABLE_MAX ||
        (set->count > 0 && set->items[set->count - 1].pid >= p->pid)) {
        return;
    }
    if (set->count == set->cap) {
        set->cap = set->cap == 0 ? 256 : set->cap * 2;
        set->items = mem_realloc(set->items, set->cap * sizeof *set->items);
    }
    set->items[set->count++] = (struct process_seen){
        .pid = p->pid, .start_ticks = p->start_ticks, .cpu_ticks = p->cpu_ticks};
}

static double cpu_percent(const struct process_table *t, const struct proc_pid_stat *p)
{
    if (!t->scanned) {
        double age = t->uptime_ticks - (double)p->start_ticks;
        return 100 * (double)p->cpu_ticks / (age > t->ticks_per_s ? age : t->ticks_per_s);
    }
    const struct process_seen *seen = find(&t->before, p->pid);
    uint64_t since = 0;
    if (seen != NULL && seen->start_ticks == p->start_ticks) {
        since = seen->cpu_ticks; /* the same process, not a reused pid */
    }
    return p->cpu_ticks > since ? 100 * (double)(p->cpu_ticks - since) / t->interval_ticks : 0;
}

void process_table_add(struct process_table *t, const struct proc_pid_stat *p)
{
    double cpu = cpu_percent(t, p);
    double memory = 100 * (double)p->rss_pages * t->page_bytes / t->memory_bytes;
    double score = WEIGHT_CPU * cpu + WEIGHT_MEMORY * memory;
    remember(&t->now, p);
    unsigned at = t->top_count;
    while (at > 0 && t->top[at - 1].score < score) {
        at--;
    }
    if (at == HOST_TOP_MAX) {
        return;
    }
    unsigned kept = t->top_count < HOST_TOP_MAX ? t->top_count : HOST_TOP_MAX - 1;
    memmove(&t->top[at + 1], &t->top[at], (kept - at) * sizeof t->top[0]);
    t->top_count = kept + 1;
    t->top[at] = (struct process_candidate){
        .pid = p->pid, .cpu_percent = cpu, .memory_percent = memory, .score = score};
    (void)text_clean(p->name, t->top[at].name, sizeof t->top[at].name);
}

void process_table_end(struct process_table *t)
{
    struct process_set old = t->before;
    t->before = t->now;
    t->now = old;
    t->before_ms = t->now_ms;
    t->scanned = true;
}
