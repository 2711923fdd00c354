/*
 * What ends and changes what a client of /ws hears: rooms that go or become private, rights that
 * change, and operators who end it.
 */
#include "home_fixture.h"

#include "edge/home/session.h"

#include <stdio.h>
#include <string.h>

static void a_deleted_room_is_told_and_its_client_does_not_hear_of_all(void **state)
{
    struct peer p = enter("", "");
    char wanted[128];
    int64_t room = room_new("attic", false);
    peer_expect(&p, "\"action\":\"created\"");
    subscribe(&p, room);
    room_gone(room);
    snprintf(wanted, sizeof wanted, "\"room_id\":%lld}", (long long)room);
    peer_expect(&p, "\"action\":\"deleted\"");
    peer_expect(&p, "{\"type\":\"error\",\"data\":{\"code\":\"not_found\"");
    assert_true(peer_is_there(p.text, wanted));
    expect_changes(&p, NOTHING);
    unsubscribe(&p, room); /* until it gives up what it had */
    expect_changes(&p, ONLY("light.kitchen", "light.hall", "light.none"));
    peer_leave(&p);
}

static void a_room_that_becomes_private_is_none_of_anonymous_clients(void **state)
{
    struct peer p = enter("", ""), q = enter("", admin);
    subscribe(&p, hall);
    subscribe(&p, kitchen);
    subscribe(&q, hall);
    room_private(hall, true);
    peer_expect(&p, "{\"type\":\"error\",\"data\":{\"code\":\"not_found\"");
    peer_expect(&q, "{\"type\":\"room_updated\"");
    expect_changes(&p, ONLY("light.kitchen"));
    expect_changes(&q, ONLY("light.hall", "light.hall")); /* of both rounds */
    room_private(hall, false);
    peer_leave(&p);
    peer_leave(&q);
}

static void changed_rights_change_what_is_heard(void **state)
{
    struct peer p = enter("", bound);
    bind_room(kitchen, true);
    await_room(kitchen, 1);
    unsubscribe(&p, 12345);
    expect_changes(&p, ONLY("light.kitchen", "light.hall"));
    subscribe(&p, kitchen);
    expect_changes(&p, ONLY("light.kitchen"));
    bind_room(kitchen, false);
    peer_expect(&p, "{\"type\":\"error\",\"data\":{\"code\":\"forbidden\"");
    expect_changes(&p, NOTHING);
    unsubscribe(&p, kitchen);
    expect_changes(&p, ONLY("light.hall"));
    bind_room(hall, false);
    peer_expect(&p, "{\"type\":\"error\",\"data\":{\"code\":\"forbidden\"");
    assert_int_equal(peer_closed(&p), 4000);
    peer_leave(&p);
    struct answer *a = &(struct answer){0};
    char text[8192];
    snprintf(text, sizeof text, "GET /ws HTTP/1.1\r\n" PEER_HOST_LINE PEER_UPGRADE "%s\r\n", bound);
    world_ask(&world, text, a);
    assert_int_equal(a->status, 403);
    bind_room(hall, true);
}

static void on_list(void *owner, const struct identity_result *r)
{
    (void)owner;
    for (unsigned i = 0; i < r->count; i++) {
        char wanted[64] = "operator";
        if (span_eq(r->users[i].username, SPAN("bob"))) {
            snprintf(wanted, sizeof wanted, "viewer@room:%lld", (long long)hall);
        } else if (!span_eq(r->users[i].username, SPAN("adam"))) {
            continue;
        }
        assert_true(span_eq(r->users[i].roles, span_str(wanted)));
        said.id++;
    }
    said.error = r->error;
    said.done = true;
}

static void the_list_of_users_shows_their_roles(void **state)
{
    said.id = 0;
    identity_user_list(&world.home, SPAN_NONE, 200, on_list, NULL);
    wait_done();
    assert_int_equal(said.id, 2);
}

static void who_may_see_all_may_come_to_see_one_room(void **state)
{
    uuid id;
    char line[4200];
    static const enum role viewer = ROLE_VIEWER;
    person("eve", &viewer, 1, &id, line);
    struct peer p = enter("", line);
    identity_bind(&world.home, id, ROLE_VIEWER, scope_room(vault), on_identity, NULL);
    wait_done();
    identity_unbind(&world.home, id, ROLE_VIEWER, SCOPE_ALL, on_identity, NULL);
    wait_done();
    await_room(vault, 1);
    await_topic("home/event/all", 1);
    unsubscribe(&p, 12345); /* an answer behind what has begun */
    expect_changes(&p, ONLY("light.vault"));
    int64_t room = room_new("attic", false);
    room_private(vault, false);
    peer_expect(&p, "{\"type\":\"room_updated\"");
    assert_true(peer_is_there(p.text, "\"updated\""));
    room_private(vault, true);
    peer_expect(&p, "{\"type\":\"room_updated\"");
    room_gone(room);
    expect_changes(&p, ONLY("light.vault"));
    identity_bind(&world.home, id, ROLE_VIEWER, SCOPE_ALL, on_identity, NULL);
    wait_done();
    await_room(vault, 0);
    await_topic("home/event/all", 0);
    expect_changes(&p, ONLY("light.kitchen", "light.hall", "light.vault", "light.none"));
    peer_leave(&p);
}

static void a_client_is_listed_by_its_id_and_ended_by_it(void **state)
{
    static struct answer a;
    char id[64], text[8192];
    struct peer p = enter("", "");
    snprintf(id, sizeof id, "%s", peer_member(&p, "client_id"));
    snprintf(text, sizeof text,
             "GET /api/v1/connections?wire=home HTTP/1.1\r\n" PEER_HOST_LINE "%s\r\n", admin);
    world_ask(&world, text, &a);
    assert_int_equal(a.status, 200);
    assert_true(peer_is_there(a.body, id));
    assert_true(peer_is_there(a.body, "\"userType\":\"anonymous\""));
    snprintf(text, sizeof text,
             "DELETE /api/v1/connections/%s HTTP/1.1\r\n" PEER_HOST_LINE "%s\r\n", id, admin);
    world_ask(&world, text, &a);
    assert_true(a.status == 200 || a.status == 204);
    assert_int_equal(peer_closed(&p), 4004);
    peer_leave(&p);
    world_ask(&world, text, &a);
    assert_int_equal(a.status, 404);
}

static void take_member(uint32_t member, void *arg) { *(uint32_t *)arg = member; }

static void rights_that_change_during_a_replay_send_the_client_away_at_once(void **state)
{
    char query[128], topic[64];
    struct peer p = enter("", bound);
    snprintf(query, sizeof query, "?since=%s", peer_member(&p, "pos"));
    uint32_t member = 0;
    await_room(hall, 1);
    snprintf(topic, sizeof topic, "home/state/%lld", (long long)hall);
    hub_topic_members(world.edge.hub, span_str(topic), take_member, &member);
    struct home_client *m = home_client_of(&world.edge, member);
    m->replaying = true; /* as while pages of the log are read */
    m->session.on_change(&m->session, SESSION_RIGHTS);
    assert_int_equal(peer_closed(&p), 4201);
    peer_leave(&p);
    p = enter(query, bound);
    expect_changes(&p, ONLY("light.hall"));
    peer_leave(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deleted_room_is_told_and_its_client_does_not_hear_of_all),
        cmocka_unit_test(a_room_that_becomes_private_is_none_of_anonymous_clients),
        cmocka_unit_test(changed_rights_change_what_is_heard),
        cmocka_unit_test(the_list_of_users_shows_their_roles),
        cmocka_unit_test(who_may_see_all_may_come_to_see_one_room),
        cmocka_unit_test(a_client_is_listed_by_its_id_and_ended_by_it),
        cmocka_unit_test(rights_that_change_during_a_replay_send_the_client_away_at_once),
    };
    return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
