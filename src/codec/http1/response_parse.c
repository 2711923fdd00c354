#include "codec/http1/chars.h"
#include "codec/http1/head.h"
#include "codec/http1/response.h"

/* status-line = HTTP-version SP 3DIGIT SP [ reason-phrase ] (RFC 9112 4) */
static int status_line(span line, struct http1_response *out)
{
    int minor = http1_head_version(span_slice(line, 0, 8));
    if (minor < 0) {
        return minor;
    }
    if (line.len < 13 || line.ptr[8] != ' ' || line.ptr[12] != ' ') {
        return HTTP1_ERR_BAD_STATUS_LINE;
    }
    uint64_t status;
    out->reason = span_slice(line, 13, line.len);
    if (!span_u64(span_slice(line, 9, 3), 599, &status) || status < 100 ||
        !http1_all(out->reason, HTTP1_C_VALUE)) {
        return HTTP1_ERR_BAD_STATUS_LINE;
    }
    out->minor = (uint8_t)minor;
    out->status = (uint16_t)status;
    return 0;
}

/* RFC 9112 6.3 */
static void framing(const struct http1_facts *facts, enum http1_method method,
                    struct http1_response *out)
{
    bool lengthless = out->status < 200 || out->status == 204 || out->status == 304;
    bool bodyless = lengthless || method == HTTP1_HEAD;
    out->content_length = lengthless ? -1 : facts->content_length;
    out->chunked = facts->chunked && !bodyless;
    out->until_close = !bodyless && !facts->chunked && facts->content_length < 0;
    out->keep_alive = !facts->close && !out->until_close && (out->minor == 1 || facts->keep_alive);
    out->upgrade_websocket =
        out->status == 101 && out->minor == 1 && facts->upgrade && facts->websocket;
}

static int head_decode(const struct http1_head *head, const struct http1_limits *lim,
                       enum http1_method method, struct http1_response *out)
{
    int error = status_line(head->start_line, out);
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
    framing(&facts, method, out);
    return 0;
}

int http1_response_parse(span in, const struct http1_limits *lim, struct http1_scan *scan,
                         enum http1_method method, struct http1_response *out)
{
    struct http1_head head;
    int result = http1_head_find(in, lim, false, scan, &head);
    if (result == 0) {
        return 0;
    }
    *scan = (struct http1_scan){0};
    if (result == HTTP1_ERR_REQUEST_LINE_TOO_LONG) {
        return HTTP1_ERR_HEAD_TOO_LARGE;
    }
    if (result > 0) {
        int error = head_decode(&head, lim, method, out);
        result = error < 0 ? error : result;
    }
    return result;
}

span http1_response_field(const struct http1_response *res, const char *name)
{
    return http1_fields_get(&res->fields, span_str(name));
}
