/*
 * The credential of a request and the anonymous rule. A browser's page on another site can send
 * requests here but cannot choose these fields, so what they say decides who is asking.
 */
#include "edge/access.h"

#include "base/assert.h"
#include "codec/http1/cookie.h"
#include "codec/http1/list.h"
#include "codec/http1/target.h"

/* Fields that proxies add; X-Forwarded-* are found by their prefix. */
static const span proxy_fields[] = {
    {(const uint8_t *)"Forwarded", 9},
    {(const uint8_t *)"X-Real-IP", 9},
    {(const uint8_t *)"Via", 3},
};

/* "Bearer" in any case, then white space (RFC 9110 11.4, RFC 6750 2.1). */
static bool bearer_value(span value, span *token)
{
    span scheme = span_cut(&value, ' ');
    if (!span_ieq(scheme, SPAN("Bearer"))) {
        return false;
    }
    *token = span_trim(value);
    return true;
}

/* "bearer, <token>" over all lines of the field: the token is the element behind "bearer". */
static bool subprotocol_token(const struct http1_request *req, span *token)
{
    bool next = false;
    bool found = false;
    for (size_t i = 0; i < req->fields.count; i++) {
        if (!span_ieq(req->fields.items[i].name, SPAN("Sec-WebSocket-Protocol"))) {
            continue;
        }
        span rest = req->fields.items[i].value;
        span element;
        while (http1_list_next(&rest, &element)) {
            if (next) {
                *token = element;
                return true;
            }
            next = span_eq(element, SPAN("bearer"));
            found = found || next;
        }
    }
    *token = SPAN_NONE;
    return found;
}

err credential_find(const struct http1_request *req, struct arena *arena,
                    enum credential_from *from, span *text)
{
    span token = SPAN_NONE;
    *from = CREDENTIAL_NONE;
    *text = SPAN_NONE;
    if (http1_field_count(req, "Authorization") > 1 ||
        http1_query_count(req->query, SPAN("token")) > 1) {
        return ERR_INVALID_REQUEST;
    }
    span authorization = http1_field(req, "Authorization");
    span cookie = http1_cookie_get(&req->fields, SPAN(ACCESS_COOKIE));
    buf query = {0};
    if (authorization.ptr != NULL && bearer_value(authorization, &token)) {
        *from = CREDENTIAL_BEARER;
    } else if (subprotocol_token(req, &token)) {
        *from = CREDENTIAL_SUBPROTOCOL;
    } else if (cookie.ptr != NULL) {
        *from = CREDENTIAL_COOKIE;
        token = cookie;
    } else if (http1_query_get(req->query, SPAN("token"), &query)) {
        *from = CREDENTIAL_QUERY;
        token = buf_span(&query);
    }
    *text = arena_dup(arena, token);
    buf_deinit(&query);
    return ERR_NONE;
}

static bool field_is_proxy(span name)
{
    for (size_t i = 0; i < ARRAY_LEN(proxy_fields); i++) {
        if (span_ieq(name, proxy_fields[i])) {
            return true;
        }
    }
    return span_ieq(span_slice(name, 0, 12), SPAN("X-Forwarded-"));
}

bool anonymous_admitted(const struct http1_request *req, bool listener_loopback,
                        bool peer_loopback)
{
    span name, port;
    if (!listener_loopback || !peer_loopback || !host_split(req->host, &name, &port) ||
        !host_is_loopback(name)) {
        return false;
    }
    for (size_t i = 0; i < req->fields.count; i++) {
        if (field_is_proxy(req->fields.items[i].name)) {
            return false;
        }
    }
    return true;
}
