/*
 * The offers of permessage-deflate in Sec-WebSocket-Extensions (RFC 6455 9.1):
 *
 *     permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate
 *
 * One walk: each extension is parsed whole, whether we know it or not, for a line that breaks the
 * grammar fails the handshake.
 */
#include "codec/ws/deflate.h"

enum param {
    SERVER_NO_CONTEXT = 1,
    CLIENT_NO_CONTEXT = 2,
    SERVER_WINDOW = 4,
    CLIENT_WINDOW = 8,
};

struct offer {
    bool known;    /* permessage-deflate */
    bool declined; /* a parameter that cannot be met */
    unsigned seen; /* enum param */
    unsigned server_bits;
    unsigned client_bits;
};

static bool is_token_char(uint8_t c) /* RFC 9110 5.6.2 */
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c > ' ' && c < 0x7f && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip_space(span *in)
{
    while (in->len > 0 && (in->ptr[0] == ' ' || in->ptr[0] == '\t')) {
        *in = span_of(in->ptr + 1, in->len - 1);
    }
}

static bool take(span *in, uint8_t c)
{
    skip_space(in);
    if (in->len == 0 || in->ptr[0] != c) {
        return false;
    }
    *in = span_of(in->ptr + 1, in->len - 1);
    skip_space(in);
    return true;
}

static span take_token(span *in)
{
    size_t n = 0;
    while (n < in->len && is_token_char(in->ptr[n])) {
        n++;
    }
    span token = span_of(in->ptr, n);
    *in = span_of(in->ptr + n, in->len - n);
    return token;
}

/* A value, quoted or not; quoted, what it says must be a token as well (RFC 6455 9.1), and one
 * written with a backslash is none of ours. False when there is none. */
static bool take_value(span *in, span *value)
{
    bool quoted = in->len > 0 && in->ptr[0] == '"';
    if (quoted) {
        *in = span_of(in->ptr + 1, in->len - 1);
    }
    *value = take_token(in);
    if (quoted && (in->len == 0 || in->ptr[0] != '"')) {
        return false;
    }
    if (quoted) {
        *in = span_of(in->ptr + 1, in->len - 1);
    }
    return value->len > 0;
}

/* A decimal from 8 to 15 without leading zeros (7.1.2.1); 0 when it is none. */
static unsigned window_bits_of(span value)
{
    if (value.len == 1 && (value.ptr[0] == '8' || value.ptr[0] == '9')) {
        return value.ptr[0] - (unsigned)'0';
    }
    if (value.len == 2 && value.ptr[0] == '1' && value.ptr[1] >= '0' && value.ptr[1] <= '5') {
        return 10 + value.ptr[1] - (unsigned)'0';
    }
    return 0;
}

static void offer_param(struct offer *o, span name, bool has_value, span value)
{
    unsigned bits = has_value ? window_bits_of(value) : 0;
    unsigned param = 0;
    bool good = false;
    if (span_ieq(name, SPAN("server_no_context_takeover"))) {
        param = SERVER_NO_CONTEXT;
        good = !has_value;
    } else if (span_ieq(name, SPAN("client_no_context_takeover"))) {
        param = CLIENT_NO_CONTEXT;
        good = !has_value;
    } else if (span_ieq(name, SPAN("server_max_window_bits"))) {
        param = SERVER_WINDOW;
        good = bits >= WS_DEFLATE_WINDOW_BITS_MIN;
        o->server_bits = bits;
    } else if (span_ieq(name, SPAN("client_max_window_bits"))) {
        param = CLIENT_WINDOW;
        good = !has_value || bits > 0;
        o->client_bits = bits;
    }
    if (!good || (o->seen & param) != 0) {
        o->declined = true;
    }
    o->seen |= param;
}

/* One extension with its parameters; false when the grammar is broken. */
static bool take_offer(span *in, struct offer *o)
{
    span name = take_token(in);
    *o = (struct offer){.known = span_ieq(name, SPAN("permessage-deflate"))};
    if (name.len == 0) {
        return false;
    }
    while (take(in, ';')) {
        span param = take_token(in);
        span value = SPAN_NONE;
        bool has_value = param.len > 0 && take(in, '=');
        if (param.len == 0 || (has_value && !take_value(in, &value))) {
            return false;
        }
        offer_param(o, param, has_value, value);
    }
    return true;
}

static void accept(const struct offer *o, unsigned window_bits, struct ws_deflate_agreed *out)
{
    bool asked = (o->seen & SERVER_WINDOW) != 0;
    bool below = asked && o->server_bits < window_bits;
    *out = (struct ws_deflate_agreed){.kind = below ? WS_DEFLATE_SMALL : WS_DEFLATE_FULL};
    if (asked) { /* the same or less must be answered (7.1.2.1) */
        out->server_window_bits = (uint8_t)(below ? o->server_bits : window_bits);
    }
    unsigned client = o->client_bits == 0 ? WS_DEFLATE_WINDOW_BITS_MAX : o->client_bits;
    if ((o->seen & CLIENT_WINDOW) != 0 && client > window_bits) { /* only if offered (7.1.2.2) */
        out->client_window_bits = (uint8_t)window_bits;
    }
}

int ws_deflate_negotiate(span offers, unsigned window_bits, struct ws_deflate_agreed *out)
{
    ASSERT(window_bits >= WS_DEFLATE_WINDOW_BITS_MIN && window_bits <= WS_DEFLATE_WINDOW_BITS_MAX);
    *out = (struct ws_deflate_agreed){.kind = WS_DEFLATE_NONE};
    skip_space(&offers);
    while (offers.len > 0) {
        struct offer o;
        if (take(&offers, ',')) { /* empty elements of a list are passed over (RFC 9110 5.6.1) */
            continue;
        }
        bool good = take_offer(&offers, &o);
        skip_space(&offers);
        if (!good || (offers.len > 0 && offers.ptr[0] != ',')) {
            *out = (struct ws_deflate_agreed){.kind = WS_DEFLATE_NONE};
            return WS_DEFLATE_E_SYNTAX;
        }
        if (o.known && !o.declined && out->kind == WS_DEFLATE_NONE) {
            accept(&o, window_bits, out);
        }
    }
    return out->kind != WS_DEFLATE_NONE;
}

void ws_deflate_answer(const struct ws_deflate_agreed *agreed, buf *out)
{
    ASSERT(agreed->kind != WS_DEFLATE_NONE);
    buf_append_str(out, "permessage-deflate; server_no_context_takeover; "
                        "client_no_context_takeover");
    if (agreed->server_window_bits != 0) {
        buf_printf(out, "; server_max_window_bits=%u", agreed->server_window_bits);
    }
    if (agreed->client_window_bits != 0) {
        buf_printf(out, "; client_max_window_bits=%u", agreed->client_window_bits);
    }
}
