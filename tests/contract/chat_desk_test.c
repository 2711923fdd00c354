/* Escalations: who may do what, the queue, timers over restarts, races of who takes it. */
#include "chat_fixture.h"

#include "domain/chat_desk.h"

#include <string.h>

#define MINUTE_MS INT64_C(60000)

static void escalates(uuid room, int target, const struct chat_who *who, err error)
{
    chat_escalate(any_home(), room, SPAN("the printer is on fire"), target, who,
                  &(struct chat_origin){.sid = SPAN("S1"), .request_id = SPAN("r-7")}, on_told, &t);
    answered(error);
}

static void changes(uuid id, const struct chat_desk_change *in, const struct chat_who *who,
                    err error)
{
    chat_escalation_change(any_home(), id, in, who, on_told, &t);
    answered(error);
}

static void takes(uuid id, const struct chat_who *who, err error)
{
    changes(id, &(struct chat_desk_change){.act = CHAT_TAKE}, who, error);
}

static void looks(uuid id, const struct chat_who *who, err error)
{
    chat_escalation_get(any_home(), id, who, on_told, &t);
    answered(error);
}

static void assert_json(const char *text)
{
    if (strstr(t.json, text) == NULL) {
        fail_msg("not %s in %s", text, t.json);
    }
}

static void a_room_has_one_open_escalation(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), sue = supervisor("Sue"),
                    gus = guest("Gus"), bot = robot("Bot");
    uuid room = room_made(CHAT_SUPPORT, "Help", &anna, NULL, NULL, NULL);
    struct socket *bens = socket_open(0, &ben);
    socket_follows(bens, CHAT_DESK_TOPIC);
    turns();
    escalates(room, -1, &ben, ERR_ROOM_ACCESS_DENIED); /* not in it */
    escalates(room, -1, &gus, ERR_ROOM_ACCESS_DENIED);
    escalates(home_new_id(any_home()), -1, &sue, ERR_ROOM_ACCESS_DENIED);
    escalates(room, -1, &anna, ERR_NONE);
    assert_true(t.created);
    assert_int_equal(t.version, 1);
    assert_json("\"reason\":\"the printer is on fire\",\"level\":\"T1\",\"status\":\"waiting\"");
    uuid id = t.id;
    turns();
    assert_heard(bens, "chat:escalation:created {\"id\":");
    assert_heard(bens, ",\"S1\",\"r-7\"");
    escalates(room, CHAT_T1, &sue, ERR_NONE);
    assert_false(t.created);
    assert_true(uuid_eq(t.id, id));
    assert_int_equal(t.version, 1);
    escalates(room, CHAT_T3, &sue, ERR_NONE); /* raised */
    assert_false(t.created);
    assert_int_equal(t.version, 2);
    assert_json("\"level\":\"T3\"");
    turns();
    assert_heard(bens, "chat:escalation:updated {\"id\":");
    looks(id, &bot, ERR_PERMISSION_DENIED);
    looks(id, &gus, ERR_PERMISSION_DENIED);
    looks(id, &ben, ERR_NONE); /* everybody at the desk sees it */
    looks(home_new_id(any_home()), &ben, ERR_NOT_FOUND);
    uuid pair = room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    escalates(pair, -1, &anna, ERR_CONFLICT);
}

static void it_is_taken_released_assigned_and_concluded(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid"),
                    sue = supervisor("Sue"), gus = guest("Gus"), bot = robot("Bot");
    uuid room = room_made(CHAT_SUPPORT, "Help", &anna, NULL, NULL, NULL);
    struct socket *hers = socket_open(0, &anna), *bens = socket_open(w.count - 1, &ben);
    turns();
    escalates(room, -1, &anna, ERR_NONE);
    uuid id = t.id;
    takes(id, &gus, ERR_PERMISSION_DENIED);
    takes(id, &bot, ERR_PERMISSION_DENIED);
    takes(id, &ben, ERR_NONE);
    text = text_of("\"assignedTo\":\"%s\"", id_text(ben.actor.id));
    assert_json(text);
    assert_json("\"status\":\"taken\"");
    turns();
    text = text_of("joined %s 0 0\n", id_text(room)); /* he is in the room now */
    assert_heard(bens, text);
    text = text_of("chat:room:joined {\"roomId\":\"%s\",\"userId\":\"%s\"", id_text(room),
                   id_text(ben.actor.id));
    assert_heard(hers, text);
    int64_t version = t.version;
    takes(id, &ben, ERR_NONE); /* again: nothing changes */
    assert_int_equal(t.version, version);
    takes(id, &cid, ERR_CONFLICT);
    changes(id, &(struct chat_desk_change){.act = CHAT_RELEASE}, &cid, ERR_PERMISSION_DENIED);
    changes(id, &(struct chat_desk_change){.act = CHAT_CONCLUDE}, &anna, ERR_PERMISSION_DENIED);
    changes(id, &(struct chat_desk_change){.act = CHAT_RELEASE, .version = version + 5}, &ben,
            ERR_PRECONDITION_FAILED);
    changes(id, &(struct chat_desk_change){.act = CHAT_RELEASE, .version = version}, &ben,
            ERR_NONE);
    assert_json("\"status\":\"waiting\"");
    assert_null(strstr(t.json, "assignedTo"));
    struct chat_desk_change give = {.act = CHAT_ASSIGN, .assignee = cid.actor.id};
    changes(id, &give, &ben, ERR_PERMISSION_DENIED);
    give.assignee = gus.actor.id;
    changes(id, &give, &sue, ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "userId");
    give.assignee = home_new_id(any_home());
    changes(id, &give, &sue, ERR_INVALID_REQUEST);
    give.assignee = cid.actor.id;
    changes(id, &give, &sue, ERR_NONE);
    changes(id, &(struct chat_desk_change){.act = CHAT_CONCLUDE, .outcome = CHAT_DISENGAGED}, &cid,
            ERR_NONE);
    assert_json("\"outcome\":\"guest-disengaged\"");
    assert_json("\"dueAt\":null");
    changes(id, &(struct chat_desk_change){.act = CHAT_CONCLUDE, .outcome = CHAT_DISENGAGED}, &cid,
            ERR_NONE);
    takes(id, &ben, ERR_CONFLICT);
    escalates(room, -1, &anna, ERR_NONE); /* the next one */
    assert_true(t.created);
    assert_false(uuid_eq(t.id, id));
    chat_room_get(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_json("\"memberCount\":3");
}

static void one_of_many_takes_it(void **state)
{
    (void)state;
    enum { TAKERS = 8 };
    static struct told told[TAKERS];
    struct chat_who anna = employee("Anna"), takers[TAKERS];
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    escalates(room, -1, &anna, ERR_NONE);
    uuid id = t.id;
    unsigned won = 0;
    for (unsigned i = 0; i < TAKERS; i++) {
        takers[i] = employee(text_of("Taker %u", i));
        told[i] = (struct told){0};
    }
    for (unsigned i = 0; i < TAKERS; i++) {
        chat_escalation_change(&w.homes[i % w.count], id, &(struct chat_desk_change){0}, &takers[i],
                               on_told, &told[i]);
    }
    turns();
    for (unsigned i = 0; i < TAKERS; i++) {
        assert_true(told[i].done);
        assert_true(told[i].error == ERR_NONE || told[i].error == ERR_CONFLICT);
        won += told[i].error == ERR_NONE;
    }
    assert_int_equal(won, 1);
    looks(id, &anna, ERR_NONE);
    assert_int_equal(t.version, 2);
    chat_room_get(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_json("\"memberCount\":2"); /* who lost is not in it */
}

static void rises(const char *level, uuid id, const struct chat_who *who)
{
    looks(id, who, ERR_NONE);
    assert_json(text_of("\"level\":\"%s\"", level));
}

static void it_rises_when_due_also_after_a_restart(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), sue = supervisor("Sue");
    w.conf.chat_tier_ms[0] = 2000; /* it may change at any time */
    w.conf.chat_tier_ms[1] = 4000;
    w.conf.chat_tier_ms[2] = 6000;
    uuid room = room_made(CHAT_SUPPORT, "Help", &anna, NULL, NULL, NULL);
    struct socket *sues = socket_open(0, &sue);
    socket_follows(sues, CHAT_STAFF_TOPIC);
    socket_follows(sues, CHAT_DESK_TOPIC);
    turns();
    escalates(room, -1, &anna, ERR_NONE);
    uuid id = t.id;
    time_passes(1800);
    rises("T1", id, &ben);
    time_passes(1300);
    rises("T2", id, &ben);
    assert_heard(sues, "chat:system:notification {\"level\":\"warning\","
                       "\"code\":\"escalation_raised\"");
    assert_heard(sues, "chat:escalation:updated");
    takes(id, &ben, ERR_NONE); /* who has it has to conclude it, too */
    chat_restart();
    time_passes(5200);
    rises("T3", id, &ben);
    assert_json("\"status\":\"taken\"");
    w.now_ms += 60000; /* while no process was there */
    chat_restart();
    time_passes(1200);
    rises("manager", id, &ben);
    assert_json("\"dueAt\":null");
    int64_t version = t.version;
    time_passes(3000);
    looks(id, &ben, ERR_NONE);
    assert_int_equal(t.version, version); /* it stays there */
}

static void what_is_concluded_does_not_rise(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), sue = supervisor("Sue");
    w.conf.chat_tier_ms[0] = 1500;
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    escalates(room, -1, &anna, ERR_NONE);
    changes(t.id, &(struct chat_desk_change){.act = CHAT_CONCLUDE, .outcome = CHAT_RESOLVED}, &sue,
            ERR_NONE);
    uuid id = t.id;
    time_passes(4000);
    rises("T1", id, &anna);
}

static void lists(const struct chat_escalation_filter *f, const struct chat_who *who)
{
    chat_escalation_list(any_home(), f, who, on_told, &t);
    answered(ERR_NONE);
}

static void the_queue_is_listed_by_pages(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), gus = guest("Gus");
    uuid ids[5];
    for (unsigned i = 0; i < 5; i++) {
        uuid room = room_made(CHAT_GROUP, text_of("Team %u", i), &anna, NULL, NULL, NULL);
        escalates(room, i == 4 ? CHAT_T2 : -1, &anna, ERR_NONE);
        ids[i] = t.id;
        w.now_ms++;
    }
    takes(ids[1], &ben, ERR_NONE);
    struct chat_escalation_filter f = {.status = CHAT_WAITING, .level = -1, .limit = 2};
    lists(&f, &ben);
    assert_json(id_text(ids[0]));
    assert_json(id_text(ids[2]));
    assert_null(strstr(t.json, id_text(ids[1])));
    assert_int_not_equal(t.next[0], '\0');
    char next[64];
    memcpy(next, t.next, sizeof next);
    f.after = span_str(next);
    lists(&f, &ben);
    assert_json(id_text(ids[3]));
    assert_json(id_text(ids[4]));
    assert_int_equal(t.next[0], '\0');
    lists(&(struct chat_escalation_filter){.status = -1, .level = CHAT_T2, .limit = 10}, &ben);
    assert_json(id_text(ids[4]));
    assert_null(strstr(t.json, id_text(ids[3])));
    lists(&(struct chat_escalation_filter){.status = -1, .level = -1, .limit = 10,
                                           .assigned_to = ben.actor.id},
          &anna);
    assert_json(id_text(ids[1]));
    assert_null(strstr(t.json, id_text(ids[0])));
    f.after = SPAN("nonsense");
    chat_escalation_list(any_home(), &f, &ben, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    chat_escalation_list(any_home(), &f, &gus, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
}

static void staff_hears_notices(void **state)
{
    (void)state;
    struct chat_who sue = supervisor("Sue");
    struct socket *sues = socket_open(0, &sue);
    socket_follows(sues, CHAT_STAFF_TOPIC);
    turns();
    chat_notify(any_home(), &(struct chat_notice){.level = CHAT_FAILURE, .code = "alert_errors",
                                                  .message = "many requests fail"});
    turns();
    assert_heard(sues, "chat:system:notification {\"level\":\"error\",\"code\":\"alert_errors\","
                       "\"message\":\"many requests fail\"}");
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, chat_setup_1, chat_teardown),                            \
        cmocka_unit_test_setup_teardown(test, chat_setup_5, chat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_room_has_one_open_escalation),
        BOTH(it_is_taken_released_assigned_and_concluded),
        BOTH(one_of_many_takes_it),
        BOTH(it_rises_when_due_also_after_a_restart),
        BOTH(what_is_concluded_does_not_rise),
        BOTH(the_queue_is_listed_by_pages),
        BOTH(staff_hears_notices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
