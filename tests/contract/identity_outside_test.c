/* Outside issuers: who their tokens make, what these may do, and what they can never be. Over
 * SQLite, on one home and on five; the issuer is the attack table's (jose_test.h). */
#include "identity_fixture.h"

#include "adapters/tokens_jose/jose_test.h"
#include "adapters/tokens_jose/tokens_jose.h"

#include <stdio.h>
#include <string.h>

#define EXP "\"exp\":1800000900"
#define IAT "\"iat\":1800000000"

static EVP_PKEY *key;  /* the issuer's */
static EVP_PKEY *next; /* its next one, kid "next" */
static struct tokens *jose;
static char text[TOKEN_BYTES_MAX];

/* A source whose answer the test gives. */
static struct {
    struct key_source port;
    bool refuses;
    struct tokens_wait *waiting[8];
    unsigned count;
} source;

static bool await_keys(struct key_source *self, struct tokens_wait *wait)
{
    (void)self;
    if (!source.refuses) {
        source.waiting[source.count++] = wait;
    }
    return !source.refuses;
}

static struct key_set *set_of(const EVP_PKEY *k, const char *extra)
{
    buf jwk = {0};
    const char *why = "";
    struct key_set *set = key_set_new();
    test_jwk(&jwk, k, JOSE_ES256, extra);
    assert_true(key_set_read(set, buf_span(&jwk), false, &why));
    buf_deinit(&jwk);
    return set;
}

static int over(int (*world)(void **), void **state)
{
    world(state);
    struct tokens_jose_conf conf = {.own = w.tokens,
                                    .fixed = set_of(key, ",\"kid\":\"k\""),
                                    .issuer = "signalbox",
                                    .leeway_s = 30};
    jose = tokens_jose_new(&conf);
    memset(&source, 0, sizeof source);
    source.port.await_keys = await_keys;
    tokens_jose_set_source(jose, &source.port);
    w.conf.issuer_roles = 1u << ROLE_VIEWER | 1u << ROLE_EMPLOYEE;
    for (unsigned i = 0; i < w.count; i++) {
        w.homes[i].tokens = jose;
    }
    return 0;
}

static int setup_1(void **state) { return over(world_setup_1, state); }
static int setup_5(void **state) { return over(world_setup_5, state); }

static int teardown(void **state)
{
    w.tokens = NULL; /* jose's */
    world_teardown(state);
    tokens_jose_free(jose);
    return 0;
}

/* A token of the issuer, in `text`. */
static const char *token_by(EVP_PKEY *k, const char *kid, const char *payload)
{
    buf out = {0};
    char header[64];
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);
    test_token(&out, k, JOSE_ES256, header, payload);
    snprintf(text, sizeof text, "%.*s", SPAN_FMT(buf_span(&out)));
    buf_deinit(&out);
    return text;
}

static const char *token_of(const char *payload) { return token_by(key, "k", payload); }

/* The principal of an accepted token. */
static uuid accepted(const char *payload, uint32_t roles)
{
    struct grant *g = auth_text(token_of(payload), NULL);
    assert_non_null(g);
    uuid id = g->principal;
    assert_int_equal(g->global_roles, roles);
    assert_int_equal(g->kind, PRINCIPAL_USER);
    grant_free(g);
    return id;
}

static unsigned principals(void)
{
    struct answer a = {0};
    identity_user_list(any_home(), SPAN_NONE, 200, on_answer, &a);
    wait_answer(&a);
    return a.count;
}

static void one_is_made_on_first_use_and_known_afterwards(void **state)
{
    (void)state;
    uuid ann = accepted("{\"iss\":\"https://a\",\"sub\":\"ann\"," EXP "}", 0);
    assert_int_equal(ann.bytes[6] >> 4, 8);
    for (unsigned i = 0; i < 6; i++) {
        uuid again = accepted("{\"iss\":\"https://a\",\"sub\":\"ann\"," EXP "}", 0);
        assert_true(uuid_eq(again, ann));
    }
    char id[UUID_TEXT_LEN + 1];
    uuid_format(ann, id);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_PRINCIPAL_BY_SUB, 1);
    store_set_text(req, 0, 0, 0, SPAN("https://a"));
    store_set_text(req, 0, 0, 1, SPAN("ann"));
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    assert_int_equal(req->steps[0].row_count, 1);
    assert_true(span_eq(store_text(store_cell(req, 0, 0, 0)), span_str(id)));
    assert_true(span_eq(store_text(store_cell(req, 0, 0, 3)), SPAN("user")));
    store_req_free(req);
}

static void count_done(struct auth *a) { (*(unsigned *)a->owner)++; }

static void first_uses_at_once_make_one(void **state)
{
    (void)state;
    struct auth auths[6];
    token_of("{\"iss\":\"https://a\",\"sub\":\"bob\",\"kind\":\"service\"," EXP "}");
    unsigned done = 0;
    for (unsigned i = 0; i < 6; i++) {
        auths[i] = (struct auth){.credential = span_str(text), .done = count_done, .owner = &done};
        auth_start(any_home(), &auths[i]);
    }
    settle();
    assert_int_equal(done, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_non_null(auths[i].grant);
        assert_int_equal(auths[i].grant->kind, PRINCIPAL_SERVICE);
        assert_true(uuid_eq(auths[i].grant->principal, auths[0].grant->principal));
    }
    for (unsigned i = 0; i < 6; i++) {
        grant_free(auths[i].grant);
    }
}

static void the_same_sub_of_two_issuers_is_two(void **state)
{
    (void)state;
    uuid a = accepted("{\"iss\":\"https://a\",\"sub\":\"ann\"," EXP "}", 0);
    uuid b = accepted("{\"iss\":\"https://b\",\"sub\":\"ann\"," EXP "}", 0);
    uuid none = accepted("{\"sub\":\"ann\"," EXP "}", 0);
    /* The border between iss and sub cannot be moved. */
    uuid moved = accepted("{\"iss\":\"https://aa\",\"sub\":\"nn\"," EXP "}", 0);
    assert_false(uuid_eq(a, b));
    assert_false(uuid_eq(a, none));
    assert_false(uuid_eq(a, moved));
}

static void a_local_principal_cannot_be_addressed(void **state)
{
    (void)state;
    uuid admin = user_new("root", "correct horse", ROLE_ADMIN);
    char id[UUID_TEXT_LEN + 1];
    char payload[300];
    uuid_format(admin, id);
    static const char *const issuers[] = {"\"iss\":\"https://a\",", "\"iss\":\"\",", ""};
    for (unsigned i = 0; i < 3; i++) {
        snprintf(payload, sizeof payload, "{%s\"sub\":\"%s\"," EXP "}", issuers[i], id);
        assert_false(uuid_eq(accepted(payload, 0), admin));
    }
    snprintf(payload, sizeof payload, "{\"iss\":\"signalbox\",\"sub\":\"%s\"," EXP "}", id);
    expect_refused(token_of(payload), false, "bad_issuer");
    snprintf(payload, sizeof payload,
             "{\"iss\":\"https://a\",\"sub\":\"%s\",\"kind\":\"device\",\"deviceId\":\"%s\"," EXP
             "}", id, id);
    expect_refused(token_of(payload), false, "unknown_principal");
    assert_int_equal(principals(), 1);
}

static void claim_roles_are_capped(void **state)
{
    (void)state;
    accepted("{\"iss\":\"i\",\"sub\":\"a\",\"roles\":[\"viewer\"]," EXP "}", 1u << ROLE_VIEWER);
    accepted("{\"iss\":\"i\",\"sub\":\"a\",\"roles\":[\"admin\",\"employee\",\"operator\","
             "\"supervisor\",\"nobody\"]," EXP "}", 1u << ROLE_EMPLOYEE);
    accepted("{\"iss\":\"i\",\"sub\":\"a\"," EXP "}", 0); /* they last as long as their token */
    w.conf.issuer_roles = 1u << ROLE_OPERATOR;
    accepted("{\"iss\":\"i\",\"sub\":\"a\",\"roles\":[\"viewer\",\"operator\"]," EXP "}",
             1u << ROLE_OPERATOR);
}

static void claims_and_bindings_are_joined_and_stay_joined(void **state)
{
    (void)state;
    const char *claims = "{\"iss\":\"i\",\"sub\":\"a\",\"roles\":[\"viewer\"]," EXP "," IAT "}";
    uuid ann = accepted(claims, 1u << ROLE_VIEWER);
    struct probe p;
    probe_open(&p, any_home(), token_of(claims), false);
    struct answer a = {0};
    identity_bind(any_home(), ann, ROLE_OPERATOR, SCOPE_ALL, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    assert_int_equal(p.told[SESSION_RIGHTS], 1);
    assert_int_equal(p.session.grant->global_roles, 1u << ROLE_VIEWER | 1u << ROLE_OPERATOR);
    accepted(claims, 1u << ROLE_VIEWER | 1u << ROLE_OPERATOR);
    a = (struct answer){0};
    identity_unbind(any_home(), ann, ROLE_OPERATOR, SCOPE_ALL, on_answer, &a);
    wait_answer(&a);
    assert_int_equal(p.told[SESSION_RIGHTS], 2);
    assert_int_equal(p.session.grant->global_roles, 1u << ROLE_VIEWER);
    a = (struct answer){0};
    identity_set_active(any_home(), ann, false, on_answer, &a);
    wait_answer(&a);
    assert_int_equal(p.told[SESSION_DISABLED], 1);
    expect_refused(token_of(claims), false, "disabled");
}

static void kinds_that_are_not_signed_in_are_not_made(void **state)
{
    (void)state;
    static const char *const kinds[] = {"device", "guest", "robot"};
    for (unsigned i = 0; i < 3; i++) {
        char payload[200];
        snprintf(payload, sizeof payload,
                 "{\"iss\":\"i\",\"sub\":\"x\",\"kind\":\"%s\",\"roles\":[\"viewer\"]," EXP "}",
                 kinds[i]);
        expect_refused(token_of(payload), false, "unknown_principal");
    }
}

static void a_jti_of_theirs_is_none_of_ours(void **state)
{
    (void)state;
    const char *jti = "01900000-0000-7000-8000-000000000001";
    char payload[200];
    snprintf(payload, sizeof payload, "{\"iss\":\"i\",\"sub\":\"a\",\"jti\":\"%s\"," EXP "}", jti);
    struct grant *g = auth_text(token_of(payload), NULL);
    uuid ours;
    assert_true(uuid_parse(span_str(jti), &ours));
    assert_false(uuid_eq(g->credential, ours));
    struct logout_args out = {.grant = g};
    struct answer a = {0};
    identity_logout(any_home(), &out, on_answer, &a);
    wait_answer(&a);
    expect_refused(token_of(payload), false, "revoked");
    snprintf(payload, sizeof payload, "{\"iss\":\"j\",\"sub\":\"a\",\"jti\":\"%s\"," EXP "}", jti);
    expect_accepted(token_of(payload), false);
    grant_free(g);
}

/* --- keys that are still to come --- */

static void release(void)
{
    for (unsigned i = 0; i < source.count; i++) {
        post_mail(w.post, source.waiting[i]->loop, &source.waiting[i]->mail);
    }
    source.count = 0;
    settle();
}

static void a_new_key_is_waited_for(void **state)
{
    (void)state;
    token_by(next, "next", "{\"iss\":\"i\",\"sub\":\"a\"," EXP "}");
    struct auth auths[3];
    unsigned done = 0;
    for (unsigned i = 0; i < 3; i++) {
        auths[i] = (struct auth){.credential = span_str(text), .done = count_done, .owner = &done};
        auth_start(any_home(), &auths[i]);
    }
    settle();
    assert_int_equal(done, 0);
    assert_int_equal(source.count, 3);
    memset(text, 'x', sizeof text - 1); /* the credential was copied */
    tokens_jose_replace(jose, set_of(next, ",\"kid\":\"next\""), 0, w.now_ms);
    release();
    assert_int_equal(done, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_non_null(auths[i].grant);
        grant_free(auths[i].grant);
    }
}

static void a_key_that_does_not_come_refuses(void **state)
{
    (void)state;
    token_by(next, "next", "{\"iss\":\"i\",\"sub\":\"a\"," EXP "}");
    unsigned done = 0;
    struct auth a = {.credential = span_str(text), .done = count_done, .owner = &done};
    auth_start(any_home(), &a);
    assert_int_equal(source.count, 1);
    release(); /* no new keys: it is not waited for twice */
    assert_int_equal(done, 1);
    assert_null(a.grant);
    assert_string_equal(a.reason, "unknown_key");
    source.refuses = true;
    expect_refused(text, false, "unknown_key");
}

int main(void)
{
    key = test_key(JOSE_ES256);
    next = test_key(JOSE_ES256);
#define BOTH(f) cmocka_unit_test_setup_teardown(f, setup_1, teardown), \
                cmocka_unit_test_setup_teardown(f, setup_5, teardown)
    const struct CMUnitTest tests[] = {
        BOTH(one_is_made_on_first_use_and_known_afterwards),
        BOTH(first_uses_at_once_make_one),
        BOTH(the_same_sub_of_two_issuers_is_two),
        BOTH(a_local_principal_cannot_be_addressed),
        BOTH(claim_roles_are_capped),
        BOTH(claims_and_bindings_are_joined_and_stay_joined),
        BOTH(kinds_that_are_not_signed_in_are_not_made),
        BOTH(a_jti_of_theirs_is_none_of_ours),
        BOTH(a_new_key_is_waited_for),
        BOTH(a_key_that_does_not_come_refuses),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    EVP_PKEY_free(key);
    EVP_PKEY_free(next);
    return failed;
}
