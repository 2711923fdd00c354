/* Answers that wait for something to happen: who goes away meanwhile is noticed at once. */
#include "rest_world.h"

#include "edge/rest/internal.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_MAX 5000 /* of at most 5 ms */

static struct world w;
static struct rest_call *waiting;
static unsigned abandoned;

static void on_gone(struct rest_call *c)
{
    assert_ptr_equal(c->user, &w);
    assert_null(c->x);
    assert_ptr_equal(c, waiting);
    waiting = NULL;
    abandoned++;
}

/* A path with "wait" waits, another is answered with itself. */
static void on_request(struct http_exchange *x)
{
    struct rest_call *c = call_new(x);
    if (span_find(x->path, 'w') < 0) {
        rest_raw(c, 200, "text/plain", x->path);
        return;
    }
    waiting = c;
    rest_wait(c, on_gone, &w);
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    answer_refused(x, (unsigned)status, why);
}

static void on_abandoned(struct http_exchange *x) { rest_handler.on_abandoned(x); }

static const struct http_handler handler = {
    .on_request = on_request, .on_refused = on_refused, .on_abandoned = on_abandoned};

#define WAIT "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"
#define PLAIN "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

#define until(condition)                                                                           \
    do {                                                                                           \
        for (unsigned turns = 0; turns < TURNS_MAX && !(condition); turns++) { \
            world_turn(&w);                                                                        \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static int setup(void **state)
{
    (void)state;
    abandoned = 0;
    waiting = NULL;
    world_open_with(&w, &handler);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

static void a_peer_that_ends_is_heard_of_at_once(void **state)
{
    static const char *const asks[] = {WAIT, WAIT PLAIN, PLAIN WAIT PLAIN PLAIN};
    (void)state;
    for (unsigned i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        int fd = world_send(&w, asks[i]);
        until(waiting != NULL);
        close(fd);
        until(waiting == NULL);
        assert_int_equal(abandoned, i + 1);
        until(net_count(w.edge.net) == 0);
    }
}

static void the_end_of_the_server_is_heard_of_too(void **state)
{
    (void)state;
    int fd = world_send(&w, WAIT);
    until(waiting != NULL);
    net_stop(w.edge.net);
    assert_true(waiting == NULL && abandoned == 1);
    close(fd);
}

static size_t receive(int fd, char *out, size_t room, const char *last)
{
    size_t len = 0;
    memset(out, 0, room);
    for (unsigned i = 0; i < TURNS_MAX && strstr(out, last) == NULL; i++) {
        world_turn(&w);
        ssize_t got = recv(fd, out + len, room - 1 - len, MSG_DONTWAIT);
        len += got > 0 ? (size_t)got : 0;
    }
    assert_non_null(strstr(out, last));
    return len;
}

static void what_was_sent_ahead_is_answered_afterwards(void **state)
{
    char text[8192];
    (void)state;
    int fd = world_send(&w, WAIT "GET /b HTTP/1.1\r\nHo");
    until(waiting != NULL);
    assert_int_equal(send(fd, "st: a\r\n\r\n", 9, 0), 9);
    for (unsigned i = 0; i < 20; i++) {
        world_turn(&w);
    }
    struct rest_call *c = rest_resume(waiting);
    assert_ptr_equal(c, waiting);
    rest_raw(c, 200, "text/plain", SPAN("first"));
    receive(fd, text, sizeof text, "\r\n\r\n/b");
    assert_non_null(strstr(text, "\r\n\r\nfirstHTTP/1.1 200"));
    assert_int_equal(abandoned, 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_peer_that_ends_is_heard_of_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_the_server_is_heard_of_too, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_sent_ahead_is_answered_afterwards, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
