/* Readings of a host whose /proc, /sys and /etc are folders of this test. */
#include "agent/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "base/mem.h"
#include "agent/file_read.h"
#include "agent/host_state.h"
#include "agent/process_scan.h"
#include "agent/test_tree.h"

struct fixture {
    struct test_tree tree;
    char proc[80], sys[80], etc[80];
    struct host_roots roots;
};

#define NET_HEAD "Inter-|   Receive\n face |bytes\n"

static void fixture_make(struct fixture *f)
{
    test_tree_make(&f->tree);
    snprintf(f->proc, sizeof f->proc, "%s/proc", f->tree.path);
    snprintf(f->sys, sizeof f->sys, "%s/sys", f->tree.path);
    snprintf(f->etc, sizeof f->etc, "%s/etc", f->tree.path);
    f->roots = (struct host_roots){.proc = f->proc, .sys = f->sys, .etc = f->etc, .disk = "/"};
    test_tree_write(&f->tree, "proc/stat", "cpu 10 0 0 90 0 0 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n");
    test_tree_write(&f->tree, "proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 600 kB\n");
    test_tree_write(&f->tree, "proc/loadavg", "0.52 0.40 0.30 2/300 1234\n");
    test_tree_write(&f->tree, "proc/uptime", "1000.50 1800.00\n");
    test_tree_write(&f->tree, "proc/net/dev",
                    NET_HEAD "lo: 9 0 0 0 0 0 0 0 9 0 0\n"
                             "eth0: 1000 0 1 0 0 0 0 0 500 0 2\n"
                             "docker0: 70 0 0 0 0 0 0 0 70 0 0\n"
                             "veth12: 70 0 0 0 0 0 0 0 70 0 0\n");
    test_tree_write(&f->tree, "proc/net/route",
                    "Iface\n"
                    "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
    test_tree_write(&f->tree, "sys/class/thermal/thermal_zone0/temp", "41500\n");
    test_tree_write(&f->tree, "sys/class/thermal/thermal_zone1/temp", "999000\n");
    test_tree_write(&f->tree, "sys/class/thermal/cooling_device0/temp", "77000\n");
    test_tree_write(&f->tree, "sys/devices/pci/net/eth0/address", "02:00:00:00:00:01\n");
    test_tree_write(&f->tree, "sys/devices/pci/net/eth0/operstate", "up\n");
    test_tree_write(&f->tree, "sys/devices/pci/net/eth0/speed", "1000\n");
    test_tree_write(&f->tree, "sys/devices/virtual/net/docker0/operstate", "unknown\n");
    test_tree_write(&f->tree, "sys/devices/virtual/net/docker0/flags", "0x1003\n");
    test_tree_write(&f->tree, "sys/devices/virtual/net/docker0/speed", "-1\n");
    test_tree_write(&f->tree, "sys/devices/virtual/net/docker0/address", "00:00:00:00:00:00\n");
    test_tree_write(&f->tree, "sys/class/net/x", "");
    test_tree_link(&f->tree, "sys/class/net/eth0", "../../devices/pci/net/eth0");
    test_tree_link(&f->tree, "sys/class/net/docker0", "../../devices/virtual/net/docker0");
    test_tree_write(&f->tree, "etc/os-release", "PRETTY_NAME=\"Test OS 1\"\n");
}

static void counters_and_gauges_are_read(void **state)
{
    struct fixture f;
    struct host h;
    struct host_reading r;
    fixture_make(&f);
    assert_int_equal(host_open(&h, &f.roots), 0);
    assert_true(host_read(&h, &r));
    assert_int_equal(r.cpu.ticks[PROC_CPU_USER], 10);
    assert_int_equal(r.memory.used_bytes, 400 * 1024);
    assert_true(r.load1 > 0.519 && r.load1 < 0.521);
    assert_int_equal(r.rx_bytes, 0); /* nothing flowed yet */
    assert_true(r.disk_total_bytes > 0);
    assert_true(r.disk_used_bytes <= r.disk_total_bytes);
    assert_true(r.has_temperature);
    assert_true(r.temperature_c > 41.49 && r.temperature_c < 41.51);
    assert_int_equal(host_uptime_s(&h), 1000);
    host_close(&h);
    test_tree_remove(&f.tree);
}

static void only_interfaces_with_hardware_are_summed(void **state)
{
    struct fixture f;
    struct host h;
    struct host_reading r;
    fixture_make(&f);
    assert_int_equal(host_open(&h, &f.roots), 0);
    assert_true(host_read(&h, &r));
    test_tree_write(&f.tree, "proc/net/dev",
                    NET_HEAD "lo: 99 0 0 0 0 0 0 0 99 0 0\n"
                             "eth0: 1700 0 1 0 0 0 0 0 550 0 2\n"
                             "docker0: 770 0 0 0 0 0 0 0 770 0 0\n"
                             "new0: 5000 0 0 0 0 0 0 0 5000 0 0\n");
    assert_true(host_read(&h, &r));
    assert_int_equal(r.rx_bytes, 700);
    assert_int_equal(r.tx_bytes, 50);
    /* eth0 is reset: what flowed since counts; then it goes away with all hardware. */
    test_tree_write(&f.tree, "proc/net/dev", NET_HEAD "eth0: 30 0 1 0 0 0 0 0 20 0 2\n");
    assert_true(host_read(&h, &r));
    assert_int_equal(r.rx_bytes, 730);
    assert_int_equal(r.tx_bytes, 70);
    host_close(&h);
    test_tree_remove(&f.tree);
}

static bool never(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return false;
}

static void without_hardware_all_but_doubles_are_summed(void **state)
{
    struct net_counters c;
    net_counters_init(&c, never, NULL);
    net_counters_read(&c, SPAN("lo: 1 0 0 0 0 0 0 0 1 0 0\neth0: 1 0 0 0 0 0 0 0 1 0 0\n"
                               "veth1: 1 0 0 0 0 0 0 0 1 0 0\n"));
    net_counters_read(&c, SPAN("lo: 9 0 0 0 0 0 0 0 9 0 0\neth0: 5 0 0 0 0 0 0 0 3 0 0\n"
                               "veth1: 9 0 0 0 0 0 0 0 9 0 0\n"));
    assert_int_equal(c.rx_bytes, 4);
    assert_int_equal(c.tx_bytes, 2);
}

static void interfaces_beyond_the_limit_are_ignored(void **state)
{
    buf text = {0};
    struct net_counters c;
    net_counters_init(&c, never, NULL);
    for (unsigned i = 0; i < NET_COUNTERS_MAX + 5; i++) {
        buf_printf(&text, "eth%u: 1 0 0 0 0 0 0 0 1 0 0\n", i);
    }
    net_counters_read(&c, buf_span(&text));
    net_counters_read(&c, buf_span(&text));
    assert_int_equal(c.count, NET_COUNTERS_MAX);
    buf_deinit(&text);
}

static void a_missing_proc_is_refused_and_missing_files_too(void **state)
{
    struct test_tree tree;
    struct host h;
    struct host_reading r;
    test_tree_make(&tree);
    struct host_roots roots = {.proc = "build/no-such-folder", .sys = "build/none",
                               .etc = "build/none", .disk = "build/none"};
    assert_int_equal(host_open(&h, &roots), -ENOENT);
    roots.proc = tree.path;
    assert_int_equal(host_open(&h, &roots), 0);
    assert_false(host_read(&h, &r));
    test_tree_write(&tree, "stat", "cpu 1 2 3 4\n");
    assert_false(host_read(&h, &r));
    test_tree_write(&tree, "meminfo", "MemTotal: 10 kB\nMemAvailable: 1 kB\n");
    assert_true(host_read(&h, &r));
    assert_false(r.has_temperature);
    assert_int_equal(r.disk_total_bytes, 0);
    assert_false(host_net_physical(&h, "eth0"));
    host_close(&h);
    test_tree_remove(&tree);
}

static void without_thermal_zones_the_chips_are_asked(void **state)
{
    struct fixture f;
    struct host h;
    struct host_reading r;
    fixture_make(&f);
    assert_int_equal(rename(test_tree_path(&f.tree, "sys/class/thermal"),
                            test_tree_path(&f.tree, "sys/class/was")), 0);
    test_tree_write(&f.tree, "sys/class/hwmon/hwmon0/temp1_input", "-5000\n");
    test_tree_write(&f.tree, "sys/class/hwmon/hwmon0/temp2_input", "38000\n");
    test_tree_write(&f.tree, "sys/class/hwmon/hwmon0/temp2_max", "90000\n");
    test_tree_write(&f.tree, "sys/class/hwmon/hwmon1/fan1_input", "60000\n");
    test_tree_write(&f.tree, "sys/class/hwmon/hwmon1/temp1_input", "warm\n");
    assert_int_equal(host_open(&h, &f.roots), 0);
    assert_true(host_read(&h, &r));
    assert_true(r.has_temperature && r.temperature_c > 37.9 && r.temperature_c < 38.1);
    host_close(&h);
    test_tree_remove(&f.tree);
}

static struct sockaddr_in v4(const char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    inet_pton(AF_INET, text, &a.sin_addr);
    return a;
}

static struct sockaddr_in6 v6(const char *text)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6};
    inet_pton(AF_INET6, text, &a.sin6_addr);
    return a;
}

static void state_names_the_host_and_its_interfaces(void **state)
{
    struct fixture f;
    struct host h;
    struct host_state *s = mem_calloc(2, sizeof *s);
    char eth0[] = "eth0", lo[] = "lo";
    struct sockaddr_in a4 = v4("192.0.2.7"), m4 = v4("255.255.255.0");
    struct sockaddr_in6 a6 = v6("fe80::1"), m6 = v6("ffff:ffff:ffff:ffff::");
    struct ifaddrs list[4] = {
        {.ifa_next = &list[1], .ifa_name = lo, .ifa_addr = (void *)&a4, .ifa_netmask = (void *)&m4},
        {.ifa_next = &list[2], .ifa_name = eth0, .ifa_addr = NULL},
        {.ifa_next = &list[3], .ifa_name = eth0, .ifa_addr = (void *)&a6,
         .ifa_netmask = (void *)&m6},
        {.ifa_name = eth0, .ifa_addr = (void *)&a4, .ifa_netmask = (void *)&m4},
    };
    fixture_make(&f);
    assert_int_equal(host_open(&h, &f.roots), 0);
    host_state_read(&h, list, s);
    assert_string_equal(s->os, "Test OS 1");
    assert_true(s->architecture[0] != '\0' && s->hostname[0] != '\0');
    assert_int_equal(s->uptime_s, 1000);
    assert_int_equal(s->cpu_count, 2);
    assert_string_equal(s->ip_address, "192.0.2.7");
    assert_string_equal(s->mac_address, "02:00:00:00:00:01");
    assert_int_equal(s->interface_count, 2);
    const struct host_interface *e = &s->interfaces[0];
    assert_string_equal(e->name, "eth0");
    assert_true(e->up);
    assert_int_equal(e->speed_mbps, 1000);
    assert_int_equal(e->rx_bytes, 1000);
    assert_int_equal(e->rx_errors, 1);
    assert_int_equal(e->tx_errors, 2);
    assert_int_equal(e->address_count, 2);
    assert_string_equal(e->addresses[0], "fe80::1/64");
    assert_string_equal(e->addresses[1], "192.0.2.7/24");
    const struct host_interface *d = &s->interfaces[1];
    assert_string_equal(d->name, "docker0");
    assert_true(d->up); /* its driver does not tell, it is switched on */
    assert_int_equal(d->speed_mbps, -1);
    assert_string_equal(d->mac, "");

    /* Uptime and counters are no change; an address is. */
    test_tree_write(&f.tree, "proc/uptime", "2000 1\n");
    host_state_read(&h, list, s + 1);
    s[1].interfaces[0].rx_bytes += 5;
    assert_true(host_state_same(s, s + 1));
    a4 = v4("192.0.2.8");
    host_state_read(&h, list, s + 1);
    assert_false(host_state_same(s, s + 1));
    s[1] = s[0];
    s[1].interfaces[1].up = false;
    assert_false(host_state_same(s, s + 1));

    host_state_read(&h, NULL, s);
    assert_string_equal(s->ip_address, "");
    host_close(&h);
    mem_free(s);
    test_tree_remove(&f.tree);
}

static void without_an_ipv4_route_the_ipv6_one_decides(void **state)
{
    struct fixture f;
    struct host h;
    struct host_state *s = mem_calloc(1, sizeof *s);
    char eth0[] = "eth0";
    struct sockaddr_in6 a6 = v6("2001:db8::7"), m6 = v6("ffff:ffff:ffff:ffff::");
    struct ifaddrs list[1] = {
        {.ifa_name = eth0, .ifa_addr = (void *)&a6, .ifa_netmask = (void *)&m6}};
    fixture_make(&f);
    test_tree_write(&f.tree, "proc/net/route", "Iface\n");
    assert_int_equal(host_open(&h, &f.roots), 0);
    host_state_read(&h, list, s); /* no default route at all: the first that is up */
    assert_string_equal(s->ip_address, "2001:db8::7");
    test_tree_write(&f.tree, "proc/net/ipv6_route",
                    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
                    "fe800000000000000000000000000001 00000400 1 0 00450003 eth0\n");
    host_state_read(&h, list, s);
    assert_string_equal(s->ip_address, "2001:db8::7");
    host_close(&h);
    mem_free(s);
    test_tree_remove(&f.tree);
}

static void small_files_read_as_words_and_numbers(void **state)
{
    struct test_tree tree;
    char word[8];
    int64_t value;
    buf text = {0};
    test_tree_make(&tree);
    test_tree_write(&tree, "n", " -42\nx\n");
    test_tree_write(&tree, "w", "abcdefghijkl\n");
    assert_true(file_read_i64(AT_FDCWD, test_tree_path(&tree, "n"), &value));
    assert_int_equal(value, -42);
    assert_true(file_read_word(AT_FDCWD, test_tree_path(&tree, "w"), word, sizeof word));
    assert_string_equal(word, "abcdefg");
    assert_false(file_read_i64(AT_FDCWD, test_tree_path(&tree, "w"), &value));
    assert_false(file_read_word(AT_FDCWD, test_tree_path(&tree, "none"), word, sizeof word));
    assert_int_equal(file_read_at(AT_FDCWD, test_tree_path(&tree, "w"), &text, 4), 0);
    assert_int_equal(text.len, 4);
    assert_int_equal(file_read_at(AT_FDCWD, tree.path, &text, 4), -EISDIR);
    assert_int_equal(text.len, 0);
    buf_deinit(&text);
    test_tree_remove(&tree);
}

static void this_machine_can_be_read(void **state)
{
    struct host h;
    struct host_reading r;
    struct host_state *s = mem_calloc(1, sizeof *s);
    struct host_top top;
    struct process_scan scan;
    assert_int_equal(host_open(&h, &host_roots_default), 0);
    assert_true(host_read(&h, &r));
    assert_true(r.memory.total_bytes > 0);
    host_state_read_now(&h, s);
    assert_true(s->cpu_count > 0 && s->os[0] != '\0');
    process_scan_init(&scan);
    process_scan_run(&scan, &h, 0, r.memory.total_bytes, &top);
    assert_true(top.count > 0);
    assert_true(top.processes[0].user[0] != '\0' && top.processes[0].command[0] != '\0');
    process_scan_deinit(&scan);
    host_close(&h);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_are_read),
        cmocka_unit_test(only_interfaces_with_hardware_are_summed),
        cmocka_unit_test(without_hardware_all_but_doubles_are_summed),
        cmocka_unit_test(interfaces_beyond_the_limit_are_ignored),
        cmocka_unit_test(a_missing_proc_is_refused_and_missing_files_too),
        cmocka_unit_test(without_thermal_zones_the_chips_are_asked),
        cmocka_unit_test(state_names_the_host_and_its_interfaces),
        cmocka_unit_test(without_an_ipv4_route_the_ipv6_one_decides),
        cmocka_unit_test(small_files_read_as_words_and_numbers),
        cmocka_unit_test(this_machine_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
