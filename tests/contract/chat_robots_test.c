/* Robots: made and changed, asked, their answers in all forms, breaker, sockets; with a receiver
 * that does what the test says and time in its hand. */
#include "chat_robots_fixture.h"

#include <stdio.h>
#include <string.h>

static void get(uuid id, err error)
{
    chat_robot_get(any_home(), id, true, on_told, &t);
    answered(error);
}

static void robots_are_made_shown_and_changed(void **state)
{
    (void)state;
    struct actor who = {.id = UUID_NIL};
    uuid a = robot_made("Anton", "https://robots.example/a").actor.id;
    told("\"kind\":\"webhook\",\"webhookUrl\":\"https://robots.example/a\",\"enabled\":true,"
         "\"state\":\"ready\",\"secret\":\"");
    uuid b = robot_made("Berta", "").actor.id;
    told("\"kind\":\"socket\",\"enabled\":true,\"state\":\"away\",\"key\":\"sbk_");
    get(a, ERR_NONE);
    not_told("secret");
    chat_robot_get(any_home(), a, false, on_told, &t);
    answered(ERR_NONE);
    not_told("webhookUrl");
    assert_int_equal(t.version, 1);
    patch(a, &(struct chat_robot_change){.version = 1, .name = SPAN("Aaron"), .enabled = 0},
          ERR_NONE);
    told("\"name\":\"Aaron\"");
    told("\"state\":\"disabled\"");
    not_told("secret");
    patch(a, &(struct chat_robot_change){.version = 1, .enabled = -1}, ERR_PRECONDITION_FAILED);
    patch(a, &(struct chat_robot_change){.name = SPAN("Berta"), .enabled = -1}, ERR_CONFLICT);
    assert_string_equal(t.member, "name");
    patch(a, &(struct chat_robot_change){.url = SPAN("ftp://x"), .enabled = -1},
          ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "webhookUrl");
    patch(a, &(struct chat_robot_change){.new_secret = true, .enabled = 1}, ERR_NONE);
    told("\"secret\":\"");
    patch(b, &(struct chat_robot_change){.url = SPAN("http://twin/b"), .enabled = -1}, ERR_NONE);
    told("\"kind\":\"webhook\"");
    told("\"secret\":\"");
    patch(b, &(struct chat_robot_change){.url = SPAN(""), .enabled = -1}, ERR_NONE);
    told("\"kind\":\"socket\"");
    not_told("secret");
    robots_restart(); /* all of it is stored */
    get(a, ERR_NONE);
    told("\"name\":\"Aaron\",\"description\":\"\",\"kind\":\"webhook\"");
    told("\"enabled\":true,\"state\":\"ready\"");
    chat_robot_delete(any_home(), a, 1, &who, on_told, &t);
    answered(ERR_PRECONDITION_FAILED);
    chat_robot_delete(any_home(), a, 0, &who, on_told, &t);
    answered(ERR_NONE);
    get(a, ERR_NOT_FOUND);
    chat_robot_delete(any_home(), a, 0, &who, on_told, &t);
    answered(ERR_NOT_FOUND);
    patch(a, &(struct chat_robot_change){.enabled = -1}, ERR_NOT_FOUND);
}

static void robots_are_listed_and_counted(void **state)
{
    (void)state;
    struct chat_robot_filter f = {.text = SPAN_NONE, .limit = 2};
    struct actor who = {.id = UUID_NIL};
    char cursor[sizeof t.next];
    for (unsigned i = 0; i < 5; i++) {
        char name[20];
        snprintf(name, sizeof name, "robot %u", i);
        (void)robot_made(name, i < 3 ? "https://robots.example/" : "");
    }
    struct chat_robot_draft in = {.name = SPAN("one more"), .description = SPAN("")};
    chat_robot_create(any_home(), &in, &who, on_told, &t);
    answered(ERR_CONFLICT);
    chat_robot_list(any_home(), &f, on_told, &t);
    answered(ERR_NONE);
    told("\"name\":\"robot 0\"");
    told("\"name\":\"robot 1\"");
    not_told("robot 2");
    snprintf(cursor, sizeof cursor, "%s", t.next);
    f.after = span_str(cursor);
    f.limit = 200;
    chat_robot_list(any_home(), &f, on_told, &t);
    answered(ERR_NONE);
    not_told("robot 1");
    told("\"name\":\"robot 4\"");
    assert_string_equal(t.next, "");
    f = (struct chat_robot_filter){.text = SPAN("BOT 3"), .limit = 10, .whole = true};
    chat_robot_list(any_home(), &f, on_told, &t);
    answered(ERR_NONE);
    told("robot 3");
    not_told("robot 4");
    f.after = SPAN("?");
    chat_robot_list(any_home(), &f, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    struct chat_robot_stats sum = {0};
    for (unsigned i = 0; i < w.count; i++) {
        struct chat_robot_stats s;
        chat_robot_stats(&w.homes[i], &s);
        sum.robots += s.robots;
        sum.away += s.away;
    }
    assert_int_equal(sum.robots, 5);
    assert_int_equal(sum.away, 2);
}

/* --- jobs --- */

static uuid ask(uuid room, const struct chat_who *robot, const struct chat_who *who,
                const char *prompt, bool private, err error)
{
    struct chat_robot_question q = {.robot = robot->actor.id,
                                    .prompt = span_str(prompt),
                                    .visibility =
                                        private ? CHAT_VISIBLE_PRIVATE : CHAT_VISIBLE_ROOM};
    struct chat_origin origin = {SPAN("sid-of-somebody-1234"), SPAN("req-1")};
    chat_robot_interact(any_home(), room, &q, who, &origin, on_told, &t);
    answered(error);
    return t.id;
}

/* A room of two people and a robot, and a socket of the first. */
static struct chat_who anna, ben, bot;
static uuid room;
static struct socket *one, *two;

static void begin(const char *url)
{
    anna = employee("Anna");
    ben = employee("Ben");
    bot = robot_made("Bot", url);
    room = room_made(CHAT_GROUP, "Team", &anna, &ben, &bot, NULL);
    one = socket_open(0, &anna);
    two = socket_open(w.count - 1, &ben);
    turns();
    (void)heard(one);
    (void)heard(two);
}

static void an_answer_becomes_a_message(void **state)
{
    (void)state;
    buf body = {0};
    begin("http://twin/bot");
    webhook_twin_answers(twin, 200, "{\"content\":\"42\"}", WEBHOOK_OK);
    uuid id = ask(room, &bot, &anna, "what is it?", false, ERR_NONE);
    assert_string_equal(t.members, text_of("\"jobId\":\"%s\"", id_text(id)));
    time_passes(200);
    webhook_twin_last(twin, &body);
    buf_append_byte(&body, 0);
    assert_non_null(strstr((char *)body.ptr, text_of("{\"jobId\":\"%s\",\"roomId\":\"%s\",",
                                                     id_text(id), id_text(room))));
    assert_non_null(strstr((char *)body.ptr,
                           text_of("\"userId\":\"%s\",\"prompt\":\"what is it?\","
                                   "\"visibility\":\"room\",\"context\":[]}",
                                   id_text(anna.actor.id))));
    assert_heard(two, "chat:message:received {\"id\":\"");
    assert_heard(two, text_of("\"type\":\"robot\",\"roomId\":\"%s\",\"senderId\":\"%s\","
                              "\"content\":\"42\"",
                              id_text(room), id_text(bot.actor.id)));
    assert_heard(two, "\"index\":0,\"chunk\":\"42\",\"final\":true,\"messageId\":\"");
    assert_int_equal(heard_count(two, "~chat:robot:response"), 1);
    job(room, id, &ben, ERR_NONE);
    told("\"state\":\"done\",\"messageId\":\"");
    buf_clear(&body);
    ask(room, &bot, &ben, "and now?", false, ERR_NONE);
    time_passes(200);
    webhook_twin_last(twin, &body);
    buf_append_byte(&body, 0);
    assert_non_null(strstr((char *)body.ptr, "\"context\":[{\"seq\":1,\"type\":\"robot\","));
    assert_non_null(strstr((char *)body.ptr, "\"name\":\"Bot\",\"content\":\"42\""));
    buf_deinit(&body);
}

static void pieces_are_told_as_they_come(void **state)
{
    (void)state;
    begin("http://twin/bot");
    webhook_twin_hold(twin, true);
    webhook_twin_type(twin, "application/x-ndjson");
    webhook_twin_answers(twin, 200, "{\"chunk\":\"!\"}\n{\"final\":true}\n", WEBHOOK_OK);
    ask(room, &bot, &anna, "go", false, ERR_NONE);
    turns();
    assert_true(webhook_twin_part(twin, "{\"chunk\":\"one \"}\n{\"chu"));
    turns();
    assert_heard(two, "\"index\":0,\"chunk\":\"one \",\"final\":false}");
    assert_true(webhook_twin_part(twin, "nk\":\"two\"}\n"));
    assert_true(webhook_twin_part(twin, "{\"chunk\":\" three\"}\n"));
    turns();
    assert_not_heard(two, "\"index\":1"); /* too soon: they become one */
    time_passes(200);
    assert_heard(two, "\"index\":1,\"chunk\":\"two three\",\"final\":false}");
    webhook_twin_hold(twin, false);
    time_passes(200);
    assert_heard(two, "\"index\":2,\"chunk\":\"!\",\"final\":true,\"messageId\":\"");
    assert_heard(two, "\"content\":\"one two three!\"");
    assert_heard(one, "\"content\":\"one two three!\"");
}

static void a_robot_that_is_final_and_stays_is_not_waited_for(void **state)
{
    (void)state;
    begin("http://twin/bot");
    webhook_twin_hold(twin, true);
    webhook_twin_type(twin, "text/event-stream");
    ask(room, &bot, &anna, "go", false, ERR_NONE);
    turns();
    assert_true(webhook_twin_part(twin, "data: all\n\ndata: [DONE]\n\n"));
    time_passes(200);
    assert_heard(two, "\"content\":\"all\"");
    assert_int_equal(webhook_twin_held(twin), 0);
}

static void a_private_answer_is_for_who_asked(void **state)
{
    (void)state;
    begin("http://twin/bot");
    webhook_twin_answers(twin, 200, "{\"content\":\"psst\"}", WEBHOOK_OK);
    uuid id = ask(room, &bot, &anna, "secret?", true, ERR_NONE);
    time_passes(200);
    assert_heard(one, "\"chunk\":\"psst\",\"final\":true}");
    assert_not_heard(one, "chat:message:received");
    assert_string_equal(heard(two), "");
    job(room, id, &anna, ERR_NONE);
    told("\"visibility\":\"private\",\"state\":\"done\",\"content\":\"psst\"");
    job(room, id, &ben, ERR_NOT_FOUND);
    job(anna.actor.id, id, &anna, ERR_ROOM_ACCESS_DENIED);
    job(room, room, &anna, ERR_NOT_FOUND);
    struct chat_who eve = employee("Eve");
    job(room, id, &eve, ERR_ROOM_ACCESS_DENIED);
}

static void who_may_not_ask_is_refused(void **state)
{
    (void)state;
    begin("http://twin/bot");
    struct chat_who eve = employee("Eve"), other = robot_made("Other", "");
    ask(room, &bot, &eve, "hi", false, ERR_ROOM_ACCESS_DENIED);
    ask(eve.actor.id, &bot, &anna, "hi", false, ERR_ROOM_ACCESS_DENIED);
    ask(room, &other, &anna, "hi", false, ERR_NOT_FOUND);
    ask(room, &ben, &anna, "hi", false, ERR_NOT_FOUND);
    patch(bot.actor.id, &(struct chat_robot_change){.enabled = 0}, ERR_NONE);
    ask(room, &bot, &anna, "hi", false, ERR_CONFLICT);
    patch(bot.actor.id, &(struct chat_robot_change){.url = SPAN(""), .enabled = 1}, ERR_NONE);
    ask(room, &bot, &anna, "hi", false, ERR_CONNECTION_LOST);
    assert_int_equal(webhook_twin_count(twin), 0);
}

static void a_room_and_a_robot_are_asked_so_much_at_once(void **state)
{
    (void)state;
    begin("http://twin/bot");
    uuid second = room_made(CHAT_GROUP, "Two", &anna, &bot, NULL, NULL);
    webhook_twin_hold(twin, true);
    for (unsigned i = 0; i < 3; i++) {
        ask(room, &bot, &anna, "go", false, ERR_NONE);
    }
    ask(room, &bot, &anna, "go", false, ERR_RATE_LIMIT_EXCEEDED);
    assert_true(t.retry_after_ms > 0);
    ask(second, &bot, &anna, "go", false, ERR_NONE);
    ask(second, &bot, &anna, "go", false, ERR_RATE_LIMIT_EXCEEDED);
    webhook_twin_answers(twin, 204, "", WEBHOOK_OK);
    webhook_twin_hold(twin, false);
    time_passes(200);
    assert_int_equal(heard_count(two, "\"chunk\":\"\",\"final\":true}"), 3); /* it says nothing */
    assert_not_heard(two, "chat:message:received");
    uuid id = ask(room, &bot, &anna, "go", false, ERR_NONE);
    time_passes(200);
    job(room, id, &ben, ERR_NONE);
    told("\"state\":\"done\",\"createdAt\"");
}

/* --- failures --- */

static void fails(int status, const char *body, enum webhook_result result, const char *code,
                  const char *why)
{
    webhook_twin_answers(twin, status, body, result);
    (void)heard(one);
    (void)heard(two);
    uuid id = ask(room, &bot, &anna, "go", false, ERR_NONE);
    time_passes(200);
    assert_heard(one, text_of("chat:error {\"code\":\"%s\",\"message\":\"%s\",\"details\":{"
                              "\"jobId\":\"%s\",\"roomId\":\"%s\",\"robotId\":\"%s\"},"
                              "\"recoverable\":true},\"sid-of-somebody-1234\",\"req-1\"",
                              code, why, id_text(id), id_text(room), id_text(bot.actor.id)));
    assert_heard(two, "\"chunk\":\"\",\"final\":true}");
    assert_not_heard(two, "chat:error");
    assert_not_heard(two, "chat:message:received");
    job(room, id, &anna, ERR_NONE);
    told("\"state\":\"failed\"");
    told(why);
}

static void a_failure_is_told_to_who_asked(void **state)
{
    (void)state;
    begin("http://twin/bot");
    fails(0, "", WEBHOOK_UNREACHABLE, "CONNECTION_LOST", "the robot cannot be reached");
    fails(0, "", WEBHOOK_TIMEOUT, "CONNECTION_LOST", "the robot did not answer in time");
    fails(404, "", WEBHOOK_OK, "SERVER_ERROR", "the robot refused");
    fails(500, "", WEBHOOK_OK, "SERVER_ERROR", "the robot failed");
    fails(200, "{\"content\":7}", WEBHOOK_OK, "SERVER_ERROR",
          "the robot's answer has content that is no text and no object");
}

static void what_is_no_answer_is_a_failure(void **state)
{
    (void)state;
    begin("http://twin/bot");
    fails(0, "", WEBHOOK_TOO_LONG, "SERVER_ERROR", "the robot's answer is too long");
    webhook_twin_type(twin, "text/html");
    fails(200, "<p>", WEBHOOK_OK, "SERVER_ERROR",
          "the robot's answer is of no media type that is known");
    fails(200, "", WEBHOOK_OK, "SERVER_ERROR",
          "the robot's answer is of no media type that is known");
    webhook_twin_type(twin, "text/plain");
    fails(200, "", WEBHOOK_OK, "SERVER_ERROR", "the robot's answer is empty");
}

static void five_failures_spare_it_for_a_minute(void **state)
{
    (void)state;
    struct chat_robot_stats s;
    begin("http://twin/bot");
    for (unsigned i = 0; i < 5; i++) {
        fails(503, "", WEBHOOK_OK, "SERVER_ERROR", "the robot failed");
    }
    ask(room, &bot, &anna, "go", false, ERR_SERVER_ERROR);
    assert_in_range(t.retry_after_ms, 50000, 60000);
    assert_int_equal(webhook_twin_count(twin), 5);
    chat_robot_stats(&w.homes[home_of(&w.homes[0], bot.actor.id)], &s);
    assert_int_equal(s.spared, 1);
    get(bot.actor.id, ERR_NONE);
    told("\"state\":\"spared\"");
    time_passes(61000);
    webhook_twin_answers(twin, 200, "{\"content\":\"back\"}", WEBHOOK_OK);
    (void)heard(two);
    ask(room, &bot, &anna, "go", false, ERR_NONE);
    time_passes(200);
    assert_heard(two, "\"content\":\"back\"");
    get(bot.actor.id, ERR_NONE);
    told("\"state\":\"ready\"");
}

static void a_robot_that_is_disabled_or_removed_ends_its_jobs(void **state)
{
    (void)state;
    struct actor who = {.id = UUID_NIL};
    begin("http://twin/bot");
    webhook_twin_hold(twin, true);
    uuid id = ask(room, &bot, &anna, "go", false, ERR_NONE);
    turns();
    patch(bot.actor.id, &(struct chat_robot_change){.enabled = 0}, ERR_NONE);
    time_passes(200);
    assert_heard(one, "\"message\":\"the robot was disabled\"");
    job(room, id, &anna, ERR_NONE);
    told("\"state\":\"failed\",\"error\":\"the robot was disabled\"");
    patch(bot.actor.id, &(struct chat_robot_change){.enabled = 1}, ERR_NONE);
    id = ask(room, &bot, &anna, "go", false, ERR_NONE);
    turns();
    chat_robot_delete(any_home(), bot.actor.id, 0, &who, on_told, &t);
    answered(ERR_NONE);
    time_passes(200);
    job(room, id, &anna, ERR_NONE);
    not_told("\"state\":\"open\"");
    ask(room, &bot, &anna, "go", false, ERR_NOT_FOUND);
    assert_int_equal(webhook_twin_held(twin), 0);
}

/* --- a socket of its own --- */

static void piece(uuid id, int64_t index, const char *chunk, bool final, err error)
{
    struct chat_robot_piece in = {
        .job = id, .index = index, .chunk = span_str(chunk), .final = final};
    chat_robot_answer(any_home(), &in, &bot, on_told, &t);
    answered(error);
}

static void a_robot_with_a_socket_answers_by_it(void **state)
{
    (void)state;
    begin("");
    ask(room, &bot, &anna, "hi", false, ERR_CONNECTION_LOST);
    struct socket *its = socket_open(w.count / 2, &bot);
    turns();
    (void)heard(its);
    get(bot.actor.id, ERR_NONE);
    told("\"state\":\"ready\"");
    uuid id = ask(room, &bot, &anna, "hello", false, ERR_NONE);
    time_passes(200);
    assert_heard(its, text_of("~chat:robot:request {\"jobId\":\"%s\"", id_text(id)));
    assert_heard(its, "\"prompt\":\"hello\",\"visibility\":\"room\",\"context\":[]}");
    piece(id, 0, "good ", false, ERR_NONE);
    piece(id, 0, "good ", false, ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "index");
    turns();
    assert_heard(two, "\"index\":0,\"chunk\":\"good \",\"final\":false}");
    piece(room, 0, "", false, ERR_NOT_FOUND);
    piece(id, 1, "day", true, ERR_NONE);
    uuid message = t.id;
    turns();
    assert_heard(two, "\"content\":\"good day\"");
    assert_heard(two, text_of("\"chunk\":\"day\",\"final\":true,\"messageId\":\"%s\"",
                              id_text(message)));
    piece(id, 2, "more", true, ERR_NOT_FOUND);
    /* what it may not say ends the job */
    id = ask(room, &bot, &anna, "hello", false, ERR_NONE);
    piece(id, 0, "bell \a", false, ERR_INVALID_REQUEST);
    time_passes(200);
    assert_heard(one, "the robot's answer is no text");
    id = ask(room, &bot, &anna, "hello", false, ERR_NONE);
    piece(id, 0, "", true, ERR_INVALID_REQUEST);
    id = ask(room, &bot, &anna, "hello", false, ERR_NONE);
    struct chat_robot_piece gives_up = {.job = id, .chunk = SPAN(""), .error = SPAN("no idea")};
    chat_robot_answer(any_home(), &gives_up, &bot, on_told, &t);
    answered(ERR_NONE);
    time_passes(200);
    assert_heard(one, "the robot's answer says that it failed");
    id = ask(room, &bot, &anna, "hello", false, ERR_NONE);
    struct chat_robot_piece whole = {
        .job = id, .chunk = SPAN(""), .final = true, .content = SPAN("{\"rows\":[1]}")};
    chat_robot_answer(any_home(), &whole, &bot, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_heard(two, "\"content\":{\"rows\":[1]}");
}

static void a_robot_that_goes_away_is_lost(void **state)
{
    (void)state;
    begin("");
    struct socket *its = socket_open(0, &bot), *another = socket_open(w.count - 1, &bot);
    turns();
    uuid id = ask(room, &bot, &anna, "hello", false, ERR_NONE);
    turns();
    socket_close(its);
    time_passes(100);
    job(room, id, &anna, ERR_NONE);
    told("\"state\":\"open\""); /* it has another one */
    socket_close(another);
    time_passes(200);
    assert_heard(one, "chat:error {\"code\":\"CONNECTION_LOST\",\"message\":\"the robot's socket "
                      "has gone\"");
    job(room, id, &anna, ERR_NONE);
    told("\"state\":\"failed\"");
    piece(id, 0, "late", true, ERR_NOT_FOUND);
    its = socket_open(0, &bot);
    turns();
    id = ask(room, &bot, &anna, "hello", false, ERR_NONE);
    (void)heard(one);
    time_passes(31000);
    assert_heard(one, "\"message\":\"the robot did not answer in time\"");
}

/* --- restarts and stores that fail --- */

static void jobs_that_a_process_left_are_failed_by_the_next(void **state)
{
    (void)state;
    begin("http://twin/bot");
    webhook_twin_hold(twin, true);
    uuid id = ask(room, &bot, &anna, "go", false, ERR_NONE);
    turns();
    robots_restart();
    time_passes(300);
    job(room, id, &anna, ERR_NONE);
    told("\"state\":\"failed\",\"error\":\"the server was restarted\"");
    one = socket_open(0, &anna);
    turns();
    webhook_twin_answers(twin, 200, "{\"content\":\"again\"}", WEBHOOK_OK);
    ask(room, &bot, &anna, "go", false, ERR_NONE);
    time_passes(200);
    assert_heard(one, "\"content\":\"again\"");
}

int main(void)
{
#define ON_1(f) {#f " on 1", f, setup_1, teardown, NULL}
#define ON_5(f) {#f " on 5", f, setup_5, teardown, NULL}
#define BOTH(f) ON_1(f), ON_5(f)
    const struct CMUnitTest tests[] = {
        BOTH(robots_are_made_shown_and_changed),
        BOTH(robots_are_listed_and_counted),
        BOTH(an_answer_becomes_a_message),
        BOTH(pieces_are_told_as_they_come),
        ON_5(a_robot_that_is_final_and_stays_is_not_waited_for),
        BOTH(a_private_answer_is_for_who_asked),
        ON_5(who_may_not_ask_is_refused),
        ON_5(a_room_and_a_robot_are_asked_so_much_at_once),
        BOTH(a_failure_is_told_to_who_asked),
        ON_5(what_is_no_answer_is_a_failure),
        ON_5(five_failures_spare_it_for_a_minute),
        ON_5(a_robot_that_is_disabled_or_removed_ends_its_jobs),
        BOTH(a_robot_with_a_socket_answers_by_it),
        BOTH(a_robot_that_goes_away_is_lost),
        BOTH(jobs_that_a_process_left_are_failed_by_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
