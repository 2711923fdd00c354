/* How far messages have come: delivered to who is there, and read. */
#include "chat_says.h"

#include <string.h>

/* --- delivery --- */

static void a_message_is_delivered_when_who_was_there_has_it(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid"),
                    dan = employee("Dan");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, &dan);
    struct socket *hers = socket_open(0, &anna), *bens = socket_open(0, &ben);
    struct socket *cids = socket_open(w.count - 1, &cid);
    turns();
    says(room, &anna, "a");
    uuid id = t.id;
    turns();
    assert_heard(bens, "\"deliveryStatus\":\"streaming\"");
    chat_delivered(any_home(), room, 1, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_string_equal(t.members, "\"seq\":1,\"unread\":1");
    turns();
    assert_not_heard(hers, "chat:message:status");
    socket_open(0, &dan); /* it was not there when it was sent */
    turns();
    socket_close(cids); /* and who goes is not waited for */
    turns();
    turns();
    text = text_of("chat:message:status {\"messageId\":\"%s\",\"roomId\":\"%s\",\"seq\":1,"
                   "\"deliveryStatus\":\"delivered\"}",
                   id_text(id), id_text(room));
    assert_heard(hers, text);
    assert_int_equal(heard_count(hers, "chat:message:status"), 1);
    assert_not_heard(bens, "chat:message:status");
    says(room, &anna, "b");
    assert_non_null(strstr(t.json, "\"deliveryStatus\":\"streaming\""));
}

static void a_pong_says_what_has_come(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *hers = socket_open(0, &anna), *his = socket_open(0, &ben);
    turns();
    struct pos before = journal_now(w.homes[0].journal);
    says(room, &anna, "a");
    says(room, &anna, "b");
    turns();
    chat_client_received(socket_client(his), before.n);
    turns();
    assert_not_heard(hers, "chat:message:status");
    chat_client_received(socket_client(his), journal_now(w.homes[0].journal).n);
    turns();
    turns();
    assert_int_equal(heard_count(hers, "\"deliveryStatus\":\"delivered\"}"), 2);
    assert_int_equal(stored(QUERY_CHAT_MEMBER_CURSORS, id_text(room), id_text(ben.actor.id)), 2);
}

static void alone_it_is_delivered_at_once(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *hers = socket_open(0, &anna);
    turns();
    says(room, &anna, "a");
    assert_non_null(strstr(t.json, "\"deliveryStatus\":\"delivered\""));
    turns();
    assert_heard(hers, "\"deliveryStatus\":\"delivered\"");
    assert_not_heard(hers, "chat:message:status");
}

/* --- reading --- */

static void reading_moves_forward_and_is_told(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *hers = socket_open(0, &anna);
    turns();
    for (unsigned i = 0; i < 3; i++) {
        says(room, &anna, "a");
    }
    chat_read(any_home(), room, 2, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_string_equal(t.members, "\"seq\":2,\"unread\":1");
    chat_read(any_home(), room, 1, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_string_equal(t.members, "\"seq\":2,\"unread\":1");
    turns();
    text = text_of("chat:message:receipt {\"roomId\":\"%s\",\"userId\":\"%s\",\"seq\":2}",
                   id_text(room), id_text(ben.actor.id));
    assert_heard(hers, text);
    assert_int_equal(heard_count(hers, "chat:message:receipt"), 1);
    chat_read(any_home(), room, 1000000, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_string_equal(t.members, "\"seq\":3,\"unread\":0");
    turns();
    chat_restart();
    chat_room_get(any_home(), room, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"unread\":0"));
    chat_room_get(any_home(), room, &anna, on_told, &t); /* what she said herself */
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"unread\":0"));
    struct chat_who eve = employee("Eve");
    chat_read(any_home(), room, 1, &eve, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
}

static void large_rooms_are_told_no_receipts(void **state)
{
    (void)state;
    w.conf.chat_receipts_members_max = 1;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *hers = socket_open(0, &anna);
    turns();
    says(room, &anna, "a");
    chat_read(any_home(), room, 1, &ben, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_not_heard(hers, "chat:message:receipt");
    assert_int_equal(stored(QUERY_CHAT_MEMBER_CURSORS, id_text(room), id_text(ben.actor.id)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_1_HOME(a_message_is_delivered_when_who_was_there_has_it),
        ON_5_HOMES(a_message_is_delivered_when_who_was_there_has_it),
        ON_5_HOMES(a_pong_says_what_has_come),
        ON_1_HOME(alone_it_is_delivered_at_once),
        ON_5_HOMES(reading_moves_forward_and_is_told),
        ON_1_HOME(large_rooms_are_told_no_receipts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
