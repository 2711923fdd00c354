/*
 * The keys of an outside issuer, kept fresh from its JWKS URL (RFC 7517 5) into tokens_jose. One
 * thread fetches: at once when opened, when what it has grows old (Cache-Control max-age within
 * bounds), and when a token names a key that is not there. Such fetches are one at a time and at
 * most one in refetch_ms, however many tokens ask: who comes meanwhile waits for the one that is
 * under way, or is refused. A fetch that fails changes nothing: the keys stay, and it is tried
 * again after refetch_ms. Keys that a fetch no longer holds stay valid for grace_ms.
 */
#ifndef SB_ADAPTERS_JWKS_HTTP_H
#define SB_ADAPTERS_JWKS_HTTP_H

#include "adapters/tokens_jose/tokens_jose.h"
#include "ports/clock.h"
#include "ports/log.h"
#include "ports/post.h"

#define JWKS_WAITING_MAX 1024 /* tokens that wait for one fetch; more are refused at once */

struct jwks_conf {
    const char *url;       /* curl_url_check; copied */
    struct tokens *tokens; /* tokens_jose; borrowed, told that this is its source */
    struct post *post;     /* borrowed, as clock and log (may be NULL) */
    struct clock *clock;
    struct log *log;
    /* 0 takes the default, which the server uses; tests have less time. */
    int64_t refetch_ms;    /* 60,000 */
    int64_t fresh_ms;      /* when Cache-Control says nothing: 1 h */
    int64_t fresh_ms_min;  /* 5 min */
    int64_t fresh_ms_max;  /* 24 h */
    int64_t grace_ms;      /* 5 min */
    int64_t timeout_ms;    /* of one fetch: 5,000 */
};

struct jwks;

/* Starts the thread; before loops run. Aborts when there can be none. */
struct jwks *jwks_open(const struct jwks_conf *conf);
/* Ends a fetch that is under way and the thread; who waits is told by mail, which the loops still
 * have to run. Later calls of await_keys are refused. NULL is allowed. */
void jwks_close(struct jwks *j);
/* Frees it; no thread may verify any more. NULL is allowed. */
void jwks_free(struct jwks *j);

#endif
