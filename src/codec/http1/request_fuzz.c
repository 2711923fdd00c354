/*
 * Any bytes as a request: the same result whole and byte by byte; spans inside the input; what
 * was accepted holds the promises of request.h; everything that reads its parts survives.
 */
#include "codec/http1/compress.h"
#include "codec/http1/cookie.h"
#include "codec/http1/list.h"
#include "codec/http1/request.h"
#include "codec/http1/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_inside(span part, span in)
{
    ASSERT(part.ptr == NULL || (part.ptr >= in.ptr && part.ptr + part.len <= in.ptr + in.len));
}

static void check_path(span path)
{
    buf once = {0};
    if (http1_path_normalize(path, &once)) {
        ASSERT(once.len > 0 && once.len <= path.len && once.ptr[0] == '/');
        ASSERT(memchr(once.ptr, 0, once.len) == NULL && memchr(once.ptr, '\\', once.len) == NULL);
        span rest = buf_span(&once);
        span segment;
        while (http1_path_next(&rest, &segment)) {
            ASSERT(!span_eq(segment, SPAN(".")) && !span_eq(segment, SPAN("..")));
        }
        ASSERT(rest.len == 0);
    }
    buf_deinit(&once);
}

static void check_query(span query)
{
    buf value = {0};
    span rest = query;
    span key;
    span raw;
    while (http1_query_next(&rest, &key, &raw)) {
        buf_clear(&value);
        ASSERT(http1_percent_decode(key, true, &value)); /* the parser checked it */
        buf found = {0};
        ASSERT(http1_query_get(query, buf_span(&value), &found));
        ASSERT(http1_query_count(query, buf_span(&value)) > 0);
        buf_deinit(&found);
    }
    buf_deinit(&value);
}

static void check_fields(const struct http1_request *req, span head)
{
    for (size_t i = 0; i < req->fields.count; i++) {
        const struct http1_field *f = &req->fields.items[i];
        assert_inside(f->name, head);
        assert_inside(f->value, head);
        ASSERT(f->name.len > 0 && f->value.ptr != NULL);
        for (size_t k = 0; k < f->value.len; k++) {
            uint8_t c = f->value.ptr[k];
            ASSERT(c == '\t' || (c >= ' ' && c != 0x7f));
        }
        (void)http1_list_weight(f->value, SPAN("gzip"));
        (void)http1_etag_matches(f->value, SPAN("\"a\""));
        (void)http1_cookie_find(f->value, SPAN("sid"));
    }
    (void)http1_coding_choose(&req->fields);
}

static void check_accepted(const struct http1_request *req, span head)
{
    assert_inside(req->target, head);
    assert_inside(req->method_text, head);
    assert_inside(req->query, head);
    assert_inside(req->host, head);
    if (req->path.len != 1) {
        assert_inside(req->path, head);
    }
    ASSERT(req->path.ptr[0] == '/' || (req->method == HTTP1_OPTIONS && req->path.ptr[0] == '*'));
    ASSERT(req->content_length >= -1 && !(req->chunked && req->content_length >= 0));
    ASSERT(req->minor == 0 || (req->host.len > 0 && http1_field_count(req, "Host") == 1));
    ASSERT(req->minor == 1 || !req->chunked);
    check_path(req->path);
    check_query(req->query);
    check_fields(req, head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_request req;
    const struct http1_limits lim = {
        .request_line_bytes_max = 200, .head_bytes_max = 1000, .fields_max = 8};
    span in = span_of(data, size);
    struct http1_scan scan = {0};
    int whole = http1_request_parse(in, &lim, &scan, &req);
    ASSERT(whole <= (int)size);
    if (whole > 0) {
        check_accepted(&req, span_slice(in, 0, (size_t)whole));
    }
    scan = (struct http1_scan){0};
    int result = 0;
    size_t len = 0;
    for (; len <= size && result == 0; len++) {
        result = http1_request_parse(span_of(data, len), &lim, &scan, &req);
    }
    ASSERT(result == whole);
    ASSERT(whole <= 0 || len - 1 == (size_t)whole);
    return 0;
}
