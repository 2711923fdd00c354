/*
 * Reading JSON that json_check has accepted: types, members, elements and scalars as slices of
 * the text. A value is a span that begins at its first and ends after its last byte (a string
 * with its quotes); json_root gives the first one. Giving text that was not accepted breaks no
 * memory bound but yields meaningless values. Pure; any thread.
 *
 *     struct json_iter it;
 *     span key, value;
 *     if (json_object_begin(&it, object)) {
 *         while (json_object_next(&it, &key, &value)) {
 *             if (json_string_eq(key, SPAN("type"))) ...
 */
#ifndef SB_CODEC_JSON_READ_H
#define SB_CODEC_JSON_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

enum json_type {
    JSON_NONE, /* an empty span: no value */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_iter {
    const uint8_t *at;
    const uint8_t *end;
};

/* The value of a whole document: `text` without the white space around it. */
span json_root(span text);
/* By the first byte; O(1). */
enum json_type json_type(span value);

/* Begins a walk over the members; false when `object` is not an object. */
bool json_object_begin(struct json_iter *it, span object);
/* The next member in order of the text, `key` being a string value with its quotes; false at the
 * end. Duplicate names come each in turn: the last is to win. Costs a pass over the member. */
bool json_object_next(struct json_iter *it, span *key, span *value);
bool json_array_begin(struct json_iter *it, span array);
bool json_array_next(struct json_iter *it, span *value);

/* The member named `key` (UTF-8, compared after unescaping): the last of that name; false, and
 * *value empty, when there is none or `object` is not an object. Costs a pass over the object;
 * to read several members walk it once instead. */
bool json_get(span object, const char *key, span *value);
/* Elements or members of a container; 0 for other types. */
size_t json_count(span container);

/* Appends the text of a string, unescaped; false and nothing appended for other types. Under a
 * symbol of its own: libjansson has a json_string too, and would be given this one. */
bool json_string(span value, buf *out) __asm__("sb_json_string");
/* The text of a string: a slice of the document when it has no escapes (no copy), otherwise
 * unescaped into the arena. SPAN_NONE for other types. */
span json_string_in(span value, struct arena *a);
/* Is `value` a string whose unescaped text is `text`? Copies nothing. */
bool json_string_eq(span value, span text);

/* Longest number text that json_number reads: far more than any printer writes (an exact double
 * can take 1,100 digits; those are refused, not rounded). */
#define JSON_NUMBER_BYTES_MAX 512
/* The nearest double; false for other types, beyond the range of a double, or too long. */
bool json_number(span value, double *out);
/* An exact integer: 7, 7.0 and 70e-1 are 7; false for other types, fractions, or out of range. */
bool json_i64(span value, int64_t *out);
bool json_bool(span value, bool *out);

#endif
