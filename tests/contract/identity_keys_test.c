/* Device keys, tokens, and what is none: over SQLite, on one home and on five. */
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
    expect_refused("sbp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false, "unknown_key");
    expect_refused("sbp_short", false, "malformed");
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
    identity_key_make(any_home(), device, SPAN("third"), &somebody, on_answer, &a);
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
    identity_key_rotate(any_home(), device, SPAN("third"), &somebody, on_answer, &a);
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

struct rows {
    bool done;
    buf text; /* an action and a name a line, newest first */
};

static void on_rows(void *owner, const struct audit_result *r)
{
    struct rows *rows = owner;
    assert_int_equal(r->error, ERR_NONE);
    for (unsigned i = 0; i < r->count; i++) {
        buf_printf(&rows->text, "%.*s by %.*s\n", SPAN_FMT(r->rows[i].action),
                   SPAN_FMT(r->rows[i].actor_name));
    }
    buf_append_byte(&rows->text, '\0');
    rows->done = true;
}

static void changes_of_keys_are_in_the_audit_log_and_refusals_are_not(void **state)
{
    (void)state;
    uuid device = device_new();
    char target[UUID_TEXT_LEN + 1];
    struct answer one, a = {0};
    struct rows rows = {0};
    key_new(device, &one);
    pass_ms(1);
    identity_key_rotate(any_home(), device, SPAN("second"), &somebody, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    pass_ms(1);
    for (unsigned i = 0; i < 2; i++) {
        a = (struct answer){0};
        identity_key_revoke(any_home(), device, one.credential, &somebody, on_answer, &a);
        wait_answer(&a);
        expect(&a, i == 0 ? ERR_NONE : ERR_NOT_FOUND, i == 0 ? NULL : "unknown_key");
    }
    uuid_format(device, target);
    audit_list(any_home(),
               &(struct audit_filter){
                   .to_ms = INT64_MAX, .target = span_str(target), .limit = 10},
               on_rows, &rows);
    assert_true(run_until(&rows.done));
    assert_string_equal((char *)rows.text.ptr, "device.key.revoke by somebody\n"
                                               "device.key.rotate by somebody\n"
                                               "device.key.create by somebody\n");
    buf_deinit(&rows.text);
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
    identity_key_revoke(any_home(), device, one.credential, &somebody, on_answer, &a);
    done_ok(&a);
    assert_int_equal(probes[0].told[SESSION_REVOKED], 1);
    assert_int_equal(probes[1].told[SESSION_REVOKED], 1);
    assert_int_equal(probe_total(&probes[2]), 0);
    expect_refused(one.secret, false, "revoked");
    session_close(&probes[2].session);
    identity_key_revoke(any_home(), device, one.credential, &somebody, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_key");
    a = (struct answer){0};
    identity_key_revoke(any_home(), device_new(), two.credential, &somebody, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_key");
    a = (struct answer){0};
    identity_key_make(any_home(), home_new_id(any_home()), SPAN(""), &somebody, on_answer, &a);
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
        T(changes_of_keys_are_in_the_audit_log_and_refusals_are_not),
        T(a_revoked_key_ends_its_sessions_everywhere),
        T(a_key_gives_device_tokens_within_limits),
        T(tokens_can_be_issued_to_a_known_principal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
