/* See addr.h. */
#include "loop/addr.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PORT_MAX 65535

/* `host` without brackets as a numeric address of one family, into *out. */
static bool parse_host(int family, span host, void *out)
{
    char text[INET6_ADDRSTRLEN];
    if (host.len >= sizeof text || span_find(host, '\0') >= 0) {
        return false;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(family, text, out) == 1;
}

static bool parse_v4(span host, unsigned port, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (!parse_host(AF_INET, span_ieq(host, SPAN("localhost")) ? SPAN("127.0.0.1") : host,
                    &in.sin_addr)) {
        return false;
    }
    memset(out, 0, sizeof *out);
    memcpy(out, &in, sizeof in);
    *len = sizeof in;
    return true;
}

static bool parse_v6(span host, unsigned port, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (!parse_host(AF_INET6, host, &in.sin6_addr)) {
        return false;
    }
    memset(out, 0, sizeof *out);
    memcpy(out, &in, sizeof in);
    *len = sizeof in;
    return true;
}

bool addr_parse(span text, struct sockaddr_storage *out, socklen_t *len)
{
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':') {
        colon--;
    }
    uint64_t port;
    if (colon == 0 || !span_u64(span_slice(text, colon, text.len), PORT_MAX, &port)) {
        return false;
    }
    span host = span_slice(text, 0, colon - 1);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        return parse_v6(span_slice(host, 1, host.len - 2), (unsigned)port, out, len);
    }
    return parse_v4(host, (unsigned)port, out, len);
}

void addr_format_host(const struct sockaddr_storage *addr, char text[ADDR_TEXT_MAX])
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    const char *ok = text;
    switch (addr->ss_family) {
    case AF_INET:
        memcpy(&in, addr, sizeof in);
        ok = inet_ntop(AF_INET, &in.sin_addr, text, ADDR_TEXT_MAX);
        break;
    case AF_INET6:
        memcpy(&in6, addr, sizeof in6);
        ok = inet_ntop(AF_INET6, &in6.sin6_addr, text, ADDR_TEXT_MAX);
        break;
    default:
        memcpy(text, "unix", sizeof "unix");
        break;
    }
    ASSERT(ok != NULL);
}

void addr_format(const struct sockaddr_storage *addr, char text[ADDR_TEXT_MAX])
{
    char host[ADDR_TEXT_MAX];
    addr_format_host(addr, host);
    int n;
    switch (addr->ss_family) {
    case AF_INET:
        n = snprintf(text, ADDR_TEXT_MAX, "%s:%u", host, addr_port(addr));
        break;
    case AF_INET6:
        n = snprintf(text, ADDR_TEXT_MAX, "[%s]:%u", host, addr_port(addr));
        break;
    default:
        n = snprintf(text, ADDR_TEXT_MAX, "%s", host);
        break;
    }
    ASSERT(n > 0 && n < ADDR_TEXT_MAX);
}

unsigned addr_port(const struct sockaddr_storage *addr)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    switch (addr->ss_family) {
    case AF_INET:
        memcpy(&in, addr, sizeof in);
        return ntohs(in.sin_port);
    case AF_INET6:
        memcpy(&in6, addr, sizeof in6);
        return ntohs(in6.sin6_port);
    default:
        return 0;
    }
}

bool addr_is_loopback(const struct sockaddr_storage *addr)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    switch (addr->ss_family) {
    case AF_INET:
        memcpy(&in, addr, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6:
        memcpy(&in6, addr, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) &&
                in6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
    default:
        return true;
    }
}
