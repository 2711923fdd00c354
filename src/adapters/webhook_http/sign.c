#include "adapters/webhook_http/sign.h"

#include "base/assert.h"
#include "base/base64.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>

#define SHA256_BYTES 32

void webhook_sign(span secret, int64_t unix_s, span body, char out[WEBHOOK_SIGNATURE_MAX])
{
    unsigned char mac[SHA256_BYTES];
    char digest[] = "SHA256";
    char hex[2 * SHA256_BYTES + 1] = "";
    char at[24];
    size_t len = 0;
    int at_len = snprintf(at, sizeof at, "%lld.", (long long)unix_s);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    bool ok = ctx != NULL && EVP_MAC_init(ctx, secret.ptr, secret.len, params) == 1 &&
              EVP_MAC_update(ctx, (const unsigned char *)at, (size_t)at_len) == 1 &&
              EVP_MAC_update(ctx, body.ptr, body.len) == 1 &&
              EVP_MAC_final(ctx, mac, &len, sizeof mac) == 1;
    ASSERT(ok && len == sizeof mac); /* the algorithms are always there */
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(hmac);
    hex_encode(span_of(mac, sizeof mac), hex);
    snprintf(out, WEBHOOK_SIGNATURE_MAX, "t=%lld,v1=%s", (long long)unix_s, hex);
}
