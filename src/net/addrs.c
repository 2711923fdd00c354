#include "net/addrs.h"

#include "base/hash.h"

#include <netinet/in.h>
#include <stdatomic.h>

/* IPv6 sites hand out whole /64 networks, so an address there costs an attacker nothing. */
#define IPV6_NETWORK_BYTES 8

uint32_t addrs_key(const struct sockaddr_storage *addr)
{
    span key = SPAN("local");
    if (addr->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const void *)addr;
        key = span_of(&in4->sin_addr, sizeof in4->sin_addr);
    } else if (addr->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)addr;
        key = span_of(&in6->sin6_addr, IPV6_NETWORK_BYTES);
    }
    return (uint32_t)hash_bytes(key);
}

static _Atomic uint32_t *slot(struct addrs *a, unsigned row, uint32_t key)
{
    return &a->counts[row][row == 0 ? key & (ADDRS_ROW_SLOTS - 1) : key >> 16];
}

bool addrs_enter(struct addrs *a, uint32_t key, uint32_t max)
{
    uint32_t first = atomic_fetch_add_explicit(slot(a, 0, key), 1, memory_order_relaxed);
    uint32_t second = atomic_fetch_add_explicit(slot(a, 1, key), 1, memory_order_relaxed);
    if (max != 0 && first >= max && second >= max) {
        addrs_leave(a, key);
        return false;
    }
    return true;
}

void addrs_leave(struct addrs *a, uint32_t key)
{
    atomic_fetch_sub_explicit(slot(a, 0, key), 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(slot(a, 1, key), 1, memory_order_relaxed);
}

/*
 * The generic cell rate algorithm: `due` is when the next handshake would be exactly on time. A
 * burst of per_s may run ahead of it by one second.
 */
bool addrs_rate(struct addrs *a, uint32_t key, uint32_t per_s, uint64_t now_us)
{
    if (per_s == 0) {
        return true;
    }
    _Atomic uint64_t *cell = &a->rate_due_us[key & (ADDRS_ROW_SLOTS - 1)];
    uint64_t step_us = 1000000 / per_s;
    uint64_t due = atomic_load_explicit(cell, memory_order_relaxed);
    uint64_t next;
    do {
        uint64_t from = due > now_us ? due : now_us;
        if (from - now_us > 1000000 - step_us) {
            return false;
        }
        next = from + step_us;
    } while (!atomic_compare_exchange_weak_explicit(cell, &due, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}
