/*
 * Hubs on loops of threads: members change what they listen to, topics and patterns, while every
 * loop publishes to every home as fast as it can. Who listens to all gets every number of each
 * publisher at each home once and in order; the others never get one twice or go back. Runs under
 * TSan.
 */
#include "hub/hub.h"
#include "loop/loop.h"

#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define LOOPS_MAX 4
#define MEMBERS 6 /* of each loop; the first listens to all */
#define TICKS 300 /* of each loop */
#define ACTS 6    /* a tick */

/* What is published: who, where, its number there by him. The answer of a home has no publisher. */
struct note {
    uint32_t publisher, home, number;
    bool last;
};
#define ANSWER UINT32_MAX

struct station {
    struct hub_sink sink;
    struct loop_hook hook;
    struct mail tick;
    struct loop *loop;
    struct hub *hub;
    pthread_t thread;
    unsigned index;
    unsigned ticks;
    uint32_t random;
    uint32_t published[LOOPS_MAX];                  /* by home */
    uint32_t seen[MEMBERS][LOOPS_MAX][LOOPS_MAX];   /* by publisher and home */
    unsigned answers, wrong, ends;
};

static int64_t wall_ms(struct clock *c) { return 0; }
static uint64_t mono_ns(struct clock *c)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
static struct clock test_clock = {wall_ms, mono_ns};

static unsigned loop_total;
static struct loop *loops[LOOPS_MAX];
static struct hub *hubs[LOOPS_MAX];
static struct station stations[LOOPS_MAX];
static struct post *port;
static atomic_uint ready_total, ends_total;

static const char *const wishes[] = {"t/0", "t/1", "t/+", "+/2", "+/3", "t/3"};

/* ---- the sink: members that are never slow ---- */

static void take(struct station *s, uint32_t member, const struct note *n)
{
    if (n->publisher == ANSWER) {
        if (++s->answers == loop_total) {
            atomic_fetch_add(&ready_total, 1);
        }
        return;
    }
    uint32_t *seen = &s->seen[member][n->publisher][n->home];
    bool right = member == 0 ? n->number == *seen + 1 : n->number > *seen;
    s->wrong += right ? 0 : 1;
    *seen = n->number;
    if (n->last && member == 0) {
        s->ends++;
        if (atomic_fetch_add(&ends_total, 1) + 1 == loop_total * loop_total * loop_total) {
            for (unsigned i = 0; i < loop_total; i++) {
                loop_stop(loops[i]);
            }
        }
    }
}

static size_t sink_send(struct hub_sink *sink, uint32_t member, const struct iovec *iov, int count)
{
    const uint8_t *at = iov->iov_base;
    for (size_t left = iov->iov_len; left > 0; left -= sizeof(struct note)) {
        struct note n;
        memcpy(&n, at, sizeof n);
        at += sizeof n;
        take(CONTAINER_OF(sink, struct station, sink), member, &n);
    }
    return iov->iov_len;
}

static void sink_rest(struct hub_sink *sink, uint32_t member, span bytes) { ASSERT(false); }
static void sink_close(struct hub_sink *sink, uint32_t member, close_reason why) { ASSERT(false); }
static void sink_encode(struct hub_sink *sink, unsigned wire, const struct blob *b, buf *out)
{
    buf_append_span(out, blob_payload(b));
}

/* ---- what loops do ---- */

static void on_subscribe_pattern(struct hub *h, span pattern, struct hub_ticket who, void *arg)
{
    if (who.member == 0 && span_eq(pattern, SPAN("+/+"))) {
        struct note n = {.publisher = ANSWER};
        hub_reply(h, who, blob_new(BLOB_ORDERED, 0, 0, span_of(&n, sizeof n)));
    }
}

static const struct topic_owner owner = {.on_subscribe_pattern = on_subscribe_pattern};

static uint32_t below(struct station *s, uint32_t bound)
{
    s->random = s->random * 1103515245 + 12345;
    return (s->random >> 12) % bound;
}

static void publish(struct station *s, unsigned topic, bool last)
{
    unsigned home = topic % loop_total;
    char name[16];
    int len = snprintf(name, sizeof name, "t/%u", topic);
    struct note n = {.publisher = s->index, .home = home, .number = ++s->published[home],
                     .last = last};
    hub_publish(s->hub, home, span_of(name, (size_t)len),
                blob_new(BLOB_ORDERED, 0, 0, span_of(&n, sizeof n)));
}

static void change_wish(struct station *s, uint32_t member)
{
    unsigned wish = below(s, ARRAY_LEN(wishes));
    span name = span_str(wishes[wish]);
    bool pattern = strchr(wishes[wish], '+') != NULL;
    unsigned home = pattern ? HUB_EVERY_HOME : (unsigned)(wishes[wish][2] - '0') % loop_total;
    if (!hub_unsubscribe(s->hub, member, home, name)) {
        ASSERT(hub_subscribe(s->hub, member, home, name));
    }
}

static void on_tick(struct mail *m)
{
    struct station *s = CONTAINER_OF(m, struct station, tick);
    bool ready = atomic_load(&ready_total) == loop_total;
    for (unsigned i = 0; ready && i < ACTS; i++) {
        change_wish(s, below(s, MEMBERS));
        publish(s, below(s, 8), false);
        publish(s, below(s, 8), false);
    }
    s->ticks += ready;
    if (s->ticks < TICKS) {
        post_mail(port, s->index, &s->tick);
        return;
    }
    for (unsigned home = 0; home < loop_total; home++) {
        publish(s, home, true);
    }
}

static void on_turn_end(struct loop_hook *hook)
{
    hub_turn_end(CONTAINER_OF(hook, struct station, hook)->hub);
}

static void *run_station(void *arg)
{
    loop_run(((struct station *)arg)->loop);
    return NULL;
}

static void start(unsigned i, unsigned count)
{
    struct station *s = &stations[i];
    *s = (struct station){.index = i, .random = i + 1, .tick = {.run = on_tick},
                          .hook = {on_turn_end}};
    s->sink = (struct hub_sink){
        .send = sink_send, .rest = sink_rest, .encode = sink_encode, .close = sink_close};
    s->loop = loops[i] = loop_new(&(struct loop_conf){.index = i, .count = count,
                                                      .clock = &test_clock,
                                                      .poller = poller_epoll_new(),
                                                      .mail_max = 50},
                                  loops);
    s->hub = hubs[i] = hub_new(&(struct hub_conf){.loop = i, .post = port, .sink = &s->sink,
                                                  .outbox_messages_max = 100,
                                                  .outbox_bytes_max = 10000, .peers = hubs});
    hub_own(s->hub, SPAN("t/"), &owner, s);
    loop_add_hook(s->loop, &s->hook);
    for (uint32_t m = 0; m < MEMBERS; m++) {
        hub_member_open(s->hub, m, 1, 0, 0);
    }
}

/* What was under way when the last end was seen; the members leave first. */
static void wind_up(void)
{
    for (unsigned i = 0; i < loop_total; i++) {
        for (uint32_t m = 0; m < MEMBERS; m++) {
            hub_member_close(hubs[i], m);
        }
    }
    for (bool busy = true; busy;) {
        busy = false;
        for (unsigned i = 0; i < loop_total; i++) {
            if (loop_wait_ns(loops[i]) == 0) {
                loop_turn(loops[i], 0);
                busy = true;
            }
        }
    }
}

static void storm(unsigned count)
{
    loop_total = count;
    atomic_store(&ready_total, 0);
    atomic_store(&ends_total, 0);
    port = loop_post_port(loops, count);
    for (unsigned i = 0; i < count; i++) {
        start(i, count);
    }
    for (unsigned i = 0; i < count; i++) {
        ASSERT(hub_subscribe(hubs[i], 0, HUB_EVERY_HOME, SPAN("+/+")));
        post_mail(port, i, &stations[i].tick);
    }
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&stations[i].thread, NULL, run_station, &stations[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(stations[i].thread, NULL);
    }
    wind_up();
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(stations[i].wrong, 0);
        assert_int_equal(stations[i].ends, count * count);
        for (unsigned from = 0; from < count * count; from++) {
            assert_int_equal(stations[i].seen[0][from / count][from % count],
                             stations[from / count].published[from % count]);
        }
        assert_int_equal(hub_stats(hubs[i])->subscriptions, 0);
        assert_false(hub_wanted(hubs[i], SPAN("t/1")));
    }
    for (unsigned i = 0; i < count; i++) {
        hub_free(hubs[i]);
        loop_free(loops[i]);
    }
    loop_post_port_free(port);
}

static void members_of_every_loop_get_each_message_once_in_order(void **state)
{
    for (unsigned count = 1; count <= LOOPS_MAX; count *= 2) {
        storm(count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_every_loop_get_each_message_once_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
