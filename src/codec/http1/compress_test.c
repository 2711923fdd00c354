/* Codings that clients ask for, and bodies that zlib itself reads back. */
#include "codec/http1/compress.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>
#include <zlib.h>

static size_t allocated; /* bytes asked for since the test began */

static void *counting_alloc(size_t bytes)
{
    allocated += bytes;
    return mem_alloc(bytes);
}

static const struct http1_compress_memory memory = {.alloc = counting_alloc, .release = mem_free};

static enum http1_coding choose(const char *first, const char *second)
{
    struct http1_fields f = {0};
    const char *values[] = {first, second};
    for (unsigned i = 0; i < 2 && values[i] != NULL; i++) {
        f.items[f.count].name = SPAN("accept-encoding");
        f.items[f.count++].value = span_str(values[i]);
    }
    return http1_coding_choose(&f);
}

static void the_client_chooses_by_weight(void **state)
{
    static const struct {
        const char *value;
        enum http1_coding want;
    } rows[] = {
        {NULL, HTTP1_IDENTITY},
        {"", HTTP1_IDENTITY},
        {"gzip", HTTP1_GZIP},
        {"GZip", HTTP1_GZIP},
        {"deflate", HTTP1_DEFLATE},
        {"gzip, deflate, br", HTTP1_GZIP},
        {"deflate, gzip;q=1.0, *;q=0.5", HTTP1_GZIP},
        {"deflate, gzip;q=0.9", HTTP1_DEFLATE},
        {"br, zstd", HTTP1_IDENTITY},
        {"*", HTTP1_GZIP},
        {"*;q=0", HTTP1_IDENTITY},
        {"gzip;q=0", HTTP1_IDENTITY},
        {"gzip;q=0.000, deflate", HTTP1_DEFLATE},
        {"gzip;q=0, *", HTTP1_DEFLATE},
        {"gzip;q=0, deflate;q=0, *", HTTP1_IDENTITY},
        {"identity", HTTP1_IDENTITY},
        {"identity, gzip;q=0.5", HTTP1_IDENTITY},
        {"identity;q=0.5, gzip", HTTP1_GZIP},
        {"identity, gzip", HTTP1_GZIP},
        {"gzip;q=2", HTTP1_IDENTITY},
        {"gzip;x=1", HTTP1_IDENTITY},
        {",,gzip ; q=0.1 ,", HTTP1_GZIP},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (choose(rows[i].value, NULL) != rows[i].want) {
            fail_msg("%s: %u", rows[i].value, (unsigned)choose(rows[i].value, NULL));
        }
    }
    assert_int_equal(choose("br", "gzip"), HTTP1_GZIP); /* two lines are one list */
    assert_int_equal(choose("gzip;q=0", "gzip"), HTTP1_IDENTITY);
    assert_true(span_eq(http1_coding_name(HTTP1_GZIP), SPAN("gzip")));
    assert_true(span_eq(http1_coding_name(HTTP1_DEFLATE), SPAN("deflate")));
    assert_int_equal(http1_coding_name(HTTP1_IDENTITY).len, 0);
}

/* Strictly: gzip is no zlib there, and its length and sum must be right. */
static void check_inflates(enum http1_coding coding, span packed, span want)
{
    z_stream s = {0};
    uint8_t *plain = mem_alloc(want.len + 1);
    assert_int_equal(inflateInit2(&s, coding == HTTP1_GZIP ? MAX_WBITS + 16 : MAX_WBITS), Z_OK);
    s.next_in = (z_const Bytef *)packed.ptr;
    s.avail_in = (uInt)packed.len;
    s.next_out = plain;
    s.avail_out = (uInt)want.len + 1;
    assert_int_equal(inflate(&s, Z_FINISH), Z_STREAM_END);
    assert_int_equal(s.avail_in, 0);
    assert_int_equal(s.total_out, want.len);
    assert_memory_equal(plain, want.ptr, want.len);
    inflateEnd(&s);
    mem_free(plain);
}

static void bodies_come_back_whole_and_shorter(void **state)
{
    static const size_t sizes[] = {100, 1024, 4096, 70000, 1 << 20};
    struct http1_compressor *z = http1_compressor_new(&memory);
    buf body = {0};
    buf out = {0};
    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        buf_clear(&body);
        while (body.len < sizes[i]) {
            buf_printf(&body, "{\"number\":%zu,\"text\":\"some text\"},", body.len * 7919 % 1000);
        }
        for (int coding = HTTP1_GZIP; coding <= HTTP1_DEFLATE; coding++) {
            buf_clear(&out);
            buf_append_str(&out, "before");
            assert_true(http1_compress(z, (enum http1_coding)coding, buf_span(&body), &out));
            assert_memory_equal(out.ptr, "before", 6);
            assert_true(out.len - 6 < body.len);
            check_inflates((enum http1_coding)coding, span_slice(buf_span(&out), 6, out.len),
                           buf_span(&body));
        }
    }
    buf_deinit(&body);
    buf_deinit(&out);
    http1_compressor_free(z);
}

static void what_would_not_be_shorter_is_left(void **state)
{
    struct http1_compressor *z = http1_compressor_new(&memory);
    uint8_t noise[5000];
    uint32_t random = 2463534242;
    buf out = {0};
    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        noise[i] = (uint8_t)random;
    }
    for (size_t len = 0; len < sizeof noise; len = len * 2 + 1) {
        assert_false(http1_compress(z, HTTP1_GZIP, span_of(noise, len), &out));
        assert_false(http1_compress(z, HTTP1_DEFLATE, span_of(noise, len), &out));
        assert_int_equal(out.len, 0);
    }
    memset(noise, 'a', 2000); /* and goes on afterwards */
    assert_true(http1_compress(z, HTTP1_GZIP, span_of(noise, 2000), &out));
    check_inflates(HTTP1_GZIP, buf_span(&out), span_of(noise, 2000));
    buf_deinit(&out);
    http1_compressor_free(z);
}

static void one_stream_serves_all(void **state)
{
    uint8_t text[3000];
    buf out = {0};
    (void)state;
    allocated = 0;
    struct http1_compressor *z = http1_compressor_new(&memory);
    assert_true(allocated < 1024); /* nobody has asked for it yet */
    memset(text, 'b', sizeof text);
    for (unsigned i = 0; i < 100; i++) {
        buf_clear(&out);
        assert_true(http1_compress(z, i % 2 ? HTTP1_GZIP : HTTP1_DEFLATE,
                                   span_of(text, sizeof text), &out));
    }
    assert_true(allocated < 280 * 1024);
    buf_deinit(&out);
    http1_compressor_free(z);
    http1_compressor_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_chooses_by_weight),
        cmocka_unit_test(bodies_come_back_whole_and_shorter),
        cmocka_unit_test(what_would_not_be_shorter_is_left),
        cmocka_unit_test(one_stream_serves_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
