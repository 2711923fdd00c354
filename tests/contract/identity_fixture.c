#include "identity_fixture.h"

#include "adapters/offload_workers/offload_workers.h"
#include "adapters/post_queue/post_queue.h"
#include "adapters/store_sqlite/store_sqlite.h"
#include "adapters/tokens_hs256/tokens_hs256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world w;
static unsigned turn;

static int64_t wall_ms(struct clock *c)
{
    (void)c;
    return w.now_ms;
}

static uint64_t mono_ns(struct clock *c)
{
    (void)c;
    return (uint64_t)(w.now_ms - START_MS + 1000) * 1000000;
}

/* Not random, but never the same twice (splitmix64). */
static void fill(struct entropy *e, void *out, size_t len)
{
    (void)e;
    for (size_t i = 0; i < len; i++) {
        uint64_t z = w.seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        ((uint8_t *)out)[i] = (uint8_t)(z >> 40);
    }
}

static bool plain_hash(struct password *p, span secret, const unsigned char salt[],
                       char out[PASSWORD_HASH_MAX])
{
    (void)p;
    (void)salt;
    w.hashed++;
    snprintf(out, PASSWORD_HASH_MAX, "plain:%.*s", SPAN_FMT(secret));
    return true;
}

static bool plain_verify(struct password *p, span secret, const char *encoded)
{
    (void)p;
    w.hashed++;
    return strncmp(encoded, "plain:", 6) == 0 && span_eq(span_str(encoded + 6), secret);
}

/* --- one thread, and a seed that decides --- */

#define SIM_REQS_MAX 4096

struct sim {
    struct post post;
    struct store store;
    struct store *real;
    uint64_t seed;
    struct {
        struct mail *head;
        struct mail **tail;
    } loops[HOMES_MAX];
    struct store_req *reqs[SIM_REQS_MAX]; /* submitted, in order */
    unsigned req_count;
    struct store_req *read[SIM_REQS_MAX]; /* reads that were made and are not answered yet */
    unsigned read_count;
    unsigned reads;
};

static uint64_t sim_random(struct sim *s)
{
    uint64_t z = s->seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void sim_send(struct post *self, unsigned loop, struct mail *m)
{
    struct sim *s = CONTAINER_OF(self, struct sim, post);
    m->next = NULL;
    *s->loops[loop].tail = m;
    s->loops[loop].tail = &m->next;
}

static void sim_submit(struct store *self, struct store_req *req)
{
    struct sim *s = CONTAINER_OF(self, struct sim, store);
    assert_in_range(s->req_count, 0, SIM_REQS_MAX - 1);
    s->reqs[s->req_count++] = req;
    s->reads += store_req_is_read(req);
}

static void take(struct store_req **list, unsigned *count, unsigned at)
{
    memmove(&list[at], &list[at + 1], (--*count - at) * sizeof list[0]);
}

/* Writes run in the order submitted, and are answered at once; reads run when chosen and are
 * answered when chosen again, for a reader's thread may rest in between. */
static void sim_store_step(struct sim *s)
{
    if (s->read_count > 0 && (s->req_count == 0 || sim_random(s) % 2 == 0)) {
        unsigned chosen = (unsigned)(sim_random(s) % s->read_count);
        struct store_req *answered = s->read[chosen];
        take(s->read, &s->read_count, chosen);
        store_complete(&s->post, answered);
        return;
    }
    unsigned at = (unsigned)(sim_random(s) % s->req_count);
    if (!store_req_is_read(s->reqs[at])) {
        for (at = 0; store_req_is_read(s->reqs[at]); at++) {
        }
    }
    struct store_req *req = s->reqs[at];
    take(s->reqs, &s->req_count, at);
    unsigned loop = req->loop;
    req->error = w.store_error != ERR_NONE ? w.store_error : store_run(s->real, req);
    req->loop = loop;
    if (store_req_is_read(req)) {
        s->read[s->read_count++] = req;
    } else {
        store_complete(&s->post, req);
    }
}

bool sim_step(void)
{
    struct sim *s = w.sim;
    unsigned ready[HOMES_MAX + 1];
    unsigned n = 0;
    for (unsigned i = 0; i < w.count; i++) {
        if (s->loops[i].head != NULL) {
            ready[n++] = i;
        }
    }
    if (s->req_count + s->read_count > 0) {
        ready[n++] = HOMES_MAX;
    }
    if (n == 0) {
        return false;
    }
    unsigned chosen = ready[sim_random(s) % n];
    if (chosen == HOMES_MAX) {
        sim_store_step(s);
        return true;
    }
    struct mail *m = s->loops[chosen].head;
    s->loops[chosen].head = m->next;
    if (m->next == NULL) {
        s->loops[chosen].tail = &s->loops[chosen].head;
    }
    m->run(m);
    return true;
}

unsigned sim_reads(void) { return w.sim->reads; }

bool run_until(const bool *flag)
{
    if (w.sim == NULL) {
        return post_queue_until(w.post, flag, 10000);
    }
    while (!*flag && sim_step()) {
    }
    return *flag;
}

static int setup(unsigned count, bool sim, uint64_t seed)
{
    w = (struct world){
        .count = count,
        .now_ms = START_MS,
        .conf = {.auth_anonymous_loopback = true,
                 .token_access_s = 900,
                 .token_refresh_s = 30 * 86400,
                 .session_s = 30 * 86400,
                 .connections_per_principal_max = 3},
        .clock = {.wall_ms = wall_ms, .mono_ns = mono_ns},
        .entropy = {.fill = fill},
        .password = {.hash = plain_hash, .verify = plain_verify},
    };
    turn = 0;
    w.post = post_queue_new(count);
    w.seed = seed;
    struct sqlite_store_conf store = {.path = ":memory:", .synchronous = STORE_SYNC_OFF};
    assert_int_equal(sqlite_store_open(&store, w.post, NULL, &w.store), ERR_NONE);
    w.tokens = tokens_hs256_new(&(struct tokens_conf){
        .secret = SPAN("0123456789abcdef0123456789abcdef"), .leeway_s = 30});
    struct post *post = w.post;
    if (sim) {
        w.sim = calloc(1, sizeof *w.sim);
        *w.sim = (struct sim){.post = {.send = sim_send, .loop_count = count},
                              .store = {.submit = sim_submit},
                              .real = w.store,
                              .seed = seed};
        for (unsigned i = 0; i < count; i++) {
            w.sim->loops[i].tail = &w.sim->loops[i].head;
        }
        post = &w.sim->post;
    }
    w.offload = offload_inline_new(post);
    for (unsigned i = 0; i < count; i++) {
        w.peers[i] = &w.homes[i];
        w.homes[i] = (struct home){.index = i,
                                   .count = count,
                                   .conf = &w.conf,
                                   .peers = w.peers,
                                   .post = post,
                                   .clock = &w.clock,
                                   .entropy = &w.entropy,
                                   .store = sim ? &w.sim->store : w.store,
                                   .tokens = w.tokens,
                                   .password = &w.password,
                                   .offload = w.offload};
        home_init(&w.homes[i]);
        (void)identity_new(&w.homes[i]);
    }
    settle();
    return 0;
}

int world_setup_1(void **state)
{
    (void)state;
    return setup(1, false, 0);
}

int world_setup_5(void **state)
{
    (void)state;
    return setup(5, false, 0);
}

void world_setup_sim(unsigned count, uint64_t seed) { (void)setup(count, true, seed); }

int world_teardown(void **state)
{
    (void)state;
    settle();
    w.store->close(w.store);
    while (post_queue_run(w.post, 0)) {
    }
    for (unsigned i = 0; i < w.count; i++) {
        identity_free(w.homes[i].identity);
    }
    offload_free(w.offload);
    tokens_hs256_free(w.tokens);
    post_queue_free(w.post);
    free(w.sim);
    w.sim = NULL;
    return 0;
}

struct home *any_home(void) { return &w.homes[turn++ % w.count]; }

/* Until the store owes nothing and no answer makes more work. */
void settle(void)
{
    struct store_stats s;
    bool ran;
    while (w.sim != NULL && sim_step()) {
    }
    if (w.sim != NULL) {
        return;
    }
    do {
        w.store->stats(w.store, &s); /* before: what is answered by now is run */
        for (ran = false; post_queue_run(w.post, s.unanswered > 0 ? 1 : 0); ran = true) {
        }
    } while (ran || s.unanswered > 0);
}

void pass_ms(int64_t ms)
{
    w.now_ms += ms;
    for (unsigned i = 0; i < w.count; i++) {
        home_tick(&w.homes[i]);
    }
    settle();
}

static void copy(char *out, size_t size, span s) { snprintf(out, size, "%.*s", SPAN_FMT(s)); }

void on_answer(void *owner, const struct identity_result *r)
{
    struct answer *a = owner;
    assert_false(a->done);
    a->done = true;
    a->error = r->error;
    copy(a->reason, sizeof a->reason, span_str(r->reason));
    a->retry_after_ms = r->retry_after_ms;
    a->principal = r->principal;
    a->credential = r->credential;
    copy(a->username, sizeof a->username, r->username);
    copy(a->secret, sizeof a->secret, r->secret);
    copy(a->access, sizeof a->access, r->access_token);
    a->access_expires_ms = r->access_expires_ms;
    copy(a->refresh, sizeof a->refresh, r->refresh_token);
    copy(a->session, sizeof a->session, r->session);
    a->session_expires_ms = r->session_expires_ms;
    a->count = r->count;
    a->more = r->more;
    for (unsigned i = 0; i < r->count && r->users != NULL; i++) {
        a->users[i] = r->users[i];
        copy(a->names[i], sizeof a->names[i], r->users[i].username);
    }
    for (unsigned i = 0; i < r->count && r->keys != NULL; i++) {
        a->keys[i] = r->keys[i];
    }
}

const struct actor somebody = {.name = {(const uint8_t *)"somebody", 8}};

void wait_answer(struct answer *a)
{
    assert_false(a->done); /* never inside the call */
    assert_true(run_until(&a->done));
    settle();
}

void expect(const struct answer *a, err error, const char *reason)
{
    assert_true(a->done);
    if (a->error != error || strcmp(a->reason, reason == NULL ? "" : reason) != 0) {
        fail_msg("%s (%s), not %s (%s)", err_name(a->error), a->reason, err_name(error),
                 reason == NULL ? "" : reason);
    }
}

uuid user_new(const char *name, const char *password, enum role role)
{
    struct answer a = {0};
    identity_user_add(any_home(), span_str(name), span_str(password), &role, 1, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    return a.principal;
}

uuid device_new(void)
{
    uuid id = home_new_id(&w.homes[0]);
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_PRINCIPAL_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_str(text));
    store_set_text(req, 0, 0, 1, SPAN(""));
    store_set_text(req, 0, 0, 2, span_str(text));
    store_set_text(req, 0, 0, 3, SPAN("device"));
    store_set_text(req, 0, 0, 4, SPAN("a device"));
    store_set_text(req, 0, 0, 5, SPAN("active"));
    store_set_int(req, 0, 0, 6, w.now_ms);
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
    return id;
}

static void run_step(struct store_req *req)
{
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
}

void device_row_new(uuid device)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(device, text);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_DEVICE_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_str(text));
    store_set_text(req, 0, 0, 1, SPAN("a device"));
    store_set_text(req, 0, 0, 2, SPAN("host"));
    store_set_text(req, 0, 0, 3, SPAN("active"));
    store_set_text(req, 0, 0, 4, SPAN("[]"));
    store_set_text(req, 0, 0, 5, SPAN("[]"));
    store_set_text(req, 0, 0, 6, SPAN("{}"));
    store_set_int(req, 0, 0, 7, w.now_ms);
    run_step(req);
}

uuid group_new(const char *name)
{
    uuid id = home_new_id(&w.homes[0]);
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_GROUP_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_str(text));
    store_set_text(req, 0, 0, 1, span_str(name));
    store_set_text(req, 0, 0, 2, SPAN(""));
    store_set_int(req, 0, 0, 3, w.now_ms);
    run_step(req);
    return id;
}

int64_t room_new(int64_t id)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_HOME_ROOM_INSERT, 1);
    store_set_int(req, 0, 0, 0, id);
    for (unsigned p = 1; p <= 4; p++) {
        store_set_text(req, 0, 0, p, SPAN("room"));
    }
    for (unsigned p = 5; p <= 7; p++) {
        store_set_int(req, 0, 0, p, 0);
    }
    run_step(req);
    return id;
}

void key_new(uuid device, struct answer *a)
{
    *a = (struct answer){0};
    identity_key_make(any_home(), device, SPAN("k"), &somebody, on_answer, a);
    wait_answer(a);
    expect(a, ERR_NONE, NULL);
}

void login_as(struct answer *a, const char *name, const char *password, unsigned wants)
{
    *a = (struct answer){0};
    identity_login(any_home(),
                   &(struct login_args){.username = span_str(name),
                                        .password = span_str(password),
                                        .wants = wants},
                   on_answer, a);
    wait_answer(a);
}

static void on_auth(struct auth *a) { *(bool *)a->owner = true; }

struct grant *auth_wait(struct home *h, const char *text, bool is_session, char *reason)
{
    bool done = false;
    struct auth a = {.credential = span_str(text),
                     .is_session = is_session,
                     .done = on_auth,
                     .owner = &done};
    auth_start(h, &a);
    assert_true(done || run_until(&done));
    assert_int_equal(a.error == ERR_NONE, a.grant != NULL);
    assert_int_equal(a.error == ERR_NONE, a.reason == NULL);
    if (reason != NULL) {
        copy(reason, 64, span_str(a.reason));
    }
    return a.grant;
}

void expect_refused(const char *text, bool is_session, const char *reason)
{
    for (unsigned i = 0; i < w.count; i++) {
        char why[64];
        struct grant *g = auth_wait(&w.homes[i], text, is_session, why);
        assert_null(g);
        assert_string_equal(why, reason);
    }
}

void expect_accepted(const char *text, bool is_session)
{
    for (unsigned i = 0; i < w.count; i++) {
        char why[64];
        struct grant *g = auth_wait(&w.homes[i], text, is_session, why);
        if (g == NULL) {
            fail_msg("refused: %s", why);
        }
        grant_free(g);
    }
}

static void on_change(struct session *s, enum session_change change)
{
    struct probe *p = CONTAINER_OF(s, struct probe, session);
    p->told[change]++;
    if (change != SESSION_RIGHTS && change != SESSION_EXPIRING && !p->keep_open) {
        session_close(s);
    }
}

void probe_open(struct probe *p, struct home *h, const char *text, bool is_session)
{
    *p = (struct probe){.session = {.on_change = on_change}};
    struct grant *g = auth_wait(h, text, is_session, NULL);
    assert_non_null(g);
    assert_true(session_open(h, &p->session, g));
    settle();
}

unsigned probe_total(const struct probe *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ARRAY_LEN(p->told); i++) {
        n += p->told[i];
    }
    return n;
}
