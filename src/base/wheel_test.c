#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TICK_MS 100
#define NODES 500

struct record {
    struct wheel *wheel;
    unsigned count;
    struct wheel_node *last;
    struct wheel_node *clear; /* cleared on the first firing */
    struct wheel_node *rearm; /* set to a past time on the first firing */
};

static void on_fire(struct wheel_node *n, void *arg)
{
    struct record *r = arg;
    assert_false(wheel_armed(n));
    r->count++;
    r->last = n;
    if (r->clear != NULL) {
        wheel_clear(r->clear);
        r->clear = NULL;
    }
    if (r->rearm != NULL) {
        wheel_set(r->wheel, r->rearm, 0);
        r->rearm = NULL;
    }
}

static void fires_at_its_time_and_not_before(void **state)
{
    struct wheel w;
    struct wheel_node n = {0};
    struct record r = {.wheel = &w};
    wheel_init(&w, TICK_MS, 5000);
    wheel_set(&w, &n, 6050);
    assert_true(wheel_armed(&n));
    assert_int_equal(wheel_advance(&w, 5999, on_fire, &r), 0);
    assert_int_equal(wheel_advance(&w, 6000, on_fire, &r), 0);
    assert_int_equal(wheel_advance(&w, 6049, on_fire, &r), 0);
    assert_int_equal(wheel_advance(&w, 6050, on_fire, &r), 1);
    assert_ptr_equal(r.last, &n);
    assert_int_equal(wheel_advance(&w, 60000, on_fire, &r), 0);
}

static void past_time_fires_on_the_next_advance(void **state)
{
    struct wheel w;
    struct wheel_node n = {0};
    struct record r = {.wheel = &w};
    wheel_init(&w, TICK_MS, 5000);
    wheel_set(&w, &n, 10);
    assert_int_equal(wheel_advance(&w, 5000, on_fire, &r), 1);
    wheel_set(&w, &n, -10);
    assert_int_equal(wheel_advance(&w, 4000, on_fire, &r), 1); /* the clock stepped back */
}

static void times_beyond_a_lap_wait_for_their_lap(void **state)
{
    struct wheel w;
    struct wheel_node n = {0};
    struct record r = {.wheel = &w};
    int64_t lap_ms = (int64_t)WHEEL_SLOTS * TICK_MS;
    wheel_init(&w, TICK_MS, 0);
    wheel_set(&w, &n, 3 * lap_ms + 50);
    for (int64_t now = 0; now <= 3 * lap_ms; now += 70) {
        assert_int_equal(wheel_advance(&w, now, on_fire, &r), 0);
    }
    assert_int_equal(wheel_advance(&w, 3 * lap_ms + 50, on_fire, &r), 1);
}

static void long_sleep_fires_everything_once(void **state)
{
    struct wheel w;
    static struct wheel_node nodes[NODES];
    struct record r = {.wheel = &w};
    wheel_init(&w, TICK_MS, 1000);
    for (int i = 0; i < NODES; i++) {
        wheel_set(&w, &nodes[i], 1000 + i * 997);
    }
    int64_t last_ms = 1000 + (NODES - 1) * 997;
    assert_int_equal(wheel_advance(&w, last_ms, on_fire, &r), NODES);
    assert_int_equal(wheel_advance(&w, last_ms * 2, on_fire, &r), 0);
}

static void moved_node_fires_at_the_new_time_only(void **state)
{
    struct wheel w;
    struct wheel_node n = {0};
    struct record r = {.wheel = &w};
    wheel_init(&w, TICK_MS, 0);
    wheel_set(&w, &n, 500);
    wheel_set(&w, &n, 900);
    assert_int_equal(wheel_advance(&w, 899, on_fire, &r), 0);
    wheel_set(&w, &n, 895);
    assert_int_equal(wheel_advance(&w, 899, on_fire, &r), 1);
}

static void cleared_node_does_not_fire(void **state)
{
    struct wheel w;
    struct wheel_node n = {0};
    struct record r = {.wheel = &w};
    wheel_init(&w, TICK_MS, 0);
    wheel_clear(&n);
    assert_false(wheel_armed(&n));
    wheel_set(&w, &n, 500);
    wheel_clear(&n);
    wheel_clear(&n);
    assert_false(wheel_armed(&n));
    assert_int_equal(wheel_advance(&w, 1000, on_fire, &r), 0);
}

static void firing_may_clear_and_set_others_that_are_due(void **state)
{
    struct wheel w;
    struct wheel_node a = {0}, b = {0}, c = {0};
    struct record r = {.wheel = &w, .clear = &b, .rearm = &c};
    wheel_init(&w, TICK_MS, 0);
    wheel_set(&w, &a, 100);
    wheel_set(&w, &b, 100);
    wheel_set(&w, &c, 100);
    assert_int_equal(wheel_advance(&w, 100, on_fire, &r), 1);
    assert_ptr_equal(r.last, &a);
    assert_true(wheel_armed(&c));
    assert_int_equal(wheel_advance(&w, 100, on_fire, &r), 1);
    assert_ptr_equal(r.last, &c);
}

static void random_times_fire_exactly_when_due(void **state)
{
    struct wheel w;
    static struct wheel_node nodes[NODES];
    struct record r = {.wheel = &w};
    uint64_t x = 2463534242;
    wheel_init(&w, TICK_MS, 0);
    int64_t now = 0;
    for (int step = 0; step < 3000; step++) {
        for (int i = 0; i < 5; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            wheel_set(&w, &nodes[x % NODES], now + (int64_t)(x >> 20) % 120000 - 500);
        }
        now += (int64_t)(x >> 40) % 300;
        wheel_advance(&w, now, on_fire, &r);
        for (int i = 0; i < NODES; i++) {
            assert_true(!wheel_armed(&nodes[i]) || nodes[i].due_ms > now);
        }
    }
    unsigned armed = 0;
    for (int i = 0; i < NODES; i++) {
        armed += wheel_armed(&nodes[i]);
    }
    assert_true(armed > 0);
    assert_int_equal(wheel_advance(&w, now + 200000, on_fire, &r), armed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_at_its_time_and_not_before),
        cmocka_unit_test(past_time_fires_on_the_next_advance),
        cmocka_unit_test(times_beyond_a_lap_wait_for_their_lap),
        cmocka_unit_test(long_sleep_fires_everything_once),
        cmocka_unit_test(moved_node_fires_at_the_new_time_only),
        cmocka_unit_test(cleared_node_does_not_fire),
        cmocka_unit_test(firing_may_clear_and_set_others_that_are_due),
        cmocka_unit_test(random_times_fire_exactly_when_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
