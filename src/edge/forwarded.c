#include "edge/forwarded.h"

static bool digits(span text)
{
    uint64_t port;
    return text.len > 0 && text.len <= 5 && span_u64(text, 65535, &port);
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static bool entry_address(span entry, struct sockaddr_storage *out)
{
    if (entry.ptr[0] == '[') {
        ptrdiff_t end = span_find(entry, ']');
        if (end < 0) {
            return false;
        }
        span host = span_slice(entry, 1, (size_t)end - 1);
        span rest = span_slice(entry, (size_t)end + 1, entry.len);
        bool port = rest.len == 0 || (rest.ptr[0] == ':' && digits(span_slice(rest, 1, rest.len)));
        return port && span_find(host, ':') >= 0 && trust_address(host, out);
    }
    ptrdiff_t colon = span_find(entry, ':');
    span behind = colon < 0 ? SPAN_NONE : span_slice(entry, (size_t)colon + 1, entry.len);
    if (colon > 0 && span_find(behind, ':') < 0) {
        return digits(behind) && trust_address(span_slice(entry, 0, (size_t)colon), out);
    }
    return trust_address(entry, out);
}

/* Cuts the last element off a list; false when nothing is left. */
static bool list_last(span *list, span *element)
{
    while (list->len > 0) {
        size_t at = list->len;
        while (at > 0 && list->ptr[at - 1] != ',') {
            at--;
        }
        *element = span_trim(span_slice(*list, at, list->len));
        *list = span_slice(*list, 0, at == 0 ? 0 : at - 1);
        if (element->len > 0) {
            return true;
        }
    }
    return false;
}

/* Walks one line; true when the walk is over. */
static bool walk_line(span line, const struct trust *t, unsigned *hops, struct forwarded *out)
{
    span element;
    while (list_last(&line, &element)) {
        struct sockaddr_storage addr;
        if (!entry_address(element, &addr)) {
            return true;
        }
        out->client = addr;
        out->has_client = true;
        if (!trust_holds(t, &addr) || ++*hops == FORWARDED_HOPS_MAX) {
            return true;
        }
    }
    return false;
}

static void read_client(const struct http1_request *req, const struct trust *t,
                        struct forwarded *out)
{
    unsigned hops = 0;
    for (size_t i = req->fields.count; i > 0; i--) {
        const struct http1_field *f = &req->fields.items[i - 1];
        if (span_ieq(f->name, SPAN("X-Forwarded-For")) && walk_line(f->value, t, &hops, out)) {
            return;
        }
    }
}

/* The field's one value; ptr NULL when it is absent, stands twice, is empty or is a list. */
static span one_value(const struct http1_request *req, const char *name)
{
    span value = http1_field(req, name);
    bool one = http1_field_count(req, name) == 1 && value.len > 0 && span_find(value, ',') < 0;
    return one ? value : SPAN_NONE;
}

void forwarded_read(const struct http1_request *req, const struct trust *t, struct forwarded *out)
{
    *out = (struct forwarded){0};
    read_client(req, t, out);
    span scheme = one_value(req, "X-Forwarded-Proto");
    out->scheme = span_ieq(scheme, SPAN("https")) ? SCHEME_HTTPS
                  : span_ieq(scheme, SPAN("http")) ? SCHEME_HTTP
                                                   : SCHEME_UNTOLD;
    out->host = one_value(req, "X-Forwarded-Host");
}
