/*
 * Identity on real loops and threads, for the thread sanitizer: every loop checks keys, tokens
 * and cookies and opens sessions, while one changes rights and another signs in.
 */
#include "adapters/clock_system/clock_system.h"
#include "adapters/entropy_system/entropy_system.h"
#include "adapters/offload_workers/offload_workers.h"
#include "adapters/store_sqlite/store_sqlite.h"
#include "adapters/tokens_hs256/tokens_hs256.h"
#include "domain/audit.h"
#include "domain/identity_ops.h"
#include "loop/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LOOPS 4
#define ROUNDS 300
#define CHANGES 60

struct worker {
    struct mail mail;
    struct home *home;
    unsigned rounds;
    unsigned accepted;
    unsigned told;
    unsigned changes;
    struct auth auth;
    struct session session;
};

static struct loop *loops[LOOPS];
static struct home all_homes[LOOPS];
static struct home *homes[LOOPS];
static struct worker actors[LOOPS];
static struct post *post;
static struct store *store;
static sem_t ended;

/* Written while one thread runs, read by all afterwards. */
static uuid user;
static char secrets[3][4096];

static bool cheap_hash(struct password *p, span secret, const unsigned char salt[], char out[])
{
    (void)p;
    (void)salt;
    snprintf(out, PASSWORD_HASH_MAX, "plain:%.*s", SPAN_FMT(secret));
    return true;
}

static bool cheap_verify(struct password *p, span secret, const char *encoded)
{
    (void)p;
    return span_eq(span_str(encoded + 6), secret);
}

static struct password password = {.hash = cheap_hash, .verify = cheap_verify};
static const struct domain_conf conf = {.token_access_s = 900,
                                      .token_refresh_s = 3600,
                                      .session_s = 3600,
                                      .connections_per_principal_max = 50};

/* --- the load --- */

static void begin(struct worker *a);

static void on_told(struct session *s, enum session_change change)
{
    (void)change;
    CONTAINER_OF(s, struct worker, session)->told++;
}

static void on_again(struct mail *m)
{
    struct worker *a = CONTAINER_OF(m, struct worker, mail);
    session_close(&a->session);
    begin(a);
}

static void on_auth(struct auth *auth)
{
    struct worker *a = auth->owner;
    if (auth->grant != NULL) {
        a->accepted++;
        a->session.on_change = on_told;
        assert_true(session_open(a->home, &a->session, auth->grant));
    }
    a->mail.run = on_again;
    post_mail(post, a->home->index, &a->mail);
}

static void begin(struct worker *a)
{
    if (a->rounds-- == 0) {
        sem_post(&ended);
        return;
    }
    unsigned which = (a->rounds + a->home->index) % 3;
    a->auth = (struct auth){.credential = span_str(secrets[which]),
                            .is_session = which == 2,
                            .done = on_auth,
                            .owner = a};
    auth_start(a->home, &a->auth);
}

static void on_begin(struct mail *m) { begin(CONTAINER_OF(m, struct worker, mail)); }

static void change_rights(void *owner, const struct identity_result *r)
{
    struct worker *a = owner;
    assert_true(r == NULL || r->error == ERR_NONE);
    if (a->changes-- == 0) {
        sem_post(&ended);
    } else if (a->changes % 2 == 1) {
        identity_bind(a->home, user, ROLE_OPERATOR, SCOPE_ALL, change_rights, a);
    } else {
        identity_unbind(a->home, user, ROLE_OPERATOR, SCOPE_ALL, change_rights, a);
    }
}

static void sign_in(void *owner, const struct identity_result *r)
{
    struct worker *a = owner;
    assert_true(r == NULL || r->error == ERR_NONE || r->error == ERR_RATE_LIMIT_EXCEEDED);
    if (a->changes-- == 0) {
        sem_post(&ended);
        return;
    }
    identity_login(a->home,
                   &(struct login_args){.username = SPAN("alice"),
                                      .password = SPAN("correct horse"),
                                      .wants = LOGIN_TOKENS | LOGIN_SESSION},
                   sign_in, a);
}

/* --- the set-up, on this thread --- */

struct made {
    bool done;
    unsigned at; /* where secrets go */
};

static void on_made(void *owner, const struct identity_result *r)
{
    struct made *m = owner;
    m->done = true;
    assert_int_equal(r->error, ERR_NONE);
    if (r->session.len > 0) {
        snprintf(secrets[1], sizeof secrets[1], "%.*s", SPAN_FMT(r->access_token));
        snprintf(secrets[2], sizeof secrets[2], "%.*s", SPAN_FMT(r->session));
    } else if (r->secret.len > 0) {
        snprintf(secrets[0], sizeof secrets[0], "%.*s", SPAN_FMT(r->secret));
    } else {
        user = r->principal;
    }
}

static void turn_until(struct made *m)
{
    while (!m->done) {
        for (unsigned i = 0; i < LOOPS; i++) {
            loop_turn(loops[i], 1);
        }
    }
    m->done = false;
}

/* Operations post from their home's thread: make this one home 0's. */
static void make_principals(void)
{
    struct made m = {0};
    enum role viewer = ROLE_VIEWER;
    struct home *h = homes[0];
    identity_user_add(h, SPAN("alice"), SPAN("correct horse"), &viewer, 1, on_made, &m);
    turn_until(&m);
    identity_key_make(h, user, SPAN("k"), &(struct actor){.name = SPAN("t")}, on_made, &m);
    turn_until(&m);
    identity_login(h,
                   &(struct login_args){.username = SPAN("alice"),
                                      .password = SPAN("correct horse"),
                                      .wants = LOGIN_TOKENS | LOGIN_SESSION},
                   on_made, &m);
    turn_until(&m);
}

static void settle(void)
{
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < LOOPS; i++) {
            loop_turn(loops[i], 0);
        }
    }
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void on_changes(struct mail *m)
{
    change_rights(CONTAINER_OF(m, struct worker, mail), NULL);
}

static void on_sign_ins(struct mail *m) { sign_in(CONTAINER_OF(m, struct worker, mail), NULL); }

static void run_load(void)
{
    static struct worker extra[2];
    pthread_t threads[LOOPS];
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, loops[i]), 0);
        actors[i].mail.run = on_begin;
        actors[i].rounds = ROUNDS;
        loop_post_foreign(loops[i], &actors[i].mail);
    }
    for (unsigned i = 0; i < 2; i++) {
        extra[i].home = homes[i + 1];
        extra[i].changes = CHANGES;
        extra[i].mail.run = i == 0 ? on_changes : on_sign_ins;
        loop_post_foreign(loops[i + 1], &extra[i].mail);
    }
    for (unsigned i = 0; i < LOOPS + 2; i++) {
        sem_wait(&ended);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_stop(loops[i]);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void loops_check_and_change_at_once(void **state)
{
    (void)state;
    struct sqlite_store_conf sc = {.path = ":memory:", .synchronous = STORE_SYNC_OFF};
    struct tokens *tokens = tokens_hs256_new(&(struct tokens_conf){
        .secret = SPAN("0123456789abcdef0123456789abcdef"), .leeway_s = 30});
    for (unsigned i = 0; i < LOOPS; i++) {
        struct loop_conf lc = {.index = i,
                               .count = LOOPS,
                               .clock = clock_system(),
                               .poller = poller_epoll_new()};
        loops[i] = loop_new(&lc, loops);
    }
    post = loop_post_port(loops, LOOPS);
    assert_int_equal(sqlite_store_open(&sc, post, NULL, &store), ERR_NONE);
    struct workers *workers = workers_new(2, 64, post);
    struct offload *offload = offload_workers_new(workers);
    for (unsigned i = 0; i < LOOPS; i++) {
        homes[i] = actors[i].home = &all_homes[i];
        all_homes[i] = (struct home){.index = i, .count = LOOPS, .conf = &conf, .peers = homes,
                                     .post = post, .clock = clock_system(),
                                     .entropy = entropy_system(), .store = store,
                                     .tokens = tokens, .password = &password,
                                     .offload = offload};
        home_init(homes[i]);
        (void)identity_new(homes[i]);
    }
    (void)sem_init(&ended, 0, 0);
    make_principals();
    run_load();
    settle();
    workers_free(workers);
    store->close(store);
    settle();
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(actors[i].accepted, ROUNDS);
        identity_free(homes[i]->identity);
    }
    offload_free(offload);
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_free(loops[i]);
    }
    loop_post_port_free(post);
    tokens_hs256_free(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loops_check_and_change_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
