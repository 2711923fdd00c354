/* The records of the agent's buffer file. */
#include "agent/row_record.h"

#include "base/assert.h"

enum { AT_LENGTH = 0, AT_CRC = 4, AT_KEY = 8, AT_KIND = 16 };

static void put_le(uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get_le(const uint8_t *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)in[i] << (8 * i);
    }
    return value;
}

uint32_t row_record_crc(uint32_t crc, span s)
{
    /* The reflected polynomial 0x82f63b78, four bits a step: a record a minute needs no more. */
    static const uint32_t step[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    crc = ~crc;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= s.ptr[i];
        crc = crc >> 4 ^ step[crc & 15];
        crc = crc >> 4 ^ step[crc & 15];
    }
    return ~crc;
}

static uint32_t record_crc(const uint8_t *head, span payload)
{
    uint32_t crc = row_record_crc(0, span_of(head + AT_LENGTH, 4));
    crc = row_record_crc(crc, span_of(head + AT_KEY, ROW_RECORD_HEAD - AT_KEY));
    return row_record_crc(crc, payload);
}

void row_record_encode(buf *out, int64_t key, enum row_kind kind, span payload)
{
    ASSERT(payload.len <= ROW_RECORD_BYTES_MAX);
    ASSERT(kind == ROW_KIND_ROW || payload.len == 0);
    uint8_t head[ROW_RECORD_HEAD];
    put_le(head + AT_LENGTH, payload.len, 4);
    put_le(head + AT_KEY, (uint64_t)key, 8);
    head[AT_KIND] = (uint8_t)kind;
    put_le(head + AT_CRC, record_crc(head, payload), 4);
    buf_append(out, head, sizeof head);
    buf_append_span(out, payload);
}

ptrdiff_t row_record_decode(span in, struct row_record *out)
{
    if (in.len < ROW_RECORD_HEAD) {
        return 0;
    }
    size_t len = (size_t)get_le(in.ptr + AT_LENGTH, 4);
    uint8_t kind = in.ptr[AT_KIND];
    if (kind != ROW_KIND_ROW && kind != ROW_KIND_ACK) {
        return ROW_RECORD_E_KIND;
    }
    if (len > ROW_RECORD_BYTES_MAX || (kind == ROW_KIND_ACK && len > 0)) {
        return ROW_RECORD_E_LENGTH;
    }
    if (in.len - ROW_RECORD_HEAD < len) {
        return 0;
    }
    span payload = span_slice(in, ROW_RECORD_HEAD, len);
    if (record_crc(in.ptr, payload) != get_le(in.ptr + AT_CRC, 4)) {
        return ROW_RECORD_E_CHECKSUM;
    }
    out->key = (int64_t)get_le(in.ptr + AT_KEY, 8);
    out->kind = (enum row_kind)kind;
    out->payload = payload;
    return ROW_RECORD_HEAD + (ptrdiff_t)len;
}
