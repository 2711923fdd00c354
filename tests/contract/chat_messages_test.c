/* Messages: in order, once, however often they are sent and whatever the store does. */
#include "chat_fixture.h"

#include "adapters/store_faulty/store_faulty.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store_faulty *faulty;

/* The homes' store fails and stalls as the test says; the journals' does not. */
static void store_may_fail(void)
{
    faulty = store_faulty_new(w.store, w.post);
    w.store = store_faulty_port(faulty);
    for (unsigned i = 0; i < w.count; i++) {
        w.homes[i].store = w.store;
    }
}

static struct chat_draft draft(const char *json)
{
    return (struct chat_draft){.type = CHAT_MESSAGE_CHAT, .content = span_str(json)};
}

static void send(uuid room, const struct chat_who *who, const char *json, struct told *to)
{
    struct chat_draft d = draft(json);
    chat_send(any_home(), room, &d, who, NULL, on_told, to);
}

static void send_id(uuid room, const struct chat_who *who, const char *client_id, struct told *to)
{
    struct chat_draft d = draft("\"hello\"");
    d.client_id = span_str(client_id);
    chat_send(any_home(), room, &d, who, NULL, on_told, to);
}

static int64_t says(uuid room, const struct chat_who *who, const char *json)
{
    send(room, who, json, &t);
    answered(ERR_NONE);
    return t.seq;
}

/* Rows of the room, asserted to be 1..n without a hole. */
static int64_t stored_messages(uuid room)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_MESSAGES_AFTER, 1);
    store_set_text(req, 0, 0, 0, span_str(id_text(room)));
    store_set_text(req, 0, 0, 1, SPAN(""));
    store_set_int(req, 0, 0, 2, 0);
    store_set_int(req, 0, 0, 3, 10000);
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    int64_t n = req->steps[0].row_count;
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(store_int(store_cell(req, 0, i, 2)), i + 1);
    }
    store_req_free(req);
    assert_int_equal(stored(QUERY_CHAT_ROOM_LAST, id_text(room), NULL), n);
    return n;
}

/* --- what is sent --- */

static void a_message_is_acknowledged_and_told_in_order(void **state)
{
    const char *text;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *hers = socket_open(0, &anna), *his = socket_open(w.count - 1, &ben);
    turns();
    struct chat_draft d = draft("\"one\"");
    d.client_id = SPAN("c-1");
    d.metadata = SPAN("{\"a\":1}");
    chat_send(any_home(), room, &d, &anna,
              &(struct chat_origin){.sid = SPAN("S1"), .request_id = SPAN("r-1")}, on_told, &t);
    answered(ERR_NONE);
    assert_true(t.created);
    assert_int_equal(t.seq, 1);
    uuid first = t.id;
    assert_int_equal(says(room, &ben, "{\"two\":2}"), 2);
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
        send(room, i % 2 == 0 ? &anna : &ben, "\"x\"", &all[i]);
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
    says(room, &anna, "\"a\"");
    int64_t at = t.at_ms;
    w.now_ms -= 3600000;
    says(room, &anna, "\"b\"");
    assert_int_equal(t.at_ms, at);
    chat_restart();
    says(room, &anna, "\"c\"");
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
        send_id(room, &anna, "c-1", &x[i]); /* while it is under way */
    }
    send_id(room, &ben, "c-1", &x[3]); /* his own */
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
    send_id(room, &anna, "c-1", &t); /* after it */
    answered(ERR_NONE);
    assert_false(t.created);
    assert_true(uuid_eq(t.id, first));
    chat_restart();
    send_id(room, &anna, "c-1", &t); /* and after a restart */
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
        send_id(room, &anna, id, &t);
        answered(ERR_NONE);
    }
    struct home *h = any_home();
    for (unsigned i = 0; i < N; i++) {
        snprintf(id, sizeof id, "c-%u", i);
        struct chat_draft d = draft("\"hello\"");
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
    struct chat_draft d = draft("\"x\"");
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
    struct chat_draft d = draft("\"x\"");
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

static void who_is_out_meanwhile_says_nothing(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, NULL);
    static struct told left, muted, said[3];
    memset(&left, 0, sizeof left);
    memset(&muted, 0, sizeof muted);
    memset(said, 0, sizeof said);
    struct home *h = any_home();
    struct chat_draft d = draft("\"x\"");
    store_may_fail();
    store_faulty_hold(faulty);
    chat_leave(h, room, &ben, NULL, on_told, &left);
    chat_member_patch(h, room, cid.actor.id,
                      &(struct chat_member_change){.role = -1, .has_mute = true, .mute_s = 60},
                      &anna, on_told, &muted);
    turns();
    chat_send(h, room, &d, &ben, NULL, on_told, &said[0]);
    chat_send(h, room, &d, &cid, NULL, on_told, &said[1]);
    chat_send(h, room, &d, &anna, NULL, on_told, &said[2]);
    turns();
    store_faulty_resume(faulty);
    turns();
    turns();
    assert_int_equal(left.error, ERR_NONE);
    assert_int_equal(muted.error, ERR_NONE);
    assert_int_equal(said[0].error, ERR_ROOM_ACCESS_DENIED);
    assert_int_equal(said[1].error, ERR_PERMISSION_DENIED);
    assert_int_equal(said[2].error, ERR_NONE);
    assert_int_equal(stored_messages(room), 1);
    time_passes(61000);
    send(room, &cid, "\"again\"", &t);
    answered(ERR_NONE);
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
    says(room, &anna, "\"are you there?\"");
    turns();
    text = text_of("joined %s 1 1\n", id_text(room));
    assert_heard(his, text);
    says(room, &ben, "\"yes\"");
    turns();
    assert_heard(his, "\"content\":\"yes\"");
    chat_leave(any_home(), room, &ben, NULL, on_told, &t);
    answered(ERR_NONE);
    says(room, &ben, "\"and again\""); /* who speaks is there */
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
    says(room, &anna, "\"a\"");
    struct chat_draft d = draft("\"re\"");
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

/* --- a store that fails, or takes its time --- */

static void what_the_store_refuses_leaves_no_trace(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *his = socket_open(0, &ben);
    turns();
    store_may_fail();
    says(room, &anna, "\"a\"");
    store_faulty_fail(faulty, 0, 1, ERR_STORE_FULL);
    send_id(room, &anna, "c-1", &t);
    answered(ERR_STORE_FULL);
    assert_int_equal(says(room, &ben, "\"b\""), 2);
    send_id(room, &anna, "c-1", &t);
    answered(ERR_NONE);
    assert_true(t.created);
    assert_int_equal(t.seq, 3);
    turns();
    assert_int_equal(heard_count(his, "chat:message:received"), 3);
    assert_int_equal(stored_messages(room), 3);
}

static void a_store_that_stalls_is_waited_for_up_to_a_bound(void **state)
{
    enum { N = 60 };
    (void)state;
    w.conf.chat_room_waiting_max = 50;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *his = socket_open(0, &ben);
    struct told *x = mem_calloc(N, sizeof *x);
    turns();
    store_may_fail();
    store_faulty_hold(faulty);
    for (unsigned i = 0; i < N; i++) {
        send(room, &anna, "\"x\"", &x[i]);
    }
    turns();
    unsigned busy = 0;
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(x[i].error, x[i].done ? ERR_STORE_BUSY : ERR_NONE);
        busy += x[i].done;
    }
    assert_int_equal(busy, N - 50);
    assert_int_equal(heard_count(his, "chat:message:received"), 0);
    store_faulty_resume(faulty);
    turns();
    turns();
    for (unsigned i = 0; i < N; i++) {
        assert_true(x[i].done);
    }
    assert_int_equal(heard_count(his, "chat:message:received"), 50);
    assert_int_equal(stored_messages(room), 50);
    mem_free(x);
}

static void what_waits_is_bounded_in_bytes_too(void **state)
{
    (void)state;
    w.conf.chat_waiting_bytes_max = 4096;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    static struct told x[8];
    memset(x, 0, sizeof x);
    store_may_fail();
    store_faulty_hold(faulty);
    for (unsigned i = 0; i < 8; i++) {
        send(room, &anna, "\"x\"", &x[i]);
    }
    turns();
    unsigned busy = 0;
    for (unsigned i = 0; i < 8; i++) {
        busy += x[i].done && x[i].error == ERR_STORE_BUSY;
    }
    assert_in_range(busy, 4, 5);
    store_faulty_resume(faulty);
    turns();
    turns();
    assert_int_equal(stored_messages(room), 8 - busy);
    says(room, &anna, "\"x\""); /* there is room again */
}

static void a_commit_that_was_called_a_failure_makes_no_hole(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    says(room, &anna, "\"a\"");
    /* What this home does not know of: somebody wrote the room's next message. */
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 2, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_ROOM_ADVANCE, 1);
    store_set_text(req, 0, 0, 0, span_str(id_text(room)));
    store_set_int(req, 0, 0, 1, 1);
    store_set_int(req, 0, 0, 2, 2);
    store_set_int(req, 0, 0, 3, w.now_ms + 5000);
    store_step_init(req, 1, QUERY_CHAT_MESSAGE_INSERT, 1);
    store_set_text(req, 1, 0, 0, span_str(id_text(room)));
    store_set_int(req, 1, 0, 1, 2);
    store_set_text(req, 1, 0, 2, span_str(id_text(home_new_id(&w.homes[0]))));
    store_set_text(req, 1, 0, 3, SPAN("chat"));
    store_set_text(req, 1, 0, 4, span_str(id_text(anna.actor.id)));
    store_set_text(req, 1, 0, 5, SPAN("\"b\""));
    store_set_text(req, 1, 0, 6, SPAN("c-2"));
    store_set_text(req, 1, 0, 10, SPAN("streaming"));
    store_set_int(req, 1, 0, 11, w.now_ms + 5000);
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
    send_id(room, &anna, "c-2", &t); /* it tries again, as it was told */
    answered(ERR_NONE);
    assert_false(t.created);
    assert_int_equal(t.seq, 2);
    assert_int_equal(says(room, &anna, "\"c\""), 3);
    assert_int_equal(t.at_ms, w.now_ms + 5000);
    assert_int_equal(stored_messages(room), 3);
}

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
    says(room, &anna, "\"a\"");
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
    send(room, &anna, "\"b\"", &t);
    answered(ERR_NONE);
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
    says(room, &anna, "\"a\"");
    says(room, &anna, "\"b\"");
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
    says(room, &anna, "\"a\"");
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
        says(room, &anna, "\"a\"");
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
    says(room, &anna, "\"a\"");
    chat_read(any_home(), room, 1, &ben, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_not_heard(hers, "chat:message:receipt");
    assert_int_equal(stored(QUERY_CHAT_MEMBER_CURSORS, id_text(room), id_text(ben.actor.id)), 1);
}

int main(void)
{
#define ONE(f) cmocka_unit_test_setup_teardown(f, chat_setup_1, chat_teardown)
#define FIVE(f) {#f " over 5 homes", f, chat_setup_5, chat_teardown, NULL}
    const struct CMUnitTest tests[] = {
        ONE(a_message_is_acknowledged_and_told_in_order),
        FIVE(a_message_is_acknowledged_and_told_in_order),
        ONE(many_at_once_have_each_their_number),
        FIVE(many_at_once_have_each_their_number),
        ONE(time_never_goes_back_in_a_room),
        ONE(a_client_id_is_one_message),
        FIVE(a_client_id_is_one_message),
        ONE(repeats_do_not_hold_back_what_is_new),
        FIVE(who_may_not_send_is_refused),
        ONE(a_supervisor_who_speaks_becomes_a_member),
        FIVE(a_supervisor_who_speaks_becomes_a_member),
        FIVE(who_is_out_meanwhile_says_nothing),
        ONE(what_is_said_shows_a_hidden_room_again),
        FIVE(what_is_said_shows_a_hidden_room_again),
        ONE(what_waits_is_bounded_in_bytes_too),
        ONE(a_reply_names_a_message_of_the_room),
        ONE(what_the_store_refuses_leaves_no_trace),
        FIVE(what_the_store_refuses_leaves_no_trace),
        ONE(a_store_that_stalls_is_waited_for_up_to_a_bound),
        ONE(a_commit_that_was_called_a_failure_makes_no_hole),
        ONE(a_message_is_delivered_when_who_was_there_has_it),
        FIVE(a_message_is_delivered_when_who_was_there_has_it),
        FIVE(a_pong_says_what_has_come),
        ONE(alone_it_is_delivered_at_once),
        FIVE(reading_moves_forward_and_is_told),
        ONE(large_rooms_are_told_no_receipts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
