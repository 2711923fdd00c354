/* One hub: members, a turn's writes, slow readers by class. */
#include "hub/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "hub/test_world.h"

/* ---- one loop ---- */

static void subscribers_get_what_is_published_and_nobody_else(void **state)
{
    world_start(1, 10, 1000);
    for (uint32_t m = 0; m < 4; m++) {
        join(0, m, m % 2);
    }
    subscribe(0, 0, 0, "a");
    subscribe(0, 0, 0, "a"); /* twice is once */
    subscribe(0, 1, 0, "a");
    subscribe(0, 2, 0, "b");
    publish(0, 0, "a", BLOB_ORDERED, "1");
    publish(0, 0, "b", BLOB_ORDERED, "2");
    publish(0, 0, "c", BLOB_ORDERED, "3");
    turn(0);
    expect(0, 0, "<1>");
    expect(0, 1, "[1]");
    expect(0, 2, "<2>");
    expect(0, 3, "");
    assert_int_equal(w.hubs[0].encoded, 3); /* once a wire */
    assert_int_equal(stats(0)->published, 3);
    assert_int_equal(stats(0)->delivered, 3);
    assert_int_equal(stats(0)->topics, 2);
    assert_true(hub_unsubscribe(w.hubs[0].hub, 0, 0, SPAN("a")));
    assert_false(hub_unsubscribe(w.hubs[0].hub, 0, 0, SPAN("a")));
    publish(0, 0, "a", BLOB_ORDERED, "4");
    turn(0);
    expect(0, 0, "");
    expect(0, 1, "[4]");
    assert_true(hub_subscribed(w.hubs[0].hub, 1, SPAN("a")));
    assert_int_equal(topic_subscribers(hub_topic(w.hubs[0].hub, SPAN("a"))), 1);
    leave(0, 1);
    leave(0, 1);
    assert_null(hub_topic(w.hubs[0].hub, SPAN("a")));
    assert_false(hub_subscribed(w.hubs[0].hub, 1, SPAN("a")));
    publish(0, 0, "a", BLOB_ORDERED, "5");
    turn(0);
    assert_int_equal(stats(0)->subscriptions, 1);
    world_stop();
}

static void a_turn_is_one_write_a_member_in_order(void **state)
{
    world_start(1, 10, 1000);
    join(0, 0, 0);
    join(0, 1, 0);
    subscribe(0, 0, 0, "a");
    subscribe(0, 0, 0, "b");
    subscribe(0, 1, 0, "b");
    hub_send(w.hubs[0].hub, 0, blob(BLOB_ORDERED, 1, "x"));
    publish(0, 0, "a", BLOB_ORDERED, "1");
    publish(0, 0, "b", BLOB_ORDERED, "2");
    hub_send_bytes(w.hubs[0].hub, 0, SPAN("raw"), BLOB_ORDERED);
    buf_append_str(hub_compose(w.hubs[0].hub), "put");
    hub_send_composed(w.hubs[0].hub, 1, BLOB_ORDERED);
    buf_append_str(hub_compose(w.hubs[0].hub), "nobody");
    hub_send_composed(w.hubs[0].hub, 7, BLOB_ORDERED);
    hub_send(w.hubs[0].hub, 7, blob(BLOB_ORDERED, 1, "nobody"));
    publish(0, 0, "a", BLOB_ORDERED, "3");
    turn(0);
    expect(0, 0, "<x><1><2>raw<3>");
    expect(0, 1, "<2>put");
    assert_int_equal(w.hubs[0].members[0].writes, 1);
    assert_int_equal(w.hubs[0].members[1].writes, 1);
    assert_int_equal(stats(0)->delivered, 7);
    world_stop();
}

static void what_was_said_before_a_close_leaves_before_it(void **state)
{
    world_start(1, 10, 1000);
    join(0, 0, 0);
    hub_send(w.hubs[0].hub, 0, blob(BLOB_ORDERED, 1, "bye"));
    leave(0, 0);
    expect(0, 0, "<bye>");
    turn(0);
    expect(0, 0, "");
    world_stop();
}

/* An upgrade: what was encoded before leaves in the old form, before anything in the new one. */
static void a_member_may_change_its_wire(void **state)
{
    world_start(1, 10, 1000);
    join(0, 0, 0);
    join(0, 1, 0);
    subscribe(0, 0, 0, "a");
    subscribe(0, 1, 0, "a");
    publish(0, 0, "a", BLOB_ORDERED, "1");
    hub_member_wire(w.hubs[0].hub, 0, HUB_WIRES_MAX - 1); /* dirty in this turn */
    expect(0, 0, "<1>");
    publish(0, 0, "a", BLOB_ORDERED, "2");
    hub_send(w.hubs[0].hub, 0, blob(BLOB_ORDERED, 1, "3"));
    turn(0);
    expect(0, 0, "[2][3]");
    expect(0, 1, "<1><2>");

    block(0, 1); /* a poll that nobody waits for */
    publish(0, 0, "a", BLOB_ORDERED, "4");
    turn(0);
    hub_send_bytes(w.hubs[0].hub, 1, SPAN("raw"), BLOB_ORDERED);
    publish(0, 0, "a", BLOB_ORDERED, "5");
    expect(0, 1, "");
    w.hubs[0].members[1].room = SIZE_MAX;
    hub_member_wire(w.hubs[0].hub, 1, 1);
    expect(0, 1, "<4>raw<5>");
    publish(0, 0, "a", BLOB_ORDERED, "6");
    turn(0);
    expect(0, 1, "[6]");
    expect(0, 0, "[4][5][6]");
    assert_int_equal(stats(0)->outbox_bytes, 0);
    hub_member_wire(w.hubs[0].hub, 1, 0); /* nothing waits: nothing is written */
    expect(0, 1, "");
    world_stop();
}

static void events_without_words_on_a_wire_are_nothing(void **state)
{
    world_start(1, 10, 1000);
    join(0, 0, 0);
    subscribe(0, 0, 0, "a");
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), blob(BLOB_ORDERED, NO_EVENT, "x"));
    turn(0);
    assert_int_equal(w.hubs[0].members[0].writes, 0);
    block(0, 0);
    publish(0, 0, "a", BLOB_ORDERED, "1");
    turn(0);
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), blob(BLOB_ORDERED, NO_EVENT, "x"));
    publish(0, 0, "a", BLOB_ORDERED, "2");
    make_room(0, 0, SIZE_MAX);
    turn(0);
    expect(0, 0, "<1><2>");
    world_stop();
}

static bool even(struct hub_sink *s, uint32_t member, const struct blob *b)
{
    CONTAINER_OF(s, struct one, sink)->asked++;
    assert_true(b->some);
    return member % 2 == 0;
}

static struct blob *for_some(const char *text)
{
    struct blob *b = blob(BLOB_ORDERED, 1, text);
    b->some = true;
    return b;
}

static void what_is_for_some_reaches_those_who_want_it(void **state)
{
    world_start(2, 10, 1000);
    for (unsigned i = 0; i < 8; i++) {
        join(i / 4, i % 4, i % 4 == 3);
        subscribe(i / 4, i % 4, 0, "a");
    }
    subscribe(1, 2, 0, "+"); /* asked once, whatever it has */
    settle(1);
    hub_publish(hub_of(1)->hub, 0, SPAN("a"), for_some("nobody says who"));
    settle(1);
    w.hubs[0].sink.wants = w.hubs[1].sink.wants = even;
    publish(1, 0, "a", BLOB_ORDERED, "1");
    hub_publish(hub_of(1)->hub, 0, SPAN("a"), for_some("2"));
    publish(1, 0, "a", BLOB_ORDERED, "3");
    settle(2);
    for (unsigned i = 0; i < 2; i++) {
        expect(i, 0, "<1><2><3>");
        expect(i, 1, "<1><3>");
        expect(i, 2, "<1><2><3>");
        expect(i, 3, "[1][3]");
        assert_int_equal(w.hubs[i].asked, 4);
        assert_int_equal(w.hubs[i].encoded, 5); /* not for a wire that nobody of them has */
    }
    hub_send(hub_of(0)->hub, 1, for_some("4")); /* whoever sends to one has asked */
    turn(0);
    expect(0, 1, "<4>");
    world_stop();
}

static bool picked(struct hub_sink *s, const struct blob *b, struct hub_picks *picks)
{
    if (b->payload[0] == 'e') {
        return false;
    }
    hub_pick_topic(picks, SPAN("room"));
    hub_pick_topic(picks, SPAN("nowhere"));
    hub_pick(picks, 2);
    hub_pick(picks, 4); /* in the room, too */
    hub_pick(picks, 9); /* not here */
    hub_pick(picks, 5); /* not one of the topic's */
    return true;
}

static void those_who_may_want_it_are_named_without_asking_all(void **state)
{
    world_start(1, 10, 1000);
    w.hubs[0].sink.wants = even;
    w.hubs[0].sink.among = picked;
    for (uint32_t m = 0; m < 8; m++) {
        join(0, m, 0);
        if (m != 5) {
            subscribe(0, m, 0, "a");
        }
    }
    subscribe(0, 4, 0, "room");
    subscribe(0, 5, 0, "room");
    subscribe(0, 7, 0, "room");
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), for_some("1"));
    turn(0);
    assert_int_equal(w.hubs[0].asked, 3); /* 2, 4 and 7 */
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), for_some("each"));
    hub_publish(w.hubs[0].hub, 0, SPAN("b"), for_some("2"));
    subscribe(0, 6, 0, "+");
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), for_some("3"));
    turn(0);
    expect(0, 0, "<each>");
    expect(0, 2, "<1><each><3>");
    expect(0, 4, "<1><each><3>");
    expect(0, 5, "");
    expect(0, 6, "<each><3>"); /* by its pattern */
    expect(0, 7, "");
    world_stop();
}

/* ---- slow readers ---- */

static struct blob *logged(uint16_t event, const char *text)
{
    struct blob *b = blob(BLOB_ORDERED, event, text);
    b->pos = 1;
    return b;
}

static void a_member_hears_of_the_log_what_it_wants(void **state)
{
    world_start(1, 10, 1000);
    for (uint32_t m = 0; m < 2; m++) {
        join(0, m, 0);
        subscribe(0, m, 0, "a");
    }
    hub_member_events(w.hubs[0].hub, 1, 1ull << 63 | 1ull << 2);
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), logged(1, "1"));
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), logged(2, "2"));
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), logged(63, "3"));
    publish(0, 0, "a", BLOB_ORDERED, "4"); /* is not logged */
    hub_send(w.hubs[0].hub, 1, logged(1, "5"));
    hub_send(w.hubs[0].hub, 1, logged(2, "6"));
    turn(0);
    expect(0, 0, "<1><2><3><4>");
    expect(0, 1, "<2><3><4><6>");
    leave(0, 1);
    join(0, 1, 0); /* another member in its place wants all */
    subscribe(0, 1, 0, "a");
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), logged(1, "7"));
    turn(0);
    expect(0, 1, "<7>");
    leave(0, 0);
    leave(0, 1);
    world_stop();
}

static void messages_wait_whole_for_a_full_socket_in_order(void **state)
{
    for (size_t room = 0; room < 16; room++) { /* cut at every byte */
        world_start(1, 10, 1000);
        join(0, 0, 0);
        subscribe(0, 0, 0, "a");
        subscribe(0, 0, 0, "b");
        w.hubs[0].members[0].room = room;
        publish(0, 0, "a", BLOB_ORDERED, "one");
        hub_send_bytes(w.hubs[0].hub, 0, SPAN("raw"), BLOB_ORDERED);
        publish(0, 0, "b", BLOB_ORDERED, "two");
        turn(0);
        publish(0, 0, "a", BLOB_ORDERED, "three");
        hub_send_bytes(w.hubs[0].hub, 0, SPAN("bytes"), BLOB_ORDERED);
        turn(0);
        uint32_t messages;
        uint64_t bytes;
        hub_member_queue(w.hubs[0].hub, 0, &messages, &bytes);
        assert_int_equal(bytes, stats(0)->outbox_bytes);
        assert_true(messages >= 1);
        make_room(0, 0, 4);
        make_room(0, 0, 3);
        make_room(0, 0, SIZE_MAX);
        hub_member_queue(w.hubs[0].hub, 0, &messages, &bytes);
        assert_int_equal(messages, 0);
        publish(0, 0, "a", BLOB_ORDERED, "last");
        turn(0);
        expect(0, 0, "<one>raw<two><three>bytes<last>");
        assert_int_equal(stats(0)->outbox_bytes, 0);
        assert_int_equal(stats(0)->delivered, 6);
        world_stop();
    }
}

static void a_dear_encoding_is_made_once_for_slow_readers_too(void **state)
{
    world_dear_wires = 1u << 1;
    world_start(1, 100, 10000);
    world_dear_wires = 0;
    for (uint32_t m = 0; m < 4; m++) {
        join(0, m, m == 3 ? 0 : 1);
        subscribe(0, m, 0, "t");
    }
    settle(1);
    block(0, 0);
    block(0, 1);
    block(0, 3);
    w.hubs[0].encoded = 0;
    publish(0, 0, "t", BLOB_ORDERED, "one"); /* found full at the end of the turn */
    turn(0);
    assert_int_equal(w.hubs[0].encoded, 2); /* each wire once */
    publish(0, 0, "t", BLOB_STATE, "two");
    publish(0, 0, "t", BLOB_STATE, "three");
    turn(0);
    expect(0, 2, "[one][two][three]");
    w.hubs[0].encoded = 0;
    make_room(0, 0, SIZE_MAX);
    make_room(0, 1, 2); /* a part of the first */
    make_room(0, 1, SIZE_MAX);
    assert_int_equal(w.hubs[0].encoded, 0);
    make_room(0, 3, SIZE_MAX);
    assert_int_equal(w.hubs[0].encoded, 2); /* the cheap one is made again */
    expect(0, 0, "[one][three]");
    expect(0, 1, "[one][three]");
    expect(0, 3, "<one><three>");
    assert_int_equal(stats(0)->outbox_bytes, 0);
    world_stop();
}

static void ordered_overflow_closes_the_slow_member_only(void **state)
{
    world_start(1, 3, 1000);
    join(0, 0, 0);
    join(0, 1, 0);
    subscribe(0, 0, 0, "a");
    subscribe(0, 1, 0, "a");
    block(0, 0);
    for (int i = 0; i < 3; i++) {
        publish(0, 0, "a", BLOB_ORDERED, "m");
        turn(0);
    }
    assert_true(w.hubs[0].members[0].open);
    publish(0, 0, "a", BLOB_ORDERED, "m");
    turn(0);
    assert_false(w.hubs[0].members[0].open);
    assert_int_equal(w.hubs[0].members[0].closed, CLOSE_SLOW);
    assert_int_equal(stats(0)->slow_closed, 1);
    assert_int_equal(stats(0)->outbox_bytes, 0);
    expect(0, 1, "<m><m><m><m>");
    world_stop();
}

static void an_empty_outbox_takes_one_message_of_any_size(void **state)
{
    world_start(1, 10, 100);
    join(0, 0, 0);
    block(0, 0);
    static char large[5000];
    memset(large, 'l', sizeof large - 1);
    hub_send(w.hubs[0].hub, 0, blob(BLOB_ORDERED, 1, large));
    turn(0);
    assert_true(w.hubs[0].members[0].open);
    hub_send(w.hubs[0].hub, 0, blob(BLOB_ORDERED, 1, "x"));
    turn(0);
    assert_false(w.hubs[0].members[0].open);
    world_stop();
}

static void bytes_count_against_the_outbox(void **state)
{
    world_start(1, 1000, 100);
    join(0, 0, 0);
    block(0, 0);
    for (int i = 0; i < 10; i++) {
        hub_send_bytes(w.hubs[0].hub, 0, SPAN("ten bytes."), BLOB_ORDERED);
    }
    turn(0);
    assert_true(w.hubs[0].members[0].open);
    hub_send_bytes(w.hubs[0].hub, 0, SPAN("1"), BLOB_ORDERED);
    assert_true(w.hubs[0].members[0].open); /* closed at the end of the turn, never inside */
    turn(0);
    assert_false(w.hubs[0].members[0].open);
    world_stop();
}

static void state_keeps_the_newest_value_of_each_key(void **state)
{
    world_start(1, 4, 1000);
    join(0, 0, 0);
    subscribe(0, 0, 0, "a");
    subscribe(0, 0, 0, "b");
    block(0, 0);
    for (int i = 0; i < 50; i++) {
        char text[16];
        snprintf(text, sizeof text, "a%d", i);
        publish(0, 0, "a", BLOB_STATE, text);
        snprintf(text, sizeof text, "b%d", i);
        publish(0, 0, "b", BLOB_STATE, text);
        struct blob *keyed = blob(BLOB_STATE, 1, text);
        keyed->state_key = 77;
        hub_send(w.hubs[0].hub, 0, keyed);
        turn(0);
    }
    hub_publish(w.hubs[0].hub, 0, SPAN("a"), blob(BLOB_STATE, 2, "other event"));
    assert_int_equal(stats(0)->merged, 147);
    make_room(0, 0, SIZE_MAX);
    expect(0, 0, "<a49><b49><b49><other event>");
    assert_true(w.hubs[0].members[0].open);
    world_stop();
}

/* A snapshot of two devices is two direct messages of one event: neither stands for the other. */
static void direct_state_without_a_key_replaces_nothing(void **state)
{
    world_start(1, 4, 1000);
    join(0, 0, 0);
    block(0, 0);
    hub_send(w.hubs[0].hub, 0, blob(BLOB_STATE, 1, "device 1"));
    hub_send(w.hubs[0].hub, 0, blob(BLOB_STATE, 1, "device 2"));
    turn(0);
    make_room(0, 0, SIZE_MAX);
    expect(0, 0, "<device 1><device 2>");
    world_stop();
}

static void ephemeral_messages_are_dropped_for_a_full_socket(void **state)
{
    world_start(1, 4, 1000);
    join(0, 0, 0);
    subscribe(0, 0, 0, "a");
    w.hubs[0].members[0].room = 2;
    publish(0, 0, "a", BLOB_EPHEMERAL, "begun");
    publish(0, 0, "a", BLOB_EPHEMERAL, "dropped");
    turn(0);
    publish(0, 0, "a", BLOB_EPHEMERAL, "dropped");
    publish(0, 0, "a", BLOB_ORDERED, "kept");
    turn(0);
    make_room(0, 0, SIZE_MAX);
    publish(0, 0, "a", BLOB_EPHEMERAL, "again");
    turn(0);
    expect(0, 0, "<begun><kept><again>");
    assert_int_equal(stats(0)->dropped, 2);
    assert_int_equal(stats(0)->delivered, 3);
    world_stop();
}

static void a_large_turn_is_written_in_parts(void **state)
{
    world_start(1, 10, 100);
    join(0, 0, 0);
    static char large[600000];
    memset(large, 'l', sizeof large - 1);
    for (int i = 0; i < 10; i++) {
        hub_send(w.hubs[0].hub, 0, blob(BLOB_ORDERED, 1, large));
    }
    assert_true(w.hubs[0].members[0].got.len > 4000000);
    turn(0);
    assert_int_equal(w.hubs[0].members[0].got.len, 10 * (sizeof large + 1));
    world_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribers_get_what_is_published_and_nobody_else),
        cmocka_unit_test(a_turn_is_one_write_a_member_in_order),
        cmocka_unit_test(what_was_said_before_a_close_leaves_before_it),
        cmocka_unit_test(a_member_may_change_its_wire),
        cmocka_unit_test(events_without_words_on_a_wire_are_nothing),
        cmocka_unit_test(what_is_for_some_reaches_those_who_want_it),
        cmocka_unit_test(those_who_may_want_it_are_named_without_asking_all),
        cmocka_unit_test(a_member_hears_of_the_log_what_it_wants),
        cmocka_unit_test(messages_wait_whole_for_a_full_socket_in_order),
        cmocka_unit_test(a_dear_encoding_is_made_once_for_slow_readers_too),
        cmocka_unit_test(ordered_overflow_closes_the_slow_member_only),
        cmocka_unit_test(an_empty_outbox_takes_one_message_of_any_size),
        cmocka_unit_test(bytes_count_against_the_outbox),
        cmocka_unit_test(state_keeps_the_newest_value_of_each_key),
        cmocka_unit_test(direct_state_without_a_key_replaces_nothing),
        cmocka_unit_test(ephemeral_messages_are_dropped_for_a_full_socket),
        cmocka_unit_test(a_large_turn_is_written_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
