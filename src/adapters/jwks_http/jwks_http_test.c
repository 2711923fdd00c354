/* An issuer on this machine that rotates its keys, fails, stalls and lies; tokens that name keys
 * it has and keys it has not, by the thousand. */
#include "adapters/jwks_http/jwks_http.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/common/curl/url.h"
#include "adapters/jwks_http/fetch.h"
#include "adapters/post_queue/post_queue.h"
#include "adapters/tokens_hs256/tokens_hs256.h"
#include "adapters/tokens_jose/jose_test.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL ((const char *)NULL) /* accepts and says nothing */
#define LONG_MS 100000             /* longer than a test */

/* --- the issuer: one thread, one request at a time --- */

static struct {
    int fd;
    int port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    buf answer; /* the whole response; empty: stalls */
    unsigned requests;
    bool hold; /* answers wait until it is false */
    bool stop;
} issuer;

static EVP_PKEY *keys[3];

static void serve_one(int fd)
{
    char head[4096];
    (void)read(fd, head, sizeof head);
    pthread_mutex_lock(&issuer.lock);
    issuer.requests++;
    pthread_cond_broadcast(&issuer.changed);
    while (issuer.hold && !issuer.stop) {
        pthread_cond_wait(&issuer.changed, &issuer.lock);
    }
    buf copy = {0};
    buf_append_span(&copy, buf_span(&issuer.answer));
    pthread_mutex_unlock(&issuer.lock);
    if (copy.len == 0) { /* until the client gives up */
        struct pollfd p = {.fd = fd, .events = POLLIN};
        (void)poll(&p, 1, 10000);
    }
    for (size_t at = 0; at < copy.len;) {
        ssize_t n = send(fd, copy.ptr + at, copy.len - at, MSG_NOSIGNAL);
        at = n > 0 ? at + (size_t)n : copy.len;
    }
    buf_deinit(&copy);
    close(fd);
}

static void *issuer_run(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(issuer.fd, NULL, NULL);
        pthread_mutex_lock(&issuer.lock);
        bool stop = issuer.stop;
        pthread_mutex_unlock(&issuer.lock);
        if (fd < 0 || stop) {
            if (fd >= 0) {
                close(fd);
            }
            return NULL;
        }
        serve_one(fd);
    }
}

static void issuer_start(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    memset(&issuer, 0, sizeof issuer);
    issuer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(issuer.fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(issuer.fd, 16), 0);
    assert_int_equal(getsockname(issuer.fd, (struct sockaddr *)&a, &len), 0);
    issuer.port = ntohs(a.sin_port);
    pthread_mutex_init(&issuer.lock, NULL);
    pthread_cond_init(&issuer.changed, NULL);
    assert_int_equal(pthread_create(&issuer.thread, NULL, issuer_run, NULL), 0);
}

static void issuer_end(void)
{
    pthread_mutex_lock(&issuer.lock);
    issuer.stop = true;
    pthread_cond_broadcast(&issuer.changed);
    pthread_mutex_unlock(&issuer.lock);
    shutdown(issuer.fd, SHUT_RDWR);
    pthread_join(issuer.thread, NULL);
    close(issuer.fd);
    pthread_mutex_destroy(&issuer.lock);
    pthread_cond_destroy(&issuer.changed);
    buf_deinit(&issuer.answer);
}

/* What it answers from now on. */
static void answers(const char *head, const char *body)
{
    pthread_mutex_lock(&issuer.lock);
    buf_clear(&issuer.answer);
    if (head != STALL) {
        buf_printf(&issuer.answer,
                   "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", head,
                   strlen(body));
        buf_append_str(&issuer.answer, body);
    }
    pthread_mutex_unlock(&issuer.lock);
}

/* The keys whose bits are set, kid k0 to k2. */
static void publishes(unsigned bits, const char *head)
{
    buf set = {0};
    buf_append_str(&set, "{\"keys\":[");
    const char *comma = "";
    for (unsigned i = 0; i < 3; i++) {
        if (bits & 1u << i) {
            char extra[32];
            snprintf(extra, sizeof extra, ",\"kid\":\"k%u\"", i);
            buf_append_str(&set, comma);
            test_jwk(&set, keys[i], JOSE_ES256, extra);
            comma = ",";
        }
    }
    buf_append_str(&set, "]}");
    buf_append_byte(&set, 0);
    answers(head, (const char *)set.ptr);
    buf_deinit(&set);
}

static void holds(bool hold)
{
    pthread_mutex_lock(&issuer.lock);
    issuer.hold = hold;
    pthread_cond_broadcast(&issuer.changed);
    pthread_mutex_unlock(&issuer.lock);
}

static unsigned requests(void)
{
    pthread_mutex_lock(&issuer.lock);
    unsigned n = issuer.requests;
    pthread_mutex_unlock(&issuer.lock);
    return n;
}

static void await_requests(unsigned count)
{
    pthread_mutex_lock(&issuer.lock);
    while (issuer.requests < count) {
        pthread_cond_wait(&issuer.changed, &issuer.lock);
    }
    pthread_mutex_unlock(&issuer.lock);
}

/* --- the client --- */

static struct post *post;
static struct tokens *tokens;
static struct jwks *jwks;
static _Atomic int64_t offset_ms; /* the clock's, moved by tests */

static int64_t wall_ms(struct clock *c)
{
    (void)c;
    return clock_wall_ms(clock_system()) + offset_ms;
}

static uint64_t mono_ns(struct clock *c)
{
    (void)c;
    return clock_mono_ns(clock_system()) + (uint64_t)offset_ms * 1000000;
}

static struct clock test_clock = {.wall_ms = wall_ms, .mono_ns = mono_ns};

static void open_with(struct jwks_conf conf)
{
    char url[64];
    struct tokens_conf own = {.secret = SPAN("0123456789abcdef0123456789abcdef")};
    struct tokens_jose_conf jose = {.own = tokens_hs256_new(&own), .leeway_s = 30};
    tokens = tokens_jose_new(&jose);
    post = post_queue_new(2);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/jwks", issuer.port);
    conf.url = url;
    conf.tokens = tokens;
    conf.post = post;
    conf.clock = &test_clock;
    jwks = jwks_open(&conf);
}

static void close_all(void)
{
    jwks_close(jwks);
    while (post_queue_run(post, 0)) {
    }
    tokens_jose_free(tokens);
    jwks_free(jwks);
    post_queue_free(post);
}

static int setup(void **state)
{
    (void)state;
    offset_ms = 0;
    issuer_start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_all();
    issuer_end();
    return 0;
}

static enum token_fault verify_kid(unsigned key, const char *kid)
{
    buf token = {0};
    struct token_claims c;
    char header[64];
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);
    test_token(&token, keys[key], JOSE_ES256, header, "{\"sub\":\"a\",\"exp\":253402300000}");
    enum token_fault fault = tokens->verify(tokens, buf_span(&token), wall_ms(NULL), &c);
    buf_deinit(&token);
    return fault;
}

static enum token_fault verify(unsigned key)
{
    char kid[8];
    snprintf(kid, sizeof kid, "k%u", key);
    return verify_kid(key, kid);
}

struct waiter {
    struct tokens_wait wait;
    unsigned *told;
};

static void on_told(struct mail *m)
{
    struct waiter *wt = CONTAINER_OF(m, struct waiter, wait.mail);
    (*wt->told)++;
}

static bool wants(struct waiter *wt, unsigned *told)
{
    *wt = (struct waiter){.wait = {.mail.run = on_told, .loop = 1}, .told = told};
    return tokens_await(tokens, &wt->wait);
}

static void await_told(const unsigned *told, unsigned count)
{
    while (*told < count) {
        if (!post_queue_run(post, 10000)) {
            fail_msg("%u of %u told", *told, count);
        }
    }
}

/* Waits for the fetch that is under way. */
static void await_fetch(void)
{
    unsigned told = 0;
    struct waiter wt;
    if (wants(&wt, &told)) {
        await_told(&told, 1);
    }
}

static void keys_are_there_once_fetched(void **state)
{
    (void)state;
    publishes(1, "200 OK");
    holds(true);
    open_with((struct jwks_conf){0});
    assert_int_equal(verify(0), TOKEN_UNKNOWN_KEY);
    unsigned told = 0;
    struct waiter wt[3];
    for (unsigned i = 0; i < 3; i++) {
        assert_true(wants(&wt[i], &told));
    }
    await_requests(1);
    assert_int_equal(told, 0);
    holds(false);
    await_told(&told, 3);
    assert_int_equal(verify(0), TOKEN_OK);
    assert_int_equal(verify(1), TOKEN_UNKNOWN_KEY);
    assert_int_equal(verify_kid(1, "k0"), TOKEN_BAD_SIGNATURE);
    assert_int_equal(requests(), 1);
}

static void a_storm_of_unknown_kids_fetches_once_a_minute(void **state)
{
    (void)state;
    publishes(1, "200 OK");
    open_with((struct jwks_conf){0});
    await_fetch();
    struct waiter wt;
    unsigned told = 0;
    for (unsigned i = 0; i < 5000; i++) {
        char kid[16];
        snprintf(kid, sizeof kid, "x%u", i);
        if (i % 100 == 0) {
            assert_int_equal(verify_kid(1, kid), TOKEN_UNKNOWN_KEY);
        }
        assert_false(wants(&wt, &told));
    }
    assert_int_equal(requests(), 1);
    offset_ms += 40000;
    assert_false(wants(&wt, &told));
    offset_ms += 20000; /* a minute after the first began: one more, for all who come meanwhile */
    holds(true);
    struct waiter *many = mem_calloc(JWKS_WAITING_MAX + 1, sizeof *many);
    for (unsigned i = 0; i < JWKS_WAITING_MAX; i++) {
        assert_true(wants(&many[i], &told));
    }
    assert_false(wants(&many[JWKS_WAITING_MAX], &told)); /* their number is bounded */
    holds(false);
    await_told(&told, JWKS_WAITING_MAX);
    assert_int_equal(requests(), 2);
    assert_false(wants(&wt, &told));
    mem_free(many);
}

static void a_rotated_key_is_fetched_and_the_old_one_stays_for_a_while(void **state)
{
    (void)state;
    publishes(1, "200 OK");
    open_with((struct jwks_conf){0});
    await_fetch();
    publishes(2, "200 OK");
    offset_ms += 60000;
    assert_int_equal(verify(1), TOKEN_UNKNOWN_KEY);
    await_fetch();
    assert_int_equal(verify(1), TOKEN_OK);
    assert_int_equal(verify(0), TOKEN_OK);
    offset_ms += 299000;
    assert_int_equal(verify(0), TOKEN_OK);
    offset_ms += 2000;
    assert_int_equal(verify(0), TOKEN_UNKNOWN_KEY);
    assert_int_equal(verify(1), TOKEN_OK);
}

static void an_outage_leaves_the_keys(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        const char *body;
    } outages[] = {
        {"500 Internal Server Error", ""},
        {"404 Not Found", "{\"keys\":[]}"},
        {"204 No Content", ""},
        {"302 Found\r\nLocation: /elsewhere", ""},
        {"200 OK", ""},
        {"200 OK", "{\"keys\":[]}"},
        {"200 OK", "<html>"},
        {"200 OK", "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k1\","
                   "\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}"},
    };
    publishes(1, "200 OK");
    open_with((struct jwks_conf){0});
    await_fetch();
    for (unsigned i = 0; i < sizeof outages / sizeof outages[0]; i++) {
        answers(outages[i].head, outages[i].body);
        offset_ms += 60000;
        await_fetch();
        assert_int_equal(requests(), 2 + i);
        assert_int_equal(verify(0), TOKEN_OK);
        assert_int_equal(verify(1), TOKEN_UNKNOWN_KEY);
    }
    publishes(3, "200 OK");
    offset_ms += 60000;
    await_fetch();
    assert_int_equal(verify(1), TOKEN_OK);
}

static void a_long_answer_is_refused(void **state)
{
    (void)state;
    char *body = mem_alloc(FETCH_BYTES_MAX + 2);
    memset(body, ' ', FETCH_BYTES_MAX + 1);
    body[FETCH_BYTES_MAX + 1] = '\0';
    body[0] = '{';
    answers("200 OK", body);
    open_with((struct jwks_conf){0});
    await_fetch();
    assert_int_equal(verify(0), TOKEN_UNKNOWN_KEY);
    mem_free(body);
}

static void a_stalled_issuer_is_given_up(void **state)
{
    (void)state;
    answers(STALL, NULL);
    open_with((struct jwks_conf){.timeout_ms = 50});
    await_fetch();
    assert_int_equal(requests(), 1);
    assert_int_equal(verify(0), TOKEN_UNKNOWN_KEY);
}

static void closing_ends_a_stalled_fetch_and_tells_who_waits(void **state)
{
    (void)state;
    answers(STALL, NULL);
    open_with((struct jwks_conf){.timeout_ms = LONG_MS});
    unsigned told = 0;
    struct waiter wt;
    assert_true(wants(&wt, &told));
    await_requests(1);
    int64_t begin = clock_mono_ms(clock_system());
    jwks_close(jwks);
    assert_in_range(clock_mono_ms(clock_system()) - begin, 0, 5000);
    await_told(&told, 1);
    assert_false(wants(&wt, &told));
    jwks_free(jwks);
    jwks = NULL;
    tokens_jose_free(tokens);
    tokens = NULL;
}

static void keys_are_fetched_again_when_they_grow_old(void **state)
{
    (void)state;
    /* 1 s is said, less than the lower bound: that holds. */
    publishes(1, "200 OK\r\nCache-Control: public, max-age=1");
    open_with((struct jwks_conf){.fresh_ms_min = 30, .fresh_ms_max = 60, .refetch_ms = LONG_MS});
    await_requests(4);
    assert_int_equal(verify(0), TOKEN_OK);
}

static void cache_control_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int64_t age_s;
    } rows[] = {
        {"", -1},
        {"public", -1},
        {"max-age=60", 60},
        {"public, Max-Age=60 , must-revalidate", 60},
        {"s-maxage=5", -1},
        {"max-age=", -1},
        {"max-age=-1", -1},
        {"max-age=1x", -1},
        {"max-age=99999999999999999999", -1},
        {"max-age=18446744073709551615", 31536000},
        {"no-store", 0},
        {"max-age=60, no-cache", 0},
        {",,", -1},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(fetch_max_age(span_str(rows[i].field)), rows[i].age_s);
    }
}

static void only_https_or_this_machine_is_fetched(void **state)
{
    (void)state;
    static const char *const good[] = {"https://idp.example/keys", "https://idp.example:8443/a?b=c",
                                       "http://127.0.0.1:1/x", "http://127.1.2.3/", "http://[::1]/",
                                       "http://localhost:8080/jwks"};
    static const char *const bad[] = {"", "idp.example/keys", "http://idp.example/keys",
                                      "http://127.0.0.1.example/", "http://localhost.example/",
                                      "http://10.0.0.1/", "file:///etc/passwd", "ftp://127.0.0.1/",
                                      "https://user:pw@idp.example/", "https://idp.example/#x",
                                      "http://127.0.0.1@evil.example/", "https://", "gopher://x"};
    const char *why;
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!curl_url_check(good[i], false, &why)) {
            fail_msg("%s %s", good[i], why);
        }
    }
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (curl_url_check(bad[i], false, &why)) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_non_null(why);
    }
}

static int teardown_closed(void **state)
{
    (void)state;
    post_queue_free(post);
    issuer_end();
    return 0;
}

int main(void)
{
    for (unsigned i = 0; i < 3; i++) {
        keys[i] = test_key(JOSE_ES256);
    }
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(keys_are_there_once_fetched),
        T(a_storm_of_unknown_kids_fetches_once_a_minute),
        T(a_rotated_key_is_fetched_and_the_old_one_stays_for_a_while),
        T(an_outage_leaves_the_keys),
        T(a_long_answer_is_refused),
        T(a_stalled_issuer_is_given_up),
        cmocka_unit_test_setup_teardown(closing_ends_a_stalled_fetch_and_tells_who_waits, setup,
                                        teardown_closed),
        T(keys_are_fetched_again_when_they_grow_old),
        cmocka_unit_test(cache_control_is_read),
        cmocka_unit_test(only_https_or_this_machine_is_fetched),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (unsigned i = 0; i < 3; i++) {
        EVP_PKEY_free(keys[i]);
    }
    return failed;
}
