/* The flush window: who waits, for how long, and who does not. */
#include "hub/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "hub/test_world.h"

#define US 1000u
#define MS (1000 * US)
#define WINDOW_NS (500 * US)
#define STEP_NS (100 * US) /* between turns under load: 10,000 messages/s to each member */
#define MEMBERS 16

static uint64_t now_ns;

/* The end of a turn; whether something waits. */
static bool pause_turn(void)
{
    int64_t wait_ns = hub_turn_pause(hub_of(0)->hub, now_ns, WINDOW_NS);
    assert_true(wait_ns == -1 || (wait_ns > 0 && wait_ns <= (int64_t)WINDOW_NS));
    return wait_ns >= 0;
}

static void start(void)
{
    world_start(1, 100, 10000);
    now_ns = 1000 * MS;
    for (uint32_t m = 0; m < MEMBERS; m++) {
        join(0, m, m % 2);
        subscribe(0, m, 0, "t");
    }
    pause_turn();
}

static void forget_all(void)
{
    for (uint32_t m = 0; m < MEMBERS; m++) {
        buf_clear(&w.hubs[0].members[m].got);
        w.hubs[0].members[m].writes = 0;
    }
}

/* Load until the window is in use and nothing waits. */
static void make_busy(void)
{
    bool waited = false;
    for (unsigned i = 0; i < 1000; i++) {
        publish(0, 0, "t", BLOB_ORDERED, "m");
        now_ns += STEP_NS;
        bool waits = pause_turn();
        if (waited && !waits) {
            forget_all();
            return;
        }
        waited = waits;
    }
    fail_msg("nothing ever waited");
}

static void little_is_not_delayed(void **state)
{
    start();
    for (unsigned i = 0; i < 2000; i++) {
        now_ns += i % 2 == 0 ? 10 * MS : 600 * US; /* some 190 messages a second */
        publish(0, 0, "t", BLOB_ORDERED, "m");
        assert_false(pause_turn());
        expect(0, 0, "<m>");
    }
    world_stop();
}

static void many_messages_to_few_are_not_delayed(void **state)
{
    start();
    subscribe(0, 0, 0, "one");
    for (unsigned i = 0; i < 2000; i++) {
        now_ns += STEP_NS;
        publish(0, 0, "one", BLOB_ORDERED, "m"); /* 10,000 writes a second */
        assert_false(pause_turn());
    }
    world_stop();
}

static void under_load_turns_share_a_write_and_nothing_waits_longer(void **state)
{
    start();
    make_busy();
    const unsigned turns = 1000;
    uint64_t oldest_ns = 0; /* of what waits; 0: nothing */
    for (unsigned i = 0; i < turns; i++) {
        char text[8];
        snprintf(text, sizeof text, "%04u", i);
        publish(0, 0, "t", BLOB_ORDERED, text);
        oldest_ns = oldest_ns == 0 ? now_ns : oldest_ns;
        bool waits = pause_turn();
        if (waits) {
            assert_true(now_ns - oldest_ns < WINDOW_NS);
        } else {
            assert_int_equal(w.hubs[0].members[3].got.len, 6 * (i + 1));
            oldest_ns = 0;
        }
        now_ns += STEP_NS;
    }
    turn(0);
    for (uint32_t m = 0; m < MEMBERS; m++) {
        buf *got = &w.hubs[0].members[m].got;
        assert_int_equal(got->len, turns * 6);
        for (unsigned i = 0; i < turns; i++) {
            uint64_t n;
            assert_true(span_u64(span_of(got->ptr + 6 * i + 1, 4), 9999, &n));
            assert_int_equal(n, i);
        }
        assert_true(w.hubs[0].members[m].writes < turns / 4);
    }
    assert_true(stats(0)->joined > MEMBERS * turns * 3 / 4);
    world_stop();
}

static void it_wakes_for_what_waits_when_nothing_more_comes(void **state)
{
    start();
    make_busy();
    publish(0, 0, "t", BLOB_ORDERED, "last");
    int64_t wait_ns = hub_turn_pause(w.hubs[0].hub, now_ns, WINDOW_NS);
    assert_int_equal(wait_ns, WINDOW_NS);
    now_ns += 200 * US;
    wait_ns = hub_turn_pause(w.hubs[0].hub, now_ns, WINDOW_NS);
    assert_int_equal(wait_ns, WINDOW_NS - 200 * US);
    expect(0, 5, "");
    now_ns += 300 * US;
    assert_false(pause_turn());
    expect(0, 5, "[last]");
    for (unsigned i = 0; i < 5; i++) { /* and the first after a quiet time leaves at once */
        now_ns += 20 * MS;
        assert_false(pause_turn());
    }
    publish(0, 0, "t", BLOB_ORDERED, "next");
    assert_false(pause_turn());
    expect(0, 5, "[next]");
    world_stop();
}

static void direct_messages_never_wait_and_keep_their_place(void **state)
{
    start();
    make_busy();
    struct hub *h = w.hubs[0].hub;
    publish(0, 0, "t", BLOB_ORDERED, "1");
    assert_true(pause_turn());
    publish(0, 0, "t", BLOB_ORDERED, "2");
    hub_send_bytes(h, 0, SPAN("ack"), BLOB_ORDERED);
    hub_send(h, 2, blob(BLOB_STATE, 1, "direct"));
    struct blob *keyed = blob(BLOB_STATE, 1, "keyed");
    keyed->state_key = 7;
    hub_send(h, 4, keyed);
    buf_append_str(hub_compose(h), "composed");
    hub_send_composed(h, 6, BLOB_ORDERED);
    hub_reply(h, (struct hub_ticket){.member = 8, .gen = 1}, blob(BLOB_ORDERED, 1, "reply"));
    publish(0, 0, "t", BLOB_ORDERED, "3");
    now_ns += STEP_NS;
    assert_true(pause_turn()); /* the others wait on */
    expect(0, 0, "<1><2>ack<3>");
    expect(0, 2, "<1><2><direct><3>");
    expect(0, 4, "<1><2><keyed><3>");
    expect(0, 6, "<1><2>composed<3>");
    expect(0, 8, "<1><2><reply><3>");
    expect(0, 10, "");
    publish(0, 0, "t", BLOB_ORDERED, "4");
    now_ns += STEP_NS;
    assert_true(pause_turn());
    hub_send_bytes(h, 0, SPAN("ack"), BLOB_ORDERED);
    now_ns += STEP_NS;
    assert_true(pause_turn());
    expect(0, 0, "<4>ack");
    expect(0, 2, "");
    now_ns += 2 * STEP_NS;
    assert_false(pause_turn());
    expect(0, 2, "<4>");
    expect(0, 10, "<1><2><3><4>");
    world_stop();
}

static void a_member_that_closes_takes_what_waits_for_it_alone(void **state)
{
    start();
    make_busy();
    publish(0, 0, "t", BLOB_ORDERED, "1");
    assert_true(pause_turn());
    leave(0, 0);
    expect(0, 0, "<1>");
    hub_unsubscribe(w.hubs[0].hub, 2, 0, SPAN("t"));
    join(0, 0, 0); /* another in its place: nothing of the former's */
    publish(0, 0, "t", BLOB_ORDERED, "2");
    now_ns += STEP_NS;
    assert_true(pause_turn());
    expect(0, 4, "");
    turn(0);
    expect(0, 0, "");
    expect(0, 2, "<1>");
    expect(0, 4, "<1><2>");
    world_stop();
}

static void slow_members_are_closed_while_others_wait(void **state)
{
    start();
    make_busy();
    block(0, 0);
    for (unsigned i = 0; i < 120; i++) {
        publish(0, 0, "t", BLOB_ORDERED, "m");
        now_ns += STEP_NS;
        pause_turn();
    }
    assert_false(w.hubs[0].members[0].open);
    assert_int_equal(w.hubs[0].members[0].closed, CLOSE_SLOW);
    turn(0);
    assert_int_equal(w.hubs[0].members[2].got.len, 120 * 3);
    world_stop();
}

static void a_window_that_saves_nothing_is_given_up(void **state)
{
    start();
    for (uint32_t m = 0; m < MEMBERS; m++) {
        char topic[8];
        hub_unsubscribe(w.hubs[0].hub, m, 0, SPAN("t"));
        snprintf(topic, sizeof topic, "r%u", m / 2);
        subscribe(0, m, 0, topic);
    }
    unsigned waited = 0;
    const unsigned turns = 100000; /* of 80 us: each room gets one in 640 us, 25,000 writes/s */
    for (unsigned i = 0; i < turns; i++) {
        char topic[8];
        snprintf(topic, sizeof topic, "r%u", i % 8);
        publish(0, 0, topic, BLOB_ORDERED, "m");
        now_ns += 80 * US;
        waited += pause_turn();
    }
    assert_true(waited > 0);
    assert_true(waited < turns / 200);
    world_stop();
}

static void a_setting_of_zero_ends_it_at_once(void **state)
{
    start();
    make_busy();
    publish(0, 0, "t", BLOB_ORDERED, "1");
    assert_true(pause_turn());
    assert_int_equal(hub_turn_pause(w.hubs[0].hub, now_ns, 0), -1);
    expect(0, 0, "<1>");
    for (unsigned i = 0; i < 500; i++) {
        publish(0, 0, "t", BLOB_ORDERED, "m");
        now_ns += STEP_NS;
        assert_int_equal(hub_turn_pause(w.hubs[0].hub, now_ns, 0), -1);
        expect(0, 0, "<m>");
    }
    world_stop();
}

static void freeing_a_hub_frees_what_waits(void **state)
{
    start();
    make_busy();
    publish(0, 0, "t", BLOB_ORDERED, "1");
    assert_true(pause_turn());
    world_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_is_not_delayed),
        cmocka_unit_test(many_messages_to_few_are_not_delayed),
        cmocka_unit_test(under_load_turns_share_a_write_and_nothing_waits_longer),
        cmocka_unit_test(it_wakes_for_what_waits_when_nothing_more_comes),
        cmocka_unit_test(direct_messages_never_wait_and_keep_their_place),
        cmocka_unit_test(a_member_that_closes_takes_what_waits_for_it_alone),
        cmocka_unit_test(slow_members_are_closed_while_others_wait),
        cmocka_unit_test(a_window_that_saves_nothing_is_given_up),
        cmocka_unit_test(a_setting_of_zero_ends_it_at_once),
        cmocka_unit_test(freeing_a_hub_frees_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
