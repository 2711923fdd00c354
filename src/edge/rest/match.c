#include "edge/rest/match.h"

#include "codec/http1/target.h"

#include <string.h>

/* One number has one address: no leading zeros. */
static bool int_fits(span have, int64_t *out)
{
    uint64_t n;
    if (have.len == 0 || have.ptr[0] == '0' || !span_u64(have, ROUTE_INT_MAX, &n)) {
        return false;
    }
    *out = (int64_t)n;
    return true;
}

static bool segment_fits(span want, span have, struct route_params *out)
{
    if (span_eq(want, SPAN("{uuid}"))) {
        ASSERT(out->uuid_count < ROUTE_PARAMS_MAX);
        return uuid_parse(have, &out->uuids[out->uuid_count++]);
    }
    if (span_eq(want, SPAN("{int}"))) {
        ASSERT(out->int_count < ROUTE_PARAMS_MAX);
        return int_fits(have, &out->ints[out->int_count++]);
    }
    if (span_eq(want, SPAN("{text}"))) {
        ASSERT(out->text_count < ROUTE_PARAMS_MAX);
        out->texts[out->text_count++] = have;
        return have.len > 0;
    }
    return span_eq(want, have);
}

bool route_fits(const char *pattern, span path, struct route_params *out)
{
    span wanted = span_str(pattern);
    span want, have;
    memset(out, 0, sizeof *out);
    while (http1_path_next(&wanted, &want)) {
        if (span_eq(want, SPAN("*"))) {
            out->rest = span_slice(path, 1, path.len);
            return path.len > 0;
        }
        if (!http1_path_next(&path, &have) || !segment_fits(want, have, out)) {
            return false;
        }
    }
    return path.len == 0;
}

static unsigned method_bits(enum route_method m)
{
    static const unsigned bits[] = {
        [ROUTE_GET] = 1u << HTTP1_GET | 1u << HTTP1_HEAD,
        [ROUTE_POST] = 1u << HTTP1_POST,
        [ROUTE_PUT] = 1u << HTTP1_PUT,
        [ROUTE_PATCH] = 1u << HTTP1_PATCH,
        [ROUTE_DELETE] = 1u << HTTP1_DELETE,
        [ROUTE_WS] = 1u << HTTP1_GET,
    };
    return bits[m];
}

enum route route_find(enum http1_method method, span path, struct route_params *out,
                      unsigned *allowed)
{
    *allowed = 0;
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        const struct route_row *row = route_row((enum route)i);
        if (route_fits(row->pattern, path, out)) {
            unsigned bits = method_bits(row->method);
            if ((bits & 1u << method) != 0) {
                return (enum route)i;
            }
            *allowed |= bits;
        }
    }
    return ROUTE_COUNT;
}

void route_allow(unsigned allowed, char text[64])
{
    size_t len = 0;
    for (unsigned m = 0; m < HTTP1_METHOD_COUNT; m++) {
        if ((allowed & 1u << m) != 0) {
            const char *name = http1_method_name((enum http1_method)m);
            memcpy(text + len, name, strlen(name));
            memcpy(text + len + strlen(name), ", ", 2);
            len += strlen(name) + 2;
        }
    }
    memcpy(text + len, "OPTIONS", sizeof "OPTIONS");
}
