/* The client's side of TLS: who the server must be (RFC 6125, RFC 2818 3.1). */
#include "base/mem.h"
#include "loop/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

struct tls_client {
    SSL_CTX *ctx;
};

struct tls_client *tls_client_new(const char *ca_file, buf *why)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    ASSERT(ctx != NULL);
    tls_common(ctx);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    ERR_clear_error();
    int ok = ca_file[0] == '\0' ? SSL_CTX_set_default_verify_paths(ctx)
                                : SSL_CTX_load_verify_file(ctx, ca_file);
    if (ok != 1) {
        buf_printf(why, "%s: %s", ca_file[0] == '\0' ? "the system's certificates" : ca_file,
                   tls_error_text());
        SSL_CTX_free(ctx);
        return NULL;
    }
    struct tls_client *c = mem_calloc(1, sizeof *c);
    c->ctx = ctx;
    return c;
}

void tls_client_free(struct tls_client *c)
{
    if (c != NULL) {
        SSL_CTX_free(c->ctx);
        mem_free(c);
    }
}

struct tls_session *tls_connect(struct tls_client *c, struct tls_pipe *pipe, const char *host,
                                bool literal)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    struct tls_session *t = tls_session_new(c->ctx, pipe);
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    SSL_set_connect_state(t->ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool ok = SSL_set_alpn_protos(t->ssl, protocols, sizeof protocols - 1) == 0;
    if (literal) {
        ok = ok && X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    } else {
        ok = ok && X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
             SSL_set_tlsext_host_name(t->ssl, host) == 1;
    }
    if (!ok) {
        /* Not an address after all: without a name to hold the server to there is no session. */
        t->state = TLS_FAILED;
        t->fault = TLS_FAULT_PROTOCOL;
        t->detail = "the server's name or address cannot be checked";
    }
    return t;
}
