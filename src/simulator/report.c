/* The lines that a simulator prints. */
#include "simulator/report.h"

#include "codec/json/write.h"

/* Every plain count: its member and its name in the lines. */
#define COUNTS(C)                                                                                  \
    C(sent)                                                                                        \
    C(acked)                                                                                       \
    C(refused)                                                                                     \
    C(lost)                                                                                        \
    C(held)                                                                                        \
    C(samples)                                                                                     \
    C(connects)                                                                                    \
    C(failures)                                                                                    \
    C(reconnects)                                                                                  \
    C(commands)                                                                                    \
    C(repeats)                                                                                     \
    C(configs)                                                                                     \
    C(errors)                                                                                      \
    C(bytes_out)

void report_add(struct device_counts *to, const struct device_counts *from)
{
#define C(name) to->name += from->name;
    COUNTS(C)
#undef C
    histogram_merge(&to->ack, &from->ack);
    histogram_merge(&to->connect, &from->connect);
    histogram_merge(&to->ready, &from->ready);
}

static double ms_of(uint64_t ns)
{
    return (double)(ns / 1000) / 1000.0;
}

static void put_latency(struct json_writer *w, const char *name, const struct histogram *h)
{
    json_member_open(w, name, '{');
    json_member_u64(w, "n", h->total);
    json_member_double(w, "p50", ms_of(histogram_at(h, 0.5)));
    json_member_double(w, "p99", ms_of(histogram_at(h, 0.99)));
    json_member_double(w, "max", ms_of(h->max_ns));
    json_close(w, '}');
}

static void put_counts(struct json_writer *w, const struct device_side *side,
                       const struct device_counts *n)
{
    json_member_u64(w, "live", side->live);
    json_member_u64(w, "ended", side->ended);
    json_member_u64(w, "unanswered", side->unanswered);
#define C(name) json_member_u64(w, #name, n->name);
    COUNTS(C)
#undef C
    put_latency(w, "ack_ms", &n->ack);
    put_latency(w, "connect_ms", &n->connect);
    put_latency(w, "ready_ms", &n->ready);
}

static void print(FILE *out, buf *line)
{
    buf_append_byte(line, '\n');
    fwrite(line->ptr, 1, line->len, out);
    fflush(out);
    buf_deinit(line);
}

void report_second(FILE *out, uint64_t t, const struct device_side *side,
                   const struct device_counts *n)
{
    buf line = {0};
    struct json_writer w = json_writer_of(&line);
    json_open(&w, '{');
    json_member_string(&w, "event", SPAN("second"));
    json_member_u64(&w, "t", t);
    put_counts(&w, side, n);
    json_close(&w, '}');
    print(out, &line);
}

static double per_second(uint64_t n, double seconds)
{
    return seconds > 0 ? (double)(int64_t)((double)n / seconds) : 0;
}

static double to_ms(double seconds)
{
    return (double)(int64_t)(seconds * 1000) / 1000.0;
}

void report_summary(FILE *out, const struct device_side *side, const struct report_sums *sums)
{
    buf line = {0};
    struct json_writer w = json_writer_of(&line);
    const struct device_counts *n = sums->steady;
    json_open(&w, '{');
    json_member_string(&w, "event", SPAN("summary"));
    json_member_double(&w, "seconds", to_ms(sums->seconds));
    json_member_double(&w, "connected_s", to_ms(sums->connected_s));
    put_counts(&w, side, sums->total);
    json_member_open(&w, "steady", '{');
    json_member_double(&w, "seconds", to_ms(sums->steady_s));
    json_member_u64(&w, "sent", n->sent);
    json_member_u64(&w, "acked", n->acked);
    json_member_u64(&w, "refused", n->refused);
    json_member_u64(&w, "held", n->held);
    json_member_double(&w, "acked_per_s", per_second(n->acked, sums->steady_s));
    json_member_double(&w, "samples_per_s", per_second(n->samples, sums->steady_s));
    put_latency(&w, "ack_ms", &n->ack);
    json_close(&w, '}');
    json_close(&w, '}');
    print(out, &line);
}
