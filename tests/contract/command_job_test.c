/* Group commands as their askers see them, over SQLite: nobody runs them here. */
#include "identity_fixture.h"

#include "domain/command_job.h"
#include "domain/device_group.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000

static struct told {
    bool done;
    err error;
    char why[100];
    unsigned count;
    struct job_row rows[200];
    struct job_counts counts;
    uuid targets[200];
    const char *status;
    char next[64];
} t;

static void on_job(void *owner, const struct job_result *r)
{
    (void)owner;
    assert_false(t.done);
    t = (struct told){.done = true, .error = r->error, .count = r->count, .counts = r->counts};
    snprintf(t.why, sizeof t.why, "%s", r->why == NULL ? "" : r->why);
    snprintf(t.next, sizeof t.next, "%.*s", SPAN_FMT(r->next));
    for (unsigned i = 0; i < r->count && r->targets == NULL; i++) {
        t.rows[i] = r->rows[i];
    }
    for (unsigned i = 0; i < r->count && r->targets != NULL; i++) {
        t.targets[i] = r->targets[i].device;
        t.status = r->targets[i].status;
    }
}

static void answered(err error)
{
    assert_false(t.done);
    assert_true(run_until(&t.done));
    settle();
    assert_int_equal(t.error, error);
    t.done = false;
}

static void on_group(void *owner, const struct group_result *r)
{
    assert_int_equal(r->error, ERR_NONE);
    *(bool *)owner = true;
}

static uuid group_of(const char *name, unsigned count)
{
    uuid group = group_new(name), devices[10];
    for (unsigned i = 0; i < count; i++) {
        devices[i] = device_new();
        device_row_new(devices[i]);
    }
    bool done = count == 0;
    if (!done) {
        struct group_devices in = {
            .group = group, .devices = devices, .count = count, .may_give = ~0u};
        group_add(any_home(), &in, &somebody, on_group, &done);
    }
    assert_true(run_until(&done));
    return group;
}

static uuid ask(uuid group, uuid id, err error)
{
    struct job_draft in = {
        .id = id, .group = group, .command = SPAN("open"), .abort_percent = -1};
    job_create(any_home(), &in, &somebody, on_job, &t);
    answered(error);
    return t.rows[0].id;
}

static void a_job_has_the_devices_of_its_moment(void **state)
{
    (void)state;
    uuid group = group_of("Halls", 3);
    uuid id = ask(group, UUID_NIL, ERR_NONE);
    assert_true(t.rows[0].state == JOB_RUNNING && t.rows[0].rate == JOB_RATE_PER_MINUTE);
    assert_true(t.rows[0].abort_percent == -1 && t.rows[0].timeout_ms == 30000);
    assert_true(t.counts.total == 3 && t.counts.waiting == 3);
    (void)ask(group_of("Empty", 0), UUID_NIL, ERR_CONFLICT);
    assert_string_equal(t.why, "the group has no devices");
    (void)ask(home_new_id(any_home()), UUID_NIL, ERR_NOT_FOUND);
    job_targets(any_home(), id, SPAN_NONE, 2, on_job, &t);
    answered(ERR_NONE);
    assert_true(t.count == 2 && t.next[0] != '\0');
    assert_string_equal(t.status, "waiting");
    char next[64];
    memcpy(next, t.next, sizeof next);
    job_targets(any_home(), id, span_str(next), 2, on_job, &t);
    answered(ERR_NONE);
    assert_true(t.count == 1 && t.next[0] == '\0');
    job_targets(any_home(), id, SPAN("x"), 2, on_job, &t);
    answered(ERR_INVALID_REQUEST);
    job_targets(any_home(), home_new_id(any_home()), SPAN_NONE, 2, on_job, &t);
    answered(ERR_NOT_FOUND);
    job_get(any_home(), home_new_id(any_home()), on_job, &t);
    answered(ERR_NOT_FOUND);
}

static void the_same_id_is_the_same_job_for_a_day(void **state)
{
    (void)state;
    uuid group = group_of("Halls", 2), id = home_new_id(any_home());
    assert_true(uuid_eq(ask(group, id, ERR_NONE), id));
    w.now_ms += DAY_MS;
    assert_true(uuid_eq(ask(group, id, ERR_NONE), id));
    assert_int_equal(t.counts.total, 2);
    w.now_ms += 1;
    (void)ask(group, id, ERR_CONFLICT);
    job_list(any_home(), group, SPAN_NONE, 200, on_job, &t);
    answered(ERR_NONE);
    assert_int_equal(t.count, 1);
}

static void jobs_are_listed_newest_first_and_so_many_are_open(void **state)
{
    (void)state;
    uuid group = group_of("Halls", 1), first = UUID_NIL, last = UUID_NIL;
    for (unsigned i = 0; i < JOBS_OPEN_MAX; i++) {
        w.now_ms += i % 2; /* some in the same millisecond */
        last = ask(group, UUID_NIL, ERR_NONE);
        first = i == 0 ? last : first;
    }
    (void)ask(group, UUID_NIL, ERR_CONFLICT);
    unsigned seen = 0;
    char next[64] = "";
    do {
        job_list(any_home(), group, span_str(next), 30, on_job, &t);
        answered(ERR_NONE);
        assert_true(seen != 0 || uuid_eq(t.rows[0].id, last));
        seen += t.count;
        memcpy(next, t.next, sizeof next);
    } while (next[0] != '\0');
    assert_int_equal(seen, JOBS_OPEN_MAX);
    assert_true(uuid_eq(t.rows[t.count - 1].id, first));
    job_list(any_home(), group, SPAN("x"), 30, on_job, &t);
    answered(ERR_INVALID_REQUEST);
}

static void one_that_is_cancelled_sends_no_more(void **state)
{
    (void)state;
    uuid id = ask(group_of("Halls", 4), UUID_NIL, ERR_NONE);
    job_cancel(any_home(), id, &somebody, on_job, &t);
    answered(ERR_NONE);
    assert_int_equal(t.rows[0].state, JOB_CANCELLED);
    assert_true(t.counts.skipped == 4 && t.counts.waiting == 0);
    job_cancel(any_home(), id, &somebody, on_job, &t);
    answered(ERR_CONFLICT);
    job_cancel(any_home(), home_new_id(any_home()), &somebody, on_job, &t);
    answered(ERR_NOT_FOUND);
}

static void a_failing_store_makes_no_job(void **state)
{
    (void)state;
    world_setup_sim(2, 3);
    uuid group = group_of("Halls", 1), id = ask(group, UUID_NIL, ERR_NONE);
    w.store_error = ERR_STORE_FULL;
    (void)ask(group, UUID_NIL, ERR_STORE_FULL);
    job_get(any_home(), id, on_job, &t);
    answered(ERR_STORE_FULL);
    job_cancel(any_home(), id, &somebody, on_job, &t);
    answered(ERR_STORE_FULL);
    job_list(any_home(), group, SPAN_NONE, 1, on_job, &t);
    answered(ERR_STORE_FULL);
    job_targets(any_home(), id, SPAN_NONE, 1, on_job, &t);
    answered(ERR_STORE_FULL);
    w.store_error = ERR_NONE;
    (void)world_teardown(NULL);
}

int main(void)
{
#define BOTH(f)                                                                                    \
    cmocka_unit_test_setup_teardown(f, world_setup_1, world_teardown),                             \
        cmocka_unit_test_setup_teardown(f, world_setup_5, world_teardown)
    const struct CMUnitTest tests[] = {
        BOTH(a_job_has_the_devices_of_its_moment),
        BOTH(the_same_id_is_the_same_job_for_a_day),
        BOTH(jobs_are_listed_newest_first_and_so_many_are_open),
        BOTH(one_that_is_cancelled_sends_no_more),
        cmocka_unit_test(a_failing_store_makes_no_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
