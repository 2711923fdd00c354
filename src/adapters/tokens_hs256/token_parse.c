#include "adapters/tokens_hs256/token_parse.h"

#include "base/base64.h"

#include <jansson.h>

#define TIME_S_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
/* A hostile token nests at most as deep as its bytes allow; jansson stops at 2,048. */
#define DECODED_MAX (TOKEN_BYTES_MAX / 4 * 3 + 3)

/* The object in base64url text, or NULL. jansson refuses bytes behind it, NUL, bad UTF-8, numbers
 * out of range and, by the flag, doubled members. */
static json_t *decode_object(span text)
{
    uint8_t bytes[DECODED_MAX];
    if (text.len == 0 || text.len > TOKEN_BYTES_MAX) {
        return NULL;
    }
    ptrdiff_t len = base64url_decode(text, bytes);
    if (len <= 0) {
        return NULL;
    }
    json_t *o = json_loadb((const char *)bytes, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
    if (o != NULL && !json_is_object(o)) {
        json_decref(o);
        o = NULL;
    }
    return o;
}

/* Copies a text member; absent is fine and leaves `out` empty. */
static bool read_text(const json_t *o, const char *name, char *out, size_t size)
{
    const json_t *v = json_object_get(o, name);
    out[0] = '\0';
    if (v == NULL) {
        return true;
    }
    if (!json_is_string(v) || json_string_length(v) >= size) {
        return false;
    }
    memcpy(out, json_string_value(v), json_string_length(v) + 1);
    return true;
}

static enum token_fault read_header(span text, struct token_parts *out)
{
    json_t *header = decode_object(text);
    if (header == NULL) {
        return TOKEN_MALFORMED;
    }
    enum token_fault fault = TOKEN_OK;
    if (!read_text(header, "alg", out->alg, sizeof out->alg) || out->alg[0] == '\0' ||
        json_object_get(header, "crit") != NULL) {
        fault = TOKEN_BAD_ALGORITHM;
    } else if (!read_text(header, "kid", out->kid, sizeof out->kid)) {
        fault = TOKEN_MALFORMED;
    }
    out->has_kid = json_object_get(header, "kid") != NULL;
    json_decref(header);
    return fault;
}

enum token_fault token_split(span token, struct token_parts *out)
{
    if (token.len > TOKEN_BYTES_MAX) {
        return TOKEN_MALFORMED;
    }
    span rest = token;
    span header = span_cut(&rest, '.');
    span payload = span_cut(&rest, '.');
    if (header.len == 0 || payload.len == 0 || rest.len == 0 || span_find(rest, '.') >= 0) {
        return TOKEN_MALFORMED;
    }
    enum token_fault fault = read_header(header, out);
    if (fault != TOKEN_OK) {
        return fault;
    }
    uint8_t signature[DECODED_MAX];
    ptrdiff_t len = base64url_decode(rest, signature);
    if (len < 0) {
        return TOKEN_MALFORMED;
    }
    if ((size_t)len > sizeof out->signature) {
        return TOKEN_BAD_SIGNATURE;
    }
    memcpy(out->signature, signature, (size_t)len);
    out->signature_len = (size_t)len;
    out->signed_text = span_slice(token, 0, header.len + 1 + payload.len);
    out->payload = payload;
    return TOKEN_OK;
}

/* Absent is 0. */
static bool read_time(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *v = json_object_get(claims, name);
    *out = 0;
    if (v == NULL) {
        return true;
    }
    *out = json_integer_value(v);
    return json_is_integer(v) && *out > 0 && *out <= TIME_S_MAX;
}

static bool read_kind(const json_t *claims, char *out, size_t size)
{
    static const char *const kinds[] = {"user", "device", "guest", "robot", "service"};
    if (!read_text(claims, "kind", out, size)) {
        return false;
    }
    if (json_object_get(claims, "kind") == NULL) {
        memcpy(out, "user", sizeof "user");
        return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(out, kinds[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_roles(const json_t *claims, struct token_claims *out)
{
    const json_t *roles = json_object_get(claims, "roles");
    out->role_count = 0;
    if (roles == NULL) {
        return true;
    }
    if (!json_is_array(roles) || json_array_size(roles) > TOKEN_ROLES_MAX) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const json_t *v = json_array_get(roles, i);
        if (!json_is_string(v) || json_string_length(v) >= sizeof out->roles[0]) {
            return false;
        }
        memcpy(out->roles[out->role_count++], json_string_value(v), json_string_length(v) + 1);
    }
    return true;
}

static bool is_text(const json_t *v, const char *text)
{
    return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}

/* RFC 7519 4.1.3: who is not named by `aud` refuses the token. */
static bool audience_fits(const json_t *claims, const char *ours)
{
    const json_t *aud = json_object_get(claims, "aud");
    bool wanted = ours != NULL && ours[0] != '\0';
    if (aud == NULL || !wanted) {
        return aud == NULL && !wanted;
    }
    for (size_t i = 0; i < json_array_size(aud); i++) {
        if (is_text(json_array_get(aud, i), ours)) {
            return true;
        }
    }
    return is_text(aud, ours);
}

static bool is_listed(const char *text, const char *list)
{
    span rest = span_str(list);
    while (rest.len > 0) {
        if (span_eq(span_trim(span_cut(&rest, ',')), span_str(text))) {
            return true;
        }
    }
    return false;
}

static bool issuer_fits(const struct token_rules *rules, bool has_iss, const char *iss)
{
    const char *ours = rules->issuer == NULL ? "" : rules->issuer;
    const char *others = rules->outside_issuers == NULL ? "" : rules->outside_issuers;
    if (!rules->outside) {
        return !has_iss || strcmp(iss, ours) == 0;
    }
    if (ours[0] != '\0' && strcmp(iss, ours) == 0) {
        return false;
    }
    return others[0] == '\0' || (iss[0] != '\0' && is_listed(iss, others));
}

static enum token_fault check_claims(const json_t *claims, const struct token_rules *rules,
                                     struct token_claims *out)
{
    int64_t nbf_s;
    if (!read_text(claims, "sub", out->sub, sizeof out->sub) || out->sub[0] == '\0' ||
        !read_text(claims, "iss", out->iss, sizeof out->iss) ||
        !read_text(claims, "jti", out->jti, sizeof out->jti) ||
        !read_text(claims, "deviceId", out->device_id, sizeof out->device_id) ||
        !read_text(claims, "roomId", out->room_id, sizeof out->room_id) ||
        !read_kind(claims, out->kind, sizeof out->kind) || !read_roles(claims, out) ||
        !read_time(claims, "exp", &out->exp_s) || out->exp_s == 0 ||
        !read_time(claims, "iat", &out->iat_s) || !read_time(claims, "nbf", &nbf_s)) {
        return TOKEN_BAD_CLAIM;
    }
    if (out->exp_s + rules->leeway_s <= rules->now_s) {
        return TOKEN_EXPIRED;
    }
    int64_t latest_s = rules->now_s + rules->leeway_s;
    if (nbf_s > latest_s || out->iat_s > latest_s) {
        return TOKEN_NOT_YET_VALID;
    }
    bool has_iss = json_object_get(claims, "iss") != NULL;
    if (!issuer_fits(rules, has_iss, out->iss)) {
        return TOKEN_BAD_ISSUER;
    }
    out->outside = rules->outside;
    return audience_fits(claims, rules->audience) ? TOKEN_OK : TOKEN_BAD_AUDIENCE;
}

enum token_fault token_read_claims(span payload, const struct token_rules *rules,
                                   struct token_claims *out)
{
    json_t *claims = decode_object(payload);
    if (claims == NULL) {
        return TOKEN_MALFORMED;
    }
    enum token_fault fault = check_claims(claims, rules, out);
    json_decref(claims);
    return fault;
}
