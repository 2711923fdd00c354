/* Questions to loops that are turned by hand. */
#include "edge/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/mem.h"

#define LOOPS 3

static uint64_t now_ns = 1;
static uint64_t mono(struct clock *c) { return now_ns; }
static int64_t wall(struct clock *c) { return (int64_t)(now_ns / 1000000); }
static struct clock fake_clock = {.mono_ns = mono, .wall_ms = wall};

static struct loop *loops[LOOPS];
static struct edge edges[LOOPS];
static struct edge *peers[LOOPS];
static struct home homes[LOOPS];
static struct post *port;

static int begin(void **state)
{
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = loop_new(&(struct loop_conf){.index = i, .count = LOOPS, .clock = &fake_clock,
                                                .poller = poller_epoll_new()},
                            loops);
    }
    port = loop_post_port(loops, LOOPS);
    for (unsigned i = 0; i < LOOPS; i++) {
        homes[i] = (struct home){.index = i, .count = LOOPS, .post = port};
        edges[i] = (struct edge){.loop = loops[i], .home = &homes[i], .peers = peers};
        peers[i] = &edges[i];
    }
    return 0;
}

static int end(void **state)
{
    loop_post_port_free(port);
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_free(loops[i]);
    }
    return 0;
}

static void turn(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        loop_turn(loops[i], 0);
    }
}

static void ask(struct edge *e, const void *in, buf *out)
{
    buf_printf(out, "%s%u", (const char *)in, loop_index(e->loop));
}

static unsigned calls;
static char heard[64];

static void done(void *owner, const buf *answers, unsigned count)
{
    assert_ptr_equal(owner, &calls);
    assert_int_equal(count, LOOPS);
    calls++;
    heard[0] = '\0';
    for (unsigned i = 0; answers != NULL && i < count; i++) {
        size_t at = strlen(heard);
        memcpy(heard + at, answers[i].ptr, answers[i].len);
        heard[at + answers[i].len] = '\0';
    }
}

static void *question(const char *text)
{
    char *in = mem_alloc(strlen(text) + 1);
    memcpy(in, text, strlen(text) + 1);
    return in;
}

static void every_loop_answers_in_its_place(void **state)
{
    calls = 0;
    gather(&edges[1], question("n"), ask, done, &calls);
    assert_int_equal(calls, 0);
    turn(0, LOOPS);
    turn(0, LOOPS);
    assert_int_equal(calls, 1);
    assert_string_equal(heard, "n0n1n2");
    now_ns += UINT64_C(10000000000); /* no timer is left */
    turn(0, LOOPS);
    assert_int_equal(calls, 1);
}

static void answers_may_come_by_way_of_a_loop(void **state)
{
    calls = 0;
    gather_via(&edges[1], 0, question("v"), ask, done, &calls);
    turn(0, LOOPS);
    turn(1, LOOPS);
    turn(1, LOOPS);
    assert_int_equal(calls, 0); /* loop 0 has not passed them on */
    turn(0, LOOPS);
    turn(0, LOOPS);
    assert_int_equal(calls, 1);
    assert_string_equal(heard, "v0v1v2");
}

static void a_loop_that_does_not_turn_is_waited_for_so_long(void **state)
{
    calls = 0;
    gather(&edges[0], question("n"), ask, done, &calls);
    turn(0, 2);
    turn(0, 2);
    now_ns += (GATHER_MS_MAX - 1) * UINT64_C(1000000);
    turn(0, 2);
    assert_int_equal(calls, 0);
    now_ns += 2000000;
    turn(0, 2);
    assert_int_equal(calls, 1);
    assert_string_equal(heard, "");
    turn(0, LOOPS); /* late: nobody hears it, nothing leaks */
    turn(0, LOOPS);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_loop_answers_in_its_place, begin, end),
        cmocka_unit_test_setup_teardown(answers_may_come_by_way_of_a_loop, begin, end),
        cmocka_unit_test_setup_teardown(a_loop_that_does_not_turn_is_waited_for_so_long, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
