/* The whole agent on a thread of its own against a server on this one. */
#include "agent/agent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>

#include "agent/test_server.h"
#include "agent/test_tree.h"

#define MINUTE 60000
/* Far above what a busy machine takes: an agent that lost patience would connect a second time. */
#define WAIT_MS_MAX 60000

struct bench {
    struct test_tree tree;
    struct clock clock;
    struct clock agent_clock; /* a minute ends soon after it starts */
    struct entropy entropy;
    struct loop *loop;
    struct loop *peers[1];
    struct test_server server;
    struct agent_conf conf;
    struct agent *agent;
    pthread_t thread;
    bool running;
    _Atomic int exit_code; /* -1 while it runs */
};

static int64_t wall_offset_ms; /* set before the agent starts */

static int64_t shifted_wall_ms(struct clock *c)
{
    return test_wall_ms(c) + wall_offset_ms;
}

static int setup(void **state)
{
    struct bench *b = mem_calloc(1, sizeof *b);
    test_tree_make(&b->tree);
    b->clock = (struct clock){.wall_ms = test_wall_ms, .mono_ns = test_mono_ns};
    b->agent_clock = (struct clock){.wall_ms = shifted_wall_ms, .mono_ns = test_mono_ns};
    b->entropy.fill = test_entropy_fill;
    b->loop = b->peers[0] = loop_new(&(struct loop_conf){.count = 1, .clock = &b->clock,
                                                         .poller = poller_epoll_new()},
                                     b->peers);
    test_server_start(&b->server, b->loop);
    b->conf = (struct agent_conf){
        .server = b->server.url, .key = "sbk_test", .data_dir = b->tree.path,
        .clock = &b->agent_clock, .entropy = &b->entropy, .buffer_unsynced = true,
        .pace = {.ack_ms = WAIT_MS_MAX}, .drain_ms = 300};
    b->exit_code = -1;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    test_server_stop(&b->server);
    loop_free(b->loop);
    test_tree_remove(&b->tree);
    mem_free(b);
    return 0;
}

static void *run(void *arg)
{
    struct bench *b = arg;
    b->exit_code = agent_loop(b->agent);
    return NULL;
}

static void start(struct bench *b)
{
    int exit_code;
    int64_t into = test_wall_ms(NULL) % MINUTE;
    wall_offset_ms = MINUTE - into - 2200; /* the minute ends 2.2 s from now */
    b->exit_code = -1;
    b->agent = agent_new(&b->conf, &exit_code);
    assert_non_null(b->agent);
    assert_int_equal(pthread_create(&b->thread, NULL, run, b), 0);
}

#define AWAIT(b, condition)                                                                        \
    do {                                                                                           \
        int64_t until_ = test_wall_ms(NULL) + WAIT_MS_MAX;                                         \
        while (!(condition) && test_wall_ms(NULL) < until_) {                                      \
            loop_turn((b)->loop, 50);                                                              \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static void finish(struct bench *b, int exit_code)
{
    AWAIT(b, b->exit_code != -1);
    assert_int_equal(pthread_join(b->thread, NULL), 0);
    agent_free(b->agent);
    assert_int_equal(b->exit_code, exit_code);
}

static void samples_and_rows_arrive_and_a_stop_drains(void **state)
{
    struct bench *b = *state;
    start(b);
    AWAIT(b, test_server_saw(&b->server, "{\"type\":\"metrics\",\"data\":{\"cpu\":"));
    assert_true(test_server_saw(&b->server, "\"capabilities\":[\"host-metrics\"]"));
    assert_true(test_server_saw(&b->server, "{\"type\":\"state\",\"id\":2,\"data\":{\"os\":"));
    assert_true(test_server_saw(&b->server, "\"top_processes\":[{\"pid\":"));
    AWAIT(b, test_server_saw(&b->server, "\"row\":true,\"recordedAt\":"));
    assert_true(test_server_saw(&b->server, ":00.000Z\",\"top_processes\":[{\"pid\":"));
    agent_stop(b->agent);
    agent_stop(b->agent); /* harmless */
    finish(b, AGENT_EXIT_OK);
    AWAIT(b, b->server.closes == 1);
}

static void rows_written_offline_are_sent_after_a_restart(void **state)
{
    struct bench *b = *state;
    /* By its key and not for a time: its last attempt may be accepted after its end. */
    b->conf.key = "sbk_offline";
    b->server.refuse_shown = SPAN("Bearer sbk_offline");
    start(b);
    int64_t until = test_wall_ms(NULL) + 3200; /* a row is due after 2.2 s */
    while (test_wall_ms(NULL) < until) {
        loop_turn(b->loop, 50);
    }
    agent_stop(b->agent);
    finish(b, AGENT_EXIT_OK);
    assert_int_equal(b->server.opens, 0);
    b->conf.key = "sbk_test";
    start(b);
    AWAIT(b, test_server_saw(&b->server, "\"row\":true"));
    assert_int_equal(b->server.opens, 1);
    agent_stop(b->agent);
    finish(b, AGENT_EXIT_OK);
}

static void a_revoked_key_ends_it_with_its_own_exit_code(void **state)
{
    struct bench *b = *state;
    start(b);
    AWAIT(b, b->server.opens == 1);
    conn_close(b->server.peer, CLOSE_REVOKED);
    finish(b, AGENT_EXIT_REFUSED);
}

static void a_signal_stops_it(void **state)
{
    struct bench *b = *state;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    b->conf.signals = true;
    b->server.silent = true; /* so the drain has to give up */
    start(b);
    AWAIT(b, b->server.opens == 1);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    finish(b, AGENT_EXIT_OK);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void unusable_settings_are_refused_with_an_exit_code(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *server;
        const char *key;
        int exit_code;
    } rows[] = {
        {"127.0.0.1", "k", AGENT_EXIT_CONF},
        {"http://127.0.0.1", "", AGENT_EXIT_CONF},
        {"http://127.0.0.1", "a b", AGENT_EXIT_CONF},
        {"http://127.0.0.1", "a\r\nX: y", AGENT_EXIT_CONF},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        b->conf.server = rows[i].server;
        b->conf.key = rows[i].key;
        assert_int_equal(agent_run(&b->conf), rows[i].exit_code);
    }
    b->conf.server = "https://127.0.0.1";
    b->conf.key = "k";
    b->conf.ca_file = "build/no-such-file.pem";
    assert_int_equal(agent_run(&b->conf), AGENT_EXIT_CONF);
    b->conf.server = "http://[::1]:9";
    b->conf.key = "k";
    test_tree_write(&b->tree, "file", "");
    b->conf.data_dir = test_tree_path(&b->tree, "file");
    assert_int_equal(agent_run(&b->conf), AGENT_EXIT_HOST);
    struct host_roots roots = {.proc = "build/no-such-folder", .sys = "/sys", .etc = "/etc",
                               .disk = "/"};
    b->conf.roots = &roots;
    assert_int_equal(agent_run(&b->conf), AGENT_EXIT_HOST);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(samples_and_rows_arrive_and_a_stop_drains),
        T(rows_written_offline_are_sent_after_a_restart),
        T(a_revoked_key_ends_it_with_its_own_exit_code),
        T(a_signal_stops_it),
        T(unusable_settings_are_refused_with_an_exit_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
