/*
 * One loop of three states (a value, what follows one, a member's name) over the bytes; the
 * stack is a bit a level (1: object). Most bytes of an event are inside strings, so strings are
 * skipped eight plain ASCII bytes at a time.
 */
#include "codec/json/scan.h"

#include "codec/json/lex.h"
#include "codec/json/read.h"

struct scan {
    const uint8_t *end;
    bool lone; /* JSON_LONE_SURROGATES */
    int error; /* 0, or the enum json_error found at the returned position */
};

static const uint8_t *fail(struct scan *s, int error, const uint8_t *at)
{
    s->error = error;
    return at;
}

/* `p` is at a byte >= 0x80. RFC 3629 4: no overlong forms, surrogates, or beyond U+10FFFF. */
static const uint8_t *scan_utf8(struct scan *s, const uint8_t *p)
{
    uint8_t lead = *p;
    int more;
    uint8_t low = 0x80, high = 0xbf; /* bounds of the second byte */
    if (lead >= 0xc2 && lead <= 0xdf) {
        more = 1;
    } else if ((lead & 0xf0) == 0xe0) {
        more = 2;
        low = lead == 0xe0 ? 0xa0 : 0x80;
        high = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        more = 3;
        low = lead == 0xf0 ? 0x90 : 0x80;
        high = lead == 0xf4 ? 0x8f : 0xbf;
    } else {
        return fail(s, JSON_E_UTF8, p);
    }
    if (s->end - p <= more || p[1] < low || p[1] > high) {
        return fail(s, JSON_E_UTF8, p);
    }
    for (int i = 2; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return fail(s, JSON_E_UTF8, p);
        }
    }
    return p + more + 1;
}

/* `p` is at a backslash. */
static const uint8_t *scan_escape(struct scan *s, const uint8_t *p)
{
    if (s->end - p < 2) {
        return fail(s, JSON_E_END, s->end);
    }
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        break;
    default:
        return fail(s, JSON_E_ESCAPE, p);
    }
    int unit = lex_hex4(p + 2, s->end);
    if (unit < 0) {
        return fail(s, JSON_E_ESCAPE, p);
    }
    if (!lex_is_surrogate(unit)) {
        return p + 6;
    }
    if (lex_is_pair(p, s->end)) {
        return p + 12;
    }
    return s->lone ? p + 6 : fail(s, JSON_E_SURROGATE, p);
}

/* `p` is after the opening quote; returns the place after the closing one. */
static inline const uint8_t *scan_string(struct scan *s, const uint8_t *p)
{
    for (;;) {
        while (s->end - p >= 8) {
            uint64_t w = lex_load8(p);
            uint64_t stop = lex_equal8(w, '"') | lex_equal8(w, '\\') | lex_below8(w, 0x20) |
                            (w & LEX_HIGHS);
            if (stop != 0) {
                p += __builtin_ctzll(stop) >> 3;
                break;
            }
            p += 8;
        }
        if (p >= s->end) {
            return fail(s, JSON_E_END, s->end);
        }
        uint8_t b = *p;
        if (b == '"') {
            return p + 1;
        }
        if (b == '\\') {
            p = scan_escape(s, p);
        } else if (b >= 0x80) {
            p = scan_utf8(s, p);
        } else if (b < 0x20) {
            return fail(s, JSON_E_CONTROL, p);
        } else {
            p++;
        }
        if (s->error != 0) {
            return p;
        }
    }
}

static inline bool is_digit(const struct scan *s, const uint8_t *p)
{
    return p < s->end && (uint8_t)(*p - '0') <= 9;
}

/* number = [ "-" ] int [ frac ] [ exp ] (6); `p` is at "-" or a digit. */
static inline const uint8_t *scan_number(struct scan *s, const uint8_t *p)
{
    if (*p == '-') {
        p++;
    }
    if (!is_digit(s, p)) {
        return fail(s, JSON_E_NUMBER, p);
    }
    if (*p++ == '0') {
        if (is_digit(s, p)) {
            return fail(s, JSON_E_NUMBER, p);
        }
    } else {
        while (is_digit(s, p)) {
            p++;
        }
    }
    if (p < s->end && *p == '.') {
        p++;
        if (!is_digit(s, p)) {
            return fail(s, JSON_E_NUMBER, p);
        }
        while (is_digit(s, p)) {
            p++;
        }
    }
    if (p < s->end && (*p | 0x20) == 'e') {
        p++;
        if (p < s->end && (*p == '+' || *p == '-')) {
            p++;
        }
        if (!is_digit(s, p)) {
            return fail(s, JSON_E_NUMBER, p);
        }
        while (is_digit(s, p)) {
            p++;
        }
    }
    return p;
}

/* `p` is at the first letter of what could be `word`. */
static const uint8_t *scan_literal(struct scan *s, const uint8_t *p, span word)
{
    for (size_t i = 1; i < word.len; i++) {
        if (p + i >= s->end) {
            return fail(s, JSON_E_END, s->end);
        }
        if (p[i] != word.ptr[i]) {
            return fail(s, JSON_E_TOKEN, p + i);
        }
    }
    return p + word.len;
}

static const uint8_t *scan_scalar(struct scan *s, const uint8_t *p)
{
    switch (*p) {
    case '"':
        return scan_string(s, p + 1);
    case 't':
        return scan_literal(s, p, SPAN("true"));
    case 'f':
        return scan_literal(s, p, SPAN("false"));
    case 'n':
        return scan_literal(s, p, SPAN("null"));
    default:
        if (*p == '-' || (uint8_t)(*p - '0') <= 9) {
            return scan_number(s, p);
        }
        return fail(s, JSON_E_TOKEN, p);
    }
}

static bool is_refused_name(span key)
{
    /* The shortest of them with its quotes is 11 bytes long; escapes only make it longer. */
    return key.len >= 11 &&
           (json_string_eq(key, SPAN("__proto__")) || json_string_eq(key, SPAN("constructor")) ||
            json_string_eq(key, SPAN("prototype")));
}

/* A member's name and its colon; returns the place after the colon. */
static inline const uint8_t *scan_name(struct scan *s, const uint8_t *p, unsigned flags)
{
    if (p >= s->end) {
        return fail(s, JSON_E_END, p);
    }
    if (*p != '"') {
        return fail(s, JSON_E_TOKEN, p);
    }
    const uint8_t *name = p;
    p = scan_string(s, p + 1);
    if (s->error != 0) {
        return p;
    }
    if ((flags & JSON_REFUSE_PROTO) != 0 && is_refused_name(span_of(name, (size_t)(p - name)))) {
        return fail(s, JSON_E_PROTO, name);
    }
    p = lex_skip_space(p, s->end);
    if (p >= s->end) {
        return fail(s, JSON_E_END, p);
    }
    return *p == ':' ? p + 1 : fail(s, JSON_E_TOKEN, p);
}

/* tidy: long: the state machine is one loop on purpose */
static const uint8_t *scan_document(struct scan *s, const uint8_t *p, unsigned depth_max,
                                    unsigned flags)
{
    uint64_t objects = 0; /* bit 0: the innermost container is an object */
    unsigned depth = 0;

value:
    p = lex_skip_space(p, s->end);
    if (p >= s->end) {
        return fail(s, JSON_E_END, p);
    }
    if (*p == '{' || *p == '[') {
        bool object = *p == '{';
        if (depth == depth_max) {
            return fail(s, JSON_E_DEPTH, p);
        }
        depth++;
        objects = objects << 1 | object;
        p = lex_skip_space(p + 1, s->end);
        if (p < s->end && *p == (object ? '}' : ']')) {
            goto pop;
        }
        if (object) {
            goto name;
        }
        goto value;
    }
    p = scan_scalar(s, p);
    if (s->error != 0) {
        return p;
    }

after:
    if (depth == 0) {
        return p;
    }
    p = lex_skip_space(p, s->end);
    if (p >= s->end) {
        return fail(s, JSON_E_END, p);
    }
    if (*p == ',') {
        p++;
        if ((objects & 1) == 0) {
            goto value;
        }
        p = lex_skip_space(p, s->end);
        goto name;
    }
    if (*p != ((objects & 1) != 0 ? '}' : ']')) {
        return fail(s, JSON_E_TOKEN, p);
    }

pop:
    p++;
    depth--;
    objects >>= 1;
    goto after;

name:
    p = scan_name(s, p, flags);
    if (s->error != 0) {
        return p;
    }
    goto value;
}

int json_check(span text, unsigned depth_max, unsigned flags, size_t *error_at)
{
    ASSERT(depth_max <= JSON_DEPTH_MAX);
    static const uint8_t nothing[1];
    const uint8_t *start = text.len > 0 ? text.ptr : nothing;
    struct scan s = {.end = start + text.len, .lone = (flags & JSON_LONE_SURROGATES) != 0};
    const uint8_t *p = scan_document(&s, start, depth_max, flags);
    if (s.error == 0) {
        p = lex_skip_space(p, s.end);
        s.error = p < s.end ? JSON_E_TRAILING : 0;
    }
    if (s.error != 0 && error_at != NULL) {
        *error_at = (size_t)(p - start);
    }
    return s.error;
}

const char *json_error_name(int error)
{
    static const char *const names[] = {
        "valid",
        "ends too early",
        "unexpected byte",
        "bytes after the value",
        "nested too deep",
        "malformed number",
        "control character in a string",
        "malformed escape",
        "lone surrogate",
        "not UTF-8",
        "refused member name",
    };
    _Static_assert(ARRAY_LEN(names) == 1 - JSON_E_PROTO, "a name for each error");
    return error <= 0 && error >= JSON_E_PROTO ? names[-error] : "unknown error";
}
