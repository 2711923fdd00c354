/* Guests: made, listed, revoked, over; and never alone, over restarts. */
#include "chat_fixture.h"

#include "base/base64.h"
#include "domain/chat_desk.h"
#include "domain/chat_guest.h"

#include <string.h>

static void assert_json(const char *text)
{
    if (strstr(t.json, text) == NULL) {
        fail_msg("not %s in %s", text, t.json);
    }
}

static void makes(uuid room, const struct chat_who *who, err error)
{
    chat_guest_make(any_home(), room, SPAN("Gina"), 0, who, on_told, &t);
    answered(error);
}

/* The guest that was made last, as its token says. */
static struct chat_who made(void)
{
    return (struct chat_who){.actor = {.id = t.id, .name = SPAN("Gina"), .address = SPAN("::1")},
                             .kind = PRINCIPAL_GUEST,
                             .type = CHAT_GUEST,
                             .only = t.room};
}

static void sees(uuid room, const struct chat_who *who, err error)
{
    chat_room_get(any_home(), room, who, on_told, &t);
    answered(error);
}

static void a_guest_is_made_with_a_token_for_its_room(void **state)
{
    const char *text;
    (void)state;
    struct token_claims claims;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), sue = supervisor("Sue"),
                    bot = robot("Bot");
    uuid room = room_made(CHAT_SUPPORT, "Help", &anna, NULL, NULL, NULL);
    uuid other = room_made(CHAT_PUBLIC, "Canteen", &anna, &ben, NULL, NULL);
    uuid pair = room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    struct socket *hers = socket_open(0, &anna);
    turns();
    makes(room, &ben, ERR_ROOM_ACCESS_DENIED);
    makes(home_new_id(any_home()), &sue, ERR_ROOM_ACCESS_DENIED);
    makes(room, &bot, ERR_ROOM_ACCESS_DENIED);
    makes(pair, &anna, ERR_CONFLICT);
    makes(room, &anna, ERR_NONE);
    struct chat_who gina = made();
    turns();
    text = text_of("chat:room:joined {\"roomId\":\"%s\",\"userId\":\"%s\",\"userType\":\"guest\"}",
                   id_text(room), id_text(gina.actor.id));
    assert_heard(hers, text);
    const char *token = strstr(t.json, "\"token\":\"") + strlen("\"token\":\"");
    assert_int_equal(w.tokens->verify(w.tokens, span_of(token, strcspn(token, "\"")), w.now_ms,
                                      &claims),
                     TOKEN_OK);
    assert_string_equal(claims.kind, "guest");
    assert_string_equal(claims.room_id, id_text(room));
    assert_string_equal(claims.sub, id_text(gina.actor.id));
    assert_int_equal(claims.role_count, 0);
    sees(room, &gina, ERR_NONE);
    sees(other, &gina, ERR_ROOM_ACCESS_DENIED);
    joins(other, &gina, ERR_ROOM_ACCESS_DENIED);
    makes(room, &gina, ERR_ROOM_ACCESS_DENIED);
    chat_escalate(any_home(), room, SPAN("help"), -1, &gina, NULL, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    makes(room, &sue, ERR_NONE);
    makes(room, &anna, ERR_NONE);
    makes(room, &anna, ERR_CONFLICT); /* chat_guests_max: 3 */
}

static void lists(uuid room, const struct chat_who *who, err error)
{
    chat_guest_list(any_home(), room, SPAN_NONE, 10, who, on_told, &t);
    answered(error);
}

static void guests_are_listed_and_revoked(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), sue = supervisor("Sue");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    makes(room, &anna, ERR_NONE);
    struct chat_who gina = made();
    struct socket *ginas = socket_open(w.count - 1, &gina), *hers = socket_open(0, &anna);
    turns();
    text = text_of("joined %s 0 0\n", id_text(room));
    assert_heard(ginas, text);
    lists(room, &anna, ERR_NONE);
    assert_json(id_text(gina.actor.id));
    assert_json("\"revoked\":false");
    assert_null(strstr(t.json, "token"));
    lists(room, &ben, ERR_ROOM_ACCESS_DENIED);
    lists(room, &gina, ERR_ROOM_ACCESS_DENIED);
    lists(UUID_NIL, &anna, ERR_INVALID_REQUEST);
    lists(UUID_NIL, &sue, ERR_NONE);
    assert_json(id_text(gina.actor.id));
    chat_guest_revoke(any_home(), gina.actor.id, &ben, on_told, &t);
    answered(ERR_NOT_FOUND);
    chat_guest_revoke(any_home(), gina.actor.id, &gina, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_guest_revoke(any_home(), home_new_id(any_home()), &sue, on_told, &t);
    answered(ERR_NOT_FOUND);
    chat_guest_revoke(any_home(), gina.actor.id, &anna, on_told, &t);
    answered(ERR_NONE);
    turns();
    text = text_of("out %s removed\n", id_text(room));
    assert_heard(ginas, text);
    text = text_of("chat:room:left {\"roomId\":\"%s\",\"userId\":\"%s\"", id_text(room),
                   id_text(gina.actor.id));
    assert_heard(hers, text);
    sees(room, &gina, ERR_ROOM_ACCESS_DENIED);
    lists(room, &anna, ERR_NONE);
    assert_json("\"revoked\":true");
}

static void a_guest_is_over_after_a_while(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna");
    w.conf.chat_guest_keep_ms = 3000;
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    chat_guest_make(any_home(), room, SPAN("Gina"), 2000, &anna, on_told, &t);
    answered(ERR_NONE);
    struct chat_who gina = made();
    time_passes(3500); /* its token has ended; it is still shown */
    sees(room, &anna, ERR_NONE);
    assert_json("\"memberCount\":2");
    chat_restart();
    time_passes(3500);
    sees(room, &anna, ERR_NONE);
    assert_json("\"memberCount\":1");
    lists(room, &anna, ERR_NONE);
    assert_string_equal(t.json, "[]");
    sees(room, &gina, ERR_ROOM_ACCESS_DENIED);
}

static void redeems(span secret, err error)
{
    chat_guest_redeem(any_home(), secret, SPAN("Gus"), SPAN("192.0.2.7"), on_told, &t);
    answered(error);
}

static void wrong_secrets_are_refused_alike_and_slowed(void **state)
{
    (void)state;
    redeems(SPAN("x"), ERR_AUTHENTICATION_FAILED);
    redeems(SPAN("sbi_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), ERR_AUTHENTICATION_FAILED);
    assert_string_equal(t.why, "");
    for (unsigned i = 0; i < 3; i++) {
        redeems(SPAN("x"), ERR_AUTHENTICATION_FAILED);
    }
    redeems(SPAN("x"), ERR_RATE_LIMIT_EXCEEDED);
    assert_int_not_equal(t.retry_after_ms, 0);
}

/* --- never alone --- */

static struct chat_who anna, sue, gina;
static uuid room;
static struct socket *annas, *sues, *ginas;

static void people_come(void)
{
    anna = employee("Anna");
    sue = supervisor("Sue");
    room = room_made(CHAT_SUPPORT, "Help", &anna, NULL, NULL, NULL);
    makes(room, &anna, ERR_NONE);
    gina = made();
    annas = socket_open(0, &anna);
    ginas = socket_open(w.count - 1, &gina);
    sues = socket_open(0, &sue);
    socket_follows(sues, CHAT_STAFF_TOPIC);
    socket_follows(sues, CHAT_DESK_TOPIC);
    turns();
}

static void says(const struct chat_who *who, err error)
{
    struct chat_draft draft = {.content = SPAN("\"hello\"")};
    chat_send(any_home(), room, &draft, who, NULL, on_told, &t);
    answered(error);
}

static void guests_read_only_while_nobody_is_there(void **state)
{
    (void)state;
    people_come();
    says(&gina, ERR_NONE);
    socket_close(annas);
    time_passes(59000);
    says(&gina, ERR_NONE); /* she may come back */
    assert_not_heard(ginas, "room_read_only");
    time_passes(1500);
    assert_heard(ginas, "chat:system:notification {\"level\":\"warning\","
                        "\"code\":\"room_read_only\"");
    assert_heard(sues, "\"code\":\"guests_alone\"");
    says(&gina, ERR_PERMISSION_DENIED);
    annas = socket_open(0, &anna);
    turns();
    assert_heard(ginas, "\"code\":\"room_attended\"");
    assert_heard(sues, "\"code\":\"guests_attended\"");
    says(&gina, ERR_NONE);
    socket_close(annas);
    time_passes(30000);
    annas = socket_open(0, &anna);
    time_passes(40000);
    assert_int_equal(heard_count(ginas, "room_read_only"), 1); /* it was short */
}

static void the_last_employee_who_leaves_ends_it_at_once(void **state)
{
    (void)state;
    people_come();
    chat_leave(any_home(), room, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_heard(ginas, "\"code\":\"room_read_only\"");
    says(&gina, ERR_PERMISSION_DENIED);
}

static void watchers_do_not_count(void **state)
{
    (void)state;
    people_come();
    chat_watch(socket_client(sues), room, on_told, &t);
    answered(ERR_NONE);
    socket_close(annas);
    time_passes(61000);
    assert_heard(ginas, "\"code\":\"room_read_only\"");
}

static void a_room_of_lonely_guests_waits_in_the_queue(void **state)
{
    (void)state;
    people_come();
    socket_close(annas);
    time_passes(61000);
    chat_restart(); /* all sockets are gone, the room is as it was */
    time_passes(290000);
    struct chat_escalation_filter waiting = {.status = CHAT_WAITING, .level = -1, .limit = 10};
    chat_escalation_list(any_home(), &waiting, &sue, on_told, &t);
    answered(ERR_NONE);
    assert_string_equal(t.json, "[]");
    time_passes(12000);
    chat_escalation_list(any_home(), &waiting, &sue, on_told, &t);
    answered(ERR_NONE);
    assert_json(id_text(room));
    assert_json("\"createdBy\":null");
    time_passes(5000);
    chat_escalation_list(any_home(), &waiting, &sue, on_told, &t);
    answered(ERR_NONE);
    assert_int_equal(strstr(strstr(t.json, "\"id\"") + 1, "\"id\"") == NULL, true); /* one */
    ginas = socket_open(0, &gina);
    turns();
    says(&gina, ERR_PERMISSION_DENIED);
    struct chat_who ben = employee("Ben"); /* takes it from the queue */
    struct socket *bens = socket_open(w.count - 1, &ben);
    turns();
    chat_escalation_list(any_home(), &waiting, &ben, on_told, &t);
    answered(ERR_NONE);
    uuid id;
    assert_true(uuid_parse(span_of(strstr(t.json, "\"id\":\"") + 6, UUID_TEXT_LEN), &id));
    chat_escalation_change(any_home(), id, &(struct chat_desk_change){.act = CHAT_TAKE}, &ben,
                           on_told, &t);
    answered(ERR_NONE);
    turns();
    says(&gina, ERR_NONE);
    socket_close(bens); /* and goes home: the room waits again */
    time_passes(61000 + 301500);
    chat_escalation_get(any_home(), id, &sue, on_told, &t);
    answered(ERR_NONE);
    assert_json("\"status\":\"waiting\"");
}

static void nobody_waits_where_no_guest_is(void **state)
{
    (void)state;
    people_come();
    socket_close(ginas);
    turns();
    socket_close(annas);
    time_passes(120000);
    assert_not_heard(sues, "guests_alone");
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, chat_setup_1, chat_teardown),                            \
        cmocka_unit_test_setup_teardown(test, chat_setup_5, chat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_guest_is_made_with_a_token_for_its_room),
        BOTH(guests_are_listed_and_revoked),
        BOTH(a_guest_is_over_after_a_while),
        BOTH(wrong_secrets_are_refused_alike_and_slowed),
        BOTH(guests_read_only_while_nobody_is_there),
        BOTH(the_last_employee_who_leaves_ends_it_at_once),
        BOTH(watchers_do_not_count),
        BOTH(a_room_of_lonely_guests_waits_in_the_queue),
        BOTH(nobody_waits_where_no_guest_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
