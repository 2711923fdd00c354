/* See home_fixture.h. */
#include "home_fixture.h"

#include "domain/house.h"
#include "domain/recovery.h"

#include <stdio.h>
#include <string.h>

#define TURNS_MAX 5000

struct world world;
char admin[4200], bound[4200];
static uuid bound_id;
int64_t kitchen, hall, vault;

/* --- the house, at its home --- */

struct said said;

static void on_done(void *owner, const struct house_result *r)
{
    (void)owner;
    said.done = true;
    said.error = r->error;
    said.id = r->id;
}

void wait_done(void)
{
    for (unsigned i = 0; i < TURNS_MAX && !said.done; i++) {
        world_turn(&world);
    }
    assert_true(said.done);
    assert_int_equal(said.error, ERR_NONE);
    said.done = false;
}

static const struct house_who somebody = {.see = {.all = true}, .may = {.all = true}};

int64_t room_new(const char *name, bool private)
{
    house_room_create(&world.home,
                      &(struct house_room_draft){.name = span_str(name), .private = private},
                      &somebody, on_done, NULL);
    wait_done();
    return said.id;
}

void room_private(int64_t room, bool private)
{
    house_room_patch(&world.home, room,
                     &(struct house_room_change){.has_private = true, .private = private},
                     &somebody, on_done, NULL);
    wait_done();
}

void room_gone(int64_t room)
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

void set_state(const char *id, const char *state)
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

void on_identity(void *owner, const struct identity_result *r)
{
    assert_int_equal(r->error, ERR_NONE);
    said.done = true;
    if (owner != NULL && r->access_token.len > 0) {
        snprintf(owner, sizeof admin, "Authorization: Bearer %.*s\r\n", SPAN_FMT(r->access_token));
    } else if (owner != NULL) {
        memcpy(owner, &r->principal, sizeof r->principal);
    }
}

void bind_room(int64_t room, bool on)
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

void await_topic(const char *topic, unsigned wanted)
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

void await_room(int64_t room, unsigned wanted)
{
    char topic[64];
    snprintf(topic, sizeof topic, "home/state/%lld", (long long)room);
    await_topic(topic, wanted);
}

void person(const char *name, const enum role *roles, unsigned count, uuid *id, char *line)
{
    identity_user_add(&world.home, span_str(name), SPAN("a long password"), roles, count,
                      on_identity, id);
    wait_done();
    identity_issue(&world.home, *id, 0, on_identity, line);
    wait_done();
}

/* --- what a client hears --- */

struct peer enter(const char *query, const char *lines)
{
    struct peer p = peer_connect(&world, query, lines);
    return p;
}

void expect_changes(struct peer *p, const char *const *entities)
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

void ask(struct peer *p, const char *type, int64_t room, const char *more)
{
    char text[256];
    snprintf(text, sizeof text, "{\"type\":\"%s\",\"data\":{\"room_id\":%lld%s},\"id\":1}", type,
             (long long)room, more);
    peer_say(p, text);
}

void subscribe(struct peer *p, int64_t room)
{
    ask(p, "subscribe_room", room, "");
    peer_expect(p, "{\"type\":\"result\",\"data\":{\"id\":1,\"ok\":true}");
}

void unsubscribe(struct peer *p, int64_t room)
{
    ask(p, "unsubscribe_room", room, "");
    peer_expect(p, "{\"type\":\"result\",\"data\":{\"id\":1,\"ok\":true}");
}

/* --- from the start to the end --- */

int home_setup(void **state)
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

int home_teardown(void **state)
{
    world_close(&world);
    return 0;
}
