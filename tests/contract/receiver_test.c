/* A receiver of webhook calls over the port's twin, with the time in the test's hand. */
#include "domain/receiver.h"

#include "adapters/post_queue/post_queue.h"
#include "adapters/webhook_twin/webhook_twin.h"
#include "base/mem.h"
#include "domain/home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int64_t now_ms;

static int64_t wall_ms(struct clock *c)
{
    (void)c;
    return now_ms;
}

static uint64_t mono_ns(struct clock *c)
{
    (void)c;
    return (uint64_t)now_ms * 1000000;
}

static struct clock test_clock = {wall_ms, mono_ns};
static struct domain_conf conf;
static struct home homes[2];
static struct post *post;
static struct webhook *port;
static struct receiver *receiver;

static const struct receiver_conf *conf_of(const struct home *h) { return &h->conf->app_receiver; }

static int setup(void **state)
{
    (void)state;
    now_ms = 1000000;
    conf = (struct domain_conf){.app_receiver = {.url = "http://a",
                                                 .ca = "",
                                                 .secret = "s",
                                                 .timeout_ms = 5000,
                                                 .calls_max = 2,
                                                 .queue_max = 3,
                                                 .answer_bytes_max = 100,
                                                 .breaker_failures = 5,
                                                 .breaker_open_ms = 60000}};
    post = post_queue_new(2);
    port = webhook_twin_new(post);
    for (unsigned i = 0; i < 2; i++) {
        homes[i] = (struct home){
            .index = i, .conf = &conf, .post = post, .clock = &test_clock, .webhook = port};
    }
    receiver = receiver_new(&homes[0], "test", conf_of);
    webhook_twin_answers(port, 200, "1", WEBHOOK_OK);
    return 0;
}

static void settle(void)
{
    while (post_queue_run(post, 0)) {
    }
}

static int teardown(void **state)
{
    (void)state;
    webhook_twin_close(port);
    settle();
    receiver_free(receiver);
    webhook_twin_free(port);
    post_queue_free(post);
    return 0;
}

struct made {
    struct receiver_call call;
    unsigned told;
};

static void on_done(struct receiver_call *c) { CONTAINER_OF(c, struct made, call)->told++; }

static void begin(struct made *m)
{
    *m = (struct made){.call = {.loop = 1, .done = on_done}};
    buf_append_str(&m->call.body, "{}");
    receiver_call(receiver, &homes[1], &m->call);
    assert_int_equal(m->told, 0);
    settle();
}

static void expect(struct made *m, enum receiver_result result)
{
    assert_int_equal(m->told, 1);
    if (m->call.result != result) {
        fail_msg("%s", receiver_result_name(m->call.result));
    }
    buf_deinit(&m->call.body);
    buf_deinit(&m->call.answer);
}

static void one(enum receiver_result result)
{
    struct made m;
    begin(&m);
    expect(&m, result);
}

static uint32_t breaker(void)
{
    return atomic_load_explicit(&receiver_state(receiver)->breaker, memory_order_relaxed);
}

static void each_outcome_has_a_name(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum webhook_result result;
        enum receiver_result becomes;
    } rows[] = {
        {200, WEBHOOK_OK, RECEIVER_ANSWERED},      {204, WEBHOOK_OK, RECEIVER_ANSWERED},
        {302, WEBHOOK_STATUS, RECEIVER_REFUSED},   {403, WEBHOOK_STATUS, RECEIVER_REFUSED},
        {408, WEBHOOK_STATUS, RECEIVER_FAILED},    {429, WEBHOOK_STATUS, RECEIVER_FAILED},
        {500, WEBHOOK_STATUS, RECEIVER_FAILED},    {0, WEBHOOK_TIMEOUT, RECEIVER_TIMEOUT},
        {0, WEBHOOK_TOO_LONG, RECEIVER_TOO_LONG},  {0, WEBHOOK_UNREACHABLE, RECEIVER_UNREACHABLE},
    };
    conf.app_receiver.breaker_failures = 0;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        webhook_twin_answers(port, rows[i].status, "{}", rows[i].result);
        one(rows[i].becomes);
    }
    for (unsigned i = 0; i < RECEIVER_RESULT_COUNT; i++) {
        assert_non_null(receiver_result_name((enum receiver_result)i));
    }
    conf.app_receiver.url = "";
    one(RECEIVER_NONE);
}

static void so_many_at_once_then_a_queue_then_busy(void **state)
{
    (void)state;
    struct made m[6];
    webhook_twin_hold(port, true);
    for (unsigned i = 0; i < 6; i++) {
        begin(&m[i]);
    }
    assert_int_equal(webhook_twin_held(port), 2);
    const struct receiver_state *s = receiver_state(receiver);
    assert_int_equal(atomic_load(&s->active), 2);
    assert_int_equal(atomic_load(&s->waiting), 3);
    expect(&m[5], RECEIVER_BUSY);
    webhook_twin_hold(port, false);
    settle();
    assert_int_equal(webhook_twin_count(port), 5);
    for (unsigned i = 0; i < 5; i++) {
        expect(&m[i], RECEIVER_ANSWERED);
    }
    assert_int_equal(atomic_load(&s->active), 0);
    assert_int_equal(atomic_load(&s->waiting), 0);
}

static void waiting_counts_as_time(void **state)
{
    (void)state;
    struct made m[3];
    webhook_twin_hold(port, true);
    for (unsigned i = 0; i < 3; i++) {
        begin(&m[i]);
    }
    now_ms += 5000;
    webhook_twin_hold(port, false);
    settle();
    expect(&m[0], RECEIVER_ANSWERED);
    expect(&m[1], RECEIVER_ANSWERED);
    expect(&m[2], RECEIVER_TIMEOUT);
    assert_int_equal(webhook_twin_count(port), 2);
    assert_int_equal(breaker(), BREAKER_CLOSED);
}

static void five_failures_spare_it_and_a_probe_ends_that(void **state)
{
    (void)state;
    webhook_twin_answers(port, 500, "", WEBHOOK_OK);
    for (unsigned i = 0; i < 5; i++) {
        one(RECEIVER_FAILED);
    }
    assert_int_equal(breaker(), BREAKER_OPEN);
    struct made m;
    begin(&m);
    assert_in_range(m.call.retry_ms, 1, 60000);
    expect(&m, RECEIVER_BREAKER);
    assert_int_equal(webhook_twin_count(port), 5); /* not called */
    now_ms += 60000;
    one(RECEIVER_FAILED); /* the probe */
    one(RECEIVER_BREAKER);
    now_ms += 60000;
    webhook_twin_answers(port, 404, "", WEBHOOK_OK); /* it lives, whatever it thinks of this one */
    one(RECEIVER_REFUSED);
    assert_int_equal(breaker(), BREAKER_CLOSED);
    one(RECEIVER_REFUSED);
    assert_int_equal(webhook_twin_count(port), 8);
}

static void who_waits_is_told_when_it_opens(void **state)
{
    (void)state;
    struct made m[5];
    conf.app_receiver.breaker_failures = 1;
    webhook_twin_answers(port, 0, "", WEBHOOK_TIMEOUT);
    webhook_twin_hold(port, true);
    for (unsigned i = 0; i < 5; i++) {
        begin(&m[i]);
    }
    webhook_twin_hold(port, false);
    settle();
    expect(&m[0], RECEIVER_TIMEOUT);
    expect(&m[1], RECEIVER_TIMEOUT);
    for (unsigned i = 2; i < 5; i++) {
        expect(&m[i], RECEIVER_BREAKER);
    }
    assert_int_equal(webhook_twin_count(port), 2);
}

static void a_probe_needs_a_place_and_is_alone(void **state)
{
    (void)state;
    struct made m[2], probe, other;
    conf.app_receiver.breaker_failures = 1;
    webhook_twin_hold(port, true);
    begin(&m[0]);
    begin(&m[1]);
    webhook_cancel(port, &m[0].call.call);
    settle();
    expect(&m[0], RECEIVER_CLOSED); /* given up: says nothing */
    assert_int_equal(breaker(), BREAKER_CLOSED);
    conf.app_receiver.calls_max = 1;
    webhook_twin_answers(port, 503, "", WEBHOOK_OK);
    webhook_twin_hold(port, false);
    settle();
    expect(&m[1], RECEIVER_FAILED);
    assert_int_equal(breaker(), BREAKER_OPEN);
    now_ms += 60000;
    webhook_twin_hold(port, true);
    begin(&probe);
    begin(&other);
    expect(&other, RECEIVER_BREAKER);
    webhook_twin_answers(port, 200, "", WEBHOOK_OK);
    webhook_twin_hold(port, false);
    settle();
    expect(&probe, RECEIVER_ANSWERED);
    assert_int_equal(breaker(), BREAKER_CLOSED);
}

static void another_url_is_another_receiver(void **state)
{
    (void)state;
    webhook_twin_answers(port, 500, "", WEBHOOK_OK);
    for (unsigned i = 0; i < 5; i++) {
        one(RECEIVER_FAILED);
    }
    one(RECEIVER_BREAKER);
    conf.app_receiver.url = "http://b";
    webhook_twin_answers(port, 200, "", WEBHOOK_OK);
    one(RECEIVER_ANSWERED);
    assert_int_equal(breaker(), BREAKER_CLOSED);
}

static void the_end_tells_everybody(void **state)
{
    (void)state;
    struct made m[5];
    webhook_twin_hold(port, true);
    for (unsigned i = 0; i < 5; i++) {
        begin(&m[i]);
    }
    webhook_twin_close(port);
    settle();
    expect(&m[0], RECEIVER_CLOSED);
    expect(&m[1], RECEIVER_CLOSED);
    for (unsigned i = 2; i < 5; i++) {
        expect(&m[i], RECEIVER_BUSY);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_outcome_has_a_name),
        T(so_many_at_once_then_a_queue_then_busy),
        T(waiting_counts_as_time),
        T(five_failures_spare_it_and_a_probe_ends_that),
        T(who_waits_is_told_when_it_opens),
        T(a_probe_needs_a_place_and_is_alone),
        T(another_url_is_another_receiver),
        T(the_end_tells_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
