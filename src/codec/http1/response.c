/* Encoding of heads and chunks; decoding of responses is in response_parse.c. */
#include "codec/http1/response.h"

#include "base/timefmt.h"
#include "codec/http1/authority.h"
#include "codec/http1/chars.h"

#include <stdio.h>

#define DATE_TEXT_BYTES 30

const char *http1_reason(unsigned status) /* tidy: long: a table */
{
    switch (status) { /* RFC 9110 15; 426 and 429 from RFC 6585 and 9110 */
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "";
    }
}

bool http1_value_ok(span value)
{
    return http1_all(value, HTTP1_C_VALUE);
}

static void put(buf *out, span name, span value)
{
    ASSERT(name.len > 0 && http1_all(name, HTTP1_C_TOKEN) && http1_value_ok(value));
    uint8_t *p = buf_reserve(out, name.len + value.len + 4);
    memcpy(p, name.ptr, name.len);
    p += name.len;
    *p++ = ':';
    *p++ = ' ';
    if (value.len > 0) {
        memcpy(p, value.ptr, value.len);
        p += value.len;
    }
    *p++ = '\r';
    *p = '\n';
    out->len += name.len + value.len + 4;
}

void http1_response_begin(buf *out, unsigned status, int64_t date_ms)
{
    ASSERT(status >= 100 && status <= 599);
    buf_append_span(out, SPAN("HTTP/1.1 "));
    buf_append_u64(out, status);
    buf_append_byte(out, ' '); /* stands even before an empty reason (RFC 9112 4) */
    buf_append_str(out, http1_reason(status));
    buf_append_span(out, SPAN("\r\n"));
    if (date_ms >= 0) {
        char text[DATE_TEXT_BYTES];
        time_format_http(date_ms, text);
        put(out, SPAN("Date"), span_str(text));
    }
}

static bool target_sendable(span target)
{
    for (size_t i = 0; i < target.len; i++) {
        if (target.ptr[i] <= ' ' || target.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return target.len > 0;
}

void http1_request_begin(buf *out, enum http1_method method, span target, span host)
{
    ASSERT(target_sendable(target) && http1_authority_valid(host));
    buf_append_str(out, http1_method_name(method));
    buf_append_byte(out, ' ');
    buf_append_span(out, target);
    buf_append_span(out, SPAN(" HTTP/1.1\r\n"));
    put(out, SPAN("Host"), host);
}

void http1_put(buf *out, span name, span value)
{
    ASSERT(!span_ieq(name, SPAN("Content-Length")) && !span_ieq(name, SPAN("Transfer-Encoding")));
    put(out, name, value);
}

void http1_put_str(buf *out, const char *name, const char *value)
{
    http1_put(out, span_str(name), span_str(value));
}

static span decimal(uint64_t value, uint8_t text[20])
{
    size_t at = 20;
    do {
        text[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return span_of(text + at, 20 - at);
}

void http1_put_u64(buf *out, const char *name, uint64_t value)
{
    uint8_t text[20];
    http1_put(out, span_str(name), decimal(value, text));
}

void http1_head_end(buf *out, enum http1_framing framing, uint64_t body_bytes)
{
    if (framing == HTTP1_LENGTH) {
        uint8_t text[20];
        put(out, SPAN("Content-Length"), decimal(body_bytes, text));
    } else if (framing == HTTP1_CHUNKED) {
        put(out, SPAN("Transfer-Encoding"), SPAN("chunked"));
    }
    buf_append_span(out, SPAN("\r\n"));
}

void http1_chunk(buf *out, span data)
{
    if (data.len == 0) {
        return;
    }
    char size[20];
    int n = snprintf(size, sizeof size, "%zx\r\n", data.len);
    buf_append(out, size, (size_t)n);
    buf_append_span(out, data);
    buf_append_span(out, SPAN("\r\n"));
}

void http1_chunk_last(buf *out)
{
    buf_append_span(out, SPAN("0\r\n\r\n"));
}
