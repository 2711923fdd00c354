/* Snapshots among the values that a slow reader waits for: what came before one stays before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hub/test_world.h"

static void tell(uint64_t key, const char *text)
{
    struct blob *b = blob(BLOB_STATE, 1, text);
    b->state_key = key;
    hub_publish(hub_of(0)->hub, 0, SPAN("room"), b);
}

static void snapshot(const char *text)
{
    struct blob *b = blob(BLOB_STATE, 2, text);
    b->barrier = true;
    hub_send(hub_of(0)->hub, 0, b);
}

static void start(uint32_t messages_max)
{
    world_start(1, messages_max, 1000);
    join(0, 0, 0);
    subscribe(0, 0, 0, "room");
    block(0, 0);
}

static void storm(void)
{
    tell(1, "lamp on");
    tell(2, "door shut");
    turn(0);
    tell(1, "lamp off");
    snapshot("lamp off, door shut");
    turn(0);
    tell(1, "lamp on");
    tell(2, "door open");
    tell(1, "lamp red");
    turn(0);
    make_room(0, 0, SIZE_MAX);
    expect(0, 0, "<lamp off><door shut><lamp off, door shut><lamp red><door open>");
}

static void no_newer_value_moves_in_front_of_a_snapshot(void **state)
{
    start(10);
    storm();
    assert_int_equal(stats(0)->merged, 2);
    world_stop();
}

static void the_same_on_a_wire_whose_encoding_is_shared(void **state)
{
    world_dear_wires = 1;
    start(10);
    world_dear_wires = 0;
    storm();
    assert_int_equal(stats(0)->merged, 2);
    world_stop();
}

static void behind_each_snapshot_values_are_merged_again(void **state)
{
    start(5);
    tell(1, "a");
    snapshot("A");
    tell(1, "b");
    snapshot("B");
    for (int i = 0; i < 100; i++) {
        tell(1, "c");
        turn(0);
    }
    tell(1, "d");
    turn(0);
    assert_int_equal(w.hubs[0].members[0].closed, 0);
    make_room(0, 0, SIZE_MAX);
    expect(0, 0, "<a><A><b><B><d>");
    assert_int_equal(stats(0)->merged, 100);
    world_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_newer_value_moves_in_front_of_a_snapshot),
        cmocka_unit_test(the_same_on_a_wire_whose_encoding_is_shared),
        cmocka_unit_test(behind_each_snapshot_values_are_merged_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
