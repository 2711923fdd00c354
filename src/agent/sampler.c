/* From readings to samples and rows. */
#include "agent/sampler.h"

/* Readings come this long after the minute has begun, so that a timer that fires early by its
 * own granularity does not leave the row open for another interval. */
#define AFTER_MS 20
/* A reading sooner than this after the last shows noise. */
#define DELAY_MS_MIN 1000

void sampler_init(struct sampler *s)
{
    *s = (struct sampler){0};
}

static struct sampler_sums since(const struct sampler *s, int64_t mono_ms,
                                 const struct host_reading *r)
{
    return (struct sampler_sums){
        .cpu = proc_cpu_between(&s->last.cpu, &r->cpu),
        .rx_bytes = r->rx_bytes > s->last.rx_bytes ? r->rx_bytes - s->last.rx_bytes : 0,
        .tx_bytes = r->tx_bytes > s->last.tx_bytes ? r->tx_bytes - s->last.tx_bytes : 0,
        .elapsed_ms = mono_ms - s->last_ms,
    };
}

static void add(struct sampler_sums *to, const struct sampler_sums *more)
{
    to->cpu.busy_ticks += more->cpu.busy_ticks;
    to->cpu.total_ticks += more->cpu.total_ticks;
    to->rx_bytes += more->rx_bytes;
    to->tx_bytes += more->tx_bytes;
    to->elapsed_ms += more->elapsed_ms;
}

static struct host_sample show(const struct sampler_sums *sums, const struct host_reading *r,
                               int64_t at_ms)
{
    double seconds = (double)sums->elapsed_ms / 1000;
    return (struct host_sample){
        .at_ms = at_ms,
        .cpu_percent = proc_cpu_percent(sums->cpu),
        .download_bytes = (double)sums->rx_bytes / seconds,
        .upload_bytes = (double)sums->tx_bytes / seconds,
        .memory = r->memory,
        .load1 = r->load1,
        .disk_used_bytes = r->disk_used_bytes,
        .disk_total_bytes = r->disk_total_bytes,
        .has_temperature = r->has_temperature,
        .temperature_c = r->temperature_c,
    };
}

static bool key_is_free(const struct sampler *s, int64_t key)
{
    if (s->has_past && key >= s->past_first && key <= s->past_last) {
        return false;
    }
    return !s->has_key || key > s->key_last || key < s->key_first;
}

static void key_take(struct sampler *s, int64_t key)
{
    if (s->has_key && key < s->key_first) {
        bool below = !s->has_past || s->key_first < s->past_first;
        bool above = !s->has_past || s->key_last > s->past_last;
        s->past_first = below ? s->key_first : s->past_first;
        s->past_last = above ? s->key_last : s->past_last;
        s->has_past = true;
        s->key_first = key;
    } else if (!s->has_key) {
        s->key_first = key;
    }
    s->has_key = true;
    s->key_last = key;
}

void sampler_add(struct sampler *s, int64_t mono_ms, int64_t wall_ms,
                 const struct host_reading *r, struct sampler_out *out)
{
    int64_t minute = wall_ms > 0 ? wall_ms - wall_ms % SAMPLER_ROW_MS : 0;
    *out = (struct sampler_out){0};
    if (!s->has_last) {
        s->minute_ms = minute;
    } else if (mono_ms <= s->last_ms) {
        return;
    } else {
        struct sampler_sums sums = since(s, mono_ms, r);
        add(&s->row, &sums);
        out->sample = show(&sums, r, wall_ms);
        out->has_sample = true;
        if (minute != s->minute_ms && key_is_free(s, minute)) {
            key_take(s, minute);
            out->row = show(&s->row, r, minute);
            out->has_row = true;
            s->row = (struct sampler_sums){0};
            s->minute_ms = minute;
        }
    }
    s->has_last = true;
    s->last_ms = mono_ms;
    s->last = *r;
}

int64_t sampler_delay_ms(int64_t wall_ms)
{
    int64_t into = wall_ms > 0 ? wall_ms % SAMPLER_INTERVAL_MS : 0;
    int64_t delay = SAMPLER_INTERVAL_MS - into + AFTER_MS;
    return delay >= DELAY_MS_MIN ? delay : delay + SAMPLER_INTERVAL_MS;
}
