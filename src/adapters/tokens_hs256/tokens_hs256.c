/*
 * See tokens_hs256.h. HMAC is fetched once and keyed once; each call works on a copy of the keyed
 * context, so calls on many threads share nothing they write to (OpenSSL 3 searches its providers
 * on every fetch, three times the cost of the MAC itself).
 */
#include "adapters/tokens_hs256/tokens_hs256.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/mem.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdlib.h>

struct hs256 {
    struct tokens port;
    EVP_MAC *hmac;
    EVP_MAC_CTX *keyed; /* duplicated, never updated */
    EVP_MD *sha256;
    char *issuer; /* owned; NULL: none */
    char *audience;
    int64_t leeway_s;
};

#define TOKEN_MAC_BYTES 32

static void sign(const struct hs256 *t, span text, uint8_t mac[TOKEN_MAC_BYTES])
{
    size_t len = 0;
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(t->keyed);
    ASSERT(ctx != NULL);
    ASSERT(EVP_MAC_update(ctx, text.ptr, text.len) == 1);
    ASSERT(EVP_MAC_final(ctx, mac, &len, TOKEN_MAC_BYTES) == 1 && len == TOKEN_MAC_BYTES);
    EVP_MAC_CTX_free(ctx);
}

enum token_fault tokens_hs256_verify(struct tokens *self, const struct token_parts *parts,
                                     int64_t now_ms, struct token_claims *out)
{
    struct hs256 *t = CONTAINER_OF(self, struct hs256, port);
    *out = (struct token_claims){0};
    if (strcmp(parts->alg, "HS256") != 0) {
        return TOKEN_BAD_ALGORITHM;
    }
    uint8_t mac[TOKEN_MAC_BYTES];
    sign(t, parts->signed_text, mac);
    if (!span_eq_secret(span_of(mac, sizeof mac),
                        span_of(parts->signature, parts->signature_len))) {
        return TOKEN_BAD_SIGNATURE;
    }
    struct token_rules rules = {.issuer = t->issuer,
                                .audience = t->audience,
                                .leeway_s = t->leeway_s,
                                .now_s = now_ms / 1000};
    return token_read_claims(parts->payload, &rules, out);
}

static enum token_fault hs256_verify(struct tokens *self, span token, int64_t now_ms,
                                     struct token_claims *out)
{
    struct token_parts parts;
    enum token_fault fault = token_split(token, &parts);
    if (fault != TOKEN_OK) {
        *out = (struct token_claims){0};
        return fault;
    }
    return tokens_hs256_verify(self, &parts, now_ms, out);
}

static void set_text(json_t *o, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        ASSERT(json_object_set_new(o, name, json_string(text)) == 0);
    }
}

static void set_time(json_t *o, const char *name, int64_t seconds)
{
    if (seconds != 0) {
        ASSERT(json_object_set_new(o, name, json_integer(seconds)) == 0);
    }
}

static char *payload_text(const struct hs256 *t, const struct token_claims *c)
{
    json_t *o = json_object();
    set_text(o, "iss", t->issuer);
    set_text(o, "aud", t->audience);
    set_text(o, "sub", c->sub);
    set_text(o, "jti", c->jti);
    set_text(o, "kind", c->kind);
    set_text(o, "deviceId", c->device_id);
    set_text(o, "roomId", c->room_id);
    set_time(o, "iat", c->iat_s);
    set_time(o, "exp", c->exp_s);
    if (c->role_count > 0) {
        json_t *roles = json_array();
        for (unsigned i = 0; i < c->role_count; i++) {
            ASSERT(json_array_append_new(roles, json_string(c->roles[i])) == 0);
        }
        ASSERT(json_object_set_new(o, "roles", roles) == 0);
    }
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    ASSERT(text != NULL); /* a claim that is not UTF-8 is a bug of the caller */
    return text;
}

static void append_base64url(buf *out, span bytes)
{
    char *at = (char *)buf_reserve(out, BASE64_SIZE(bytes.len));
    out->len += base64url_encode(bytes, at);
}

static void hs256_issue(struct tokens *self, const struct token_claims *claims, buf *out)
{
    struct hs256 *t = CONTAINER_OF(self, struct hs256, port);
    ASSERT(claims->sub[0] != '\0' && claims->exp_s > 0);
    size_t start = out->len;
    append_base64url(out, SPAN("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    buf_append_byte(out, '.');
    char *payload = payload_text(t, claims);
    append_base64url(out, span_str(payload));
    free(payload);
    uint8_t mac[TOKEN_MAC_BYTES];
    sign(t, span_of(out->ptr + start, out->len - start), mac);
    buf_append_byte(out, '.');
    append_base64url(out, span_of(mac, sizeof mac));
}

static void hs256_sha256(struct tokens *self, span data, uint8_t out[32])
{
    struct hs256 *t = CONTAINER_OF(self, struct hs256, port);
    ASSERT(EVP_Digest(data.ptr, data.len, out, NULL, t->sha256, NULL) == 1);
}

static char *copy_text(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : mem_strndup(text, strlen(text));
}

struct tokens *tokens_hs256_new(const struct tokens_conf *conf)
{
    ASSERT(conf->secret.len >= TOKENS_SECRET_BYTES_MIN && conf->leeway_s >= 0);
    struct hs256 *t = mem_calloc(1, sizeof *t);
    t->port = (struct tokens){
        .verify = hs256_verify, .issue = hs256_issue, .sha256 = hs256_sha256};
    t->issuer = copy_text(conf->issuer);
    t->audience = copy_text(conf->audience);
    t->leeway_s = conf->leeway_s;
    t->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    t->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    ASSERT(t->hmac != NULL && t->sha256 != NULL);
    t->keyed = EVP_MAC_CTX_new(t->hmac);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
    ASSERT(t->keyed != NULL &&
           EVP_MAC_init(t->keyed, conf->secret.ptr, conf->secret.len, params) == 1);
    ERR_clear_error();
    return &t->port;
}

void tokens_hs256_free(struct tokens *self)
{
    if (self == NULL) {
        return;
    }
    struct hs256 *t = CONTAINER_OF(self, struct hs256, port);
    EVP_MAC_CTX_free(t->keyed); /* OpenSSL wipes its copy of the key */
    EVP_MAC_free(t->hmac);
    EVP_MD_free(t->sha256);
    mem_free(t->issuer);
    mem_free(t->audience);
    mem_free(t);
}
