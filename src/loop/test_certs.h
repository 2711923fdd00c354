/*
 * For tests: certificates made on the spot (P-256), as PEM files in a folder under build/. An
 * authority signs the others; what is out of date is so by the real clock.
 */
#ifndef SB_LOOP_TEST_CERTS_H
#define SB_LOOP_TEST_CERTS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERTS_UNUSED __attribute__((unused))
#define CERT_PATH_MAX 256
#define DAY_S 86400L

struct test_cert {
    X509 *x;
    EVP_PKEY *key;
    char cert_file[CERT_PATH_MAX];
    char key_file[CERT_PATH_MAX];
};

static char certs_dir[CERT_PATH_MAX];

static CERTS_UNUSED void certs_begin(void)
{
    (void)mkdir("build", 0777);
    (void)mkdir("build/tmp", 0777);
    snprintf(certs_dir, sizeof certs_dir, "build/tmp/certs-XXXXXX");
    assert_non_null(mkdtemp(certs_dir));
}

static CERTS_UNUSED void cert_drop(struct test_cert *c)
{
    X509_free(c->x);
    EVP_PKEY_free(c->key);
    (void)unlink(c->cert_file);
    (void)unlink(c->key_file);
}

static CERTS_UNUSED void certs_end(void) { (void)rmdir(certs_dir); }

static void extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void pem_write(struct test_cert *c, const char *name)
{
    snprintf(c->cert_file, sizeof c->cert_file, "%.200s/%s.pem", certs_dir, name);
    snprintf(c->key_file, sizeof c->key_file, "%.200s/%s.key", certs_dir, name);
    FILE *f = fopen(c->cert_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, c->x), 1);
    assert_int_equal(fclose(f), 0);
    f = fopen(c->key_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
}

/* `san` as OpenSSL writes it, "DNS:a.example,IP:127.0.0.1"; NULL: an authority. `by` NULL: signed
 * by itself. Valid from an hour ago for `life_s`, which may be negative. */
static CERTS_UNUSED struct test_cert cert_make(const char *name, const char *san,
                                               const struct test_cert *by, long life_s)
{
    static long serial = 1;
    struct test_cert c = {.x = X509_new(), .key = EVP_EC_gen("P-256")};
    assert_non_null(c.key);
    const struct test_cert *issuer = by == NULL ? &c : by;
    X509_set_version(c.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x), life_s < 0 ? 2 * life_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(c.x), life_s);
    X509_set_pubkey(c.x, c.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(c.x, X509_get_subject_name(issuer->x));
    extension(c.x, issuer->x, NID_basic_constraints,
              san == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (san != NULL && san[0] != '\0') {
        extension(c.x, issuer->x, NID_subject_alt_name, san);
    }
    assert_true(X509_sign(c.x, issuer->key, EVP_sha256()) > 0);
    pem_write(&c, name);
    return c;
}

#endif
