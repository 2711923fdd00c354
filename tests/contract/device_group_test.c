/* Device groups over SQLite, on one home and on five, and what they do to rights. */
#include "identity_fixture.h"

#include "domain/device_group.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_ROLES ((1u << ROLE_COUNT) - 1)

struct told {
    bool done;
    err error;
    char why[100];
    unsigned count;
    unsigned changed;
    struct group_row rows[200];
    char names[200][101];
    char next[512];
};

static void on_group(void *owner, const struct group_result *r)
{
    struct told *t = owner;
    assert_false(t->done);
    *t = (struct told){
        .done = true, .error = r->error, .count = r->count, .changed = r->changed};
    snprintf(t->why, sizeof t->why, "%s", r->why == NULL ? "" : r->why);
    snprintf(t->next, sizeof t->next, "%.*s", SPAN_FMT(r->next));
    for (unsigned i = 0; i < r->count; i++) {
        t->rows[i] = r->rows[i];
        snprintf(t->names[i], sizeof t->names[i], "%.*s", SPAN_FMT(r->rows[i].name));
    }
}

static struct told t;

/* Waits for what was started with `t`. */
static void answered(err error)
{
    assert_false(t.done);
    assert_true(run_until(&t.done));
    settle();
    assert_int_equal(t.error, error);
    t.done = false;
}

static uuid make(const char *name)
{
    group_create(any_home(), span_str(name), SPAN("for tests"), &somebody, on_group, &t);
    answered(ERR_NONE);
    return t.rows[0].id;
}

static uuid device(void)
{
    uuid id = device_new();
    device_row_new(id);
    return id;
}

static void change(bool add, uuid group, const uuid *devices, unsigned count, err error)
{
    struct group_devices in = {
        .group = group, .devices = devices, .count = count, .may_give = ALL_ROLES};
    (add ? group_add : group_remove)(any_home(), &in, &somebody, on_group, &t);
    answered(error);
}

static void bind_role(uuid who, enum role role, struct scope s, bool bind, err error)
{
    struct answer a = {0};
    (bind ? identity_bind : identity_unbind)(any_home(), who, role, s, on_answer, &a);
    wait_answer(&a);
    assert_int_equal(a.error, error);
}

/* --- groups --- */

static void groups_are_made_changed_and_deleted(void **state)
{
    (void)state;
    uuid id = make("Halls");
    assert_string_equal(t.names[0], "Halls");
    assert_true(t.rows[0].version == 1 && t.rows[0].device_count == 0);
    group_create(any_home(), SPAN("Halls"), SPAN(""), &somebody, on_group, &t);
    answered(ERR_CONFLICT);
    (void)make("Roofs");

    struct group_change name = {.version = 1, .name = SPAN("Halls, north")};
    group_patch(any_home(), id, &name, &somebody, on_group, &t);
    answered(ERR_NONE);
    assert_string_equal(t.names[0], "Halls, north");
    assert_int_equal(t.rows[0].version, 2);
    group_patch(any_home(), id, &name, &somebody, on_group, &t);
    answered(ERR_PRECONDITION_FAILED);
    struct group_change taken = {.name = SPAN("Roofs")};
    group_patch(any_home(), id, &taken, &somebody, on_group, &t);
    answered(ERR_CONFLICT);
    struct group_change empty = {.description = SPAN("")};
    group_patch(any_home(), id, &empty, &somebody, on_group, &t);
    answered(ERR_NONE);
    group_get(any_home(), id, on_group, &t);
    answered(ERR_NONE);
    assert_true(t.rows[0].version == 3 && t.rows[0].description.len == 0);

    group_delete(any_home(), id, 2, &somebody, on_group, &t);
    answered(ERR_PRECONDITION_FAILED);
    group_delete(any_home(), id, 3, &somebody, on_group, &t);
    answered(ERR_NONE);
    group_get(any_home(), id, on_group, &t);
    answered(ERR_NOT_FOUND);
    group_patch(any_home(), id, &empty, &somebody, on_group, &t);
    answered(ERR_NOT_FOUND);
    group_delete(any_home(), id, 0, &somebody, on_group, &t);
    answered(ERR_NOT_FOUND);
}

static void lists_go_by_name_a_page_at_a_time(void **state)
{
    (void)state;
    const char *const names[] = {"bB", "ab", "c", "aB", "d"};
    uuid one = device();
    for (unsigned i = 0; i < 5; i++) {
        uuid id = make(names[i]);
        if (i != 2) {
            change(true, id, &one, 1, ERR_NONE);
        }
    }
    struct group_filter f = {.limit = 2, .text = SPAN("B")};
    group_list(any_home(), &f, on_group, &t);
    answered(ERR_NONE);
    assert_true(t.count == 2 && t.next[0] != '\0');
    assert_string_equal(t.names[0], "aB");
    assert_string_equal(t.names[1], "ab");
    char next[512];
    snprintf(next, sizeof next, "%s", t.next);
    f.after = span_str(next);
    group_list(any_home(), &f, on_group, &t);
    answered(ERR_NONE);
    assert_true(t.count == 1 && t.next[0] == '\0');
    assert_string_equal(t.names[0], "bB");

    group_list(any_home(), &(struct group_filter){.limit = 200, .device = one}, on_group, &t);
    answered(ERR_NONE);
    assert_int_equal(t.count, 4);
    assert_int_equal(t.rows[3].device_count, 1);
    const char *const bad[] = {"!", "YQ", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (unsigned i = 0; i < 3; i++) {
        f.after = span_str(bad[i]);
        group_list(any_home(), &f, on_group, &t);
        answered(ERR_INVALID_REQUEST);
    }
    char longer[1000];
    memset(longer, 'A', sizeof longer);
    f.after = span_of(longer, sizeof longer);
    group_list(any_home(), &f, on_group, &t);
    answered(ERR_INVALID_REQUEST);
}

static void members_come_and_go_all_or_none(void **state)
{
    (void)state;
    uuid id = make("Halls"), devices[3] = {device(), device(), device_new()};
    change(true, id, devices, 3, ERR_DEVICE_NOT_FOUND); /* the third has no row */
    change(true, id, devices, 2, ERR_NONE);
    assert_int_equal(t.changed, 2);
    change(true, id, devices, 1, ERR_NONE);
    assert_int_equal(t.changed, 0);
    change(true, home_new_id(any_home()), devices, 1, ERR_NOT_FOUND);
    change(false, home_new_id(any_home()), devices, 1, ERR_NOT_FOUND);
    change(false, id, &devices[1], 2, ERR_NONE);
    assert_int_equal(t.changed, 1);
    group_get(any_home(), id, on_group, &t);
    answered(ERR_NONE);
    assert_int_equal(t.rows[0].device_count, 1);
}

/* By the store alone: 10,000 devices. */
static void fill_group(uuid id, unsigned count)
{
    struct store_req *req = store_req_new(0, 3, NULL, NULL);
    char text[UUID_TEXT_LEN + 1], group[UUID_TEXT_LEN + 1];
    uuid_format(id, group);
    store_step_init(req, 0, QUERY_PRINCIPAL_INSERT, count);
    store_step_init(req, 1, QUERY_DEVICE_INSERT, count);
    store_step_init(req, 2, QUERY_GROUP_MEMBER_INSERT, count);
    const char *const rest[] = {"a device", "host", "active", "[]", "[]", "{}"};
    for (unsigned i = 0; i < count; i++) {
        uuid_format(home_new_id(&w.homes[0]), text);
        store_set_text(req, 0, i, 0, span_str(text));
        store_set_text(req, 0, i, 1, SPAN(""));
        store_set_text(req, 0, i, 2, span_str(text));
        store_set_text(req, 0, i, 3, SPAN("device"));
        store_set_text(req, 0, i, 4, SPAN("a device"));
        store_set_text(req, 0, i, 5, SPAN("active"));
        store_set_int(req, 0, i, 6, w.now_ms);
        store_set_text(req, 1, i, 0, span_str(text));
        for (unsigned p = 0; p < 6; p++) {
            store_set_text(req, 1, i, 1 + p, span_str(rest[p]));
        }
        store_set_int(req, 1, i, 7, w.now_ms);
        store_set_text(req, 2, i, 0, span_str(group));
        store_set_text(req, 2, i, 1, span_str(text));
        store_set_int(req, 2, i, 2, w.now_ms);
    }
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
}

static void rights_by_groups_are_bounded_and_never_more(void **state)
{
    (void)state;
    uuid who = user_new("amy", "correct horse", ROLE_EMPLOYEE), one = device();
    uuid groups[3] = {make("1"), make("2"), make("3")};
    for (unsigned i = 0; i < 3; i++) {
        fill_group(groups[i], GROUP_DEVICES_MAX);
        bind_role(who, ROLE_VIEWER, scope_group(groups[i]), true, ERR_NONE);
    }
    change(true, groups[0], &one, 1, ERR_CONFLICT); /* full */
    assert_string_equal(t.why, "a group has at most 10000 devices");
    struct answer login;
    login_as(&login, "amy", "correct horse", LOGIN_TOKENS);
    struct grant *g = auth_text(login.access, NULL);
    assert_non_null(g);
    assert_int_equal(g->device_count, GRANT_DEVICES_MAX);
    for (unsigned i = 1; i < g->device_count; i++) {
        assert_true(memcmp(&g->devices[i - 1], &g->devices[i], sizeof(uuid)) < 0);
    }
    assert_true(can(g, PERM_DEVICE_READ, scope_device(g->devices[0].device)));
    assert_true(can(g, PERM_DEVICE_READ, scope_device(g->devices[19999].device)));
    assert_false(can(g, PERM_DEVICE_READ, scope_device(one)));
    grant_free(g);
}

/* --- rights --- */

static struct probe p;

/* What the session of `p` may do with a device: 0 nothing, 1 read, 2 write too. */
static int power(uuid id)
{
    return can(p.session.grant, PERM_DEVICE_READ, scope_device(id)) +
           can(p.session.grant, PERM_DEVICE_WRITE, scope_device(id));
}

static void a_role_in_a_group_follows_its_members(void **state)
{
    (void)state;
    uuid who = user_new("amy", "correct horse", ROLE_EMPLOYEE);
    uuid one = device(), two = device(), group = make("Halls"), other = make("Roofs");
    struct answer login;
    login_as(&login, "amy", "correct horse", LOGIN_TOKENS);
    p = (struct probe){0};
    probe_open(&p, any_home(), login.access, false);
    bind_role(who, ROLE_OPERATOR, scope_group(group), true, ERR_NONE);
    assert_int_equal(p.told[SESSION_RIGHTS], 1);
    assert_true(can(p.session.grant, PERM_GROUP_READ, scope_group(group)));
    assert_false(can(p.session.grant, PERM_GROUP_READ, scope_group(other)));
    assert_int_equal(power(one), 0);

    change(true, group, &one, 1, ERR_NONE);
    assert_int_equal(p.told[SESSION_RIGHTS], 2);
    assert_true(power(one) == 2 && power(two) == 0);
    change(true, group, &one, 1, ERR_NONE);
    assert_int_equal(p.told[SESSION_RIGHTS], 2); /* nothing changed */
    change(true, other, &two, 1, ERR_NONE);
    assert_int_equal(p.told[SESSION_RIGHTS], 2); /* not theirs */
    bind_role(who, ROLE_VIEWER, scope_group(other), true, ERR_NONE);
    assert_true(power(one) == 2 && power(two) == 1);
    change(true, other, &one, 1, ERR_NONE);
    change(false, group, &one, 1, ERR_NONE);
    assert_true(power(one) == 1 && power(two) == 1); /* by the other group still */
    change(true, group, &two, 1, ERR_NONE);
    assert_int_equal(power(two), 2);
    assert_false(can(p.session.grant, PERM_DEVICE_READ, SCOPE_ALL));
    assert_false(can(p.session.grant, PERM_DEVICE_WRITE, scope_group(other)));

    group_delete(any_home(), group, 0, &somebody, on_group, &t);
    answered(ERR_NONE);
    assert_true(power(one) == 1 && power(two) == 1);
    bind_role(who, ROLE_VIEWER, scope_group(other), false, ERR_NONE);
    assert_true(power(one) == 0 && power(two) == 0);
    assert_false(can_somewhere(p.session.grant, PERM_DEVICE_READ));
    session_close(&p.session);
    bind_role(who, ROLE_VIEWER, scope_group(group), true, ERR_NOT_FOUND);
    bind_role(home_new_id(any_home()), ROLE_VIEWER, scope_group(other), true, ERR_NOT_FOUND);
}

static void nobody_gives_a_role_that_he_may_not(void **state)
{
    (void)state;
    uuid who = user_new("amy", "correct horse", ROLE_EMPLOYEE), one = device();
    uuid group = make("Halls");
    bind_role(who, ROLE_VIEWER, scope_group(group), true, ERR_NONE);
    bind_role(who, ROLE_ADMIN, scope_group(group), true, ERR_NONE);
    struct group_devices in = {.group = group,
                               .devices = &one,
                               .count = 1,
                               .may_give = 1u << ROLE_VIEWER | 1u << ROLE_OPERATOR};
    group_add(any_home(), &in, &somebody, on_group, &t);
    answered(ERR_PERMISSION_DENIED);
    bind_role(who, ROLE_ADMIN, scope_group(group), false, ERR_NONE);
    group_add(any_home(), &in, &somebody, on_group, &t);
    answered(ERR_NONE);
    in.may_give = 0;
    group_remove(any_home(), &in, &somebody, on_group, &t); /* taking is allowed */
    answered(ERR_NONE);
    assert_int_equal(t.changed, 1);
    group_add(any_home(), &in, &somebody, on_group, &t);
    answered(ERR_PERMISSION_DENIED);
}

static void a_group_has_so_many_roles_bound(void **state)
{
    (void)state;
    uuid group = make("Halls"), last = user_new("amy", "correct horse", ROLE_EMPLOYEE);
    char text[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
    uuid_format(group, id);
    for (unsigned i = 0; i < SCOPE_BINDINGS_MAX; i++) {
        uuid_format(device_new(), text);
        struct store_req *req = store_req_new(0, 1, NULL, NULL);
        store_step_init(req, 0, QUERY_BINDING_INSERT, 1);
        store_set_text(req, 0, 0, 0, span_str(text));
        store_set_text(req, 0, 0, 1, SPAN("viewer"));
        store_set_text(req, 0, 0, 2, SPAN("device_group"));
        store_set_text(req, 0, 0, 3, span_str(id));
        store_set_int(req, 0, 0, 4, w.now_ms);
        assert_int_equal(store_run(w.store, req), ERR_NONE);
        store_req_free(req);
    }
    bind_role(last, ROLE_VIEWER, scope_group(group), true, ERR_NOT_FOUND);
    uuid one = device();
    change(true, group, &one, 1, ERR_NONE); /* and all of them are told */
    group_delete(any_home(), group, 0, &somebody, on_group, &t);
    answered(ERR_NONE);
}

static void a_failing_store_changes_nothing(void **state)
{
    (void)state;
    world_setup_sim(3, 7);
    uuid id = make("Halls"), one = device();
    w.store_error = ERR_STORE_FULL;
    group_create(any_home(), SPAN("x"), SPAN(""), &somebody, on_group, &t);
    answered(ERR_STORE_FULL);
    group_get(any_home(), id, on_group, &t);
    answered(ERR_STORE_FULL);
    group_patch(any_home(), id, &(struct group_change){.name = SPAN("y")}, &somebody, on_group, &t);
    answered(ERR_STORE_FULL);
    group_list(any_home(), &(struct group_filter){.limit = 1}, on_group, &t);
    answered(ERR_STORE_FULL);
    change(true, id, &one, 1, ERR_STORE_FULL);
    w.store_error = ERR_NONE;
    (void)world_teardown(NULL);
}

/* --- races: whatever overtakes what, in the end live sessions have the stored rights --- */

#define SLOTS 12
#define DEVICES 4
#define GROUPS 2
#define SEEDS 300

static struct slot {
    struct auth auth;
    struct home *home;
    bool started, answered, opened;
    struct probe probe;
} slots[SLOTS];
static uint64_t seed, last;

static unsigned pick(unsigned n)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ z >> 31) % n);
}

static void on_auth(struct auth *a) { ((struct slot *)a->owner)->answered = true; }

static void on_change(struct session *s, enum session_change change)
{
    CONTAINER_OF(s, struct slot, probe.session)->probe.told[change]++;
    assert_int_equal(change, SESSION_RIGHTS);
}

static void advance(struct slot *s, const char *token)
{
    if (!s->started) {
        *s = (struct slot){.home = &w.homes[pick(w.count)], .started = true};
        s->auth = (struct auth){.credential = span_str(token), .done = on_auth, .owner = s};
        auth_start(s->home, &s->auth);
    } else if (s->answered && !s->opened) {
        s->opened = true;
        s->probe.session.on_change = on_change;
        assert_non_null(s->auth.grant);
        assert_true(session_open(s->home, &s->probe.session, s->auth.grant));
    }
}

static void ignore_group(void *owner, const struct group_result *r)
{
    (void)owner;
    assert_true(r->error == ERR_NONE || r->error == ERR_NOT_FOUND);
}

static void ignore(void *owner, const struct identity_result *r)
{
    (void)owner;
    assert_true(r->error == ERR_NONE || r->error == ERR_NOT_FOUND);
}

static void mutate(uuid who, const uuid *groups, const uuid *devices)
{
    struct home *h = &w.homes[pick(w.count)];
    uuid group = groups[pick(GROUPS)];
    enum role role = pick(2) == 0 ? ROLE_VIEWER : ROLE_OPERATOR;
    struct group_devices in = {
        .group = group, .devices = &devices[pick(DEVICES)], .count = 1, .may_give = ALL_ROLES};
    switch (pick(9)) {
    case 0:
    case 1:
        identity_bind(h, who, role, scope_group(group), ignore, NULL);
        break;
    case 2:
        identity_unbind(h, who, role, scope_group(group), ignore, NULL);
        break;
    case 3:
    case 4:
    case 5:
        group_add(h, &in, &somebody, ignore_group, NULL);
        break;
    case 6:
    case 7:
        group_remove(h, &in, &somebody, ignore_group, NULL);
        break;
    default:
        if (pick(4) == 0) {
            group_delete(h, group, 0, &somebody, ignore_group, NULL);
        }
    }
}

static void run(uint64_t number)
{
    world_setup_sim(1 + (unsigned)(number % 5), number);
    w.conf.connections_per_principal_max = SLOTS + 1;
    seed = number * 7919;
    memset(slots, 0, sizeof slots);
    uuid who = user_new("amy", "correct horse", ROLE_EMPLOYEE);
    uuid groups[GROUPS] = {group_new("1"), group_new("2")}, devices[DEVICES];
    for (unsigned i = 0; i < DEVICES; i++) {
        devices[i] = device();
    }
    struct answer login;
    login_as(&login, "amy", "correct horse", LOGIN_TOKENS);
    unsigned steps = 50 + pick(200), calm = 1 + pick(20), pace = 1 + pick(6);
    for (unsigned step = 0; step < steps; step++) {
        advance(&slots[pick(SLOTS)], login.access);
        if (pick(calm) == 0) {
            mutate(who, groups, devices);
        }
        for (unsigned k = pick(pace + 1); k > 0 && sim_step(); k--) {
        }
    }
    settle();
    for (unsigned i = 0; i < SLOTS; i++) {
        if (slots[i].started) {
            advance(&slots[i], login.access);
        }
    }
    settle();
    identity_changed(&w.homes[0], who); /* what is cached is read again: this tells the truth */
    unsigned told[SLOTS];
    for (unsigned i = 0; i < SLOTS; i++) {
        told[i] = slots[i].probe.told[SESSION_RIGHTS];
    }
    settle();
    for (unsigned i = 0; i < SLOTS; i++) { /* and it is what they had */
        assert_int_equal(slots[i].probe.told[SESSION_RIGHTS], told[i]);
        session_close(&slots[i].probe.session);
    }
    settle();
    (void)world_teardown(NULL);
}

static void no_order_of_events_leaves_other_rights_than_stored(void **state)
{
    (void)state;
    const char *only = getenv("GROUP_SEED");
    for (uint64_t number = 1; number <= SEEDS; number++) {
        if (only == NULL || strtoull(only, NULL, 10) == number) {
            last = number;
            run(number);
        }
    }
}

static int tell_seed(void **state)
{
    (void)state;
    print_message("last seed: %llu\n", (unsigned long long)last);
    return 0;
}

int main(void)
{
#define BOTH(f)                                                                                    \
    cmocka_unit_test_setup_teardown(f, world_setup_1, world_teardown),                             \
        cmocka_unit_test_setup_teardown(f, world_setup_5, world_teardown)
    const struct CMUnitTest tests[] = {
        BOTH(groups_are_made_changed_and_deleted),
        BOTH(lists_go_by_name_a_page_at_a_time),
        BOTH(members_come_and_go_all_or_none),
        cmocka_unit_test_setup_teardown(rights_by_groups_are_bounded_and_never_more, world_setup_1,
                                        world_teardown),
        BOTH(a_role_in_a_group_follows_its_members),
        BOTH(nobody_gives_a_role_that_he_may_not),
        cmocka_unit_test_setup_teardown(a_group_has_so_many_roles_bound, world_setup_5,
                                        world_teardown),
        cmocka_unit_test(a_failing_store_changes_nothing),
        cmocka_unit_test_teardown(no_order_of_events_leaves_other_rights_than_stored, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
