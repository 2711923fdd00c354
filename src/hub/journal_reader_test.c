/* Readers that come with a position: from the ring, from the log, over gaps, to live. */
#include "hub/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "hub/journal_twin.h"

#define RING 8
#define EPOCH 0xabc

/* A session: what its reader told it stands in `log`. */
struct session {
    struct journal_reader reader;
    unsigned hub;
    uint32_t member;
    char log[200];
    bool closes; /* when it is told of anything */
};

static void on_gap(struct journal_reader *r, struct pos from, struct pos to)
{
    struct session *s = CONTAINER_OF(r, struct session, reader);
    size_t len = strlen(s->log);
    snprintf(s->log + len, sizeof s->log - len, "gap %llu-%llu ", (unsigned long long)from.n,
             (unsigned long long)to.n);
    assert_true(to.epoch == EPOCH);
    hub_send_bytes(w.peers[s->hub], s->member, SPAN("<gap>"), BLOB_ORDERED);
    if (s->closes) {
        journal_close(r);
        leave(s->hub, s->member);
    }
}

static void on_error(struct journal_reader *r, err error)
{
    struct session *s = CONTAINER_OF(r, struct session, reader);
    size_t len = strlen(s->log);
    snprintf(s->log + len, sizeof s->log - len, "error %d ", (int)error);
    if (s->closes) {
        journal_close(r);
        leave(s->hub, s->member);
    }
}

static const struct journal_reader_ops session_ops = {.on_gap = on_gap, .on_error = on_error};

static void arrive(struct session *s, unsigned hub, uint32_t member, uint64_t epoch, uint64_t n)
{
    struct pos since = {epoch, n};
    join(hub, member, 0);
    *s = (struct session){.reader.ops = &session_ops, .hub = hub, .member = member};
    journal_open(journals[hub], &s->reader, member, &since);
}

static void follow(struct session *s, const char *topic)
{
    (void)hub_of(s->hub);
    assert_true(journal_subscribe(&s->reader, span_str(topic)));
}

static void depart(struct session *s)
{
    (void)hub_of(s->hub);
    journal_close(&s->reader);
    leave(s->hub, s->member);
}

/* Events 1 to n: "a" gets the odd ones, "b" the even ones. */
static void record_many(unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++) {
        char data[16];
        snprintf(data, sizeof data, "%u", i);
        record(i % w.post.loop_count, i % 2 == 1 ? "a" : "b", data);
    }
    journals_settle(to);
}

static const char *range(unsigned from, unsigned to, unsigned step)
{
    static char text[8192];
    size_t len = 0;
    text[0] = '\0';
    for (unsigned i = from; i <= to; i += step) {
        len += (size_t)snprintf(text + len, sizeof text - len, "<%u>", i);
    }
    return text;
}

static uint64_t sum(size_t at)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < w.post.loop_count; i++) {
        struct journal_stats s;
        journal_stats(journals[i], &s);
        total += *(uint64_t *)(void *)((char *)&s + at);
    }
    return total;
}
#define SUM(member) sum(offsetof(struct journal_stats, member))

static void expect_nobody(void)
{
    assert_null(hub_topic(w.peers[JOURNAL_HOME], SPAN("a")));
    assert_null(hub_topic(w.peers[JOURNAL_HOME], SPAN("b")));
    for (unsigned i = 0; i < w.post.loop_count; i++) {
        assert_int_equal(stats(i)->subscriptions, 0);
    }
}

static void what_is_in_the_ring_comes_first_then_live(void **state)
{
    for (unsigned hub = 0; hub < 3; hub++) {
        struct session s;
        journals_open(3, RING);
        record_many(1, 6);
        arrive(&s, hub, 0, EPOCH, 3);
        follow(&s, "a");
        follow(&s, "a"); /* twice is once */
        follow(&s, "b");
        assert_int_equal(journal_reader_pos(&s.reader).n, 3);
        record(1, "a", "7"); /* on its way while the gate is asked */
        journals_settle(hub);
        record_many(8, 9);
        expect(hub, 0, range(4, 9, 1));
        assert_int_equal(journal_reader_pos(&s.reader).n, 9);
        assert_int_equal(twin.reads, 0);
        assert_string_equal(s.log, "");
        depart(&s);
        journals_settle(1);
        expect_nobody();
        journals_close();
    }
}

static void what_is_older_than_the_ring_is_read_from_the_log(void **state)
{
    struct session s, scan;
    journals_open(2, RING);
    record_many(1, 600);
    arrive(&s, 1, 0, EPOCH, 3);
    follow(&s, "a");
    arrive(&scan, 1, 1, EPOCH, 300);
    follow(&scan, "+"); /* a pattern: looked for in all */
    journals_settle(1);
    record_many(601, 602);
    expect(1, 0, range(5, 601, 2));
    expect(1, 1, range(301, 602, 1));
    assert_int_equal(SUM(replays), 2);
    assert_int_equal(SUM(replayed), 298 + 300);
    assert_true(SUM(replay_pages) >= 2);
    assert_string_equal(s.log, "");
    depart(&s);
    depart(&scan);
    journals_settle(1);
    expect_nobody();
    journals_close();
}

static void a_later_topic_holds_the_others_until_it_has_caught_up(void **state)
{
    for (unsigned hub = 0; hub < 2; hub++) {
        struct session s;
        journals_open(2, RING);
        record_many(1, 20);
        arrive(&s, hub, 0, EPOCH, 0);
        follow(&s, "a");
        journals_settle(1);
        expect(hub, 0, range(1, 19, 2));
        record_many(21, 22);
        expect(hub, 0, "<21>");
        follow(&s, "b"); /* behind: from 2 on, read from the log */
        assert_int_equal(journal_reader_pos(&s.reader).n, 0);
        record_many(23, 24);
        expect(hub, 0, "<2><4><6><8><10><12><14><16><18><20><22><23><24>");
        assert_true(journal_unsubscribe(&s.reader, SPAN("a")));
        assert_false(journal_unsubscribe(&s.reader, SPAN("a")));
        record_many(25, 26);
        expect(hub, 0, "<26>");
        depart(&s);
        journals_settle(1);
        expect_nobody();
        journals_close();
    }
}

static void a_pattern_brings_nothing_again_that_a_topic_brought(void **state)
{
    struct session s;
    journals_open(2, RING);
    record_many(1, 20);
    arrive(&s, 1, 0, EPOCH, 0);
    follow(&s, "a");
    journals_settle(1);
    expect(1, 0, range(1, 19, 2));
    follow(&s, "+");
    journals_settle(2);
    record_many(21, 23);
    expect(1, 0, "<2><4><6><8><10><12><14><16><18><20><21><22><23>");
    depart(&s);
    journals_settle(1);
    expect_nobody();
    journals_close();
}

#define AHEAD_ALL_NS 10000000000ULL /* any position is here by then, or unknown */

static void a_position_may_come_before_its_event(void **state)
{
    struct session s;
    journals_open(2, RING);
    record_many(1, 10);
    struct store_req *one = commit(0, "a", "11");
    arrive(&s, 1, 0, EPOCH, 11); /* told of it, it came here faster than the event to the gate */
    follow(&s, "a");
    journals_settle(1);
    expect(1, 0, "");
    hand_over(0, one);
    record_many(12, 13);
    twin_now_ns += AHEAD_ALL_NS / 100;
    journals_settle(1);
    assert_string_equal(s.log, "");
    expect(1, 0, "<13>");
    assert_int_equal(SUM(gaps), 0);
    depart(&s);
    journals_settle(1);
    expect_nobody();
    journals_close();
}

static void a_topic_may_begin_later_than_its_reader(void **state)
{
    for (unsigned hub = 0; hub < 2; hub++) {
        struct session s;
        journals_open(2, RING);
        record_many(1, 20);
        arrive(&s, hub, 0, EPOCH, 2);
        follow(&s, "a");
        journals_settle(1);
        expect(hub, 0, range(3, 19, 2));
        record_many(21, 22);
        expect(hub, 0, "<21>");
        journal_subscribe_after(&s.reader, SPAN("b"), (struct pos){EPOCH, 16});
        journal_subscribe_after(&s.reader, SPAN("b"), (struct pos){EPOCH, 0}); /* twice is once */
        assert_int_equal(journal_reader_pos(&s.reader).n, 16);
        record_many(23, 24);
        expect(hub, 0, "<18><20><22><23><24>");
        assert_true(journal_unsubscribe(&s.reader, SPAN("b")));
        record_many(25, 26);
        journal_subscribe_after(&s.reader, SPAN("b"), (struct pos){EPOCH, 0}); /* not before it */
        record_many(27, 27);
        expect(hub, 0, "<25><4><6><8><10><12><14><16><18><20><22><24><26><27>");
        depart(&s);
        journals_settle(1);
        expect_nobody();
        journals_close();
    }
}

static void a_topic_may_begin_at_what_is_not_published_yet(void **state)
{
    for (unsigned hub = 0; hub < 2; hub++) {
        struct session s;
        journals_open(2, RING);
        record_many(1, 9);
        arrive(&s, hub, 0, EPOCH, 7);
        follow(&s, "a");
        journals_settle(1);
        expect(hub, 0, "<9>");
        struct store_req *held = commit(0, "b", "10");
        journal_subscribe_after(&s.reader, SPAN("b"), (struct pos){EPOCH, 10});
        for (unsigned i = 0; i < 20; i++) { /* however long that takes */
            twin_now_ns += AHEAD_ALL_NS / 10;
            journals_settle(1);
        }
        expect(hub, 0, "");
        hand_over(0, held);
        record_many(11, 12);
        twin_now_ns += AHEAD_ALL_NS / 10;
        journals_settle(1);
        assert_string_equal(s.log, "");
        expect(hub, 0, "<11><12>");
        assert_int_equal(SUM(gaps), 0);
        depart(&s);
        journals_settle(1);
        expect_nobody();
        journals_close();
    }
}

static void history_that_is_gone_is_told_before_what_follows(void **state)
{
    struct session old, other, ahead;
    journals_open(2, RING);
    record_many(1, 30);
    for (unsigned i = 0; i < 10; i++) {
        twin.events[i].kept = false;
    }
    arrive(&old, 1, 0, EPOCH, 4);
    follow(&old, "a");
    arrive(&other, 1, 1, 0xdef, 4);
    follow(&other, "a");
    arrive(&ahead, 1, 2, EPOCH, 31);
    follow(&ahead, "a");
    journals_settle(1);
    assert_string_equal(old.log, "gap 4-10 ");
    expect(1, 0, "<gap><11><13><15><17><19><21><23><25><27><29>");
    assert_int_equal(SUM(gaps), 2);
    for (unsigned i = 0; i < 10; i++) {
        twin_now_ns += AHEAD_ALL_NS / 10;
        journals_settle(1);
    }
    assert_int_equal(SUM(gaps), 3);
    record_many(31, 32);
    expect(1, 0, "<31>");
    assert_string_equal(ahead.log, "gap 31-30 ");
    expect(1, 2, "<gap><31>");
    assert_string_equal(other.log, "gap 4-30 ");
    expect(1, 1, "<gap><31>");
    follow(&old, "b"); /* told once: the later topic begins behind the gap */
    journals_settle(1);
    assert_string_equal(old.log, "gap 4-10 ");
    depart(&old);
    depart(&other);
    depart(&ahead);
    journals_settle(1);
    expect_nobody();
    journals_close();
}

static void a_replay_waits_for_its_reader(void **state)
{
    struct session s;
    journals_open(2, RING);
    record_many(1, 900);
    arrive(&s, 1, 0, EPOCH, 0);
    block(1, 0);
    follow(&s, "+");
    journals_settle(1);
    uint32_t messages;
    uint64_t bytes;
    hub_member_queue(w.peers[1], 0, &messages, &bytes);
    assert_true(messages > 0 && messages <= 64);
    unsigned pages = (unsigned)SUM(replay_pages);
    journals_settle(2);
    assert_int_equal(SUM(replay_pages), pages); /* nothing is read ahead */
    for (unsigned i = 0; i < 20; i++) {
        w.current = 1;
        make_room(1, 0, SIZE_MAX);
        journal_writable(&s.reader);
        journals_settle(3);
    }
    record_many(901, 902);
    expect(1, 0, range(1, 902, 1));
    assert_int_equal(w.hubs[1].members[0].closed, 0);
    depart(&s);
    journals_settle(1);
    journals_close();
}

/* Whatever is under way when a reader closes or changes its mind, nothing leaks or is doubled. */
static void answers_that_nobody_waits_for_are_dropped(void **state)
{
    for (unsigned moment = 0; moment < 24; moment++) {
        struct session s;
        unsigned hub = moment % 2;
        journals_open(2, RING);
        record_many(1, 30);
        arrive(&s, hub, 0, EPOCH, moment % 4 < 2 ? 2 : 28);
        follow(&s, "a");
        for (unsigned i = 0; i < moment / 4; i++) { /* some steps only */
            w.current = hub;
            journal_tick(journals[hub]);
            settle(i);
            if (i % 2 == 1) {
                (void)twin_answer();
            }
        }
        w.current = hub;
        if (moment % 3 == 0) {
            depart(&s);
            journals_settle(1);
        } else {
            turn(hub);
            buf_clear(&w.hubs[hub].members[0].got);
            assert_true(journal_unsubscribe(&s.reader, SPAN("a")));
            journals_settle(1);
            expect(hub, 0, "");
            expect_nobody();
            follow(&s, "b");
            journals_settle(2);
            expect(hub, 0, moment % 4 < 2 ? range(4, 30, 2) : "<30>");
            depart(&s);
            journals_settle(3);
        }
        expect_nobody();
        journals_close();
    }
}

static void a_busy_store_is_asked_again_and_a_broken_one_is_told(void **state)
{
    struct session s, broken;
    journals_open(1, RING);
    record_many(1, 30);
    twin.failure = ERR_STORE_BUSY;
    arrive(&s, 0, 0, EPOCH, 2);
    follow(&s, "a");
    journals_settle(1);
    expect(0, 0, "");
    twin.failure = ERR_NONE;
    journals_settle(1);
    expect(0, 0, ""); /* not at once */
    twin_now_ns += 50000000;
    journals_settle(1);
    expect(0, 0, range(3, 29, 2));
    twin.failure = ERR_STORE_BUSY;
    arrive(&broken, 0, 1, EPOCH, 2);
    follow(&broken, "a");
    for (unsigned i = 0; i < 10; i++) {
        journals_settle(1);
        assert_true(i > 5 || broken.log[0] == '\0');
        twin_now_ns += 4000000000;
    }
    assert_int_equal(strncmp(broken.log, "error ", 6), 0);
    twin.failure = ERR_STORE_FAILED;
    depart(&broken);
    arrive(&broken, 0, 1, EPOCH, 2);
    broken.closes = true;
    follow(&broken, "a");
    journals_settle(1);
    assert_int_equal(strncmp(broken.log, "error ", 6), 0);
    assert_null(broken.reader.journal);
    twin.failure = ERR_NONE;
    arrive(&broken, 0, 1, 0xdef, 2); /* closes when it hears of the gap */
    broken.closes = true;
    follow(&broken, "a");
    journals_settle(1);
    assert_null(broken.reader.journal);
    depart(&s);
    journals_settle(1);
    expect_nobody();
    journals_close();
}

/* Those whose text ends in the member's number. */
static bool named(struct hub_sink *sink, uint32_t member, const struct blob *b)
{
    assert_true(b->some && b->pos != 0);
    return b->payload[b->len - 1] == '0' + member;
}

static void what_is_for_some_is_replayed_to_those_who_want_it(void **state)
{
    struct session page, ring, live;
    journals_open(2, RING);
    w.hubs[0].sink.wants = w.hubs[1].sink.wants = named;
    arrive(&live, 0, 1, EPOCH, 0);
    follow(&live, "a");
    journals_settle(1);
    for (unsigned i = 10; i < 30; i++) {
        char data[16];
        snprintf(data, sizeof data, "%u", i);
        hand_over(1, commit_event(1, EVENT_APP_EMIT_SOME, "a", data));
        if (i == 20 || i == 25) {
            hand_over(1, commit_event(1, EVENT_APP_EMIT, "a", "all"));
        }
    }
    journals_settle(2);
    arrive(&page, 1, 2, EPOCH, 0);
    follow(&page, "a");
    journals_settle(3);
    arrive(&ring, 1, 7, EPOCH, 15);
    follow(&ring, "a");
    journals_settle(4);
    expect(1, 2, "<12><all><22><all>");
    expect(1, 7, "<all><27>");
    hand_over(0, commit_event(0, EVENT_APP_EMIT_SOME, "a", "32"));
    journals_settle(5);
    expect(1, 2, "<32>");
    expect(1, 7, "");
    depart(&page);
    depart(&ring);
    depart(&live);
    journals_settle(6);
    expect_nobody();
    journals_close();
}

/* What ends in another number than 2. */
static bool had(struct hub_sink *sink, uint32_t member, const struct blob *b)
{
    assert_true(b->pos != 0 && member == 3);
    return b->payload[b->len - 1] != '2';
}

static void what_was_before_its_time_is_not_replayed(void **state)
{
    struct session s;
    journals_open(2, RING);
    w.hubs[1].sink.replays = had;
    record_many(1, 34);
    arrive(&s, 1, 3, EPOCH, 0);
    follow(&s, "b");
    journals_settle(1);
    expect(1, 3, "<4><6><8><10><14><16><18><20><24><26><28><30><34>");
    record_many(35, 42);
    expect(1, 3, "<36><38><40><42>");
    depart(&s);
    journals_settle(1);
    expect_nobody();
    journals_close();
}

static void without_a_position_it_is_live_only(void **state)
{
    struct session s = {.reader.ops = &session_ops, .hub = 1};
    journals_open(2, RING);
    record_many(1, 3);
    join(1, 0, 0);
    journal_open(journals[1], &s.reader, 0, NULL);
    follow(&s, "a");
    follow(&s, "+");
    assert_false(journal_subscribe(&s.reader, SPAN("+/+/+/+"))); /* over the bounds */
    journals_settle(1);
    record_many(4, 5);
    expect(1, 0, "<4><5>");
    assert_true(journal_unsubscribe(&s.reader, SPAN("+")));
    record_many(6, 7);
    expect(1, 0, "<7>");
    journal_writable(&s.reader);
    depart(&s);
    journal_close(&s.reader);
    journals_settle(1);
    expect_nobody();
    journals_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_the_ring_comes_first_then_live),
        cmocka_unit_test(what_is_older_than_the_ring_is_read_from_the_log),
        cmocka_unit_test(a_later_topic_holds_the_others_until_it_has_caught_up),
        cmocka_unit_test(a_pattern_brings_nothing_again_that_a_topic_brought),
        cmocka_unit_test(a_position_may_come_before_its_event),
        cmocka_unit_test(a_topic_may_begin_later_than_its_reader),
        cmocka_unit_test(a_topic_may_begin_at_what_is_not_published_yet),
        cmocka_unit_test(history_that_is_gone_is_told_before_what_follows),
        cmocka_unit_test(a_replay_waits_for_its_reader),
        cmocka_unit_test(answers_that_nobody_waits_for_are_dropped),
        cmocka_unit_test(a_busy_store_is_asked_again_and_a_broken_one_is_told),
        cmocka_unit_test(what_is_for_some_is_replayed_to_those_who_want_it),
        cmocka_unit_test(what_was_before_its_time_is_not_replayed),
        cmocka_unit_test(without_a_position_it_is_live_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
