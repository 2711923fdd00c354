/* Rooms and who is in them, over one home and over several. */
#include "chat_fixture.h"

#include <string.h>

static void a_room_is_made_with_its_members(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), eve = employee("Eve");
    struct socket *one = socket_open(0, &ben);
    turns();
    assert_string_equal(heard(one), "listed\n");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    assert_true(t.created);
    assert_non_null(strstr(t.json, "\"name\":\"Team\",\"type\":\"group\",\"settings\":{}"));
    assert_non_null(strstr(t.json, "\"memberCount\":2,\"lastSeq\":0,\"unread\":0"));
    assert_non_null(strstr(t.json, "\"name\":\"Ben\",\"isOnline\":false"));
    turns();
    text = text_of("chat:room:created {\"id\":\"%s\",\"name\":\"Team\"", id_text(room));
    assert_heard(one, text);
    text = text_of("joined %s 0 0\n", id_text(room));
    assert_heard(one, text);
    chat_room_get(any_home(), room, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"name\":\"Ben\",\"isOnline\":true"));
    chat_room_get(any_home(), room, &eve, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
    joins(room, &eve, ERR_ROOM_ACCESS_DENIED);
    joins(room, &ben, ERR_NONE);
    assert_false(t.created);
    joins(eve.actor.id, &ben, ERR_ROOM_ACCESS_DENIED); /* no such room */
}

static void who_may_not_be_in_a_room_is_refused_with_it(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), gus = guest("Gus"), bot = robot("Bot");
    struct chat_who nobody = anna;
    uuid ids[] = {gus.actor.id, home_new_id(&w.homes[0])};
    struct chat_room_draft draft = {.name = SPAN("x"), .type = CHAT_GROUP, .members = ids};
    for (unsigned i = 0; i < 2; i++) {
        draft.members = &ids[i];
        draft.member_count = 1;
        chat_room_create(any_home(), &draft, &anna, NULL, on_told, &t);
        answered(ERR_INVALID_REQUEST);
        assert_string_equal(t.member, "members");
    }
    draft.member_count = 0;
    chat_room_create(any_home(), &draft, &gus, NULL, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_room_create(any_home(), &draft, &bot, NULL, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    draft.name = SPAN("");
    chat_room_create(any_home(), &draft, &anna, NULL, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    nobody.actor.id = ids[1];
    draft.name = SPAN("x");
    chat_room_create(any_home(), &draft, &nobody, NULL, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    room_made(CHAT_SUPPORT, "with a robot", &anna, &bot, NULL, NULL);
    assert_non_null(strstr(t.json, "\"kind\":\"robot\""));
}

static void two_people_have_one_direct_room(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    assert_true(t.created);
    uuid again = room_made(CHAT_DIRECT, "", &ben, &anna, NULL, NULL);
    assert_false(t.created);
    assert_true(uuid_eq(room, again));
    struct told both[2] = {{0}};
    struct chat_who cid = employee("Cid");
    struct chat_room_draft to_cid = {.type = CHAT_DIRECT, .members = &cid.actor.id,
                                     .member_count = 1};
    struct chat_room_draft to_anna = {.type = CHAT_DIRECT, .members = &anna.actor.id,
                                      .member_count = 1};
    chat_room_create(any_home(), &to_cid, &anna, NULL, on_told, &both[0]);
    chat_room_create(any_home(), &to_anna, &cid, NULL, on_told, &both[1]);
    turns();
    assert_true(both[0].done && both[1].done);
    assert_int_equal(both[0].error, ERR_NONE);
    assert_int_equal(both[1].error, ERR_NONE);
    assert_true(uuid_eq(both[0].id, both[1].id));
    assert_true(both[0].created != both[1].created);
}

static void public_rooms_are_joined_and_others_hear_of_it(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), gus = guest("Gus"),
                    bot = robot("Bot");
    uuid room = room_made(CHAT_PUBLIC, "Canteen", &anna, NULL, NULL, NULL);
    struct socket *hers = socket_open(0, &anna), *his = socket_open(w.count - 1, &ben);
    turns();
    text = text_of("joined %s 0 0\nlisted\n", id_text(room));
    assert_string_equal(heard(hers), text);
    joins(room, &gus, ERR_ROOM_ACCESS_DENIED);
    joins(room, &bot, ERR_ROOM_ACCESS_DENIED);
    chat_join(any_home(), room, &(struct chat_join){0}, &ben,
              &(struct chat_origin){.sid = SPAN("S1"), .request_id = SPAN("r-1")}, on_told, &t);
    answered(ERR_NONE);
    assert_true(t.created);
    assert_non_null(strstr(t.members, "\"lastSeq\":0,\"unread\":0,\"member\":{\"userId\""));
    turns();
    text = text_of("chat:room:joined {\"roomId\":\"%s\",\"userId\":\"%s\","
                   "\"userType\":\"employee\"}",
                   id_text(room), id_text(ben.actor.id));
    assert_heard(hers, text);
    assert_heard(hers, ",\"S1\",\"r-1\"");
    assert_not_heard(his, "chat:room:joined"); /* it came in after that */
    text = text_of("joined %s 0 0\n", id_text(room));
    assert_heard(his, text);
}

static void rooms_are_there_after_a_restart(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_PUBLIC, "Canteen", &anna, NULL, NULL, NULL);
    joins(room, &ben, ERR_NONE);
    chat_restart();
    struct socket *hers = socket_open(0, &anna);
    turns();
    text = text_of("joined %s 0 0\nlisted\n", id_text(room));
    assert_string_equal(heard(hers), text);
    chat_room_get(any_home(), room, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"memberCount\":2"));
    assert_non_null(strstr(t.json, "\"role\":\"owner\""));
}

static void supervisors_watch_what_is_noted(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), sue = supervisor("Sue");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    struct socket *hers = socket_open(0, &sue);
    turns();
    joins(room, &sue, ERR_NONE);
    assert_non_null(strstr(t.members, "\"watching\":true"));
    chat_watch(socket_client(hers), room, on_told, &t);
    answered(ERR_NONE);
    text = text_of("watching %s 0\n", id_text(room));
    assert_heard(hers, text);
    chat_room_get(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"memberCount\":1")); /* nobody sees it */
    struct chat_who now = sue;
    now.monitors = false;
    now.type = CHAT_EMPLOYEE;
    chat_client_rights(socket_client(hers), &now);
    turns();
    text = text_of("out %s removed\n", id_text(room));
    assert_heard(hers, text);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, chat_setup_1, chat_teardown),                            \
        cmocka_unit_test_setup_teardown(test, chat_setup_5, chat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_room_is_made_with_its_members),
        BOTH(who_may_not_be_in_a_room_is_refused_with_it),
        BOTH(two_people_have_one_direct_room),
        BOTH(public_rooms_are_joined_and_others_hear_of_it),
        BOTH(rooms_are_there_after_a_restart),
        BOTH(supervisors_watch_what_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
