/* How many loops and connections a limit of descriptors allows, and tables of one's own. */
#include "app/descriptors.h"
#include "app/settings.h"
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

static struct descriptors share(const char *connections, const char *loops, uint64_t limit,
                                unsigned cores, bool own)
{
    struct settings s;
    struct descriptors d;
    buf why = {0};
    settings_init(&s);
    assert_true(settings_flag(&s, "connections-max", connections, &why));
    assert_true(settings_flag(&s, "loops", loops, &why));
    descriptors_share(&s.config, limit, cores, own, &d);
    settings_deinit(&s);
    return d;
}

static void loops_are_the_more_of_cores_and_tables(void **state)
{
    (void)state;
    assert_int_equal(share("1000", "0", 20000, 2, true).loops, 2);
    assert_int_equal(share("100000", "0", 20000, 2, true).loops, 6);
    assert_int_equal(share("100000", "0", 20000, 8, true).loops, 8);
    assert_int_equal(share("100000", "3", 20000, 8, true).loops, 3);
    assert_int_equal(share("10000000", "0", 20000, 2, true).loops, LOOP_COUNT_MAX);
    assert_int_equal(share("10000000", "0", 1 << 30, 256, true).loops, LOOP_COUNT_MAX);
    /* More loops hold no more when they share one table. */
    assert_int_equal(share("100000", "0", 20000, 2, false).loops, 2);
}

static void a_table_keeps_a_reserve(void **state)
{
    struct descriptors d = share("100000", "0", 20000, 2, true);
    (void)state;
    assert_int_equal(d.per_loop, 20000 - DESCRIPTORS_RESERVE);
    assert_int_equal(d.spare, DESCRIPTORS_RESERVE / 4);
    assert_int_equal(descriptors_possible(&d), 6 * (20000 - DESCRIPTORS_RESERVE));
    d = share("100000", "4", 20000, 2, false);
    assert_int_equal(d.per_loop, (20000 - DESCRIPTORS_RESERVE) / 4);
    assert_int_equal(d.spare, DESCRIPTORS_RESERVE / 4 / 4);
    d = share("100000", "0", 600, 2, true); /* a small one: half of it */
    assert_int_equal(d.per_loop, 300);
    assert_int_equal(d.loops, LOOP_COUNT_MAX);
    d = share("16", "64", 10, 2, false);
    assert_int_equal(d.per_loop, 1);
}

static const char *text_of(buf *b)
{
    buf_append_byte(b, 0);
    return (const char *)b->ptr;
}

static void it_is_told_when_too_few_are_possible(void **state)
{
    struct settings s;
    struct descriptors d;
    buf text = {0};
    buf why = {0};
    (void)state;
    settings_init(&s);
    descriptors_share(&s.config, 20000, 2, true, &d);
    descriptors_print(&d, &s.config, &text);
    assert_string_equal(
        text_of(&text), "6 loops hold 19488 connections each (20000 descriptors a loop)");
    buf_clear(&text);
    descriptors_share(&s.config, 1024, 2, false, &d);
    descriptors_print(&d, &s.config, &text);
    assert_non_null(strstr(text_of(&text), "2 loops hold 256 connections each (1024 descriptors "
                                            "a process): 512 together, fewer than"));
    buf_clear(&text);
    assert_true(settings_flag(&s, "loops", "2", &why));
    descriptors_share(&s.config, 1024, 2, true, &d);
    descriptors_print(&d, &s.config, &text);
    assert_non_null(strstr(text_of(&text), "512 connections each (1024 descriptors a loop): 1024 "
                                           "together, fewer than connections_max; raise loops or"));
    buf_deinit(&why);
    buf_deinit(&text);
    settings_deinit(&s);
}

struct table {
    int kept, dropped;
    bool own, kept_open, dropped_open;
    int made;
};

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void *in_own_table(void *arg)
{
    struct table *t = arg;
    t->own = descriptors_own(&t->dropped, 1);
    t->kept_open = is_open(t->kept);
    t->dropped_open = is_open(t->dropped);
    t->made = eventfd(0, EFD_CLOEXEC);
    return NULL;
}

static void a_table_of_ones_own_lacks_what_is_dropped(void **state)
{
    struct table t = {.kept = eventfd(0, EFD_CLOEXEC), .dropped = eventfd(0, EFD_CLOEXEC)};
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, in_own_table, &t), 0);
    pthread_join(thread, NULL);
    if (!t.own) {
        skip(); /* not permitted here */
    }
    assert_true(t.kept_open && !t.dropped_open);
    assert_int_equal(t.made, t.dropped); /* its number was free there, */
    assert_true(is_open(t.dropped));     /* and is in use here */
    close(t.kept);
    close(t.dropped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_are_the_more_of_cores_and_tables),
        cmocka_unit_test(a_table_keeps_a_reserve),
        cmocka_unit_test(it_is_told_when_too_few_are_possible),
        cmocka_unit_test(a_table_of_ones_own_lacks_what_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
