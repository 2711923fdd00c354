#include "edge/socketio/app_nsp.h"

#include <string.h>

/* What a client can name: no comma (it ends a namespace), no query, nothing that is not seen. */
static bool is_name_byte(uint8_t b) { return b > ' ' && b < 0x7f && strchr("\"\\,;?", b) == NULL; }

static const char *pattern_fault(span pattern)
{
    if (pattern.len == 0 || pattern.ptr[0] != '/') {
        return "does not begin with /";
    }
    if (pattern.len == 1) {
        return "is the product's own namespace, where app_events works by itself";
    }
    if (pattern.len > SIO_NAMESPACE_BYTES_MAX) {
        return "is longer than 64 bytes";
    }
    for (size_t i = 0; i < pattern.len; i++) {
        if (!is_name_byte(pattern.ptr[i])) {
            return "holds a character that no namespace may have";
        }
    }
    return NULL;
}

static const char *read_options(span options, struct app_nsp *out)
{
    while (options.ptr != NULL) {
        if (!span_eq(span_trim(span_cut(&options, ';')), SPAN("msgpack"))) {
            return "has an option that is not msgpack";
        }
        out->msgpack = true;
    }
    return NULL;
}

enum app_nsp_next app_nsp_next(span *rest, struct app_nsp *out, span *entry, const char **why)
{
    *out = (struct app_nsp){0};
    do {
        if (rest->len == 0) {
            return APP_NSP_END;
        }
        *entry = span_trim(span_cut(rest, ','));
    } while (entry->len == 0);
    span options = *entry;
    span pattern = span_trim(span_cut(&options, ';'));
    *why = pattern_fault(pattern);
    if (*why == NULL) {
        *why = read_options(options, out);
    }
    if (*why != NULL) {
        *out = (struct app_nsp){0};
        return APP_NSP_BAD;
    }
    memcpy(out->pattern, pattern.ptr, pattern.len);
    return APP_NSP_GOT;
}
