/* Messages while the store fails, or takes its time: none is lost or doubled, what waits is
 * bounded, and who is out meanwhile says nothing. */
#include "chat_says.h"

#include "adapters/store_faulty/store_faulty.h"
#include "base/mem.h"

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
    struct chat_draft d = draft_of("\"x\"");
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
    says(room, &cid, "again");
}

static void what_the_store_refuses_leaves_no_trace(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *his = socket_open(0, &ben);
    turns();
    store_may_fail();
    says(room, &anna, "a");
    store_faulty_fail(faulty, 0, 1, ERR_STORE_FULL);
    sends_id(room, &anna, "c-1", &t);
    answered(ERR_STORE_FULL);
    says(room, &ben, "b");
    assert_int_equal(t.seq, 2);
    sends_id(room, &anna, "c-1", &t);
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
        sends(room, &anna, "\"x\"", &x[i]);
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
        sends(room, &anna, "\"x\"", &x[i]);
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
    says(room, &anna, "x"); /* there is room again */
}

static void a_commit_that_was_called_a_failure_makes_no_hole(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    says(room, &anna, "a");
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
    sends_id(room, &anna, "c-2", &t); /* it tries again, as it was told */
    answered(ERR_NONE);
    assert_false(t.created);
    assert_int_equal(t.seq, 2);
    says(room, &anna, "c");
    assert_int_equal(t.seq, 3);
    assert_int_equal(t.at_ms, w.now_ms + 5000);
    assert_int_equal(stored_messages(room), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_5_HOMES(who_is_out_meanwhile_says_nothing),
        ON_1_HOME(what_waits_is_bounded_in_bytes_too),
        ON_1_HOME(what_the_store_refuses_leaves_no_trace),
        ON_5_HOMES(what_the_store_refuses_leaves_no_trace),
        ON_1_HOME(a_store_that_stalls_is_waited_for_up_to_a_bound),
        ON_1_HOME(a_commit_that_was_called_a_failure_makes_no_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
