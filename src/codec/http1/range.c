#include "codec/http1/range.h"

enum http1_range http1_range_read(span value, uint64_t total, uint64_t *from, uint64_t *len)
{
    uint64_t first, last = 0;
    *from = 0;
    *len = total;
    if (value.ptr == NULL || value.len < 6 ||
        !span_ieq(span_slice(value, 0, 6), SPAN("bytes="))) {
        return HTTP1_RANGE_WHOLE;
    }
    span rest = span_trim(span_slice(value, 6, value.len));
    span a = span_cut(&rest, '-');
    if (rest.ptr == NULL || (a.len == 0 && rest.len == 0) ||
        (a.len > 0 && !span_u64(a, HTTP1_RANGE_MAX, &first)) ||
        (rest.len > 0 && !span_u64(rest, HTTP1_RANGE_MAX, &last)) ||
        (a.len > 0 && rest.len > 0 && last < first)) {
        return HTTP1_RANGE_WHOLE;
    }
    if (a.len == 0) { /* the last so many */
        *len = last < total ? last : total;
        *from = total - *len;
        return *len == 0 ? HTTP1_RANGE_NONE : HTTP1_RANGE_PART;
    }
    if (first >= total) {
        return HTTP1_RANGE_NONE;
    }
    *from = first;
    *len = rest.len == 0 || last >= total ? total - first : last - first + 1;
    return HTTP1_RANGE_PART;
}

bool http1_content_range_read(span value, struct http1_content_range *out)
{
    uint64_t last, total = 0;
    span rest = span_trim(value);
    if (rest.len < 6 || !span_ieq(span_slice(rest, 0, 6), SPAN("bytes "))) {
        return false;
    }
    rest = span_slice(rest, 6, rest.len);
    span a = span_cut(&rest, '-');
    if (rest.ptr == NULL || !span_u64(a, HTTP1_RANGE_MAX, &out->from)) {
        return false;
    }
    span b = span_cut(&rest, '/');
    if (rest.ptr == NULL || !span_u64(b, HTTP1_RANGE_MAX, &last) || last < out->from) {
        return false;
    }
    out->len = last - out->from + 1;
    out->total = -1;
    if (span_eq(rest, SPAN("*"))) {
        return true;
    }
    if (!span_u64(rest, HTTP1_RANGE_MAX, &total) || last >= total) {
        return false;
    }
    out->total = (int64_t)total;
    return true;
}
