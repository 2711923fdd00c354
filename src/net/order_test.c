/* What a peer is told and what it says, against mail between loops: two loops on real sockets,
 * turned by one thread. */
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/test_server.h"

static struct loop *loops[2];
static struct server s; /* on loop 0 */
static unsigned requests;

struct letter {
    struct mail mail;
    unsigned requests; /* that had been served when it ran */
    bool ran;
};

static struct letter outgoing; /* to loop 1, posted by a request for /tell before it is answered */

static void read_letter(struct mail *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, mail);
    l->requests = requests;
    l->ran = true;
}

static void on_request(struct http_exchange *x)
{
    requests++;
    if (!span_eq(x->path, SPAN("/tell"))) {
        http_respond(x, 200, "text/plain", x->path);
        return;
    }
    loop_post(loops[0], 1, &outgoing.mail);
    assert_int_not_equal(loop_wait_ns(loops[1]), 0);
    http_respond(x, 200, "text/plain", x->path);
    /* Whoever reads the answer now and speaks to loop 1 comes behind the mail. */
    assert_int_equal(loop_wait_ns(loops[1]), 0);
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static void on_abandoned(struct http_exchange *x) { (void)x; }

static const struct http_handler handler = {
    .on_request = on_request, .on_refused = on_refused, .on_abandoned = on_abandoned};

static int setup(void **state)
{
    (void)state;
    requests = 0;
    outgoing = (struct letter){.mail = {.run = read_letter}};
    s = (struct server){0};
    server_start_on(&s, &handler, &test_limits, loops, ARRAY_LEN(loops));
    loops[1] = loop_new(&(struct loop_conf){.index = 1,
                                            .count = ARRAY_LEN(loops),
                                            .clock = &test_clock,
                                            .log = &test_log.log,
                                            .poller = poller_epoll_new()},
                        loops);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_stop(&s);
    loop_free(loops[1]);
    return 0;
}

static bool is_answered(struct peer *p)
{
    struct answer a;
    span body;
    if (!answer_next(p, &a, &body)) {
        return false;
    }
    assert_int_equal(a.status, 200);
    answer_drop(p, body);
    return true;
}

static void an_answer_leaves_behind_the_mail_that_was_posted_before_it(void **state)
{
    (void)state;
    struct peer p = peer_connect(&s);
    peer_send_str(&p, "GET /tell HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, is_answered(&p));
    assert_false(outgoing.ran);
    loop_turn(loops[1], 0);
    assert_true(outgoing.ran);
    peer_close(&p);
}

static void what_a_peer_says_is_read_behind_the_mail_that_came_before(void **state)
{
    (void)state;
    struct peer p = peer_connect(&s);
    struct letter l = {.mail = {.run = read_letter}};
    peer_send_str(&p, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, is_answered(&p));
    loop_post_foreign(loops[0], &l.mail);
    peer_send_str(&p, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n"); /* it knows of the mail */
    until(&s, is_answered(&p));
    assert_int_equal(requests, 2);
    assert_true(l.ran);
    assert_int_equal(l.requests, 1);
    peer_close(&p);
}

static struct conn_ref victim;

static void end_victim(struct mail *m)
{
    (void)m;
    conn_close(conn_find(s.net, victim), CLOSE_KICKED);
}

static void mail_may_end_the_connection_that_is_about_to_be_read(void **state)
{
    (void)state;
    struct peer p = peer_connect(&s);
    struct mail end = {.run = end_victim};
    peer_send_str(&p, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, is_answered(&p));
    victim = conn_ref_of(conn_at(s.net, 0));
    loop_post_foreign(loops[0], &end);
    peer_send_str(&p, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&s, peer_ended(&p));
    assert_int_equal(requests, 1);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_leaves_behind_the_mail_that_was_posted_before_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_peer_says_is_read_behind_the_mail_that_came_before,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(mail_may_end_the_connection_that_is_about_to_be_read, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
