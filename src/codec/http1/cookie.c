#include "codec/http1/cookie.h"

static span unquoted(span value)
{
    bool quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
    return quoted ? span_slice(value, 1, value.len - 2) : value;
}

span http1_cookie_find(span cookie_value, span name)
{
    span rest = cookie_value;
    while (rest.len > 0) {
        span pair = span_trim(span_cut(&rest, ';'));
        ptrdiff_t equals = span_find(pair, '=');
        if (equals >= 0 && span_eq(span_trim(span_slice(pair, 0, (size_t)equals)), name)) {
            return unquoted(span_trim(span_slice(pair, (size_t)equals + 1, pair.len)));
        }
    }
    return SPAN_NONE;
}

span http1_cookie_get(const struct http1_fields *fields, span name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (span_ieq(fields->items[i].name, SPAN("Cookie"))) {
            span value = http1_cookie_find(fields->items[i].value, name);
            if (value.ptr != NULL) {
                return value;
            }
        }
    }
    return SPAN_NONE;
}
