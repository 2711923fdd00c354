/* Connections that go to a loop which cannot take them yet, is full, drains or has stopped, and
 * those whose peers leave on the way. */
#include "net/move.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/test_move.h"

static void more_than_a_target_takes_waits(void **state)
{
    enum { PEERS = 900 };
    static struct peer peers[PEERS];
    (void)state;
    start();
    for (unsigned i = 0; i < PEERS; i++) {
        char text[16];
        peers[i] = peer_connect(&servers[0]);
        snprintf(text, sizeof text, "/1/%u-", i);
        ask(&peers[i], text);
        loop_turn(loops[0], 0);
    }
    turn(&servers[0], 20);
    assert_true(net_count(servers[0].net) > 0); /* they hold descriptors here */
    assert_int_equal(net_count(servers[1].net), 0);
    for (unsigned i = 0; i < PEERS; i++) {
        char text[16];
        snprintf(text, sizeof text, "1 %u-", i);
        next_answer(&peers[i], text);
    }
    assert_int_equal(net_count(servers[1].net), PEERS);
    for (unsigned i = 0; i < PEERS; i++) {
        peer_close(&peers[i]);
    }
    until_all(count_all() == 0);
    stop();
}

static void a_full_target_closes_what_comes(void **state)
{
    (void)state;
    start_with(&test_limits, 0, NULL, 1);
    struct peer p = peer_connect(&servers[1]);
    ask(&p, "/1/a");
    next_answer(&p, "1 a");
    struct peer q = peer_connect(&servers[0]);
    ask(&q, "/1/b");
    until_all(peer_ended(&q));
    assert_int_equal(net_stats(servers[1].net)->closed[CLOSE_LIMIT], 1);
    assert_int_equal(shared->connections, 1);
    ask(&p, "/1/c");
    next_answer(&p, "1 c");
    peer_close(&p);
    peer_close(&q);
    until_all(count_all() == 0);
    stop();
}

static void a_target_that_drains_answers_for_the_last_time(void **state)
{
    (void)state;
    start();
    net_drain(servers[1].net, CLOSE_DRAIN);
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/1/a");
    assert_true(next_answer(&p, "1 a").close);
    peer_close(&p);
    until_all(count_all() == 0);
    stop();
}

static void a_target_that_has_stopped_closes_what_comes(void **state)
{
    (void)state;
    start();
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/1/a");
    turn(&servers[0], 5); /* under way */
    assert_int_equal(shared->connections, 1);
    net_stop(servers[1].net);
    assert_int_equal(shared->connections, 0);
    until_all(peer_ended(&p));
    struct peer q = peer_connect(&servers[0]);
    ask(&q, "/1/a");
    until_all(peer_ended(&q));
    assert_int_equal(abandoned, 0);
    peer_close(&p);
    peer_close(&q);
    stop();
}

static void who_stops_closes_what_could_not_leave(void **state)
{
    enum { PEERS = 600 };
    static struct peer peers[PEERS];
    (void)state;
    start();
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = peer_connect(&servers[0]);
        ask(&peers[i], "/1/a");
        loop_turn(loops[0], 0);
    }
    turn(&servers[0], 20);
    assert_true(net_count(servers[0].net) > 0);
    net_stop(servers[0].net);
    net_stop(servers[1].net);
    assert_int_equal(shared->connections, 0);
    for (unsigned i = 0; i < PEERS; i++) {
        until_all(peer_ended(&peers[i]));
        peer_close(&peers[i]);
    }
    stop();
}

static void a_peer_that_leaves_on_the_way_is_noticed_there(void **state)
{
    (void)state;
    start();
    for (unsigned reset = 0; reset < 2; reset++) {
        struct peer p = peer_connect(&servers[0]);
        ask(&p, "/1/wait");
        turn(&servers[0], 5);
        if (reset) {
            peer_reset(&p);
        } else {
            peer_close(&p);
        }
        until_all(abandoned == reset + 1);
        assert_null(http_find(servers[1].net, waiting));
    }
    struct peer p = peer_connect(&servers[0]);
    ask(&p, "/1/wait");
    until_all(net_count(servers[1].net) == 1 && http_find(servers[1].net, waiting) != NULL);
    http_respond(http_find(servers[1].net, waiting), 200, NULL, SPAN("at last"));
    next_answer(&p, "at last");
    peer_close(&p);
    until_all(count_all() == 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_a_target_takes_waits),
        cmocka_unit_test(a_full_target_closes_what_comes),
        cmocka_unit_test(a_target_that_drains_answers_for_the_last_time),
        cmocka_unit_test(a_target_that_has_stopped_closes_what_comes),
        cmocka_unit_test(who_stops_closes_what_could_not_leave),
        cmocka_unit_test(a_peer_that_leaves_on_the_way_is_noticed_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
