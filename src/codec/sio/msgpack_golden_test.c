/* What the real parsers write (tests/golden/msgpack.mjs) is read the same, and where JSON has all
 * of it our bytes are theirs. */
#include "base/base64.h"
#include "codec/sio/json_same.h"
#include "codec/sio/msgpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define DEPTH_MAX 16
#define JSON_MAX (1 << 20)
#define LINE_MAX_BYTES 8192

/* Cuts the next hex field of attachments ("-" is an empty one). */
static span next_attachment(span *rest, uint8_t *bytes)
{
    span hex = span_cut(rest, ' ');
    if (span_eq(hex, SPAN("-"))) {
        return SPAN_NONE;
    }
    assert_true(hex_decode(hex, bytes));
    return span_of(bytes, hex.len / 2);
}

static void require_golden(span line, unsigned *exact)
{
    static uint8_t bytes[LINE_MAX_BYTES], files[SIO_ATTACHMENTS_MAX][LINE_MAX_BYTES];
    span kind = span_cut(&line, '\t'), hex = span_cut(&line, '\t'), text = span_cut(&line, '\t');
    assert_true(hex_decode(hex, bytes));
    span in = span_of(bytes, hex.len / 2);

    span attachments[SIO_ATTACHMENTS_MAX];
    buf json = {0};
    struct sio_packet want, got;
    assert_int_equal(sio_packet_read(text, DEPTH_MAX, &want), SIO_OK);
    enum sio_fault f = sio_msgpack_read(in, DEPTH_MAX, JSON_MAX, &json, &got, attachments);
    if (f != SIO_OK || got.type != want.type || got.has_id != want.has_id || got.id != want.id ||
        !span_eq(got.nsp, want.nsp) || got.attachments != want.attachments ||
        !json_same(got.payload, want.payload)) {
        fail_msg("%.*s: %s, %.*s", SPAN_FMT(text), sio_fault_name(f), SPAN_FMT(got.payload));
    }
    span all[SIO_ATTACHMENTS_MAX];
    for (unsigned i = 0; i < got.attachments; i++) {
        all[i] = next_attachment(&line, files[i]);
        assert_true(span_eq(all[i], attachments[i]));
    }
    if (span_eq(kind, SPAN("exact"))) {
        buf out = {0};
        sio_msgpack_put(&out, want.type, want.nsp, want.has_id ? (int64_t)want.id : -1,
                        want.payload, all, want.attachments);
        if (!span_eq(buf_span(&out), in)) {
            fail_msg("other bytes for %.*s", SPAN_FMT(text));
        }
        buf_deinit(&out);
        ++*exact;
    }
    buf_deinit(&json);
}

static void packets_of_the_real_parsers(void **state)
{
    FILE *f = fopen("tests/golden/msgpack.txt", "rb");
    assert_non_null(f);
    static char line[LINE_MAX_BYTES];
    unsigned lines = 0, exact = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        span text = span_str(line);
        assert_true(text.len > 0 && text.ptr[text.len - 1] == '\n');
        require_golden(span_of(text.ptr, text.len - 1), &exact);
        lines++;
    }
    fclose(f);
    assert_true(lines > 150 && exact > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_the_real_parsers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
