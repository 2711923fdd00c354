#include "edge/rest/internal.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uuid mine = {{1}};
static const uuid other = {{2}};

/* One who asks: global roles, and one scoped binding at most. */
struct who {
    const char *name;
    enum principal_kind kind;
    uint32_t roles;
    bool bound; /* viewer of device `mine`, and of the group of that id */
};

static const struct who who[] = {
    {"admin", PRINCIPAL_USER, 1u << ROLE_ADMIN, false},
    {"viewer", PRINCIPAL_USER, 1u << ROLE_VIEWER, false},
    {"employee", PRINCIPAL_USER, 1u << ROLE_EMPLOYEE, false},
    {"bound", PRINCIPAL_USER, 0, true},
    {"device", PRINCIPAL_DEVICE, 0, false}, /* it is `mine` */
    {"anonymous", PRINCIPAL_ANONYMOUS, 0, false},
    {"provisioner", PRINCIPAL_PROVISIONER, 0, false},
};

static struct grant *grant_of(const struct who *w)
{
    struct grant *g = mem_calloc(1, sizeof *g + 2 * sizeof(struct binding));
    g->kind = w->kind;
    g->principal = w->kind == PRINCIPAL_ANONYMOUS ? UUID_NIL : mine;
    g->global_roles = w->roles;
    g->binding_count = w->bound ? 2 : 0;
    g->bindings[0] = (struct binding){.role = ROLE_VIEWER, .scope = scope_device(mine)};
    g->bindings[1] = (struct binding){.role = ROLE_VIEWER, .scope = scope_group(mine)};
    return g;
}

static err check(const struct who *w, struct route_row row, uuid device)
{
    struct grant *g = grant_of(w);
    const struct rest_call c = {.route = &row, .grant = g, .uuids = {device}};
    err e = permission_check(&c);
    mem_free(g);
    return e;
}

static void each_access_lets_in_whom_it_names(void **state)
{
    (void)state;
    const err ok = ERR_NONE, no = ERR_PERMISSION_DENIED, sign_in = ERR_UNAUTHENTICATED;
    const err hidden = ERR_DEVICE_NOT_FOUND, unseen = ERR_NOT_FOUND;
    const struct {
        const char *what;
        struct route_access access;
        enum route_method method;
        uuid device;
        err want[7];
    } rows[] = {
        {"public", {ACCESS_PUBLIC, 0}, ROUTE_GET, mine, {ok, ok, ok, ok, ok, ok, ok}},
        {"signed in", {ACCESS_SIGNED_IN, 0}, ROUTE_GET, mine, {ok, ok, ok, ok, ok, sign_in, no}},
        {"may", {ACCESS_MAY, PERM_STATS_READ}, ROUTE_GET, mine, {ok, ok, no, no, no, sign_in, no}},
        {"operations", {ACCESS_OPERATIONS, PERM_STATS_READ}, ROUTE_GET, mine,
         {ok, ok, no, no, no, ok, no}},
        {"some", {ACCESS_SOME, PERM_HOST_READ}, ROUTE_GET, mine, {ok, ok, no, ok, ok, sign_in, no}},
        {"some", {ACCESS_SOME, PERM_DEVICE_WRITE}, ROUTE_GET, mine,
         {ok, no, no, no, no, sign_in, no}},
        {"mine", {ACCESS_DEVICE, PERM_HOST_READ}, ROUTE_GET, mine,
         {ok, ok, hidden, ok, ok, sign_in, hidden}},
        {"mine", {ACCESS_DEVICE, PERM_DEVICE_WRITE}, ROUTE_PATCH, mine,
         {ok, no, hidden, no, no, sign_in, hidden}},
        {"other", {ACCESS_DEVICE, PERM_HOST_READ}, ROUTE_GET, other,
         {ok, ok, hidden, hidden, hidden, sign_in, hidden}},
        {"my group", {ACCESS_GROUP, PERM_GROUP_READ}, ROUTE_GET, mine,
         {ok, ok, unseen, ok, unseen, sign_in, unseen}},
        {"my group", {ACCESS_GROUP, PERM_COMMAND_SEND}, ROUTE_POST, mine,
         {ok, no, unseen, no, unseen, sign_in, unseen}},
        {"other group", {ACCESS_GROUP, PERM_GROUP_READ}, ROUTE_GET, other,
         {ok, ok, unseen, unseen, unseen, sign_in, unseen}},
        {"register", {ACCESS_MAY, PERM_DEVICE_REGISTER}, ROUTE_POST, mine,
         {ok, no, no, no, no, sign_in, ok}},
        {"socket", {ACCESS_DEVICE, PERM_HOST_READ}, ROUTE_WS, other, {ok, ok, no, no, no, ok, no}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct route_row row = {.access = rows[i].access, .method = rows[i].method};
        for (size_t w = 0; w < ARRAY_LEN(who); w++) {
            err got = check(&who[w], row, rows[i].device);
            if (got != rows[i].want[w]) {
                fail_msg("row %zu (%s) as %s: %s", i, rows[i].what, who[w].name, err_name(got));
            }
        }
    }
}

static void nobody_may_anything(void **state)
{
    (void)state;
    const struct rest_call c = {.grant = NULL};
    assert_false(rest_can(&c, PERM_DEVICE_READ, SCOPE_ALL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_access_lets_in_whom_it_names),
        cmocka_unit_test(nobody_may_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
