#include "adapters/jwks_http/fetch.h"

#include "adapters/common/curl/curl.h"
#include "adapters/common/curl/url.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define REST_MS_MAX 60000 /* libcurl counts in int; the caller looks at its clock again anyway */
#define AGE_S_MAX INT64_C(31536000)

struct fetcher {
    CURLM *multi; /* also what is rested on: it can be woken */
    CURL *easy;
    struct curl_slist *headers;
    int64_t timeout_ms;
    atomic_bool stopped;
};

static size_t on_body(char *data, size_t size, size_t count, void *owner)
{
    struct fetched *out = owner;
    size_t len = size * count;
    if (len > FETCH_BYTES_MAX - out->body.len) {
        return 0; /* ends the transfer */
    }
    buf_append(&out->body, data, len);
    return len;
}

struct fetcher *fetcher_new(const char *url, int64_t timeout_ms)
{
    struct fetcher *f = mem_calloc(1, sizeof *f);
    bool loaded = curl_load();
    ASSERT(loaded && curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); /* curl_url_check */
    f->multi = curl.multi_init();
    f->easy = curl.easy_init();
    f->headers = curl.slist_append(NULL, "Accept: application/jwk-set+json, application/json");
    f->timeout_ms = timeout_ms;
    atomic_init(&f->stopped, false);
    CURL *e = f->easy;
    ASSERT(f->multi != NULL && e != NULL && f->headers != NULL);
    bool plain = curl_url_plain(url);
    bool ok = curl.easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
              curl.easy_setopt(e, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https") == CURLE_OK &&
              curl.easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
              curl.easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              /* Ending does not wait for a name that is being resolved. */
              curl.easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
              curl.easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
              curl.easy_setopt(e, CURLOPT_MAXFILESIZE, (long)FETCH_BYTES_MAX) == CURLE_OK &&
              curl.easy_setopt(e, CURLOPT_HTTPHEADER, f->headers) == CURLE_OK &&
              curl.easy_setopt(e, CURLOPT_USERAGENT, "signalbox/" SIGNALBOX_VERSION) == CURLE_OK &&
              curl.easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    if (plain) { /* this machine is not reached through a proxy */
        ok = ok && curl.easy_setopt(e, CURLOPT_NOPROXY, "*") == CURLE_OK;
    }
    ASSERT(ok);
    return f;
}

void fetcher_free(struct fetcher *f)
{
    curl.easy_cleanup(f->easy);
    curl.multi_cleanup(f->multi);
    curl.slist_free_all(f->headers);
    curl.global_cleanup();
    mem_free(f);
}

int64_t fetch_max_age(span field)
{
    int64_t age = -1;
    while (field.len > 0) {
        span one = span_trim(span_cut(&field, ','));
        uint64_t seconds;
        if (span_ieq(one, SPAN("no-store")) || span_ieq(one, SPAN("no-cache"))) {
            return 0;
        }
        if (span_ieq(span_slice(one, 0, 8), SPAN("max-age=")) &&
            span_u64(span_slice(one, 8, one.len), UINT64_MAX, &seconds)) {
            age = seconds > AGE_S_MAX ? AGE_S_MAX : (int64_t)seconds;
        }
    }
    return age;
}

/* Until the transfer ends; its result. */
static CURLcode transfer(struct fetcher *f)
{
    int running = 1;
    while (running > 0) {
        if (atomic_load_explicit(&f->stopped, memory_order_acquire)) {
            return CURLE_ABORTED_BY_CALLBACK;
        }
        if (curl.multi_perform(f->multi, &running) != CURLM_OK) {
            return CURLE_FAILED_INIT;
        }
        if (running > 0) { /* the easy handle's timeout bounds this loop */
            (void)curl.multi_poll(f->multi, NULL, 0, (int)f->timeout_ms, NULL);
        }
    }
    int left;
    const CURLMsg *m = curl.multi_info_read(f->multi, &left);
    return m == NULL ? CURLE_FAILED_INIT : m->data.result;
}

bool fetch(struct fetcher *f, struct fetched *out)
{
    long status = 0;
    struct curl_header *cache = NULL;
    buf_clear(&out->body);
    out->max_age_s = -1;
    ASSERT(curl.easy_setopt(f->easy, CURLOPT_WRITEDATA, out) == CURLE_OK);
    ASSERT(curl.multi_add_handle(f->multi, f->easy) == CURLM_OK);
    CURLcode rc = transfer(f);
    (void)curl.easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    if (curl.easy_header(f->easy, "Cache-Control", 0, CURLH_HEADER, -1, &cache) == CURLHE_OK) {
        out->max_age_s = fetch_max_age(span_str(cache->value));
    }
    curl.multi_remove_handle(f->multi, f->easy);
    if (rc == CURLE_WRITE_ERROR || rc == CURLE_FILESIZE_EXCEEDED) {
        snprintf(out->error, sizeof out->error, "longer than %d bytes", FETCH_BYTES_MAX);
    } else if (rc != CURLE_OK) {
        snprintf(out->error, sizeof out->error, "%s", curl.easy_strerror(rc));
    } else if (status != 200) {
        snprintf(out->error, sizeof out->error, "status %ld", status);
    }
    return rc == CURLE_OK && status == 200;
}

void fetcher_rest(struct fetcher *f, int64_t ms)
{
    if (!atomic_load_explicit(&f->stopped, memory_order_acquire)) {
        (void)curl.multi_poll(f->multi, NULL, 0, (int)(ms > REST_MS_MAX ? REST_MS_MAX : ms), NULL);
    }
}

void fetcher_wake(struct fetcher *f) { (void)curl.multi_wakeup(f->multi); }

void fetcher_stop(struct fetcher *f)
{
    atomic_store_explicit(&f->stopped, true, memory_order_release);
    fetcher_wake(f);
}
