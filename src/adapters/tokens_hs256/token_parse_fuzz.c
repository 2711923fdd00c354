/* Any text as a token, and as a payload whose signature is taken to be right. */
#include "adapters/tokens_hs256/token_parse.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span token = span_of(data, size);
    struct token_parts parts;
    struct token_claims claims = {0};
    struct token_rules rules = {.issuer = "signalbox", .leeway_s = 30, .now_s = 1800000000};
    if (token_split(token, &parts) == TOKEN_OK) {
        ASSERT(parts.signed_text.len + 1 < size && parts.payload.len > 0);
        ASSERT(parts.signature_len > 0 && parts.signature_len <= sizeof parts.signature);
        ASSERT(parts.alg[0] != '\0' && (parts.has_kid || parts.kid[0] == '\0'));
        (void)token_read_claims(parts.payload, &rules, &claims);
    }
    claims = (struct token_claims){0};
    if (token_read_claims(token, &rules, &claims) == TOKEN_OK) {
        ASSERT(claims.sub[0] != '\0' && strlen(claims.sub) <= TOKEN_TEXT_MAX);
        ASSERT(claims.exp_s + rules.leeway_s > rules.now_s);
        ASSERT(claims.role_count <= TOKEN_ROLES_MAX);
    }
    return 0;
}
