/* Lines, fields and numbers of files under /proc. */
#include "agent/proc_text.h"

/* More digits than a load or an uptime can have; beyond it a double would round anyway. */
#define DECIMAL_DIGITS_MAX 15

bool proc_line_next(span *text, span *line)
{
    if (text->len == 0) {
        return false;
    }
    *line = span_cut(text, '\n');
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

bool proc_field_next(span *line, span *field)
{
    size_t from = 0;
    while (from < line->len && is_blank(line->ptr[from])) {
        from++;
    }
    size_t to = from;
    while (to < line->len && !is_blank(line->ptr[to])) {
        to++;
    }
    *field = span_slice(*line, from, to - from);
    *line = span_slice(*line, to, line->len - to);
    return field->len > 0;
}

bool proc_u64_next(span *line, uint64_t *out)
{
    span field;
    return proc_field_next(line, &field) && span_u64(field, UINT64_MAX, out);
}

bool proc_decimal_next(span *line, double *out)
{
    span fraction;
    uint64_t whole = 0;
    uint64_t part = 0;
    if (!proc_field_next(line, &fraction)) {
        return false;
    }
    span digits = span_cut(&fraction, '.');
    if (digits.len > DECIMAL_DIGITS_MAX || fraction.len > DECIMAL_DIGITS_MAX ||
        !span_u64(digits, UINT64_MAX, &whole)) {
        return false;
    }
    double scale = 1;
    for (size_t i = 0; i < fraction.len; i++) {
        scale *= 10;
    }
    if (fraction.len > 0 && !span_u64(fraction, UINT64_MAX, &part)) {
        return false;
    }
    *out = (double)whole + (double)part / scale;
    return true;
}
