/* Counts and rates of addresses. */
#include "net/addrs.h"

#include "base/mem.h"

#include <netinet/in.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct sockaddr_storage in4(uint32_t host, uint16_t port)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(host)};
    memcpy(&out, &a, sizeof a);
    return out;
}

static struct sockaddr_storage in6(uint8_t network, uint8_t host)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in6 a = {.sin6_family = AF_INET6};
    a.sin6_addr.s6_addr[7] = network;
    a.sin6_addr.s6_addr[15] = host;
    memcpy(&out, &a, sizeof a);
    return out;
}

static void keys_leave_out_ports_and_hosts_of_ipv6(void **state)
{
    struct sockaddr_storage a = in4(0x7f000001, 1), b = in4(0x7f000001, 2), c = in4(0x7f000002, 1);
    assert_int_equal(addrs_key(&a), addrs_key(&b));
    assert_int_not_equal(addrs_key(&a), addrs_key(&c));
    struct sockaddr_storage d = in6(1, 1), e = in6(1, 2), f = in6(2, 1);
    assert_int_equal(addrs_key(&d), addrs_key(&e));
    assert_int_not_equal(addrs_key(&d), addrs_key(&f));
    struct sockaddr_storage local = {.ss_family = AF_UNIX};
    assert_int_not_equal(addrs_key(&local), addrs_key(&a));
}

static void each_address_has_places_of_its_own(void **state)
{
    struct addrs *a = mem_calloc(1, sizeof *a);
    for (uint32_t host = 0; host < 1000; host++) {
        struct sockaddr_storage addr = in4(host, 0);
        uint32_t key = addrs_key(&addr);
        assert_true(addrs_enter(a, key, 2));
        assert_true(addrs_enter(a, key, 2));
        assert_false(addrs_enter(a, key, 2));
        assert_true(addrs_enter(a, key, 0)); /* no limit, but counted */
        assert_false(addrs_enter(a, key, 3));
        addrs_leave(a, key);
        assert_true(addrs_enter(a, key, 3));
    }
    for (uint32_t host = 0; host < 1000; host++) {
        struct sockaddr_storage addr = in4(host, 0);
        for (int i = 0; i < 3; i++) {
            addrs_leave(a, addrs_key(&addr));
        }
    }
    for (unsigned i = 0; i < ADDRS_ROW_SLOTS; i++) {
        assert_int_equal(a->counts[0][i] | a->counts[1][i], 0);
    }
    mem_free(a);
}

static void a_rate_allows_a_burst_of_one_second(void **state)
{
    struct addrs *a = mem_calloc(1, sizeof *a);
    uint64_t now = 5000000;
    for (int i = 0; i < 50; i++) {
        assert_true(addrs_rate(a, 7, 50, now));
    }
    assert_false(addrs_rate(a, 7, 50, now));
    assert_false(addrs_rate(a, 7, 50, now + 19999));
    assert_true(addrs_rate(a, 7, 50, now + 20000));
    assert_false(addrs_rate(a, 7, 50, now + 20000));
    assert_true(addrs_rate(a, 8, 50, now));
    assert_true(addrs_rate(a, 7, 0, now));
    for (int i = 0; i < 50; i++) {
        assert_true(addrs_rate(a, 7, 50, now + 10000000));
    }
    assert_true(addrs_rate(a, 9, 1, now));
    assert_false(addrs_rate(a, 9, 1, now + 999999));
    assert_true(addrs_rate(a, 9, 1, now + 1000000));
    mem_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_leave_out_ports_and_hosts_of_ipv6),
        cmocka_unit_test(each_address_has_places_of_its_own),
        cmocka_unit_test(a_rate_allows_a_burst_of_one_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
