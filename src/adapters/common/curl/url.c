#include "adapters/common/curl/url.h"

#include "adapters/common/curl/curl.h"
#include "base/span.h"

#include <string.h>
#include <strings.h>

static bool is_loopback(const char *host)
{
    span h = span_str(host);
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (span_starts(h, SPAN("127.")) && strspn(host, "0123456789.") == h.len);
}

static const char *url_fault(CURLU *u, bool plain)
{
    char *scheme = NULL;
    char *host = NULL;
    char *part = NULL;
    const char *why = NULL;
    if (curl.url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl.url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        why = "is no URL";
    } else if (curl.url_get(u, CURLUPART_USER, &part, 0) == CURLUE_OK ||
               curl.url_get(u, CURLUPART_FRAGMENT, &part, 0) == CURLUE_OK) {
        why = "has a user name or a fragment";
    } else if (strcmp(scheme, "https") != 0 &&
               !(strcmp(scheme, "http") == 0 && (plain || is_loopback(host)))) {
        why = "must begin with https:// (or http:// on this machine)";
    }
    curl.free(scheme);
    curl.free(host);
    curl.free(part);
    return why;
}

bool curl_url_check(const char *url, bool plain, const char **why)
{
    if (!curl_load()) {
        *why = "needs libcurl, which is not installed";
        return false;
    }
    CURLU *u = curl.url();
    ASSERT(u != NULL);
    bool is_url = curl.url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;
    *why = is_url ? url_fault(u, plain) : "is no URL";
    curl.url_cleanup(u);
    return *why == NULL;
}

bool curl_url_plain(const char *url) { return strncasecmp(url, "http:", 5) == 0; }
