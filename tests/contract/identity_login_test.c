/* Signing in and out, tokens, console sessions, users: over SQLite, on one home and on five. */
#include "identity_fixture.h"

#include "domain/identity_internal.h"

#include <stdio.h>
#include <string.h>

static void right_password_gives_tokens_and_a_session(void **state)
{
    (void)state;
    uuid id = user_new("Alice", "correct horse", ROLE_VIEWER);
    struct answer a;
    login_as(&a, "ALICE", "correct horse", LOGIN_TOKENS | LOGIN_SESSION);
    expect(&a, ERR_NONE, NULL);
    assert_true(uuid_eq(a.principal, id));
    assert_string_equal(a.username, "alice");
    assert_int_equal(a.access_expires_ms, START_MS + 900000);
    assert_int_equal(a.session_expires_ms, START_MS + INT64_C(30) * 86400000);
    struct grant *g = auth_text(a.access, NULL);
    assert_true(uuid_eq(g->principal, id));
    assert_int_equal(g->kind, PRINCIPAL_USER);
    assert_int_equal(g->proof, PROOF_TOKEN);
    assert_int_equal(g->expires_ms, a.access_expires_ms);
    assert_true(can(g, PERM_DEVICE_READ, SCOPE_ALL));
    assert_false(can(g, PERM_DEVICE_WRITE, SCOPE_ALL));
    grant_free(g);
    g = auth_cookie(a.session, NULL);
    assert_true(uuid_eq(g->principal, id));
    assert_int_equal(g->proof, PROOF_SESSION);
    assert_int_equal(g->expires_ms, a.session_expires_ms);
    grant_free(g);
    expect_accepted(a.access, false);
    expect_accepted(a.session, true);
}

static void only_what_was_asked_for_is_made(void **state)
{
    (void)state;
    (void)user_new("bob", "correct horse", ROLE_VIEWER);
    struct answer a;
    login_as(&a, "bob", "correct horse", LOGIN_SESSION);
    expect(&a, ERR_NONE, NULL);
    assert_string_equal(a.access, "");
    assert_string_equal(a.refresh, "");
    login_as(&a, "bob", "correct horse", LOGIN_TOKENS);
    assert_string_equal(a.session, "");
    assert_int_equal(strlen(a.refresh), 47);
}

static void wrong_unknown_and_disabled_look_and_cost_the_same(void **state)
{
    (void)state;
    uuid id = user_new("carol", "correct horse", ROLE_VIEWER);
    struct answer a;
    struct answer set = {0};
    unsigned before = w.hashed;
    login_as(&a, "carol", "wrong horse", LOGIN_TOKENS);
    expect(&a, ERR_AUTHENTICATION_FAILED, "wrong_password");
    assert_int_equal(w.hashed, before + 1);
    login_as(&a, "nobody", "correct horse", LOGIN_TOKENS);
    expect(&a, ERR_AUTHENTICATION_FAILED, "unknown_user");
    assert_int_equal(w.hashed, before + 2);
    identity_set_active(any_home(), id, false, on_answer, &set);
    wait_answer(&set);
    login_as(&a, "carol", "correct horse", LOGIN_TOKENS);
    expect(&a, ERR_AUTHENTICATION_FAILED, "disabled");
    assert_int_equal(w.hashed, before + 3);
    assert_string_equal(a.access, "");
}

static void names_and_passwords_out_of_bounds_are_refused(void **state)
{
    (void)state;
    (void)user_new("dave", "correct horse", ROLE_VIEWER);
    char longer[PASSWORD_BYTES_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    struct answer a;
    login_as(&a, "dave", longer, LOGIN_TOKENS);
    expect(&a, ERR_AUTHENTICATION_FAILED, "malformed");
    login_as(&a, longer, "correct horse", LOGIN_TOKENS);
    expect(&a, ERR_AUTHENTICATION_FAILED, "malformed");
    login_as(&a, "", "", LOGIN_TOKENS);
    expect(&a, ERR_AUTHENTICATION_FAILED, "malformed");
    static const char *const names[] = {"",    " ",    "a b", "a\n", "\xc3\xa4",
                                        "a/b", "a'b", "\"",  "<x>"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        a = (struct answer){0};
        identity_user_add(any_home(), span_str(names[i]), SPAN("correct horse"), NULL, 0,
                          on_answer, &a);
        wait_answer(&a);
        expect(&a, ERR_INVALID_REQUEST, "username");
    }
    a = (struct answer){0};
    identity_user_add(any_home(), SPAN("erin"), SPAN("1234567"), NULL, 0, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_INVALID_REQUEST, "password_length");
}

static void a_name_exists_once_in_any_case(void **state)
{
    (void)state;
    (void)user_new("frank", "correct horse", ROLE_VIEWER);
    struct answer a = {0};
    identity_user_add(any_home(), SPAN("FRANK"), SPAN("other horse"), NULL, 0, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_CONFLICT, "conflict");
}

static void an_empty_password_is_made(void **state)
{
    (void)state;
    struct answer made = {0};
    struct answer a;
    enum role roles[] = {ROLE_OPERATOR, ROLE_EMPLOYEE};
    identity_user_add(any_home(), SPAN("gina"), SPAN_NONE, roles, 2, on_answer, &made);
    wait_answer(&made);
    expect(&made, ERR_NONE, NULL);
    assert_int_equal(strlen(made.secret), 24);
    login_as(&a, "gina", made.secret, LOGIN_TOKENS);
    expect(&a, ERR_NONE, NULL);
    struct grant *g = auth_text(a.access, NULL);
    assert_int_equal(g->global_roles, 1u << ROLE_OPERATOR | 1u << ROLE_EMPLOYEE);
    grant_free(g);
}

static void the_first_admin_is_made_once(void **state)
{
    (void)state;
    struct answer first = {0};
    struct answer second = {0};
    struct answer a;
    identity_first_admin(any_home(), on_answer, &first);
    wait_answer(&first);
    expect(&first, ERR_NONE, NULL);
    assert_string_equal(first.username, "admin");
    assert_true(strlen(first.secret) >= 20);
    identity_first_admin(any_home(), on_answer, &second);
    wait_answer(&second);
    expect(&second, ERR_NONE, NULL);
    assert_string_equal(second.secret, "");
    login_as(&a, "admin", first.secret, LOGIN_TOKENS);
    expect(&a, ERR_NONE, NULL);
    struct grant *g = auth_text(a.access, NULL);
    assert_true(can(g, PERM_USER_WRITE, SCOPE_ALL));
    grant_free(g);
}

static void the_first_admin_takes_a_free_name(void **state)
{
    (void)state;
    (void)user_new("admin", "correct horse", ROLE_VIEWER);
    (void)user_new("admin2", "correct horse", ROLE_VIEWER);
    struct answer a = {0};
    identity_first_admin(any_home(), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    assert_string_equal(a.username, "admin3");
    assert_int_equal(strlen(a.secret), 24);
}

static void attempts_are_limited_by_account(void **state)
{
    (void)state;
    (void)user_new("heidi", "correct horse", ROLE_VIEWER);
    struct answer a;
    for (int i = 0; i < 10; i++) {
        login_as(&a, "heidi", "wrong horse", LOGIN_TOKENS);
        expect(&a, ERR_AUTHENTICATION_FAILED, "wrong_password");
    }
    unsigned before = w.hashed;
    login_as(&a, "Heidi", "correct horse", LOGIN_TOKENS);
    expect(&a, ERR_RATE_LIMIT_EXCEEDED, "account_limit");
    assert_in_range(a.retry_after_ms, 1, 6000);
    assert_int_equal(w.hashed, before);
    pass_ms(6000);
    login_as(&a, "heidi", "correct horse", LOGIN_TOKENS);
    expect(&a, ERR_NONE, NULL);
}

static void attempts_are_limited_by_address(void **state)
{
    (void)state;
    struct answer a;
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "user%d", i);
        a = (struct answer){0};
        identity_login(any_home(),
                       &(struct login_args){.username = span_str(name),
                                            .password = SPAN("guessed it"),
                                            .wants = LOGIN_TOKENS,
                                            .address = SPAN("192.0.2.7")},
                       on_answer, &a);
        wait_answer(&a);
        if (i < 5) {
            expect(&a, ERR_AUTHENTICATION_FAILED, "unknown_user");
        } else {
            expect(&a, ERR_RATE_LIMIT_EXCEEDED, "address_limit");
            assert_in_range(a.retry_after_ms, 1, 12000);
        }
    }
}

/* The tables are all that remains. */
static void homes_restart(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        identity_free(w.homes[i].identity);
        (void)identity_new(&w.homes[i]);
    }
}

static void refresh_tokens_are_of_one_use(void **state)
{
    (void)state;
    uuid id = user_new("ivan", "correct horse", ROLE_VIEWER);
    struct answer one;
    struct answer two = {0};
    struct answer three = {0};
    struct answer four = {0};
    login_as(&one, "ivan", "correct horse", LOGIN_TOKENS);
    pass_ms(1000000);
    expect_refused(one.access, false, "expired");
    identity_refresh(any_home(), span_str(one.refresh), on_answer, &two);
    wait_answer(&two);
    expect(&two, ERR_NONE, NULL);
    assert_true(uuid_eq(two.principal, id));
    assert_string_not_equal(two.refresh, one.refresh);
    expect_accepted(two.access, false);
    struct answer other;
    login_as(&other, "ivan", "correct horse", LOGIN_TOKENS);
    struct probe live, kept;
    probe_open(&live, any_home(), two.access, false);
    probe_open(&kept, any_home(), other.access, false);
    identity_refresh(any_home(), span_str(one.refresh), on_answer, &three);
    wait_answer(&three);
    expect(&three, ERR_AUTHENTICATION_FAILED, "reused");
    assert_int_equal(live.told[SESSION_REVOKED], 1);
    assert_int_equal(probe_total(&kept), 0);
    session_close(&kept.session);
    expect_refused(two.access, false, "revoked");
    expect_accepted(other.access, false);
    homes_restart();
    expect_refused(two.access, false, "revoked");
    expect_accepted(other.access, false);
    identity_refresh(any_home(), span_str(two.refresh), on_answer, &four);
    wait_answer(&four);
    expect(&four, ERR_AUTHENTICATION_FAILED, "revoked");
}

static void a_family_of_many_tokens_ends_with_all_of_the_principal(void **state)
{
    (void)state;
    (void)user_new("ida", "correct horse", ROLE_VIEWER);
    struct answer first, last, other;
    login_as(&other, "ida", "correct horse", LOGIN_TOKENS);
    login_as(&first, "ida", "correct horse", LOGIN_TOKENS);
    last = first;
    for (unsigned i = 0; i < 100; i++) {
        struct answer next = {0};
        identity_refresh(any_home(), span_str(last.refresh), on_answer, &next);
        wait_answer(&next);
        expect(&next, ERR_NONE, NULL);
        last = next;
    }
    struct probe live;
    probe_open(&live, any_home(), first.access, false);
    pass_ms(2000);
    struct answer a = {0};
    identity_refresh(any_home(), span_str(first.refresh), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_AUTHENTICATION_FAILED, "reused");
    assert_int_equal(live.told[SESSION_REVOKED], 1);
    expect_refused(first.access, false, "superseded");
    expect_refused(last.access, false, "superseded");
    expect_refused(other.access, false, "superseded");
}

static void two_refreshes_at_once_end_the_family(void **state)
{
    (void)state;
    (void)user_new("judy", "correct horse", ROLE_VIEWER);
    struct answer one;
    struct answer both[2] = {{0}, {0}};
    login_as(&one, "judy", "correct horse", LOGIN_TOKENS);
    identity_refresh(&w.homes[0], span_str(one.refresh), on_answer, &both[0]);
    identity_refresh(&w.homes[w.count - 1], span_str(one.refresh), on_answer, &both[1]);
    wait_answer(&both[0]);
    assert_true(both[1].done);
    bool first = both[0].error == ERR_NONE;
    expect(&both[first], ERR_AUTHENTICATION_FAILED, "reused");
    struct answer next = {0};
    identity_refresh(any_home(), span_str(both[!first].refresh), on_answer, &next);
    wait_answer(&next);
    expect(&next, ERR_AUTHENTICATION_FAILED, "revoked");
}

static void refresh_tokens_expire_and_strangers_are_refused(void **state)
{
    (void)state;
    uuid id = user_new("ken", "correct horse", ROLE_VIEWER);
    struct answer one;
    struct answer two;
    struct answer a = {0};
    login_as(&one, "ken", "correct horse", LOGIN_TOKENS);
    login_as(&two, "ken", "correct horse", LOGIN_TOKENS);
    identity_refresh(any_home(), SPAN("sbr_unknown"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_AUTHENTICATION_FAILED, "unknown_token");
    a = (struct answer){0};
    identity_set_active(any_home(), id, false, on_answer, &a);
    wait_answer(&a);
    a = (struct answer){0};
    identity_refresh(any_home(), span_str(one.refresh), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_AUTHENTICATION_FAILED, "disabled");
    a = (struct answer){0};
    identity_set_active(any_home(), id, true, on_answer, &a);
    wait_answer(&a);
    w.now_ms += INT64_C(30) * 86400000;
    a = (struct answer){0};
    identity_refresh(any_home(), span_str(two.refresh), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_AUTHENTICATION_FAILED, "expired");
}

static void logging_out_ends_token_family_and_session(void **state)
{
    (void)state;
    (void)user_new("liam", "correct horse", ROLE_VIEWER);
    struct answer one;
    struct answer other;
    struct answer a = {0};
    login_as(&one, "liam", "correct horse", LOGIN_TOKENS | LOGIN_SESSION);
    login_as(&other, "liam", "correct horse", LOGIN_TOKENS | LOGIN_SESSION);
    struct probe token;
    struct probe cookie;
    probe_open(&token, any_home(), one.access, false);
    probe_open(&cookie, any_home(), one.session, true);
    struct grant *g = auth_text(one.access, NULL);
    identity_logout(any_home(),
                    &(struct logout_args){.grant = g,
                                          .refresh_token = span_str(one.refresh),
                                          .session = span_str(one.session)},
                    on_answer, &a);
    grant_free(g);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    assert_int_equal(token.told[SESSION_REVOKED], 1);
    assert_int_equal(cookie.told[SESSION_REVOKED], 1);
    expect_refused(one.access, false, "revoked");
    expect_refused(one.session, true, "unknown_session");
    expect_accepted(other.access, false);
    expect_accepted(other.session, true);
    a = (struct answer){0};
    identity_refresh(any_home(), span_str(one.refresh), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_AUTHENTICATION_FAILED, "revoked");
    a = (struct answer){0};
    identity_logout(any_home(), &(struct logout_args){.session = SPAN("x")}, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    a = (struct answer){0};
    identity_logout(any_home(), &(struct logout_args){0}, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
}

static void revoked_tokens_stay_revoked_after_a_restart(void **state)
{
    (void)state;
    (void)user_new("mia", "correct horse", ROLE_VIEWER);
    struct answer one;
    struct answer a = {0};
    login_as(&one, "mia", "correct horse", LOGIN_TOKENS);
    struct grant *g = auth_text(one.access, NULL);
    identity_logout(any_home(), &(struct logout_args){.grant = g}, on_answer, &a);
    grant_free(g);
    wait_answer(&a);
    homes_restart();
    expect_refused(one.access, false, "revoked"); /* waits for the table */
}

/* More rows than a page of the read, two of one expiry in each millisecond, one jti that is no
 * UUID; then time passes, and the table is empty again. */
static void a_long_table_of_revoked_tokens_is_read_whole(void **state)
{
    (void)state;
    uuid id = user_new("mona", "correct horse", ROLE_VIEWER);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_REVOKED_INSERT, 12001);
    for (unsigned i = 0; i < 12000; i++) {
        char jti[UUID_TEXT_LEN + 1];
        uuid_format(home_new_id(&w.homes[0]), jti);
        store_set_text(req, 0, i, 0, span_str(jti));
        store_set_int(req, 0, i, 1, START_MS + 1000 + i / 2);
    }
    store_set_text(req, 0, 12000, 0, SPAN("of another tool"));
    store_set_int(req, 0, 12000, 1, START_MS + 800000);
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
    homes_restart();
    struct token_claims c = {
        .kind = "user", .jti = "of another tool", .iat_s = START_MS / 1000 + 1,
        .exp_s = START_MS / 1000 + 800};
    uuid_format(id, c.sub);
    buf token = {0};
    w.tokens->issue(w.tokens, &c, &token);
    buf_append_byte(&token, '\0');
    expect_refused((char *)token.ptr, false, "revoked");
    buf_deinit(&token);
    for (unsigned i = 0; i < w.count; i++) {
        assert_int_equal(w.homes[i].identity->revoked.map.count, 12001);
    }
    pass_ms(700000);
    for (unsigned i = 0; i < w.count; i++) {
        assert_int_equal(w.homes[i].identity->revoked.map.count, 1);
    }
}

static void sessions_slide_and_end(void **state)
{
    (void)state;
    (void)user_new("nora", "correct horse", ROLE_VIEWER);
    struct answer a;
    login_as(&a, "nora", "correct horse", LOGIN_SESSION);
    for (int day = 0; day < 40; day += 20) {
        pass_ms(INT64_C(20) * 86400000);
        struct grant *g = auth_cookie(a.session, NULL);
        assert_non_null(g);
        assert_int_equal(g->expires_ms, w.now_ms + INT64_C(30) * 86400000);
        grant_free(g);
        settle();
    }
    pass_ms(INT64_C(30) * 86400000);
    expect_refused(a.session, true, "expired");
}

static void a_new_password_ends_what_the_old_one_gave(void **state)
{
    (void)state;
    uuid id = user_new("olga", "correct horse", ROLE_VIEWER);
    struct answer one;
    struct answer a = {0};
    login_as(&one, "olga", "correct horse", LOGIN_TOKENS | LOGIN_SESSION);
    expect_accepted(one.session, true); /* now it is cached */
    identity_set_password(any_home(), id, SPAN("another horse"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    expect_refused(one.access, false, "superseded");
    expect_refused(one.session, true, "superseded");
    login_as(&a, "olga", "correct horse", LOGIN_TOKENS);
    expect(&a, ERR_AUTHENTICATION_FAILED, "wrong_password");
    login_as(&a, "olga", "another horse", LOGIN_TOKENS | LOGIN_SESSION);
    expect(&a, ERR_NONE, NULL); /* in the very millisecond of the change */
    expect_accepted(a.access, false);
    expect_accepted(a.session, true);
    a = (struct answer){0};
    identity_set_password(any_home(), id, SPAN("short"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_INVALID_REQUEST, "password_length");
    a = (struct answer){0};
    identity_set_password(any_home(), home_new_id(any_home()), SPAN("long enough"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_principal");
}

static void users_are_listed_by_name_in_pages(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "u%d", i);
        (void)user_new(name, "correct horse", ROLE_VIEWER);
    }
    struct answer a = {0};
    identity_user_list(any_home(), SPAN_NONE, 3, on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    assert_int_equal(a.count, 3);
    assert_true(a.more);
    assert_string_equal(a.names[2], "u2");
    assert_true(a.users[0].active);
    assert_int_equal(a.users[0].last_login_ms, 0);
    a = (struct answer){0};
    identity_user_list(any_home(), SPAN("U2"), 3, on_answer, &a);
    wait_answer(&a);
    assert_int_equal(a.count, 2);
    assert_false(a.more);
    login_as(&a, "u4", "correct horse", LOGIN_TOKENS);
    a = (struct answer){0};
    identity_user_get(any_home(), SPAN("U4"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NONE, NULL);
    assert_int_equal(a.users[0].last_login_ms, w.now_ms);
    a = (struct answer){0};
    identity_user_get(any_home(), SPAN("nobody"), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_user");
}

int main(void)
{
#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(name, world_setup_1, world_teardown),                          \
        cmocka_unit_test_setup_teardown(name, world_setup_5, world_teardown)
    const struct CMUnitTest tests[] = {
        T(right_password_gives_tokens_and_a_session),
        T(only_what_was_asked_for_is_made),
        T(wrong_unknown_and_disabled_look_and_cost_the_same),
        T(names_and_passwords_out_of_bounds_are_refused),
        T(a_name_exists_once_in_any_case),
        T(an_empty_password_is_made),
        T(the_first_admin_is_made_once),
        T(the_first_admin_takes_a_free_name),
        T(attempts_are_limited_by_account),
        T(attempts_are_limited_by_address),
        T(refresh_tokens_are_of_one_use),
        T(a_family_of_many_tokens_ends_with_all_of_the_principal),
        T(two_refreshes_at_once_end_the_family),
        T(refresh_tokens_expire_and_strangers_are_refused),
        T(logging_out_ends_token_family_and_session),
        T(revoked_tokens_stay_revoked_after_a_restart),
        T(a_long_table_of_revoked_tokens_is_read_whole),
        T(sessions_slide_and_end),
        T(a_new_password_ends_what_the_old_one_gave),
        T(users_are_listed_by_name_in_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
