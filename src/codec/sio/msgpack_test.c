#include "codec/sio/msgpack.h"

#include "base/base64.h"
#include "codec/json/walk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DEPTH_MAX 16
#define JSON_MAX (1 << 20)

static buf json;
static span attachments[SIO_ATTACHMENTS_MAX];

static enum sio_fault read_bytes(span in, struct sio_packet *p)
{
    buf_clear(&json);
    buf_append_str(&json, "kept"); /* what is in the buffer stays */
    enum sio_fault f = sio_msgpack_read(in, DEPTH_MAX, JSON_MAX, &json, p, attachments);
    assert_memory_equal(json.ptr, "kept", 4);
    return f;
}

/* `data` and what is around it in hex, as the data of an event whose name is "a" before it. */
static enum sio_fault read_event(const char *data_hex, struct sio_packet *p)
{
    static uint8_t bytes[4096];
    size_t len = strlen(data_hex) / 2;
    static const char head[] = "\x83\xa4type\x02\xa3nsp\xa1/\xa4" "data\x92\xa1" "a";
    memcpy(bytes, head, sizeof head - 1);
    assert_true(hex_decode(span_str(data_hex), bytes + sizeof head - 1));
    return read_bytes(span_of(bytes, sizeof head - 1 + len), p);
}

static void require_json(const char *data_hex, const char *want)
{
    struct sio_packet p;
    enum sio_fault f = read_event(data_hex, &p);
    if (f != SIO_OK) {
        fail_msg("%s: %s", data_hex, sio_fault_name(f));
    }
    span got = span_slice(p.payload, 5, p.payload.len - 6); /* ["a", ] */
    if (!span_eq(got, span_str(want))) {
        fail_msg("%s: %.*s, not %s", data_hex, SPAN_FMT(got), want);
    }
}

static const struct {
    const char *hex;
    const char *json;
} values[] = {
    {"00", "0"},
    {"7f", "127"},
    {"ff", "-1"},
    {"e0", "-32"},
    {"c0", "null"},
    {"c2", "false"},
    {"c3", "true"},
    {"ccff", "255"},
    {"cc00", "0"},
    {"cdffff", "65535"},
    {"ceffffffff", "4294967295"},
    {"cfffffffffffffffff", "18446744073709551615"},
    {"cf0020000000000001", "9007199254740993"},
    {"d080", "-128"},
    {"d07f", "127"},
    {"d18000", "-32768"},
    {"d280000000", "-2147483648"},
    {"d38000000000000000", "-9223372036854775808"},
    {"d37fffffffffffffff", "9223372036854775807"},
    {"ca3fc00000", "1.5"},
    {"ca3dcccccd", "0.10000000149011612"},
    {"cb3fb999999999999a", "0.1"},
    {"cb4008000000000000", "3"},
    {"cb8000000000000000", "0"},
    {"cb7ff0000000000000", "null"},
    {"cbfff0000000000000", "null"},
    {"cb7ff8000000000000", "null"},
    {"ca7f800000", "null"},
    {"cb7fefffffffffffff", "1.7976931348623157e+308"},
    {"cb0000000000000001", "4.94065645841247e-324"},
    {"a0", "\"\""},
    {"a568656c6c6f", "\"hello\""},
    {"a400220a1f", "\"\\u0000\\\"\\n\\u001f\""},
    {"d902c3a9", "\"\xc3\xa9\""},
    {"da0001" "41", "\"A\""},
    {"db00000004f09f9880", "\"\xf0\x9f\x98\x80\""},
    {"90", "[]"},
    {"9301a12f90", "[1,\"/\",[]]"},
    {"dc0001c0", "[null]"},
    {"dd00000001c0", "[null]"},
    {"80", "{}"},
    {"82a16101a16202", "{\"a\":1,\"b\":2}"},
    {"de0001a16101", "{\"a\":1}"},
    {"df00000001a16190", "{\"a\":[]}"},
    {"82a16101a16102", "{\"a\":1,\"a\":2}"}, /* the last is to win, as everywhere */
    {"81a3220a0001", "{\"\\\"\\n\\u0000\":1}"},
    {"d40000", "null"}, /* undefined: null in an array, left out of a map */
    {"d40001", "null"},
    {"83a161d40000a16202a163d40000", "{\"b\":2}"},
    {"81a161d40000", "{}"},
    {"82a161c0a16291d40000", "{\"a\":null,\"b\":[null]}"},
    {"d7000000000000000000", "\"1970-01-01T00:00:00.000Z\""},
    {"d7000000018bcfe5687b", "\"2023-11-14T22:13:20.123Z\""},
    {"d700ffffffffffffffff", "\"1969-12-31T23:59:59.999Z\""},
    {"d700001eb208c2dc0000", "\"+275760-09-13T00:00:00.000Z\""},
    {"d700001eb208c2dc0001", "null"},
    {"d700ffe14df73d240000", "\"-271821-04-20T00:00:00.000Z\""},
    {"d700ffffc76e394a7400", "\"-000001-01-01T00:00:00.000Z\""},
    {"d7007fffffffffffffff", "null"},
    {"d6ff00000001", "\"1970-01-01T00:00:01.000Z\""},
    {"d6ffffffffff", "\"2106-02-07T06:28:15.000Z\""},
    {"d7ff1dcd65006553f100", "\"2023-11-14T22:13:20.125Z\""},
    {"c70cff3b9ac9ffffffffffffffffff", "\"1969-12-31T23:59:59.999Z\""},
    {"c70cff000000007fffffffffffffff", "null"},
    {"c70cff000000008000000000000000", "null"},
};

static void values_become_json(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        require_json(values[i].hex, values[i].json);
    }
}

static void what_is_no_msgpack_or_no_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "c1", "", "0000", "c4", "c401", "c50000ff", "c6ffffffff", "c7", "c700", "c70100",
        "c8ffff00", "ca000000", "cb", "cc", "cd00", "ce", "cf", "d0", "d1", "d2", "d3", "d4",
        "d400",
        "d50000", "d700", "d9", "d901", "da00", "db00", "dbffffffff", "a1", "bf41", "91", "81",
        "81a161", "dc", "dcffff", "dd00", "ddffffffff", "de", "deffff", "dfffffffff",
        "dd7fffffff00", "df0000000201a10102", /* more announced than there is */
        "a1ff", "a2c080", "a3eda080", "d901c3", "a4f4908080", /* not UTF-8 */
        "8101a161", "81c001", "819001", "81c40141" "01", "81d4000001", /* names */
        "81a95f5f70726f746f5f5f01", "81ab636f6e7374727563746f7201", "81a970726f746f7479706501",
        "91" "81a95f5f70726f746f5f5f80",
        "d5000000", "d60000000000", "d800" "00000000000000000000000000000000", /* other ext */
        "d401" "00", "c70101" "00", "c70001", "d77f0000000000000000",
        "d4ff00", "d5ff0000", "c704fe00000000", "c703ff000000",
        "c70cff3b9aca000000000000000000", "d7ffee6b28000000000000", /* a second of ns and more */
        "919191919191919191919191919191919190", /* 17 deep with the event's own */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sio_packet p;
        enum sio_fault f = read_event(bad[i], &p);
        if (f != SIO_BAD_JSON) {
            fail_msg("%s: %s", bad[i], sio_fault_name(f));
        }
    }
    struct sio_packet p;
    assert_int_equal(read_event("9191919191919191919191919191" "90", &p), SIO_OK); /* 16 */
}

static void binary_becomes_attachments(void **state)
{
    struct sio_packet p;
    assert_int_equal(read_event("93c403010203c70200040590", &p), SIO_OK);
    assert_int_equal(p.attachments, 2);
    assert_true(span_eq(attachments[0], SPAN("\1\2\3")) && span_eq(attachments[1], SPAN("\4\5")));
    require_json("c400", "{\"_placeholder\":true,\"num\":0}");
    require_json("c5000107", "{\"_placeholder\":true,\"num\":0}");
    require_json("c60000000107", "{\"_placeholder\":true,\"num\":0}");
    require_json("c8000100ff", "{\"_placeholder\":true,\"num\":0}");
    require_json("c90000000800" "0102030405060708", "{\"_placeholder\":true,\"num\":0}");
    require_json("c70000", "{\"_placeholder\":true,\"num\":0}");
    require_json("81a16191c40100", "{\"a\":[{\"_placeholder\":true,\"num\":0}]}");
    assert_int_equal(read_event("9ac400c400c400c400c400c400c400c400c400c400", &p), SIO_OK);
    assert_int_equal(p.attachments, SIO_ATTACHMENTS_MAX);
    assert_int_equal(read_event("9bc400c400c400c400c400c400c400c400c400c400c400", &p),
                     SIO_BAD_ATTACHMENTS);
    /* An object of that look is data, but beside binary it could not be told from one. */
    require_json("82ac5f706c616365686f6c646572c3a36e756d00", "{\"_placeholder\":true,\"num\":0}");
    assert_int_equal(read_event("92c400" "82ac5f706c616365686f6c646572c3a36e756d00", &p),
                     SIO_BAD_PLACEHOLDER);
}

static const struct {
    const char *hex;
    enum sio_fault fault;
} rules[] = {
#define TYPE(t) "a474797065" t
#define NSP "a36e7370a12f"
#define DATA(d) "a464617461" d
#define ID(i) "a26964" i
    {"82" TYPE("00") NSP, SIO_OK},
    {"82" NSP TYPE("00"), SIO_OK},
    {"83" TYPE("00") NSP DATA("80"), SIO_OK},
    {"83" TYPE("00") NSP DATA("c0"), SIO_OK},
    {"83" TYPE("00") NSP DATA("d40000"), SIO_OK},
    {"82" TYPE("d000") NSP, SIO_OK},
    {"82" TYPE("cc01") NSP, SIO_OK},
    {"83" TYPE("02") NSP DATA("91a161"), SIO_OK},
    {"83" TYPE("02") NSP DATA("9105"), SIO_OK},
    {"84" TYPE("03") NSP DATA("90") ID("05"), SIO_OK},
    {"84" TYPE("02") NSP DATA("91a161") ID("cf0020000000000000"), SIO_OK},
    {"84" TYPE("02") NSP DATA("91a161") ID("c0"), SIO_OK},
    {"84" TYPE("02") NSP DATA("91a161") ID("d40000"), SIO_OK},
    {"84" TYPE("02") "a76f7074696f6e7381a8636f6d7072657373c3" NSP DATA("91a161"), SIO_OK},
    {"", SIO_BAD_JSON},
    {"c0", SIO_BAD_JSON},
    {"90", SIO_BAD_JSON},
    {"a0", SIO_BAD_JSON},
    {"82" TYPE("00") NSP "00", SIO_BAD_JSON},
    {"83" TYPE("00") NSP, SIO_BAD_JSON},
    {"83" TYPE("00") NSP "01" "02", SIO_BAD_JSON},
    {"83" TYPE("00") NSP "a95f5f70726f746f5f5f" "80", SIO_BAD_JSON},
    {"83" TYPE("00") NSP "a178" "c1", SIO_BAD_JSON},
    {"80", SIO_BAD_TYPE},
    {"81" NSP, SIO_BAD_TYPE},
    {"82" TYPE("04") NSP, SIO_BAD_TYPE},
    {"83" TYPE("04") NSP DATA("80"), SIO_BAD_TYPE},
    {"83" TYPE("05") NSP DATA("91a161"), SIO_BAD_TYPE},
    {"82" TYPE("ff") NSP, SIO_BAD_TYPE},
    {"82" TYPE("a130") NSP, SIO_BAD_TYPE},
    {"82" TYPE("c0") NSP, SIO_BAD_TYPE},
    {"82" TYPE("cb0000000000000000") NSP, SIO_BAD_TYPE},
    {"83" TYPE("00") TYPE("00") NSP, SIO_BAD_TYPE},
    {"81" TYPE("00"), SIO_BAD_NAMESPACE},
    {"82" TYPE("00") "a36e7370a0", SIO_BAD_NAMESPACE},
    {"82" TYPE("00") "a36e7370a161", SIO_BAD_NAMESPACE},
    {"82" TYPE("00") "a36e7370c0", SIO_BAD_NAMESPACE},
    {"82" TYPE("00") "a36e7370a32f2c61", SIO_BAD_NAMESPACE},
    {"82" TYPE("00") "a36e7370a32f0a61", SIO_BAD_NAMESPACE},
    {"83" TYPE("00") NSP NSP, SIO_BAD_NAMESPACE},
    {"84" TYPE("02") NSP DATA("91a161") ID("ff"), SIO_BAD_ID},
    {"84" TYPE("02") NSP DATA("91a161") ID("a131"), SIO_BAD_ID},
    {"84" TYPE("02") NSP DATA("91a161") ID("cf0020000000000001"), SIO_BAD_ID},
    {"84" TYPE("02") NSP DATA("91a161") ID("cb3ff0000000000000"), SIO_BAD_ID},
    {"85" TYPE("02") NSP DATA("91a161") ID("01") ID("01"), SIO_BAD_ID},
    {"84" TYPE("02") NSP DATA("91a161") DATA("91a161"), SIO_BAD_PAYLOAD},
    {"83" TYPE("00") NSP DATA("90"), SIO_BAD_PAYLOAD},
    {"83" TYPE("00") NSP DATA("00"), SIO_BAD_PAYLOAD},
    {"83" TYPE("01") NSP DATA("80"), SIO_BAD_PAYLOAD},
    {"82" TYPE("02") NSP, SIO_BAD_PAYLOAD},
    {"83" TYPE("02") NSP DATA("90"), SIO_BAD_PAYLOAD},
    {"83" TYPE("02") NSP DATA("91c3"), SIO_BAD_PAYLOAD},
    {"83" TYPE("02") NSP DATA("c0"), SIO_BAD_PAYLOAD},
    {"83" TYPE("02") NSP DATA("91a7636f6e6e656374"), SIO_BAD_PAYLOAD},
    {"82" TYPE("03") NSP, SIO_BAD_PAYLOAD},
    {"83" TYPE("03") NSP DATA("80"), SIO_BAD_PAYLOAD},
};

static void the_packet_has_its_rules(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        uint8_t bytes[128];
        struct sio_packet p;
        assert_true(hex_decode(span_str(rules[i].hex), bytes));
        enum sio_fault f = read_bytes(span_of(bytes, strlen(rules[i].hex) / 2), &p);
        if (f != rules[i].fault) {
            fail_msg("%s: %s, not %s", rules[i].hex, sio_fault_name(f),
                     sio_fault_name(rules[i].fault));
        }
    }
    struct sio_packet p;
    assert_int_equal(read_bytes(SPAN("\x83\xa4type\0\xa3nsp\xa6/a?b=c\xa2id\x07"), &p), SIO_OK);
    assert_true(span_eq(p.nsp, SPAN("/a")) && span_eq(p.query, SPAN("b=c")));
    assert_true(p.has_id && p.id == 7);
}

static void put(buf *out, const char *payload)
{
    buf_clear(out);
    sio_msgpack_put(out, SIO_EVENT, SPAN("/"), -1, span_str(payload), NULL, 0);
}

static const struct {
    const char *json;
    const char *hex;
} smallest[] = {
    {"0", "00"},
    {"127", "7f"},
    {"128", "cc80"},
    {"255", "ccff"},
    {"256", "cd0100"},
    {"65536", "ce00010000"},
    {"4294967296", "cf0000000100000000"},
    {"9007199254740993", "cf0020000000000001"},
    {"18446744073709551615", "cfffffffffffffffff"},
    {"-1", "ff"},
    {"-32", "e0"},
    {"-33", "d0df"},
    {"-128", "d080"},
    {"-129", "d1ff7f"},
    {"-32769", "d2ffff7fff"},
    {"-2147483649", "d3ffffffff7fffffff"},
    {"-9223372036854775808", "d38000000000000000"},
    {"1.0", "01"},
    {"1e3", "cd03e8"},
    {"-0", "cb8000000000000000"},
    {"-0.0e5", "cb8000000000000000"},
    {"0.0", "00"},
    {"0.1", "cb3fb999999999999a"},
    {"1e18", "cb43abc16d674ec800"}, /* not known to be exact */
    {"18446744073709551616", "cb43f0000000000000"},
    {"1e400", "cb7ff0000000000000"}, /* as JSON.parse has it */
    {"-1e400", "cbfff0000000000000"},
    {"true", "c3"},
    {"false", "c2"},
    {"null", "c0"},
    {"\"\"", "a0"},
    {"\"a\\u0062\\n\"", "a361620a"},
    {"\"\\ud83d\\ude00\"", "a4f09f9880"},
    {"[]", "90"},
    {"[ 1 , [ { } ] ]", "92019180"},
    {"{\"a\":{\"b\":[1]},\"c\":2}", "82a16181a1629101a16302"},
    {"{\"_placeholder\":true,\"num\":0}", "82ac5f706c616365686f6c646572c3a36e756d00"},
};

static void json_becomes_the_smallest_values(void **state)
{
    static const char head[] = "\x83\xa4type\x02\xa4" "data\x92\xa1" "a";
    buf out = {0}, text = {0};
    for (size_t i = 0; i < ARRAY_LEN(smallest); i++) {
        uint8_t want[64];
        assert_true(hex_decode(span_str(smallest[i].hex), want));
        buf_clear(&text);
        buf_printf(&text, "[\"a\",%s]%c", smallest[i].json, 0);
        put(&out, (const char *)text.ptr);
        size_t len = out.len - (sizeof head - 1) - 6; /* and \xa3nsp\xa1/ */
        const uint8_t *got = out.ptr + sizeof head - 1;
        if (memcmp(out.ptr, head, sizeof head - 1) != 0 || len != strlen(smallest[i].hex) / 2 ||
            memcmp(got, want, len) != 0) {
            fail_msg("%s is not %s", smallest[i].json, smallest[i].hex);
        }
    }
    buf_deinit(&out);
    buf_deinit(&text);
}

/* Numbers of more digits than json_number takes are rounded all the same. */
static void long_numbers_are_rounded(void **state)
{
    buf text = {0}, out = {0};
    buf_append_str(&text, "[\"a\",0.");
    for (int i = 0; i < 2000; i++) {
        buf_append_byte(&text, '3');
    }
    buf_printf(&text, "]%c", 0);
    put(&out, (const char *)text.ptr);
    struct sio_packet p;
    assert_int_equal(read_bytes(buf_span(&out), &p), SIO_OK);
    assert_true(span_eq(p.payload, SPAN("[\"a\",0.3333333333333333]")));
    buf_deinit(&text);
    buf_deinit(&out);
}

/* Every size at which a prefix grows, with and without escapes, and many values. */
static void prefixes_grow_with_what_they_hold(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 31, 32, 255, 256, 257, 65535, 65536, 65537};
    buf text = {0}, out = {0};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (int kind = 0; kind < 4; kind++) {
            buf_clear(&text);
            static const char *const heads[] = {"[\"", "[\"", "[[0", "[{\"\":0"};
            buf_printf(&text, "[\"a\",%s", heads[kind]);
            for (size_t n = 0; n < sizes[i]; n++) {
                static const char *const units[] = {"x", "\\n", ",[]", ",\"k\":-1"};
                buf_append_str(&text, units[kind]);
            }
            buf_append_str(&text, kind < 2 ? "\"],1]" : kind == 2 ? "]],1]" : "}],1]");
            buf_clear(&out);
            sio_msgpack_put(&out, SIO_ACK, SPAN("/a"), 12, buf_span(&text), NULL, 0);
            struct sio_packet p;
            assert_int_equal(read_bytes(buf_span(&out), &p), SIO_OK);
            assert_true(span_eq(p.payload, buf_span(&text)));
            assert_true(p.type == SIO_ACK && p.id == 12 && span_eq(p.nsp, SPAN("/a")));
        }
    }
    buf_deinit(&text);
    buf_deinit(&out);
}

static void placeholders_become_binary(void **state)
{
    static const uint8_t big[70000] = {1, 2, 3};
    const span all[] = {SPAN("\1\2"), {big, 256}, {big, sizeof big}, SPAN_NONE};
    const char *text = "[\"a\",{\"num\":2,\"_placeholder\":true},{\"x\":[{\"_placeholder\":true,"
                       "\"num\":0}]},{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,"
                       "\"num\":3},{\"_placeholder\":false,\"num\":3},{\"_placeholder\":true,"
                       "\"num\":4}]";
    buf out = {0};
    sio_msgpack_put(&out, SIO_EVENT, SPAN("/"), -1, span_str(text), all, 4);
    struct sio_packet p;
    assert_int_equal(read_bytes(buf_span(&out), &p), SIO_BAD_PLACEHOLDER); /* the last is data */
    assert_true(span_eq(attachments[0], all[2]) && span_eq(attachments[1], all[0]) &&
                span_eq(attachments[2], all[1]) && attachments[3].len == 0);
    buf_deinit(&out);
}

static void types_without_data(void **state)
{
    buf out = {0};
    sio_msgpack_put(&out, SIO_DISCONNECT, SPAN("/x"), -1, SPAN_NONE, NULL, 0);
    assert_true(span_eq(buf_span(&out), SPAN("\x82\xa4type\x01\xa3nsp\xa2/x")));
    buf_clear(&out);
    sio_msgpack_put(&out, SIO_CONNECT_ERROR, SPAN("/"), -1, SPAN("{\"message\":\"no\"}"), NULL, 0);
    assert_true(span_eq(buf_span(&out),
                        SPAN("\x83\xa4type\x04\xa4" "data\x81\xa7message\xa2no\xa3nsp\xa1/")));
    buf_deinit(&out);
}

/* What is put around the deepest JSON that a peer may send must not matter. */
static void deeper_than_may_be_read_can_be_written(void **state)
{
    buf text = {0}, out = {0};
    for (int i = 0; i < JSON_WALK_DEPTH_MAX; i++) {
        buf_append_str(&text, i % 2 == 0 ? "[" : "{\"k\":");
    }
    buf_append_str(&text, "\"v\"");
    for (int i = JSON_WALK_DEPTH_MAX; i-- > 0;) {
        buf_append_str(&text, i % 2 == 0 ? ",1]" : ",\"l\":2}");
    }
    sio_msgpack_put(&out, SIO_ACK, SPAN("/"), 1, buf_span(&text), NULL, 0);
    assert_memory_equal(out.ptr + 12, "\x92\x82\xa1k\x92\x82\xa1k", 8);
    assert_memory_equal(out.ptr + out.len - 14, "\xa1l\x02\x01\xa3nsp\xa1/\xa2id\x01", 14);
    struct sio_packet p;
    assert_int_equal(read_bytes(buf_span(&out), &p), SIO_BAD_JSON);
    buf_deinit(&text);
    buf_deinit(&out);
}

static void json_is_limited_in_size(void **state)
{
    struct sio_packet p;
    buf in = {0};
    buf_append(&in, "\x83\xa4type\x02\xa3nsp\xa1/\xa4" "data\x92\xa1" "a\xdc\x40\x00", 24);
    for (int i = 0; i < 0x4000; i++) {
        buf_append_byte(&in, 0xc0);
    }
    size_t size = strlen("[\"a\",[]]") + 0x4000 * strlen("null,") - 1;
    buf_clear(&json);
    assert_int_equal(sio_msgpack_read(buf_span(&in), DEPTH_MAX, size, &json, &p, attachments),
                     SIO_OK);
    assert_int_equal(p.payload.len, size);
    buf_clear(&json);
    assert_int_equal(sio_msgpack_read(buf_span(&in), DEPTH_MAX, size - 1, &json, &p, attachments),
                     SIO_BAD_JSON);
    assert_int_equal(sio_msgpack_read(buf_span(&in), DEPTH_MAX, SIZE_MAX, &json, &p, attachments),
                     SIO_OK);
    buf_deinit(&in);
}

static void every_prefix_of_a_message_is_refused(void **state)
{
    const span file = SPAN("some bytes");
    buf out = {0};
    sio_msgpack_put(&out, SIO_EVENT, SPAN("/admin"), 70000,
                    SPAN("[\"name\",{\"a\":[1.5,-300,\"\\n\",{\"_placeholder\":true,\"num\":0}]}]"),
                    &file, 1);
    struct sio_packet p;
    assert_int_equal(read_bytes(buf_span(&out), &p), SIO_OK);
    for (size_t n = 0; n < out.len; n++) {
        assert_int_not_equal(read_bytes(span_of(out.ptr, n), &p), SIO_OK);
    }
    buf_deinit(&out);
}

static int deinit(void **state)
{
    buf_deinit(&json);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_json),
        cmocka_unit_test(what_is_no_msgpack_or_no_json_is_refused),
        cmocka_unit_test(binary_becomes_attachments),
        cmocka_unit_test(the_packet_has_its_rules),
        cmocka_unit_test(json_becomes_the_smallest_values),
        cmocka_unit_test(long_numbers_are_rounded),
        cmocka_unit_test(prefixes_grow_with_what_they_hold),
        cmocka_unit_test(placeholders_become_binary),
        cmocka_unit_test(types_without_data),
        cmocka_unit_test(deeper_than_may_be_read_can_be_written),
        cmocka_unit_test(json_is_limited_in_size),
        cmocka_unit_test(every_prefix_of_a_message_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, deinit);
}
