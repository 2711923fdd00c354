/*
 * The peers that are proxies of ours (setting `trusted_proxies`): what they say about their
 * client is believed. Addresses and blocks of IPv4 and IPv6, and `unix:` for whoever may open our
 * unix sockets. An IPv4 address and its IPv4-mapped form are one. Pure; any thread.
 */
#ifndef SB_NET_TRUST_H
#define SB_NET_TRUST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/span.h"

#define TRUST_BLOCKS_MAX 64 /* each is compared for each new connection */

struct trust_block {
    uint8_t addr[16]; /* IPv4 mapped */
    uint8_t bits;     /* of the prefix, 0-128 */
};

struct trust {
    bool unix_peers;
    uint32_t count;
    struct trust_block blocks[TRUST_BLOCKS_MAX];
};

/* "10.0.0.1, 10.1.0.0/16, 2001:db8::/32, unix:" in any order; may be empty. False: *bad is the
 * entry that is none of these, has bits behind its prefix, or is one too many. */
bool trust_parse(span list, struct trust *out, span *bad) MUST_CHECK;
/* Whether that peer is one; cost: a comparison a block. */
bool trust_holds(const struct trust *t, const struct sockaddr_storage *addr);
/* An address without port or brackets, of either family; the port is 0. False on anything else. */
bool trust_address(span text, struct sockaddr_storage *out) MUST_CHECK;

#endif
