#include "codec/proxy/header.h"

#include <arpa/inet.h>
#include <string.h>

/* 2.1: "PROXY " to CRLF, both included. */
#define V1_BYTES_MAX 107
#define V1_PORT_MAX 65535

/* 2.2: signature, version and command, family and transport, length. */
#define V2_SIGNATURE_BYTES 12
#define V2_HEAD_BYTES 16
#define V2_VERSION 0x20
#define V2_COMMAND_LOCAL 0
#define V2_COMMAND_PROXY 1
#define V2_UNSPEC 0x00
#define V2_TCP4 0x11
#define V2_TCP6 0x21
#define V2_UNIX_STREAM 0x31
/* Source and destination address, source and destination port. */
#define V2_TCP4_BYTES 12
#define V2_TCP6_BYTES 36
#define V2_UNIX_BYTES 216

/* 2.2.1 to 2.2.7 */
#define TLV_HEAD_BYTES 3
#define TLV_CRC32C 0x03
#define TLV_CRC32C_BYTES 4
#define TLV_SSL 0x20
#define TLV_SSL_BYTES_MIN 5
#define TLV_SSL_CLIENT_TLS 0x01

#define CRC32C_POLYNOMIAL 0x82f63b78u /* reflected; RFC 3720 appendix B.4 */

static const uint8_t v2_signature[V2_SIGNATURE_BYTES] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                         0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
static const uint8_t v1_signature[] = {'P', 'R', 'O', 'X', 'Y', ' '};

static unsigned u16_of(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }

/* ---- version 1 ---- */

static bool v1_address(span text, int family, uint8_t out[16])
{
    char name[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof name || span_find(text, '\0') >= 0) {
        return false;
    }
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    return inet_pton(family, name, out) == 1;
}

static bool v1_port(span text, uint64_t *out)
{
    bool zero_first = text.len > 1 && text.ptr[0] == '0';
    return !zero_first && text.len <= 5 && span_u64(text, V1_PORT_MAX, out);
}

/* Behind "PROXY ", without CRLF. */
static int v1_line(span line, struct proxy_header *out)
{
    span protocol = span_cut(&line, ' ');
    if (span_eq(protocol, SPAN("UNKNOWN"))) { /* the rest is to be ignored */
        out->source = PROXY_UNKNOWN;
        return 0;
    }
    bool v6 = span_eq(protocol, SPAN("TCP6"));
    if (!v6 && !span_eq(protocol, SPAN("TCP4"))) {
        return PROXY_BAD_LINE;
    }
    int family = v6 ? AF_INET6 : AF_INET;
    uint8_t destination[16];
    uint64_t from, to;
    span source = span_cut(&line, ' ');
    span target = span_cut(&line, ' ');
    span from_port = span_cut(&line, ' ');
    if (!v1_address(source, family, out->addr) || !v1_address(target, family, destination) ||
        !v1_port(from_port, &from) || line.ptr == NULL || !v1_port(line, &to)) {
        return PROXY_BAD_LINE;
    }
    out->source = v6 ? PROXY_IPV6 : PROXY_IPV4;
    out->port = (uint16_t)from;
    return 0;
}

static int v1_decode(span in, struct proxy_header *out)
{
    span seen = span_slice(in, 0, V1_BYTES_MAX);
    ptrdiff_t cr = span_find(seen, '\r');
    if (cr < 0) {
        return seen.len == V1_BYTES_MAX ? PROXY_BAD_LINE : 0;
    }
    size_t end = (size_t)cr + 1;
    if (end == seen.len) {
        return seen.len == V1_BYTES_MAX ? PROXY_BAD_LINE : 0;
    }
    if (seen.ptr[end] != '\n') {
        return PROXY_BAD_LINE;
    }
    size_t from = sizeof v1_signature;
    int rc = v1_line(span_slice(seen, from, (size_t)cr - from), out);
    return rc < 0 ? rc : (int)(end + 1);
}

/* ---- version 2 ---- */

static uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (unsigned bit = 0; bit < 8; bit++) {
        crc = crc & 1 ? crc >> 1 ^ CRC32C_POLYNOMIAL : crc >> 1;
    }
    return crc;
}

/* Of the whole header, the checksum's own four bytes taken as zero (2.2.3). */
static bool crc_holds(span header, size_t field)
{
    const uint8_t *told = header.ptr + field;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < header.len; i++) {
        bool own = i >= field && i < field + TLV_CRC32C_BYTES;
        crc = crc_byte(crc, own ? 0 : header.ptr[i]);
    }
    return ~crc == ((uint32_t)u16_of(told) << 16 | u16_of(told + 2));
}

static int v2_extensions(span header, size_t at, struct proxy_header *out)
{
    size_t crc_at = 0;
    while (at < header.len) {
        if (header.len - at < TLV_HEAD_BYTES) {
            return PROXY_BAD_TLV;
        }
        uint8_t type = header.ptr[at];
        size_t len = u16_of(header.ptr + at + 1);
        at += TLV_HEAD_BYTES;
        if (len > header.len - at) {
            return PROXY_BAD_TLV;
        }
        if (type == TLV_CRC32C) {
            if (len != TLV_CRC32C_BYTES || crc_at != 0) {
                return PROXY_BAD_TLV;
            }
            crc_at = at;
        } else if (type == TLV_SSL) {
            if (len < TLV_SSL_BYTES_MIN || out->tls_told) {
                return PROXY_BAD_TLV;
            }
            out->tls_told = true;
            out->tls = (header.ptr[at] & TLV_SSL_CLIENT_TLS) != 0;
        }
        at += len;
    }
    return crc_at == 0 || crc_holds(header, crc_at) ? 0 : PROXY_BAD_CRC;
}

/* Bytes of the addresses, or negative for a pair that may not be. */
static int v2_address_bytes(uint8_t family)
{
    switch (family) {
    case V2_UNSPEC:
        return 0;
    case V2_TCP4:
        return V2_TCP4_BYTES;
    case V2_TCP6:
        return V2_TCP6_BYTES;
    case V2_UNIX_STREAM:
        return V2_UNIX_BYTES;
    default:
        return PROXY_BAD_FAMILY;
    }
}

static int v2_client(span header, uint8_t family, struct proxy_header *out)
{
    const uint8_t *at = header.ptr + V2_HEAD_BYTES;
    int len = v2_address_bytes(family);
    if (len < 0) {
        return len;
    }
    if ((size_t)len > header.len - V2_HEAD_BYTES) {
        return PROXY_BAD_LENGTH;
    }
    switch (family) {
    case V2_TCP4:
        out->source = PROXY_IPV4;
        memcpy(out->addr, at, 4);
        out->port = (uint16_t)u16_of(at + 8);
        break;
    case V2_TCP6:
        out->source = PROXY_IPV6;
        memcpy(out->addr, at, 16);
        out->port = (uint16_t)u16_of(at + 32);
        break;
    case V2_UNIX_STREAM:
        out->source = PROXY_UNIX;
        break;
    default:
        out->source = PROXY_UNKNOWN;
        return 0; /* nobody says where extensions would begin */
    }
    return v2_extensions(header, V2_HEAD_BYTES + (size_t)len, out);
}

static int v2_decode(span in, struct proxy_header *out)
{
    /* What is wrong is said as soon as it is seen. */
    if (in.len > 12 && (in.ptr[12] & 0xf0) != V2_VERSION) {
        return PROXY_BAD_VERSION;
    }
    if (in.len > 12 && (in.ptr[12] & 0x0f) > V2_COMMAND_PROXY) {
        return PROXY_BAD_COMMAND;
    }
    if (in.len < V2_HEAD_BYTES) {
        return 0;
    }
    size_t total = V2_HEAD_BYTES + u16_of(in.ptr + 14);
    if (total > PROXY_HEADER_BYTES_MAX) {
        return PROXY_BAD_LENGTH;
    }
    if (in.len < total) {
        return 0;
    }
    span header = span_slice(in, 0, total);
    if ((in.ptr[12] & 0x0f) == V2_COMMAND_LOCAL) {
        out->source = PROXY_LOCAL; /* the family is to be ignored */
        return (int)total;
    }
    int rc = v2_client(header, in.ptr[13], out);
    return rc < 0 ? rc : (int)total;
}

/* ---- both ---- */

static bool begins(span in, const uint8_t *signature, size_t bytes)
{
    return memcmp(in.ptr, signature, in.len < bytes ? in.len : bytes) == 0;
}

int proxy_header_decode(span in, struct proxy_header *out)
{
    *out = (struct proxy_header){.source = PROXY_LOCAL};
    if (in.len == 0) {
        return 0;
    }
    if (begins(in, v2_signature, sizeof v2_signature)) {
        return in.len < sizeof v2_signature ? 0 : v2_decode(in, out);
    }
    if (begins(in, v1_signature, sizeof v1_signature)) {
        return in.len < sizeof v1_signature ? 0 : v1_decode(in, out);
    }
    return PROXY_NOT_PROXY;
}

const char *proxy_error_text(int error)
{
    switch ((enum proxy_error)error) {
    case PROXY_NOT_PROXY:
        return "no PROXY header came first";
    case PROXY_BAD_LINE:
        return "the version 1 line is malformed";
    case PROXY_BAD_VERSION:
        return "the version is neither 1 nor 2";
    case PROXY_BAD_COMMAND:
        return "the command is neither LOCAL nor PROXY";
    case PROXY_BAD_FAMILY:
        return "the address family or transport is unknown";
    case PROXY_BAD_LENGTH:
        return "the length does not fit the address family or the limit";
    case PROXY_BAD_TLV:
        return "an extension is malformed";
    case PROXY_BAD_CRC:
        return "the checksum differs";
    }
    return "unknown";
}
