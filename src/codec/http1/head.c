#include "codec/http1/head.h"

#include "base/assert.h"
#include "codec/http1/chars.h"
#include "codec/http1/list.h"

/* More digits than this are no length that anyone sends; 15 keep all sums far from overflow. */
#define LENGTH_DIGITS_MAX 15

static int find_start(span in, bool leading_crlf, size_t *start)
{
    *start = 0;
    if (leading_crlf && in.ptr[0] == '\r') {
        if (in.len >= 2 && in.ptr[1] != '\n') {
            return HTTP1_ERR_BARE_CR;
        }
        *start = 2;
    } else if (in.ptr[0] == '\n') {
        return HTTP1_ERR_BARE_LF;
    }
    /* Both start lines begin with a token; a TLS hello or a second empty line ends here. */
    if (in.len > *start && !http1_is(in.ptr[*start], HTTP1_C_TOKEN)) {
        return HTTP1_ERR_BAD_START;
    }
    return 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

int http1_head_find(span in, const struct http1_limits *lim, bool leading_crlf,
                    struct http1_scan *scan, struct http1_head *head)
{
    ASSERT(lim->head_bytes_max <= INT32_MAX && lim->request_line_bytes_max <= INT32_MAX);
    if (in.len == 0) {
        return 0;
    }
    size_t start;
    int error = find_start(in, leading_crlf, &start);
    if (error < 0) {
        return error;
    }
    size_t pos = scan->pos > start ? scan->pos : start;
    size_t first_line_end = start + lim->request_line_bytes_max + 2;
    size_t limit = least(in.len, lim->head_bytes_max);
    while (pos < limit) {
        size_t end = scan->line_bytes == 0 ? least(limit, first_line_end) : limit;
        const uint8_t *lf = end > pos ? memchr(in.ptr + pos, '\n', end - pos) : NULL;
        if (lf == NULL) {
            pos = end;
            break;
        }
        size_t at = (size_t)(lf - in.ptr);
        /* RFC 9112 2.2 allows to take a bare LF for a line end; two readers that differ in this
         * see different messages, so it is refused. */
        if (at == start || in.ptr[at - 1] != '\r') {
            return HTTP1_ERR_BARE_LF;
        }
        pos = at + 1;
        if (scan->line_bytes == 0) {
            scan->line_bytes = (uint32_t)(at - 1 - start);
        } else if (in.ptr[at - 2] == '\n') {
            head->start_line = span_of(in.ptr + start, scan->line_bytes);
            size_t lines = start + scan->line_bytes + 2;
            head->lines = span_of(in.ptr + lines, pos - lines);
            return (int)pos;
        }
    }
    scan->pos = (uint32_t)pos;
    if (pos >= lim->head_bytes_max) {
        return HTTP1_ERR_HEAD_TOO_LARGE;
    }
    if (scan->line_bytes == 0 && pos >= first_line_end) {
        return HTTP1_ERR_REQUEST_LINE_TOO_LONG;
    }
    return 0;
}

int http1_head_fields(span lines, size_t fields_max, struct http1_fields *out)
{
    /* The lines end with an empty one, and neither names nor values go past a CR, so the walk
     * needs no other bound. */
    const uint8_t *p = lines.ptr;
    const uint8_t *end = lines.ptr + lines.len - 2;
    size_t cap = least(fields_max, HTTP1_FIELDS_CAP);
    out->count = 0;
    while (p < end) {
        const uint8_t *name = p;
        while (http1_is(*p, HTTP1_C_TOKEN)) {
            p++;
        }
        if (p == name && (*p == ' ' || *p == '\t')) {
            return HTTP1_ERR_FOLDED_FIELD; /* RFC 9112 2.2, 5.2 */
        }
        if (p == name || *p != ':') {
            return HTTP1_ERR_BAD_FIELD_NAME; /* RFC 9112 5.1: no space before the colon */
        }
        span field_name = span_of(name, (size_t)(p - name));
        p++;
        while (*p == ' ' || *p == '\t') {
            p++;
        }
        const uint8_t *value = p;
        while (http1_is(*p, HTTP1_C_VALUE)) {
            p++;
        }
        if (p[0] != '\r') {
            return HTTP1_ERR_BAD_FIELD_VALUE;
        }
        if (p[1] != '\n') {
            return HTTP1_ERR_BARE_CR;
        }
        const uint8_t *last = p;
        while (last > value && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }
        p += 2;
        if (out->count == cap) {
            return HTTP1_ERR_TOO_MANY_FIELDS;
        }
        out->items[out->count++] =
            (struct http1_field){field_name, span_of(value, (size_t)(last - value))};
    }
    return 0;
}

/* RFC 9112 5.1 allows tabs around any value. Around the two that frame the message no sender
 * writes them and readers differ, so there they are refused. Reads the field's own line only. */
static bool tab_padded(const struct http1_field *f)
{
    for (const uint8_t *p = f->name.ptr + f->name.len; p < f->value.ptr; p++) {
        if (*p == '\t') {
            return true;
        }
    }
    for (const uint8_t *p = f->value.ptr + f->value.len; *p != '\r'; p++) {
        if (*p == '\t') {
            return true;
        }
    }
    return false;
}

static int content_length(const struct http1_field *f, struct http1_facts *out)
{
    span value = f->value;
    /* RFC 9112 6.3 rule 5 lets equal values pass; a sender that repeats itself is refused. */
    if (out->content_length >= 0) {
        return HTTP1_ERR_CONTENT_LENGTH_TWICE;
    }
    if (value.len == 0 || tab_padded(f)) {
        return HTTP1_ERR_BAD_CONTENT_LENGTH;
    }
    int64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') {
            return HTTP1_ERR_BAD_CONTENT_LENGTH;
        }
        length = i < LENGTH_DIGITS_MAX ? length * 10 + (value.ptr[i] - '0') : length;
    }
    if (value.len > LENGTH_DIGITS_MAX) {
        return HTTP1_ERR_CONTENT_LENGTH_TOO_LARGE;
    }
    out->content_length = length;
    return 0;
}

static int transfer_coding(const struct http1_field *f, struct http1_facts *out)
{
    span value = f->value;
    if (out->chunked || tab_padded(f)) {
        return HTTP1_ERR_BAD_CODING; /* a second field line, or padding that readers differ in */
    }
    if (span_ieq(value, SPAN("chunked"))) {
        out->chunked = true;
        return 0;
    }
    /* "gzip, chunked" is well formed but not implemented (RFC 9112 6.1: 501); a parameter, an
     * empty element or chunked anywhere but once at the end is malformed (6.3 rule 4: 400). */
    span rest = value;
    bool chunked = false;
    do {
        span element = span_trim(span_cut(&rest, ','));
        if (chunked || element.len == 0 || !http1_all(element, HTTP1_C_TOKEN)) {
            return HTTP1_ERR_BAD_CODING;
        }
        chunked = span_ieq(element, SPAN("chunked"));
    } while (rest.ptr != NULL);
    return HTTP1_ERR_UNKNOWN_CODING;
}

static int fact(const struct http1_field *f, struct http1_facts *out)
{
    switch (f->name.len) {
    case 4:
        if (span_ieq(f->name, SPAN("Host"))) {
            out->host = f->value;
            out->host_count++;
        }
        return 0;
    case 6:
        if (span_ieq(f->name, SPAN("Expect"))) {
            bool known = span_ieq(f->value, SPAN("100-continue"));
            out->expect |= known;
            out->expect_unknown |= !known;
        }
        return 0;
    case 7:
        if (span_ieq(f->name, SPAN("Upgrade"))) {
            out->websocket |= http1_list_has(f->value, SPAN("websocket"));
        }
        return 0;
    case 10:
        if (span_ieq(f->name, SPAN("Connection"))) {
            out->close |= http1_list_has(f->value, SPAN("close"));
            out->keep_alive |= http1_list_has(f->value, SPAN("keep-alive"));
            out->upgrade |= http1_list_has(f->value, SPAN("upgrade"));
        }
        return 0;
    case 14:
        return span_ieq(f->name, SPAN("Content-Length")) ? content_length(f, out) : 0;
    case 15:
        out->coding_wanted |= span_ieq(f->name, SPAN("Accept-Encoding"));
        return 0;
    case 17:
        return span_ieq(f->name, SPAN("Transfer-Encoding")) ? transfer_coding(f, out) : 0;
    default:
        return 0;
    }
}

int http1_head_facts(const struct http1_fields *fields, unsigned minor, struct http1_facts *out)
{
    *out = (struct http1_facts){.content_length = -1};
    for (size_t i = 0; i < fields->count; i++) {
        int error = fact(&fields->items[i], out);
        if (error < 0) {
            return error;
        }
    }
    if (out->chunked && out->content_length >= 0) {
        return HTTP1_ERR_LENGTH_AND_CODING; /* RFC 9112 6.3 rule 3 */
    }
    if (out->chunked && minor == 0) {
        return HTTP1_ERR_CODING_IN_1_0; /* RFC 9112 6.1: faulty framing */
    }
    return 0;
}

int http1_head_version(span text)
{
    if (text.len != 8 || memcmp(text.ptr, "HTTP/", 5) != 0 || text.ptr[5] < '0' ||
        text.ptr[5] > '9' || text.ptr[6] != '.' || text.ptr[7] < '0' || text.ptr[7] > '9') {
        return HTTP1_ERR_BAD_VERSION;
    }
    if (text.ptr[5] != '1' || text.ptr[7] > '1') {
        return HTTP1_ERR_UNSUPPORTED_VERSION;
    }
    return text.ptr[7] - '0';
}
