/* Samples, rows and their keys, over good and bad clocks; when the state is due. */
#include "agent/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "agent/state_watch.h"

#define MINUTE INT64_C(60000)
#define NOON (INT64_C(29000000) * MINUTE) /* some minute's beginning */

static struct host_reading reading(uint64_t busy, uint64_t idle, uint64_t rx, uint64_t used)
{
    struct host_reading r = {0};
    r.cpu.ticks[PROC_CPU_USER] = busy;
    r.cpu.ticks[PROC_CPU_IDLE] = idle;
    r.rx_bytes = rx;
    r.tx_bytes = rx / 2;
    r.memory = (struct proc_meminfo){.total_bytes = 1000, .used_bytes = used};
    r.load1 = 0.5;
    return r;
}

static bool near(double a, double b)
{
    return a > b - 1e-6 && a < b + 1e-6;
}

static void first_reading_gives_nothing_the_next_a_sample(void **state)
{
    struct sampler s;
    struct sampler_out out;
    sampler_init(&s);
    struct host_reading a = reading(0, 0, 1000, 1), b = reading(25, 75, 21000, 7);
    sampler_add(&s, 0, NOON + 1000, &a, &out);
    assert_false(out.has_sample || out.has_row);
    sampler_add(&s, 0, NOON + 1000, &b, &out); /* no time passed */
    assert_false(out.has_sample || out.has_row);
    sampler_add(&s, 10000, NOON + 11000, &b, &out);
    assert_true(out.has_sample && !out.has_row);
    assert_true(near(out.sample.cpu_percent, 25));
    assert_true(near(out.sample.download_bytes, 2000));
    assert_true(near(out.sample.upload_bytes, 1000));
    assert_int_equal(out.sample.memory.used_bytes, 7);
    assert_int_equal(out.sample.at_ms, NOON + 11000);
}

static void a_row_holds_the_means_of_its_minute_and_the_last_memory(void **state)
{
    struct sampler s;
    struct sampler_out out;
    sampler_init(&s);
    uint64_t busy = 0, rx = 0;
    for (int i = 0; i <= 6; i++) {
        busy += i < 3 ? 1000 : 0; /* half of the minute busy */
        rx += i == 2 ? 60000 : 0;
        struct host_reading r = reading(busy, (uint64_t)i * 1000 - (busy - 1000), rx,
                                        (uint64_t)i);
        sampler_add(&s, i * 10000, NOON + 20 + i * 10000, &r, &out);
        assert_int_equal(out.has_row, i == 6);
    }
    assert_int_equal(out.row.at_ms, NOON + MINUTE);
    assert_true(near(out.row.cpu_percent, 100.0 * 2 / 6));
    assert_true(near(out.row.download_bytes, 1000));
    assert_int_equal(out.row.memory.used_bytes, 6);
}

/* Adds a reading 10 s later by the monotonic clock at wall time `wall`; the row's key or 0. */
static int64_t tick(struct sampler *s, int64_t wall)
{
    struct sampler_out out;
    struct host_reading r = reading(0, 0, 0, 0);
    sampler_add(s, s->last_ms + 10000, wall, &r, &out);
    return out.has_row ? out.row.at_ms : 0;
}

static void a_clock_set_back_holds_the_row_until_a_new_minute(void **state)
{
    struct sampler s;
    sampler_init(&s);
    assert_int_equal(tick(&s, NOON - 10000), 0);
    assert_int_equal(tick(&s, NOON), NOON);
    assert_int_equal(tick(&s, NOON + MINUTE), NOON + MINUTE);
    assert_int_equal(tick(&s, NOON + 2 * MINUTE), NOON + 2 * MINUTE);
    assert_int_equal(tick(&s, NOON + 10000), 0); /* two minutes back */
    assert_int_equal(tick(&s, NOON + MINUTE), 0);
    assert_int_equal(tick(&s, NOON + 2 * MINUTE), 0);
    assert_int_equal(tick(&s, NOON + 3 * MINUTE), NOON + 3 * MINUTE);
    assert_int_equal(s.row.elapsed_ms, 0); /* nothing of the time between was lost */
}

static void a_clock_that_was_years_ahead_does_not_stop_the_rows(void **state)
{
    struct sampler s;
    const int64_t ahead = NOON + 1000000 * MINUTE;
    sampler_init(&s);
    (void)tick(&s, ahead - 10);
    assert_int_equal(tick(&s, ahead), ahead);
    assert_int_equal(tick(&s, ahead + MINUTE), ahead + MINUTE);
    assert_int_equal(tick(&s, NOON), NOON);
    assert_int_equal(tick(&s, NOON + MINUTE), NOON + MINUTE);
    assert_int_equal(tick(&s, NOON), 0);
    assert_int_equal(tick(&s, ahead), 0); /* given before */
    assert_int_equal(tick(&s, ahead + MINUTE), 0);
    assert_int_equal(tick(&s, ahead + 2 * MINUTE), ahead + 2 * MINUTE);
    assert_int_equal(tick(&s, NOON - 5 * MINUTE), NOON - 5 * MINUTE);
    assert_int_equal(tick(&s, NOON + MINUTE), 0);
}

static void no_key_is_ever_given_twice(void **state)
{
    struct sampler s;
    static bool given[400];
    uint64_t seed = 7;
    sampler_init(&s);
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t minute = (int64_t)(seed >> 33) % 400;
        int64_t key = tick(&s, NOON + minute * MINUTE);
        if (key != 0) {
            assert_int_equal(key, NOON + minute * MINUTE);
            assert_false(given[minute]);
            given[minute] = true;
        }
    }
}

static void a_forward_jump_ends_the_row_at_the_newest_minute(void **state)
{
    struct sampler s;
    sampler_init(&s);
    (void)tick(&s, NOON);
    assert_int_equal(tick(&s, NOON + 500 * MINUTE + 123), NOON + 500 * MINUTE);
    assert_int_equal(tick(&s, NOON + 500 * MINUTE + 10123), 0);
}

static void readings_fall_just_after_multiples_of_ten_seconds(void **state)
{
    assert_int_equal(sampler_delay_ms(NOON), 10020);
    assert_int_equal(sampler_delay_ms(NOON + 20), 10000);
    assert_int_equal(sampler_delay_ms(NOON + 5000), 5020);
    assert_int_equal(sampler_delay_ms(NOON + 9500), 10520);
    assert_int_equal(sampler_delay_ms(-5), 10020);
    for (int64_t t = NOON; t < NOON + 10000; t += 7) {
        int64_t delay = sampler_delay_ms(t);
        assert_true(delay >= 1000 && delay <= 11020);
        assert_int_equal((t + delay) % 10000, 20);
    }
}

static void state_is_due_at_first_on_change_and_hourly(void **state)
{
    struct state_watch *w = mem_calloc(1, sizeof *w);
    struct host_state *s = mem_calloc(1, sizeof *s);
    state_watch_init(w);
    s->uptime_s = 5;
    assert_true(state_watch_due(w, 0, s));
    state_watch_told(w, 1000, s);
    s->uptime_s = 6;
    assert_false(state_watch_due(w, 2000, s));
    assert_true(state_watch_due(w, 1000 + STATE_WATCH_MS, s));
    s->hostname[0] = 'x';
    assert_true(state_watch_due(w, 2000, s));
    state_watch_told(w, 2000, s);
    assert_false(state_watch_due(w, 3000, s));
    state_watch_forget(w);
    assert_true(state_watch_due(w, 3000, s));
    mem_free(w);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_reading_gives_nothing_the_next_a_sample),
        cmocka_unit_test(a_row_holds_the_means_of_its_minute_and_the_last_memory),
        cmocka_unit_test(a_clock_set_back_holds_the_row_until_a_new_minute),
        cmocka_unit_test(a_clock_that_was_years_ahead_does_not_stop_the_rows),
        cmocka_unit_test(no_key_is_ever_given_twice),
        cmocka_unit_test(a_forward_jump_ends_the_row_at_the_newest_minute),
        cmocka_unit_test(readings_fall_just_after_multiples_of_ten_seconds),
        cmocka_unit_test(state_is_due_at_first_on_change_and_hourly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
