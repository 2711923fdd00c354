/* Rooms of the house over SQLite, on one home and on five. */
#include "house_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAS(text) assert_non_null(strstr(t.json, (text)))
#define HAS_NOT(text) assert_null(strstr(t.json, (text)))

static void room_patch(int64_t id, const struct house_room_change *in, err error)
{
    house_room_patch(any_home(), id, in, &admin, on_told, &t);
    answered(error);
}

static void room_get(int64_t id, const struct house_who *who, err error)
{
    house_room_get(any_home(), id, who, on_told, &t);
    answered(error);
}

static void room_delete(int64_t id, int64_t version, bool force, err error)
{
    house_room_delete(any_home(), id, version, force, &admin, on_told, &t);
    answered(error);
}

static void rooms_are_made_changed_and_deleted(void **state)
{
    (void)state;
    struct house_room_draft draft = {.name = SPAN("Living Room"), .floor = SPAN("ground"),
                                     .icon = SPAN("sofa"), .sort = 3};
    house_room_create(any_home(), &draft, &admin, on_told, &t);
    answered(ERR_NONE);
    assert_true(t.id == 1 && t.version == 1);
    HAS("{\"id\":1,\"name\":\"Living Room\",\"description\":\"\",\"icon\":\"sofa\","
        "\"floor\":\"ground\",\"sort\":3,\"private\":false,\"entity_count\":0,");
    room_patch(1, &(struct house_room_change){.version = 1, .name = SPAN("Lounge")}, ERR_NONE);
    assert_int_equal(t.version, 2);
    HAS("\"name\":\"Lounge\",\"description\":\"\",\"icon\":\"sofa\"");
    room_patch(1, &(struct house_room_change){.version = 1, .name = SPAN("Hall")},
               ERR_PRECONDITION_FAILED);
    struct house_room_change all = {.description = SPAN("where we sit"), .icon = SPAN(""),
                                    .floor = SPAN("1"), .has_sort = true, .sort = -1,
                                    .has_private = true, .private = true};
    room_patch(1, &all, ERR_NONE);
    assert_int_equal(t.version, 3);
    HAS("\"description\":\"where we sit\",\"icon\":\"\",\"floor\":\"1\",\"sort\":-1,"
        "\"private\":true");
    room_patch(1, &all, ERR_NONE); /* nothing changes */
    assert_int_equal(t.version, 3);
    room_get(1, &admin, ERR_NONE);
    assert_int_equal(t.version, 3);

    room_delete(1, 2, false, ERR_PRECONDITION_FAILED);
    room_delete(1, 3, false, ERR_NONE);
    room_get(1, &admin, ERR_NOT_FOUND);
    room_patch(1, &all, ERR_NOT_FOUND);
    room_delete(1, 0, false, ERR_NOT_FOUND);
    house_restart();
    assert_int_equal(room_make("Another", false), 2); /* a number is given once */
}

static void events_and_copies_reach_every_loop_first(void **state)
{
    (void)state;
    int64_t id = room_make("Hall", false);
    for (unsigned i = 0; i < w.count; i++) {
        assert_string_equal(heard(i), "{\"room_id\":1,\"room_name\":\"Hall\",\"action\":"
                                      "\"created\"}\n");
        assert_string_equal(roomed(i), "");
        assert_false(house_room(&w.homes[i], id)->private);
    }
    room_patch(id, &(struct house_room_change){.name = SPAN("Big Hall")}, ERR_NONE);
    room_patch(id, &(struct house_room_change){.has_private = true, .private = true}, ERR_NONE);
    for (unsigned i = 0; i < w.count; i++) {
        assert_string_equal(heard(i), "{\"room_id\":1,\"room_name\":\"Big Hall\",\"action\":"
                                      "\"updated\"}\n{\"room_id\":1,\"room_name\":\"Big Hall\","
                                      "\"action\":\"updated\"}\n");
        assert_string_equal(roomed(i), "1 private\n");
        assert_true(house_room(&w.homes[i], id)->private);
    }
    room_patch(id, &(struct house_room_change){.has_private = true}, ERR_NONE);
    room_delete(id, 0, false, ERR_NONE);
    for (unsigned i = 0; i < w.count; i++) {
        assert_non_null(strstr(heard(i), "\"action\":\"deleted\"}\n"));
        assert_string_equal(roomed(i), "1 open\n1 gone\n");
        assert_null(house_room(&w.homes[i], id));
    }
}

static void private_rooms_are_not_there_for_anonymous_clients(void **state)
{
    (void)state;
    char topic[HOUSE_TOPIC_MAX];
    int64_t open = room_make("Open", false), hidden = room_make("Hidden", true);
    entity_made("light.open", open);
    entity_made("light.hidden", hidden);
    entity_made("light.nowhere", 0);
    room_get(open, &anonymous, ERR_NONE);
    room_get(hidden, &anonymous, ERR_NOT_FOUND);
    house_room_list(any_home(), &(struct house_room_filter){.limit = 10}, &anonymous, on_told, &t);
    answered(ERR_NONE);
    HAS("\"name\":\"Open\"");
    HAS_NOT("Hidden");
    house_entity_get(any_home(), SPAN("light.hidden"), &anonymous, on_told, &t);
    answered(ERR_NOT_FOUND);
    house_entity_list(any_home(), &(struct house_entity_filter){.room = -1, .limit = 10},
                      &anonymous, on_told, &t);
    answered(ERR_NONE);
    HAS("light.nowhere");
    HAS("light.open");
    HAS_NOT("light.hidden");
    assert_true(span_eq(house_events_topic(hidden, true, topic), SPAN("home/private/2")));
    assert_true(span_eq(house_events_topic(open, false, topic), SPAN("home/event/1")));
}

static void who_is_bound_to_a_room_has_that_room(void **state)
{
    (void)state;
    int64_t mine = room_make("Mine", true), other = room_make("Other", false);
    struct house_who who = bound_to(mine), reader = bound_to(mine);
    reader.may = (struct house_rights){0};
    entity_made("light.mine", mine);
    entity_made("light.other", other);
    entity_made("light.nowhere", 0);
    room_get(mine, &who, ERR_NONE);
    room_get(other, &who, ERR_NOT_FOUND);
    house_room_create(any_home(), &(struct house_room_draft){.name = SPAN("New")}, &who, on_told,
                      &t);
    answered(ERR_PERMISSION_DENIED);
    struct house_room_change name = {.name = SPAN("My room")};
    house_room_patch(any_home(), mine, &name, &who, on_told, &t);
    answered(ERR_NONE);
    house_room_patch(any_home(), mine, &name, &reader, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    house_room_delete(any_home(), other, 0, true, &who, on_told, &t);
    answered(ERR_NOT_FOUND);
    house_entity_get(any_home(), SPAN("light.nowhere"), &who, on_told, &t);
    answered(ERR_NOT_FOUND);
    house_entity_list(any_home(), &(struct house_entity_filter){.room = -1, .limit = 10}, &who,
                      on_told, &t);
    answered(ERR_NONE);
    HAS("light.mine");
    HAS_NOT("light.other");
    HAS_NOT("light.nowhere");
    /* Into a room that one may not change, or out of the only one, an entity does not go. */
    struct house_entity_change move = {.has_room = true, .room = other};
    house_entity_patch(any_home(), SPAN("light.mine"), &move, &who, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "room_id");
    move.room = 0;
    house_entity_patch(any_home(), SPAN("light.mine"), &move, &who, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    struct house_entity_draft draft = {.entity_id = SPAN("light.new")};
    house_entity_create(any_home(), &draft, &who, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    draft.room = mine;
    house_entity_create(any_home(), &draft, &reader, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    house_entity_create(any_home(), &draft, &who, on_told, &t);
    answered(ERR_NONE);
}

static void rooms_are_listed_by_sort_name_and_number(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t sort;
        const char *floor;
    } rooms[] = {{"Bath", 1, "up"}, {"attic", -5, "up"}, {"Bath", 1, ""}, {"Cellar", 0, "down"},
                 {"Alcove", 1, "up"}, {"Zoo", -5, ""}};
    for (unsigned i = 0; i < 6; i++) {
        struct house_room_draft draft = {.name = span_str(rooms[i].name), .sort = rooms[i].sort,
                                         .floor = span_str(rooms[i].floor)};
        house_room_create(any_home(), &draft, &admin, on_told, &t);
        answered(ERR_NONE);
    }
    char next[1200] = "";
    buf all = {0};
    unsigned pages = 0;
    do { /* also across a change in between */
        struct house_room_filter f = {.limit = 2, .after = span_str(next)};
        house_room_list(any_home(), &f, &admin, on_told, &t);
        answered(ERR_NONE);
        snprintf(next, sizeof next, "%s", t.next);
        told_names("name", &all);
    } while (++pages < 10 && next[0] != '\0');
    assert_true(span_eq(buf_span(&all), SPAN("Zoo,attic,Cellar,Alcove,Bath,Bath,")));
    buf_deinit(&all);
    assert_int_equal(pages, 3);
    struct house_room_filter up = {.limit = 200, .floor = SPAN("up"), .text = SPAN("a")};
    house_room_list(any_home(), &up, &admin, on_told, &t);
    answered(ERR_NONE);
    assert_names("name", "attic,Alcove,Bath,");
    assert_string_equal(t.next, "");
    up.floor = SPAN(""); /* those without one */
    up.text = SPAN("BAT");
    house_room_list(any_home(), &up, &admin, on_told, &t);
    answered(ERR_NONE);
    assert_names("name", "Bath,");
    const char *const bad[] = {"!", "YQ", "MQ", "MSAx"};
    for (unsigned i = 0; i < 3; i++) {
        struct house_room_filter f = {.limit = 2, .after = span_str(bad[i])};
        house_room_list(any_home(), &f, &admin, on_told, &t);
        answered(ERR_INVALID_REQUEST);
    }
    char longer[2000];
    memset(longer, 'A', sizeof longer);
    struct house_room_filter f = {.limit = 2, .after = span_of(longer, sizeof longer)};
    house_room_list(any_home(), &f, &admin, on_told, &t);
    answered(ERR_INVALID_REQUEST);
}

static void a_house_has_so_many_rooms_and_entities(void **state)
{
    (void)state;
    struct house_stats stats;
    w.conf.home_rooms_max = 2;
    w.conf.home_entities_max = 2;
    (void)room_make("1", false);
    int64_t two = room_make("2", false);
    house_room_create(any_home(), &(struct house_room_draft){.name = SPAN("3")}, &admin,
                      on_told, &t);
    answered(ERR_RATE_LIMIT_EXCEEDED);
    room_delete(two, 0, false, ERR_NONE);
    (void)room_make("3", false);
    entity_made("a.a", 0);
    entity_made("a.b", 0);
    struct house_entity_draft draft = {.entity_id = SPAN("a.c")};
    house_entity_create(any_home(), &draft, &admin, on_told, &t);
    answered(ERR_RATE_LIMIT_EXCEEDED);
    house_entity_delete(any_home(), SPAN("a.a"), 0, &admin, on_told, &t);
    answered(ERR_NONE);
    entity_made("a.c", 0);
    house_stats(any_home(), &stats);
    assert_true(stats.rooms == 2 && stats.entities == 2);
}

static void a_room_with_entities_is_deleted_by_force_only(void **state)
{
    (void)state;
    int64_t id = room_make("Hall", false);
    entity_made("light.a", id);
    entity_made("light.b", id);
    room_get(id, &admin, ERR_NONE);
    HAS("\"entity_count\":2");
    room_delete(id, 0, false, ERR_CONFLICT);
    assert_string_equal(t.why, "entities are in the room");
    (void)heard(0);
    room_delete(id, 0, true, ERR_NONE);
    const char *said = heard(0);
    const char *gone = strstr(said, "\"new_state\":null"), *there = strstr(said, "\"old_state\":"
                                                                               "null");
    assert_true(gone != NULL && there != NULL && gone < there);
    house_entity_get(any_home(), SPAN("light.a"), &admin, on_told, &t);
    answered(ERR_NONE);
    assert_int_equal(t.version, 2);
    HAS("\"room_id\":null");
    house_restart();
    house_entity_get(any_home(), SPAN("light.b"), &admin, on_told, &t);
    answered(ERR_NONE);
    assert_int_equal(t.version, 2);
    HAS("\"room_id\":null");
}

static void roles_in_a_room_end_with_it(void **state)
{
    (void)state;
    static struct probe p;
    struct answer login, a = {0};
    int64_t id = room_make("Hall", false), other = room_make("Other", false);
    uuid who = user_new("amy", "correct horse", ROLE_EMPLOYEE);
    login_as(&login, "amy", "correct horse", LOGIN_TOKENS);
    p = (struct probe){0};
    probe_open(&p, any_home(), login.access, false);
    struct house_rights r;
    house_rights_of(p.session.grant, PERM_HOME_READ, &r);
    assert_true(!r.all && r.count == 0);
    identity_bind(any_home(), who, ROLE_OPERATOR, scope_room(id), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    a = (struct answer){0};
    identity_bind(any_home(), who, ROLE_VIEWER, scope_room(id), on_answer, &a);
    wait_answer(&a);
    a = (struct answer){0};
    identity_bind(any_home(), who, ROLE_VIEWER, scope_room(other), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    struct house_who x = house_who_of(p.session.grant, PERM_ENTITY_CONTROL, SPAN("::1"));
    assert_true(x.see.count == 2 && x.may.count == 1 && x.may.rooms[0] == id);
    assert_true(uuid_eq(x.actor.id, who));
    assert_true(house_may(&x.see, other, true) && !house_may(&x.may, other, false));
    assert_false(house_may(&x.see, 0, false));
    house_room_get(any_home(), id, &x, on_told, &t);
    answered(ERR_NONE);

    unsigned told = p.told[SESSION_RIGHTS];
    room_delete(id, 0, false, ERR_NONE);
    for (unsigned i = 0; i < 10 && p.told[SESSION_RIGHTS] == told; i++) {
        pass_ms(100);
    }
    assert_int_equal(p.told[SESSION_RIGHTS], told + 1);
    house_rights_of(p.session.grant, PERM_HOME_READ, &r);
    assert_true(!r.all && r.count == 1 && r.rooms[0] == other);
    session_close(&p.session);
    a = (struct answer){0};
    identity_bind(any_home(), who, ROLE_VIEWER, scope_room(id), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_room");
    a = (struct answer){0};
    identity_unbind(any_home(), who, ROLE_VIEWER, scope_room(other), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
}

static void rights_that_are_known_are_known_for_everything(void **state)
{
    (void)state;
    struct answer login;
    struct house_rights r;
    (void)user_new("vic", "correct horse", ROLE_VIEWER);
    login_as(&login, "vic", "correct horse", LOGIN_TOKENS);
    struct grant *g = auth_wait(any_home(), login.access, false, NULL);
    house_rights_of(g, PERM_HOME_READ, &r);
    assert_true(r.all && !r.open_only && house_may(&r, 0, false) && house_may(&r, 9, true));
    house_rights_of(g, PERM_ENTITY_CONTROL, &r);
    assert_true(!r.all && r.count == 0);
    grant_free(g);
    g = auth_anonymous(any_home());
    house_rights_of(g, PERM_HOME_READ, &r);
    assert_true(r.all && r.open_only && house_may(&r, 9, false) && !house_may(&r, 9, true));
    house_rights_of(g, PERM_HOME_WRITE, &r);
    assert_true(!r.all && r.count == 0);
    grant_free(g);
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(name, house_setup_1, house_teardown),                          \
        cmocka_unit_test_setup_teardown(name, house_setup_5, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rooms_are_made_changed_and_deleted),
        T(events_and_copies_reach_every_loop_first),
        T(private_rooms_are_not_there_for_anonymous_clients),
        T(who_is_bound_to_a_room_has_that_room),
        T(rooms_are_listed_by_sort_name_and_number),
        T(a_house_has_so_many_rooms_and_entities),
        T(a_room_with_entities_is_deleted_by_force_only),
        T(roles_in_a_room_end_with_it),
        T(rights_that_are_known_are_known_for_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
