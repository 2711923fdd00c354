/* Live sessions, device keys, rights and their changes: over SQLite, on one home and on five. */
#include "identity_fixture.h"

#include <stdio.h>
#include <string.h>

static void done_ok(struct answer *a)
{
    wait_answer(a);
    expect(a, ERR_NONE, NULL);
    *a = (struct answer){0};
}

static void keys_open_sessions_without_an_end(void **state)
{
    (void)state;
    uuid device = device_new();
    struct answer key;
    key_new(device, &key);
    assert_int_equal(strlen(key.secret), DEVICE_KEY_LEN);
    assert_memory_equal(key.secret, "sbk_", 4);
    struct grant *g = auth_text(key.secret, NULL);
    assert_true(uuid_eq(g->principal, device));
    assert_int_equal(g->kind, PRINCIPAL_DEVICE);
    assert_true(uuid_eq(g->credential, key.credential));
    assert_int_equal(g->expires_ms, 0);
    assert_true(can(g, PERM_HOST_WRITE, scope_device(device)));
    assert_false(can(g, PERM_HOST_WRITE, scope_device(device_new())));
    grant_free(g);
    pass_ms(INT64_C(400) * 86400000);
    expect_accepted(key.secret, false);
}

static void malformed_and_unknown_credentials_are_refused(void **state)
{
    (void)state;
    expect_refused("", false, "malformed");
    expect_refused("sbk_", false, "malformed");
    expect_refused("sbk_short", false, "malformed");
    expect_refused("sbk_0123456789012345678901234567890123456789012", false, "malformed");
    expect_refused("sbk_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", false, "malformed");
    expect_refused("sbk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false, "unknown_key");
    expect_refused("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true, "unknown_session");
    expect_refused("AAAA", true, "malformed");
    expect_refused("a.b.c", false, "malformed");
    expect_refused("sbp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false, "malformed");
}

/* A token is read where a token stands; a cookie's value is none, and the reverse. */
static void credentials_are_not_taken_for_one_another(void **state)
{
    (void)state;
    (void)user_new("alice", "correct horse", ROLE_VIEWER);
    struct answer key;
    struct answer login;
    key_new(device_new(), &key);
    login_as(&login, "alice", "correct horse", LOGIN_TOKENS | LOGIN_SESSION);
    expect_refused(key.secret, true, "malformed");
    expect_refused(login.session, false, "malformed");
    expect_refused(login.refresh, false, "malformed");
    expect_refused(login.refresh, true, "malformed");
    expect_refused(login.access, true, "malformed");
}

static void tokens_of_strangers_are_refused(void **state)
{
    (void)state;
    struct token_claims c = {.sub = "someone", .kind = "user", .exp_s = START_MS / 1000 + 60};
    buf token = {0};
    w.tokens->issue(w.tokens, &c, &token);
    buf_append_byte(&token, '\0');
    expect_refused((char *)token.ptr, false, "unknown_principal");
    buf_clear(&token);
    snprintf(c.sub, sizeof c.sub, "01900000-0000-7000-8000-0000000000ff");
    w.tokens->issue(w.tokens, &c, &token);
    buf_append_byte(&token, '\0');
    expect_refused((char *)token.ptr, false, "unknown_principal");
    buf_deinit(&token);
}

static void two_keys_are_valid_and_rotation_keeps_the_newer(void **state)
{
    (void)state;
    uuid device = device_new();
    struct answer one;
    struct answer two;
    struct answer a = {0};
    key_new(device, &one);
    pass_ms(1);
    key_new(device, &two);
    identity_key_make(any_home(), device, SPAN("third"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_CONFLICT, "conflict");
    expect_accepted(one.secret, false);
    expect_accepted(two.secret, false);
    struct probe old;
    struct probe kept;
    probe_open(&old, any_home(), one.secret, false);
    probe_open(&kept, any_home(), two.secret, false);
    pass_ms(1);
    a = (struct answer){0};
    identity_key_rotate(any_home(), device, SPAN("third"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    assert_int_equal(old.told[SESSION_REVOKED], 1);
    assert_int_equal(probe_total(&kept), 0);
    expect_refused(one.secret, false, "revoked");
    expect_accepted(two.secret, false);
    expect_accepted(a.secret, false);
    session_close(&kept.session);
    a = (struct answer){0};
    identity_key_list(any_home(), device, on_answer, &a);
    wait_answer(&a);
    assert_int_equal(a.count, 3);
    assert_true(a.keys[0].revoked_ms != 0 && a.keys[1].revoked_ms == 0);
}

static void a_revoked_key_ends_its_sessions_everywhere(void **state)
{
    (void)state;
    uuid device = device_new();
    struct answer one;
    struct answer two;
    struct answer a = {0};
    key_new(device, &one);
    pass_ms(1);
    key_new(device, &two);
    struct probe probes[3];
    probe_open(&probes[0], any_home(), one.secret, false);
    probe_open(&probes[1], any_home(), one.secret, false);
    probe_open(&probes[2], any_home(), two.secret, false);
    identity_key_revoke(any_home(), device, one.credential, on_answer, &a);
    done_ok(&a);
    assert_int_equal(probes[0].told[SESSION_REVOKED], 1);
    assert_int_equal(probes[1].told[SESSION_REVOKED], 1);
    assert_int_equal(probe_total(&probes[2]), 0);
    expect_refused(one.secret, false, "revoked");
    session_close(&probes[2].session);
    identity_key_revoke(any_home(), device, one.credential, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_key");
    a = (struct answer){0};
    identity_key_revoke(any_home(), device_new(), two.credential, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_key");
    a = (struct answer){0};
    identity_key_make(any_home(), home_new_id(any_home()), SPAN(""), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_principal");
}

static void a_key_gives_device_tokens_within_limits(void **state)
{
    (void)state;
    uuid device = device_new();
    struct answer key;
    struct answer a = {0};
    key_new(device, &key);
    for (int i = 0; i < 5; i++) {
        a = (struct answer){0};
        identity_device_token(any_home(), span_str(key.secret), SPAN("192.0.2.9"), on_answer, &a);
        wait_answer(&a);
        expect(&a, ERR_NONE, NULL);
        assert_true(uuid_eq(a.principal, device));
    }
    struct grant *g = auth_text(a.access, NULL);
    assert_int_equal(g->kind, PRINCIPAL_DEVICE);
    assert_int_equal(g->proof, PROOF_TOKEN);
    assert_int_equal(g->expires_ms, START_MS + 900000);
    grant_free(g);
    a = (struct answer){0};
    identity_device_token(any_home(), span_str(key.secret), SPAN("192.0.2.9"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_RATE_LIMIT_EXCEEDED, "address_limit");
    for (int i = 5; i <= 10; i++) {
        a = (struct answer){0};
        identity_device_token(any_home(), span_str(key.secret), SPAN_NONE, on_answer, &a);
        wait_answer(&a);
    }
    expect(&a, ERR_RATE_LIMIT_EXCEEDED, "account_limit");
    a = (struct answer){0};
    identity_device_token(any_home(), SPAN("a.b.c"), SPAN_NONE, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_AUTHENTICATION_FAILED, "malformed");
    a = (struct answer){0};
    identity_device_token(any_home(), SPAN("sbk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
                          SPAN_NONE, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_AUTHENTICATION_FAILED, "unknown_key");
}

static void tokens_can_be_issued_to_a_known_principal(void **state)
{
    (void)state;
    uuid id = user_new("bob", "correct horse", ROLE_OPERATOR);
    struct answer a = {0};
    identity_issue(any_home(), id, 60, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    assert_int_equal(a.access_expires_ms, START_MS + 60000);
    expect_accepted(a.access, false);
    a = (struct answer){0};
    identity_issue(any_home(), home_new_id(any_home()), 0, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_principal");
    a = (struct answer){0};
    identity_set_active(any_home(), id, false, on_answer, &a);
    done_ok(&a);
    identity_issue(any_home(), id, 0, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_PERMISSION_DENIED, "disabled");
}

static void disabling_ends_sessions_and_enabling_lets_in_again(void **state)
{
    (void)state;
    uuid device = device_new();
    struct answer key;
    struct answer a = {0};
    key_new(device, &key);
    struct probe p[2];
    probe_open(&p[0], any_home(), key.secret, false);
    probe_open(&p[1], any_home(), key.secret, false);
    identity_set_active(any_home(), device, false, on_answer, &a);
    done_ok(&a);
    assert_int_equal(p[0].told[SESSION_DISABLED], 1);
    assert_int_equal(p[1].told[SESSION_DISABLED], 1);
    expect_refused(key.secret, false, "disabled");
    identity_set_active(any_home(), device, true, on_answer, &a);
    done_ok(&a);
    expect_accepted(key.secret, false);
    identity_set_active(any_home(), home_new_id(any_home()), false, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_principal");
}

static void a_deleted_principal_is_told_and_unknown(void **state)
{
    (void)state;
    uuid device = device_new();
    struct answer key;
    key_new(device, &key);
    struct probe p;
    probe_open(&p, any_home(), key.secret, false);
    char text[UUID_TEXT_LEN + 1];
    uuid_format(device, text);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_PRINCIPAL_DELETE, 1);
    store_set_text(req, 0, 0, 0, span_str(text));
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
    identity_changed(any_home(), device);
    settle();
    assert_int_equal(p.told[SESSION_REVOKED], 1);
    expect_refused(key.secret, false, "unknown_principal");
}

static void revoking_tokens_spares_keys(void **state)
{
    (void)state;
    uuid device = device_new();
    struct answer key;
    struct answer token = {0};
    struct answer a = {0};
    key_new(device, &key);
    identity_device_token(any_home(), span_str(key.secret), SPAN_NONE, on_answer, &token);
    wait_answer(&token);
    struct probe by_key;
    struct probe by_token;
    probe_open(&by_key, any_home(), key.secret, false);
    probe_open(&by_token, any_home(), token.access, false);
    identity_revoke_tokens(any_home(), device, on_answer, &a);
    done_ok(&a);
    assert_int_equal(probe_total(&by_key), 0);
    assert_int_equal(by_token.told[SESSION_REVOKED], 1);
    expect_refused(token.access, false, "superseded");
    expect_accepted(key.secret, false);
    identity_device_token(any_home(), span_str(key.secret), SPAN_NONE, on_answer, &a);
    wait_answer(&a); /* in the very second of the revocation */
    expect_accepted(a.access, false);
    session_close(&by_key.session);
    a = (struct answer){0};
    identity_revoke_tokens(any_home(), home_new_id(any_home()), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_principal");
}

static void changed_rights_replace_the_grant(void **state)
{
    (void)state;
    uuid id = user_new("carol", "correct horse", ROLE_VIEWER);
    uuid device = device_new();
    struct answer login;
    struct answer a = {0};
    login_as(&login, "carol", "correct horse", LOGIN_TOKENS);
    struct probe p;
    probe_open(&p, any_home(), login.access, false);
    assert_false(can(p.session.grant, PERM_DEVICE_WRITE, scope_device(device)));
    identity_bind(any_home(), id, ROLE_OPERATOR, scope_device(device), on_answer, &a);
    done_ok(&a);
    assert_int_equal(p.told[SESSION_RIGHTS], 1);
    assert_true(can(p.session.grant, PERM_DEVICE_WRITE, scope_device(device)));
    assert_false(can(p.session.grant, PERM_DEVICE_WRITE, SCOPE_ALL));
    assert_false(can(p.session.grant, PERM_DEVICE_WRITE, scope_device(device_new())));
    assert_int_equal(p.session.grant->expires_ms, login.access_expires_ms);
    identity_bind(any_home(), id, ROLE_OPERATOR, scope_device(device), on_answer, &a);
    done_ok(&a);
    assert_int_equal(p.told[SESSION_RIGHTS], 1); /* nothing changed */
    identity_unbind(any_home(), id, ROLE_OPERATOR, scope_device(device), on_answer, &a);
    done_ok(&a);
    identity_unbind(any_home(), id, ROLE_VIEWER, SCOPE_ALL, on_answer, &a);
    done_ok(&a);
    assert_int_equal(p.told[SESSION_RIGHTS], 3);
    assert_false(can(p.session.grant, PERM_DEVICE_READ, scope_device(device)));
    session_close(&p.session);
    identity_bind(any_home(), home_new_id(any_home()), ROLE_VIEWER, SCOPE_ALL, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_principal");
}

/* Every role in every kind of scope, written to the store and read back. */
static void bindings_survive_the_store(void **state)
{
    (void)state;
    uuid id = user_new("dave", "correct horse", ROLE_VIEWER);
    struct answer login;
    struct answer a = {0};
    for (unsigned k = SCOPE_DEVICE; k <= SCOPE_CHAT_ROOM; k++) {
        for (unsigned r = 0; r < ROLE_COUNT; r++) {
            struct scope s = {.kind = (enum scope_kind)k, .id = {{(uint8_t)k, (uint8_t)r}}};
            identity_bind(any_home(), id, (enum role)r, s, on_answer, &a);
            done_ok(&a);
        }
    }
    login_as(&login, "dave", "correct horse", LOGIN_TOKENS);
    struct grant *g = auth_text(login.access, NULL);
    assert_int_equal(g->binding_count, 4 * ROLE_COUNT);
    for (unsigned k = SCOPE_DEVICE; k <= SCOPE_CHAT_ROOM; k++) {
        for (unsigned r = 0; r < ROLE_COUNT; r++) {
            struct scope s = {.kind = (enum scope_kind)k, .id = {{(uint8_t)k, (uint8_t)r}}};
            for (unsigned i = 0; i < PERM_COUNT; i++) {
                enum permission p = (enum permission)i;
                assert_int_equal(can(g, p, s), role_may((enum role)r, p) ||
                                                   role_may(ROLE_VIEWER, p));
            }
        }
    }
    grant_free(g);
}

static void the_last_admin_stays(void **state)
{
    (void)state;
    uuid one = user_new("erin", "correct horse", ROLE_ADMIN);
    uuid plain = user_new("plain", "correct horse", ROLE_VIEWER);
    struct answer a = {0};
    identity_set_active(any_home(), one, false, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_CONFLICT, "last_admin");
    a = (struct answer){0};
    identity_unbind(any_home(), one, ROLE_ADMIN, SCOPE_ALL, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_CONFLICT, "last_admin");
    a = (struct answer){0};
    identity_set_active(any_home(), plain, false, on_answer, &a);
    done_ok(&a);
    uuid two = user_new("frank", "correct horse", ROLE_ADMIN);
    identity_set_active(any_home(), one, false, on_answer, &a);
    done_ok(&a);
    identity_unbind(any_home(), two, ROLE_ADMIN, SCOPE_ALL, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_CONFLICT, "last_admin");
}

static void a_session_is_told_before_its_token_ends_and_at_the_end(void **state)
{
    (void)state;
    (void)user_new("gina", "correct horse", ROLE_VIEWER);
    struct answer login;
    login_as(&login, "gina", "correct horse", LOGIN_TOKENS);
    struct probe p;
    probe_open(&p, any_home(), login.access, false);
    pass_ms(839000);
    assert_int_equal(probe_total(&p), 0);
    pass_ms(1200);
    assert_int_equal(p.told[SESSION_EXPIRING], 1);
    pass_ms(59000);
    assert_int_equal(probe_total(&p), 1);
    pass_ms(1000);
    assert_int_equal(p.told[SESSION_EXPIRED], 1);
}

static void a_refreshed_session_lives_on(void **state)
{
    (void)state;
    (void)user_new("heidi", "correct horse", ROLE_VIEWER);
    (void)user_new("ivan", "correct horse", ROLE_VIEWER);
    struct answer login;
    struct answer fresh;
    struct answer other;
    login_as(&login, "heidi", "correct horse", LOGIN_TOKENS);
    struct probe p;
    probe_open(&p, any_home(), login.access, false);
    pass_ms(850000);
    assert_int_equal(p.told[SESSION_EXPIRING], 1);
    login_as(&fresh, "heidi", "correct horse", LOGIN_TOKENS);
    login_as(&other, "ivan", "correct horse", LOGIN_TOKENS);
    struct grant *g = auth_wait(p.session.home, other.access, false, NULL);
    assert_false(session_refresh(&p.session, g));
    grant_free(g);
    g = auth_wait(p.session.home, fresh.access, false, NULL);
    assert_true(session_refresh(&p.session, g));
    pass_ms(800000);
    assert_int_equal(probe_total(&p), 1);
    pass_ms(41000);
    assert_int_equal(p.told[SESSION_EXPIRING], 2);
    w.now_ms -= 3600000; /* the wall clock and, with it, the test's monotonic one */
    session_close(&p.session);
    session_close(&p.session); /* harmless */
}

static void tokens_near_their_end_are_told_at_once(void **state)
{
    (void)state;
    uuid id = user_new("judy", "correct horse", ROLE_VIEWER);
    struct answer a = {0};
    identity_issue(any_home(), id, 10, on_answer, &a);
    wait_answer(&a);
    struct probe p;
    probe_open(&p, any_home(), a.access, false);
    assert_int_equal(probe_total(&p), 0);
    pass_ms(200);
    assert_int_equal(p.told[SESSION_EXPIRING], 1);
    pass_ms(10000);
    assert_int_equal(p.told[SESSION_EXPIRED], 1);
}

static void connections_of_a_principal_are_limited(void **state)
{
    (void)state;
    uuid device = device_new();
    struct answer key;
    key_new(device, &key);
    struct probe p[3];
    for (int i = 0; i < 3; i++) {
        probe_open(&p[i], any_home(), key.secret, false);
    }
    for (unsigned i = 0; i < w.count; i++) {
        struct probe over = {.session = p[0].session};
        over.session = (struct session){.on_change = p[0].session.on_change};
        struct grant *g = auth_wait(&w.homes[i], key.secret, false, NULL);
        assert_false(session_open(&w.homes[i], &over.session, g));
    }
    session_close(&p[0].session);
    settle();
    probe_open(&p[0], any_home(), key.secret, false);
    for (int i = 0; i < 3; i++) {
        session_close(&p[i].session);
    }
}

static void clients_without_a_principal_are_not_counted(void **state)
{
    (void)state;
    struct probe p[5];
    struct answer key;
    key_new(device_new(), &key);
    probe_open(&p[0], &w.homes[0], key.secret, false);
    for (int i = 1; i < 5; i++) {
        p[i] = (struct probe){.session = {.on_change = p[0].session.on_change}};
        assert_true(session_open(&w.homes[0], &p[i].session, auth_anonymous(&w.homes[0])));
    }
    pass_ms(INT64_C(100) * 86400000);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(probe_total(&p[i]), 0);
        session_close(&p[i].session);
    }
}

static void expired_rows_are_removed(void **state)
{
    (void)state;
    (void)user_new("ken", "correct horse", ROLE_VIEWER);
    struct answer login;
    struct answer a = {0};
    login_as(&login, "ken", "correct horse", LOGIN_TOKENS | LOGIN_SESSION);
    for (int i = 0; i < 2; i++) {
        pass_ms(INT64_C(31) * 86400000);
    }
    identity_refresh(any_home(), span_str(login.refresh), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_AUTHENTICATION_FAILED, "unknown_token"); /* not even expired any more */
    expect_refused(login.session, true, "unknown_session");
}

int main(void)
{
#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(name, world_setup_1, world_teardown),                          \
        cmocka_unit_test_setup_teardown(name, world_setup_5, world_teardown)
    const struct CMUnitTest tests[] = {
        T(keys_open_sessions_without_an_end),
        T(malformed_and_unknown_credentials_are_refused),
        T(credentials_are_not_taken_for_one_another),
        T(tokens_of_strangers_are_refused),
        T(two_keys_are_valid_and_rotation_keeps_the_newer),
        T(a_revoked_key_ends_its_sessions_everywhere),
        T(a_key_gives_device_tokens_within_limits),
        T(tokens_can_be_issued_to_a_known_principal),
        T(disabling_ends_sessions_and_enabling_lets_in_again),
        T(a_deleted_principal_is_told_and_unknown),
        T(revoking_tokens_spares_keys),
        T(changed_rights_replace_the_grant),
        T(bindings_survive_the_store),
        T(the_last_admin_stays),
        T(a_session_is_told_before_its_token_ends_and_at_the_end),
        T(a_refreshed_session_lives_on),
        T(tokens_near_their_end_are_told_at_once),
        T(connections_of_a_principal_are_limited),
        T(clients_without_a_principal_are_not_counted),
        T(expired_rows_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
