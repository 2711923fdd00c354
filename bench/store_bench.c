/*
 * How fast the SQLite store takes host metrics: each row is a request of its own (or --batch
 * rows are), kept in flight up to --window, answered after a synced commit; every row also moves
 * its minute and hour rollup. Prints one JSON line.
 *
 *     store_bench [--devices N] [--rows N] [--batch N] [--window REQUESTS] [--sync full|normal|off]
 *                 [--dir DIR]
 *
 * With --telemetry SENSORS telemetry instead: the rows of a batch are of as many devices, one
 * after another, each with so many sensors in turn; --ids gives each a sampleId; --rate ROWS sends
 * so many a second at most. Runs until all of it is settled. store_us_per_row is the CPU time of
 * the store's threads, answer_ms_max how long a batch waited at most. --settle-ms: see
 * sqlite_store_conf.
 */
#include "adapters/store_sqlite/store_sqlite.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct bench {
    struct post post;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct mail *mail;
    unsigned in_flight;
    uint64_t failed;
    uint64_t commit_ns_max; /* of those that were seen */
    double answer_max;      /* seconds */
};

static void on_send(struct post *self, unsigned loop, struct mail *m)
{
    struct bench *b = CONTAINER_OF(self, struct bench, post);
    pthread_mutex_lock(&b->lock);
    m->next = b->mail;
    b->mail = m;
    pthread_cond_signal(&b->arrived);
    pthread_mutex_unlock(&b->lock);
}

static void on_done(struct store_req *req)
{
    struct bench *b = req->owner;
    b->in_flight--;
    b->failed += req->error != ERR_NONE;
    store_req_free(req);
}

static void run_mail(struct bench *b)
{
    pthread_mutex_lock(&b->lock);
    while (b->mail == NULL) {
        pthread_cond_wait(&b->arrived, &b->lock);
    }
    struct mail *m = b->mail;
    b->mail = NULL;
    pthread_mutex_unlock(&b->lock);
    while (m != NULL) {
        struct mail *next = m->next;
        m->run(m);
        m = next;
    }
}

static void device_id(char out[40], unsigned i)
{
    snprintf(out, 40, "01900000-0000-7000-8000-%012x", i * 2654435761U);
}

static int make_devices(struct store *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char id[40];
        device_id(id, i);
        struct store_req *req = store_req_new(0, 2, NULL, NULL);
        store_step_init(req, 0, QUERY_PRINCIPAL_INSERT, 1);
        store_step_init(req, 1, QUERY_DEVICE_INSERT, 1);
        static const char *const principal[] = {NULL, "", NULL, "device", "bench", "active"};
        static const char *const device[] = {NULL, "bench", "host", "active", "[]", "[]", "{}"};
        for (unsigned p = 0; p < ARRAY_LEN(principal); p++) {
            store_set_text(req, 0, 0, p, span_str(principal[p] == NULL ? id : principal[p]));
        }
        for (unsigned p = 0; p < ARRAY_LEN(device); p++) {
            store_set_text(req, 1, 0, p, span_str(device[p] == NULL ? id : device[p]));
        }
        store_set_int(req, 0, 0, 6, 1);
        store_set_int(req, 1, 0, 7, 1);
        err e = store_run(s, req);
        store_req_free(req);
        if (e != ERR_NONE) {
            fprintf(stderr, "device: %s\n", err_name(e));
            return 1;
        }
    }
    return 0;
}

static void set_row(struct store_req *req, unsigned set, const char *id, int64_t at)
{
    store_set_text(req, 0, set, 0, span_str(id));
    store_set_int(req, 0, set, 1, at);
    store_set_real(req, 0, set, 2, 12.5 + (double)(at % 977) / 10);
    store_set_int(req, 0, set, 3, 3000000000 + at % 10000019);
    store_set_int(req, 0, set, 4, 8000000000);
    store_set_real(req, 0, set, 5, (double)(at % 99991) / 3);
    store_set_real(req, 0, set, 6, (double)(at % 49999) / 3);
    store_set_real(req, 0, set, 7, 0.25);
    store_set_int(req, 0, set, 8, 50000000000);
    store_set_int(req, 0, set, 9, 100000000000);
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct options {
    unsigned devices, rows, batch, window, sensors, rate, settle_ms;
    bool ids;
    enum store_sync sync;
    const char *dir;
};

static void ingest(struct bench *b, struct store *s, const struct options *o)
{
    for (unsigned row = 0; row < o->rows;) {
        while (b->in_flight < o->window && row < o->rows) {
            struct store_req *req = store_req_new(0, 1, on_done, b);
            store_step_init(req, 0, QUERY_METRICS_INSERT, o->batch);
            for (unsigned set = 0; set < o->batch; set++, row++) {
                char id[40];
                device_id(id, row / o->batch % o->devices);
                int64_t minute = row / o->batch / o->devices * o->batch + set;
                set_row(req, set, id, 1760000000000 / 60000 * 60000 + minute * 60000);
            }
            b->in_flight++;
            s->submit(s, req);
        }
        run_mail(b);
    }
    while (b->in_flight > 0) {
        run_mail(b);
    }
}

struct timed {
    struct bench *bench;
    struct store *store;
    double since;
};

static void on_timed_done(struct store_req *req)
{
    struct timed *t = req->owner;
    struct bench *b = t->bench;
    struct store_stats stats;
    t->store->stats(t->store, &stats);
    b->commit_ns_max =
        stats.commit_ns_last > b->commit_ns_max ? stats.commit_ns_last : b->commit_ns_max;
    double took = seconds(CLOCK_MONOTONIC) - t->since;
    b->answer_max = took > b->answer_max ? took : b->answer_max;
    free(t);
    req->owner = b;
    on_done(req);
}

static struct store_req *telemetry_batch(struct bench *b, struct store *s, const struct options *o,
                                         unsigned row)
{
    struct timed *t = malloc(sizeof *t);
    *t = (struct timed){b, s, seconds(CLOCK_MONOTONIC)};
    struct store_req *req = store_req_new(0, 1, on_timed_done, t);
    store_step_init(req, 0, QUERY_TELEMETRY_APPEND, o->batch);
    for (unsigned set = 0; set < o->batch; set++, row++) {
        char id[40];
        char sensor[40];
        int64_t at = 1760000000000 + row / o->devices * 10;
        device_id(id, row % o->devices);
        snprintf(sensor, sizeof sensor, "sensor-%u", row / o->devices % o->sensors);
        store_set_text(req, 0, set, 0, span_str(id));
        store_set_text(req, 0, set, 1, span_str(sensor));
        store_set_real(req, 0, set, 2, (double)(row % 99991) / 7);
        store_set_text(req, 0, set, 3, SPAN("C"));
        store_set_int(req, 0, set, 5, at);
        store_set_int(req, 0, set, 6, at + 20);
        if (o->ids) {
            char sample[40];
            snprintf(sample, sizeof sample, "01900000-0000-7000-8000-%012x", row);
            store_set_text(req, 0, set, 7, span_str(sample));
        }
    }
    return req;
}

static void pause_until(double at)
{
    double left = at - seconds(CLOCK_MONOTONIC);
    if (left > 0) {
        nanosleep(&(struct timespec){(time_t)left, (long)((left - (double)(time_t)left) * 1e9)},
                  NULL);
    }
}

static void ingest_telemetry(struct bench *b, struct store *s, const struct options *o)
{
    double start = seconds(CLOCK_MONOTONIC);
    for (unsigned row = 0; row < o->rows; row += o->batch) {
        while (b->in_flight >= o->window) {
            run_mail(b);
        }
        if (o->rate > 0) {
            pause_until(start + (double)row / o->rate);
        }
        struct store_req *req = telemetry_batch(b, s, o, row);
        b->in_flight++;
        s->submit(s, req);
    }
    while (b->in_flight > 0) {
        run_mail(b);
    }
}

static void wait_settled(struct store *s)
{
    struct store_stats stats;
    for (s->stats(s, &stats); stats.unsettled > 0; s->stats(s, &stats)) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static void run_telemetry(struct bench *b, struct store *s, const struct options *o)
{
    double start = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID);
    struct store_stats before;
    struct store_stats after;
    s->stats(s, &before);
    ingest_telemetry(b, s, o);
    double took = seconds(CLOCK_MONOTONIC) - start;
    wait_settled(s);
    double whole = seconds(CLOCK_MONOTONIC) - start;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    s->stats(s, &after);
    uint64_t commits = after.commits - before.commits;
    printf("{\"rows\":%u,\"devices\":%u,\"sensors\":%u,\"ids\":%s,\"batch\":%u,"
           "\"rows_per_s\":%.0f,\"settled_rows_per_s\":%.0f,\"store_us_per_row\":%.2f,"
           "\"commits\":%llu,\"commit_ms_mean\":%.2f,\"commit_ms_max\":%.1f,"
           "\"answer_ms_max\":%.1f,\"file_bytes_per_row\":%.0f,\"failed\":%llu}\n",
           o->rows, o->devices, o->sensors, o->ids ? "true" : "false", o->batch, o->rows / took,
           o->rows / whole, cpu * 1e6 / o->rows, (unsigned long long)commits,
           (double)(after.commit_ns_sum - before.commit_ns_sum) / 1e6 / (double)commits,
           (double)b->commit_ns_max / 1e6, b->answer_max * 1e3,
           (double)after.file_bytes / o->rows, (unsigned long long)b->failed);
}

static int run(const struct options *o)
{
    char path[300];
    snprintf(path, sizeof path, "%s/store-bench-%d.db", o->dir, (int)getpid());
    struct bench b = {.post = {.send = on_send, .loop_count = 1}};
    pthread_mutex_init(&b.lock, NULL);
    pthread_cond_init(&b.arrived, NULL);
    struct sqlite_store_conf conf = {
        .path = path, .synchronous = o->sync, .settle_ms = o->settle_ms};
    struct store *s;
    err e = sqlite_store_open(&conf, &b.post, NULL, &s);
    if (e != ERR_NONE) {
        fprintf(stderr, "%s: %s\n", path, err_text(e));
        return 1;
    }
    if (make_devices(s, o->devices) != 0) {
        return 1;
    }
    if (o->sensors > 0) {
        run_telemetry(&b, s, o);
        s->close(s);
        unlink(path);
        return b.failed != 0;
    }
    struct store_stats before;
    struct store_stats after;
    s->stats(s, &before);
    double start = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    ingest(&b, s, o);
    double took = seconds(CLOCK_MONOTONIC) - start;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    s->stats(s, &after);
    s->close(s);
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    double file = (double)ftell(f);
    fclose(f);
    unlink(path);
    uint64_t commits = after.commits - before.commits;
    printf("{\"rows\":%u,\"devices\":%u,\"batch\":%u,\"rows_per_s\":%.0f,\"cpu_us_per_row\":%.1f,"
           "\"commits\":%llu,\"rows_per_commit\":%.0f,\"commit_ms_mean\":%.2f,"
           "\"file_bytes_per_row\":%.0f,\"failed\":%llu}\n",
           o->rows, o->devices, o->batch, o->rows / took, cpu * 1e6 / o->rows,
           (unsigned long long)commits, (double)o->rows / (double)commits,
           took * 1e3 / (double)commits, file / o->rows,
           (unsigned long long)b.failed);
    return b.failed != 0;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"devices", required_argument, NULL, 'd'}, {"rows", required_argument, NULL, 'r'},
        {"batch", required_argument, NULL, 'b'},   {"window", required_argument, NULL, 'w'},
        {"sync", required_argument, NULL, 's'},    {"dir", required_argument, NULL, 'p'},
        {"telemetry", required_argument, NULL, 't'}, {"ids", no_argument, NULL, 'i'},
        {"rate", required_argument, NULL, 'R'}, {"settle-ms", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0}};
    struct options o = {.devices = 1000, .rows = 200000, .batch = 1, .window = 4000,
                        .sync = STORE_SYNC_FULL, .dir = "."};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        unsigned n = optarg == NULL ? 0 : (unsigned)strtoul(optarg, NULL, 10);
        if (c == 's') {
            o.sync = strcmp(optarg, "full") == 0     ? STORE_SYNC_FULL
                     : strcmp(optarg, "normal") == 0 ? STORE_SYNC_NORMAL
                                                     : STORE_SYNC_OFF;
        } else if (c == 'p') {
            o.dir = optarg;
        } else if (c == 'i') {
            o.ids = true;
        } else if (c == '?' || n == 0) {
            fprintf(stderr, "see the head of bench/store_bench.c\n");
            return 2;
        } else {
            *(c == 'd'   ? &o.devices
              : c == 'r' ? &o.rows
              : c == 'b' ? &o.batch
              : c == 't' ? &o.sensors
              : c == 'R' ? &o.rate
              : c == 'm' ? &o.settle_ms
                         : &o.window) = n;
        }
    }
    return run(&o);
}
