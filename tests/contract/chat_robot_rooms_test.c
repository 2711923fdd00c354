/* Rooms that a robot owns: it answers guests until a person takes over. */
#include "chat_robots_fixture.h"

#include <stdio.h>
#include <string.h>

static struct chat_who anna, gus, bot;
static struct socket *two;
static uuid room;

static void say(const struct chat_who *who, const char *text)
{
    struct chat_draft d = {.type = CHAT_MESSAGE_CHAT, .content = span_str(text)};
    chat_send(any_home(), room, &d, who, NULL, on_told, &t);
    answered(ERR_NONE);
}

static void own(void)
{
    anna = employee("Anna");
    bot = robot_made("Bot", "http://twin/bot");
    room = robot_room(&bot, &anna, &gus);
    (void)socket_open(0, &anna);
    two = socket_open(w.count - 1, &gus);
    turns();
}

static void guests_are_answered_by_the_robot_that_owns_the_room(void **state)
{
    (void)state;
    buf body = {0};
    own();
    webhook_twin_answers(twin, 200, "{\"content\":\"hello guest\"}", WEBHOOK_OK);
    say(&gus, "\"help me\"");
    time_passes(200);
    assert_heard(two, "\"content\":\"hello guest\"");
    assert_int_equal(webhook_twin_count(twin), 1);
    /* while it answers, what is said is the next question, once */
    webhook_twin_hold(twin, true);
    say(&gus, "\"first\"");
    say(&gus, "\"second\"");
    say(&gus, "\"third\"");
    time_passes(200);
    assert_int_equal(webhook_twin_count(twin), 2);
    webhook_twin_hold(twin, false);
    time_passes(300);
    assert_int_equal(webhook_twin_count(twin), 3);
    webhook_twin_last(twin, &body);
    buf_append_byte(&body, 0);
    assert_non_null(strstr((char *)body.ptr, "\"prompt\":\"third\""));
    assert_non_null(strstr((char *)body.ptr, "\"content\":\"second\""));
    buf_deinit(&body);
}

static void a_person_who_speaks_takes_over(void **state)
{
    (void)state;
    own();
    webhook_twin_hold(twin, true);
    webhook_twin_type(twin, "text/plain");
    webhook_twin_answers(twin, 200, "too late", WEBHOOK_OK);
    say(&gus, "\"help me\"");
    time_passes(200);
    assert_true(webhook_twin_part(twin, "let me "));
    time_passes(200);
    assert_heard(two, "\"chunk\":\"let me \"");
    say(&anna, "\"I am here\"");
    time_passes(300);
    assert_heard(two, text_of("\"type\":\"system\",\"roomId\":\"%s\"", id_text(room)));
    assert_heard(two, text_of("\"code\":\"ROBOT_RELEASED\",\"text\":\"A person has taken over from "
                              "the robot\",\"robotId\":\"%s\",\"userId\":\"%s\"",
                              id_text(bot.actor.id), id_text(anna.actor.id)));
    assert_heard(two, "\"chunk\":\"\",\"final\":true}");
    webhook_twin_hold(twin, false);
    say(&gus, "\"thanks\"");
    time_passes(300);
    assert_not_heard(two, "too late");
    assert_int_equal(webhook_twin_count(twin), 1);
    robots_restart(); /* it stays so */
    say(&gus, "\"anybody?\"");
    time_passes(200);
    assert_int_equal(webhook_twin_count(twin), 0);
}

static void settings_that_name_no_robot_are_refused(void **state)
{
    char settings[100];
    (void)state;
    anna = employee("Anna");
    struct chat_room_draft draft = {
        .name = SPAN("Help"), .type = CHAT_SUPPORT, .settings = SPAN("{\"robotId\":7}")};
    chat_room_create(any_home(), &draft, &anna, NULL, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "settings.robotId");
    struct chat_who ben = employee("Ben");
    snprintf(settings, sizeof settings, "{\"robotId\":\"%s\"}", id_text(ben.actor.id));
    draft.settings = span_str(settings);
    chat_room_create(any_home(), &draft, &anna, NULL, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    draft.type = CHAT_GROUP; /* it has no owner */
    chat_room_create(any_home(), &draft, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
}

int main(void)
{
#define ON_1(f) {#f " on 1", f, setup_1, teardown, NULL}
#define ON_5(f) {#f " on 5", f, setup_5, teardown, NULL}
    const struct CMUnitTest tests[] = {
        ON_1(guests_are_answered_by_the_robot_that_owns_the_room),
        ON_5(guests_are_answered_by_the_robot_that_owns_the_room),
        ON_1(a_person_who_speaks_takes_over),
        ON_5(a_person_who_speaks_takes_over),
        ON_5(settings_that_name_no_robot_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
