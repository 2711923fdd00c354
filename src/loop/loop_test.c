/* The loop alone, on a clock and a poller that the test drives; threads are in storm_test.c. */
#include "loop/loop.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fake {
    struct clock clock;
    struct poller poller;
    uint64_t now_ns;
    int64_t waited_ns; /* as last asked */
    unsigned wakes;
    struct poller_event events[4];
    unsigned event_count;
};

static int64_t fake_wall(struct clock *c) { return 1000000; }
static uint64_t fake_mono(struct clock *c) { return CONTAINER_OF(c, struct fake, clock)->now_ns; }

static unsigned fake_wait(struct poller *p, int64_t wait_ns, struct poller_event *out, unsigned max)
{
    struct fake *f = CONTAINER_OF(p, struct fake, poller);
    f->waited_ns = wait_ns;
    unsigned n = f->event_count < max ? f->event_count : max;
    for (unsigned i = 0; i < n; i++) {
        out[i] = f->events[i];
    }
    f->event_count = 0;
    return n;
}

static void fake_wake(struct poller *p) { CONTAINER_OF(p, struct fake, poller)->wakes++; }
static void fake_close(struct poller *p, int fd) {}
static void fake_free(struct poller *p) {}

struct bench {
    struct fake fake[2];
    struct loop *peers[2];
};

static int setup(void **state)
{
    struct bench *b = mem_calloc(1, sizeof *b);
    for (unsigned i = 0; i < 2; i++) {
        struct fake *f = &b->fake[i];
        f->clock = (struct clock){.wall_ms = fake_wall, .mono_ns = fake_mono};
        f->poller = (struct poller){
            .wait = fake_wait, .wake = fake_wake, .close = fake_close, .free = fake_free};
        f->now_ns = 5000000;
        b->peers[i] = loop_new(&(struct loop_conf){.index = i, .count = 2, .clock = &f->clock,
                                                   .poller = &f->poller, .mail_max = 3},
                               b->peers);
    }
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    loop_free(b->peers[0]);
    loop_free(b->peers[1]);
    mem_free(b);
    return 0;
}

/* What ran, in order. */
static char trace[64];
static size_t trace_len;

static void trace_clear(void)
{
    trace_len = 0;
    memset(trace, 0, sizeof trace);
}

static void trace_add(char c) { trace[trace_len++] = c; }

struct note {
    struct mail mail;
    struct timer timer;
    struct loop_hook hook;
    struct deferred deferred;
    struct io io;
    char mark;
    struct loop *loop;
    struct note *other;
};

static void note_mail(struct mail *m) { trace_add(CONTAINER_OF(m, struct note, mail)->mark); }
static void note_fire(struct timer *t) { trace_add(CONTAINER_OF(t, struct note, timer)->mark); }
static void note_hook(struct loop_hook *h) { trace_add(CONTAINER_OF(h, struct note, hook)->mark); }
static void note_release(struct deferred *d)
{
    trace_add(CONTAINER_OF(d, struct note, deferred)->mark);
}
static void note_ready(struct io *io, unsigned events)
{
    trace_add(CONTAINER_OF(io, struct note, io)->mark);
}

static void a_turn_runs_its_phases_in_order(void **state)
{
    struct bench *b = *state;
    struct loop *l = b->peers[0];
    struct note ready = {.io = {.fd = 3, .interest = IO_READ, .ready = note_ready}, .mark = '2'};
    struct note mail = {.mail = {.run = note_mail}, .mark = '3'};
    struct note timer = {.timer = {.fire = note_fire}, .mark = '4'};
    struct note hooks[2] = {{.hook = {note_hook}, .mark = '5'}, {.hook = {note_hook}, .mark = '6'}};
    struct note reap = {.deferred = {.release = note_release}, .mark = '7'};
    trace_clear();
    loop_defer(l, &reap.deferred);
    loop_add_hook(l, &hooks[0].hook);
    loop_add_hook(l, &hooks[1].hook);
    timer_start(l, &timer.timer, 0);
    loop_post_foreign(l, &mail.mail);
    b->fake[0].events[0] = (struct poller_event){&ready.io, IO_READ};
    b->fake[0].event_count = 1;
    loop_turn(l, -1);
    assert_string_equal(trace, "234567");
}

static void mail_to_itself_waits_for_the_next_turn(void **state)
{
    struct bench *b = *state;
    struct note m[2] = {{.mail = {.run = note_mail}, .mark = 'a'},
                        {.mail = {.run = note_mail}, .mark = 'b'}};
    trace_clear();
    loop_post(b->peers[0], 0, &m[0].mail);
    loop_post(b->peers[0], 0, &m[1].mail);
    assert_int_equal(loop_wait_ns(b->peers[0]), 0);
    loop_turn(b->peers[0], -1);
    assert_string_equal(trace, "");
    assert_int_equal(b->fake[0].waited_ns, 0);
    loop_turn(b->peers[0], -1);
    assert_int_equal(b->fake[0].waited_ns, 0);
    assert_string_equal(trace, "ab");
    loop_turn(b->peers[0], -1);
    assert_int_equal(b->fake[0].waited_ns, -1);
}

static void a_sleeping_target_is_woken_once_a_batch_and_an_awake_one_never(void **state)
{
    struct bench *b = *state;
    struct note m[3] = {{.mail = {.run = note_mail}, .mark = 'a'},
                        {.mail = {.run = note_mail}, .mark = 'b'},
                        {.mail = {.run = note_mail}, .mark = 'c'}};
    trace_clear();
    loop_post(b->peers[0], 1, &m[0].mail);
    loop_post(b->peers[0], 1, &m[1].mail);
    assert_int_equal(b->fake[1].wakes, 0);
    loop_turn(b->peers[0], 0);
    assert_int_equal(b->fake[1].wakes, 0); /* it never slept */
    loop_turn(b->peers[1], -1);
    assert_int_equal(b->fake[1].waited_ns, 0); /* mail waits: no sleep */
    assert_string_equal(trace, "ab");
    loop_post_foreign(b->peers[1], &m[2].mail);
    assert_int_equal(b->fake[1].wakes, 0);
    loop_turn(b->peers[1], -1);
    assert_string_equal(trace, "abc");
}

static struct loop *wake_target;
static struct note wake_notes[2];

static unsigned mail_arrives_asleep(struct poller *p, int64_t wait_ns, struct poller_event *out,
                                    unsigned max)
{
    if (wait_ns != 0) {
        loop_post_foreign(wake_target, &wake_notes[0].mail);
        loop_post_foreign(wake_target, &wake_notes[1].mail);
    }
    return 0;
}

static void mail_that_meets_a_sleeper_wakes_it_once(void **state)
{
    struct bench *b = *state;
    b->fake[1].poller.wait = mail_arrives_asleep;
    wake_target = b->peers[1];
    for (int i = 0; i < 2; i++) {
        wake_notes[i] = (struct note){.mail = {.run = note_mail}, .mark = (char)('x' + i)};
    }
    trace_clear();
    loop_turn(b->peers[1], -1);
    assert_int_equal(b->fake[1].wakes, 1);
    assert_string_equal(trace, "xy");
}

static void mail_of_one_turn_is_bounded_and_the_rest_comes_next(void **state)
{
    struct bench *b = *state;
    struct note m[5];
    trace_clear();
    for (int i = 0; i < 5; i++) {
        m[i] = (struct note){.mail = {.run = note_mail}, .mark = (char)('a' + i)};
        loop_post_foreign(b->peers[0], &m[i].mail);
    }
    loop_turn(b->peers[0], -1);
    assert_string_equal(trace, "abc");
    loop_turn(b->peers[0], -1);
    assert_int_equal(b->fake[0].waited_ns, 0);
    assert_string_equal(trace, "abcde");
}

static void timers_fire_in_order_and_never_early(void **state)
{
    struct bench *b = *state;
    struct loop *l = b->peers[0];
    struct note t[4];
    const int delays_ms[4] = {30, 10, 20, 10};
    trace_clear();
    for (int i = 0; i < 4; i++) {
        t[i] = (struct note){.timer = {.fire = note_fire}, .mark = (char)('0' + i)};
        timer_start(l, &t[i].timer, delays_ms[i]);
    }
    timer_stop(l, &t[3].timer);
    timer_stop(l, &t[3].timer);
    assert_false(timer_running(&t[3].timer));
    loop_turn(l, -1);
    assert_int_equal(b->fake[0].waited_ns, 10000000);
    loop_turn(l, 3);
    assert_int_equal(b->fake[0].waited_ns, 3000000);
    b->fake[0].now_ns += 9999999;
    loop_turn(l, -1);
    assert_string_equal(trace, "");
    assert_int_equal(b->fake[0].waited_ns, 1);
    b->fake[0].now_ns += 1;
    loop_turn(l, -1);
    assert_string_equal(trace, "1");
    b->fake[0].now_ns += 100000000;
    assert_int_equal(loop_wait_ns(l), 0);
    loop_turn(l, -1);
    assert_string_equal(trace, "120");
    assert_int_equal(loop_wait_ns(l), -1);
}

static void a_hook_may_shorten_the_next_poll(void **state)
{
    struct bench *b = *state;
    struct loop *l = b->peers[0];
    struct note t = {.timer = {.fire = note_fire}, .mark = 't'};
    trace_clear();
    loop_wake_in(l, 300000);
    assert_int_equal(loop_wait_ns(l), 300000);
    b->fake[0].now_ns += 100000;
    assert_int_equal(loop_wait_ns(l), 200000);
    loop_turn(l, -1);
    assert_int_equal(b->fake[0].waited_ns, 200000);
    assert_int_equal(loop_wait_ns(l), -1); /* the next one only */
    timer_start(l, &t.timer, 1);
    loop_wake_in(l, 5000000);
    loop_turn(l, -1);
    assert_int_equal(b->fake[0].waited_ns, 1000000);
    loop_wake_in(l, 400000);
    b->fake[0].now_ns += 500000;
    assert_int_equal(loop_wait_ns(l), 0);
    loop_turn(l, -1);
    assert_int_equal(b->fake[0].waited_ns, 0);
    assert_string_equal(trace, "");
    b->fake[0].now_ns += 500000;
    loop_turn(l, -1);
    assert_string_equal(trace, "t");
}

static void a_restarted_timer_counts_anew(void **state)
{
    struct bench *b = *state;
    struct note t = {.timer = {.fire = note_fire}, .mark = 't'};
    trace_clear();
    timer_start(b->peers[0], &t.timer, 10);
    b->fake[0].now_ns += 9000000;
    timer_start(b->peers[0], &t.timer, 10);
    b->fake[0].now_ns += 9000000;
    loop_turn(b->peers[0], 0);
    assert_string_equal(trace, "");
    b->fake[0].now_ns += 1000000;
    loop_turn(b->peers[0], 0);
    assert_string_equal(trace, "t");
}

static void fire_again_at_once(struct timer *t)
{
    struct note *n = CONTAINER_OF(t, struct note, timer);
    trace_add(n->mark);
    timer_start(n->loop, t, 0);
}

static void a_timer_that_restarts_itself_does_not_hold_the_turn(void **state)
{
    struct bench *b = *state;
    struct note t = {.timer = {.fire = fire_again_at_once}, .mark = 't', .loop = b->peers[0]};
    trace_clear();
    timer_start(b->peers[0], &t.timer, 0);
    loop_turn(b->peers[0], -1);
    assert_string_equal(trace, "t");
    loop_turn(b->peers[0], -1);
    assert_string_equal(trace, "tt");
}

static void close_the_other(struct io *io, unsigned events)
{
    struct note *n = CONTAINER_OF(io, struct note, io);
    trace_add(n->mark);
    if (n->other != NULL) {
        io_close(loop_poller(n->loop), &n->other->io);
        loop_defer(n->loop, &n->other->deferred);
    }
}

static void events_of_a_connection_closed_this_turn_are_dropped(void **state)
{
    struct bench *b = *state;
    struct note dead = {.io = {.fd = 4, .interest = IO_READ, .ready = note_ready}, .mark = 'X',
                        .deferred = {.release = note_release}};
    struct note alive = {.io = {.fd = 3, .interest = IO_READ, .ready = close_the_other},
                         .mark = 'a', .loop = b->peers[0], .other = &dead};
    trace_clear();
    b->fake[0].events[0] = (struct poller_event){&alive.io, IO_READ};
    b->fake[0].events[1] = (struct poller_event){&dead.io, IO_READ | IO_HANGUP};
    b->fake[0].event_count = 2;
    loop_turn(b->peers[0], 0);
    assert_string_equal(trace, "aX"); /* X only once: its release */
    assert_int_equal(dead.io.fd, -1);
}

static void events_nobody_asked_for_are_dropped_but_hangups_are_not(void **state)
{
    struct bench *b = *state;
    struct note n = {.io = {.fd = 4, .interest = IO_READ, .ready = note_ready}, .mark = 'n'};
    trace_clear();
    b->fake[0].events[0] = (struct poller_event){&n.io, IO_WRITE};
    b->fake[0].event_count = 1;
    loop_turn(b->peers[0], 0);
    assert_string_equal(trace, "");
    b->fake[0].events[0] = (struct poller_event){&n.io, IO_HANGUP};
    b->fake[0].event_count = 1;
    loop_turn(b->peers[0], 0);
    assert_string_equal(trace, "n");
}

static void defer_again(struct deferred *d)
{
    struct note *n = CONTAINER_OF(d, struct note, deferred);
    trace_add(n->mark);
    loop_defer(n->loop, &n->other->deferred);
}

static void work_left_by_a_release_keeps_the_loop_awake(void **state)
{
    struct bench *b = *state;
    struct note last = {.deferred = {.release = note_release}, .mark = 'b'};
    struct note first = {.deferred = {.release = defer_again}, .mark = 'a', .loop = b->peers[0],
                         .other = &last};
    trace_clear();
    loop_defer(b->peers[0], &first.deferred);
    loop_turn(b->peers[0], -1);
    assert_string_equal(trace, "a");
    loop_turn(b->peers[0], -1);
    assert_int_equal(b->fake[0].waited_ns, 0);
    assert_string_equal(trace, "ab");
}

static void stay_busy(struct loop_hook *h) { loop_busy(CONTAINER_OF(h, struct note, hook)->loop); }

static void a_busy_hook_keeps_the_loop_awake(void **state)
{
    struct bench *b = *state;
    struct note n = {.hook = {stay_busy}, .loop = b->peers[0]};
    loop_add_hook(b->peers[0], &n.hook);
    loop_turn(b->peers[0], -1);
    assert_int_equal(b->fake[0].waited_ns, -1);
    loop_turn(b->peers[0], -1);
    assert_int_equal(b->fake[0].waited_ns, 0);
}

static void turn_other(struct loop_hook *h)
{
    struct note *n = CONTAINER_OF(h, struct note, hook);
    loop_post(loop_current(), 1, &n->other->mail);
    loop_hand_over(loop_current());
    loop_turn(n->loop, 0);
    trace_add(n->mark);
}

static void a_hook_may_hand_mail_over_before_the_turn_ends(void **state)
{
    struct bench *b = *state;
    struct note mail = {.mail = {.run = note_mail}, .mark = 'a'};
    struct note n = {.hook = {turn_other}, .mark = 'b', .loop = b->peers[1], .other = &mail};
    trace_clear();
    loop_add_hook(b->peers[0], &n.hook);
    loop_turn(b->peers[0], 0);
    assert_string_equal(trace, "ab");
}

static struct post *port;
static void post_onwards(struct mail *m)
{
    struct note *n = CONTAINER_OF(m, struct note, mail);
    trace_add(n->mark);
    assert_ptr_equal(loop_current(), n->loop);
    post_mail(port, 1, &n->other->mail);
}

static void the_post_port_batches_from_a_loop_and_hands_over_from_elsewhere(void **state)
{
    struct bench *b = *state;
    port = loop_post_port(b->peers, 2);
    assert_int_equal(port->loop_count, 2);
    struct note last = {.mail = {.run = note_mail}, .mark = 'b'};
    struct note first = {.mail = {.run = post_onwards}, .mark = 'a', .loop = b->peers[0],
                         .other = &last};
    trace_clear();
    assert_null(loop_current());
    post_mail(port, 0, &first.mail);
    assert_int_equal(loop_wait_ns(b->peers[0]), 0);
    loop_turn(b->peers[0], 0);
    assert_null(loop_current());
    loop_turn(b->peers[1], 0);
    assert_string_equal(trace, "ab");
    loop_post_port_free(port);
}

struct held {
    struct courier courier;
    unsigned from, to;
    struct mail *first;
};

static void hold(struct courier *c, unsigned from, unsigned to, struct mail *first)
{
    struct held *h = CONTAINER_OF(c, struct held, courier);
    h->from = from;
    h->to = to;
    h->first = first;
}

static void a_courier_carries_batches_between_loops(void **state)
{
    struct bench *b = *state;
    struct held held = {.courier = {hold}};
    struct loop *l = loop_new(&(struct loop_conf){.index = 0, .count = 2,
                                                  .clock = &b->fake[0].clock,
                                                  .poller = &b->fake[0].poller,
                                                  .courier = &held.courier},
                              b->peers);
    struct note m[2] = {{.mail = {.run = note_mail}, .mark = 'a'},
                        {.mail = {.run = note_mail}, .mark = 'b'}};
    trace_clear();
    loop_post(l, 1, &m[0].mail);
    loop_post(l, 1, &m[1].mail);
    loop_turn(l, 0);
    assert_int_equal(held.to, 1);
    loop_turn(b->peers[1], 0);
    assert_string_equal(trace, "");
    loop_deliver(b->peers[1], held.first);
    loop_turn(b->peers[1], 0);
    assert_string_equal(trace, "ab");
    loop_free(l);
}

static void stop_mail(struct mail *m) { loop_stop(CONTAINER_OF(m, struct note, mail)->loop); }

static void run_ends_after_the_turn_that_was_told_to_stop(void **state)
{
    struct bench *b = *state;
    struct note m = {.mail = {.run = stop_mail}, .loop = b->peers[0]};
    loop_post_foreign(b->peers[0], &m.mail);
    loop_run(b->peers[0]);
    assert_null(loop_current());
    loop_stop(b->peers[0]); /* before the run: it ends at once */
    loop_run(b->peers[0]);
    assert_int_equal(loop_index(b->peers[1]), 1);
    assert_int_equal(loop_count(b->peers[0]), 2);
    assert_int_equal(loop_wall_ms(b->peers[0]), 1000000);
    assert_int_equal(loop_now_ms(b->peers[0]), 5);
    assert_int_equal(loop_now_ns(b->peers[0]), 5000000);
    assert_null(loop_log(b->peers[0]));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_turn_runs_its_phases_in_order),
        T(mail_to_itself_waits_for_the_next_turn),
        T(a_sleeping_target_is_woken_once_a_batch_and_an_awake_one_never),
        T(mail_that_meets_a_sleeper_wakes_it_once),
        T(mail_of_one_turn_is_bounded_and_the_rest_comes_next),
        T(timers_fire_in_order_and_never_early),
        T(a_hook_may_shorten_the_next_poll),
        T(a_restarted_timer_counts_anew),
        T(a_timer_that_restarts_itself_does_not_hold_the_turn),
        T(events_of_a_connection_closed_this_turn_are_dropped),
        T(events_nobody_asked_for_are_dropped_but_hangups_are_not),
        T(work_left_by_a_release_keeps_the_loop_awake),
        T(a_busy_hook_keeps_the_loop_awake),
        T(a_hook_may_hand_mail_over_before_the_turn_ends),
        T(the_post_port_batches_from_a_loop_and_hands_over_from_elsewhere),
        T(a_courier_carries_batches_between_loops),
        T(run_ends_after_the_turn_that_was_told_to_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
