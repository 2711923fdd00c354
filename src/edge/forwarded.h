/*
 * What a trusted proxy's header fields say about the client (decision 0008): its address
 * (X-Forwarded-For), the scheme it uses (X-Forwarded-Proto) and the Host it asked for
 * (X-Forwarded-Host). `Forwarded` (RFC 7239) and X-Real-IP are never read: two fields that may
 * disagree would let the client choose. Only for requests of trusted peers; pure; any thread.
 * Fuzz target: forwarded_fuzz.c.
 */
#ifndef SB_EDGE_FORWARDED_H
#define SB_EDGE_FORWARDED_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/span.h"
#include "codec/http1/request.h"
#include "edge/access.h"
#include "net/trust.h"

/* Proxies in a row that are walked past; the walk ends there. */
#define FORWARDED_HOPS_MAX 32

struct forwarded {
    bool has_client;
    struct sockaddr_storage client; /* without a port */
    enum access_scheme scheme;
    span host; /* ptr NULL: none, or not one */
};

/*
 * Address: all X-Forwarded-For lines as one list, from its end: the first entry that is no
 * trusted proxy is the client, for it is what the last proxy of ours saw; what stands before it
 * is anybody's word. A malformed entry ends the walk at the one behind it. When all are
 * trusted, it is the first one. Entries may have a port, IPv6 brackets.
 * Scheme and host count when their field stands once, with one value.
 */
void forwarded_read(const struct http1_request *req, const struct trust *t,
                    struct forwarded *out);

#endif
