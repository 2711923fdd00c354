/* The address of the server as the operator writes it: http://host:port. Pure; any thread. */
#ifndef SB_AGENT_SERVER_URL_H
#define SB_AGENT_SERVER_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define SERVER_HOST_MAX 253 /* a DNS name (RFC 1035 2.3.4) */

struct server_url {
    bool secure;                        /* https or wss */
    bool literal;                       /* the host is an address: no look-up */
    uint16_t port;                      /* 80 or 443 when none is written */
    char host[SERVER_HOST_MAX + 1];     /* without the brackets of IPv6 */
    char authority[SERVER_HOST_MAX + 9]; /* for the Host field: host[:port], with brackets */
};

/* Accepts http, https, ws and wss with a host, an optional port and nothing else but one '/'.
 * NULL when good, else a sentence that says what is wrong with it. */
const char *server_url_parse(span text, struct server_url *out);

#endif
