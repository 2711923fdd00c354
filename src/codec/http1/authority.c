#include "codec/http1/authority.h"

#include "codec/http1/chars.h"

#include <arpa/inet.h>

/* Names are at most 255 bytes in DNS (RFC 1035 2.3.4). */
#define HOST_BYTES_MAX 255

static bool ipv6_valid(span address)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    if (address.len >= sizeof text || memchr(address.ptr, 0, address.len) != NULL) {
        return false;
    }
    memcpy(text, address.ptr, address.len);
    text[address.len] = 0;
    return inet_pton(AF_INET6, text, &ignored) == 1;
}

static bool port_valid(span port)
{
    uint64_t ignored;
    return port.len <= 5 && span_u64(port, 65535, &ignored);
}

bool http1_authority_valid(span authority)
{
    if (authority.len > 0 && authority.ptr[0] == '[') {
        ptrdiff_t close = span_find(authority, ']');
        if (close < 0 || !ipv6_valid(span_slice(authority, 1, (size_t)close - 1))) {
            return false;
        }
        span rest = span_slice(authority, (size_t)close + 1, authority.len);
        return rest.len == 0 ||
               (rest.ptr[0] == ':' && port_valid(span_slice(rest, 1, rest.len)));
    }
    ptrdiff_t colon = span_find(authority, ':');
    span host = span_slice(authority, 0, colon < 0 ? authority.len : (size_t)colon);
    if (host.len == 0 || host.len > HOST_BYTES_MAX || !http1_all(host, HTTP1_C_HOST)) {
        return false;
    }
    return colon < 0 || port_valid(span_slice(authority, (size_t)colon + 1, authority.len));
}
