#include "adapters/tokens_jose/pem_keys.h"

#include "base/assert.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string.h>

static EVP_PKEY *of_certificate(const uint8_t *der, long len)
{
    X509 *cert = d2i_X509(NULL, &der, len);
    EVP_PKEY *pkey = cert == NULL ? NULL : X509_get_pubkey(cert);
    X509_free(cert);
    return pkey;
}

static EVP_PKEY *of_block(const char *name, const uint8_t *der, long len, const char **why)
{
    *why = "a key that cannot be read";
    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        return d2i_PUBKEY(NULL, &der, len);
    }
    if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0) {
        return d2i_PublicKey(EVP_PKEY_RSA, NULL, &der, len);
    }
    if (strcmp(name, PEM_STRING_X509) == 0) {
        return of_certificate(der, len);
    }
    *why = strstr(name, "PRIVATE") != NULL ? "a private key: only public ones belong here"
                                           : "a block that is neither public key nor certificate";
    return NULL;
}

bool pem_read(span text, bool (*add)(void *owner, struct jose_key *k), void *owner,
              const char **why)
{
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    ASSERT(bio != NULL);
    bool ok = true;
    unsigned count = 0;
    char *name = NULL;
    char *header = NULL;
    uint8_t *der = NULL;
    long len = 0;
    while (ok && PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
        EVP_PKEY *pkey = of_block(name, der, len, why);
        struct jose_key *k =
            pkey == NULL ? NULL : jose_key_public(pkey, NULL, UINT32_MAX, why);
        if (k != NULL && !add(owner, k)) {
            *why = "more keys than fit";
            ok = false;
        }
        ok = ok && k != NULL;
        count++;
        EVP_PKEY_free(pkey);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)len);
    }
    if (ok && (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)) {
        *why = "neither PEM nor JSON of keys";
        ok = false;
    }
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}
