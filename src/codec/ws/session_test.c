/*
 * Conversations written as scripts. Each token of a script is a frame of the peer:
 *   T B C      text, binary, continuation with FIN; t b c without
 *   P Q        ping, pong           X1000/bye  close with code and reason, X an empty one
 *   :payload   or *N for N letters  #hex       bytes as they are
 * Every script runs whole, byte by byte, and cut in two at every place, with the same outcome.
 */
#include "codec/ws/session.h"

#include "base/base64.h"
#include "codec/ws/session_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
static const struct ws_limits limits = {.message_bytes_max = 100000, .fragments_max = 8};

static bool deflate_agreed; /* in the conversations to come */

static void put_letters(buf *out, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++) {
        buf_append_byte(out, (uint8_t)('a' + i % 26));
    }
}

/* Copies `text`, with *N written out. */
static void put_payload(buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        if (text[i] == '*') {
            char *end;
            put_letters(out, strtoul(text + i + 1, &end, 10));
            i = (size_t)(end - text);
        } else {
            buf_append_byte(out, (uint8_t)text[i++]);
        }
    }
}

static void put_frame(buf *out, enum ws_role role, const char *token, size_t len)
{
    static const char letters[] = "tbcTBCPQX";
    static const uint8_t ops[] = {1, 2, 0, 1, 2, 0, 9, 10, 8};
    size_t which = (size_t)(strchr(letters, token[0]) - letters);
    buf payload = {0};
    if (token[0] == 'X' && len >= 5) {
        unsigned long code = strtoul(token + 1, NULL, 10);
        buf_append_byte(&payload, (uint8_t)(code >> 8));
        buf_append_byte(&payload, (uint8_t)code);
        put_payload(&payload, token + 6, len > 6 ? len - 6 : 0);
    } else if (len > 1) {
        size_t skip = token[1] == ':' ? 2 : 1;
        put_payload(&payload, token + skip, len - skip);
    }
    const uint8_t *mask = role == WS_SERVER ? key : NULL;
    uint8_t *head = buf_reserve(out, WS_HEAD_BYTES_MAX);
    out->len += ws_frame_encode_head(head, which >= 3, ops[which], payload.len, mask);
    if (mask != NULL && payload.len > 0) {
        ws_mask(payload.ptr, payload.len, key, 0);
    }
    buf_append_span(out, buf_span(&payload));
    buf_deinit(&payload);
}

static void put_script(buf *out, enum ws_role role, const char *script)
{
    while (*script != '\0') {
        size_t len = strcspn(script, " ");
        if (script[0] == '#') {
            uint8_t *bytes = buf_reserve(out, len);
            assert_true(hex_decode(span_of(script + 1, len - 1), bytes));
            out->len += (len - 1) / 2;
        } else if (len > 0) {
            put_frame(out, role, script, len);
        }
        script += len + (script[len] == ' ');
    }
}

/* Runs `bytes` in pieces: first one of `cut`, then ones of `step`. Returns the number of pieces
 * that messages came in. */
static unsigned run(enum ws_role role, const struct ws_limits *lim, span bytes, size_t cut,
                    size_t step, span expected)
{
    struct trace t = {.limits = *lim};
    ws_session_init(&t.session, role);
    if (deflate_agreed) {
        ws_session_allow_deflate(&t.session);
        assert_true(ws_session_deflates(&t.session));
    }
    trace_feed(&t, span_slice(bytes, 0, cut));
    for (size_t at = cut; at < bytes.len; at += step) {
        trace_feed(&t, span_slice(bytes, at, step));
    }
    span got = buf_span(&t.record);
    if (!span_eq(got, expected)) {
        fail_msg("cut %zu step %zu: got %.300s", cut, step, (const char *)t.record.ptr);
    }
    unsigned pieces = t.pieces;
    trace_deinit(&t);
    return pieces;
}

static void check_script(enum ws_role role, const char *script, const char *expected)
{
    buf bytes = {0}, wanted = {0};
    put_script(&bytes, role, script);
    put_payload(&wanted, expected, strlen(expected));
    if (wanted.len > 0) {
        buf_append_byte(&wanted, ' ');
    }
    span in = buf_span(&bytes), out = buf_span(&wanted);
    run(role, &limits, in, in.len, 1, out);
    run(role, &limits, in, 0, 1, out);
    size_t places = in.len < 1024 ? in.len : 32; /* of a long one, its header */
    for (size_t cut = 0; cut < places; cut++) {
        run(role, &limits, in, cut, in.len, out);
    }
    run(role, &limits, in, 0, 997, out);
    buf_deinit(&bytes);
    buf_deinit(&wanted);
}

struct row {
    const char *script;
    const char *expected;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_script(WS_SERVER, rows[i].script, rows[i].expected);
    }
}
#define CHECK_ROWS(rows) check_rows(rows, ARRAY_LEN(rows))

static void messages_of_every_length_form(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"T", "T()"},
        {"B", "B()"},
        {"T:hello", "T(hello)"},
        {"T*125 B*125", "T(*125) B(*125)"},
        {"T*126", "T(*126)"},
        {"T*127 B*128", "T(*127) B(*128)"},
        {"B*65535", "B(*65535)"},
        {"T*65536", "T(*65536)"},
        {"B*100000", "B(*100000)"},
        {"T:a T:b B:c T:d", "T(a) T(b) B(c) T(d)"},
    };
    CHECK_ROWS(rows);
}

static void pings_and_pongs_anywhere(void **state)
{
    static const struct row rows[] = {
        {"P", "P()"},
        {"P:hi", "P(hi)"},
        {"P:\xff\xfe\xfd", "P(\xff\xfe\xfd)"},
        {"P*125", "P(*125)"},
        {"Q", "Q()"},
        {"Q:unasked P:x Q:y", "Q(unasked) P(x) Q(y)"},
        {"P P P P P P P P P P", "P() P() P() P() P() P() P() P() P() P()"},
        {"t:one P:mid C:two", "P(mid) T(onetwo)"},
        {"t:a P Q c:b P C:c T:x", "P() Q() P() T(abc) T(x)"},
        {"#89fe007e", "!1002"},                    /* 126 bytes */
        {"#8aff0000000000010000", "!1002"},
        {"#0980", "!1002"},                        /* fragmented ping */
        {"#0a80", "!1002"},
    };
    CHECK_ROWS(rows);
}

static void reserved_bits_and_opcodes_fail(void **state)
{
    static const char *const bad[] = {"c1", "a1", "91", "f1", "c2", "c0", "c8", "c9", "a9", "9a",
                                      "83", "84", "85", "86", "87", "8b", "8c", "8d", "8e", "8f",
                                      "03", "0b", "0f", "73"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char script[64];
        snprintf(script, sizeof script, "T:ok P #%s T:late", bad[i]);
        check_script(WS_SERVER, script, "T(ok) P() !1002");
        snprintf(script, sizeof script, "#%s8000000000", bad[i]);
        check_script(WS_SERVER, script, "!1002");
    }
}

static void masking_follows_the_role(void **state)
{
    check_script(WS_SERVER, "#810568656c6c6f", "!1002");
    check_script(WS_SERVER, "#8100", "!1002");
    check_script(WS_SERVER, "#8900", "!1002");
    check_script(WS_CLIENT, "#818537fa213d7f9f4d5158", "!1002");
    check_script(WS_CLIENT, "#810568656c6c6f", "T(hello)");
    check_script(WS_SERVER, "#818537fa213d7f9f4d5158", "T(Hello)"); /* RFC 6455 5.7 */
    check_script(WS_CLIENT, "t*300 P:x c*7 C:end X1001/bye", "P(x) T(*300*7end) X(1001,bye)");
}

static void lengths_are_minimal_and_63_bits(void **state)
{
    static const struct row rows[] = {
        {"#81fe007d00000000", "!1002"},
        {"#81fe000000000000", "!1002"},
        {"#82ff000000000000ffff00000000", "!1002"},
        {"#82ff000000000000000000000000", "!1002"},
        {"#82ff800000000000000000000000", "!1002"},
        {"#82ffffffffffffffffff00000000", "!1002"},
        {"#82ff7fffffffffffffff00000000", "!1009"},
        {"#82ff00000000000186a100000000", "!1009"}, /* 100,001 */
    };
    CHECK_ROWS(rows);
}

static void fragments_join_in_order(void **state)
{
    static const struct row rows[] = {
        {"t:one C:two", "T(onetwo)"},
        {"b:one C:two B:x", "B(onetwo) B(x)"},
        {"t C", "T()"},
        {"t c c C", "T()"},
        {"t c:mid C", "T(mid)"},
        {"t:a c:b c:c c:d c:e c:f c:g C:h", "T(abcdefgh)"},
        {"b*70000 C*30000", "B(*70000*30000)"},
        {"C:x", "!1002"},
        {"c:x", "!1002"},
        {"T:x C:y", "T(x) !1002"},
        {"T:x c", "T(x) !1002"},
        {"t:x T:y", "!1002"},
        {"t:x B:y", "!1002"},
        {"t:x t:y C:z", "!1002"},
        {"t:a C:b C:c", "T(ab) !1002"},
        {"c:a T:b", "!1002"},
        {"t:x X1000/", "X(1000,)"},
    };
    CHECK_ROWS(rows);
}

static void limits_fail_at_the_header(void **state)
{
    static const struct row rows[] = {
        {"b*70000 C*30001", "!1009"},
        {"b*50000 c*50000 C", "B(*50000*50000)"},
        {"b*50000 c*50000 c:x C", "!1009"},
        {"t:a c c c c c c c C", "!1008"}, /* the ninth frame */
        {"t c c c c c c P c P C", "P() P() !1008"},
        {"t:a C:b t:a c c c c c c C T:x", "T(ab) T(a) T(x)"},
    };
    CHECK_ROWS(rows);
    struct ws_limits any = {.message_bytes_max = 200000, .fragments_max = 0};
    buf bytes = {0};
    put_script(&bytes, WS_SERVER, "t:x");
    for (int i = 0; i < 70000; i++) {
        put_script(&bytes, WS_SERVER, "c");
    }
    put_script(&bytes, WS_SERVER, "C:y");
    run(WS_SERVER, &any, buf_span(&bytes), bytes.len, 1, SPAN("T(xy) "));
    buf_deinit(&bytes);
}

static void text_is_utf8(void **state)
{
    static const struct row rows[] = {
        {"T:Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc",
         "T(Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc)"},
        {"T:\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
         "T(\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5)"},
        {"t:\xce C:\xba", "T(\xce\xba)"},
        {"t:\xf0 c:\x9f c:\x98 C:\x80", "T(\xf0\x9f\x98\x80)"},
        {"t:\xf0\x9f c P C:\x98\x80", "P() T(\xf0\x9f\x98\x80)"},
        {"T:\xf4\x8f\xbf\xbf", "T(\xf4\x8f\xbf\xbf)"},
        {"T:\xef\xbf\xbf", "T(\xef\xbf\xbf)"}, /* non-characters are allowed */
        {"T:\xce", "!1007"},
        {"t:\xce C", "!1007"},
        {"t:\xce C:x", "!1007"},
        {"t:\xce\xba\xe1\xbd\xb9\xf4\x90 c:x", "!1007"},
        {"T:\xed\xa0\x80", "!1007"},         /* a surrogate */
        {"T:\xc0\xaf", "!1007"},             /* overlong */
        {"T:\xe0\x80\xaf", "!1007"},
        {"T:\xf0\x80\x80\xaf", "!1007"},
        {"T:\xf4\x90\x80\x80", "!1007"},     /* over U+10FFFF */
        {"T:\xf5\x80\x80\x80", "!1007"},
        {"T:\xfe", "!1007"},
        {"T:\xff", "!1007"},
        {"T:\x80", "!1007"},
        {"T:ok T:\xbf T:late", "T(ok) !1007"},
        {"t:ok c:\xff P", "!1007"},
        {"B:\xff\xfe\xce", "B(\xff\xfe\xce)"},
        {"b:\xff C:\xce T:x", "B(\xff\xce) T(x)"},
        {"b:\xf0 C t:\xf0 C:\x9f", "B(\xf0) !1007"},
    };
    CHECK_ROWS(rows);
}

static void bad_text_fails_before_its_frame_is_complete(void **state)
{
    /* A frame of 1,000 bytes of which 4 are here: the third cannot follow the second. */
    uint8_t bytes[] = {0x81, 0xfe, 0x03, 0xe8, 0, 0, 0, 0, 'a', 0xf4, 0x90, 'b'};
    struct ws_session s = {0};
    struct ws_event ev;
    assert_int_equal(ws_session_feed(&s, &limits, bytes, 10, &ev), 10);
    assert_int_equal(ev.type, WS_EVENT_FRAGMENT);
    assert_false(ev.last);
    assert_int_equal(ev.payload.len, 2);
    assert_int_equal(ws_session_feed(&s, &limits, bytes + 10, 1, &ev), -1007);
    assert_string_equal(ev.why, "text is not UTF-8");
    assert_true(ws_session_is_over(&s));
}

static void closes(void **state)
{
    static const struct row rows[] = {
        {"X", "X(1005,)"},
        {"X1000", "X(1000,)"},
        {"X1000/bye", "X(1000,bye)"},
        {"X1000/*123", "X(1000,*123)"},
        {"X X", "X(1005,)"},
        {"X1000/a P T:late #ffff", "X(1000,a)"}, /* nothing after a close is processed */
        {"T:x X1001/go", "T(x) X(1001,go)"},
        {"#88810000000003", "!1002"}, /* one byte */
        {"#88fe007e", "!1002"},       /* over 125 */
        {"#0880", "!1002"},
        {"X1000/\xce\xba", "X(1000,\xce\xba)"},
        {"X1000/\xce", "!1007"},
        {"X1000/\xed\xa0\x80", "!1007"},
    };
    CHECK_ROWS(rows);
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011,
                                    1012, 1013, 1014, 3000, 3999, 4000, 4999};
    static const unsigned bad[] = {0,    999,  1004, 1005, 1006, 1015, 1016,
                                   1100, 2000, 2999, 5000, 9999};
    char script[16], expected[24];
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(script, sizeof script, "X%04u/", good[i]);
        snprintf(expected, sizeof expected, "X(%u,)", good[i]);
        check_script(WS_SERVER, script, expected);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(script, sizeof script, "X%04u/", bad[i]);
        check_script(WS_SERVER, script, "!1002");
    }
}

static void whole_messages_are_slices_of_the_input(void **state)
{
    uint8_t bytes[64];
    size_t n = ws_frame_encode_head(bytes, true, WS_OP_TEXT, 5, key);
    memcpy(bytes + n, "hello", 5);
    ws_mask(bytes + n, 5, key, 0);
    struct ws_session s = {0};
    struct ws_event ev;
    assert_int_equal(ws_session_feed(&s, &limits, bytes, n + 5, &ev), n + 5);
    assert_int_equal(ev.type, WS_EVENT_MESSAGE);
    assert_ptr_equal(ev.payload.ptr, bytes + n);
    assert_true(span_eq(ev.payload, SPAN("hello")));
    assert_false(ws_session_in_message(&s));
}

static void compressed_messages_come_as_they_are(void **state)
{
    static const struct row rows[] = {
        {"#c103fffefd", "zT(\xff\xfe\xfd)"},
        {"#c203fffefd T:a", "zB(\xff\xfe\xfd) T(a)"},
        {"#c100", "zT()"},
        {"#4102fffe #8001fd", "zT(\xff\xfe\xfd)"},
        {"#4102fffe P #8001fd T:a", "P() zT(\xff\xfe\xfd) T(a)"},
        {"#4101ff #8000 t:a c:\xff", "zT(\xff) !1007"}, /* what follows is text again */
        {"#4102fffe #c001fd", "!1002"},                  /* RSV1 on a continuation */
        {"#c900", "!1002"},
        {"#c800", "!1002"},
        {"#a100", "!1002"},
        {"#9100", "!1002"},
        {"#c27f0000000000019f4a", ""}, /* 100000 bytes may take 106314 */
        {"#c27f0000000000019f4b", "!1009"},
        {"#827f00000000000186a1", "!1009"},
    };
    deflate_agreed = true;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_script(WS_CLIENT, rows[i].script, rows[i].expected);
    }
    deflate_agreed = false;
    check_script(WS_CLIENT, "#c103fffefd", "!1002");
    check_script(WS_CLIENT, "#4102fffe", "!1002");
}

static void a_large_frame_needs_no_large_buffer(void **state)
{
    buf bytes = {0};
    put_script(&bytes, WS_SERVER, "B*90000");
    buf expected = {0};
    put_payload(&expected, "B(*90000) ", 10);
    unsigned pieces = run(WS_SERVER, &limits, buf_span(&bytes), 0, 1000, buf_span(&expected));
    assert_in_range(pieces, 90, 92);
    buf_deinit(&bytes);
    buf_deinit(&expected);
}

static void an_idle_session_is_small(void **state)
{
    assert_true(sizeof(struct ws_session) <= 24);
    struct ws_session s;
    struct ws_event ev;
    ws_session_init(&s, WS_CLIENT);
    assert_int_equal(ws_session_feed(&s, &limits, NULL, 0, &ev), 0);
    assert_false(ws_session_is_over(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_length_form),
        cmocka_unit_test(pings_and_pongs_anywhere),
        cmocka_unit_test(reserved_bits_and_opcodes_fail),
        cmocka_unit_test(masking_follows_the_role),
        cmocka_unit_test(lengths_are_minimal_and_63_bits),
        cmocka_unit_test(fragments_join_in_order),
        cmocka_unit_test(limits_fail_at_the_header),
        cmocka_unit_test(text_is_utf8),
        cmocka_unit_test(bad_text_fails_before_its_frame_is_complete),
        cmocka_unit_test(closes),
        cmocka_unit_test(whole_messages_are_slices_of_the_input),
        cmocka_unit_test(compressed_messages_come_as_they_are),
        cmocka_unit_test(a_large_frame_needs_no_large_buffer),
        cmocka_unit_test(an_idle_session_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
