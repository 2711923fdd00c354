#include "codec/http1/request.h"

#include "codec/http1/authority.h"
#include "codec/http1/chars.h"
#include "codec/http1/head.h"

static const char *const method_names[HTTP1_METHOD_COUNT] = {
    [HTTP1_GET] = "GET",     [HTTP1_HEAD] = "HEAD",     [HTTP1_POST] = "POST",
    [HTTP1_PUT] = "PUT",     [HTTP1_PATCH] = "PATCH",   [HTTP1_DELETE] = "DELETE",
    [HTTP1_OPTIONS] = "OPTIONS",
};

const char *http1_method_name(enum http1_method method)
{
    ASSERT(method < HTTP1_METHOD_COUNT);
    return method_names[method];
}

static int method_of(span text, enum http1_method *out)
{
    for (int m = 0; m < HTTP1_METHOD_COUNT; m++) {
        if (span_eq(text, span_str(method_names[m]))) {
            *out = (enum http1_method)m;
            return 0;
        }
    }
    return HTTP1_ERR_UNKNOWN_METHOD; /* RFC 9110 9.1; names are case-sensitive */
}

/* Splits path and query and checks their characters. */
static int path_and_query(span text, struct http1_request *out)
{
    ptrdiff_t mark = span_find(text, '?');
    out->path = mark < 0 ? text : span_slice(text, 0, (size_t)mark);
    out->query = mark < 0 ? SPAN_NONE : span_slice(text, (size_t)mark + 1, text.len);
    if (!http1_all(out->path, HTTP1_C_PATH) || !http1_all(out->query, HTTP1_C_QUERY)) {
        return HTTP1_ERR_BAD_TARGET;
    }
    return http1_percent_valid(text) ? 0 : HTTP1_ERR_BAD_PERCENT;
}

/* "http://authority/path?query" (RFC 9112 3.2.2); leaves the authority in out->host. */
static int absolute_form(span text, struct http1_request *out)
{
    size_t scheme = span_ieq(span_slice(text, 0, 7), SPAN("http://"))    ? 7
                    : span_ieq(span_slice(text, 0, 8), SPAN("https://")) ? 8
                                                                          : 0;
    if (scheme == 0) {
        return HTTP1_ERR_BAD_TARGET;
    }
    size_t end = scheme;
    while (end < text.len && text.ptr[end] != '/' && text.ptr[end] != '?') {
        end++;
    }
    out->host = span_slice(text, scheme, end - scheme);
    if (!http1_authority_valid(out->host)) {
        return HTTP1_ERR_BAD_TARGET;
    }
    int error = path_and_query(span_slice(text, end, text.len), out);
    if (out->path.len == 0) {
        out->path = SPAN("/"); /* RFC 9110 4.2.3: an empty path means "/" */
    }
    return error;
}

static int target(struct http1_request *out)
{
    span text = out->target;
    out->host = SPAN_NONE;
    if (text.ptr[0] == '/') {
        return path_and_query(text, out);
    }
    if (text.ptr[0] == '*') {
        out->path = text;
        out->query = SPAN_NONE;
        bool allowed = text.len == 1 && out->method == HTTP1_OPTIONS; /* RFC 9112 3.2.4 */
        return allowed ? 0 : HTTP1_ERR_BAD_TARGET;
    }
    return absolute_form(text, out);
}

static int request_line(span line, struct http1_request *out)
{
    span rest = line;
    out->method_text = span_cut(&rest, ' ');
    if (!http1_all(out->method_text, HTTP1_C_TOKEN)) {
        return HTTP1_ERR_BAD_METHOD;
    }
    out->target = span_cut(&rest, ' ');
    if (out->target.len == 0 || rest.len == 0) {
        return HTTP1_ERR_BAD_REQUEST_LINE; /* HTTP/0.9, or more than one space */
    }
    int minor = http1_head_version(rest);
    if (minor < 0) {
        return minor;
    }
    out->minor = (uint8_t)minor;
    int error = method_of(out->method_text, &out->method);
    return error < 0 ? error : target(out);
}

/* RFC 9112 3.2: 400 for a request without, with two, or with a malformed Host. */
static int host(const struct http1_facts *facts, struct http1_request *out)
{
    if (facts->host_count > 1) {
        return HTTP1_ERR_HOST_TWICE;
    }
    if (facts->host_count == 0) {
        return out->minor == 1 ? HTTP1_ERR_HOST_MISSING : 0;
    }
    if (!http1_authority_valid(facts->host)) {
        return HTTP1_ERR_BAD_HOST;
    }
    if (out->host.ptr == NULL) {
        out->host = facts->host; /* else 3.2.2: the target's authority replaces the field */
    }
    return 0;
}

static int head_decode(const struct http1_head *head, const struct http1_limits *lim,
                       struct http1_request *out)
{
    int error = request_line(head->start_line, out);
    if (error < 0) {
        return error;
    }
    error = http1_head_fields(head->lines, lim->fields_max, &out->fields);
    if (error < 0) {
        return error;
    }
    struct http1_facts facts;
    error = http1_head_facts(&out->fields, out->minor, &facts);
    if (error < 0) {
        return error;
    }
    error = host(&facts, out);
    if (error < 0) {
        return error;
    }
    bool modern = out->minor == 1;
    if (modern && facts.expect_unknown) {
        return HTTP1_ERR_BAD_EXPECT; /* RFC 9110 10.1.1; HTTP/1.0 senders are not understood */
    }
    out->content_length = facts.content_length;
    out->chunked = facts.chunked;
    out->keep_alive = !facts.close && (modern || facts.keep_alive);
    out->upgrade_websocket = modern && facts.upgrade && facts.websocket;
    out->expect_continue = modern && facts.expect && http1_request_has_body(out);
    out->accept_gzip =
        facts.coding_wanted && http1_fields_accept_coding(&out->fields, SPAN("gzip"));
    return 0;
}

int http1_request_parse(span in, const struct http1_limits *lim, struct http1_scan *scan,
                        struct http1_request *out)
{
    struct http1_head head;
    int result = http1_head_find(in, lim, true, scan, &head);
    if (result == 0) {
        return 0;
    }
    *scan = (struct http1_scan){0};
    if (result > 0) {
        int error = head_decode(&head, lim, out);
        result = error < 0 ? error : result;
    }
    return result;
}

span http1_field(const struct http1_request *req, const char *name)
{
    return http1_fields_get(&req->fields, span_str(name));
}

size_t http1_field_count(const struct http1_request *req, const char *name)
{
    return http1_fields_count(&req->fields, span_str(name));
}
