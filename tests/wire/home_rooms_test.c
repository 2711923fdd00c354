/*
 * What a client of /ws hears: states of all rooms it may see, or of those it has subscribed, and
 * what is ordered; what rooms and rights end of it; coming back.
 */
#include "home_peer.h"

#include "domain/house.h"
#include "domain/recovery.h"
#include "edge/home/session.h"

#include <stdio.h>
#include <string.h>

#define TURNS_MAX 5000

static struct world world;
static char admin[4200]; /* a header line */
static char bound[4200];
static uuid bound_id;
static int64_t kitchen, hall, vault; /* the vault is private */

/* --- the house, at its home --- */

static struct {
    bool done;
    err error;
    int64_t id;
} said;

static void on_done(void *owner, const struct house_result *r)
{
    (void)owner;
    said.done = true;
    said.error = r->error;
    said.id = r->id;
}

static void wait_done(void)
{
    for (unsigned i = 0; i < TURNS_MAX && !said.done; i++) {
        world_turn(&world);
    }
    assert_true(said.done);
    assert_int_equal(said.error, ERR_NONE);
    said.done = false;
}

static const struct house_who somebody = {.see = {.all = true}, .may = {.all = true}};

static int64_t room_new(const char *name, bool private)
{
    house_room_create(&world.home,
                      &(struct house_room_draft){.name = span_str(name), .private = private},
                      &somebody, on_done, NULL);
    wait_done();
    return said.id;
}

static void room_private(int64_t room, bool private)
{
    house_room_patch(&world.home, room,
                     &(struct house_room_change){.has_private = true, .private = private},
                     &somebody, on_done, NULL);
    wait_done();
}

static void room_gone(int64_t room)
{
    house_room_delete(&world.home, room, 0, true, &somebody, on_done, NULL);
    wait_done();
}

static void entity_new(const char *id, int64_t room)
{
    house_entity_create(&world.home,
                        &(struct house_entity_draft){.entity_id = span_str(id), .room = room},
                        &somebody, on_done, NULL);
    wait_done();
}

static void set_state(const char *id, const char *state)
{
    house_state_set(&world.home,
                    &(struct house_state_change){.entity_id = span_str(id),
                                                 .state = span_str(state)},
                    &somebody, on_done, NULL);
    wait_done();
}

/* Every entity there is becomes something else. */
static void change_all(void)
{
    static unsigned round;
    char state[16];
    snprintf(state, sizeof state, "s%u", ++round);
    set_state("light.kitchen", state);
    set_state("light.hall", state);
    set_state("light.vault", state);
    set_state("light.none", state);
}

/* --- people --- */

static void on_identity(void *owner, const struct identity_result *r)
{
    assert_int_equal(r->error, ERR_NONE);
    said.done = true;
    if (owner != NULL && r->access_token.len > 0) {
        snprintf(owner, sizeof admin, "Authorization: Bearer %.*s\r\n", SPAN_FMT(r->access_token));
    } else if (owner != NULL) {
        memcpy(owner, &r->principal, sizeof r->principal);
    }
}

static void bind_room(int64_t room, bool on)
{
    if (on) {
        identity_bind(&world.home, bound_id, ROLE_VIEWER, scope_room(room), on_identity, NULL);
    } else {
        identity_unbind(&world.home, bound_id, ROLE_VIEWER, scope_room(room), on_identity, NULL);
    }
    wait_done();
}

static void count_one(uint32_t member, void *arg)
{
    (void)member;
    ++*(unsigned *)arg;
}

/* Rights reach sessions a moment later: until so many sockets have a topic. */
static void await_topic(const char *topic, unsigned wanted)
{
    unsigned count = 0;
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        count = 0;
        hub_topic_members(world.edge.hub, span_str(topic), count_one, &count);
        if (count == wanted) {
            return;
        }
        world_turn(&world);
    }
    fail_msg("%s has %u", topic, count);
}

static void await_room(int64_t room, unsigned wanted)
{
    char topic[64];
    snprintf(topic, sizeof topic, "home/state/%lld", (long long)room);
    await_topic(topic, wanted);
}

static void person(const char *name, const enum role *roles, unsigned count, uuid *id, char *line)
{
    identity_user_add(&world.home, span_str(name), SPAN("a long password"), roles, count,
                      on_identity, id);
    wait_done();
    identity_issue(&world.home, *id, 0, on_identity, line);
    wait_done();
}

/* --- what a client hears --- */

static struct peer enter(const char *query, const char *lines)
{
    struct peer p = peer_connect(&world, query, lines);
    return p;
}

/* So much of what change_all says, in its order; then nothing but the answer to ping. */
static void expect_changes(struct peer *p, const char *const *entities)
{
    char wanted[128];
    change_all();
    for (; *entities != NULL; entities++) {
        snprintf(wanted, sizeof wanted,
                 "{\"type\":\"entity_state_changed\",\"data\":{\"entity_id\":\"%s\"",
                 *entities);
        peer_expect(p, wanted);
    }
    peer_say(p, "{\"type\":\"ping\"}");
    peer_expect(p, "\"pong\"");
}
#define ONLY(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})

static void ask(struct peer *p, const char *type, int64_t room, const char *more)
{
    char text[256];
    snprintf(text, sizeof text, "{\"type\":\"%s\",\"data\":{\"room_id\":%lld%s},\"id\":1}", type,
             (long long)room, more);
    peer_say(p, text);
}

static void subscribe(struct peer *p, int64_t room)
{
    ask(p, "subscribe_room", room, "");
    peer_expect(p, "{\"type\":\"result\",\"data\":{\"id\":1,\"ok\":true}");
}

static void unsubscribe(struct peer *p, int64_t room)
{
    ask(p, "unsubscribe_room", room, "");
    peer_expect(p, "{\"type\":\"result\",\"data\":{\"id\":1,\"ok\":true}");
}

static void expect_refused(struct peer *p, int64_t room, const char *code)
{
    char wanted[128];
    ask(p, "subscribe_room", room, "");
    snprintf(wanted, sizeof wanted, "\"ok\":false,\"error\":{\"code\":\"%s\"", code);
    peer_expect(p, wanted);
}

/* --- all, or what is subscribed --- */

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

/* --- what ends a subscription --- */

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

/* --- what is ordered --- */

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

/* --- coming back --- */

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

/* --- operators --- */

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

/* --- requests that go together --- */

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

static int open_world(void **state)
{
    world_open(&world);
    world.domain_conf.recovery_ms = 120000;
    world.domain_conf.recovery_bytes_max = 1 << 20;
    world.home.recovery = recovery_new(&world.home, 0);
    kitchen = room_new("Kitchen", false);
    hall = room_new("Hall", false);
    vault = room_new("Vault", true);
    entity_new("light.kitchen", kitchen);
    entity_new("light.hall", hall);
    entity_new("light.vault", vault);
    entity_new("light.none", 0);
    uuid id;
    static const enum role operator = ROLE_OPERATOR;
    person("adam", &operator, 1, &id, admin);
    person("bob", NULL, 0, &bound_id, bound);
    bind_room(hall, true);
    return 0;
}

static int close_world(void **state)
{
    world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rooms_a_client_hears_of_all_it_may_see),
        cmocka_unit_test(the_first_room_ends_that_and_giving_up_the_last_brings_it_back),
        cmocka_unit_test(a_snapshot_comes_before_every_later_change),
        cmocka_unit_test(what_a_client_may_not_have_is_refused),
        cmocka_unit_test(a_client_has_so_many_rooms_at_most),
        cmocka_unit_test(a_deleted_room_is_told_and_its_client_does_not_hear_of_all),
        cmocka_unit_test(a_room_that_becomes_private_is_none_of_anonymous_clients),
        cmocka_unit_test(changed_rights_change_what_is_heard),
        cmocka_unit_test(the_list_of_users_shows_their_roles),
        cmocka_unit_test(who_may_see_all_may_come_to_see_one_room),
        cmocka_unit_test(rooms_are_told_with_their_position_and_replayed_from_it),
        cmocka_unit_test(a_position_of_another_log_is_a_gap),
        cmocka_unit_test(private_rooms_are_not_told_to_anonymous_clients),
        cmocka_unit_test(a_session_comes_back_with_its_id_and_rooms),
        cmocka_unit_test(a_session_that_took_its_leave_is_over),
        cmocka_unit_test(a_client_is_listed_by_its_id_and_ended_by_it),
        cmocka_unit_test(rights_that_change_during_a_replay_send_the_client_away_at_once),
        cmocka_unit_test(what_is_asked_in_one_go_is_answered_in_its_order),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
