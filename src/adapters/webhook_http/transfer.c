#include "adapters/webhook_http/transfer.h"

#include "adapters/common/curl/url.h"
#include "adapters/webhook_http/sign.h"
#include "base/mem.h"

#include <stdio.h>

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    transfer_part part;
};

static long status_of(CURL *easy)
{
    long status = 0;
    (void)curl.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool good(long status) { return status >= 200 && status < 300; }

/* Once an answer: before the loop hears of it. */
static void note_type(struct webhook_call *c, CURL *easy)
{
    char *type = NULL;
    if (curl.easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type != NULL) {
        snprintf(c->content_type, sizeof c->content_type, "%s", type);
    }
}

static size_t on_body(char *data, size_t size, size_t count, void *owner)
{
    struct webhook_call *c = owner;
    struct transfer *t = c->transfer;
    size_t len = size * count;
    if (len > c->answer_bytes_max - c->received) {
        return 0; /* ends the transfer */
    }
    if (c->received == 0) {
        note_type(c, t->easy);
    }
    c->received += (uint32_t)len;
    if (c->on_part == NULL || !good(status_of(t->easy))) {
        buf_append(&c->answer, data, len);
    } else if (len > 0) {
        t->part(c, span_of(data, len));
    }
    return len;
}

static bool add_header(struct transfer *t, const char *line)
{
    struct curl_slist *longer = curl.slist_append(t->headers, line);
    if (longer != NULL) {
        t->headers = longer;
    }
    return longer != NULL;
}

static bool add_headers(struct transfer *t, const struct webhook_call *c, int64_t unix_s)
{
    char line[64 + WEBHOOK_SIGNATURE_MAX];
    char accept[160];
    char text[WEBHOOK_SIGNATURE_MAX];
    _Static_assert(sizeof text > UUID_TEXT_LEN, "holds either");
    uuid_format(c->id, text);
    snprintf(line, sizeof line, "X-Signalbox-Delivery: %s", text);
    snprintf(accept, sizeof accept, "Accept: %s",
             c->accept != NULL ? c->accept : "application/json");
    bool ok = add_header(t, "Content-Type: application/json") && add_header(t, accept) &&
              add_header(t, "Expect:") && /* no 100-continue: it costs a round trip */
              add_header(t, line);
    if (ok && c->secret.len > 0) {
        webhook_sign(c->secret, unix_s, c->body, text);
        snprintf(line, sizeof line, "X-Signalbox-Signature: %s", text);
        ok = add_header(t, line);
    }
    return ok;
}

static bool set_options(struct transfer *t, struct webhook_call *c)
{
    CURL *e = t->easy;
    bool plain = curl_url_plain(c->url);
    bool ok =
        curl.easy_setopt(e, CURLOPT_URL, c->url) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https") == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        /* Ending does not wait for a name that is being resolved. */
        curl.easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)c->timeout_ms) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_MAXFILESIZE, (long)c->answer_bytes_max) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_USERAGENT, "signalbox/" SIGNALBOX_VERSION) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_POSTFIELDS, c->body.ptr) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)c->body.len) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_WRITEDATA, c) == CURLE_OK &&
        curl.easy_setopt(e, CURLOPT_PRIVATE, c) == CURLE_OK;
    if (plain) { /* this machine is not reached through a proxy */
        ok = ok && curl.easy_setopt(e, CURLOPT_NOPROXY, "*") == CURLE_OK;
    }
    if (c->ca != NULL && c->ca[0] != '\0') {
        ok = ok && curl.easy_setopt(e, CURLOPT_CAINFO, c->ca) == CURLE_OK &&
             curl.easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
    }
    return ok;
}

static void transfer_free(struct transfer *t)
{
    curl.easy_cleanup(t->easy);
    curl.slist_free_all(t->headers);
    mem_free(t);
}

void transfer_start(CURLM *multi, struct webhook_call *c, int64_t unix_s, transfer_part part)
{
    struct transfer *t = mem_calloc(1, sizeof *t);
    t->part = part;
    t->easy = curl.easy_init();
    c->transfer = NULL;
    if (t->easy != NULL && add_headers(t, c, unix_s) && set_options(t, c) &&
        curl.multi_add_handle(multi, t->easy) == CURLM_OK) {
        c->transfer = t;
        return;
    }
    transfer_free(t);
    c->result = WEBHOOK_UNREACHABLE;
    c->why = "libcurl refuses";
}

struct webhook_call *transfer_call(CURL *easy)
{
    char *call = NULL;
    CURLcode rc = curl.easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    ASSERT(rc == CURLE_OK && call != NULL);
    return (struct webhook_call *)(void *)call;
}

static enum webhook_result result_of(CURLcode rc, long status)
{
    if (rc == CURLE_OK) {
        return good(status) ? WEBHOOK_OK : WEBHOOK_STATUS;
    }
    return rc == CURLE_OPERATION_TIMEDOUT                                ? WEBHOOK_TIMEOUT
           : rc == CURLE_WRITE_ERROR || rc == CURLE_FILESIZE_EXCEEDED ? WEBHOOK_TOO_LONG
           : rc == CURLE_ABORTED_BY_CALLBACK                          ? WEBHOOK_CANCELLED
                                                                      : WEBHOOK_UNREACHABLE;
}

void transfer_end(CURLM *multi, struct webhook_call *c, CURLcode rc)
{
    struct transfer *t = c->transfer;
    long status = status_of(t->easy);
    if (c->received == 0) {
        note_type(c, t->easy);
    }
    curl.multi_remove_handle(multi, t->easy);
    c->transfer = NULL;
    c->status = (int)status;
    c->result = result_of(rc, status);
    c->why = rc == CURLE_OK                     ? ""
             : c->result == WEBHOOK_TOO_LONG  ? "the answer is longer than it may be"
             : c->result == WEBHOOK_CANCELLED ? "cancelled"
                                              : curl.easy_strerror(rc);
    if (rc != CURLE_OK) {
        buf_clear(&c->answer);
    }
    transfer_free(t);
}
