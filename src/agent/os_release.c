/* The name of the operating system from /etc/os-release. */
#include "agent/os_release.h"

#include "base/assert.h"
#include "agent/proc_text.h"

/*
 * One shell word: bare, 'single' or "double" quoted, with \ before $ " \ ` in the last. Control
 * characters have no place in a name and are left out.
 */
static size_t unquote(span value, char *out, size_t cap)
{
    size_t n = 0;
    char quote = 0;
    for (size_t i = 0; i < value.len && n + 1 < cap; i++) {
        char c = (char)value.ptr[i];
        if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
        } else if (quote != 0 && c == quote) {
            quote = 0;
        } else if (quote == 0 && (c == ' ' || c == '\t' || c == '#')) {
            break;
        } else if (c == '\\' && quote != '\'' && i + 1 < value.len) {
            c = (char)value.ptr[++i];
            out[n] = c;
            n += (unsigned char)c >= ' ';
        } else {
            out[n] = c;
            n += (unsigned char)c >= ' ';
        }
    }
    out[n] = '\0';
    return n;
}

bool os_release_name(span text, char *out, size_t cap)
{
    ASSERT(cap > 0);
    span line, pretty = SPAN_NONE, plain = SPAN_NONE;
    while (proc_line_next(&text, &line)) {
        line = span_trim(line);
        if (span_starts(line, SPAN("PRETTY_NAME="))) {
            pretty = span_slice(line, 12, line.len);
        } else if (span_starts(line, SPAN("NAME="))) {
            plain = span_slice(line, 5, line.len);
        }
    }
    return unquote(pretty, out, cap) > 0 || unquote(plain, out, cap) > 0;
}
