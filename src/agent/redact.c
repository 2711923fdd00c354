/*
 * Command lines without their secrets. Each argument is walked once; at every word the rules are
 * tried in the order of the header, and the first that knows a secret hides it. The tables are
 * in redact_words.h.
 */
#include "agent/redact.h"

#include "base/assert.h"
#include "agent/redact_words.h"
#include "agent/text_clean.h"

/* Room for the redacted text before it is cleaned: twice the longest command line that is
 * reported, as cleaning may shorten; what is beyond is dropped. */
#define TEXT_BYTES_MAX 1024
/* Names longer than any flag or variable are not looked at. */
#define NAME_BYTES_MAX 96
/* A known prefix needs this many bytes behind it to be a token ("sk-" is in many words). */
#define TOKEN_BYTES_MIN 12
/* What a value of only hex digits, or of base64's, must have to look like a key: 128 and 240
 * bits. */
#define HEX_BYTES_MIN 32
#define BASE64_BYTES_MIN 40
/* The user part of a URL without a password is a token from this length on. */
#define URL_USER_BYTES_MIN 16

struct redactor {
    span program;  /* base name of the first argument */
    bool hide;     /* the next argument is a secret */
    bool pair;     /* the next argument is name:secret */
    size_t len;
    char text[TEXT_BYTES_MAX];
};

static void put(struct redactor *r, span s)
{
    size_t room = sizeof r->text - r->len;
    size_t n = s.len < room ? s.len : room;
    if (n > 0) {
        memcpy(&r->text[r->len], s.ptr, n);
        r->len += n;
    }
}

static void put_hidden(struct redactor *r)
{
    put(r, SPAN("***"));
}

static bool is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
    return is_upper(c) || (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool is_name(uint8_t c)
{
    return is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_quote(uint8_t c)
{
    return c == '"' || c == '\'' || c == '`';
}

static bool in_table(const char *const *table, size_t count, span word)
{
    for (size_t i = 0; i < count; i++) {
        if (span_eq(word, span_str(table[i]))) {
            return true;
        }
    }
    return false;
}

bool redact_name_is_secret(span name)
{
    uint8_t joined[NAME_BYTES_MAX]; /* lowercase, separators left out */
    size_t n = 0, word = 0;
    if (name.len > NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i <= name.len; i++) {
        uint8_t c = i < name.len ? name.ptr[i] : '-';
        bool hump = i > 0 && is_upper(c) && !is_upper(name.ptr[i - 1]);
        if (!is_alnum(c) || hump) {
            if (in_table(redact_words, ARRAY_LEN(redact_words), span_of(&joined[word], n - word))) {
                return true;
            }
            word = n;
        }
        if (i < name.len && is_alnum(c)) {
            joined[n++] = is_upper(c) ? (uint8_t)(c + 32) : c;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(redact_endings); i++) {
        span end = span_str(redact_endings[i]);
        if (n >= end.len && span_eq(span_of(&joined[n - end.len], end.len), end)) {
            return true;
        }
    }
    return false;
}

static size_t name_end(span s, size_t at)
{
    while (at < s.len && is_name(s.ptr[at])) {
        at++;
    }
    return at;
}

static size_t skip_space(span s, size_t at)
{
    while (at < s.len && is_space(s.ptr[at])) {
        at++;
    }
    return at;
}

/* The end of a value inside a longer text. */
static size_t value_end(span s, size_t at)
{
    while (at < s.len && !is_space(s.ptr[at]) && !is_quote(s.ptr[at]) && s.ptr[at] != '&' &&
           s.ptr[at] != ',' && s.ptr[at] != ';' && s.ptr[at] != '}' && s.ptr[at] != ')') {
        at++;
    }
    return at;
}

/* Where the quote that `opened` began ends; an escaped one does not end it. */
static size_t quote_end(span s, size_t at, uint8_t opened, bool escaped)
{
    while (at < s.len && !(s.ptr[at] == opened && (escaped || s.ptr[at - 1] != '\\'))) {
        at++;
    }
    return at;
}

static bool is_scheme(span word)
{
    for (size_t i = 0; i < ARRAY_LEN(redact_schemes); i++) {
        if (span_ieq(word, span_str(redact_schemes[i]))) {
            return true;
        }
    }
    return false;
}

/*
 * A secret name ends at `at`: hides what is assigned to it by '=' or ':', quoted or not. `open`
 * is the quote that the name stands in, or 0. Returns where the text goes on, or `from` when
 * nothing is assigned.
 */
static size_t hide_assigned(struct redactor *r, span s, size_t from, size_t at, uint8_t open)
{
    size_t sep = at;
    while (sep < s.len && sep < at + 3 && (is_quote(s.ptr[sep]) || s.ptr[sep] == '\\')) {
        sep++; /* the name's own quote, as in "password": */
    }
    bool quoted_name = sep > at;
    sep = skip_space(s, sep);
    if (sep >= s.len || (s.ptr[sep] != '=' && s.ptr[sep] != ':') ||
        (s.ptr[sep] == ':' && span_starts(span_slice(s, sep, 3), SPAN("://")))) {
        return from;
    }
    size_t value = skip_space(s, sep + 1);
    bool escaped = value < s.len && s.ptr[value] == '\\';
    value += escaped ? 1 : 0;
    size_t end;
    if (value < s.len && is_quote(s.ptr[value])) {
        value++;
        end = quote_end(s, value, s.ptr[value - 1], escaped);
    } else if (from == 0) {
        end = s.len; /* the argument is this assignment */
    } else if (open != 0 && !quoted_name) {
        end = quote_end(s, value, open, false);
    } else {
        end = value_end(s, value);
        if (is_scheme(span_slice(s, value, end - value))) {
            end = value_end(s, skip_space(s, end));
        }
    }
    put(r, span_slice(s, from, value - from));
    if (end > value) {
        put_hidden(r);
    }
    return end;
}

/* scheme://user:password@host at the "://" that begins at `at`. Returns where to go on. */
static size_t hide_url_user(struct redactor *r, span s, size_t at)
{
    size_t from = at + 3, end = from, host = 0, any = 0;
    bool in_authority = true;
    while (end < s.len && !is_space(s.ptr[end]) && !is_quote(s.ptr[end])) {
        in_authority = in_authority && s.ptr[end] != '/' && s.ptr[end] != '?';
        if (s.ptr[end] == '@') {
            any = end;
            host = in_authority ? end : host;
        }
        end++;
    }
    put(r, SPAN("://"));
    ptrdiff_t colon = span_find(span_slice(s, from, (any > 0 ? any : from) - from), ':');
    if (host == 0 && colon >= 0) {
        host = any; /* a password with a bare '/' in it */
    }
    if (host == 0) {
        return from;
    }
    colon = span_find(span_slice(s, from, host - from), ':');
    if (colon >= 0) {
        put(r, span_slice(s, from, (size_t)colon + 1));
        put_hidden(r);
    } else if (host - from >= URL_USER_BYTES_MIN) {
        put_hidden(r);
    } else {
        put(r, span_slice(s, from, host - from));
    }
    return host;
}

/* Is the value after a '=' so long and mixed that it looks like a key? */
static bool looks_like_key(span v)
{
    size_t hex = 0, digits = 0, upper = 0, slashes = 0;
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i];
        if (!is_alnum(c) && c != '+' && c != '/' && c != '_' && c != '-' && c != '=') {
            return false;
        }
        hex += is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ? 1 : 0;
        digits += is_digit(c) ? 1 : 0;
        upper += is_upper(c) ? 1 : 0;
        slashes += c == '/' ? 1 : 0;
    }
    if (v.len >= HEX_BYTES_MIN && hex == v.len) {
        return true;
    }
    return v.len >= BASE64_BYTES_MIN && digits > 0 && upper > 0 && digits + upper < v.len &&
           v.ptr[0] != '/' && slashes <= v.len / 16;
}

static bool is_known_token(span word)
{
    for (size_t i = 0; i < ARRAY_LEN(redact_prefixes); i++) {
        if (word.len >= TOKEN_BYTES_MIN && span_starts(word, span_str(redact_prefixes[i]))) {
            return true;
        }
    }
    return false;
}

/* One word of names and what belongs to it. Returns where the text goes on (> from). */
static size_t put_word(struct redactor *r, span s, size_t from, uint8_t open)
{
    size_t end = name_end(s, from);
    span word = span_slice(s, from, end - from);
    if (is_known_token(word)) {
        put_hidden(r);
        return end;
    }
    bool flag = word.ptr[0] == '-';
    bool secret = redact_name_is_secret(word);
    if (secret) {
        size_t next = hide_assigned(r, s, from, end, open);
        if (next > from) {
            return next;
        }
    }
    put(r, word);
    bool follows = (flag && (secret || span_eq(word, SPAN("-p")))) || is_scheme(word);
    if (follows && end == s.len) {
        r->hide = true;
    } else if (follows && is_space(s.ptr[end])) {
        size_t value = skip_space(s, end);
        size_t value_to = value_end(s, value);
        if (value_to > value && s.ptr[value] != '-') {
            put(r, span_slice(s, end, value - end));
            put_hidden(r);
            return value_to;
        }
    }
    return end;
}

static void put_text(struct redactor *r, span s)
{
    uint8_t open = 0;
    for (size_t at = 0; at < s.len;) {
        uint8_t c = s.ptr[at];
        if (is_name(c)) {
            at = put_word(r, s, at, open);
            continue;
        }
        if (c == ':' && span_starts(span_slice(s, at, 3), SPAN("://"))) {
            at = hide_url_user(r, s, at);
            continue;
        }
        open = is_quote(c) ? (open == 0 ? c : open == c ? 0 : open) : open;
        put(r, span_slice(s, at, 1));
        at++;
        if (c == '=') {
            size_t end = value_end(s, at);
            if (end > at && looks_like_key(span_slice(s, at, end - at))) {
                put_hidden(r);
                at = end;
            }
        }
    }
}

/* An argument that is a short flag of this program; false when it is not. */
static bool put_flag(struct redactor *r, span arg)
{
    for (size_t i = 0; i < ARRAY_LEN(redact_flags); i++) {
        span flag = span_str(redact_flags[i].flag);
        bool whole = span_eq(arg, flag);
        bool attached = redact_flags[i].follow == REDACT_ATTACHED && span_starts(arg, flag);
        if ((whole || attached) && span_starts(r->program, span_str(redact_flags[i].program))) {
            put(r, flag);
            if (!whole) {
                put_hidden(r);
            } else if (redact_flags[i].follow == REDACT_PAIR) {
                r->pair = true;
            } else {
                r->hide = true;
            }
            return true;
        }
    }
    return false;
}

/* Flags stand where a value was expected: `mysql -p --host x` asks for the password. */
static bool is_flag(span arg)
{
    return arg.len >= 2 && arg.ptr[0] == '-' && (arg.ptr[1] == '-' || arg.len == 2);
}

static void put_arg(struct redactor *r, span arg)
{
    bool hide = r->hide && !is_flag(arg);
    bool pair = r->pair;
    r->hide = r->pair = false;
    ptrdiff_t colon = span_find(arg, ':');
    if (hide) {
        put_hidden(r);
    } else if (pair && colon >= 0) {
        put(r, span_slice(arg, 0, (size_t)colon + 1));
        put_hidden(r);
    } else if (!put_flag(r, arg)) {
        put_text(r, arg);
    }
}

size_t redact_command(span cmdline, char *out, size_t cap)
{
    struct redactor r;
    r.program = SPAN_NONE;
    r.hide = r.pair = false;
    r.len = 0;
    for (bool first = true; cmdline.len > 0; first = false) {
        span arg = span_cut(&cmdline, '\0');
        if (first) {
            size_t base = arg.len;
            while (base > 0 && arg.ptr[base - 1] != '/') {
                base--;
            }
            r.program = span_slice(arg, base, arg.len);
        } else {
            put(&r, SPAN(" "));
        }
        put_arg(&r, arg);
    }
    /* Processes that overwrite their arguments (setproctitle) leave NULs or blanks behind. */
    return text_clean(span_trim(span_of(r.text, r.len)), out, cap);
}
