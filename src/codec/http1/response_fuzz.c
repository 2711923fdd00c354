/*
 * Any bytes as a response head, the first byte choosing the request's method: the same result
 * whole and byte by byte, spans inside the input, framing without contradiction.
 */
#include "codec/http1/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const struct http1_response *res, span head)
{
    ASSERT(res->status >= 100 && res->status <= 599 && res->minor <= 1);
    ASSERT(res->chunked + res->until_close + (res->content_length >= 0) <= 1);
    ASSERT(!(res->keep_alive && res->until_close));
    ASSERT(res->reason.ptr >= head.ptr && res->reason.ptr + res->reason.len <= head.ptr + head.len);
    for (size_t i = 0; i < res->fields.count; i++) {
        span name = res->fields.items[i].name;
        span value = res->fields.items[i].value;
        ASSERT(name.ptr > head.ptr && value.ptr > name.ptr + name.len);
        ASSERT(value.ptr + value.len < head.ptr + head.len && http1_value_ok(value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_response res;
    if (size == 0) {
        return 0;
    }
    const struct http1_limits lim = {
        .request_line_bytes_max = 200, .head_bytes_max = 1000, .fields_max = 8};
    enum http1_method method = (enum http1_method)(data[0] % HTTP1_METHOD_COUNT);
    span in = span_of(data + 1, size - 1);
    struct http1_scan scan = {0};
    int whole = http1_response_parse(in, &lim, &scan, method, &res);
    ASSERT(whole <= (int)in.len);
    if (whole > 0) {
        check_accepted(&res, span_slice(in, 0, (size_t)whole));
    }
    scan = (struct http1_scan){0};
    int result = 0;
    for (size_t len = 0; len <= in.len && result == 0; len++) {
        result = http1_response_parse(span_of(in.ptr, len), &lim, &scan, method, &res);
    }
    ASSERT(result == whole);
    return 0;
}
