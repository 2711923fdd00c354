/* For tests: whether two JSON texts that were accepted say the same, token by token: white space,
 * escapes and how numbers are written aside. */
#ifndef SB_CODEC_SIO_JSON_SAME_H
#define SB_CODEC_SIO_JSON_SAME_H

#include "base/buf.h"
#include "codec/json/read.h"
#include "codec/json/walk.h"

#include <stdlib.h>

static inline double json_same_number(span text)
{
    buf b = {0};
    buf_append_span(&b, text);
    buf_append_byte(&b, 0);
    double d = strtod((const char *)b.ptr, NULL);
    buf_deinit(&b);
    return d;
}

static inline bool json_same_scalar(span a, span b)
{
    if (json_type(a) != json_type(b)) {
        return false;
    }
    if (json_type(a) == JSON_NUMBER) {
        int64_t i, j;
        bool exact = json_i64(a, &i);
        /* Beyond 2^53 an integer may have become its double, where it had an exponent. */
        return (exact && json_i64(b, &j) && i == j) || json_same_number(a) == json_same_number(b);
    }
    if (json_type(a) == JSON_STRING) {
        buf text = {0};
        bool same = json_string(b, &text) && json_string_eq(a, buf_span(&text));
        buf_deinit(&text);
        return same;
    }
    return span_eq(a, b);
}

static inline bool json_same(span a, span b)
{
    struct json_walk wa, wb;
    span x, y;
    json_walk_begin(&wa, a);
    json_walk_begin(&wb, b);
    for (;;) {
        enum json_token t = json_walk_next(&wa, &x);
        if (json_walk_next(&wb, &y) != t) {
            return false;
        }
        if (t == JSON_T_END) {
            return true;
        }
        if (!(t == JSON_T_OPEN || t == JSON_T_CLOSE ? span_eq(x, y) : json_same_scalar(x, y))) {
            return false;
        }
    }
}

#endif
