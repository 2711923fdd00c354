/* Rooms, over one home and over several; who comes into them and goes: chat_members_test.c. */
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

static void lists_come_in_pages(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), sue = supervisor("Sue"),
                    gus = guest("Gus");
    struct chat_room_filter f = {.type = -1, .limit = 2};
    char names[64] = "";
    unsigned pages = 0;
    room_made(CHAT_GROUP, "One", &anna, &ben, NULL, NULL);
    w.now_ms += 1000;
    room_made(CHAT_PUBLIC, "Two", &anna, NULL, NULL, NULL);
    w.now_ms += 1000;
    room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    w.now_ms += 1000;
    uuid last = room_made(CHAT_GROUP, "Four", &anna, &ben, &sue, NULL);
    for (char next[1200] = ""; pages == 0 || next[0] != '\0'; pages++) {
        f.after = span_str(next);
        chat_room_list(any_home(), &f, &anna, on_told, &t);
        answered(ERR_NONE);
        for (const char *at = t.json; (at = strstr(at, "\"name\":\"")) != NULL; at += 8) {
            strncat(names, at + 8, 3);
        }
        memcpy(next, t.next, sizeof next);
    }
    assert_int_equal(pages, 2);
    assert_string_equal(names, "FouBenTwoOne");
    f = (struct chat_room_filter){.type = CHAT_GROUP, .text = SPAN("FO"), .limit = 5};
    chat_room_list(any_home(), &f, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "Four"));
    assert_null(strstr(t.json, "One"));
    f = (struct chat_room_filter){.type = -1, .public = true, .limit = 5};
    chat_room_list(any_home(), &f, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "Two"));
    assert_null(strstr(t.json, "Four"));
    chat_room_list(any_home(), &f, &gus, on_told, &t);
    answered(ERR_NONE);
    assert_string_equal(t.json, "[]");
    f = (struct chat_room_filter){.type = -1, .all = true, .limit = 5};
    chat_room_list(any_home(), &f, &sue, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "One"));
    f.after = SPAN("nonsense!");
    chat_room_list(any_home(), &f, &sue, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    chat_member_list(any_home(), last, SPAN(""), 2, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "Anna"));
    assert_non_null(strstr(t.json, "Ben"));
    char after[1200];
    memcpy(after, t.next, sizeof after);
    chat_member_list(any_home(), last, span_str(after), 2, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "Sue"));
    assert_string_equal(t.next, "");
    chat_member_list(any_home(), last, SPAN("nonsense!"), 2, &ben, on_told, &t);
    answered(ERR_INVALID_REQUEST);
}

static void rooms_are_changed_under_a_version(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *b = socket_open(0, &ben);
    turns();
    struct chat_room_change in = {.version = 1, .name = SPAN("Crew"),
                                  .settings = SPAN("{\"a\":1,\"b\":null}")};
    chat_room_patch(any_home(), room, &in, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_room_patch(any_home(), room, &in, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_int_equal(t.version, 2);
    assert_non_null(strstr(t.json, "\"name\":\"Crew\",\"type\":\"group\",\"settings\":{\"a\":1}"));
    turns();
    assert_heard(b, "chat:room:updated");
    assert_heard(b, "room_renamed");
    chat_room_patch(any_home(), room, &in, &anna, on_told, &t);
    answered(ERR_PRECONDITION_FAILED);
    in.version = 0;
    chat_room_patch(any_home(), room, &in, &anna, on_told, &t);
    answered(ERR_NONE); /* changes nothing */
    assert_int_equal(t.version, 2);
    in.name = SPAN("");
    chat_room_patch(any_home(), room, &in, &anna, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    chat_restart();
    chat_room_get(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_int_equal(t.version, 2);
    assert_non_null(strstr(t.json, "\"lastSeq\":1"));
}

static unsigned rows_of(enum query q)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, q, 1);
    req->row_max = 1;
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    unsigned rows = req->steps[0].row_count;
    store_req_free(req);
    return rows;
}

static void a_deleted_principal_is_in_no_room(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid direct = room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    struct socket *b = socket_open(0, &ben);
    turns();
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_PRINCIPAL_DELETE, 1);
    store_set_text(req, 0, 0, 0, span_str(id_text(anna.actor.id)));
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
    for (unsigned i = 0; i < w.count; i++) {
        chat_principal_gone(&w.homes[i], anna.actor.id);
    }
    turns();
    assert_int_equal(heard_count(b, "chat:room:left"), 2);
    chat_room_get(any_home(), room, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"memberCount\":1"));
    assert_non_null(strstr(t.json, "\"role\":\"owner\""));
    chat_room_get(any_home(), direct, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_null(strstr(t.json, "Anna"));
}

static void a_deleted_room_is_gone_and_what_was_in_it_follows(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *b = socket_open(w.count - 1, &ben);
    struct chat_stats stats;
    turns();
    chat_room_patch(any_home(), room, &(struct chat_room_change){.name = SPAN("Crew")}, &anna,
                    on_told, &t);
    answered(ERR_NONE); /* says something */
    chat_room_delete(any_home(), room, 0, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_room_delete(any_home(), room, 1, &anna, on_told, &t);
    answered(ERR_PRECONDITION_FAILED);
    chat_room_delete(any_home(), room, 2, &anna, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_heard(b, text_of("out %s gone\n", id_text(room)));
    chat_room_get(any_home(), room, &anna, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
    chat_room_list(any_home(), &(struct chat_room_filter){.type = -1, .limit = 5}, &anna, on_told,
                   &t);
    answered(ERR_NONE);
    assert_string_equal(t.json, "[]");
    time_passes(20000);
    assert_int_equal(rows_of(QUERY_CHAT_ROOM_ENDED), 0);
    chat_stats(&w.homes[0], &stats);
    assert_int_equal(stats.rooms, 0);
    assert_int_equal(stats.members, 0);
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
        BOTH(lists_come_in_pages),
        BOTH(rooms_are_changed_under_a_version),
        BOTH(a_deleted_principal_is_in_no_room),
        BOTH(a_deleted_room_is_gone_and_what_was_in_it_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
