/* The parsers of /proc texts: what they read, and what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/assert.h"
#include "agent/os_release.h"
#include "agent/proc_meminfo.h"
#include "agent/proc_net_dev.h"
#include "agent/proc_net_route.h"
#include "agent/proc_pid_stat.h"
#include "agent/proc_stat.h"
#include "agent/proc_text.h"

static void decimals_read_with_and_without_a_fraction(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        double value;
    } rows[] = {
        {"0.52 0.4", true, 0.52}, {"17", true, 17},          {"  3. x", true, 3},
        {"", false, 0},           {"-1.0", false, 0},        {"1.2.3", false, 0},
        {"1e3", false, 0},        {"1234567890123456", false, 0}, {".5", false, 0},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        span line = span_str(rows[i].text);
        double value = 0;
        assert_int_equal(proc_decimal_next(&line, &value), rows[i].ok);
        assert_true(value > rows[i].value - 1e-9 && value < rows[i].value + 1e-9);
    }
}

static void stat_reads_all_columns_and_counts_cpus(void **state)
{
    struct proc_stat s;
    assert_true(proc_stat_parse(SPAN("cpu  10 2 3 100 7 1 2 5 50 60\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n"
                                     "intr 1 2 3\ncpu9 1\nctxt 5\n"),
                                &s));
    assert_int_equal(s.cpu_count, 2);
    assert_int_equal(s.ticks[PROC_CPU_USER], 10);
    assert_int_equal(s.ticks[PROC_CPU_IOWAIT], 7);
    assert_int_equal(s.ticks[PROC_CPU_STEAL], 5);
}

static void stat_without_a_whole_cpu_line_is_refused(void **state)
{
    struct proc_stat s;
    assert_false(proc_stat_parse(SPAN_NONE, &s));
    assert_false(proc_stat_parse(SPAN("cpu 1 2 3\n"), &s));
    assert_false(proc_stat_parse(SPAN("cpu0 1 2 3 4\n"), &s));
    assert_false(proc_stat_parse(SPAN("cpu x 2 3 4\n"), &s));
    assert_true(proc_stat_parse(SPAN("cpu 1 2 3 4"), &s)); /* the oldest kernels */
}

static struct proc_cpu_delta between(const char *before, const char *now)
{
    struct proc_stat a, b;
    assert_true(proc_stat_parse(span_str(before), &a));
    assert_true(proc_stat_parse(span_str(now), &b));
    return proc_cpu_between(&a, &b);
}

static void iowait_is_idle_steal_is_busy_and_guest_counts_once(void **state)
{
    struct proc_cpu_delta d = between("cpu 0 0 0 0 0 0 0 0 0 0", "cpu 20 0 10 40 10 0 0 20 15 0");
    assert_int_equal(d.total_ticks, 100);
    assert_int_equal(d.busy_ticks, 50);
    assert_true(proc_cpu_percent(d) > 49.99 && proc_cpu_percent(d) < 50.01);
}

static void columns_that_fall_and_equal_readings_give_no_time(void **state)
{
    struct proc_cpu_delta d = between("cpu 10 0 0 100 50 0 0 0", "cpu 15 0 0 105 20 0 0 0");
    assert_int_equal(d.total_ticks, 10);
    assert_int_equal(d.busy_ticks, 5);
    assert_true(proc_cpu_percent(between("cpu 1 2 3 4", "cpu 1 2 3 4")) == 0);
}

static void meminfo_uses_what_is_available(void **state)
{
    struct proc_meminfo m;
    assert_true(proc_meminfo_parse(SPAN("MemTotal:       1000 kB\nMemFree:  1 kB\n"
                                        "MemAvailable:    600 kB\nSwapTotal: 50 kB\n"
                                        "SwapFree: 20 kB\nHugePages_Total: 0\n"),
                                   &m));
    assert_int_equal(m.total_bytes, 1000 * 1024);
    assert_int_equal(m.used_bytes, 400 * 1024);
    assert_int_equal(m.swap_used_bytes, 30 * 1024);
}

static void meminfo_of_old_kernels_adds_free_buffers_and_cache(void **state)
{
    struct proc_meminfo m;
    assert_true(proc_meminfo_parse(SPAN("MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\n"
                                        "Cached: 15 kB\nSwapCached: 99 kB\n"),
                                   &m));
    assert_int_equal(m.used_bytes, 70 * 1024);
    assert_int_equal(m.swap_used_bytes, 0);
}

static void meminfo_that_contradicts_itself_does_not_wrap(void **state)
{
    struct proc_meminfo m;
    assert_true(proc_meminfo_parse(SPAN("MemTotal: 10 kB\nMemAvailable: 11 kB\nSwapFree: 9 kB\n"),
                                   &m));
    assert_int_equal(m.used_bytes, 0);
    assert_int_equal(m.swap_used_bytes, 0);
    assert_false(proc_meminfo_parse(SPAN("MemFree: 10 kB\n"), &m));
    assert_false(proc_meminfo_parse(SPAN("MemTotal: 18446744073709551615 kB\n"), &m));
}

static void net_dev_reads_each_interface_and_skips_headings(void **state)
{
    span text = SPAN("Inter-|   Receive                |  Transmit\n"
                     " face |bytes    packets errs drop fifo|bytes\n"
                     "  lo:    3267      29    0    0    0     0     0   0     3267 29 0\n"
                     "eth0:182949894 3552 7 0 0 0 0 0 147532 2017 9 0 0 0 0 0\n"
                     "eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12\n"
                     "broken: 1 2 3\n"
                     "name-that-is-too-long: 1 2 3 4 5 6 7 8 9 10 11\n");
    struct proc_net_dev d;
    assert_true(proc_net_dev_next(&text, &d));
    assert_true(span_eq(d.name, SPAN("lo")));
    assert_true(proc_net_dev_next(&text, &d));
    assert_true(span_eq(d.name, SPAN("eth0")));
    assert_int_equal(d.rx_bytes, 182949894);
    assert_int_equal(d.rx_errors, 7);
    assert_int_equal(d.tx_bytes, 147532);
    assert_int_equal(d.tx_errors, 9);
    assert_true(proc_net_dev_next(&text, &d));
    assert_true(span_eq(d.name, SPAN("eth0:1")));
    assert_false(proc_net_dev_next(&text, &d));
}

static void counters_wrap_at_32_bits_or_begin_again(void **state)
{
    assert_int_equal(proc_net_between(5, 9), 4);
    assert_int_equal(proc_net_between(4294967290u, 10), 16);
    assert_int_equal(proc_net_between(1000, 10), 10);
    assert_int_equal(proc_net_between(1000000000000u, 10), 10);
    assert_int_equal(proc_net_between(4294967290u, 3000000000u), 3000000000u);
}

static void default_route_is_the_one_with_the_lowest_metric(void **state)
{
    span name;
    span text = SPAN("Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
                     "wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
                     "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
                     "down0\t00000000\t010200C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n"
                     "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
    assert_true(proc_net_route_default(text, &name));
    assert_true(span_eq(name, SPAN("eth0")));
    assert_false(proc_net_route_default(SPAN("Iface\nx\tzz\n"), &name));
    assert_false(proc_net_route_default(SPAN("eth0\t00000000\t010200C0\t0003\t0\n"), &name));
}

#define ZERO32 "00000000000000000000000000000000"
static void ipv6_default_route_leaves_out_the_reject_route_of_lo(void **state)
{
    span name;
    span text = SPAN(
        ZERO32 " 00 " ZERO32 " 00 " ZERO32 " ffffffff 00000001 00000000 00200200 lo\n"
        "fe800000000000000000000000000000 40 " ZERO32 " 00 " ZERO32 " 100 1 0 00000001 eth1\n"
        ZERO32 " 00 " ZERO32 " 00 fe800000000000000000000000000001 00000400 1 0 00450003 eth0\n");
    assert_true(proc_net_route6_default(text, &name));
    assert_true(span_eq(name, SPAN("eth0")));
    assert_false(proc_net_route6_default(SPAN("00 00\n"), &name));
}

#define STAT_TAIL                                                                                  \
    " S 1 7 7 0 -1 4194560 10 20 30 40 150 50 3 4 20 0 1 0 9000 1000000 2048 1844674407370955"

static void process_names_may_hold_blanks_and_parentheses(void **state)
{
    static const struct {
        const char *text;
        const char *name;
    } rows[] = {
        {"7 (bash)" STAT_TAIL, "bash"},
        {"7 (tmux: server)" STAT_TAIL, "tmux: server"},
        {"7 (a) R 1 (b)" STAT_TAIL, "a) R 1 (b"},
        {"7 ())" STAT_TAIL, ")"},
        {"7 ()" STAT_TAIL, ""},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct proc_pid_stat p;
        assert_true(proc_pid_stat_parse(span_str(rows[i].text), &p));
        assert_true(span_eq(p.name, span_str(rows[i].name)));
        assert_int_equal(p.pid, 7);
        assert_int_equal(p.state, 'S');
        assert_int_equal(p.cpu_ticks, 200);
        assert_int_equal(p.start_ticks, 9000);
        assert_int_equal(p.rss_pages, 2048);
    }
}

static void process_texts_that_are_cut_are_refused(void **state)
{
    static const char whole[] = "7 (bash)" STAT_TAIL;
    struct proc_pid_stat p;
    size_t complete = (size_t)(strstr(whole, " 2048") - whole) + 2;
    for (size_t len = 0; len < complete; len++) {
        assert_false(proc_pid_stat_parse(span_of(whole, len), &p));
    }
    assert_false(proc_pid_stat_parse(SPAN("x (bash)" STAT_TAIL), &p));
    assert_false(proc_pid_stat_parse(SPAN("7 )bash("), &p));
    static const unsigned numbers[] = {14, 15, 22};
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        char text[256];
        int n = snprintf(text, sizeof text, "7 (x) S");
        for (unsigned field = 4; field <= 24; field++) {
            n += snprintf(text + n, sizeof text - (size_t)n, " %s",
                          field == numbers[i] ? "-1" : "1");
        }
        assert_false(proc_pid_stat_parse(span_str(text), &p));
    }
    /* A resident size that is no number reads as none: old kernels printed it negative. */
    assert_true(proc_pid_stat_parse(
        SPAN("7 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 -5 1"), &p));
    assert_int_equal(p.rss_pages, 0);
}

static void os_name_is_unquoted(void **state)
{
    static const struct {
        const char *text;
        const char *name;
    } rows[] = {
        {"NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
         "Debian GNU/Linux 12 (bookworm)"},
        {"PRETTY_NAME='Void'\n", "Void"},
        {"PRETTY_NAME=Alpine # x\n", "Alpine"},
        {"PRETTY_NAME=\"a \\\"b\\\" \\$c\"", "a \"b\" $c"},
        {"PRETTY_NAME=old\nPRETTY_NAME=new\n", "new"},
        {"NAME=Plain\n", "Plain"},
        {"PRETTY_NAME=\"\"\nNAME=Plain\n", "Plain"},
        {"ID=x\n", ""},
    };
    char name[64];
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        bool found = os_release_name(span_str(rows[i].text), name, sizeof name);
        assert_string_equal(name, rows[i].name);
        assert_int_equal(found, rows[i].name[0] != '\0');
    }
    assert_true(os_release_name(SPAN("NAME=abcdef"), name, 4));
    assert_string_equal(name, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_read_with_and_without_a_fraction),
        cmocka_unit_test(stat_reads_all_columns_and_counts_cpus),
        cmocka_unit_test(stat_without_a_whole_cpu_line_is_refused),
        cmocka_unit_test(iowait_is_idle_steal_is_busy_and_guest_counts_once),
        cmocka_unit_test(columns_that_fall_and_equal_readings_give_no_time),
        cmocka_unit_test(meminfo_uses_what_is_available),
        cmocka_unit_test(meminfo_of_old_kernels_adds_free_buffers_and_cache),
        cmocka_unit_test(meminfo_that_contradicts_itself_does_not_wrap),
        cmocka_unit_test(net_dev_reads_each_interface_and_skips_headings),
        cmocka_unit_test(counters_wrap_at_32_bits_or_begin_again),
        cmocka_unit_test(default_route_is_the_one_with_the_lowest_metric),
        cmocka_unit_test(ipv6_default_route_leaves_out_the_reject_route_of_lo),
        cmocka_unit_test(process_names_may_hold_blanks_and_parentheses),
        cmocka_unit_test(process_texts_that_are_cut_are_refused),
        cmocka_unit_test(os_name_is_unquoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
