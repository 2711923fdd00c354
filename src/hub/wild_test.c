/* Subscriptions to patterns: who gets what, once; owners, bounds, every home. */
#include "hub/hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "hub/test_world.h"

static void a_member_gets_each_message_once_however_it_asked(void **state)
{
    world_start(1, 10, 1000);
    for (uint32_t m = 0; m < 5; m++) {
        join(0, m, m % 2);
    }
    subscribe(0, 0, 0, "d/+/t");
    subscribe(0, 1, 0, "d/+/t");
    subscribe(0, 1, 0, "d/1/t");
    subscribe(0, 1, 0, "d/1/+");
    subscribe(0, 2, 0, "d/1/+");
    subscribe(0, 2, 0, "d/1/+"); /* twice is once */
    subscribe(0, 3, 0, "d/1/t");
    subscribe(0, 4, 0, "+/+");
    publish(0, 0, "d/1/t", BLOB_ORDERED, "1");
    publish(0, 0, "d/2/t", BLOB_ORDERED, "2");
    publish(0, 0, "d/1/x", BLOB_ORDERED, "3");
    publish(0, 0, "d/3", BLOB_ORDERED, "4");
    publish(0, 0, "d/+/t", BLOB_ORDERED, "5"); /* a name like another */
    publish(0, 0, "e/1/t", BLOB_ORDERED, "6");
    turn(0);
    expect(0, 0, "<1><2><5>");
    expect(0, 1, "[1][2][3][5]");
    expect(0, 2, "<1><3>");
    expect(0, 3, "[1]");
    expect(0, 4, "<4>");
    assert_int_equal(w.hubs[0].encoded, 9); /* once a wire */
    assert_int_equal(stats(0)->subscriptions, 7);
    assert_true(hub_unsubscribe(w.hubs[0].hub, 1, 0, SPAN("d/+/t")));
    assert_false(hub_unsubscribe(w.hubs[0].hub, 1, 0, SPAN("d/+/t")));
    assert_false(hub_subscribed(w.hubs[0].hub, 1, SPAN("d/+/t")));
    assert_true(hub_subscribed(w.hubs[0].hub, 1, SPAN("d/1/+")));
    assert_false(hub_subscribed(w.hubs[0].hub, 0, SPAN("d/1/t")));
    assert_true(hub_hears(w.hubs[0].hub, 0, 0, SPAN("d/1/t")));
    assert_true(hub_hears(w.hubs[0].hub, 1, 0, SPAN("d/1/t")));
    assert_true(hub_hears(w.hubs[0].hub, 4, 0, SPAN("d/3")));
    assert_false(hub_hears(w.hubs[0].hub, 4, 0, SPAN("d/1/t")));
    assert_false(hub_hears(w.hubs[0].hub, 9, 0, SPAN("d/1/t")));
    publish(0, 0, "d/1/t", BLOB_ORDERED, "1");
    publish(0, 0, "d/2/t", BLOB_ORDERED, "2");
    turn(0);
    expect(0, 0, "<1><2>");
    expect(0, 1, "[1]");
    for (uint32_t m = 0; m < 5; m++) {
        leave(0, m);
    }
    assert_int_equal(stats(0)->subscriptions, 0);
    assert_int_equal(stats(0)->topics, 0);
    publish(0, 0, "d/1/t", BLOB_ORDERED, "nobody");
    turn(0);
    world_stop();
}

static void whether_anybody_listens_includes_patterns(void **state)
{
    world_start(1, 10, 1000);
    struct hub *h = w.hubs[0].hub;
    join(0, 0, 0);
    assert_false(hub_wanted(h, SPAN("d/1/t")));
    subscribe(0, 0, 0, "d/1/t");
    assert_true(hub_wanted(h, SPAN("d/1/t")));
    assert_false(hub_wanted(h, SPAN("d/2/t")));
    subscribe(0, 0, 0, "d/+/t");
    assert_true(hub_wanted(h, SPAN("d/2/t")));
    assert_null(hub_topic(h, SPAN("d/2/t")));
    assert_null(hub_topic(h, SPAN("d/+/t")));
    assert_int_equal(topic_subscribers(hub_topic(h, SPAN("d/1/t"))), 1);
    assert_false(hub_wanted(h, SPAN("d/2/x")));
    hub_unsubscribe(h, 0, 0, SPAN("d/+/t"));
    assert_false(hub_wanted(h, SPAN("d/2/t")));
    world_stop();
}

static void a_pattern_at_every_home_sees_them_all(void **state)
{
    for (unsigned hubs = 1; hubs <= HUBS_MAX; hubs++) {
        world_start(hubs, 100, 10000);
        for (unsigned i = 0; i < hubs; i++) {
            join(i, 0, 0);
            join(i, 1, 0);
            subscribe(i, 0, HUB_EVERY_HOME, "d/+");
            subscribe(i, 1, hubs - 1, "d/+/of one home");
        }
        settle(hubs);
        assert_int_equal(stats(0)->subscriptions, hubs + 1);
        for (unsigned home = 0; home < hubs; home++) {
            publish((home + 1) % hubs, home, "d/x", BLOB_ORDERED, "x");
            publish((home + 1) % hubs, home, "d/x/of one home", BLOB_ORDERED, "y");
        }
        settle(hubs + 1);
        for (unsigned i = 0; i < hubs; i++) {
            assert_int_equal(w.hubs[i].members[0].got.len, 3 * hubs);
            expect(i, 1, "<y>");
            assert_true(hub_unsubscribe(hub_of(i)->hub, 0, HUB_EVERY_HOME, SPAN("d/+")));
            leave(i, 1);
        }
        settle(hubs + 2);
        for (unsigned i = 0; i < hubs; i++) {
            assert_false(hub_wanted(hub_of(i)->hub, SPAN("d/x")));
            assert_int_equal(stats(i)->subscriptions, 0);
            assert_int_equal(stats(i)->topics, 0);
        }
        world_stop();
    }
}

/* ---- owners ---- */

static char heard[128];

static void note(char *text, span name, const char *end)
{
    size_t len = strlen(text);
    snprintf(text + len, 128 - len, "%.*s%s", SPAN_FMT(name), end);
}

static void on_subscribe(struct topic *t, struct hub_ticket who, void *arg)
{
    note(heard, topic_name(t), " ");
}

static void on_subscribe_pattern(struct hub *h, span pattern, struct hub_ticket who, void *arg)
{
    note(heard, pattern, arg);
    hub_reply(h, who, blob(BLOB_ORDERED, 1, arg));
}

static const struct topic_owner owner = {.on_subscribe = on_subscribe,
                                         .on_subscribe_pattern = on_subscribe_pattern};
static const struct topic_owner deaf = {.on_subscribe = NULL};

static void owners_of_what_may_match_answer_a_pattern_before_what_follows(void **state)
{
    for (unsigned hubs = 1; hubs <= 2; hubs++) {
        world_start(hubs, 10, 1000);
        unsigned home = hubs - 1;
        heard[0] = '\0';
        hub_own(w.hubs[home].hub, SPAN("d/"), &owner, (void *)(uintptr_t)"(d)");
        hub_own(w.hubs[home].hub, SPAN("d/1/"), &owner, (void *)(uintptr_t)"(1)");
        hub_own(w.hubs[home].hub, SPAN("d"), &deaf, NULL);
        hub_own(w.hubs[home].hub, SPAN("e/"), &owner, (void *)(uintptr_t)"(e)");
        join(0, 0, 0);
        publish(home, home, "d/1/t", BLOB_ORDERED, "before");
        settle(1);
        subscribe(0, 0, home, "d/+/t");
        settle(1);
        publish(home, home, "d/1/t", BLOB_ORDERED, "after");
        settle(1);
        assert_string_equal(heard, "d/+/t(d)d/+/t(1)");
        expect(0, 0, "<(d)><(1)><after>");
        heard[0] = '\0';
        subscribe(0, 0, home, "d/1/t");
        subscribe(0, 0, home, "+/1");
        subscribe(0, 0, home, "x/+");
        settle(1);
        assert_string_equal(heard, "d/1/t +/1(d)+/1(e)");
        leave(0, 0);
        settle(1);
        world_stop();
    }
}

/* ---- bounds, showing ---- */

static void a_member_has_a_bound_of_patterns_and_none_of_topics(void **state)
{
    world_start(3, 10, 1000);
    join(0, 0, 0);
    struct hub *h = hub_of(0)->hub;
    char name[32];
    for (unsigned i = 0; i < HUB_MEMBER_PATTERNS_MAX; i++) {
        snprintf(name, sizeof name, "p/%u/+", i);
        assert_true(hub_subscribe(h, 0, i % 2 == 0 ? HUB_EVERY_HOME : 1, span_str(name)));
        snprintf(name, sizeof name, "p/%u/t", i);
        assert_true(hub_subscribe(h, 0, 1, span_str(name)));
    }
    assert_false(hub_subscribe(h, 0, HUB_EVERY_HOME, SPAN("one/more/+")));
    assert_false(hub_subscribed(h, 0, SPAN("one/more/+")));
    assert_true(hub_subscribe(h, 0, HUB_EVERY_HOME, SPAN("p/0/+"))); /* it is subscribed */
    assert_true(hub_subscribe(h, 0, 0, SPAN("a/topic")));
    hub_unsubscribe(h, 0, HUB_EVERY_HOME, SPAN("p/0/+"));
    assert_false(hub_subscribe(h, 0, 0, SPAN("1/2/3/4/+/+/+/+")));
    assert_false(hub_subscribe(h, 0, 0, SPAN("1/2/3/4/5/6/7/8/+")));
    assert_true(hub_subscribe(h, 0, HUB_EVERY_HOME, SPAN("one/more/+")));
    settle(1);
    leave(0, 0);
    settle(1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(stats(i)->subscriptions, 0);
        assert_false(hub_wanted(hub_of(i)->hub, SPAN("p/1/x")));
    }
    world_stop();
}

static void a_subscription_is_heard_by_from_when_its_home_knows(void **state)
{
    world_start(2, 10, 1000);
    join(1, 0, 0);
    struct hub *h = hub_of(1)->hub;
    assert_true(hub_subscribe(h, 0, 0, SPAN("d/1")));
    assert_true(hub_subscribe(h, 0, 0, SPAN("e/+")));
    assert_false(hub_hears(h, 0, 0, SPAN("d/1")));
    assert_false(hub_hears(h, 0, 0, SPAN("e/1")));
    settle(1);
    assert_true(hub_hears(h, 0, 0, SPAN("d/1")));
    assert_true(hub_hears(h, 0, 0, SPAN("e/1")));
    assert_false(hub_hears(h, 0, 1, SPAN("e/1"))); /* of another home */
    hub_unsubscribe(h, 0, 0, SPAN("d/1"));
    assert_false(hub_hears(h, 0, 0, SPAN("d/1")));
    settle(1);
    world_stop();
}

static void drop_shown(struct hub *h, uint32_t member, span topic, void *arg)
{
    note(arg, topic, " ");
    if (topic.ptr[0] != 'k') {
        assert_true(hub_unsubscribe(h, member, HUB_EVERY_HOME, topic));
    }
}

static void close_member(struct hub *h, uint32_t member, span topic, void *arg)
{
    (*(unsigned *)arg)++;
    hub_member_close(h, member);
}

static void a_visit_is_shown_each_pattern_once_and_may_drop_it(void **state)
{
    world_start(3, 10, 1000);
    join(0, 0, 0);
    static const char *const topics[] = {"k1/+", "a/+", "b", "k2/+", "k3", "c/+", "d", "e/+"};
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        bool pattern = strchr(topics[i], '+') != NULL;
        subscribe(0, 0, pattern && i != 5 ? HUB_EVERY_HOME : 0, topics[i]);
        settle((unsigned)i);
    }
    char names[128] = "";
    hub_of(0);
    hub_member_topics(w.hubs[0].hub, 0, drop_shown, names);
    assert_string_equal(names, "d k3 b k1/+ a/+ k2/+ c/+ e/+ ");
    names[0] = '\0';
    hub_member_topics(w.hubs[0].hub, 0, drop_shown, names);
    assert_int_equal(strlen(names), strlen("k1/+ k2/+ k3 "));
    unsigned shown = 0;
    hub_unsubscribe(w.hubs[0].hub, 0, 0, SPAN("k3"));
    hub_member_topics(w.hubs[0].hub, 0, close_member, &shown);
    assert_int_equal(shown, 1);
    settle(1);
    assert_int_equal(stats(0)->topics, 0);
    world_stop();
}

static void freeing_hubs_frees_patterns(void **state)
{
    world_start(2, 10, 1000);
    join(0, 0, 0);
    join(1, 0, 0);
    subscribe(0, 0, HUB_EVERY_HOME, "a/+");
    subscribe(1, 0, 0, "b/+");
    settle(1);
    publish(0, 0, "a/1", BLOB_ORDERED, "x");
    settle(1);
    world_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_gets_each_message_once_however_it_asked),
        cmocka_unit_test(whether_anybody_listens_includes_patterns),
        cmocka_unit_test(a_subscription_is_heard_by_from_when_its_home_knows),
        cmocka_unit_test(a_pattern_at_every_home_sees_them_all),
        cmocka_unit_test(owners_of_what_may_match_answer_a_pattern_before_what_follows),
        cmocka_unit_test(a_member_has_a_bound_of_patterns_and_none_of_topics),
        cmocka_unit_test(a_visit_is_shown_each_pattern_once_and_may_drop_it),
        cmocka_unit_test(freeing_hubs_frees_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
