/* Messages: in order, once, however often they are sent, and by whom. While the store fails:
 * chat_store_fault_test.c; how far they have come: chat_delivery_test.c. */
#include "chat_says.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* --- what is sent --- */

static void a_message_is_acknowledged_and_told_in_order(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *hers = socket_open(0, &anna), *his = socket_open(w.count - 1, &ben);
    turns();
    struct chat_draft d = draft_of("\"one\"");
    d.client_id = SPAN("c-1");
    d.metadata = SPAN("{\"a\":1}");
    chat_send(any_home(), room, &d, &anna,
              &(struct chat_origin){.sid = SPAN("S1"), .request_id = SPAN("r-1")}, on_told, &t);
    answered(ERR_NONE);
    assert_true(t.created);
    assert_int_equal(t.seq, 1);
    uuid first = t.id;
    sends(room, &ben, "{\"two\":2}", &t);
    answered(ERR_NONE);
    assert_int_equal(t.seq, 2);
    turns();
    text = text_of("chat:message:received {\"id\":\"%s\",\"type\":\"chat\",\"roomId\":\"%s\","
                   "\"senderId\":\"%s\",\"content\":\"one\",",
                   id_text(first), id_text(room), id_text(anna.actor.id));
    assert_heard(hers, text);
    assert_heard(his, text);
    assert_heard(his, "\"deliveryStatus\":\"streaming\",\"metadata\":{\"a\":1},\"seq\":1,"
                      "\"clientId\":\"c-1\"},\"S1\",\"r-1\"");
    assert_heard(hers, "\"content\":{\"two\":2},");
    assert_int_equal(heard_count(hers, "chat:message:received"), 2);
    assert_int_equal(heard_count(his, "chat:message:received"), 2);
    assert_int_equal(stored_messages(room), 2);
}

static void many_at_once_have_each_their_number(void **state)
{
    enum { N = 300 };
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *his = socket_open(0, &ben);
    struct told *all = mem_calloc(N, sizeof *all);
    turns();
    for (unsigned i = 0; i < N; i++) {
        sends(room, i % 2 == 0 ? &anna : &ben, "\"x\"", &all[i]);
    }
    turns();
    turns();
    bool seen[N + 1] = {false};
    for (unsigned i = 0; i < N; i++) {
        assert_true(all[i].done);
        assert_int_equal(all[i].error, ERR_NONE);
        assert_in_range(all[i].seq, 1, N);
        assert_false(seen[all[i].seq]);
        seen[all[i].seq] = true;
    }
    assert_int_equal(heard_count(his, "chat:message:received"), N);
    const char *at = heard(his);
    for (unsigned i = 1; i <= N; i++) {
        char seq[32];
        snprintf(seq, sizeof seq, "\"seq\":%u}", i);
        at = strstr(at, seq);
        assert_non_null(at);
    }
    assert_int_equal(stored_messages(room), N);
    mem_free(all);
}

static void time_never_goes_back_in_a_room(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    says(room, &anna, "a");
    int64_t at = t.at_ms;
    w.now_ms -= 3600000;
    says(room, &anna, "b");
    assert_int_equal(t.at_ms, at);
    chat_restart();
    says(room, &anna, "c");
    assert_int_equal(t.at_ms, at);
}

/* --- repeats --- */

static void a_client_id_is_one_message(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    static struct told x[6];
    memset(x, 0, sizeof x);
    for (unsigned i = 0; i < 3; i++) {
        sends_id(room, &anna, "c-1", &x[i]); /* while it is under way */
    }
    sends_id(room, &ben, "c-1", &x[3]); /* his own */
    turns();
    for (unsigned i = 0; i < 4; i++) {
        assert_true(x[i].done);
        assert_int_equal(x[i].error, ERR_NONE);
    }
    uuid first = x[0].id;
    unsigned created = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(uuid_eq(x[i].id, first));
        assert_int_equal(x[i].seq, x[0].seq);
        created += x[i].created;
    }
    assert_int_equal(created, 1);
    assert_true(x[3].created);
    sends_id(room, &anna, "c-1", &t); /* after it */
    answered(ERR_NONE);
    assert_false(t.created);
    assert_true(uuid_eq(t.id, first));
    chat_restart();
    sends_id(room, &anna, "c-1", &t); /* and after a restart */
    answered(ERR_NONE);
    assert_false(t.created);
    assert_true(uuid_eq(t.id, first));
    assert_int_equal(t.seq, x[0].seq);
    assert_non_null(strstr(t.json, "\"content\":\"hello\""));
    assert_int_equal(stored_messages(room), 2);
}

static void repeats_do_not_hold_back_what_is_new(void **state)
{
    enum { N = 60 };
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    char id[16];
    struct told *x = mem_calloc(N, sizeof *x);
    for (unsigned i = 0; i < N; i += 2) { /* every other one was sent before */
        snprintf(id, sizeof id, "c-%u", i);
        sends_id(room, &anna, id, &t);
        answered(ERR_NONE);
    }
    struct home *h = any_home();
    for (unsigned i = 0; i < N; i++) {
        snprintf(id, sizeof id, "c-%u", i);
        struct chat_draft d = draft_of("\"hello\"");
        d.client_id = span_str(id);
        chat_send(h, room, &d, &anna, NULL, on_told, &x[i]);
    }
    turns();
    turns();
    for (unsigned i = 0; i < N; i++) {
        assert_true(x[i].done);
        assert_int_equal(x[i].error, ERR_NONE);
        assert_int_equal(x[i].created, i % 2);
        assert_int_equal(x[i].seq, i % 2 == 0 ? i / 2 + 1 : N / 2 + i / 2 + 1);
    }
    assert_int_equal(stored_messages(room), N);
    mem_free(x);
}

/* --- who may --- */

static void refused(uuid room, const struct chat_who *who, enum chat_message_type type, err error)
{
    struct chat_draft d = draft_of("\"x\"");
    d.type = type;
    chat_send(any_home(), room, &d, who, NULL, on_told, &t);
    answered(error);
}

static void who_may_not_send_is_refused(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), eve = employee("Eve"), bot = robot("Bot");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &bot, NULL, NULL);
    refused(room, &eve, CHAT_MESSAGE_CHAT, ERR_ROOM_ACCESS_DENIED);
    refused(eve.actor.id, &anna, CHAT_MESSAGE_CHAT, ERR_ROOM_ACCESS_DENIED);
    refused(room, &anna, CHAT_MESSAGE_ROBOT, ERR_PERMISSION_DENIED);
    refused(room, &anna, CHAT_MESSAGE_SYSTEM, ERR_PERMISSION_DENIED);
    refused(room, &bot, CHAT_MESSAGE_CHAT, ERR_PERMISSION_DENIED);
    refused(room, &bot, CHAT_MESSAGE_GRAPH, ERR_NONE);
    refused(room, &anna, CHAT_MESSAGE_GRAPH, ERR_NONE);
    assert_int_equal(stored_messages(room), 2);
}

static void a_supervisor_who_speaks_becomes_a_member(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), sue = supervisor("Sue");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    uuid pair = room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    struct socket *hers = socket_open(0, &anna);
    static struct told x[2];
    memset(x, 0, sizeof x);
    turns();
    struct home *h = any_home();
    struct chat_draft d = draft_of("\"x\"");
    chat_send(h, room, &d, &sue, NULL, on_told, &x[0]);
    chat_send(h, room, &d, &sue, NULL, on_told, &x[1]);
    turns();
    turns();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(x[i].error, ERR_NONE);
        assert_int_equal(x[i].seq, i + 1);
    }
    text = text_of("chat:room:joined {\"roomId\":\"%s\",\"userId\":\"%s\","
                   "\"userType\":\"supervisor\"}",
                   id_text(room), id_text(sue.actor.id));
    assert_int_equal(heard_count(hers, text), 1);
    assert_int_equal(heard_count(hers, "chat:message:received"), 2);
    refused(pair, &sue, CHAT_MESSAGE_CHAT, ERR_PERMISSION_DENIED);
}

static void what_is_said_shows_a_hidden_room_again(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    struct socket *his = socket_open(w.count - 1, &ben);
    turns();
    chat_leave(any_home(), room, &ben, NULL, on_told, &t);
    answered(ERR_NONE);
    turns();
    (void)heard(his);
    says(room, &anna, "are you there?");
    turns();
    text = text_of("joined %s 1 1\n", id_text(room));
    assert_heard(his, text);
    says(room, &ben, "yes");
    turns();
    assert_heard(his, "\"content\":\"yes\"");
    chat_leave(any_home(), room, &ben, NULL, on_told, &t);
    answered(ERR_NONE);
    says(room, &ben, "and again"); /* who speaks is there */
    turns();
    assert_heard(his, text_of("joined %s 3 ", id_text(room)));
    assert_int_equal(stored_messages(room), 3);
}

static void a_reply_names_a_message_of_the_room(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    uuid other = room_made(CHAT_GROUP, "Other", &anna, NULL, NULL, NULL);
    says(room, &anna, "a");
    struct chat_draft d = draft_of("\"re\"");
    d.reply_to = t.id;
    static struct told x[3];
    memset(x, 0, sizeof x);
    struct home *h = any_home();
    chat_send(h, room, &d, &anna, NULL, on_told, &x[0]);
    d.reply_to = other;
    chat_send(h, room, &d, &anna, NULL, on_told, &x[1]);
    d.reply_to = UUID_NIL;
    chat_send(h, room, &d, &anna, NULL, on_told, &x[2]);
    turns();
    assert_int_equal(x[0].error, ERR_NONE);
    assert_int_equal(x[0].seq, 2);
    assert_non_null(strstr(x[0].json, "\"replyTo\":\""));
    assert_int_equal(x[1].error, ERR_NOT_FOUND);
    assert_string_equal(x[1].member, "replyTo");
    assert_int_equal(x[2].error, ERR_NONE);
    assert_int_equal(x[2].seq, 3);
    d.reply_to = x[0].id; /* of the one room, in the other */
    chat_send(h, other, &d, &anna, NULL, on_told, &t);
    answered(ERR_NOT_FOUND);
    assert_int_equal(stored_messages(room), 3);
    assert_int_equal(stored_messages(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_1_HOME(a_message_is_acknowledged_and_told_in_order),
        ON_5_HOMES(a_message_is_acknowledged_and_told_in_order),
        ON_1_HOME(many_at_once_have_each_their_number),
        ON_5_HOMES(many_at_once_have_each_their_number),
        ON_1_HOME(time_never_goes_back_in_a_room),
        ON_1_HOME(a_client_id_is_one_message),
        ON_5_HOMES(a_client_id_is_one_message),
        ON_1_HOME(repeats_do_not_hold_back_what_is_new),
        ON_5_HOMES(who_may_not_send_is_refused),
        ON_1_HOME(a_supervisor_who_speaks_becomes_a_member),
        ON_5_HOMES(a_supervisor_who_speaks_becomes_a_member),
        ON_1_HOME(what_is_said_shows_a_hidden_room_again),
        ON_5_HOMES(what_is_said_shows_a_hidden_room_again),
        ON_1_HOME(a_reply_names_a_message_of_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
