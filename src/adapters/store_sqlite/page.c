#include "adapters/store_sqlite/page.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

#define HEADER_LEAF 8
#define HEADER_INNER 12
#define PAYLOAD_BYTES_MAX 0x7fffffff

uint32_t page_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned u16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }

/* One to nine bytes, seven bits each, all eight of the ninth; 0 when the bytes end before. */
static size_t varint(span s, size_t at, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < 9 && at + i < s.len; i++) {
        uint8_t byte = s.ptr[at + i];
        if (i == 8) {
            *out = v << 8 | byte;
            return 9;
        }
        v = v << 7 | (byte & 0x7f);
        if (byte < 0x80) {
            *out = v;
            return i + 1;
        }
    }
    return 0;
}

bool page_is_inner(enum page_kind k) { return k == PAGE_INDEX_INNER || k == PAGE_TABLE_INNER; }

bool page_is_table(enum page_kind k) { return k == PAGE_TABLE_LEAF || k == PAGE_TABLE_INNER; }

bool page_open(span bytes, bool first, struct page *out)
{
    size_t at = first ? PAGE_ONE_HEADER : 0;
    if (bytes.len < at + HEADER_INNER) {
        return false;
    }
    const uint8_t *h = bytes.ptr + at;
    *out = (struct page){.bytes = bytes, .kind = (enum page_kind)h[0], .cell_count = u16(h + 3)};
    if (h[0] != PAGE_INDEX_INNER && h[0] != PAGE_TABLE_INNER && h[0] != PAGE_INDEX_LEAF &&
        h[0] != PAGE_TABLE_LEAF) {
        return false;
    }
    bool inner = page_is_inner(out->kind);
    out->pointers = at + (inner ? HEADER_INNER : HEADER_LEAF);
    out->right = inner ? page_u32(h + 8) : 0;
    return out->pointers + 2 * (size_t)out->cell_count <= bytes.len;
}

/* How much of a payload stays in its page, section 1.6. */
static size_t local_bytes(size_t usable, bool table, uint64_t payload)
{
    size_t most = table ? usable - 35 : (usable - 12) * 64 / 255 - 23;
    size_t least = (usable - 12) * 32 / 255 - 23;
    if (payload <= most) {
        return (size_t)payload;
    }
    size_t some = least + (size_t)((payload - least) % (usable - 4));
    return some <= most ? some : least;
}

static bool payload_of(const struct page *p, size_t at, struct page_cell *out)
{
    if (out->payload_bytes == 0 || out->payload_bytes > PAYLOAD_BYTES_MAX) {
        return false;
    }
    size_t here = local_bytes(p->bytes.len, p->kind == PAGE_TABLE_LEAF, out->payload_bytes);
    bool more = here < out->payload_bytes;
    if (at + here + (more ? 4 : 0) > p->bytes.len) {
        return false;
    }
    out->local = span_of(p->bytes.ptr + at, here);
    out->overflow = more ? page_u32(p->bytes.ptr + at + here) : 0;
    return !more || out->overflow != 0;
}

bool page_cell(const struct page *p, unsigned i, struct page_cell *out)
{
    size_t at = u16(p->bytes.ptr + p->pointers + 2 * (size_t)i);
    size_t got;
    uint64_t v = 0;
    *out = (struct page_cell){0};
    if (p->bytes.len < PAGE_BYTES_MIN - 255 || at < p->pointers + 2 * (size_t)p->cell_count) {
        return false;
    }
    if (page_is_inner(p->kind)) {
        if (at + 4 > p->bytes.len) {
            return false;
        }
        out->child = page_u32(p->bytes.ptr + at);
        at += 4;
    }
    if (p->kind != PAGE_TABLE_INNER) {
        got = varint(p->bytes, at, &out->payload_bytes);
        at += got;
        if (got == 0) {
            return false;
        }
    }
    if (page_is_table(p->kind)) {
        got = varint(p->bytes, at, &v);
        at += got;
        out->rowid = (int64_t)v;
        if (got == 0) {
            return false;
        }
    }
    return p->kind == PAGE_TABLE_INNER || payload_of(p, at, out);
}

/* Bytes of a value in the body, section 2.1; SIZE_MAX for a type that does not exist. */
static size_t value_bytes(uint64_t type)
{
    static const uint8_t few[12] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 255, 255};
    if (type < 12) {
        return few[type] == 255 ? SIZE_MAX : few[type];
    }
    return type > PAYLOAD_BYTES_MAX ? SIZE_MAX : (size_t)(type - 12) / 2;
}

static bool value_read(uint64_t type, span body, struct store_value *out)
{
    uint64_t bits = body.len > 0 && type < 12 && (body.ptr[0] & 0x80) != 0 ? UINT64_MAX : 0;
    if (type == 0) {
        *out = (struct store_value){.type = STORE_NULL};
        return true;
    }
    if (type >= 12) {
        bool text = type % 2 == 1;
        *out = (struct store_value){.type = text ? STORE_TEXT : STORE_BLOB, .s = body};
        return !text || utf8_valid(body);
    }
    for (size_t i = 0; i < body.len; i++) {
        bits = bits << 8 | body.ptr[i];
    }
    if (type == 7) {
        *out = (struct store_value){.type = STORE_REAL};
        memcpy(&out->d, &bits, sizeof out->d);
        return !isnan(out->d);
    }
    *out = (struct store_value){.type = STORE_INT,
                                .i = type >= 8 ? (int64_t)type - 8 : (int64_t)bits};
    return true;
}

unsigned record_read(span payload, struct store_value out[RECORD_VALUES_MAX])
{
    uint64_t header;
    size_t at = varint(payload, 0, &header);
    unsigned n = 0;
    if (at == 0 || header < at || header > payload.len) {
        return 0;
    }
    span types = span_of(payload.ptr, (size_t)header);
    size_t body = (size_t)header;
    while (at < types.len) {
        uint64_t type;
        size_t got = varint(types, at, &type);
        size_t bytes = got == 0 ? SIZE_MAX : value_bytes(type);
        if (n == RECORD_VALUES_MAX || bytes > payload.len - body ||
            !value_read(type, span_of(payload.ptr + body, bytes), &out[n])) {
            return 0;
        }
        at += got;
        body += bytes;
        n++;
    }
    return body == payload.len ? n : 0;
}
