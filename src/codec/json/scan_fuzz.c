/*
 * Input: a JSON text. What is accepted must read back whole: written again value by value it is
 * valid, compact and the same when done twice; unescaped strings are UTF-8 and survive escaping.
 * What is not accepted may be read too, without stepping outside (sanitizers watch).
 */
#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "codec/json/write.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WALK_DEPTH_MAX 80 /* text that was not accepted may be deeper than JSON_DEPTH_MAX */

static void check_string(span value, bool accepted)
{
    buf text = {0}, json = {0};
    ASSERT(json_string(value, &text) == (json_type(value) == JSON_STRING && value.len >= 2));
    if (accepted) {
        ASSERT(utf8_valid(buf_span(&text)));
        ASSERT(json_string_eq(value, buf_span(&text)));
        json_put_string(&json, buf_span(&text));
        ASSERT(json_check(buf_span(&json), 0, 0, NULL) == 0);
        ASSERT(json_string_eq(buf_span(&json), buf_span(&text)));
    }
    buf_deinit(&text);
    buf_deinit(&json);
}

static void check_number(span value, bool accepted)
{
    double d;
    int64_t n;
    bool whole = json_i64(value, &n);
    bool finite = json_number(value, &d);
    if (!accepted) {
        return;
    }
    if (finite && value.len <= JSON_NUMBER_BYTES_MAX) {
        char text[JSON_NUMBER_BYTES_MAX + 1] = {0};
        memcpy(text, value.ptr, value.len);
        ASSERT(d == strtod(text, NULL));
    }
    ASSERT(!whole || !finite || (double)n == d);
}

/* Writes `value` again, compact; visits every part. */
static void rewrite(struct json_writer *w, span value, bool accepted, unsigned depth)
{
    struct json_iter it;
    span key, item;
    if (depth > WALK_DEPTH_MAX) {
        json_write_null(w);
    } else if (json_object_begin(&it, value)) {
        json_open(w, '{');
        while (json_object_next(&it, &key, &item)) {
            check_string(key, accepted);
            json_key(w, "");
            w->out->len -= 3; /* the name as it stands */
            buf_append_span(w->out, key);
            buf_append_byte(w->out, ':');
            rewrite(w, item, accepted, depth + 1);
        }
        json_close(w, '}');
    } else if (json_array_begin(&it, value)) {
        json_open(w, '[');
        while (json_array_next(&it, &item)) {
            rewrite(w, item, accepted, depth + 1);
        }
        json_close(w, ']');
    } else {
        if (json_type(value) == JSON_STRING) {
            check_string(value, accepted);
        } else if (json_type(value) == JSON_NUMBER) {
            check_number(value, accepted);
        }
        json_write_raw(w, value);
    }
}

/* Bytes outside of strings that are not white space: what a rewriting must keep. */
static size_t dense_len(span text)
{
    size_t n = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.ptr[i];
        if (in_string && b == '\\') {
            n += 2;
            i++;
            continue;
        }
        in_string ^= b == '"';
        n += in_string || !(b == ' ' || b == '\t' || b == '\n' || b == '\r');
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span text = span_of(data, size);
    size_t at = 0;
    int error = json_check(text, JSON_DEPTH_MAX, JSON_LONE_SURROGATES, &at);
    bool accepted = error == 0;
    ASSERT(at <= size);
    int paired = json_check(text, JSON_DEPTH_MAX, 0, NULL);
    ASSERT(paired == error || paired == JSON_E_SURROGATE);
    int strict = json_check(text, JSON_DEPTH_MAX, JSON_REFUSE_PROTO, NULL);
    ASSERT(strict == paired || strict == JSON_E_PROTO);

    buf once = {0}, twice = {0};
    struct json_writer w = json_writer_of(&once);
    rewrite(&w, json_root(text), accepted, 0);
    if (accepted) {
        ASSERT(utf8_valid(text));
        ASSERT(json_check(buf_span(&once), JSON_DEPTH_MAX, JSON_LONE_SURROGATES, NULL) == 0);
        ASSERT(once.len == dense_len(text));
        w = json_writer_of(&twice);
        rewrite(&w, json_root(buf_span(&once)), true, 0);
        ASSERT(span_eq(buf_span(&once), buf_span(&twice)));
    }
    buf_deinit(&once);
    buf_deinit(&twice);

    buf quoted = {0}; /* any bytes at all make a valid string */
    json_put_string(&quoted, text);
    ASSERT(json_check(buf_span(&quoted), 0, 0, NULL) == 0);
    ASSERT(quoted.len <= 6 * size + 2);
    buf_deinit(&quoted);
    return 0;
}
