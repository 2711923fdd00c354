/*
 * The server's side of TLS: one SSL_CTX a certificate, chosen by the name that the client asks
 * for. Made whole or not at all, then never changed: a reload makes another one.
 */
#include "base/mem.h"
#include "loop/digest.h"
#include "loop/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* ECDHE for forward secrecy, AEAD against everything that was wrong with CBC; the quickest with
 * AES in hardware first, ChaCha20 for a client that puts it first itself. */
#define CIPHERS_12                                                                                 \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256"
#define CLIENT_CHAIN_MAX 8 /* certificates between a client's and the root */

struct tls_cert {
    SSL_CTX *ctx;
    struct tls_cert_info info;
};

struct tls_server {
    _Atomic unsigned refs;
    struct tls_tickets *tickets; /* a reference */
    uint8_t rules[DIGEST_SHA256_BYTES]; /* of client certificates: tickets hold under them only */
    unsigned count;
    struct tls_cert certs[TLS_CERTS_MAX];
};

const char *tls_error_text(void)
{
    unsigned long e = ERR_peek_error(); /* the first says what; later ones only who passed it on */
    const char *text = NULL;
    if (e != 0) {
        text = ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : ERR_reason_error_string(e);
    }
    ERR_clear_error();
    return text == NULL ? "unknown error" : text;
}

void tls_common(SSL_CTX *ctx)
{
    int ok = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
             SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 &&
             SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) == 1 &&
             SSL_CTX_set1_groups_list(ctx, GROUPS) == 1;
    ASSERT(ok);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

/* --- what a handshake asks --- */

static struct tls_server *server_of(SSL *ssl) { return tls_session_of(ssl)->server; }

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal)
{
    return tls_tickets_seal(server_of(ssl)->tickets, name, iv, cipher, mac, seal != 0);
}

/* RFC 7301 3.2. Who offers nothing speaks HTTP/1.1 anyway. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char http11[] = "http/1.1";
    (void)arg;
    for (unsigned at = 0; at < in_len && in[at] < in_len - at; at += 1u + in[at]) {
        if (in[at] == sizeof http11 - 1 && memcmp(in + at + 1, http11, sizeof http11 - 1) == 0) {
            *out = in + at + 1;
            *out_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    tls_session_of(ssl)->alpn_refused = true;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_name(SSL *ssl, int *alert, void *arg)
{
    struct tls_server *s = server_of(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    (void)arg;
    unsigned i = name == NULL ? 0 : tls_server_find(s, name);
    if (i != 0) {
        SSL_set_SSL_CTX(ssl, s->certs[i].ctx);
    }
    return SSL_TLSEXT_ERR_OK;
}

/* A key that needs a password is refused: there is nobody to ask. */
static int on_password(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return 0;
}

/* --- reading the files --- */

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void name_add(buf *names, const unsigned char *ptr, int len)
{
    span name = span_of(ptr, len > 0 ? (size_t)len : 0);
    if (name.len > 0 && span_find(name, '\0') < 0 && span_find(name, ',') < 0) {
        buf_printf(names, "%s%.*s", names->len > 0 ? "," : "", len, (const char *)ptr);
    }
}

/* The DNS names of the certificate; its common name only when it has no alternative names at all
 * (RFC 6125 6.4.4). */
static char *names_of(X509 *x)
{
    buf names = {0};
    GENERAL_NAMES *alt = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; alt != NULL && i < sk_GENERAL_NAME_num(alt); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, i);
        if (g->type == GEN_DNS) {
            name_add(&names, ASN1_STRING_get0_data(g->d.dNSName),
                     ASN1_STRING_length(g->d.dNSName));
        }
    }
    int at = alt != NULL ? -1
                         : X509_NAME_get_index_by_NID(X509_get_subject_name(x), NID_commonName, -1);
    if (at >= 0) {
        const ASN1_STRING *cn =
            X509_NAME_ENTRY_get_data(X509_NAME_get_entry(X509_get_subject_name(x), at));
        name_add(&names, ASN1_STRING_get0_data(cn), ASN1_STRING_length(cn));
    }
    GENERAL_NAMES_free(alt);
    char *text = mem_strndup(names.ptr == NULL ? (const uint8_t *)"" : names.ptr, names.len);
    buf_deinit(&names);
    return text;
}

static bool pair_load(SSL_CTX *ctx, const char *cert, const char *key, buf *why)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        buf_printf(why, "tls_cert %s: %s", cert, tls_error_text());
        return false;
    }
    if (access(key, R_OK) != 0) {
        buf_printf(why, "tls_key %s: %s", key, strerror(errno));
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        buf_printf(why, "tls_key %s: no key of %s is in it, without a password (%s)", key, cert,
                   tls_error_text());
        return false;
    }
    return true;
}

static bool client_rules(struct tls_server *s, SSL_CTX *ctx, const struct tls_server_conf *conf,
                         buf *why)
{
    if (SSL_CTX_set_session_id_context(ctx, s->rules, sizeof s->rules) != 1) {
        buf_append_str(why, tls_error_text());
        return false;
    }
    if (conf->client_auth == TLS_CLIENT_NONE) {
        return true;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(conf->client_ca);
    if (names == NULL || SSL_CTX_load_verify_file(ctx, conf->client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        buf_printf(why, "tls_client_ca %s: %s", conf->client_ca, tls_error_text());
        return false;
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify_depth(ctx, CLIENT_CHAIN_MAX);
    SSL_CTX_set_verify(ctx,
                       SSL_VERIFY_PEER | (conf->client_auth == TLS_CLIENT_REQUIRE
                                              ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                              : 0),
                       NULL);
    return true;
}

static SSL_CTX *context_new(const struct tls_server_conf *conf)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    ASSERT(ctx != NULL);
    tls_common(ctx);
    if (conf->only_13) {
        (void)SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    }
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(ctx, TLS_TICKET_S);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    SSL_CTX_set_default_passwd_cb(ctx, on_password);
    return ctx;
}

static bool cert_add(struct tls_server *s, const struct tls_server_conf *conf, span cert, span key,
                     buf *why)
{
    if (s->count == TLS_CERTS_MAX) {
        buf_printf(why, "tls_cert: more than %d certificates", TLS_CERTS_MAX);
        return false;
    }
    struct tls_cert *c = &s->certs[s->count++];
    char *file = mem_strndup(cert.ptr, cert.len);
    char *key_file = key.len == 0 ? NULL : mem_strndup(key.ptr, key.len);
    c->ctx = context_new(conf);
    c->info.file = file;
    bool ok = pair_load(c->ctx, file, key_file == NULL ? file : key_file, why) &&
              client_rules(s, c->ctx, conf, why);
    if (ok) {
        X509 *x = SSL_CTX_get0_certificate(c->ctx);
        c->info.begins_s = seconds_of(X509_get0_notBefore(x));
        c->info.ends_s = seconds_of(X509_get0_notAfter(x));
        c->info.names = names_of(x);
    }
    mem_free(key_file);
    return ok;
}

static bool certs_load(struct tls_server *s, const struct tls_server_conf *conf, buf *why)
{
    span certs = span_str(conf->certs);
    span keys = span_str(conf->keys);
    bool with_keys = span_trim(keys).len > 0;
    while (certs.len > 0) {
        span cert = span_trim(span_cut(&certs, ','));
        span key = span_trim(span_cut(&keys, ','));
        if (cert.len == 0 || (with_keys && key.len == 0)) {
            buf_append_str(why, "tls_cert and tls_key must name as many files");
            return false;
        }
        if (!cert_add(s, conf, cert, key, why)) {
            return false;
        }
    }
    if (s->count == 0 || (with_keys && keys.len > 0)) {
        buf_append_str(why, s->count == 0 ? "tls_cert: no certificate is named"
                                          : "tls_cert and tls_key must name as many files");
        return false;
    }
    return true;
}

/* What client certificates are held to, as a digest: the CA file's bytes and the mode. A session
 * that was begun under other rules is not taken up again. */
static bool rules_digest(struct tls_server *s, const struct tls_server_conf *conf, buf *why)
{
    buf all = {0};
    buf_append_byte(&all, (uint8_t)conf->client_auth);
    if (conf->client_auth != TLS_CLIENT_NONE) {
        FILE *f = fopen(conf->client_ca, "re");
        size_t got = 0;
        if (f == NULL) {
            buf_printf(why, "tls_client_ca %s: %s", conf->client_ca, strerror(errno));
            buf_deinit(&all);
            return false;
        }
        do {
            uint8_t *at = buf_reserve(&all, 65536);
            got = fread(at, 1, 65536, f);
            all.len += got;
        } while (got > 0);
        (void)fclose(f);
    }
    digest_sha256(all.ptr, all.len, s->rules);
    buf_deinit(&all);
    return true;
}

/* --- life --- */

struct tls_server *tls_server_new(const struct tls_server_conf *conf, struct tls_server *previous,
                                  buf *why)
{
    struct tls_server *s = mem_calloc(1, sizeof *s);
    s->refs = 1;
    s->tickets = previous != NULL ? tls_tickets_ref(previous->tickets)
                                  : tls_tickets_new(conf->clock);
    if (!rules_digest(s, conf, why) || !certs_load(s, conf, why)) {
        tls_server_unref(s);
        return NULL;
    }
    return s;
}

struct tls_server *tls_server_ref(struct tls_server *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void tls_server_unref(struct tls_server *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < s->count; i++) {
        SSL_CTX_free(s->certs[i].ctx);
        mem_free((void *)s->certs[i].info.file);
        mem_free((void *)s->certs[i].info.names);
    }
    tls_tickets_unref(s->tickets);
    mem_free(s);
}

unsigned tls_server_cert_count(const struct tls_server *s) { return s->count; }

const struct tls_cert_info *tls_server_cert(const struct tls_server *s, unsigned i)
{
    ASSERT(i < s->count);
    return &s->certs[i].info;
}

int64_t tls_server_ends_s(const struct tls_server *s)
{
    int64_t ends_s = INT64_MAX;
    for (unsigned i = 0; s != NULL && i < s->count; i++) {
        ends_s = s->certs[i].info.ends_s < ends_s ? s->certs[i].info.ends_s : ends_s;
    }
    return ends_s;
}

/* "*.example.com" stands for one label (RFC 6125 6.4.3). */
static bool name_fits(span pattern, span name)
{
    if (pattern.len > 2 && pattern.ptr[0] == '*' && pattern.ptr[1] == '.') {
        ptrdiff_t dot = span_find(name, '.');
        return dot > 0 && span_ieq(span_slice(pattern, 1, pattern.len),
                                   span_slice(name, (size_t)dot, name.len));
    }
    return span_ieq(pattern, name);
}

unsigned tls_server_find(const struct tls_server *s, const char *name)
{
    span asked = span_str(name);
    for (unsigned i = 0; i < s->count; i++) {
        span rest = span_str(s->certs[i].info.names);
        while (rest.len > 0) {
            if (name_fits(span_cut(&rest, ','), asked)) {
                return i;
            }
        }
    }
    return 0;
}

struct tls_session *tls_accept(struct tls_server *s, struct tls_pipe *pipe)
{
    struct tls_session *t = tls_session_new(s->certs[0].ctx, pipe);
    t->server = tls_server_ref(s);
    SSL_set_accept_state(t->ssl);
    return t;
}
