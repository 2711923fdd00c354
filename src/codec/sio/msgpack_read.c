/* One pass: each item is taken off the bytes with everything it announces checked against what is
 * left, and written as JSON. Nesting is recursion, at most JSON_DEPTH_MAX deep. */
#include "base/timefmt.h"
#include "base/utf8.h"
#include "codec/json/scan.h"
#include "codec/json/write.h"
#include "codec/sio/msgpack.h"

#include <math.h>

enum kind {
    NIL,
    UNDEFINED,
    BOOL,
    UINT,
    INT,
    FLOAT,
    STRING,
    BINARY,
    DATE,
    ARRAY,
    MAP,
};

struct item {
    enum kind kind;
    union {
        bool truth;
        uint64_t u; /* UINT; how many values or pairs */
        int64_t i;  /* INT; ms since 1970 */
        double f;
        span bytes;
    };
};

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    buf *json;
    size_t json_len_max;
    unsigned depth_max;
    span *attachments;
    unsigned attachment_count;
};

static size_t left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* `n` bytes, the highest first. */
static bool take_number(struct reader *r, size_t n, uint64_t *out)
{
    if (left(r) < n) {
        return false;
    }
    *out = 0;
    while (n-- > 0) {
        *out = *out << 8 | *r->at++;
    }
    return true;
}

static bool take_bytes(struct reader *r, uint64_t n, span *out)
{
    if (left(r) < n) {
        return false;
    }
    *out = span_of(r->at, (size_t)n);
    r->at += n;
    return true;
}

/* Of `n` bytes, with the sign of the highest. */
static int64_t signed_of(uint64_t value, size_t n)
{
    unsigned shift = (unsigned)(8 - n) * 8;
    return (int64_t)(value << shift) >> shift;
}

/* Timestamps of the format's own type -1: seconds, and nanoseconds in them. */
static bool take_timestamp(struct reader *r, uint64_t len, struct item *it)
{
    uint64_t ns = 0;
    uint64_t s = 0;
    bool ok = false;
    if (len == 4) {
        ok = take_number(r, 4, &s);
    } else if (len == 8) {
        ok = take_number(r, 8, &s);
        ns = s >> 34;
        s &= (UINT64_C(1) << 34) - 1;
    } else if (len == 12) {
        ok = take_number(r, 4, &ns) && take_number(r, 8, &s);
    }
    it->kind = DATE;
    if (__builtin_mul_overflow((int64_t)s, INT64_C(1000), &it->i) ||
        __builtin_add_overflow(it->i, (int64_t)(ns / 1000000), &it->i)) {
        it->i = INT64_MAX;
    }
    return ok && ns < 1000000000;
}

/* `fixed`: by a prefix that has the length in it, which notepack 2 tells values apart by. */
static bool take_ext(struct reader *r, bool fixed, uint64_t len, struct item *it)
{
    uint64_t type;
    if (!take_number(r, 1, &type)) {
        return false;
    }
    if (type == 0xff) {
        return take_timestamp(r, len, it);
    }
    if (type != 0) {
        return false;
    }
    if (!fixed) {
        it->kind = BINARY;
        return take_bytes(r, len, &it->bytes);
    }
    uint64_t value;
    it->kind = len == 1 ? UNDEFINED : DATE;
    bool ok = (len == 1 || len == 8) && take_number(r, len, &value);
    it->i = ok ? (int64_t)value : 0;
    return ok;
}

static bool take_float(struct reader *r, size_t n, struct item *it)
{
    uint64_t bits;
    it->kind = FLOAT;
    if (!take_number(r, n, &bits)) {
        return false;
    }
    if (n == 4) {
        uint32_t half = (uint32_t)bits;
        float f;
        memcpy(&f, &half, sizeof f);
        it->f = (double)f;
    } else {
        memcpy(&it->f, &bits, sizeof it->f);
    }
    return true;
}

/* Every value is a byte at least, so more cannot follow than bytes are left. */
static bool take_count(struct reader *r, enum kind kind, uint64_t count, struct item *it)
{
    it->kind = kind;
    it->u = count;
    return count <= left(r) / (kind == MAP ? 2 : 1);
}

static bool take_string(struct reader *r, uint64_t len, struct item *it)
{
    it->kind = STRING;
    return take_bytes(r, len, &it->bytes) && utf8_valid(it->bytes);
}

/* What begins with 0xc0 to 0xdf. */
static bool take_prefixed(struct reader *r, uint8_t b, struct item *it)
{
    uint64_t n;
    if (b <= 0xc3) { /* 0xc1 is never used */
        *it = (struct item){.kind = b == 0xc0 ? NIL : BOOL, .truth = b == 0xc3};
        return b != 0xc1;
    }
    if (b <= 0xc6) {
        it->kind = BINARY;
        return take_number(r, (size_t)1 << (b - 0xc4), &n) && take_bytes(r, n, &it->bytes);
    }
    if (b <= 0xc9) {
        return take_number(r, (size_t)1 << (b - 0xc7), &n) && take_ext(r, false, n, it);
    }
    if (b <= 0xcb) {
        return take_float(r, b == 0xca ? 4 : 8, it);
    }
    if (b <= 0xcf) {
        it->kind = UINT;
        return take_number(r, (size_t)1 << (b - 0xcc), &it->u);
    }
    if (b <= 0xd3) {
        size_t bytes = (size_t)1 << (b - 0xd0);
        it->kind = INT;
        bool ok = take_number(r, bytes, &n);
        it->i = ok ? signed_of(n, bytes) : 0;
        return ok;
    }
    if (b <= 0xd8) {
        return take_ext(r, true, UINT64_C(1) << (b - 0xd4), it);
    }
    if (b <= 0xdb) {
        return take_number(r, (size_t)1 << (b - 0xd9), &n) && take_string(r, n, it);
    }
    enum kind kind = b <= 0xdd ? ARRAY : MAP;
    return take_number(r, b % 2 == 0 ? 2 : 4, &n) && take_count(r, kind, n, it);
}

static bool take_item(struct reader *r, struct item *it)
{
    *it = (struct item){0};
    if (r->at == r->end) {
        return false;
    }
    uint8_t b = *r->at++;
    if (b < 0x80 || b >= 0xe0) {
        it->kind = b < 0x80 ? UINT : INT;
        it->i = (int8_t)b;
        return true;
    }
    if (b < 0x90) {
        return take_count(r, MAP, b & 0x0f, it);
    }
    if (b < 0xa0) {
        return take_count(r, ARRAY, b & 0x0f, it);
    }
    if (b < 0xc0) {
        return take_string(r, b & 0x1f, it);
    }
    return take_prefixed(r, b, it);
}

/* The dates that JavaScript has: 100,000,000 days either way. */
#define DATE_MS_MAX INT64_C(8640000000000000)
#define YEAR_0_MS (-INT64_C(62167219200000))
#define YEAR_10000_MS INT64_C(253402300800000)
#define YEARS_400_MS INT64_C(12622780800000) /* after which the calendar repeats */

/* Date.prototype.toJSON: years beyond four digits have a sign and six. */
static void put_date(buf *json, int64_t ms)
{
    if (ms > DATE_MS_MAX || ms < -DATE_MS_MAX) {
        buf_append_str(json, "null");
        return;
    }
    int cycles = 0;
    for (; ms < YEAR_0_MS; ms += YEARS_400_MS) {
        cycles--;
    }
    for (; ms >= YEAR_10000_MS; ms -= YEARS_400_MS) {
        cycles++;
    }
    char text[TIME_MS_LEN + 1];
    time_format_ms(ms, text);
    if (cycles == 0) {
        buf_printf(json, "\"%s\"", text);
        return;
    }
    uint64_t year = 0;
    (void)span_u64(span_of(text, 4), 9999, &year);
    int full = (int)year + 400 * cycles;
    buf_printf(json, "\"%c%06d%s\"", full < 0 ? '-' : '+', full < 0 ? -full : full, text + 4);
}

static enum sio_fault put_binary(struct reader *r, span bytes)
{
    if (r->attachment_count == SIO_ATTACHMENTS_MAX) {
        return SIO_BAD_ATTACHMENTS;
    }
    buf_printf(r->json, "{\"_placeholder\":true,\"num\":%u}", r->attachment_count);
    r->attachments[r->attachment_count++] = bytes;
    return SIO_OK;
}

static void put_scalar(buf *json, const struct item *it)
{
    switch (it->kind) {
    case BOOL:
        buf_append_str(json, it->truth ? "true" : "false");
        break;
    case UINT:
        buf_append_u64(json, it->u);
        break;
    case INT:
        buf_append_i64(json, it->i);
        break;
    case FLOAT:
        if (isfinite(it->f)) {
            json_put_double(json, it->f);
        } else {
            buf_append_str(json, "null");
        }
        break;
    case STRING:
        json_put_string(json, it->bytes);
        break;
    case DATE:
        put_date(json, it->i);
        break;
    case NIL:
    case UNDEFINED:
    case BINARY:
    case ARRAY:
    case MAP:
        buf_append_str(json, "null");
        break;
    }
}

static enum sio_fault put_value(struct reader *r, const struct item *it, unsigned depth);

static enum sio_fault put_array(struct reader *r, uint64_t count, unsigned depth)
{
    buf_append_byte(r->json, '[');
    for (uint64_t n = 0; n < count; n++) {
        struct item it;
        if (n > 0) {
            buf_append_byte(r->json, ',');
        }
        enum sio_fault f = take_item(r, &it) ? put_value(r, &it, depth) : SIO_BAD_JSON;
        if (f != SIO_OK) {
            return f;
        }
    }
    buf_append_byte(r->json, ']');
    return SIO_OK;
}

/* As json_check does with JSON_REFUSE_PROTO. */
static bool name_ok(const struct item *name)
{
    return name->kind == STRING && !span_eq(name->bytes, SPAN("__proto__")) &&
           !span_eq(name->bytes, SPAN("constructor")) && !span_eq(name->bytes, SPAN("prototype"));
}

static enum sio_fault put_map(struct reader *r, uint64_t count, unsigned depth)
{
    bool comma = false;
    buf_append_byte(r->json, '{');
    for (uint64_t n = 0; n < count; n++) {
        struct item name, it;
        if (!take_item(r, &name) || !name_ok(&name) || !take_item(r, &it)) {
            return SIO_BAD_JSON;
        }
        if (it.kind == UNDEFINED) {
            continue;
        }
        if (comma) {
            buf_append_byte(r->json, ',');
        }
        comma = true;
        json_put_string(r->json, name.bytes);
        buf_append_byte(r->json, ':');
        enum sio_fault f = put_value(r, &it, depth);
        if (f != SIO_OK) {
            return f;
        }
    }
    buf_append_byte(r->json, '}');
    return SIO_OK;
}

/* `depth`: of containers around the value. */
static enum sio_fault put_value(struct reader *r, const struct item *it, unsigned depth)
{
    enum sio_fault f = SIO_OK;
    if (it->kind == ARRAY || it->kind == MAP) {
        if (depth >= r->depth_max) {
            return SIO_BAD_JSON;
        }
        f = it->kind == ARRAY ? put_array(r, it->u, depth + 1) : put_map(r, it->u, depth + 1);
    } else if (it->kind == BINARY) {
        f = put_binary(r, it->bytes);
    } else {
        put_scalar(r->json, it);
    }
    return f == SIO_OK && r->json->len > r->json_len_max ? SIO_BAD_JSON : f;
}

/* The packet's own members, as they were met. */
struct members {
    struct item type, nsp, id;
    bool has_type, has_nsp, has_id, has_data;
    size_t payload_from, payload_len;
};

/* For one of the three members that are scalars; false when it comes twice. */
static bool keep(bool *has, struct item *slot, const struct item *it)
{
    bool first = !*has;
    *has = true;
    *slot = *it;
    return first;
}

static enum sio_fault keep_data(struct reader *r, const struct item *it, struct members *m)
{
    if (m->has_data) {
        return SIO_BAD_PAYLOAD;
    }
    m->has_data = true;
    m->payload_from = r->json->len;
    if (it->kind == NIL || it->kind == UNDEFINED) {
        return SIO_OK;
    }
    enum sio_fault f = put_value(r, it, 0);
    m->payload_len = r->json->len - m->payload_from;
    return f;
}

/* Read like any value, and forgotten. */
static enum sio_fault pass_over(struct reader *r, const struct item *it)
{
    size_t len = r->json->len;
    unsigned count = r->attachment_count;
    enum sio_fault f = put_value(r, it, 0);
    r->json->len = len;
    r->attachment_count = count;
    return f;
}

static enum sio_fault read_members(struct reader *r, struct members *m)
{
    struct item map;
    if (!take_item(r, &map) || map.kind != MAP) {
        return SIO_BAD_JSON;
    }
    for (uint64_t n = 0; n < map.u; n++) {
        struct item name, it;
        enum sio_fault f;
        if (!take_item(r, &name) || !name_ok(&name) || !take_item(r, &it)) {
            return SIO_BAD_JSON;
        }
        if (span_eq(name.bytes, SPAN("data"))) {
            f = keep_data(r, &it, m);
        } else if (span_eq(name.bytes, SPAN("type"))) {
            f = keep(&m->has_type, &m->type, &it) ? SIO_OK : SIO_BAD_TYPE;
        } else if (span_eq(name.bytes, SPAN("nsp"))) {
            f = keep(&m->has_nsp, &m->nsp, &it) ? SIO_OK : SIO_BAD_NAMESPACE;
        } else if (span_eq(name.bytes, SPAN("id"))) {
            f = keep(&m->has_id, &m->id, &it) ? SIO_OK : SIO_BAD_ID;
        } else {
            f = pass_over(r, &it);
        }
        if (f != SIO_OK) {
            return f;
        }
    }
    return r->at == r->end ? SIO_OK : SIO_BAD_JSON;
}

/* An integer from 0 on, however it is written. */
static bool natural(const struct item *it, uint64_t max, uint64_t *out)
{
    *out = it->u;
    return (it->kind == UINT || (it->kind == INT && it->i >= 0)) && it->u <= max;
}

static enum sio_fault set_head(const struct members *m, struct sio_packet *out)
{
    uint64_t type;
    if (!m->has_type || !natural(&m->type, SIO_ACK, &type)) {
        return SIO_BAD_TYPE;
    }
    out->type = (enum sio_type)type;
    if (!m->has_nsp || m->nsp.kind != STRING) {
        return SIO_BAD_NAMESPACE;
    }
    out->has_id = m->has_id && m->id.kind != NIL && m->id.kind != UNDEFINED;
    if (out->has_id && !natural(&m->id, SIO_ACK_ID_MAX, &out->id)) {
        return SIO_BAD_ID;
    }
    return sio_namespace_check(m->nsp.bytes, out);
}

enum sio_fault sio_msgpack_read(span in, unsigned depth_max, size_t json_bytes_max, buf *json,
                                struct sio_packet *out, span attachments[SIO_ATTACHMENTS_MAX])
{
    ASSERT(depth_max <= JSON_DEPTH_MAX);
    *out = (struct sio_packet){0};
    struct reader r = {.at = in.ptr, .end = in.ptr, .json = json, .depth_max = depth_max,
                       .attachments = attachments};
    if (__builtin_add_overflow(json->len, json_bytes_max, &r.json_len_max)) {
        r.json_len_max = SIZE_MAX;
    }
    if (in.len > 0) {
        r.end += in.len;
    }
    struct members m = {0};
    enum sio_fault f = read_members(&r, &m);
    f = f != SIO_OK ? f : set_head(&m, out);
    if (f != SIO_OK) {
        return f;
    }
    out->attachments = r.attachment_count;
    if (m.payload_len > 0) {
        out->payload = span_of(json->ptr + m.payload_from, m.payload_len);
    }
    return sio_packet_check(out);
}
