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

static void leaves(uuid room, const struct chat_who *who, err error)
{
    chat_leave(any_home(), room, who, NULL, on_told, &t);
    answered(error);
}

static void who_leaves_hears_nothing_more_and_an_heir_owns_the_room(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, NULL);
    struct socket *a = socket_open(0, &anna), *b = socket_open(w.count - 1, &ben);
    turns();
    (void)heard(a);
    (void)heard(b);
    leaves(room, &anna, ERR_NONE);
    turns();
    assert_heard(a, text_of("out %s left\n", id_text(room)));
    assert_not_heard(a, "chat:room:left");
    assert_heard(b, text_of("chat:room:left {\"roomId\":\"%s\",\"userId\":\"%s\","
                            "\"userType\":\"employee\"}",
                            id_text(room), id_text(anna.actor.id)));
    leaves(room, &anna, ERR_ROOM_ACCESS_DENIED);
    chat_room_get(any_home(), room, &cid, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"role\":\"owner\""));
    assert_non_null(strstr(t.json, "\"memberCount\":2"));
    leaves(room, &cid, ERR_NONE);
    leaves(room, &ben, ERR_NONE);
    chat_restart();
    chat_room_get(any_home(), room, &ben, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
}

static void a_direct_room_is_hidden_and_shown_again(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    struct socket *a = socket_open(0, &anna);
    turns();
    assert_heard(a, "joined");
    leaves(room, &anna, ERR_NONE);
    assert_heard(a, text_of("out %s left\n", id_text(room)));
    leaves(room, &anna, ERR_NONE);
    struct socket *later = socket_open(0, &anna);
    turns();
    assert_string_equal(heard(later), "listed\n");
    joins(room, &anna, ERR_NONE);
    turns();
    assert_heard(later, "joined");
    leaves(room, &anna, ERR_NONE);
    assert_true(uuid_eq(room, room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL)));
    turns();
    assert_int_equal(heard_count(later, "joined"), 2);
}

static void members_are_added_by_who_may(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid"),
                    sue = supervisor("Sue"), gus = guest("Gus"), eve = employee("Eve");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid open = room_made(CHAT_PUBLIC, "Canteen", &anna, &ben, NULL, NULL);
    struct socket *c = socket_open(w.count - 1, &cid);
    turns();
    chat_member_add(any_home(), room, cid.actor.id, CHAT_MEMBER, &eve, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
    chat_member_add(any_home(), room, gus.actor.id, CHAT_MEMBER, &anna, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    chat_member_add(any_home(), room, cid.actor.id, CHAT_MODERATOR, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_add(any_home(), open, cid.actor.id, CHAT_MEMBER, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_add(any_home(), room, cid.actor.id, CHAT_MEMBER, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_true(t.created);
    turns();
    assert_heard(c, text_of("joined %s 0 0\n", id_text(room)));
    chat_member_add(any_home(), room, cid.actor.id, CHAT_MEMBER, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_false(t.created);
    chat_member_add(any_home(), room, sue.actor.id, CHAT_MEMBER, &sue, on_told, &t);
    answered(ERR_NONE); /* she intervenes */
    assert_non_null(strstr(t.json, "\"userType\":\"supervisor\""));
}

static void the_removed_hear_nothing_more_and_the_banned_stay_out(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid"),
                    sue = supervisor("Sue");
    uuid room = room_made(CHAT_PUBLIC, "Canteen", &anna, &ben, &cid, NULL);
    struct socket *b = socket_open(w.count - 1, &ben), *c = socket_open(0, &cid);
    turns();
    chat_member_remove(any_home(), room, ben.actor.id, 0, SPAN(""), &cid, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_remove(any_home(), room, anna.actor.id, 0, SPAN(""), &cid, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_remove(any_home(), room, ben.actor.id, 3600, SPAN("noise"), &anna, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_heard(b, text_of("out %s removed\n", id_text(room)));
    assert_not_heard(b, "chat:room:left");
    assert_heard(c, "chat:room:left");
    joins(room, &ben, ERR_ROOM_ACCESS_DENIED);
    w.now_ms += 3600 * 1000;
    joins(room, &ben, ERR_NONE);
    chat_member_remove(any_home(), room, ben.actor.id, -1, SPAN(""), &sue, on_told, &t);
    answered(ERR_NONE);
    w.now_ms += INT64_C(1000) * 86400 * 1000;
    joins(room, &ben, ERR_ROOM_ACCESS_DENIED);
    chat_member_remove(any_home(), room, ben.actor.id, 0, SPAN(""), &sue, on_told, &t);
    answered(ERR_NOT_FOUND);
    chat_member_add(any_home(), room, ben.actor.id, CHAT_MEMBER, &anna, on_told, &t);
    answered(ERR_NONE); /* thought better of it */
    chat_member_remove(any_home(), room, anna.actor.id, 0, SPAN(""), &sue, on_told, &t);
    answered(ERR_NONE);
    chat_room_get(any_home(), room, &cid, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"role\":\"owner\""));
}

static void roles_and_mutes_are_told(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, NULL);
    struct socket *c = socket_open(0, &cid);
    turns();
    struct chat_member_change lead = {.role = CHAT_MODERATOR};
    struct chat_member_change mute = {.role = -1, .has_mute = true, .mute_s = 60};
    chat_member_patch(any_home(), room, ben.actor.id, &lead, &cid, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_patch(any_home(), room, ben.actor.id, &lead, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"role\":\"moderator\""));
    turns();
    assert_heard(c, "chat:room:updated");
    chat_member_patch(any_home(), room, cid.actor.id, &mute, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"mutedUntil\":\"20"));
    chat_member_patch(any_home(), room, cid.actor.id, &lead, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED); /* roles are the owner's */
    chat_restart();
    chat_room_get(any_home(), room, &cid, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"mutedUntil\":\"20"));
    assert_non_null(strstr(t.json, "\"role\":\"moderator\""));
    struct chat_member_change down = {.role = CHAT_MEMBER};
    chat_member_patch(any_home(), room, anna.actor.id, &down, &anna, on_told, &t);
    answered(ERR_CONFLICT);
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
        BOTH(who_leaves_hears_nothing_more_and_an_heir_owns_the_room),
        BOTH(a_direct_room_is_hidden_and_shown_again),
        BOTH(members_are_added_by_who_may),
        BOTH(the_removed_hear_nothing_more_and_the_banned_stay_out),
        BOTH(roles_and_mutes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
