/*
 * Ordered events on real loops and threads over SQLite, for the thread sanitizer: every loop
 * commits events, and has members that follow all of them by a pattern, from the beginning, and
 * leave and come back with the last number they got. Each gets 1, 2, 3 ... whatever the threads do.
 */
#include "adapters/clock_system/clock_system.h"
#include "adapters/store_sqlite/store_sqlite.h"
#include "base/mem.h"
#include "hub/journal.h"
#include "loop/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LOOPS 4
#define MEMBERS 3
#define EVENTS 400 /* of each loop */
#define BURST 4    /* a turn */
#define TOTAL ((uint64_t)LOOPS * EVENTS)
#define RING 16    /* so few that many a reader is served from the log */

struct follower {
    struct station *station;
    struct journal_reader reader;
    bool open;
    uint32_t gen;
    uint64_t last; /* number */
    bool done;
};

struct station {
    struct mail next;
    struct hub_sink sink;
    struct loop_hook hook;
    struct timer timer;
    unsigned index;
    unsigned committed; /* asked for */
    unsigned turns;
    struct follower followers[MEMBERS];
};

static struct loop *loops[LOOPS];
static struct station stations[LOOPS];
static struct hub *hubs[LOOPS];
static struct journal *journals[LOOPS];
static struct post *post;
static struct store *store;
static struct pos start;
static atomic_uint wrong;
static atomic_uint complete;

static size_t sink_send(struct hub_sink *self, uint32_t member, const struct iovec *iov, int count)
{
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        n += iov[i].iov_len;
    }
    return n;
}

static void sink_rest(struct hub_sink *self, uint32_t member, span bytes)
{
    atomic_fetch_add(&wrong, 1);
}

/* Each member has a wire of its own, so the one who is encoded for is known. */
static void sink_encode(struct hub_sink *self, unsigned wire, const struct blob *b, buf *out)
{
    struct station *s = CONTAINER_OF(self, struct station, sink);
    struct follower *f = &s->followers[wire];
    if (b->pos != f->last + 1) {
        atomic_fetch_add(&wrong, 1);
    }
    f->last = b->pos;
    buf_append_span(out, blob_payload(b));
}

static void sink_close(struct hub_sink *self, uint32_t member, close_reason reason)
{
    atomic_fetch_add(&wrong, 1);
}

static void on_gap(struct journal_reader *r, struct pos from, struct pos to)
{
    atomic_fetch_add(&wrong, 1);
}

static void on_error(struct journal_reader *r, err error) { atomic_fetch_add(&wrong, 1); }

static const struct journal_reader_ops reader_ops = {.on_gap = on_gap, .on_error = on_error};

static void come(struct station *s, uint32_t member)
{
    struct follower *f = &s->followers[member];
    struct pos since = {start.epoch, f->last};
    hub_member_open(hubs[s->index], member, ++f->gen, member, 0);
    f->reader = (struct journal_reader){.ops = &reader_ops};
    f->open = true;
    journal_open(journals[s->index], &f->reader, member, &since);
    (void)journal_subscribe(&f->reader, SPAN("t/+"));
}

static void go(struct station *s, uint32_t member)
{
    struct follower *f = &s->followers[member];
    journal_close(&f->reader);
    hub_member_close(hubs[s->index], member);
    f->open = false;
}

static void on_committed(struct store_req *req)
{
    if (req->error == ERR_NONE) {
        journal_publish(journals[req->loop], req, 0);
    } else {
        atomic_fetch_add(&wrong, 1);
    }
    store_req_free(req);
}

static void commit(struct station *s)
{
    char topic[16];
    snprintf(topic, sizeof topic, "t/%u", s->committed++ % 7);
    struct journal_event e = {.event = EVENT_DEVICE_UPDATED, .topic = span_str(topic),
                              .data = SPAN("{}")};
    struct store_req *req = store_req_new(s->index, 1, on_committed, NULL);
    journal_step(req, 0, &e);
    store->submit(store, req);
}

static void check_done(struct station *s)
{
    for (uint32_t m = 0; m < MEMBERS; m++) {
        struct follower *f = &s->followers[m];
        if (!f->done && f->last == TOTAL) {
            f->done = true;
            if (atomic_fetch_add(&complete, 1) + 1 == LOOPS * MEMBERS) {
                for (unsigned i = 0; i < LOOPS; i++) {
                    loop_stop(loops[i]);
                }
            }
        }
    }
}

/* One turn's work. */
static void act(struct station *s)
{
    s->turns++;
    for (unsigned i = 0; i < BURST && s->committed < EVENTS; i++) {
        commit(s);
    }
    uint32_t member = (s->turns + s->index) % MEMBERS;
    struct follower *f = &s->followers[member];
    if (!f->open) {
        come(s, member);
    } else if (s->turns % 5 == 0 && s->committed < EVENTS) {
        go(s, member);
    }
}

static void on_timer(struct timer *t)
{
    struct station *s = CONTAINER_OF(t, struct station, timer);
    act(s);
    timer_start(loops[s->index], t, 1);
}

static void on_start(struct mail *m)
{
    struct station *s = CONTAINER_OF(m, struct station, next);
    timer_start(loops[s->index], &s->timer, 0);
}

static void turn_end(struct loop_hook *hook)
{
    struct station *s = CONTAINER_OF(hook, struct station, hook);
    journal_tick(journals[s->index]);
    hub_turn_end(hubs[s->index]);
    check_done(s);
}

static void make_station(unsigned i)
{
    struct station *s = &stations[i];
    *s = (struct station){.index = i,
                          .next = {.run = on_start},
                          .sink = {.send = sink_send, .rest = sink_rest, .encode = sink_encode,
                                   .close = sink_close},
                          .hook = {.run = turn_end},
                          .timer = {.fire = on_timer}};
    hubs[i] = hub_new(&(struct hub_conf){.loop = i, .post = post, .sink = &s->sink,
                                         .outbox_messages_max = 1000,
                                         .outbox_bytes_max = 1 << 20, .peers = hubs});
    journals[i] = journal_new(&(struct journal_conf){.hub = hubs[i], .post = post,
                                                     .store = store, .clock = clock_system(),
                                                     .loop = i, .peers = journals,
                                                     .ring_events = RING,
                                                     .ring_bytes = 1 << 20},
                              start);
    loop_add_hook(loops[i], &s->hook);
    post_mail(post, i, &s->next);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static bool work_left(void)
{
    struct store_stats stats;
    store->stats(store, &stats);
    bool work = stats.unanswered > 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        work = work || loop_wait_ns(loops[i]) == 0;
    }
    return work;
}

static void every_follower_gets_every_event_once_in_order(void **state)
{
    pthread_t threads[LOOPS];
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = loop_new(&(struct loop_conf){.index = i, .count = LOOPS,
                                                .clock = clock_system(),
                                                .poller = poller_epoll_new()},
                            loops);
    }
    post = loop_post_port(loops, LOOPS);
    struct sqlite_store_conf conf = {.path = ":memory:", .synchronous = STORE_SYNC_OFF};
    assert_int_equal(sqlite_store_open(&conf, post, NULL, &store), ERR_NONE);
    assert_int_equal(journal_start(store, 7, &start), ERR_NONE);
    for (unsigned i = 0; i < LOOPS; i++) {
        make_station(i);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, loops[i]), 0);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
    }
    uint64_t replayed = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        timer_stop(loops[i], &stations[i].timer);
        for (uint32_t m = 0; m < MEMBERS; m++) {
            assert_int_equal(stations[i].followers[m].last, TOTAL);
            if (stations[i].followers[m].open) {
                go(&stations[i], m);
            }
        }
    }
    while (work_left()) {
        for (unsigned i = 0; i < LOOPS; i++) {
            loop_turn(loops[i], 0);
        }
    }
    store->close(store);
    for (unsigned i = 0; i < LOOPS; i++) {
        struct journal_stats stats;
        journal_stats(journals[i], &stats);
        replayed += stats.replayed;
        assert_int_equal(hub_stats(hubs[i])->subscriptions, 0);
        journal_free(journals[i]);
        hub_free(hubs[i]);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_free(loops[i]);
    }
    loop_post_port_free(post);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(replayed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_follower_gets_every_event_once_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
