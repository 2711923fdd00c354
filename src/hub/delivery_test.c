/* What the sink is told about delivery: whose bytes went to a socket, and how long after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hub/test_world.h"

static uint32_t turn_us;  /* when the turn began */
static uint32_t later_us; /* how much later the clock is when it is read */
static struct {
    unsigned calls;
    uint32_t members;
    uint32_t us;   /* of the last call */
    unsigned wire;
    char payload[16];
} told;

static uint32_t now_us(struct hub_sink *s, bool exact)
{
    (void)s;
    return turn_us + (exact ? later_us : 0);
}

static void on_sent(struct hub_sink *s, unsigned wire, const struct blob *b, uint32_t members,
                    uint32_t us)
{
    (void)s;
    told.calls++;
    told.members += members;
    told.us = us;
    told.wire = wire;
    snprintf(told.payload, sizeof told.payload, "%.*s", SPAN_FMT(blob_payload(b)));
}

static void start(unsigned hubs)
{
    world_start(hubs, 10, 1000);
    for (unsigned i = 0; i < hubs; i++) {
        w.hubs[i].sink.now_us = now_us;
        w.hubs[i].sink.sent = on_sent;
    }
    turn_us = 1000;
    later_us = 0;
    memset(&told, 0, sizeof told);
}

static void a_message_is_told_once_a_turn_with_its_receivers(void **state)
{
    start(1);
    for (uint32_t m = 0; m < 3; m++) {
        join(0, m, 0);
        subscribe(0, m, 0, "t");
    }
    settle(1);
    publish(0, 0, "t", BLOB_STATE, "one");
    later_us = 70;
    turn(0);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.members, 3);
    assert_int_equal(told.us, 70);
    turn(0);
    assert_int_equal(told.calls, 1);
    hub_send_bytes(w.hubs[0].hub, 0, SPAN("an answer"), BLOB_ORDERED); /* its sender counts it */
    turn(0);
    assert_int_equal(told.calls, 1);
    world_stop();
}

static void time_goes_on_between_loops_and_over_the_end_of_the_counter(void **state)
{
    start(2);
    join(1, 5, 0);
    subscribe(1, 5, 0, "t");
    settle(1);
    turn_us = UINT32_MAX - 10;
    publish(1, 0, "t", BLOB_STATE, "one");
    turn_us = 50;
    settle(2);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.us, 61);
    publish(1, 0, "t", BLOB_STATE, "two");
    turn_us = 20; /* the other loop's turn began before */
    settle(3);
    assert_int_equal(told.us, 0);
    world_stop();
}

static void who_waits_is_told_of_when_the_socket_takes_it(void **state)
{
    world_dear_wires = 1u << 1;
    start(1);
    world_dear_wires = 0;
    for (uint32_t m = 0; m < 4; m++) {
        join(0, m, m / 2);
        subscribe(0, m, 0, "t");
    }
    settle(1);
    block(0, 1);
    block(0, 3);
    publish(0, 0, "t", BLOB_ORDERED, "late");
    turn(0);
    assert_int_equal(told.members, 2);
    turn_us += 150000;
    make_room(0, 1, SIZE_MAX);
    assert_int_equal(told.members, 3);
    assert_int_equal(told.us, 150000);
    turn_us += 50000;
    make_room(0, 3, SIZE_MAX);
    assert_int_equal(told.members, 4);
    assert_int_equal(told.us, 200000);
    assert_int_equal(told.wire, 1);
    world_stop();
}

static void what_was_not_published_now_has_no_time(void **state)
{
    start(1);
    join(0, 0, 0);
    hub_send(w.hubs[0].hub, 0, blob(BLOB_ORDERED, 1, "old"));
    turn(0);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.us, HUB_UNTIMED);
    world_stop();
}

static void what_is_sent_to_many_is_encoded_once_a_wire(void **state)
{
    static const uint32_t all[] = {0, 1, 2, 9, 3};
    start(1);
    for (uint32_t m = 0; m < 4; m++) {
        join(0, m, m == 3);
    }
    hub_send_many(w.hubs[0].hub, all, ARRAY_LEN(all), blob(BLOB_EPHEMERAL, 1, "beat"));
    turn(0);
    assert_int_equal(w.hubs[0].encoded, 2);
    assert_int_equal(told.members, 4);
    expect(0, 0, "<beat>");
    expect(0, 2, "<beat>");
    expect(0, 3, "[beat]");
    hub_send_many(w.hubs[0].hub, NULL, 0, blob(BLOB_EPHEMERAL, 1, "nobody"));
    turn(0);
    assert_int_equal(w.hubs[0].encoded, 2);
    world_stop();
}

static void of_what_is_sent_to_many_a_slow_reader_keeps_the_newest_state(void **state)
{
    static const uint32_t all[] = {0, 1};
    start(1);
    join(0, 0, 0);
    join(0, 1, 0);
    block(0, 1);
    for (unsigned i = 0; i < 3; i++) {
        hub_send_many(w.hubs[0].hub, all, 2, blob(BLOB_STATE, 1, i == 2 ? "new" : "old"));
        turn(0);
    }
    make_room(0, 1, SIZE_MAX);
    expect(0, 0, "<old><old><new>");
    expect(0, 1, "<new>");
    world_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_told_once_a_turn_with_its_receivers),
        cmocka_unit_test(time_goes_on_between_loops_and_over_the_end_of_the_counter),
        cmocka_unit_test(who_waits_is_told_of_when_the_socket_takes_it),
        cmocka_unit_test(what_was_not_published_now_has_no_time),
        cmocka_unit_test(what_is_sent_to_many_is_encoded_once_a_wire),
        cmocka_unit_test(of_what_is_sent_to_many_a_slow_reader_keeps_the_newest_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
