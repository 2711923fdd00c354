/* Rules of chat: mutes and their reasons; robots that own rooms. */
#include "chat_robots_fixture.h"

#include "adapters/store_faulty/store_faulty.h"
#include "domain/chat_desk.h"

#include <stdio.h>
#include <string.h>

static struct chat_who anna, ben, gus, bot;
static uuid room;
static struct store_faulty *faulty;

/* The homes' store fails as the test says; what blocks at the start of a process does not. */
static void store_may_fail(void)
{
    faulty = store_faulty_new(w.store, w.post);
    for (unsigned i = 0; i < w.count; i++) {
        w.homes[i].store = store_faulty_port(faulty);
    }
}

static int over(void **state)
{
    if (faulty != NULL) {
        w.store = store_faulty_port(faulty); /* which closes the other */
        faulty = NULL;
    }
    return teardown(state);
}

/* A support room of Anna's that a robot owns, with a guest; and a store that may fail. */
static void robot_owns(const char *url)
{
    anna = employee("Anna");
    ben = employee("Ben");
    bot = robot_made("Bot", url);
    room = robot_room(&bot, &anna, &gus);
    store_may_fail();
}

static void say(const struct chat_who *who, const char *json, err error)
{
    struct chat_draft d = {.type = CHAT_MESSAGE_CHAT, .content = span_str(json)};
    chat_send(any_home(), room, &d, who, NULL, on_told, &t);
    answered(error);
}

/* Nothing but the next request is stored; then the process is there again. */
static void dies_behind_the_next(void)
{
    store_faulty_fail(faulty, 1, 1000000, ERR_STORE_FULL);
}

static void lives_again(void)
{
    store_faulty_fail(faulty, 0, 0, ERR_NONE);
    robots_restart();
}

static void who_speaks_takes_over_in_the_same_transaction(void **state)
{
    (void)state;
    robot_owns("http://twin/bot");
    struct socket *s = socket_open(0, &anna);
    turns();
    store_faulty_fail(faulty, 0, 1, ERR_STORE_FULL);
    say(&anna, "\"lost\"", ERR_STORE_FULL); /* nobody has taken over */
    webhook_twin_answers(twin, 200, "{\"content\":\"yes\"}", WEBHOOK_OK);
    say(&gus, "\"help\"", ERR_NONE);
    time_passes(200);
    assert_heard(s, "\"content\":\"yes\"");
    dies_behind_the_next();
    say(&anna, "\"here\"", ERR_NONE);
    assert_heard(s, "ROBOT_RELEASED");
    lives_again();
    say(&gus, "\"and now?\"", ERR_NONE);
    time_passes(200);
    assert_int_equal(webhook_twin_count(twin), 0);
}

static void who_takes_the_escalation_takes_over_in_the_same_transaction(void **state)
{
    (void)state;
    robot_owns("http://twin/bot");
    chat_escalate(any_home(), room, SPAN("help"), -1, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    uuid escalation = t.id;
    struct chat_desk_change take = {.act = CHAT_TAKE};
    /* where it is, how it stands, then it is written */
    store_faulty_fail(faulty, 3, 1000000, ERR_STORE_FULL);
    chat_escalation_change(any_home(), escalation, &take, &ben, on_told, &t);
    answered(ERR_NONE);
    lives_again();
    say(&gus, "\"and now?\"", ERR_NONE);
    time_passes(200);
    assert_int_equal(webhook_twin_count(twin), 0);
}

static void why_somebody_is_muted_is_stored_and_told_to_whom_it_concerns(void **state)
{
    (void)state;
    struct chat_who cid = employee("Cid");
    anna = employee("Anna");
    ben = employee("Ben");
    struct chat_who dan = employee("Dan"), sue = supervisor("Sue");
    room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, &dan);
    struct chat_member_change lead = {.role = CHAT_MODERATOR};
    struct chat_member_change mute = {
        .role = -1, .has_mute = true, .mute_s = -1, .reason = SPAN("\"noise\" & more")};
    struct chat_member_change role = {.role = CHAT_MEMBER};
    struct chat_member_change speak = {.role = -1, .has_mute = true, .reason = SPAN("enough")};
    struct socket *a = socket_open(0, &anna), *b = socket_open(0, &ben);
    struct socket *c = socket_open(0, &cid), *d = socket_open(0, &dan);
    chat_member_patch(any_home(), room, ben.actor.id, &lead, &anna, on_told, &t);
    answered(ERR_NONE);
    chat_member_patch(any_home(), room, cid.actor.id, &mute, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"muteReason\":\"\\\"noise\\\" & more\""));
    turns();
    assert_heard(c, "\"code\":\"muted\"");
    assert_heard(c, "\"until\":\"9999-12-31T23:59:59.999Z\",\"reason\":\"\\\"noise\\\" & more\"");
    assert_heard(a, "\"code\":\"member_muted\"");
    assert_heard(a, id_text(cid.actor.id));
    assert_not_heard(b, "member_muted"); /* who did it was answered */
    assert_not_heard(d, "noise");
    assert_heard(d, "\"mutedUntil\"");
    chat_member_patch(any_home(), room, cid.actor.id, &role, &anna, on_told, &t);
    answered(ERR_NONE); /* changes nothing of it */
    robots_restart();
    const struct chat_who *see[] = {&anna, &ben, &cid, &sue};
    for (unsigned i = 0; i < 4; i++) {
        chat_room_get(any_home(), room, see[i], on_told, &t);
        answered(ERR_NONE);
        assert_non_null(strstr(t.json, "noise"));
        chat_member_list(any_home(), room, SPAN_NONE, 10, see[i], on_told, &t);
        answered(ERR_NONE);
        assert_non_null(strstr(t.json, "noise"));
    }
    chat_room_get(any_home(), room, &dan, on_told, &t);
    answered(ERR_NONE);
    assert_null(strstr(t.json, "noise"));
    assert_non_null(strstr(t.json, "\"mutedUntil\""));
    c = socket_open(0, &cid);
    turns();
    chat_member_patch(any_home(), room, cid.actor.id, &speak, &sue, on_told, &t);
    answered(ERR_NONE);
    assert_null(strstr(t.json, "mute"));
    turns();
    assert_heard(c, "\"code\":\"unmuted\"");
    assert_heard(c, "\"reason\":\"enough\"");
    robots_restart();
    chat_room_get(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_null(strstr(t.json, "muteReason"));
}

/* An owner by inheritance stays as muted as it was. */
static void who_inherits_a_room_is_muted_as_before(void **state)
{
    (void)state;
    anna = employee("Anna");
    ben = employee("Ben");
    room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct chat_member_change mute = {
        .role = -1, .has_mute = true, .mute_s = 600, .reason = SPAN("noise")};
    chat_member_patch(any_home(), room, ben.actor.id, &mute, &anna, on_told, &t);
    answered(ERR_NONE);
    chat_leave(any_home(), room, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    robots_restart();
    chat_room_get(any_home(), room, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"role\":\"owner\""));
    assert_non_null(strstr(t.json, "\"muteReason\":\"noise\""));
}

static void fails_five_times(void)
{
    webhook_twin_answers(twin, 500, "", WEBHOOK_STATUS);
    for (unsigned i = 0; i < 5; i++) {
        say(&gus, "\"help\"", ERR_NONE);
        time_passes(200);
    }
}

static void a_robot_that_is_spared_is_nobody_for_guests(void **state)
{
    (void)state;
    robot_owns("http://twin/bot");
    struct chat_who sue = supervisor("Sue");
    struct socket *g = socket_open(0, &gus), *s = socket_open(w.count - 1, &sue);
    socket_follows(s, CHAT_STAFF_TOPIC);
    socket_follows(s, CHAT_DESK_TOPIC);
    turns();
    fails_five_times();
    assert_heard(g, "\"code\":\"room_read_only\"");
    assert_heard(s, "\"code\":\"guests_alone\"");
    say(&gus, "\"anybody?\"", ERR_PERMISSION_DENIED);
    time_passes(90000); /* it may be tried, but has not answered */
    say(&gus, "\"anybody?\"", ERR_PERMISSION_DENIED);
    time_passes(220000);
    assert_heard(s, "\"code\":\"room_waits\"");
    assert_heard(s, "chat:escalation:created");
    (void)heard(g);
    webhook_twin_answers(twin, 200, "{\"content\":\"yes\"}", WEBHOOK_OK);
    uuid help = room;
    room = room_made(CHAT_GROUP, "Team", &anna, &bot, NULL, NULL);
    struct chat_robot_question q = {.robot = bot.actor.id, .prompt = SPAN("better?")};
    chat_robot_interact(any_home(), room, &q, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    time_passes(200);
    assert_heard(g, "\"code\":\"room_attended\""); /* it has answered somebody else */
    room = help;
    say(&gus, "\"still there?\"", ERR_NONE);
    time_passes(200);
    assert_heard(g, "\"content\":\"yes\"");
    /* a room that was not alone while it was spared may ask it first */
    fails_five_times();
    socket_close(g);
    time_passes(61000);
    patch(bot.actor.id, &(struct chat_robot_change){.enabled = 0}, ERR_NONE);
    patch(bot.actor.id, &(struct chat_robot_change){.url = SPAN(""), .enabled = 1}, ERR_NONE);
}

static void a_robot_without_its_socket_is_missed_after_a_minute(void **state)
{
    (void)state;
    robot_owns("");
    struct socket *g = socket_open(0, &gus);
    chat_robot_socket(any_home(), bot.actor.id, 1);
    time_passes(61000);
    assert_not_heard(g, "room_read_only");
    chat_robot_socket(any_home(), bot.actor.id, -1);
    time_passes(30000);
    chat_robot_socket(any_home(), bot.actor.id, 1); /* it came back */
    time_passes(61000);
    chat_robot_socket(any_home(), bot.actor.id, -1);
    time_passes(59000);
    assert_not_heard(g, "room_read_only");
    time_passes(2000);
    assert_heard(g, "\"code\":\"room_read_only\"");
    chat_robot_socket(any_home(), bot.actor.id, 1);
    turns();
    assert_heard(g, "\"code\":\"room_attended\"");
    /* out of the room it is nobody */
    (void)heard(g);
    chat_member_remove(any_home(), room, bot.actor.id, 0, SPAN_NONE, &anna, on_told, &t);
    answered(ERR_NONE);
    time_passes(61000);
    assert_heard(g, "\"code\":\"room_read_only\"");
}

/* How often the log has that something was delivered, for the sender. */
static unsigned statuses(const struct chat_who *sender)
{
    unsigned count = 0, rows = 500;
    int64_t after = 0;
    while (rows == 500) {
        struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
        req->row_max = rows;
        store_step_init(req, 0, QUERY_EVENT_AFTER, 1);
        store_set_int(req, 0, 0, 0, after);
        store_set_int(req, 0, 0, 1, rows);
        assert_int_equal(store_run(w.store, req), ERR_NONE);
        rows = req->steps[0].row_count;
        for (unsigned i = 0; i < rows; i++) {
            const struct store_value *c = store_cell(req, 0, i, 0);
            const char *topic = text_of("chat/user/%s", id_text(sender->actor.id));
            count += span_eq(store_text(&c[3]), SPAN("chat:message:status")) &&
                     span_eq(store_text(&c[4]), span_str(topic));
            after = store_int(&c[0]);
        }
        store_req_free(req);
    }
    return count;
}

/* As a crash leaves them: on their way to somebody. */
static void made_streaming(unsigned from, unsigned to)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_MESSAGE_SET_DELIVERY, to - from + 1);
    for (unsigned seq = from; seq <= to; seq++) {
        store_set_text(req, 0, seq - from, 0, span_str(id_text(room)));
        store_set_int(req, 0, seq - from, 1, seq);
        store_set_text(req, 0, seq - from, 2, SPAN("streaming"));
    }
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
}

static void what_a_dead_process_left_streaming_is_delivered_and_told_once(void **state)
{
    (void)state;
    anna = employee("Anna");
    ben = employee("Ben");
    struct chat_who cid = employee("Cid");
    room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, NULL);
    for (unsigned i = 0; i < 600; i++) { /* more than one look takes */
        say(&anna, "\"hello\"", ERR_NONE);
    }
    say(&cid, "\"bye\"", ERR_NONE);
    uuid last = t.id;
    chat_leave(any_home(), room, &cid, NULL, on_told, &t);
    answered(ERR_NONE);
    made_streaming(1, 601);
    robots_restart();
    time_passes(200);
    assert_int_equal(statuses(&anna), 600);
    assert_int_equal(statuses(&cid), 0); /* it is no member any more */
    chat_message_get(any_home(), last, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"deliveryStatus\":\"delivered\""));
    robots_restart();
    time_passes(200);
    assert_int_equal(statuses(&anna), 600);
}

static void a_store_that_fails_delays_what_is_told_of_a_dead_process(void **state)
{
    (void)state;
    robot_owns("http://twin/bot");
    say(&anna, "\"hello\"", ERR_NONE);
    made_streaming(1, 2);
    store_faulty_fail(faulty, 0, 1000000, ERR_STORE_FULL);
    robots_restart();
    assert_int_equal(statuses(&anna), 0);
    store_faulty_fail(faulty, 0, 0, ERR_NONE);
    time_passes(3000);
    assert_int_equal(statuses(&anna), 1);
}

static void makes(enum chat_room_type type, const struct chat_who *who, const struct chat_who *with,
                  err error)
{
    struct chat_room_draft in = {.name = SPAN("Room"), .type = type, .members = &with->actor.id,
                                 .member_count = with == who ? 0 : 1};
    chat_room_create(any_home(), &in, who, NULL, on_told, &t);
    answered(error);
}

static void nobody_owns_or_is_in_more_rooms_than_one_may(void **state)
{
    (void)state;
    w.conf.chat_rooms_max = 4;
    w.conf.chat_rooms_owned_max = 3;
    anna = employee("Anna");
    ben = employee("Ben");
    struct chat_who cid = employee("Cid");
    makes(CHAT_PUBLIC, &ben, &ben, ERR_NONE);
    uuid public = t.id;
    makes(CHAT_GROUP, &ben, &ben, ERR_NONE);
    uuid team = t.id;
    /* at the same time they count each other */
    struct told told[6];
    memset(told, 0, sizeof told);
    unsigned made = 0;
    for (unsigned i = 0; i < 6; i++) {
        struct chat_room_draft in = {.name = SPAN("Room"), .type = CHAT_GROUP};
        chat_room_create(&w.homes[i % w.count], &in, &anna, NULL, on_told, &told[i]);
    }
    turns();
    for (unsigned i = 0; i < 6; i++) {
        made += told[i].error == ERR_NONE;
        assert_true(told[i].error == ERR_NONE || told[i].error == ERR_CONFLICT);
    }
    assert_int_equal(made, 3);
    makes(CHAT_SUPPORT, &anna, &anna, ERR_NONE); /* work */
    makes(CHAT_DIRECT, &ben, &anna, ERR_NONE);
    uuid direct = t.id;
    makes(CHAT_DIRECT, &ben, &anna, ERR_NONE); /* it is there */
    makes(CHAT_GROUP, &cid, &anna, ERR_CONFLICT);
    joins(public, &anna, ERR_CONFLICT);
    joins(team, &anna, ERR_ROOM_ACCESS_DENIED); /* who is not let in learns of no limit */
    chat_member_add(any_home(), team, anna.actor.id, CHAT_MEMBER, &ben, on_told, &t);
    answered(ERR_CONFLICT);
    chat_leave(any_home(), direct, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    joins(public, &anna, ERR_NONE);
    makes(CHAT_GROUP, &anna, &anna, ERR_CONFLICT);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup_1, over),                            \
        cmocka_unit_test_setup_teardown(test, setup_5, over)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(why_somebody_is_muted_is_stored_and_told_to_whom_it_concerns),
        BOTH(who_inherits_a_room_is_muted_as_before),
        BOTH(who_speaks_takes_over_in_the_same_transaction),
        BOTH(who_takes_the_escalation_takes_over_in_the_same_transaction),
        BOTH(nobody_owns_or_is_in_more_rooms_than_one_may),
        BOTH(a_robot_that_is_spared_is_nobody_for_guests),
        BOTH(a_robot_without_its_socket_is_missed_after_a_minute),
        BOTH(what_a_dead_process_left_streaming_is_delivered_and_told_once),
        BOTH(a_store_that_fails_delays_what_is_told_of_a_dead_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
