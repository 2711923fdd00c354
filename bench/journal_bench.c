/*
 * What it costs to publish in the order of the log. All on one thread, without sockets and
 * without a store: each event is handed over as if just committed, and the members' sockets take
 * everything. Rounds of both kinds take turns. Prints one JSON line.
 *
 *     journal_bench [--members N] [--events N] [--rounds N]
 *
 *   plain_us, ordered_us  one event to all members, hub_publish and journal_publish; the medians,
 *                         with the least and the most of the rounds
 *   gate_per_s            events through the gate that nobody follows, from another loop by mail
 */
#include "base/mem.h"
#include "hub/journal.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 100
#define TURN 8 /* events a turn of the loop */
#define LOOPS 2

static struct {
    struct hub *hubs[LOOPS];
    struct journal *journals[LOOPS];
    struct mail *first;
    struct mail **tail;
    uint64_t n;
    uint64_t bytes;
} b;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t mono_ns(struct clock *c) { return (uint64_t)(now_us() * 1000); }
static struct clock bench_clock = {.mono_ns = mono_ns};

static void on_send(struct post *self, unsigned loop, struct mail *m)
{
    m->next = NULL;
    *b.tail = m;
    b.tail = &m->next;
}
static struct post bench_post = {.send = on_send, .loop_count = LOOPS};

static void run_mail(void)
{
    while (b.first != NULL) {
        struct mail *m = b.first;
        b.first = m->next;
        b.tail = b.first == NULL ? &b.first : b.tail;
        m->run(m);
    }
}

static size_t sink_send(struct hub_sink *s, uint32_t member, const struct iovec *iov, int count)
{
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        n += iov[i].iov_len;
    }
    b.bytes += n;
    return n;
}

static void sink_rest(struct hub_sink *s, uint32_t member, span bytes) {}
static void sink_close(struct hub_sink *s, uint32_t member, close_reason reason) {}

static void sink_encode(struct hub_sink *s, unsigned wire, const struct blob *blob, buf *out)
{
    buf_append_span(out, blob_payload(blob));
}

static struct hub_sink sink = {
    .send = sink_send, .rest = sink_rest, .encode = sink_encode, .close = sink_close};

#define TOPIC SPAN("device/01890a5d-ac96-774b-bcce-b302099a8057/events")
#define DATA                                                                                       \
    SPAN("{\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"name\":\"a device\","               \
         "\"type\":\"host\","                                                                     \
         "\"status\":\"active\",\"connectionStatus\":\"online\",\"version\":12}")

/* As the store answers. */
static struct store_req *committed(span topic)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    struct journal_event e = {.event = EVENT_DEVICE_UPDATED, .topic = topic, .data = DATA};
    journal_step(req, 0, &e);
    struct store_value *cell = ARENA_ARRAY(&req->arena, struct store_value, 1);
    *cell = (struct store_value){.type = STORE_INT, .i = (int64_t)++b.n};
    req->steps[0].cells = cell;
    req->steps[0].row_count = 1;
    return req;
}

static void end_turn(void)
{
    for (unsigned i = 0; i < LOOPS; i++) {
        journal_tick(b.journals[i]);
        hub_turn_end(b.hubs[i]);
    }
    run_mail();
}

static double plain(unsigned events)
{
    double start = now_us();
    for (unsigned i = 0; i < events; i++) {
        hub_publish(b.hubs[0], 0, TOPIC, blob_new(BLOB_ORDERED, 1, 0, DATA));
        if (i % TURN == TURN - 1) {
            end_turn();
        }
    }
    end_turn();
    return (now_us() - start) / events;
}

/* From `loop`; without the making of the requests, which is the store's cost. */
static double ordered(unsigned loop, unsigned events, span topic)
{
    struct store_req **reqs = mem_calloc(events, sizeof *reqs);
    for (unsigned i = 0; i < events; i++) {
        reqs[i] = committed(topic);
    }
    double start = now_us();
    for (unsigned i = 0; i < events; i++) {
        journal_publish(b.journals[loop], reqs[i], 0);
        if (i % TURN == TURN - 1) {
            run_mail();
            end_turn();
        }
    }
    run_mail();
    end_turn();
    double us = (now_us() - start) / events;
    for (unsigned i = 0; i < events; i++) {
        store_req_free(reqs[i]);
    }
    mem_free(reqs);
    return us;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x;
    double c = *(const double *)y;
    return (a > c) - (a < c);
}

static void print(const char *name, double *us, unsigned rounds)
{
    qsort(us, rounds, sizeof *us, by_value);
    printf("\"%s\":%.3f,\"%s_least\":%.3f,\"%s_most\":%.3f,", name, us[rounds / 2], name, us[0],
           name, us[rounds - 1]);
}

static void build(unsigned members)
{
    b.tail = &b.first;
    for (unsigned i = 0; i < LOOPS; i++) {
        b.hubs[i] = hub_new(&(struct hub_conf){.loop = i, .post = &bench_post, .sink = &sink,
                                               .outbox_messages_max = 1024,
                                               .outbox_bytes_max = 1 << 20, .peers = b.hubs});
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        struct journal_conf conf = {.hub = b.hubs[i], .post = &bench_post, .clock = &bench_clock,
                                    .loop = i, .peers = b.journals, .ring_events = 4096,
                                    .ring_bytes = 4 << 20};
        b.journals[i] = journal_new(&conf, (struct pos){.epoch = 1});
    }
    for (uint32_t m = 0; m < members; m++) {
        hub_member_open(b.hubs[0], m, 1, 0, 0);
        (void)hub_subscribe(b.hubs[0], m, JOURNAL_HOME, TOPIC);
    }
}

int main(int argc, char **argv)
{
    unsigned members = 1000;
    unsigned events = 1000;
    unsigned rounds = 15;
    static const struct option options[] = {{"members", required_argument, NULL, 'm'},
                                            {"events", required_argument, NULL, 'e'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    for (int o = getopt_long(argc, argv, "", options, NULL); o != -1;
         o = getopt_long(argc, argv, "", options, NULL)) {
        unsigned value = o == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 10);
        if (value == 0 || (o == 'r' && value > ROUNDS_MAX)) {
            fprintf(stderr, "journal_bench [--members N] [--events N] [--rounds N]\n");
            return 2;
        }
        *(o == 'm' ? &members : o == 'e' ? &events : &rounds) = value;
    }
    build(members);
    double plain_us[ROUNDS_MAX], ordered_us[ROUNDS_MAX], gate_us[ROUNDS_MAX];
    (void)plain(events);
    for (unsigned i = 0; i < rounds; i++) {
        plain_us[i] = plain(events);
        ordered_us[i] = ordered(0, events, TOPIC);
        gate_us[i] = ordered(1, events * 10, SPAN("device/of-no-interest/events"));
    }
    printf("{\"members\":%u,\"events\":%u,\"rounds\":%u,", members, events, rounds);
    print("plain_us", plain_us, rounds);
    print("ordered_us", ordered_us, rounds);
    print("gate_us", gate_us, rounds);
    printf("\"ratio\":%.3f,\"gate_per_s\":%.0f}\n", ordered_us[rounds / 2] / plain_us[rounds / 2],
           1e6 / gate_us[rounds / 2]);
    for (unsigned i = 0; i < LOOPS; i++) {
        journal_free(b.journals[i]);
        hub_free(b.hubs[i]);
    }
    return 0;
}
