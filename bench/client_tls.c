/* TLS of the load generator's client: OpenSSL on the socket itself, as little as it takes. */
#include "client.h"

#include <openssl/ssl.h>

#include <errno.h>
#include <stdlib.h>

void pool_use_tls(struct pool *p)
{
    p->tls = SSL_CTX_new(TLS_client_method());
    if (p->tls == NULL || SSL_CTX_set_min_proto_version(p->tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(p->tls, "TLS_AES_128_GCM_SHA256") != 1) {
        abort();
    }
    SSL_CTX_set_session_cache_mode(p->tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(p->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

bool client_tls_open(struct pool *p, struct client *c)
{
    c->tls = SSL_new(p->tls);
    return c->tls != NULL && SSL_set_fd(c->tls, c->fd) == 1 && SSL_connect(c->tls) == 1;
}

/* All that has come, as far as there is room: a record left inside would wake nobody. */
ssize_t client_tls_recv(struct client *c, void *out, size_t room)
{
    size_t len = 0;
    while (len < room) {
        size_t got = 0;
        if (SSL_read_ex(c->tls, (char *)out + len, room - len, &got) != 1) {
            int why = SSL_get_error(c->tls, 0);
            errno = EAGAIN;
            return len > 0 ? (ssize_t)len : why == SSL_ERROR_WANT_READ ? -1 : 0;
        }
        len += got;
    }
    return (ssize_t)len;
}

ssize_t client_tls_send(struct client *c, const void *bytes, size_t len)
{
    size_t sent = 0;
    if (SSL_write_ex(c->tls, bytes, len, &sent) == 1) {
        return (ssize_t)sent;
    }
    errno = SSL_get_error(c->tls, 0) == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
    return -1;
}

void client_tls_close(struct client *c)
{
    SSL_free(c->tls);
    c->tls = NULL;
}
