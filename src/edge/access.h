/*
 * Where a request comes from and what it shows: Host and Origin rules, the anonymous rule, and
 * the place of a credential (CONTRACT 2). Pure; any thread. Fuzz target: access_fuzz.c.
 */
#ifndef SB_EDGE_ACCESS_H
#define SB_EDGE_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/span.h"
#include "codec/http1/request.h"
#include "tables/errors.h"

#define ACCESS_COOKIE "sb_session" /* the console's session */

/* Where a credential stood, in the order in which the places are looked at. */
enum credential_from {
    CREDENTIAL_NONE,
    CREDENTIAL_BEARER,      /* Authorization: Bearer */
    CREDENTIAL_SUBPROTOCOL, /* Sec-WebSocket-Protocol: bearer, <token> */
    CREDENTIAL_COOKIE,
    CREDENTIAL_QUERY,       /* ?token= */
};

/*
 * Finds the credential: the first place that holds something decides, also when it is empty or
 * wrong. *text is a copy in the arena. ERR_INVALID_REQUEST: two Authorization fields, or two
 * `token` parameters. An Authorization of another scheme is no place.
 */
err credential_find(const struct http1_request *req, struct arena *arena,
                    enum credential_from *from, span *text) MUST_CHECK;

/*
 * The anonymous rule: true when the listener's and the peer's address are loopback, the Host is
 * localhost, 127.0.0.1 or [::1], and no field says that a proxy stands between.
 */
bool anonymous_admitted(const struct http1_request *req, bool listener_loopback,
                        bool peer_loopback);

/* Splits "name", "name:port", "[v6]:port"; the name without a final dot. False when malformed;
 * port.ptr is NULL when absent. */
bool host_split(span host, span *name, span *port) MUST_CHECK;
/* localhost, 127.0.0.1 or [::1]. */
bool host_is_loopback(span name);

/* What the client speaks, to us or to a trusted proxy. */
enum access_scheme {
    SCHEME_UNTOLD, /* no TLS here, and nobody said whether before us */
    SCHEME_HTTP,
    SCHEME_HTTPS,
};

/* Settings and facts of the connection that the Host and Origin rules need. */
struct access_site {
    const char *public_hosts;    /* comma separated names, each with or without a port */
    const char *allowed_origins; /* comma separated origins; "*": any but null */
    const struct sockaddr_storage *local; /* the connection's own end */
    enum access_scheme scheme;            /* what the client speaks */
    span forwarded_host; /* what it asked a trusted proxy for; ptr NULL: what it asked us for */
};

/* Whether Host names this server: a public host, the address that the connection was made to, or
 * any name of loopback when that is loopback. Ports count only where public_hosts gives one: a
 * forwarded port is still this server, and a rebound name is a name. */
bool host_admitted(const struct access_site *site, span host);

enum origin_verdict {
    ORIGIN_REFUSED,
    ORIGIN_ABSENT,  /* not a browser, or a navigation */
    ORIGIN_SAME,    /* the Host's own, or another name of the same loopback port */
    ORIGIN_ALLOWED, /* listed in allowed_origins */
    ORIGIN_ANY,     /* allowed by "*": a token only, no cookie and no anonymous rule */
};
/* Judges the Origin field; two of them are refused. `host` has passed host_admitted. */
enum origin_verdict origin_judge(const struct access_site *site, const struct http1_request *req);

#endif
