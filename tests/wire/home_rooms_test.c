/*
 * What a client of /ws hears: states of all rooms it may see, or of those it has subscribed; which
 * it may subscribe, and in which order it is answered.
 */
#include "home_fixture.h"

#include <stdio.h>
#include <sys/socket.h>

static void expect_refused(struct peer *p, int64_t room, const char *code)
{
    char wanted[128];
    ask(p, "subscribe_room", room, "");
    snprintf(wanted, sizeof wanted, "\"ok\":false,\"error\":{\"code\":\"%s\"", code);
    peer_expect(p, wanted);
}

static void without_rooms_a_client_hears_of_all_it_may_see(void **state)
{
    struct peer p = enter("", admin);
    expect_changes(&p, ONLY("light.kitchen", "light.hall", "light.vault", "light.none"));
    struct peer q = enter("", "");
    expect_changes(&q, ONLY("light.kitchen", "light.hall", "light.none"));
    struct peer r = enter("", bound);
    expect_changes(&r, ONLY("light.hall"));
    peer_leave(&p);
    peer_leave(&q);
    peer_leave(&r);
}

static void the_first_room_ends_that_and_giving_up_the_last_brings_it_back(void **state)
{
    struct peer p = enter("", "");
    subscribe(&p, kitchen);
    expect_changes(&p, ONLY("light.kitchen"));
    subscribe(&p, kitchen); /* twice is once */
    subscribe(&p, hall);
    expect_changes(&p, ONLY("light.kitchen", "light.hall"));
    unsubscribe(&p, kitchen);
    unsubscribe(&p, 12345); /* that it never had */
    expect_changes(&p, ONLY("light.hall"));
    unsubscribe(&p, hall);
    expect_changes(&p, ONLY("light.kitchen", "light.hall", "light.none"));
    peer_leave(&p);
}

static void a_snapshot_comes_before_every_later_change(void **state)
{
    struct peer p = enter("", admin);
    set_state("light.kitchen", "before");
    peer_expect(&p, "\"new_state\":\"before\"");
    for (unsigned i = 0; i < 2; i++) { /* also of what it has */
        ask(&p, "subscribe_room", kitchen, ",\"snapshot\":true");
        peer_expect(&p, "{\"type\":\"room_snapshot\",\"data\":{\"room_id\":");
        assert_true(peer_is_there(p.text, "\"light.kitchen\""));
        assert_true(peer_is_there(p.text, "\"before\""));
        assert_false(peer_is_there(p.text, "light.hall"));
        peer_expect(&p, "{\"type\":\"result\",\"data\":{\"id\":1,\"ok\":true}");
    }
    expect_changes(&p, ONLY("light.kitchen"));
    peer_leave(&p);
}

static void what_a_client_may_not_have_is_refused(void **state)
{
    struct peer p = enter("", "");
    expect_refused(&p, 4711, "not_found");
    expect_refused(&p, vault, "not_found"); /* anonymous clients do not know of it */
    expect_refused(&p, 0, "invalid_message");
    peer_say(&p, "{\"type\":\"subscribe_room\"}");
    peer_expect(&p, "{\"type\":\"error\",\"data\":{\"code\":\"invalid_message\",\"message\":"
                    "\"the message does not have the documented form: room_id is missing\"}");
    peer_say(&p, "{\"type\":\"subscribe_room\",\"data\":{\"room_id\":\"1\"}}");
    peer_expect(&p, "\"code\":\"invalid_message\"");
    peer_leave(&p);
    p = enter("", bound);
    expect_refused(&p, kitchen, "not_found");
    subscribe(&p, hall);
    peer_leave(&p);
}

static void a_client_has_so_many_rooms_at_most(void **state)
{
    struct peer p = enter("", admin);
    int64_t more = room_new("more", false);
    peer_expect(&p, "{\"type\":\"room_updated\",\"data\":{\"room_id\":");
    subscribe(&p, kitchen);
    subscribe(&p, hall);
    subscribe(&p, vault);
    expect_refused(&p, more, "forbidden");
    subscribe(&p, vault);
    room_gone(more);
    peer_expect(&p, "\"action\":\"deleted\"");
    peer_leave(&p);
}

static void what_is_asked_in_one_go_is_answered_in_its_order(void **state)
{
    struct peer p = enter("", "");
    buf all = {0};
    for (unsigned i = 0; i < 4; i++) {
        char text[160];
        snprintf(text, sizeof text, "{\"type\":\"%s\",\"data\":{\"room_id\":%lld},\"id\":%u}",
                 i % 2 == 0 ? "subscribe_room" : "unsubscribe_room",
                 (long long)(i < 2 ? kitchen : hall), i);
        buf frame = peer_frame(WS_OP_TEXT, span_str(text));
        buf_append_span(&all, buf_span(&frame));
        buf_deinit(&frame);
    }
    peer_say(&p, "{\"type\":\"ping\"}");
    assert_int_equal(send(p.fd, all.ptr, all.len, MSG_NOSIGNAL), all.len);
    buf_deinit(&all);
    peer_expect(&p, "\"pong\"");
    for (unsigned i = 0; i < 4; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\"data\":{\"id\":%u,\"ok\":true}", i);
        peer_expect(&p, wanted);
    }
    expect_changes(&p, ONLY("light.kitchen", "light.hall", "light.none"));
    peer_leave(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rooms_a_client_hears_of_all_it_may_see),
        cmocka_unit_test(the_first_room_ends_that_and_giving_up_the_last_brings_it_back),
        cmocka_unit_test(a_snapshot_comes_before_every_later_change),
        cmocka_unit_test(what_a_client_may_not_have_is_refused),
        cmocka_unit_test(a_client_has_so_many_rooms_at_most),
        cmocka_unit_test(what_is_asked_in_one_go_is_answered_in_its_order),
    };
    return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
