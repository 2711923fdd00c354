/* The authority of a URI and the Host field (RFC 3986 3.2, RFC 9110 7.2). Internal. */
#ifndef SB_CODEC_HTTP1_AUTHORITY_H
#define SB_CODEC_HTTP1_AUTHORITY_H

#include <stdbool.h>

#include "base/span.h"

/* host [":" port]: a name of unreserved and sub-delims (no percent-encoding, no user
 * information), an IPv4 address or an IPv6 address in brackets; port 1-5 digits up to 65535.
 * Never empty: an http URI without a host is invalid (RFC 9110 4.2.1). */
bool http1_authority_valid(span authority);

#endif
