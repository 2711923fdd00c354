/* One GET with libcurl, abortable from another thread. Blocks: for a thread of its own. */
#ifndef SB_ADAPTERS_JWKS_HTTP_FETCH_H
#define SB_ADAPTERS_JWKS_HTTP_FETCH_H

#include <stdbool.h>

#include "base/buf.h"

#define FETCH_BYTES_MAX 262144 /* a set of 64 keys with certificates takes less */

struct fetcher;

struct fetched {
    buf body;          /* the caller's; reused from fetch to fetch */
    int64_t max_age_s; /* of Cache-Control; 0 for no-store and no-cache; -1: not said */
    char error[128];   /* why it failed */
};

/* Borrows url, which curl_url_check has passed. Aborts when libcurl cannot be set up (start-up). */
struct fetcher *fetcher_new(const char *url, int64_t timeout_ms);
void fetcher_free(struct fetcher *f);
/* True when the answer was a 200 of at most FETCH_BYTES_MAX within the timeout. Redirects are not
 * followed: they would let the answer choose where keys come from. Certificates are verified. */
bool fetch(struct fetcher *f, struct fetched *out);
/* Rests until the time has passed, or fetcher_wake or fetcher_stop is called. */
void fetcher_rest(struct fetcher *f, int64_t ms);
void fetcher_wake(struct fetcher *f); /* any thread */
/* Ends a fetch and every later one at once. Any thread. */
void fetcher_stop(struct fetcher *f);
/* The seconds that a Cache-Control field gives; as fetched.max_age_s. */
int64_t fetch_max_age(span field);

#endif
