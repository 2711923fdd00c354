/* What is issued verifies; what is forged, stretched or misplaced does not, and the fault says
 * why. Forgeries are signed with the right key wherever the check behind the signature is meant. */
#include "adapters/tokens_hs256/tokens_hs256.h"

#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/hmac.h>

#define NOW_S INT64_C(1800000000)
#define NOW_MS (NOW_S * 1000)
#define SECRET "0123456789abcdef0123456789abcdef"
#define HS256 "{\"alg\":\"HS256\"}"
#define GOOD "\"sub\":\"u\",\"exp\":1800000900"

static struct tokens *port;

static int setup(void **state)
{
    (void)state;
    port = tokens_hs256_new(&(struct tokens_conf){
        .secret = SPAN(SECRET), .issuer = "signalbox", .leeway_s = 30});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tokens_hs256_free(port);
    return 0;
}

static void add(buf *out, const char *text, size_t len)
{
    char *at = (char *)buf_reserve(out, BASE64_SIZE(len));
    out->len += base64url_encode(span_of(text, len), at);
}

/* A token of any header and payload with a right HS256 signature. */
static void forge_n(buf *out, const char *header, size_t header_len, const char *payload,
                    size_t payload_len)
{
    unsigned char mac[32];
    unsigned len = sizeof mac;
    buf_clear(out);
    add(out, header, header_len);
    buf_append_byte(out, '.');
    add(out, payload, payload_len);
    assert_non_null(HMAC(EVP_sha256(), SECRET, 32, out->ptr, out->len, mac, &len));
    buf_append_byte(out, '.');
    add(out, (const char *)mac, sizeof mac);
}

static void forge(buf *out, const char *header, const char *payload)
{
    forge_n(out, header, strlen(header), payload, strlen(payload));
}

static enum token_fault verify(const buf *token)
{
    struct token_claims c;
    return port->verify(port, buf_span(token), NOW_MS, &c);
}

static void assert_fault(enum token_fault got, enum token_fault wanted, const char *what)
{
    if (got != wanted) {
        fail_msg("%s: %s, not %s", what, token_fault_name(got), token_fault_name(wanted));
    }
}

static struct token_claims sample(void)
{
    return (struct token_claims){.sub = "01900000-0000-7000-8000-000000000001",
                                 .jti = "j1",
                                 .kind = "device",
                                 .device_id = "01900000-0000-7000-8000-000000000001",
                                 .room_id = "r",
                                 .roles = {"viewer", "operator"},
                                 .role_count = 2,
                                 .exp_s = NOW_S + 900,
                                 .iat_s = NOW_S};
}

static void what_is_issued_verifies_with_every_claim(void **state)
{
    (void)state;
    struct token_claims in = sample();
    struct token_claims out;
    buf token = {0};
    buf_append_str(&token, "Bearer ");
    port->issue(port, &in, &token);
    buf_consume(&token, 7);
    assert_int_equal(port->verify(port, buf_span(&token), NOW_MS, &out), TOKEN_OK);
    assert_string_equal(out.sub, in.sub);
    assert_string_equal(out.iss, "signalbox");
    assert_string_equal(out.jti, "j1");
    assert_string_equal(out.kind, "device");
    assert_string_equal(out.device_id, in.device_id);
    assert_string_equal(out.room_id, "r");
    assert_int_equal(out.role_count, 2);
    assert_string_equal(out.roles[1], "operator");
    assert_int_equal(out.exp_s, in.exp_s);
    assert_int_equal(out.iat_s, in.iat_s);
    buf_deinit(&token);
}

static void tokens_end_when_they_say_within_the_leeway(void **state)
{
    (void)state;
    struct token_claims in = sample();
    struct token_claims out;
    buf token = {0};
    port->issue(port, &in, &token);
    span t = buf_span(&token);
    int64_t end_ms = in.exp_s * 1000;
    assert_int_equal(port->verify(port, t, end_ms + 29999, &out), TOKEN_OK);
    assert_int_equal(port->verify(port, t, end_ms + 30000, &out), TOKEN_EXPIRED);
    assert_int_equal(port->verify(port, t, NOW_MS - 30000, &out), TOKEN_OK);
    assert_int_equal(port->verify(port, t, NOW_MS - 31000, &out), TOKEN_NOT_YET_VALID);
    buf_deinit(&token);
}

static void headers_that_name_another_algorithm_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"nOnE\"}", "{\"alg\":\"NONE\"}",
        "{\"alg\":\"HS384\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"RS256\"}", "{\"alg\":\"ES256\"}",
        "{\"alg\":\"EdDSA\"}", "{\"alg\":\"hs256\"}", "{\"alg\":\"HS256 \"}", "{\"alg\":\"\"}",
        "{\"alg\":null}", "{\"alg\":256}", "{\"alg\":[\"HS256\"]}", "{\"alg\":{\"HS256\":1}}",
        "{}", "{\"typ\":\"JWT\"}", "{\"ALG\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}",
    };
    buf token = {0};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        forge(&token, bad[i], "{" GOOD "}");
        assert_fault(verify(&token), TOKEN_BAD_ALGORITHM, bad[i]);
    }
    buf_deinit(&token);
}

static void headers_that_are_not_one_object_are_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " ", "x", "[]", "\"HS256\"", "null", "1", "[{\"alg\":\"HS256\"}]",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\"} x", "{\"alg\":\"HS256\"", "{'alg':'HS256'}", "{alg:\"HS256\"}",
        "{\"alg\":\"HS256\",}", "{\"alg\":\"HS256\"}{}", "{\"alg\":\"HS256\\u0000\"}",
        "{\"alg\":\"\xff\"}", "{\"alg\":\"HS256\",\"x\":\"\xc0\xaf\"}",
    };
    buf token = {0};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        forge(&token, bad[i], "{" GOOD "}");
        assert_fault(verify(&token), TOKEN_MALFORMED, bad[i]);
    }
    buf_deinit(&token);
}

static void headers_may_carry_what_is_ignored(void **state)
{
    (void)state;
    buf token = {0};
    forge(&token, "{\"typ\":\"whatever\",\"kid\":\"../../etc\",\"jwk\":{},\"alg\":\"HS256\"}",
          "{" GOOD "}");
    assert_int_equal(verify(&token), TOKEN_OK);
    forge(&token, HS256, "{" GOOD ",\"perms\":[],\"x\":{\"sub\":1}}");
    assert_int_equal(verify(&token), TOKEN_OK);
    buf_deinit(&token);
}

static const struct {
    const char *payload;
    enum token_fault fault;
} claim_rows[] = {
    {"{" GOOD "}", TOKEN_OK},
    {"{" GOOD ",\"kind\":\"user\",\"roles\":[]}", TOKEN_OK},
    {"{" GOOD ",\"iss\":\"signalbox\"}", TOKEN_OK},
    {"{" GOOD ",\"iss\":\"evil\"}", TOKEN_BAD_ISSUER},
    {"{" GOOD ",\"iss\":\"\"}", TOKEN_BAD_ISSUER},
    {"{" GOOD ",\"iss\":\"Signalbox\"}", TOKEN_BAD_ISSUER},
    {"{" GOOD ",\"iss\":7}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"aud\":\"x\"}", TOKEN_BAD_AUDIENCE},
    {"{" GOOD ",\"aud\":[]}", TOKEN_BAD_AUDIENCE},
    {"{\"exp\":1800000900}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\"}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"\",\"exp\":1800000900}", TOKEN_BAD_CLAIM},
    {"{\"sub\":1,\"exp\":1800000900}", TOKEN_BAD_CLAIM},
    {"{\"sub\":null,\"exp\":1800000900}", TOKEN_BAD_CLAIM},
    {"{\"sub\":[\"u\"],\"exp\":1800000900}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":\"1800000900\"}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":1800000900.0}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":1.8e9}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":-1}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":0}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":true}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":null}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":253402300800}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":9223372036854775807}", TOKEN_BAD_CLAIM},
    {"{\"sub\":\"u\",\"exp\":9223372036854775808}", TOKEN_MALFORMED},
    {"{\"sub\":\"u\",\"exp\":1e999}", TOKEN_MALFORMED},
    {"{\"sub\":\"u\",\"exp\":NaN}", TOKEN_MALFORMED},
    {"{\"sub\":\"u\",\"exp\":01800000900}", TOKEN_MALFORMED},
    {"{\"sub\":\"u\",\"exp\":1799999970}", TOKEN_EXPIRED},
    {"{\"sub\":\"u\",\"exp\":1799999971}", TOKEN_OK},
    {"{\"sub\":\"u\",\"exp\":1}", TOKEN_EXPIRED},
    {"{" GOOD ",\"nbf\":1800000030}", TOKEN_OK},
    {"{" GOOD ",\"nbf\":1800000031}", TOKEN_NOT_YET_VALID},
    {"{" GOOD ",\"nbf\":\"1\"}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"nbf\":-5}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"iat\":1800000031}", TOKEN_NOT_YET_VALID},
    {"{" GOOD ",\"iat\":1.5}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"kind\":\"admin\"}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"kind\":\"\"}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"kind\":1}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"kind\":\"a kind that is far too long\"}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"roles\":\"admin\"}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"roles\":[1]}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"roles\":[\"a role that is much too long\"]}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"roles\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}", TOKEN_OK},
    {"{" GOOD ",\"roles\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}",
     TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"deviceId\":5}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"roomId\":\"0123456789012345678901234567890123456789\"}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"jti\":{}}", TOKEN_BAD_CLAIM},
    {"{" GOOD ",\"sub\":\"admin\"}", TOKEN_MALFORMED},
    {"{" GOOD ",\"exp\":1900000000}", TOKEN_MALFORMED},
    {"{" GOOD ",\"x\":{\"a\":1,\"a\":2}}", TOKEN_MALFORMED},
    {"{\"sub\":\"u\\u0000v\",\"exp\":1800000900}", TOKEN_MALFORMED},
    {"{\"sub\":\"\xff\xfe\",\"exp\":1800000900}", TOKEN_MALFORMED},
    {"{\"sub\":\"\xed\xa0\x80\",\"exp\":1800000900}", TOKEN_MALFORMED},
    {"{" GOOD "} ", TOKEN_OK},
    {"{" GOOD "}x", TOKEN_MALFORMED},
    {"[" "{" GOOD "}]", TOKEN_MALFORMED},
    {"\"u\"", TOKEN_MALFORMED},
    {"null", TOKEN_MALFORMED},
};

static void claims_are_checked_after_the_signature(void **state)
{
    (void)state;
    buf token = {0};
    for (unsigned i = 0; i < sizeof claim_rows / sizeof claim_rows[0]; i++) {
        forge(&token, HS256, claim_rows[i].payload);
        assert_fault(verify(&token), claim_rows[i].fault, claim_rows[i].payload);
    }
    buf_deinit(&token);
}

static void audience_must_name_us_when_it_is_set(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        enum token_fault fault;
    } rows[] = {
        {"{" GOOD "}", TOKEN_BAD_AUDIENCE},
        {"{" GOOD ",\"aud\":\"box\"}", TOKEN_OK},
        {"{" GOOD ",\"aud\":[\"a\",\"box\"]}", TOKEN_OK},
        {"{" GOOD ",\"aud\":[]}", TOKEN_BAD_AUDIENCE},
        {"{" GOOD ",\"aud\":[\"a\"]}", TOKEN_BAD_AUDIENCE},
        {"{" GOOD ",\"aud\":[[\"box\"]]}", TOKEN_BAD_AUDIENCE},
        {"{" GOOD ",\"aud\":\"Box\"}", TOKEN_BAD_AUDIENCE},
        {"{" GOOD ",\"aud\":1}", TOKEN_BAD_AUDIENCE},
        {"{" GOOD ",\"aud\":{\"0\":\"box\"}}", TOKEN_BAD_AUDIENCE},
        {"{" GOOD ",\"aud\":\"box\",\"iss\":\"signalbox\"}", TOKEN_BAD_ISSUER},
    };
    struct tokens *t = tokens_hs256_new(
        &(struct tokens_conf){.secret = SPAN(SECRET), .audience = "box", .leeway_s = 30});
    struct token_claims c = sample();
    buf token = {0};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        forge(&token, HS256, rows[i].payload);
        assert_fault(t->verify(t, buf_span(&token), NOW_MS, &c), rows[i].fault, rows[i].payload);
    }
    buf_clear(&token);
    c = sample();
    t->issue(t, &c, &token);
    assert_int_equal(t->verify(t, buf_span(&token), NOW_MS, &c), TOKEN_OK);
    buf_deinit(&token);
    tokens_hs256_free(t);
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    struct token_claims in = sample();
    struct token_claims out;
    buf token = {0};
    port->issue(port, &in, &token);
    for (size_t i = 0; i < token.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            token.ptr[i] ^= (uint8_t)(1u << bit);
            assert_int_not_equal(port->verify(port, buf_span(&token), NOW_MS, &out), TOKEN_OK);
            token.ptr[i] ^= (uint8_t)(1u << bit);
        }
        span cut = span_of(token.ptr, i);
        assert_int_not_equal(port->verify(port, cut, NOW_MS, &out), TOKEN_OK);
    }
    assert_int_equal(port->verify(port, buf_span(&token), NOW_MS, &out), TOKEN_OK);
    buf_deinit(&token);
}

/* Verifies `shape` with its %1, %2 and %3 replaced by the parts. */
static enum token_fault verify_text(const char *shape, const char *const parts[3])
{
    buf text = {0};
    struct token_claims c;
    for (; *shape != '\0'; shape++) {
        if (*shape == '%') {
            buf_append_str(&text, parts[*++shape - '1']);
        } else {
            buf_append_byte(&text, (uint8_t)*shape);
        }
    }
    enum token_fault fault = port->verify(port, buf_span(&text), NOW_MS, &c);
    buf_deinit(&text);
    return fault;
}

static void parts_that_are_moved_added_or_padded_are_refused(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "%1.%2.%3.", ".%1.%2.%3", "%1..%2.%3", "%1.%2..%3", "%1.%2.%3.x", "%1=.%2.%3",
        "%1.%2=.%3", "%1.%2.%3=", " %1.%2.%3", "%1.%2.%3 ", "%1.%2.%3\n", "%1 .%2.%3",
        "%1.%2\n.%3", "%1%2%3", "%1,%2,%3", "Bearer %1.%2.%3", "%1.%2.%3+", "%1.%2.%3A",
        "%2.%1.%3", "%1.%3.%2", "%3.%2.%1", "%1.%2.%2", "%1.%1.%3", "%1.%2", "%1", ".%2.%3",
        "%1..%3", "%1.%2.", "%1.%2.AAAA",
    };
    buf token = {0};
    forge(&token, HS256, "{" GOOD "}");
    buf_append_byte(&token, '\0');
    const char *parts[3] = {(char *)token.ptr};
    for (unsigned i = 1; i < 3; i++) {
        char *dot = strchr(parts[i - 1], '.');
        *dot = '\0';
        parts[i] = dot + 1;
    }
    assert_int_equal(verify_text("%1.%2.%3", parts), TOKEN_OK);
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (verify_text(shapes[i], parts) == TOKEN_OK) {
            fail_msg("%s was accepted", shapes[i]);
        }
    }
    assert_int_equal(verify_text("%1.%2.", parts), TOKEN_MALFORMED);
    assert_int_equal(verify_text("%1.%2.AAAA", parts), TOKEN_BAD_SIGNATURE);
    buf_deinit(&token);
}

static void another_secret_does_not_verify(void **state)
{
    (void)state;
    struct tokens *other = tokens_hs256_new(&(struct tokens_conf){
        .secret = SPAN("another secret of thirty-two byte"), .issuer = "signalbox"});
    struct token_claims c = sample();
    buf token = {0};
    other->issue(other, &c, &token);
    assert_int_equal(verify(&token), TOKEN_BAD_SIGNATURE);
    assert_int_equal(other->verify(other, buf_span(&token), NOW_MS, &c), TOKEN_OK);
    buf_deinit(&token);
    tokens_hs256_free(other);
    tokens_hs256_free(NULL);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    buf token = {0};
    buf payload = {0};
    for (size_t pad = 5000; pad <= 9000; pad += 500) {
        buf_clear(&payload);
        buf_append_str(&payload, "{" GOOD ",\"x\":\"");
        memset(buf_reserve(&payload, pad), 'x', pad);
        payload.len += pad;
        buf_append_str(&payload, "\"}");
        forge_n(&token, HS256, strlen(HS256), (const char *)payload.ptr, payload.len);
        assert_int_equal(verify(&token),
                         token.len <= TOKEN_BYTES_MAX ? TOKEN_OK : TOKEN_MALFORMED);
    }
    char sub[200];
    for (size_t len = TOKEN_TEXT_MAX; len <= TOKEN_TEXT_MAX + 1; len++) {
        memset(sub, 's', len);
        sub[len] = '\0';
        buf_clear(&payload);
        buf_printf(&payload, "{\"sub\":\"%s\",\"exp\":1800000900}", sub);
        forge_n(&token, HS256, strlen(HS256), (const char *)payload.ptr, payload.len);
        assert_int_equal(verify(&token), len <= TOKEN_TEXT_MAX ? TOKEN_OK : TOKEN_BAD_CLAIM);
    }
    char deep[6001];
    memset(deep, '[', 6000);
    deep[6000] = '\0';
    forge(&token, HS256, deep);
    assert_int_equal(verify(&token), TOKEN_MALFORMED);
    buf_deinit(&token);
    buf_deinit(&payload);
}

static void rubbish_is_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d",
                                      "sbk_x", "null", "\xff.\xff.\xff", "e30.e30.e30"};
    struct token_claims c;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum token_fault f = port->verify(port, span_str(bad[i]), NOW_MS, &c);
        assert_true(f == TOKEN_MALFORMED || f == TOKEN_BAD_ALGORITHM);
    }
}

static void sha256_is_sha256(void **state)
{
    (void)state;
    uint8_t hash[32];
    char hex[64];
    port->sha256(port, SPAN("abc"), hash);
    hex_encode(span_of(hash, sizeof hash), hex);
    assert_memory_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
                             "b00361a396177a9cb410ff61f20015ad", 64);
    port->sha256(port, SPAN_NONE, hash);
    hex_encode(span_of(hash, sizeof hash), hex);
    assert_memory_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
                             "27ae41e4649b934ca495991b7852b855", 64);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_issued_verifies_with_every_claim),
        T(tokens_end_when_they_say_within_the_leeway),
        T(headers_that_name_another_algorithm_are_refused),
        T(headers_that_are_not_one_object_are_malformed),
        T(headers_may_carry_what_is_ignored),
        T(claims_are_checked_after_the_signature),
        T(audience_must_name_us_when_it_is_set),
        T(every_changed_byte_is_noticed),
        T(parts_that_are_moved_added_or_padded_are_refused),
        T(another_secret_does_not_verify),
        T(sizes_are_bounded),
        T(rubbish_is_malformed),
        T(sha256_is_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
