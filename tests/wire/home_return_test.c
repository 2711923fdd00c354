/*
 * What is ordered, by its position in the log, and clients of /ws that come back: from a position,
 * and as the session they were.
 */
#include "home_fixture.h"

#include <stdio.h>

static void rooms_are_told_with_their_position_and_replayed_from_it(void **state)
{
    struct peer p = enter("", admin);
    char since[128], id[128], query[160];
    snprintf(query, sizeof query, "?since=%s", peer_member(&p, "pos"));
    int64_t room = room_new("a \\u00e9\\\" room", false);
    peer_expect(&p, "{\"type\":\"room_updated\",\"data\":{\"room_id\":");
    assert_true(peer_is_there(p.text, "\"action\":\"created\"},\"pos\":\""));
    assert_true(peer_is_there(p.text, "\",\"timestamp\":\""));
    snprintf(since, sizeof since, "?since=%s", peer_member(&p, "pos"));
    snprintf(id, sizeof id, "%s", peer_member(&p, "id"));
    room_gone(room);
    peer_expect(&p, "\"action\":\"deleted\"");
    peer_leave(&p);
    p = enter(query, ""); /* from before both, as somebody else */
    peer_expect(&p, "\"action\":\"created\"");
    assert_string_equal(peer_member(&p, "id"), id);
    peer_expect(&p, "\"action\":\"deleted\"");
    peer_leave(&p);
    p = enter(since, admin); /* from between */
    peer_expect(&p, "\"action\":\"deleted\"");
    expect_changes(&p, ONLY("light.kitchen", "light.hall", "light.vault", "light.none"));
    peer_leave(&p);
}

static void a_position_of_another_log_is_a_gap(void **state)
{
    char query[128], wanted[160];
    struct peer p = enter("", "");
    snprintf(query, sizeof query, "?since=%s", peer_member(&p, "pos"));
    peer_leave(&p);
    query[7] = query[7] == '7' ? '8' : '7'; /* of the epoch */
    p = enter(query, "");
    snprintf(wanted, sizeof wanted, "{\"type\":\"gap\",\"data\":{\"from\":\"%s\",\"to\":\"",
             query + 7);
    peer_expect(&p, wanted);
    expect_changes(&p, ONLY("light.kitchen", "light.hall", "light.none"));
    peer_leave(&p);
}

static void private_rooms_are_not_told_to_anonymous_clients(void **state)
{
    struct peer p = enter("", ""), q = enter("", bound);
    int64_t room = room_new("safe", true);
    room_gone(room);
    expect_changes(&p, ONLY("light.kitchen", "light.hall", "light.none"));
    expect_changes(&q, ONLY("light.hall", "light.hall"));
    peer_leave(&p);
    peer_leave(&q);
}

static void a_session_comes_back_with_its_id_and_rooms(void **state)
{
    char client[64], session[80], query[128];
    struct peer p = enter("?session=", admin);
    assert_true(peer_is_there(p.text, "\"resumed\":false"));
    snprintf(client, sizeof client, "%s", peer_member(&p, "client_id"));
    snprintf(session, sizeof session, "%s", peer_member(&p, "session"));
    int64_t room = room_new("attic", false);
    peer_expect(&p, "\"created\"");
    subscribe(&p, hall);
    subscribe(&p, room);
    peer_leave(&p);
    room_gone(room);
    snprintf(query, sizeof query, "?session=%s", session);
    p = enter(query, admin);
    assert_true(peer_is_there(p.text, "\"resumed\":true"));
    assert_string_equal(peer_member(&p, "client_id"), client);
    assert_string_equal(peer_member(&p, "session"), session);
    peer_expect(&p, "{\"type\":\"error\",\"data\":{\"code\":\"not_found\"");
    peer_expect(&p, "\"created\""); /* it did not say what it has seen */
    peer_expect(&p, "\"deleted\"");
    expect_changes(&p, ONLY("light.hall"));
    struct peer q = enter(query, admin); /* it is taken */
    assert_true(peer_is_there(q.text, "\"resumed\":false"));
    peer_leave(&q);
    q = enter(query, "");
    assert_false(peer_is_there(q.text, "\"session\""));
    peer_leave(&q);
    peer_leave(&p);
}

static void a_session_that_took_its_leave_is_over(void **state)
{
    char query[128];
    struct peer p = enter("?session=", admin);
    snprintf(query, sizeof query, "?session=%s", peer_member(&p, "session"));
    peer_say_as(&p, WS_OP_CLOSE, SPAN("\x03\xe8"));
    (void)peer_closed(&p);
    peer_leave(&p);
    p = enter(query, admin);
    assert_true(peer_is_there(p.text, "\"resumed\":false"));
    peer_leave(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_are_told_with_their_position_and_replayed_from_it),
        cmocka_unit_test(a_position_of_another_log_is_a_gap),
        cmocka_unit_test(private_rooms_are_not_told_to_anonymous_clients),
        cmocka_unit_test(a_session_comes_back_with_its_id_and_rooms),
        cmocka_unit_test(a_session_that_took_its_leave_is_over),
    };
    return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
