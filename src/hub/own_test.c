/* Blobs that say something else to one member: at the same place of the order, whatever waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hub/test_world.h"

#define NOBODY UINT32_MAX

static uint32_t owner;     /* of every blob that may have one */
static unsigned asked_own; /* whose it is */

static uint32_t own(struct hub_sink *s, const struct blob *b)
{
    struct one *o = CONTAINER_OF(s, struct one, sink);
    asked_own++;
    return o->index == 0 ? owner : NOBODY;
}

static void encode_own(struct hub_sink *s, unsigned wire, const struct blob *b, buf *out)
{
    sink_encode(s, wire, b, out);
    out->len--;
    buf_append_str(out, wire == 0 ? "!>" : "!]");
}

static void start(unsigned hubs)
{
    owner = NOBODY;
    asked_own = 0;
    world_start(hubs, 8, 1000);
    for (unsigned i = 0; i < hubs; i++) {
        w.hubs[i].sink.own = own;
        w.hubs[i].sink.encode_own = encode_own;
    }
}

static struct blob *owned(const char *text)
{
    struct blob *b = blob(BLOB_ORDERED, 1, text);
    b->own = true;
    return b;
}

static void publish_owned(unsigned hub, const char *text)
{
    hub_publish(hub_of(hub)->hub, 0, SPAN("room"), owned(text));
}

static void one_member_hears_other_words_in_the_same_place(void **state)
{
    start(2);
    for (unsigned m = 0; m < 4; m++) {
        join(m / 2, m, m % 2);
        subscribe(m / 2, m, 0, "room");
    }
    settle(1);
    owner = 1;
    publish(0, 0, "room", BLOB_ORDERED, "a");
    publish_owned(1, "b");
    publish(0, 0, "room", BLOB_ORDERED, "c");
    settle(1);
    expect(0, 0, "<a><c><b>"); /* b comes by way of its own loop */
    expect(0, 1, "[a][c][b!]");
    expect(1, 2, "<a><c><b>");
    expect(1, 3, "[a][c][b]");
    world_stop();
}

static void others_are_encoded_once_and_nobody_is_asked_about_them(void **state)
{
    start(1);
    for (unsigned m = 0; m < 4; m++) {
        join(0, m, 0);
        subscribe(0, m, 0, "room");
    }
    publish(0, 0, "room", BLOB_ORDERED, "a");
    turn(0);
    assert_int_equal(w.hubs[0].encoded, 1);
    assert_int_equal(asked_own, 0);
    owner = 2;
    publish_owned(0, "b");
    turn(0);
    assert_int_equal(w.hubs[0].encoded, 3); /* for it, and for all others */
    assert_int_equal(asked_own, 1);
    owner = 9; /* of this loop, but without the topic */
    publish_owned(0, "c");
    turn(0);
    expect(0, 0, "<a><b><c>");
    expect(0, 2, "<a><b!><c>");
    assert_int_equal(stats(0)->delivered, 12);
    world_stop();
}

static void they_wait_in_an_outbox_as_they_were_said(void **state)
{
    for (unsigned dear = 0; dear < 2; dear++) {
        world_dear_wires = dear;
        start(1);
        world_dear_wires = 0;
        join(0, 0, 0);
        join(0, 1, 0);
        subscribe(0, 0, 0, "room");
        subscribe(0, 1, 0, "room");
        block(0, 0);
        block(0, 1);
        owner = 1;
        publish(0, 0, "room", BLOB_ORDERED, "a");
        turn(0); /* what was on its way when the socket became full */
        publish_owned(0, "b");
        publish(0, 0, "room", BLOB_ORDERED, "c");
        turn(0);
        owner = NOBODY; /* it is not asked again */
        for (unsigned m = 0; m < 2; m++) {
            make_room(0, m, SIZE_MAX);
        }
        expect(0, 0, "<a><b><c>");
        expect(0, 1, "<a><b!><c>");
        assert_int_equal(stats(0)->outbox_bytes, 0);
        world_stop();
    }
}

static void half_a_message_is_finished_in_its_own_words(void **state)
{
    start(1);
    join(0, 0, 0);
    subscribe(0, 0, 0, "room");
    owner = 0;
    w.hubs[0].members[0].room = 2;
    publish_owned(0, "b");
    publish(0, 0, "room", BLOB_ORDERED, "c");
    turn(0);
    make_room(0, 0, SIZE_MAX);
    expect(0, 0, "<b!><c>");
    world_stop();
}

static void what_is_sent_to_one_is_in_its_words_too(void **state)
{
    start(1);
    join(0, 0, 0);
    join(0, 1, 0);
    owner = 0;
    hub_send(hub_of(0)->hub, 0, owned("b")); /* as a replay does */
    hub_send(hub_of(0)->hub, 1, owned("b"));
    turn(0);
    expect(0, 0, "<b!>");
    expect(0, 1, "<b>");
    world_stop();
}

static void a_member_that_has_patterns_hears_them_once(void **state)
{
    start(1);
    join(0, 0, 0);
    subscribe(0, 0, 0, "room");
    subscribe(0, 0, 0, "+");
    owner = 0;
    publish_owned(0, "b");
    turn(0);
    expect(0, 0, "<b!>");
    world_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_hears_other_words_in_the_same_place),
        cmocka_unit_test(others_are_encoded_once_and_nobody_is_asked_about_them),
        cmocka_unit_test(they_wait_in_an_outbox_as_they_were_said),
        cmocka_unit_test(half_a_message_is_finished_in_its_own_words),
        cmocka_unit_test(what_is_sent_to_one_is_in_its_words_too),
        cmocka_unit_test(a_member_that_has_patterns_hears_them_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
