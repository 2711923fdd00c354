/*
 * Answers: the fields that every one carries, the shapes of bodies, and what is counted and
 * logged about it. Nothing here writes a query, a field of the request or a body into the log,
 * so no secret can get there.
 */
#include "edge/rest/internal.h"

#include "base/base64.h"
#include "base/mem.h"
#include "codec/http1/compress.h"
#include "codec/http1/list.h"
#include "codec/http1/response.h"
#include "loop/digest.h"
#include "ports/clock.h"

#include <stdarg.h>
#include <stdio.h>

#define API_POLICY "default-src 'none'; frame-ancestors 'none'"
#define ETAG_BYTES 12 /* of the digest; two answers of one address collide never */
#define JSON_TYPE "application/json"
#define PROBLEM_TYPE "application/problem+json"

void call_free(struct rest_call *c)
{
    grant_free(c->grant);
    arena_reset(&c->arena);
    buf_deinit(&c->data);
    buf_deinit(&c->body);
    mem_free(c);
}

const char *rest_printf(struct rest_call *c, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return (const char *)arena_dup(&c->arena, span_str(text)).ptr;
}

void rest_header(struct rest_call *c, const char *name, span value)
{
    http_header(c->x, name, value);
}

void rest_compress(struct rest_call *c, uint32_t bytes_min, span *body)
{
    static const struct http1_compress_memory memory = {.alloc = mem_alloc, .release = mem_free};
    struct edge *e = c->edge;
    if (bytes_min == 0 || body->len < bytes_min) {
        return;
    }
    http_header(c->x, "Vary", SPAN("Accept-Encoding"));
    enum http1_coding coding = http1_coding_choose(&c->x->req->fields);
    if (coding == HTTP1_IDENTITY) {
        return;
    }
    if (e->compressor == NULL) {
        e->compressor = http1_compressor_new(&memory);
    }
    ASSERT(c->body.len == 0);
    if (http1_compress(e->compressor, coding, *body, &c->body)) {
        http_header(c->x, "Content-Encoding", http1_coding_name(coding));
        *body = buf_span(&c->body);
    }
}

/* --- counted and logged --- */

uint64_t answer_elapsed_us(const struct rest_call *c)
{
    uint64_t now = clock_mono_ns(c->edge->home->clock);
    return now > c->x->started_ns ? (now - c->x->started_ns) / 1000 : 0;
}

static void finished(struct rest_call *c, unsigned status)
{
    struct edge_stats *s = &c->edge->stats;
    uint64_t us = answer_elapsed_us(c);
    stats_add(&s->requests[c->route_index][status / 100 % 6], 1);
    if (!c->waited) {
        stats_time(&s->request_times, us);
    }
    LOG(loop_log(c->edge->loop), LOG_DEBUG, "http.request",
        LOG_U64("conn", conn_slot(c->x->conn)), LOG_STR("req", c->request_id),
        LOG_SPAN("method", c->x->req->method_text), LOG_SPAN("path", c->x->path),
        LOG_STR("route", c->route == NULL ? "none" : c->route->name),
        LOG_U64("status", status), LOG_U64("us", us));
}

/* --- fields --- */

static void cors_fields(struct rest_call *c)
{
    http_header(c->x, "Vary", SPAN("Origin"));
    if (c->origin == ORIGIN_ALLOWED) {
        http_header(c->x, "Access-Control-Allow-Origin", http1_field(c->x->req, "Origin"));
        http_header(c->x, "Access-Control-Allow-Credentials", SPAN("true"));
    } else if (c->origin == ORIGIN_ANY) {
        http_header(c->x, "Access-Control-Allow-Origin", SPAN("*"));
    } else {
        return;
    }
    http_header(c->x, "Access-Control-Expose-Headers",
                SPAN("Accept-Ranges, Content-Disposition, Content-Range, ETag, Location, "
                     "Retry-After, Upload-Offset, X-Request-Id"));
}

static void security_fields(struct http_exchange *x, const char *policy, const char *cache)
{
    http_header(x, "Cache-Control", span_str(cache != NULL ? cache : "no-store"));
    http_header(x, "Content-Security-Policy", span_str(policy != NULL ? policy : API_POLICY));
    http_header(x, "X-Content-Type-Options", SPAN("nosniff"));
    http_header(x, "X-Frame-Options", SPAN("DENY"));
    http_header(x, "Referrer-Policy", SPAN("no-referrer"));
    http_header(x, "Cross-Origin-Resource-Policy", SPAN("same-origin"));
    uint32_t hsts_s = edge_of(x->conn)->conf->hsts_s;
    if (hsts_s > 0 && conn_is_secure(x->conn)) { /* RFC 6797 7.2: never over plain HTTP */
        char text[32];
        int len = snprintf(text, sizeof text, "max-age=%u", hsts_s);
        http_header(x, "Strict-Transport-Security", span_of(text, (size_t)len));
    }
}

/* What every answer carries and leaves in the counters. */
static struct http_exchange *head(struct rest_call *c, unsigned status)
{
    struct http_exchange *x = c->x;
    ASSERT(x != NULL);
    security_fields(x, c->policy, c->cache);
    cors_fields(c);
    http_header(x, "X-Request-Id", span_str(c->request_id));
    finished(c, status);
    x->user = NULL;
    return x;
}

void rest_raw(struct rest_call *c, unsigned status, const char *content_type, span body)
{
    http_respond(head(c, status), status, content_type, body);
    call_free(c);
}

struct conn *rest_stream(struct rest_call *c, const char *content_type,
                         const struct stream_wire *wire, void *user)
{
    http_header(c->x, "X-Accel-Buffering", SPAN("no")); /* nginx: pass each piece on at once */
    struct conn *conn = http_stream(head(c, 200), content_type, wire, user);
    call_free(c);
    return conn;
}

bool rest_send_begin(struct rest_call *c, unsigned status, const char *content_type,
                     uint64_t bytes, void (*on_writable)(struct rest_call *c),
                     void (*on_abandoned)(struct rest_call *c))
{
    struct http_exchange *x = head(c, status);
    x->user = c;
    c->later = true;
    c->on_writable = on_writable;
    c->on_abandoned = on_abandoned;
    if (!http_respond_begin(x, status, content_type, bytes)) {
        call_free(c);
        return false;
    }
    return true;
}

enum http_sent rest_send(struct rest_call *c, span bytes)
{
    enum http_sent sent = http_respond_more(c->x, bytes);
    if (sent == HTTP_SENT_ALL) {
        call_free(c);
    }
    return sent;
}

void rest_send_cut(struct rest_call *c)
{
    struct conn *conn = c->x->conn;
    c->x->user = NULL;
    call_free(c);
    conn_close(conn, CLOSE_INTERNAL);
}

/* --- success --- */

static void answer_data(struct rest_call *c, unsigned status, span data, span next_cursor)
{
    envelope_write(&c->body, c->x->path, data, next_cursor, loop_wall_ms(c->edge->loop));
    rest_raw(c, status, JSON_TYPE, buf_span(&c->body));
}

void rest_ok(struct rest_call *c, span data) { answer_data(c, 200, data, SPAN_NONE); }

void rest_created(struct rest_call *c, span data, span location)
{
    if (location.len > 0) {
        rest_header(c, "Location", location);
    }
    answer_data(c, 201, data, SPAN_NONE);
}

void rest_accepted(struct rest_call *c, span data, span location)
{
    rest_header(c, "Location", location);
    answer_data(c, 202, data, SPAN_NONE);
}

void rest_ok_list(struct rest_call *c, span data, span next_cursor)
{
    answer_data(c, 200, data, next_cursor);
}

void rest_no_content(struct rest_call *c) { rest_raw(c, 204, NULL, SPAN_NONE); }

/* Whether the peer has `data` already; then it has been answered. Weak: the envelope's timestamp
 * and codings differ while the data is the same (RFC 9110 8.8.1). */
static bool not_modified(struct rest_call *c, span data)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    char etag[3 + 2 * ETAG_BYTES + 2] = "W/\"";
    digest_sha256(data.ptr, data.len, digest);
    hex_encode(span_of(digest, ETAG_BYTES), etag + 3);
    memcpy(etag + 3 + 2 * ETAG_BYTES, "\"", 2);
    rest_header(c, "ETag", span_str(etag));
    span known = http1_field(c->x->req, "If-None-Match");
    if (known.ptr == NULL || !http1_etag_matches(known, span_str(etag))) {
        return false;
    }
    rest_raw(c, 304, NULL, SPAN_NONE);
    return true;
}

void rest_ok_cached(struct rest_call *c, span data)
{
    if (!not_modified(c, data)) {
        rest_ok(c, data);
    }
}

void rest_raw_cached(struct rest_call *c, const char *content_type, span body)
{
    if (!not_modified(c, body)) {
        rest_raw(c, 200, content_type, body);
    }
}

static span version_etag(int64_t version, char text[32])
{
    snprintf(text, 32, "\"v%lld\"", (long long)version);
    return span_str(text);
}

void rest_etag_version(struct rest_call *c, int64_t version)
{
    char text[32];
    rest_header(c, "ETag", version_etag(version, text));
}

err rest_if_match(const struct rest_call *c, int64_t version)
{
    char text[32];
    span wanted = http1_field(c->x->req, "If-Match");
    if (wanted.ptr == NULL || http1_etag_matches_strong(wanted, version_etag(version, text))) {
        return ERR_NONE;
    }
    return ERR_PRECONDITION_FAILED;
}

/* --- failure --- */

void answer_error(struct rest_call *c, err e, unsigned status, const char *detail,
                  const struct rest_fault *faults, unsigned fault_count)
{
    stats_add(&c->edge->stats.errors[STATS_HTTP][e], 1);
    if (status >= 500 && e != ERR_COMMAND_EXECUTION_FAILED) { /* that is a device's failure */
        LOG(loop_log(c->edge->loop), LOG_WARN, "error", LOG_STR("what", "http"),
            LOG_STR("error", err_name(e)), LOG_STR("req", c->request_id),
            LOG_STR("route", c->route == NULL ? "none" : c->route->name));
    }
    if (status == 401) {
        rest_header(c, "WWW-Authenticate", SPAN("Bearer"));
    }
    struct problem p = {.error = e, .status = status, .detail = detail, .said = c->said,
                        .path = c->x->path, .faults = faults, .fault_count = fault_count,
                        .details = c->details};
    problem_write(&c->body, &p, loop_wall_ms(c->edge->loop));
    rest_raw(c, status, PROBLEM_TYPE, buf_span(&c->body));
}

void rest_error(struct rest_call *c, err e, const char *detail)
{
    answer_error(c, e, (unsigned)err_status(e), detail, NULL, 0);
}

void rest_invalid(struct rest_call *c, const char *detail, const struct rest_fault *faults,
                  unsigned count)
{
    answer_error(c, ERR_INVALID_REQUEST, 400, detail, faults, count);
}

void rest_retry_later(struct rest_call *c, err e, uint32_t retry_after_ms)
{
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", retry_after_ms / 1000 + (retry_after_ms % 1000 != 0));
    rest_header(c, "Retry-After", span_str(seconds));
    rest_error(c, e, NULL);
}

static err error_of_status(unsigned status)
{
    static const err rows[] = {ERR_INVALID_REQUEST,     ERR_REQUEST_TIMEOUT,
                               ERR_LENGTH_REQUIRED,     ERR_BODY_TOO_LARGE,
                               ERR_URI_TOO_LONG,        ERR_EXPECTATION_FAILED,
                               ERR_UPGRADE_REQUIRED,    ERR_HEADERS_TOO_LARGE,
                               ERR_NOT_IMPLEMENTED,     ERR_VERSION_NOT_SUPPORTED};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((unsigned)err_status(rows[i]) == status) {
            return rows[i];
        }
    }
    return ERR_INVALID_REQUEST;
}

void rest_broken(struct rest_call *c)
{
    unsigned status = (unsigned)c->x->refused_status;
    answer_error(c, error_of_status(status), status, c->x->refused_why, NULL, 0);
}

void answer_refused(struct http_exchange *x, unsigned status, const char *why)
{
    struct edge *e = edge_of(x->conn);
    err error = error_of_status(status);
    if (x->user != NULL) {
        answer_error(x->user, error, status, why, NULL, 0);
        return;
    }
    stats_add(&e->stats.errors[STATS_HTTP][error], 1);
    stats_add(&e->stats.requests[ROUTE_COUNT][status / 100 % 6], 1);
    buf body = {0};
    struct problem p = {.error = error, .status = status, .detail = why,
                        .path = x->path.len > 0 ? x->path : SPAN("/")};
    problem_write(&body, &p, loop_wall_ms(e->loop));
    security_fields(x, NULL, NULL);
    http_respond(x, status, PROBLEM_TYPE, buf_span(&body));
    buf_deinit(&body);
}
