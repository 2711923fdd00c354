#include "codec/http1/list.h"

/* The position of the comma that ends the element at the front of `s`, or s.len. */
static size_t element_end(span s)
{
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (quoted && c == '\\') {
            i++; /* quoted-pair, RFC 9110 5.6.4 */
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            return i;
        }
    }
    return s.len;
}

bool http1_list_next(span *rest, span *element)
{
    while (rest->len > 0) {
        size_t end = element_end(*rest);
        *element = span_trim(span_slice(*rest, 0, end));
        *rest = span_slice(*rest, end + 1, rest->len);
        if (element->len > 0) {
            return true;
        }
    }
    return false;
}

bool http1_list_has(span value, span token)
{
    while (value.len > 0) {
        if (span_ieq(span_trim(span_cut(&value, ',')), token)) {
            return true;
        }
    }
    return false;
}

/* qvalue = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3"0" ], in thousandths; 0 when malformed. */
static int qvalue(span q)
{
    if (q.len < 1 || q.len > 5 || (q.ptr[0] != '0' && q.ptr[0] != '1') ||
        (q.len > 1 && q.ptr[1] != '.')) {
        return 0;
    }
    int weight = q.ptr[0] - '0';
    for (size_t i = 2; i < 5; i++) {
        uint8_t c = i < q.len ? q.ptr[i] : '0';
        if (c < '0' || c > '9') {
            return 0;
        }
        weight = weight * 10 + (c - '0');
    }
    return weight > 1000 ? 0 : weight;
}

int http1_list_weight(span value, span coding)
{
    span element;
    while (http1_list_next(&value, &element)) {
        span params = element;
        if (!span_ieq(span_trim(span_cut(&params, ';')), coding)) {
            continue;
        }
        params = span_trim(params);
        if (params.len == 0) {
            return 1000;
        }
        bool weighted = params.len > 2 && (params.ptr[0] | 0x20) == 'q' && params.ptr[1] == '=';
        return weighted ? qvalue(span_slice(params, 2, params.len)) : 0;
    }
    return -1;
}

static bool is_weak(span etag)
{
    return span_starts(etag, SPAN("W/"));
}

static bool etag_listed(span list, span etag, bool weak_too)
{
    if (span_eq(span_trim(list), SPAN("*"))) {
        return true;
    }
    if (!weak_too && is_weak(etag)) {
        return false;
    }
    span opaque = is_weak(etag) ? span_slice(etag, 2, etag.len) : etag;
    while (true) {
        /* Not http1_list_next: a backslash inside an entity tag escapes nothing (8.8.3). */
        list = span_trim(list);
        while (list.len > 0 && list.ptr[0] == ',') {
            list = span_trim(span_slice(list, 1, list.len));
        }
        bool weak = is_weak(list);
        span tag = weak ? span_slice(list, 2, list.len) : list;
        if (tag.len == 0 || tag.ptr[0] != '"') {
            return false;
        }
        ptrdiff_t close = span_find(span_slice(tag, 1, tag.len), '"');
        if (close < 0) {
            return false;
        }
        if ((weak_too || !weak) && span_eq(span_slice(tag, 0, (size_t)close + 2), opaque)) {
            return true;
        }
        list = span_slice(tag, (size_t)close + 2, tag.len);
    }
}

bool http1_etag_matches(span if_none_match, span etag)
{
    return etag_listed(if_none_match, etag, true);
}

bool http1_etag_matches_strong(span if_match, span etag)
{
    return etag_listed(if_match, etag, false);
}
