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

bool http1_fields_accept_coding(const struct http1_fields *f, span coding)
{
    int named = -1;
    int any = -1;
    for (size_t i = 0; i < f->count; i++) {
        if (span_ieq(f->items[i].name, SPAN("Accept-Encoding"))) {
            int weight = http1_list_weight(f->items[i].value, coding);
            int wild = http1_list_weight(f->items[i].value, SPAN("*"));
            named = named < 0 ? weight : named;
            any = any < 0 ? wild : any;
        }
    }
    return named >= 0 ? named > 0 : any > 0;
}
