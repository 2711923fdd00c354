/* The headers that HAProxy's proxy-protocol.txt describes, cut at every byte and bent. */
#include "codec/proxy/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x01\xbb" /* 192.0.2.7:12345 */

static void accept_row(span header, enum proxy_source source, const char *tail)
{
    uint8_t bytes[PROXY_HEADER_BYTES_MAX + 64];
    struct proxy_header h;
    memcpy(bytes, header.ptr, header.len);
    memcpy(bytes + header.len, tail, strlen(tail));
    for (size_t len = 0; len < header.len; len++) {
        assert_int_equal(proxy_header_decode(span_of(bytes, len), &h), 0);
    }
    size_t whole = header.len + strlen(tail);
    assert_int_equal(proxy_header_decode(span_of(bytes, whole), &h), (int)header.len);
    assert_int_equal(h.source, source);
}

static void version_1_is_read_at_every_cut(void **state)
{
    static const struct {
        const char *line;
        enum proxy_source source;
    } rows[] = {
        {"PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", PROXY_IPV4},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", PROXY_IPV4},
        {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", PROXY_IPV4},
        {"PROXY TCP6 2001:db8::7 ::1 12345 443\r\n", PROXY_IPV6},
        {"PROXY UNKNOWN\r\n", PROXY_UNKNOWN},
        {"PROXY UNKNOWN ffff::1 anything at all 1 2\r\n", PROXY_UNKNOWN},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         PROXY_UNKNOWN}, /* the longest, 107 bytes */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        accept_row(span_str(rows[i].line), rows[i].source, "GET / HTTP/1.1\r\n");
        accept_row(span_str(rows[i].line), rows[i].source, "");
    }
    struct proxy_header h;
    assert_int_equal(proxy_header_decode(span_str(rows[0].line), &h), strlen(rows[0].line));
    assert_memory_equal(h.addr, "\xc0\x00\x02\x07", 4);
    assert_int_equal(h.port, 12345);
    assert_false(h.tls_told);
    assert_int_equal(proxy_header_decode(span_str(rows[3].line), &h), strlen(rows[3].line));
    assert_memory_equal(h.addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
}

static void a_bad_line_is_refused(void **state)
{
    static const char *const rows[] = {
        "PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443 \r\n",
        "PROXY  TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY TCP5 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY TCP4\r\n",
        "PROXY \r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\rX",
    };
    struct proxy_header h;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (proxy_header_decode(span_str(rows[i]), &h) != PROXY_BAD_LINE) {
            fail_msg("row %zu: %s", i, rows[i]);
        }
    }
    assert_int_equal(proxy_header_decode(SPAN("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:"
                                              "ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
                                              "65535 \r\n"),
                                         &h),
                     PROXY_BAD_LINE); /* 108 bytes */
    assert_int_equal(proxy_header_decode(SPAN("GET / HTTP/1.1\r\n"), &h), PROXY_NOT_PROXY);
    assert_int_equal(proxy_header_decode(SPAN("PROXX"), &h), PROXY_NOT_PROXY);
    assert_int_equal(proxy_header_decode(SPAN("\x16\x03\x01"), &h), PROXY_NOT_PROXY);
    assert_int_equal(proxy_header_decode(SPAN("\r\n\r\n\r"), &h), PROXY_NOT_PROXY);
}

static void version_2_is_read_at_every_cut(void **state)
{
    uint8_t unix_header[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";
    (void)state;
    accept_row(SPAN(SIGNATURE "\x21\x11\x00\x0c" TCP4), PROXY_IPV4, "GET");
    accept_row(SPAN(SIGNATURE "\x21\x21\x00\x24"
                              "0123456789abcdef0123456789abcdef\x01\x02\x03\x04"),
               PROXY_IPV6, "\x16\x03\x01");
    accept_row(span_of(unix_header, sizeof unix_header), PROXY_UNIX, "");
    accept_row(SPAN(SIGNATURE "\x20\x00\x00\x00"), PROXY_LOCAL, "");
    accept_row(SPAN(SIGNATURE "\x20\xff\x00\x02xx"), PROXY_LOCAL, "GET");
    accept_row(SPAN(SIGNATURE "\x21\x00\x00\x05junk!"), PROXY_UNKNOWN, "GET");
    struct proxy_header h;
    assert_true(proxy_header_decode(SPAN(SIGNATURE "\x21\x11\x00\x0c" TCP4), &h) > 0);
    assert_memory_equal(h.addr, "\xc0\x00\x02\x07", 4);
    assert_int_equal(h.port, 12345);
    assert_true(proxy_header_decode(SPAN(SIGNATURE "\x21\x21\x00\x24"
                                                   "0123456789abcdef0123456789abcdef"
                                                   "\x01\x02\x03\x04"),
                                    &h) > 0);
    assert_memory_equal(h.addr, "0123456789abcdef", 16);
    assert_int_equal(h.port, 0x102);
}

static void extensions_are_skipped_and_tls_is_told(void **state)
{
    struct proxy_header h;
    (void)state;
    assert_true(proxy_header_decode(SPAN(SIGNATURE "\x21\x11\x00\x19" TCP4 "\x05\x00\x02id"
                                                   "\x20\x00\x05\x01\0\0\0\0"),
                                    &h) > 0);
    assert_true(h.tls_told && h.tls);
    assert_true(proxy_header_decode(SPAN(SIGNATURE "\x21\x11\x00\x14" TCP4
                                                   "\x20\x00\x05\x00\0\0\0\0"),
                                    &h) > 0);
    assert_true(h.tls_told && !h.tls);
}

/* Computed with an independent CRC-32C of the header with four zero bytes. */
static void a_checksum_is_checked(void **state)
{
    uint8_t header[] = SIGNATURE "\x21\x11\x00\x13" TCP4 "\x03\x00\x04\0\0\0\0";
    size_t len = sizeof header - 1;
    struct proxy_header h;
    (void)state;
    memcpy(header + len - 4, "\x6b\x84\x86\x4e", 4);
    accept_row(span_of(header, len), PROXY_IPV4, "GET");
    for (size_t i = 16; i < len; i++) {
        header[i] ^= 0x10;
        int rc = proxy_header_decode(span_of(header, len), &h);
        if (i != 28) { /* the type: then nothing is checked */
            assert_true(rc < 0);
        }
        header[i] ^= 0x10;
    }
}

static void a_bad_version_2_is_refused(void **state)
{
    static const struct {
        span header;
        int error;
    } rows[] = {
        {{(const uint8_t *)SIGNATURE "\x11", 13}, PROXY_BAD_VERSION},
        {{(const uint8_t *)SIGNATURE "\x31", 13}, PROXY_BAD_VERSION},
        {{(const uint8_t *)SIGNATURE "\x22", 13}, PROXY_BAD_COMMAND},
        {{(const uint8_t *)SIGNATURE "\x21\x12\x00\x0c" TCP4, 28}, PROXY_BAD_FAMILY},
        {{(const uint8_t *)SIGNATURE "\x21\x01\x00\x0c" TCP4, 28}, PROXY_BAD_FAMILY},
        {{(const uint8_t *)SIGNATURE "\x21\x10\x00\x0c" TCP4, 28}, PROXY_BAD_FAMILY},
        {{(const uint8_t *)SIGNATURE "\x21\x41\x00\x0c" TCP4, 28}, PROXY_BAD_FAMILY},
        {{(const uint8_t *)SIGNATURE "\x21\x11\x00\x0b" TCP4, 28}, PROXY_BAD_LENGTH},
        {{(const uint8_t *)SIGNATURE "\x21\x21\x00\x0c" TCP4, 28}, PROXY_BAD_LENGTH},
        {{(const uint8_t *)SIGNATURE "\x21\x31\x00\x0c" TCP4, 28}, PROXY_BAD_LENGTH},
        {{(const uint8_t *)SIGNATURE "\x20\x00\xff\xff", 16}, PROXY_BAD_LENGTH},
        {{(const uint8_t *)SIGNATURE "\x21\x11\x00\x0e" TCP4 "\x05\x00", 30}, PROXY_BAD_TLV},
        {{(const uint8_t *)SIGNATURE "\x21\x11\x00\x0f" TCP4 "\x05\x00\x01", 31}, PROXY_BAD_TLV},
        {{(const uint8_t *)SIGNATURE "\x21\x11\x00\x0f" TCP4 "\x03\x00\x00", 31}, PROXY_BAD_TLV},
        {{(const uint8_t *)SIGNATURE "\x21\x11\x00\x0f" TCP4 "\x20\x00\x00", 31}, PROXY_BAD_TLV},
        {{(const uint8_t *)SIGNATURE "\x21\x11\x00\x13" TCP4 "\x03\x00\x04\0\0\0\0", 35},
         PROXY_BAD_CRC},
    };
    struct proxy_header h;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = proxy_header_decode(rows[i].header, &h);
        if (rc != rows[i].error) {
            fail_msg("row %zu: %d, %s", i, rc, proxy_error_text(rc));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_is_read_at_every_cut),
        cmocka_unit_test(a_bad_line_is_refused),
        cmocka_unit_test(version_2_is_read_at_every_cut),
        cmocka_unit_test(extensions_are_skipped_and_tls_is_told),
        cmocka_unit_test(a_checksum_is_checked),
        cmocka_unit_test(a_bad_version_2_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
