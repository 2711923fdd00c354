/* A loop on the test's thread takes the answers; it waits for mail, never for a time. */
#include "loop/workers.h"

#include "loop/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define WORK_COUNT 200
#define LOOPS 2

static int64_t wall_ms(struct clock *c) { return 0; }
static uint64_t mono_ns(struct clock *c)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
static struct clock test_clock = {wall_ms, mono_ns};

static struct loop *loops[LOOPS];
static struct post *port;

static int setup(void **state)
{
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = loop_new(&(struct loop_conf){.index = i, .count = LOOPS, .clock = &test_clock,
                                                .poller = poller_epoll_new()},
                            loops);
    }
    port = loop_post_port(loops, LOOPS);
    return 0;
}

static int teardown(void **state)
{
    loop_post_port_free(port);
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_free(loops[i]);
    }
    return 0;
}

struct job {
    struct work work;
    unsigned number;
    unsigned worked; /* times */
    unsigned done;
    bool right_loop;
};

static struct job jobs[WORK_COUNT];
static atomic_uint started;
static unsigned order[WORK_COUNT];
static unsigned done_count;

static void do_work(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);
    order[atomic_fetch_add(&started, 1)] = j->number;
    j->worked++;
}

static void on_done(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);
    j->done++;
    j->right_loop = loop_current() == loops[w->loop];
    done_count++;
}

static void reset_jobs(void)
{
    atomic_store(&started, 0);
    done_count = 0;
    for (unsigned i = 0; i < WORK_COUNT; i++) {
        jobs[i] = (struct job){.work = {.loop = i % LOOPS, .work = do_work, .done = on_done},
                               .number = i};
    }
}

static void each_work_is_done_once_on_the_loop_it_names(void **state)
{
    reset_jobs();
    struct workers *ws = workers_new(3, WORK_COUNT, port);
    for (unsigned i = 0; i < WORK_COUNT; i++) {
        assert_true(workers_submit(ws, &jobs[i].work));
    }
    while (done_count < WORK_COUNT) {
        loop_turn(loops[0], done_count < WORK_COUNT / 2 ? -1 : 0);
        loop_turn(loops[1], 0);
    }
    workers_free(ws);
    for (unsigned i = 0; i < WORK_COUNT; i++) {
        assert_int_equal(jobs[i].worked, 1);
        assert_int_equal(jobs[i].done, 1);
        assert_true(jobs[i].right_loop);
    }
}

static void one_thread_works_in_the_order_submitted(void **state)
{
    reset_jobs();
    struct workers *ws = workers_new(1, WORK_COUNT, port);
    for (unsigned i = 0; i < WORK_COUNT; i++) {
        assert_true(workers_submit(ws, &jobs[i].work));
    }
    workers_free(ws); /* finishes what is queued */
    assert_int_equal(atomic_load(&started), WORK_COUNT);
    for (unsigned i = 0; i < WORK_COUNT; i++) {
        assert_int_equal(order[i], i);
    }
    loop_turn(loops[0], 0);
    loop_turn(loops[1], 0);
    assert_int_equal(done_count, WORK_COUNT);
    workers_free(NULL);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool entered, open_now;

static void wait_at_gate(struct work *w)
{
    pthread_mutex_lock(&gate);
    entered = true;
    pthread_cond_broadcast(&changed);
    while (!open_now) {
        pthread_cond_wait(&changed, &gate);
    }
    pthread_mutex_unlock(&gate);
    do_work(w);
}

static void a_full_queue_refuses_and_takes_again_later(void **state)
{
    reset_jobs();
    struct workers *ws = workers_new(1, 2, port);
    jobs[0].work.work = wait_at_gate;
    assert_true(workers_submit(ws, &jobs[0].work));
    pthread_mutex_lock(&gate);
    while (!entered) {
        pthread_cond_wait(&changed, &gate);
    }
    pthread_mutex_unlock(&gate);
    assert_int_equal(workers_queued(ws), 0);
    assert_true(workers_submit(ws, &jobs[1].work));
    assert_true(workers_submit(ws, &jobs[2].work));
    assert_false(workers_submit(ws, &jobs[3].work));
    assert_int_equal(workers_queued(ws), 2);
    pthread_mutex_lock(&gate);
    open_now = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&gate);
    while (done_count < 2) {
        loop_turn(loops[0], -1); /* jobs 0 and 2 answer here: nothing waits any more */
    }
    assert_true(workers_submit(ws, &jobs[4].work));
    workers_free(ws);
    loop_turn(loops[0], 0);
    loop_turn(loops[1], 0);
    assert_int_equal(done_count, 4);
    assert_int_equal(jobs[3].worked, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_work_is_done_once_on_the_loop_it_names),
        T(one_thread_works_in_the_order_submitted),
        T(a_full_queue_refuses_and_takes_again_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
