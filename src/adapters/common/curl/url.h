/* Which URLs this process calls. */
#ifndef SB_ADAPTERS_COMMON_CURL_URL_H
#define SB_ADAPTERS_COMMON_CURL_URL_H

#include <stdbool.h>

#include "base/assert.h"

/* Whether a URL may be called: https, or http to 127.0.0.0/8, [::1] or localhost (`plain`: to
 * anywhere); no user name and no fragment. False with *why, a predicate ("is no URL"). Loads
 * libcurl. */
bool curl_url_check(const char *url, bool plain, const char **why) MUST_CHECK;
/* Whether a URL that was checked is http's. */
bool curl_url_plain(const char *url);

#endif
