#include "codec/sio/packet.h"

#include "codec/json/scan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DEPTH_MAX 16

static enum sio_fault read_text(const char *text, struct sio_packet *p)
{
    return sio_packet_read(span_str(text), DEPTH_MAX, p);
}

static void require_span(const char *text, span got, const char *want)
{
    if (!span_eq(got, span_str(want))) {
        fail_msg("%s: %.*s, not %s", text, SPAN_FMT(got), want);
    }
}

/* The protocol's own examples, those of its suite, and the corners of the layout. */
static const struct {
    const char *text;
    enum sio_type type;
    unsigned attachments;
    const char *nsp;
    const char *query;
    int64_t id; /* -1: none */
    const char *payload;
    const char *event;
} good[] = {
    {"0", SIO_CONNECT, 0, "/", "", -1, "", ""},
    {"0{\"token\":\"123\"}", SIO_CONNECT, 0, "/", "", -1, "{\"token\":\"123\"}", ""},
    {"0/admin,{}", SIO_CONNECT, 0, "/admin", "", -1, "{}", ""},
    {"0/custom", SIO_CONNECT, 0, "/custom", "", -1, "", ""},
    {"0/custom,", SIO_CONNECT, 0, "/custom", "", -1, "", ""},
    {"0/,", SIO_CONNECT, 0, "/", "", -1, "", ""},
    {"0/admin?token=1&x=%2F,", SIO_CONNECT, 0, "/admin", "token=1&x=%2F", -1, "", ""},
    {"0/admin?", SIO_CONNECT, 0, "/admin", "", -1, "", ""},
    {"0/?a=b", SIO_CONNECT, 0, "/", "a=b", -1, "", ""},
    {"0/a?b?c", SIO_CONNECT, 0, "/a", "b?c", -1, "", ""},
    {"0/caf\xc3\xa9-\xf0\x9f\x98\x80", SIO_CONNECT, 0, "/caf\xc3\xa9-\xf0\x9f\x98\x80", "", -1, "",
     ""},
    {"0/admin{}", SIO_CONNECT, 0, "/admin{}", "", -1, "", ""}, /* no ',': all of it is the name */
    {"1", SIO_DISCONNECT, 0, "/", "", -1, "", ""},
    {"1/admin,", SIO_DISCONNECT, 0, "/admin", "", -1, "", ""},
    {"2[\"foo\"]", SIO_EVENT, 0, "/", "", -1, "[\"foo\"]", "\"foo\""},
    {"2/admin,[\"bar\"]", SIO_EVENT, 0, "/admin", "", -1, "[\"bar\"]", "\"bar\""},
    {"212[\"foo\"]", SIO_EVENT, 0, "/", "", 12, "[\"foo\"]", "\"foo\""},
    {"2/admin,0[1,\"a\",{}]", SIO_EVENT, 0, "/admin", "", 0, "[1,\"a\",{}]", "1"},
    {"2007[\"foo\"]", SIO_EVENT, 0, "/", "", 7, "[\"foo\"]", "\"foo\""},
    {"29007199254740992[\"a\"]", SIO_EVENT, 0, "/", "", INT64_C(9007199254740992), "[\"a\"]",
     "\"a\""},
    {"2[-1.5e3]", SIO_EVENT, 0, "/", "", -1, "[-1.5e3]", "-1.5e3"},
    {"2[ \"a\" , 1 ] \n", SIO_EVENT, 0, "/", "", -1, "[ \"a\" , 1 ]", "\"a\""},
    {"2[\"\"]", SIO_EVENT, 0, "/", "", -1, "[\"\"]", "\"\""},
    {"2[\"connected\"]", SIO_EVENT, 0, "/", "", -1, "[\"connected\"]", "\"connected\""},
    {"2[\"\\ud83d\",\"\\ude00\"]", SIO_EVENT, 0, "/", "", -1, "[\"\\ud83d\",\"\\ude00\"]",
     "\"\\ud83d\""}, /* a string that was cut */
    {"2[\"a\\u0062\"]", SIO_EVENT, 0, "/", "", -1, "[\"a\\u0062\"]", "\"a\\u0062\""},
    {"2[\"a\",{\"_placeholder\":true,\"num\":0}]", SIO_EVENT, 0, "/", "", -1,
     "[\"a\",{\"_placeholder\":true,\"num\":0}]", "\"a\""}, /* none announced: data */
    {"3[]", SIO_ACK, 0, "/", "", -1, "[]", ""},
    {"3/admin,13[\"bar\"]", SIO_ACK, 0, "/admin", "", 13, "[\"bar\"]", ""},
    {"31[\"connect\"]", SIO_ACK, 0, "/", "", 1, "[\"connect\"]", ""},
    {"51-[\"baz\",{\"_placeholder\":true,\"num\":0}]", SIO_EVENT, 1, "/", "", -1,
     "[\"baz\",{\"_placeholder\":true,\"num\":0}]", "\"baz\""},
    {"52-/admin,[\"baz\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]",
     SIO_EVENT, 2, "/admin", "", -1,
     "[\"baz\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]", "\"baz\""},
    {"61-15[\"bar\",{\"_placeholder\":true,\"num\":0}]", SIO_ACK, 1, "/", "", 15,
     "[\"bar\",{\"_placeholder\":true,\"num\":0}]", ""},
    {"61-/admin,1[{\"num\":0,\"_placeholder\":true}]", SIO_ACK, 1, "/admin", "", 1,
     "[{\"num\":0,\"_placeholder\":true}]", ""},
    {"50-[\"a\",{\"_placeholder\":true}]", SIO_EVENT, 0, "/", "", -1,
     "[\"a\",{\"_placeholder\":true}]", "\"a\""},
    {"510-[\"a\"]", SIO_EVENT, 10, "/", "", -1, "[\"a\"]", "\"a\""}, /* need not be named */
    {"501-[\"a\"]", SIO_EVENT, 1, "/", "", -1, "[\"a\"]", "\"a\""},
};

static void packets_are_read(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        const char *text = good[i].text;
        struct sio_packet p;
        enum sio_fault f = read_text(text, &p);
        if (f != SIO_OK) {
            fail_msg("%s: %s", text, sio_fault_name(f));
        }
        assert_int_equal(p.type, good[i].type);
        assert_int_equal(p.attachments, good[i].attachments);
        require_span(text, p.nsp, good[i].nsp);
        require_span(text, p.query, good[i].query);
        assert_int_equal(p.has_id, good[i].id >= 0);
        assert_true(good[i].id < 0 || p.id == (uint64_t)good[i].id);
        require_span(text, p.payload, good[i].payload);
        require_span(text, p.event, good[i].event);
    }
}

#define PLACEHOLDER(n) "{\"_placeholder\":true,\"num\":" n "}"
#define NAME_64 "/234567890123456789012345678901234567890123456789012345678901234"

static const struct {
    const char *text;
    enum sio_fault fault;
} bad[] = {
    {"", SIO_BAD_TYPE},
    {"7[\"a\"]", SIO_BAD_TYPE},
    {"9", SIO_BAD_TYPE},
    {"999", SIO_BAD_TYPE},
    {"a", SIO_BAD_TYPE},
    {"abc", SIO_BAD_TYPE},
    {" [\"a\"]", SIO_BAD_TYPE}, /* 0 to the reference */
    {"-1", SIO_BAD_TYPE},
    {"[\"a\"]", SIO_BAD_TYPE},
    {"4\"Unauthorized\"", SIO_BAD_TYPE}, /* not for clients */
    {"4{\"message\":\"x\"}", SIO_BAD_TYPE},
    {"442[\"some\",\"data\"", SIO_BAD_TYPE},
    {"\xd9\xa2[\"a\"]", SIO_BAD_TYPE}, /* an Arabic digit two */

    {"5", SIO_BAD_ATTACHMENTS},
    {"51", SIO_BAD_ATTACHMENTS},
    {"5-[\"a\"]", SIO_BAD_ATTACHMENTS}, /* 0 to the reference */
    {"5a-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"51.23-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"51.0-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"5-1-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"5 1-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"5+1-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"51e0-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"50x1-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"511-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"599999999999999999999999-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"5NaN-[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"5[\"a\"]", SIO_BAD_ATTACHMENTS},
    {"61", SIO_BAD_ATTACHMENTS},
    {"611-[]", SIO_BAD_ATTACHMENTS},

    {"0" NAME_64 "5", SIO_BAD_NAMESPACE},
    {"2" NAME_64 "5,[\"a\"]", SIO_BAD_NAMESPACE},
    {"0/a\nb", SIO_BAD_NAMESPACE},
    {"0/a\tb", SIO_BAD_NAMESPACE},
    {"0/a\x1e" "b", SIO_BAD_NAMESPACE},
    {"0/a\x7f" "b", SIO_BAD_NAMESPACE},
    {"0/a\xc2\x85" "b", SIO_BAD_NAMESPACE},
    {"0/a\xff", SIO_BAD_NAMESPACE},
    {"0/a\xed\xa0\x80", SIO_BAD_NAMESPACE},
    {"0/a?\x01", SIO_BAD_NAMESPACE},
    {"0/a?\r\n,", SIO_BAD_NAMESPACE},

    {"29007199254740993[\"a\"]", SIO_BAD_ID},
    {"299999999999999999999999999[\"a\"]", SIO_BAD_ID},
    {"3/admin,18446744073709551616[]", SIO_BAD_ID},

    {"2[", SIO_BAD_JSON},
    {"2[\"a\"", SIO_BAD_JSON},
    {"2[\"a\",]", SIO_BAD_JSON},
    {"2[\"a\"]]", SIO_BAD_JSON},
    {"2[\"a\"]2[\"b\"]", SIO_BAD_JSON},
    {"2['a']", SIO_BAD_JSON},
    {"2[\"a\",01]", SIO_BAD_JSON},
    {"2[\"a\",NaN]", SIO_BAD_JSON},
    {"2[\"a\",undefined]", SIO_BAD_JSON},
    {"2[\"a\xff\"]", SIO_BAD_JSON},
    {"2[\"\\ud80\"]", SIO_BAD_JSON},
    {"2[\"a\n\"]", SIO_BAD_JSON},
    {"0{", SIO_BAD_JSON},
    {"0{\"a\"}", SIO_BAD_JSON},
    {"3[{\"__proto__\":{}}]", SIO_BAD_JSON},
    {"2[\"a\",{\"__proto__\":{}},]", SIO_BAD_JSON},
    {"0{\"prototype\":1}", SIO_BAD_JSON},
    {"0{\"\\u005f_proto__\":1}", SIO_BAD_JSON},
    {"2[\"a\",[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", SIO_BAD_JSON},

    {"0[]", SIO_BAD_PAYLOAD},
    {"0[1]", SIO_BAD_PAYLOAD},
    {"0\"a\"", SIO_BAD_PAYLOAD},
    {"0null", SIO_BAD_PAYLOAD},
    {"0/admin,\"invalid\"", SIO_BAD_PAYLOAD},
    {"0/admin,1x", SIO_BAD_PAYLOAD},
    {"1{}", SIO_BAD_PAYLOAD},
    {"1[]", SIO_BAD_PAYLOAD},
    {"1/admin,{}", SIO_BAD_PAYLOAD},
    {"1null", SIO_BAD_PAYLOAD},
    {"2", SIO_BAD_PAYLOAD},
    {"21", SIO_BAD_PAYLOAD},
    {"2/admin", SIO_BAD_PAYLOAD},
    {"2/admin,", SIO_BAD_PAYLOAD},
    {"2/admin,1", SIO_BAD_PAYLOAD},
    {"2{}", SIO_BAD_PAYLOAD},
    {"2/admin,{}", SIO_BAD_PAYLOAD},
    {"2/admin,\"invalid", SIO_BAD_PAYLOAD},
    {"2[]", SIO_BAD_PAYLOAD},
    {"2[ ]", SIO_BAD_PAYLOAD},
    {"2[true,\"foo\"]", SIO_BAD_PAYLOAD},
    {"2[null,\"bar\"]", SIO_BAD_PAYLOAD},
    {"2[{\"toString\":\"foo\"}]", SIO_BAD_PAYLOAD},
    {"2[[\"a\"]]", SIO_BAD_PAYLOAD},
    {"2[\"connect\"]", SIO_BAD_PAYLOAD},
    {"2[\"connect_error\"]", SIO_BAD_PAYLOAD},
    {"2[\"disconnect\",\"123\"]", SIO_BAD_PAYLOAD},
    {"2[\"disconnecting\"]", SIO_BAD_PAYLOAD},
    {"2[\"newListener\"]", SIO_BAD_PAYLOAD},
    {"2[\"removeListener\"]", SIO_BAD_PAYLOAD},
    {"2[\"\\u0063onnect\"]", SIO_BAD_PAYLOAD},
    {"51-[\"connect\"," PLACEHOLDER("0") "]", SIO_BAD_PAYLOAD},
    {"51-[" PLACEHOLDER("0") "]", SIO_BAD_PAYLOAD},
    {"2 [\"a\"]", SIO_BAD_PAYLOAD}, /* ack id 0 to the reference */
    {"2+1[\"a\"]", SIO_BAD_PAYLOAD},
    {"2-1[\"a\"]", SIO_BAD_PAYLOAD},
    {"21.5[\"a\"]", SIO_BAD_PAYLOAD},
    {"2admin,[\"a\"]", SIO_BAD_PAYLOAD},
    {"3", SIO_BAD_PAYLOAD},
    {"31", SIO_BAD_PAYLOAD},
    {"3{}", SIO_BAD_PAYLOAD},
    {"31\"a\"", SIO_BAD_PAYLOAD},
    {"51-", SIO_BAD_PAYLOAD},
    {"51-{}", SIO_BAD_PAYLOAD},
    {"61-1", SIO_BAD_PAYLOAD},

    {"51-[\"a\"," PLACEHOLDER("1") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("10") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("-1") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("0.5") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("1e400") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("\"0\"") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("\"splice\"") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("null") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("[0]") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("{}") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\",{\"_placeholder\":true}]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\",{\"\\u005fplaceholder\":true}]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\"," PLACEHOLDER("0") "," PLACEHOLDER("0") "]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\",{\"x\":[" PLACEHOLDER("0") ",{\"y\":" PLACEHOLDER("0") "}]}]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":0,\"x\":1}]", SIO_BAD_PLACEHOLDER},
    {"52-[\"a\",{\"_placeholder\":true,\"num\":0,\"x\":" PLACEHOLDER("1") "}]",
     SIO_BAD_PLACEHOLDER},
    {"52-[\"a\",{\"_placeholder\":true,\"num\":0,\"num\":1}]", SIO_BAD_PLACEHOLDER},
    {"51-[\"a\",{\"_placeholder\":false,\"_placeholder\":true,\"num\":0}]", SIO_BAD_PLACEHOLDER},
    {"61-1[" PLACEHOLDER("1") "]", SIO_BAD_PLACEHOLDER},
};

static void what_the_reference_refuses_is_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sio_packet p;
        enum sio_fault f = read_text(bad[i].text, &p);
        if (f != bad[i].fault) {
            fail_msg("%s: %s, not %s", bad[i].text, sio_fault_name(f),
                     sio_fault_name(bad[i].fault));
        }
    }
}

static void what_only_looks_like_a_placeholder_is_data(void **state)
{
    static const char *const rows[] = {
        "51-[\"a\",{\"_placeholder\":false,\"num\":7}]",
        "51-[\"a\",{\"_placeholder\":\"true\",\"num\":7}]",
        "51-[\"a\",{\"_placeholder\":1,\"num\":7}]",
        "51-[\"a\",{\"_placeholder\":null}]",
        "51-[\"a\",{\"_placeholder\":[true],\"num\":7}]",
        "51-[\"a\",{\"_placeholder\":true,\"_placeholder\":false,\"num\":7}]",
        "51-[\"a\",{\"_Placeholder\":true,\"num\":7}]",
        "51-[\"a\",{\"num\":7}]",
        "51-[\"a\",\"_placeholder\",true,\"num\",7]",
        "51-[\"a\",{\"_placeholder\":{\"_placeholder\":true,\"num\":0}}]",
        "51-[\"a\",{\"num\":{\"_placeholder\":true,\"num\":0}},{\"num\":0}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":0.0}]", /* that is 0 */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sio_packet p;
        enum sio_fault f = read_text(rows[i], &p);
        if (f != SIO_OK) {
            fail_msg("%s: %s", rows[i], sio_fault_name(f));
        }
    }
}

static void values_say_which_attachment_they_are(void **state)
{
    unsigned num = 7;
    assert_true(sio_placeholder(SPAN(PLACEHOLDER("0")), &num));
    assert_int_equal(num, 0);
    assert_true(sio_placeholder(SPAN("{ \"num\" : 9 , \"_placeholder\" : true }"), &num));
    assert_int_equal(num, 9);
    assert_false(sio_placeholder(SPAN(PLACEHOLDER("10")), &num));
    assert_false(sio_placeholder(SPAN("{\"_placeholder\":true}"), &num));
    assert_false(sio_placeholder(SPAN("{\"_placeholder\":false,\"num\":0}"), &num));
    assert_false(sio_placeholder(SPAN("{\"_placeholder\":true,\"num\":0,\"x\":0}"), &num));
    assert_false(sio_placeholder(SPAN("{\"x\":1,\"_placeholder\":true,\"num\":0,\"y\":[]}"), &num));
    assert_false(sio_placeholder(SPAN("{}"), &num));
    assert_false(sio_placeholder(SPAN("[]"), &num));
    assert_false(sio_placeholder(SPAN_NONE, &num));
}

static void limits_stand_where_they_are_named(void **state)
{
    struct sio_packet p;
    assert_int_equal(strlen(NAME_64), SIO_NAMESPACE_BYTES_MAX);
    assert_int_equal(read_text("0" NAME_64, &p), SIO_OK);
    assert_int_equal(read_text("0" NAME_64 "?with=a&query=that,", &p), SIO_OK);
    require_span("query", p.query, "with=a&query=that");

    buf text = {0};
    for (unsigned n = SIO_EVENT_NAME_BYTES_MAX - 1; n <= SIO_EVENT_NAME_BYTES_MAX + 1; n++) {
        static const char *const units[] = {"x", "\\u0061", "\\n", "1"};
        for (size_t u = 0; u < ARRAY_LEN(units); u++) {
            const char *quote = u == 3 ? "" : "\"";
            buf_clear(&text);
            buf_printf(&text, "2[%s", quote);
            for (unsigned i = 0; i < n; i++) {
                buf_append_str(&text, units[u]);
            }
            buf_printf(&text, "%s]", quote);
            assert_int_equal(sio_packet_read(buf_span(&text), DEPTH_MAX, &p),
                             n <= SIO_EVENT_NAME_BYTES_MAX ? SIO_OK : SIO_BAD_PAYLOAD);
        }
    }
    /* The event's own array counts. */
    assert_int_equal(sio_packet_read(SPAN("2[\"a\",[[]]]"), 3, &p), SIO_OK);
    assert_int_equal(sio_packet_read(SPAN("2[\"a\",[[]]]"), 2, &p), SIO_BAD_JSON);
    buf_deinit(&text);
}

static void repeat(buf *out, const char *text, unsigned n)
{
    while (n-- > 0) {
        buf_append_str(out, text);
    }
}

/* What strangers send to make a parser work; each is refused or read in one pass. */
static void large_and_hostile_text_is_read_in_a_pass(void **state)
{
    struct sio_packet p;
    buf text = {0};
    buf_append_str(&text, "2[\"a\",");
    repeat(&text, "[", 100000);
    assert_int_equal(sio_packet_read(buf_span(&text), JSON_DEPTH_MAX, &p), SIO_BAD_JSON);
    repeat(&text, "]", 100001);
    assert_int_equal(sio_packet_read(buf_span(&text), JSON_DEPTH_MAX, &p), SIO_BAD_JSON);

    buf_clear(&text);
    buf_append_str(&text, "510-[\"a\"");
    repeat(&text, ",{\"_placeholder\":false,\"k\":[\"some text\",1,true,null]}", 20000);
    buf_append_str(&text, "," PLACEHOLDER("9") "]");
    assert_true(text.len > 1 << 20);
    assert_int_equal(sio_packet_read(buf_span(&text), DEPTH_MAX, &p), SIO_OK);
    assert_int_equal(p.payload.len, text.len - 4);

    buf_clear(&text);
    buf_append_str(&text, "51-[\"a\"," PLACEHOLDER("0"));
    repeat(&text, "," PLACEHOLDER("0"), 1999);
    buf_append_str(&text, "]");
    assert_int_equal(sio_packet_read(buf_span(&text), DEPTH_MAX, &p), SIO_BAD_PLACEHOLDER);

    buf_clear(&text);
    buf_append_str(&text, "51-[\"a\""); /* the deepest that is taken, many times */
    for (int i = 0; i < 1000; i++) {
        buf_append_byte(&text, ',');
        repeat(&text, "{\"_placeholder\":", JSON_DEPTH_MAX - 1);
        buf_append_byte(&text, '1');
        repeat(&text, "}", JSON_DEPTH_MAX - 1);
    }
    buf_append_str(&text, "]");
    assert_int_equal(sio_packet_read(buf_span(&text), JSON_DEPTH_MAX, &p), SIO_OK);

    buf_clear(&text);
    buf_append_byte(&text, '2');
    repeat(&text, "0", 1 << 20);
    buf_append_str(&text, "7[\"a\"]");
    assert_int_equal(sio_packet_read(buf_span(&text), DEPTH_MAX, &p), SIO_OK);
    assert_int_equal(p.id, 7);
    buf_deinit(&text);
}

static void every_prefix_of_a_packet_stays_inside(void **state)
{
    static const char text[] = "52-/admin?q,12[\"na\\u006de\",{\"a\":[" PLACEHOLDER("1")
                               ",{\"num\":\"\xc3\xa9\"}]}," PLACEHOLDER("0") "]";
    struct sio_packet p;
    assert_int_equal(read_text(text, &p), SIO_OK);
    for (size_t n = 0; n < sizeof text - 1; n++) {
        assert_int_not_equal(sio_packet_read(span_of(text, n), DEPTH_MAX, &p), SIO_OK);
    }
}

static void refused_names_of_an_event_are_told_to_who_takes_it(void **state)
{
    static const struct {
        const char *text;
        bool refused;
    } rows_of[] = {
        {"2[\"a\",{\"__proto__\":{}}]", true},
        {"2[\"a\",{\"x\":[{\"constructor\":1}]}]", true},
        {"51-[\"a\",{\"prototype\":{\"_placeholder\":true,\"num\":0}}]", true},
        {"2[\"__proto__\",\"constructor\"]", false},
    };
    struct sio_packet p;
    for (size_t i = 0; i < ARRAY_LEN(rows_of); i++) {
        enum sio_fault f = sio_packet_read(span_str(rows_of[i].text), JSON_DEPTH_MAX, &p);
        assert_int_equal(f, SIO_OK);
        assert_int_equal(p.refused_names, rows_of[i].refused);
    }
}

static void heads_are_written_as_the_protocol_says(void **state)
{
    static const struct {
        enum sio_type type;
        unsigned attachments;
        const char *nsp;
        int64_t id;
        const char *head;
    } rows[] = {
        {SIO_CONNECT, 0, "/", -1, "0"},
        {SIO_CONNECT, 0, "/admin", -1, "0/admin,"},
        {SIO_DISCONNECT, 0, "/", -1, "1"},
        {SIO_DISCONNECT, 0, "/admin", -1, "1/admin,"},
        {SIO_EVENT, 0, "/", -1, "2"},
        {SIO_EVENT, 0, "/admin", 0, "2/admin,0"},
        {SIO_EVENT, 1, "/", -1, "51-"},
        {SIO_EVENT, 10, "/a", 456, "510-/a,456"},
        {SIO_ACK, 0, "/", 13, "313"},
        {SIO_ACK, 2, "/", INT64_C(9007199254740992), "62-9007199254740992"},
        {SIO_CONNECT_ERROR, 0, "/random", -1, "4/random,"},
    };
    buf out = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&out);
        sio_packet_head(&out, rows[i].type, rows[i].attachments, span_str(rows[i].nsp),
                        rows[i].id);
        require_span(rows[i].head, buf_span(&out), rows[i].head);
    }
    buf_deinit(&out);
}

static void a_packet_without_its_payload_is_checked_too(void **state)
{
    struct sio_packet p = {.type = SIO_CONNECT_ERROR, .payload = SPAN("\"no\"")};
    assert_int_equal(sio_packet_check(&p), SIO_OK);
    p.payload = SPAN("{}");
    assert_int_equal(sio_packet_check(&p), SIO_OK);
    p.payload = SPAN("[]");
    assert_int_equal(sio_packet_check(&p), SIO_BAD_PAYLOAD);
    assert_int_equal(sio_namespace_check(SPAN_NONE, &p), SIO_BAD_NAMESPACE);
    assert_int_equal(sio_namespace_check(SPAN("admin"), &p), SIO_BAD_NAMESPACE);
    assert_int_equal(sio_namespace_check(SPAN("?/a"), &p), SIO_BAD_NAMESPACE);
    assert_int_equal(sio_namespace_check(SPAN("/a,b"), &p), SIO_BAD_NAMESPACE);
    assert_int_equal(sio_namespace_check(SPAN("/a"), &p), SIO_OK);
}

static void faults_and_reserved_names(void **state)
{
    assert_string_equal(sio_fault_name(SIO_OK), "ok");
    assert_string_equal(sio_fault_name(SIO_BAD_JSON), "bad_json");
    assert_string_equal(sio_fault_name(SIO_BAD_PLACEHOLDER), "bad_placeholder");
    assert_string_equal(sio_fault_name((enum sio_fault)99), "unknown");
    assert_true(sio_event_reserved(SPAN("disconnecting")));
    assert_false(sio_event_reserved(SPAN("Connect")));
    assert_false(sio_event_reserved(SPAN("connec")));
    assert_false(sio_event_reserved(SPAN_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_read),
        cmocka_unit_test(what_the_reference_refuses_is_refused),
        cmocka_unit_test(what_only_looks_like_a_placeholder_is_data),
        cmocka_unit_test(values_say_which_attachment_they_are),
        cmocka_unit_test(limits_stand_where_they_are_named),
        cmocka_unit_test(large_and_hostile_text_is_read_in_a_pass),
        cmocka_unit_test(every_prefix_of_a_packet_stays_inside),
        cmocka_unit_test(refused_names_of_an_event_are_told_to_who_takes_it),
        cmocka_unit_test(heads_are_written_as_the_protocol_says),
        cmocka_unit_test(a_packet_without_its_payload_is_checked_too),
        cmocka_unit_test(faults_and_reserved_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
