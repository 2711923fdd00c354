#include "net/trust.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define ADDR_BITS 128
#define V4_BITS 32

bool trust_address(span text, struct sockaddr_storage *out)
{
    char name[INET6_ADDRSTRLEN];
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (text.len == 0 || text.len >= sizeof name || span_find(text, '\0') >= 0) {
        return false;
    }
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, name, &in4.sin_addr) == 1) {
        memcpy(out, &in4, sizeof in4);
        return true;
    }
    if (inet_pton(AF_INET6, name, &in6.sin6_addr) == 1) {
        memcpy(out, &in6, sizeof in6);
        return true;
    }
    return false;
}

/* As 16 bytes; false for a unix socket. */
static bool bytes_of(const struct sockaddr_storage *addr, uint8_t out[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    if (addr->ss_family == AF_INET) {
        memcpy(&in4, addr, sizeof in4);
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + sizeof mapped, &in4.sin_addr, 4);
    } else if (addr->ss_family == AF_INET6) {
        memcpy(&in6, addr, sizeof in6);
        memcpy(out, &in6.sin6_addr, 16);
    } else {
        return false;
    }
    return true;
}

/* Whether the first `bits` are equal. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

static bool read_block(span text, struct trust_block *out)
{
    struct sockaddr_storage addr;
    span host = span_cut(&text, '/');
    uint64_t bits;
    if (!trust_address(host, &addr) || !bytes_of(&addr, out->addr)) {
        return false;
    }
    unsigned most = addr.ss_family == AF_INET ? V4_BITS : ADDR_BITS;
    bits = most;
    if (text.ptr != NULL && (text.len > 3 || !span_u64(text, most, &bits))) {
        return false;
    }
    out->bits = (uint8_t)(ADDR_BITS - most + bits);
    uint8_t prefix[16] = {0};
    memcpy(prefix, out->addr, out->bits / 8);
    if (out->bits % 8 != 0) {
        unsigned mask = 0xff00u >> (out->bits % 8);
        prefix[out->bits / 8] = (uint8_t)(out->addr[out->bits / 8] & mask);
    }
    return memcmp(prefix, out->addr, sizeof prefix) == 0; /* a slip of the pen otherwise */
}

bool trust_parse(span list, struct trust *out, span *bad)
{
    *out = (struct trust){0};
    while (list.ptr != NULL) {
        span one = span_trim(span_cut(&list, ','));
        if (one.len == 0) {
            continue;
        }
        if (span_eq(one, SPAN("unix:"))) {
            out->unix_peers = true;
        } else if (out->count < TRUST_BLOCKS_MAX && read_block(one, &out->blocks[out->count])) {
            out->count++;
        } else {
            *bad = one;
            return false;
        }
    }
    return true;
}

bool trust_holds(const struct trust *t, const struct sockaddr_storage *addr)
{
    uint8_t bytes[16];
    if (addr->ss_family == AF_UNIX) {
        return t->unix_peers;
    }
    if (t->count == 0 || !bytes_of(addr, bytes)) {
        return false;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        if (same_prefix(bytes, t->blocks[i].addr, t->blocks[i].bits)) {
            return true;
        }
    }
    return false;
}
