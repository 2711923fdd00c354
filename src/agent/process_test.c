/* Which processes lead, and by what numbers. */
#include "agent/process_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "agent/process_scan.h"
#include "agent/test_tree.h"
#include "agent/user_names.h"

#define TICKS 100
#define PAGE 4096
#define MEMORY ((uint64_t)PAGE * 1000)

static void add(struct process_table *t, uint32_t pid, uint64_t start, uint64_t ticks,
                uint64_t pages)
{
    char name[16];
    snprintf(name, sizeof name, "p%u", pid);
    struct proc_pid_stat p = {.pid = pid, .name = span_str(name), .state = 'R',
                              .cpu_ticks = ticks, .start_ticks = start, .rss_pages = pages};
    process_table_add(t, &p);
}

static bool near(double a, double b)
{
    return a > b - 1e-6 && a < b + 1e-6;
}

static void first_scan_shows_the_mean_since_each_process_began(void **state)
{
    struct process_table t;
    process_table_init(&t, TICKS, PAGE);
    process_table_begin(&t, 5000, 100, MEMORY);
    add(&t, 1, 0, 1000, 100);     /* 10 s of 100 s */
    add(&t, 2, 5000, 2500, 0);    /* 25 s of 50 s */
    add(&t, 3, 10000, 50, 0);     /* began this second */
    process_table_end(&t);
    assert_int_equal(t.top_count, 3);
    assert_true(near(t.top[0].cpu_percent, 50) && t.top[0].pid == 2);
    assert_true(near(t.top[1].cpu_percent, 50) && t.top[1].pid == 3);
    assert_true(near(t.top[2].cpu_percent, 10) && near(t.top[2].memory_percent, 10));
    process_table_deinit(&t);
}

static void later_scans_show_the_interval_of_one_core(void **state)
{
    struct process_table t;
    process_table_init(&t, TICKS, PAGE);
    process_table_begin(&t, 0, 1000, MEMORY);
    add(&t, 5, 10, 100000, 0);
    add(&t, 6, 10, 500, 0);
    add(&t, 7, 10, 900, 0);
    process_table_end(&t);
    process_table_begin(&t, 10000, 1010, MEMORY);
    add(&t, 5, 10, 100000, 0);      /* slept */
    add(&t, 6, 10, 4500, 0);        /* four threads */
    add(&t, 7, 100500, 300, 0);     /* the pid was reused */
    add(&t, 8, 100600, 200, 0);     /* new */
    process_table_end(&t);
    assert_true(t.top[0].pid == 6 && near(t.top[0].cpu_percent, 400));
    assert_true(t.top[1].pid == 7 && near(t.top[1].cpu_percent, 30));
    assert_true(t.top[2].pid == 8 && near(t.top[2].cpu_percent, 20));
    assert_true(t.top[3].pid == 5 && near(t.top[3].cpu_percent, 0));
    process_table_deinit(&t);
}

static void the_ten_highest_by_cpu_and_memory_stay(void **state)
{
    struct process_table t;
    process_table_init(&t, TICKS, PAGE);
    process_table_begin(&t, 0, 1000, MEMORY);
    process_table_end(&t);
    process_table_begin(&t, 1000, 1001, MEMORY);
    for (uint32_t i = 1; i <= 30; i++) {
        add(&t, i, 1, (i * 7) % 31, 0); /* every order of arrival */
    }
    add(&t, 31, 1, 10, 1000); /* 6 + 40: above 60 % of 30 */
    process_table_end(&t);
    assert_int_equal(t.top_count, HOST_TOP_MAX);
    assert_int_equal(t.top[0].pid, 31);
    for (unsigned i = 1; i < HOST_TOP_MAX; i++) {
        assert_true(near(t.top[i].cpu_percent, 31 - (double)i));
    }
    process_table_deinit(&t);
}

static void many_processes_are_remembered_up_to_the_limit(void **state)
{
    struct process_table t;
    process_table_init(&t, TICKS, PAGE);
    for (int scan = 0; scan < 2; scan++) {
        process_table_begin(&t, scan * 1000, 1000, MEMORY);
        for (uint32_t i = 1; i <= PROCESS_TABLE_MAX + 10; i++) {
            add(&t, i, 1, 5, 0);
        }
        add(&t, 3, 1, 5, 0); /* out of order: shown, not remembered twice */
        process_table_end(&t);
        assert_int_equal(t.before.count, PROCESS_TABLE_MAX);
    }
    assert_true(near(t.top[0].cpu_percent, 5)); /* beyond the limit: as if new */
    process_table_deinit(&t);
}

#define STAT(pid, name, ticks)                                                                     \
    pid " (" name ") S 1 7 7 0 -1 4194560 10 20 30 40 " ticks " 0 3 4 20 0 1 0 9 1000000 100 1\n"

static void scan_reads_owner_and_redacted_command_and_outlives_vanished(void **state)
{
    struct test_tree tree;
    struct host h;
    struct process_scan s;
    struct host_top top;
    test_tree_make(&tree);
    test_tree_write(&tree, "uptime", "1000.0 1.0\n");
    test_tree_write(&tree, "self/stat", STAT("99", "no pid", "9"));
    test_tree_write(&tree, "10/stat", STAT("10", "db (main)", "50000"));
    test_tree_put(&tree, "10/cmdline", "db\0--password\0hunter2\0", 22);
    test_tree_write(&tree, "11/stat", STAT("11", "kworker/0:1", "20000"));
    test_tree_write(&tree, "11/cmdline", "");
    test_tree_write(&tree, "12/stat", STAT("12", "gone", "10000"));
    test_tree_write(&tree, "13/stat", "13 (torn");
    test_tree_write(&tree, "14/other", "");
    struct host_roots roots = {.proc = tree.path, .sys = "build/none", .etc = "build/none",
                               .disk = "/"};
    assert_int_equal(host_open(&h, &roots), 0);
    process_scan_init(&s);
    process_scan_run(&s, &h, 0, 1000 * (uint64_t)sysconf(_SC_PAGESIZE), &top);
    assert_int_equal(top.count, 3);
    assert_string_equal(top.processes[0].name, "db (main)");
    assert_string_equal(top.processes[0].command, "db --password ***");
    assert_true(top.processes[0].user[0] != '\0');
    assert_true(near(top.processes[0].memory_percent, 10));
    assert_string_equal(top.processes[1].command, "[kworker/0:1]");
    assert_string_equal(top.processes[2].command, "[gone]");
    process_scan_deinit(&s);
    host_close(&h);
    test_tree_remove(&tree);
}

static void users_are_named_or_numbered_and_remembered(void **state)
{
    struct user_names u = {0};
    assert_string_equal(user_names_get(&u, 0), "root");
    assert_string_equal(user_names_get(&u, 4000000001u), "4000000001");
    assert_string_equal(user_names_get(&u, 0), "root");
    assert_int_equal(u.count, 2);
    for (uid_t i = 0; i < USER_NAMES_MAX + 3; i++) {
        (void)user_names_get(&u, 4000000100u + i);
    }
    assert_int_equal(u.count, USER_NAMES_MAX);
    assert_string_equal(user_names_get(&u, 0), "root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_scan_shows_the_mean_since_each_process_began),
        cmocka_unit_test(later_scans_show_the_interval_of_one_core),
        cmocka_unit_test(the_ten_highest_by_cpu_and_memory_stay),
        cmocka_unit_test(many_processes_are_remembered_up_to_the_limit),
        cmocka_unit_test(scan_reads_owner_and_redacted_command_and_outlives_vanished),
        cmocka_unit_test(users_are_named_or_numbered_and_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
