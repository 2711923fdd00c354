/* can() over every permission, role and scope, from the tables themselves. */
#include "domain/identity.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ID(n) ((uuid){{(n), 7}})
#define SCOPED_ONLY(r) ((r) == ROLE_DEVICE || (r) == ROLE_GUEST || (r) == ROLE_ROBOT)

static struct grant *grant_new(enum principal_kind kind, unsigned bindings)
{
    struct grant *g = mem_calloc(1, sizeof *g + bindings * sizeof g->bindings[0]);
    g->kind = kind;
    g->principal = ID(1);
    g->binding_count = (uint16_t)bindings;
    return g;
}

static void global_roles_hold_in_every_scope(void **state)
{
    (void)state;
    struct grant *g = grant_new(PRINCIPAL_USER, 0);
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        g->global_roles = 1u << r;
        for (unsigned p = 0; p < PERM_COUNT; p++) {
            bool expected = !SCOPED_ONLY(r) && role_may((enum role)r, (enum permission)p);
            assert_int_equal(can(g, (enum permission)p, SCOPE_ALL), expected);
            assert_int_equal(can(g, (enum permission)p, scope_device(ID(1))), expected);
            assert_int_equal(can(g, (enum permission)p, scope_device(ID(2))), expected);
        }
    }
    grant_free(g);
}

static void scoped_roles_hold_in_their_scope_only(void **state)
{
    (void)state;
    struct grant *g = grant_new(PRINCIPAL_USER, 1);
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        for (unsigned k = SCOPE_DEVICE; k <= SCOPE_CHAT_ROOM; k++) {
            struct scope at = {.kind = (enum scope_kind)k, .id = ID(5)};
            struct scope other = {.kind = (enum scope_kind)k, .id = ID(6)};
            struct scope kind = {.kind = k == SCOPE_DEVICE ? SCOPE_CHAT_ROOM : SCOPE_DEVICE,
                                 .id = ID(5)};
            g->bindings[0] = (struct binding){.role = (enum role)r, .scope = at};
            for (unsigned i = 0; i < PERM_COUNT; i++) {
                enum permission p = (enum permission)i;
                assert_int_equal(can(g, p, at), role_may((enum role)r, p));
                assert_false(can(g, p, other));
                assert_false(can(g, p, kind));
                assert_false(can(g, p, SCOPE_ALL));
            }
        }
    }
    grant_free(g);
}

static void devices_have_their_own_data_whatever_is_stored(void **state)
{
    (void)state;
    struct grant *g = grant_new(PRINCIPAL_DEVICE, 1);
    g->global_roles = UINT32_MAX;
    g->bindings[0] = (struct binding){.role = ROLE_ADMIN, .scope = scope_device(ID(2))};
    for (unsigned i = 0; i < PERM_COUNT; i++) {
        enum permission p = (enum permission)i;
        assert_int_equal(can(g, p, scope_device(ID(1))), role_may(ROLE_DEVICE, p));
        assert_false(can(g, p, scope_device(ID(2))));
        assert_false(can(g, p, SCOPE_ALL));
    }
    grant_free(g);
}

/* Of rooms that they are in, which the chat looks at; whatever is stored of their roles. */
static void guests_and_robots_have_what_their_kind_has(void **state)
{
    (void)state;
    for (unsigned k = PRINCIPAL_GUEST; k <= PRINCIPAL_ROBOT; k++) {
        struct grant *g = grant_new((enum principal_kind)k, 0);
        enum role own = k == PRINCIPAL_GUEST ? ROLE_GUEST : ROLE_ROBOT;
        g->global_roles = 1u << ROLE_ADMIN;
        for (unsigned p = 0; p < PERM_COUNT; p++) {
            assert_int_equal(can(g, (enum permission)p, SCOPE_ALL), role_may(own, p));
            assert_false(can(g, (enum permission)p, scope_device(ID(1))));
        }
        grant_free(g);
    }
}

static void nobody_without_roles_may_do_anything(void **state)
{
    (void)state;
    for (unsigned k = PRINCIPAL_USER; k <= PRINCIPAL_SERVICE; k++) {
        struct grant *g = grant_new((enum principal_kind)k, 0);
        bool none = k == PRINCIPAL_USER || k == PRINCIPAL_SERVICE;
        for (unsigned p = 0; none && p < PERM_COUNT; p++) {
            assert_false(can(g, (enum permission)p, SCOPE_ALL));
            assert_false(can(g, (enum permission)p, scope_device(ID(1))));
        }
        grant_free(g);
    }
}

static void anonymous_clients_follow_the_setting_and_the_table(void **state)
{
    (void)state;
    struct domain_conf conf = {.auth_anonymous_loopback = false};
    struct home h = {.conf = &conf};
    assert_null(auth_anonymous(&h));
    conf.auth_anonymous_loopback = true;
    struct grant *g = auth_anonymous(&h);
    assert_non_null(g);
    assert_int_equal(g->kind, PRINCIPAL_ANONYMOUS);
    assert_true(uuid_is_nil(g->principal));
    assert_int_equal(g->expires_ms, 0);
    for (unsigned i = 0; i < PERM_COUNT; i++) {
        enum permission p = (enum permission)i;
        assert_int_equal(can(g, p, SCOPE_ALL), anonymous_may(p));
        assert_int_equal(can(g, p, scope_device(ID(9))), anonymous_may(p));
    }
    grant_free(g);
}

static void permissions_are_listed_in_order_and_cut(void **state)
{
    (void)state;
    struct grant *g = grant_new(PRINCIPAL_USER, 0);
    enum permission list[PERM_COUNT];
    g->global_roles = 1u << ROLE_VIEWER | 1u << ROLE_OPERATOR;
    unsigned n = grant_permissions(g, list, PERM_COUNT);
    unsigned at = 0;
    for (unsigned i = 0; i < PERM_COUNT; i++) {
        enum permission p = (enum permission)i;
        if (role_may(ROLE_VIEWER, p) || role_may(ROLE_OPERATOR, p)) {
            assert_int_equal(list[at++], p);
        }
    }
    assert_int_equal(n, at);
    assert_int_equal(grant_permissions(g, list, 1), 1);
    g->kind = PRINCIPAL_DEVICE;
    n = grant_permissions(g, list, PERM_COUNT);
    assert_true(n > 0);
    for (unsigned i = 0; i < n; i++) {
        assert_true(role_may(ROLE_DEVICE, list[i]));
    }
    grant_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(global_roles_hold_in_every_scope),
        cmocka_unit_test(scoped_roles_hold_in_their_scope_only),
        cmocka_unit_test(devices_have_their_own_data_whatever_is_stored),
        cmocka_unit_test(guests_and_robots_have_what_their_kind_has),
        cmocka_unit_test(nobody_without_roles_may_do_anything),
        cmocka_unit_test(anonymous_clients_follow_the_setting_and_the_table),
        cmocka_unit_test(permissions_are_listed_in_order_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
