#include "codec/http1/fields.h"

#include "codec/http1/list.h"

span http1_fields_get(const struct http1_fields *f, span name)
{
    for (size_t i = 0; i < f->count; i++) {
        if (span_ieq(f->items[i].name, name)) {
            return f->items[i].value;
        }
    }
    return SPAN_NONE;
}

size_t http1_fields_count(const struct http1_fields *f, span name)
{
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++) {
        count += span_ieq(f->items[i].name, name);
    }
    return count;
}

bool http1_fields_list_has(const struct http1_fields *f, span name, span token)
{
    for (size_t i = 0; i < f->count; i++) {
        if (span_ieq(f->items[i].name, name) && http1_list_has(f->items[i].value, token)) {
            return true;
        }
    }
    return false;
}

int http1_fields_weight_named(const struct http1_fields *f, span coding)
{
    int named = -1;
    for (size_t i = 0; i < f->count && named < 0; i++) {
        if (span_ieq(f->items[i].name, SPAN("Accept-Encoding"))) {
            named = http1_list_weight(f->items[i].value, coding);
        }
    }
    return named;
}

int http1_fields_coding_weight(const struct http1_fields *f, span coding)
{
    int named = http1_fields_weight_named(f, coding);
    return named >= 0 ? named : http1_fields_weight_named(f, SPAN("*"));
}

bool http1_fields_accept_coding(const struct http1_fields *f, span coding)
{
    return http1_fields_coding_weight(f, coding) > 0;
}
