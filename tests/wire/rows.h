/*
 * For tests: reads the byte tables of tests/wire. A row is "why | expected | bytes"; lines that
 * begin with "#" and empty lines are skipped. Columns two and three have escapes: \r \n \t \0
 * \\ \xNN, \*(N)c and \*(N){...} for repetition. A malformed table ends the test.
 */
#ifndef SB_TESTS_WIRE_ROWS_H
#define SB_TESTS_WIRE_ROWS_H

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "codec/http1/chars.h"

#define WIRE_LINE_BYTES_MAX 4096

struct wire_row {
    char why[256];
    buf expected; /* a NUL follows it */
    buf bytes;
};

static size_t wire_unescape(span text, buf *out);

/* "(N)c" or "(N){...}" at the front of `text`; returns the characters used. */
static size_t wire_repeat(span text, buf *out)
{
    char *rest;
    unsigned long count = strtoul((const char *)text.ptr + 1, &rest, 10);
    size_t at = (size_t)(rest - (const char *)text.ptr) + 1;
    size_t from = out->len;
    size_t used;
    if (text.ptr[at] == '{') {
        used = at + 2 + wire_unescape(span_slice(text, at + 1, text.len), out);
    } else {
        buf_append_byte(out, text.ptr[at]);
        used = at + 1;
    }
    size_t unit = out->len - from;
    for (unsigned long i = 1; i < count; i++) {
        (void)buf_reserve(out, unit);
        buf_append(out, out->ptr + from, unit);
    }
    return used;
}

/* Appends up to the end or, inside a group, to a "}"; returns the characters used. */
static size_t wire_unescape(span text, buf *out)
{
    static int depth;
    bool group = depth++ > 0;
    size_t i = 0;
    while (i < text.len && !(group && text.ptr[i] == '}')) {
        uint8_t c = text.ptr[i++];
        if (c != '\\') {
            buf_append_byte(out, c);
            continue;
        }
        c = text.ptr[i++];
        if (c == '*') {
            i += wire_repeat(span_slice(text, i, text.len), out);
        } else if (c == 'x') {
            buf_append_byte(out, (uint8_t)(http1_hex_value(text.ptr[i]) << 4 |
                                           http1_hex_value(text.ptr[i + 1])));
            i += 2;
        } else {
            const char *known = strchr("r\rn\nt\t\\\\", c);
            ASSERT(c == '0' || known != NULL);
            buf_append_byte(out, c == '0' ? 0 : (uint8_t)known[1]);
        }
    }
    depth--;
    return i;
}

/* Calls fn for every row; returns how many there were. */
static int wire_rows(const char *path, void (*fn)(const struct wire_row *row))
{
    FILE *f = fopen(path, "rb");
    ASSERT(f != NULL);
    char line[WIRE_LINE_BYTES_MAX];
    int count = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || line[0] == 0) {
            continue;
        }
        struct wire_row row = {0};
        char *second = strstr(line, " | ");
        ASSERT(second != NULL);
        char *third = strstr(second + 3, " | ");
        ASSERT(third != NULL);
        snprintf(row.why, sizeof row.why, "%.*s", (int)(second - line), line);
        wire_unescape(span_of(second + 3, (size_t)(third - second) - 3), &row.expected);
        wire_unescape(span_str(third + 3), &row.bytes);
        *buf_reserve(&row.expected, 1) = 0;
        fn(&row);
        buf_deinit(&row.expected);
        buf_deinit(&row.bytes);
        count++;
    }
    fclose(f);
    return count;
}

#endif
