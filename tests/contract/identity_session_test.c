/* Live sessions, rights and their changes: over SQLite, on one home and on five. */
#include "identity_fixture.h"

#include <stdio.h>

static void done_ok(struct answer *a)
{
    wait_answer(a);
    expect(a, ERR_NONE, NULL);
    *a = (struct answer){0};
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
    uuid groups[ROLE_COUNT];
    for (unsigned k = SCOPE_DEVICE; k <= SCOPE_CHAT_ROOM; k++) {
        for (unsigned r = 0; r < ROLE_COUNT; r++) {
            struct scope s = {.kind = (enum scope_kind)k, .id = {{(uint8_t)k, (uint8_t)r}}};
            if (k == SCOPE_DEVICE_GROUP) { /* these must exist */
                char name[16];
                snprintf(name, sizeof name, "%u", r);
                groups[r] = s.id = group_new(name);
            } else if (k == SCOPE_HOME_ROOM) {
                s = scope_room(room_new(r + 1));
            }
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
            if (k == SCOPE_DEVICE_GROUP) {
                s.id = groups[r];
            } else if (k == SCOPE_HOME_ROOM) {
                s = scope_room(r + 1);
            }
            for (unsigned i = 0; i < PERM_COUNT; i++) {
                enum permission p = (enum permission)i;
                assert_int_equal(can(g, p, s), role_may((enum role)r, p) ||
                                                   role_may(ROLE_VIEWER, p));
            }
        }
    }
    grant_free(g);
    a = (struct answer){0};
    identity_bind(any_home(), id, ROLE_VIEWER, scope_room(77), on_answer, &a);
    wait_answer(&a);
    expect(&a, ERR_NOT_FOUND, "unknown_room");
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
