/*
 * Any head, against a server on loopback and one that is not: nothing that did not name us may
 * count as ours. The bytes are a request; what does not parse is not looked at.
 */
#include "edge/access.h"

#include "base/assert.h"
#include "edge/rest/match.h"
#include "loop/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_site(const struct http1_request *req, const char *local_text, bool loopback)
{
    struct sockaddr_storage local;
    socklen_t len;
    bool parsed = addr_parse(span_str(local_text), &local, &len);
    ASSERT(parsed);
    const struct access_site site = {"box.example", "https://app.example", &local, SCHEME_UNTOLD,
                                     SPAN_NONE};
    span name, port;
    if (req->host.ptr != NULL && host_admitted(&site, req->host)) {
        bool split = host_split(req->host, &name, &port);
        ASSERT(split && name.len > 0);
        ASSERT(!host_is_loopback(name) || loopback);
    }
    enum origin_verdict v = origin_judge(&site, req);
    ASSERT(v != ORIGIN_ANY); /* nobody said "*" */
    ASSERT(v != ORIGIN_ABSENT || http1_field_count(req, "Origin") == 0);
    ASSERT(v == ORIGIN_REFUSED || !span_eq(http1_field(req, "Origin"), SPAN("null")));
}

static void check_credential(const struct http1_request *req)
{
    struct arena arena = {0};
    enum credential_from from;
    span text;
    err e = credential_find(req, &arena, &from, &text);
    ASSERT(e == ERR_NONE || e == ERR_INVALID_REQUEST);
    ASSERT(from != CREDENTIAL_NONE || text.len == 0);
    if (from == CREDENTIAL_BEARER) {
        ASSERT(http1_field_count(req, "Authorization") == 1);
    }
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_request req;
    struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    struct route_params params;
    unsigned allowed;
    if (http1_request_parse(span_of(data, size), &lim, &scan, &req) <= 0) {
        return 0;
    }
    check_site(&req, "127.0.0.1:3001", true);
    check_site(&req, "192.0.2.1:3001", false);
    check_credential(&req);
    ASSERT(!anonymous_admitted(&req, true, false) && !anonymous_admitted(&req, false, true));
    enum route r = route_find(req.method, req.path, &params, &allowed);
    ASSERT(r <= ROUTE_COUNT && params.uuid_count <= ROUTE_PARAMS_MAX);
    return 0;
}
