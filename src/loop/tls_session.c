/*
 * One session over bytes. OpenSSL reads from and writes to a BIO of ours: what is fed, and the
 * pipe. Writing never blocks there, so no call of SSL_write ever has to be repeated.
 */
#include "base/mem.h"
#include "loop/tls_internal.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <limits.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

const char *tls_fault_label(enum tls_fault f)
{
    static const char *const labels[TLS_FAULT_COUNT] = {
        [TLS_FAULT_NONE] = "none",
        [TLS_FAULT_PLAIN_HTTP] = "plain_http",
        [TLS_FAULT_NOT_TLS] = "not_tls",
        [TLS_FAULT_VERSION] = "version",
        [TLS_FAULT_CIPHER] = "cipher",
        [TLS_FAULT_ALPN] = "alpn",
        [TLS_FAULT_CERTIFICATE] = "certificate",
        [TLS_FAULT_ALERT] = "alert",
        [TLS_FAULT_PROTOCOL] = "protocol",
        [TLS_FAULT_TIMEOUT] = "timeout",
        [TLS_FAULT_GONE] = "gone",
    };
    return labels[f];
}

/* --- the BIO --- */

static int pipe_read(BIO *bio, char *out, int len)
{
    struct tls_session *t = BIO_get_data(bio);
    span *in = &t->pipe->in;
    BIO_clear_retry_flags(bio);
    if (in->len == 0 || len <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = in->len < (size_t)len ? in->len : (size_t)len;
    memcpy(out, in->ptr, n);
    *in = span_slice(*in, n, in->len);
    return (int)n;
}

static int pipe_write(BIO *bio, const char *in, int len)
{
    struct tls_session *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_append(&t->pipe->out, in, (size_t)len);
    return len;
}

static long pipe_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pipe");
    int ok = method != NULL && BIO_meth_set_read(method, pipe_read) == 1 &&
             BIO_meth_set_write(method, pipe_write) == 1 &&
             BIO_meth_set_ctrl(method, pipe_ctrl) == 1;
    ASSERT(ok);
}

void tls_pipe_deinit(struct tls_pipe *p) { buf_deinit(&p->out); }

struct tls_session *tls_session_of(const SSL *ssl) { return BIO_get_data(SSL_get_rbio(ssl)); }

/* --- life --- */

static void on_message(int writing, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *arg)
{
    (void)version, (void)arg;
    if (!writing && type == SSL3_RT_HANDSHAKE && len > 0 &&
        *(const uint8_t *)bytes == SSL3_MT_KEY_UPDATE) {
        tls_session_of(ssl)->key_updates++;
    }
}

struct tls_session *tls_session_new(SSL_CTX *ctx, struct tls_pipe *pipe)
{
    struct tls_session *t = mem_calloc(1, sizeof *t);
    (void)pthread_once(&once, make_method);
    BIO *bio = BIO_new(method);
    t->ssl = SSL_new(ctx);
    ASSERT(bio != NULL && t->ssl != NULL); /* out of memory */
    t->pipe = pipe;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_msg_callback(t->ssl, on_message);
    return t;
}

void tls_session_move(struct tls_session *t, struct tls_pipe *pipe) { t->pipe = pipe; }

void tls_session_free(struct tls_session *t)
{
    SSL_free(t->ssl);
    tls_server_unref(t->server);
    mem_free(t);
}

/* --- failing --- */

static enum tls_fault fault_of_reason(int reason)
{
    switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        return TLS_FAULT_PLAIN_HTTP;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return TLS_FAULT_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_CIPHERS_AVAILABLE:
        return TLS_FAULT_CIPHER;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return TLS_FAULT_CERTIFICATE;
    default:
        return reason > SSL_AD_REASON_OFFSET ? TLS_FAULT_ALERT : TLS_FAULT_PROTOCOL;
    }
}

/* Of the first bytes: what is no record at all. */
static bool not_tls(const struct tls_session *t, int reason)
{
    return t->state == TLS_HANDSHAKE && SSL_get_state(t->ssl) == TLS_ST_BEFORE &&
           (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_UNKNOWN_PROTOCOL ||
            reason == SSL_R_UNEXPECTED_MESSAGE || reason == SSL_R_BAD_RECORD_TYPE);
}

static void fail(struct tls_session *t)
{
    int reason = ERR_GET_REASON(ERR_peek_error());
    long verified = SSL_get_verify_result(t->ssl);
    t->fault = (uint8_t)(t->alpn_refused        ? TLS_FAULT_ALPN
                         : not_tls(t, reason)   ? TLS_FAULT_NOT_TLS
                                                : fault_of_reason(reason));
    bool certificate = t->fault == TLS_FAULT_CERTIFICATE && verified != X509_V_OK;
    t->detail = tls_error_text();
    if (certificate) {
        t->detail = X509_verify_cert_error_string(verified);
    }
    t->state = TLS_FAILED;
}

/* --- bytes --- */

/* False when it needs more, or has failed. */
static bool handshake(struct tls_session *t)
{
    ERR_clear_error(); /* SSL_get_error would take another's error for ours */
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1) {
        t->state = TLS_OPEN;
        return true;
    }
    if (SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ) {
        fail(t);
    }
    return false;
}

static bool read_some(struct tls_session *t, uint8_t *plain, size_t room, size_t *len)
{
    size_t got = 0;
    int rc = SSL_read_ex(t->ssl, plain + *len, room - *len, &got);
    if (rc == 1) {
        *len += got;
        return t->pipe->in.len > 0 || SSL_pending(t->ssl) > 0;
    }
    /* As SSL_get_error says, without the thread's error queue, whose emptying costs as much as
     * the decryption of a short record. */
    if (SSL_want_read(t->ssl)) {
        return false;
    }
    /* A fatal alert of the peer's ends its direction as well; it shows as an error's state. */
    if ((SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) && !SSL_in_init(t->ssl)) {
        t->state = TLS_ENDED;
    } else {
        fail(t);
    }
    return false;
}

enum tls_state tls_feed(struct tls_session *t, span cipher, uint8_t *plain, size_t room,
                        size_t *len)
{
    *len = 0;
    if (t->state >= TLS_ENDED) {
        return t->state;
    }
    ASSERT(room >= cipher.len + TLS_RECORD_BYTES_MAX);
    t->pipe->in = cipher;
    if (t->state == TLS_OPEN || handshake(t)) {
        while (read_some(t, plain, room, len)) {
            /* until all is taken: with room for it OpenSSL keeps no plaintext back */
        }
    }
    t->pipe->in = SPAN_NONE;
    if (t->key_updates > TLS_KEY_UPDATES_MAX && t->state == TLS_OPEN) {
        t->state = TLS_FAILED;
        t->fault = TLS_FAULT_PROTOCOL;
        t->detail = "too many key updates";
    }
    return t->state;
}

bool tls_write(struct tls_session *t, span plain)
{
    if ((t->state != TLS_OPEN && t->state != TLS_ENDED) || t->end_sent) {
        return false;
    }
    while (plain.len > 0) {
        size_t sent = 0;
        if (SSL_write_ex(t->ssl, plain.ptr, plain.len, &sent) != 1) {
            fail(t);
            return false;
        }
        plain = span_slice(plain, sent, plain.len);
    }
    return true;
}

void tls_end(struct tls_session *t)
{
    if ((t->state == TLS_OPEN || t->state == TLS_ENDED) && !t->end_sent) {
        t->end_sent = true;
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl); /* the BIO takes it; the peer's answer is not awaited */
    }
}

enum tls_state tls_state_of(const struct tls_session *t) { return t->state; }
enum tls_fault tls_fault_of(const struct tls_session *t) { return t->fault; }
const char *tls_fault_detail(const struct tls_session *t)
{
    return t->detail == NULL ? "" : t->detail;
}
void tls_give_up(struct tls_session *t, enum tls_fault f)
{
    t->state = TLS_FAILED;
    t->fault = (uint8_t)f;
}

bool tls_is_13(const struct tls_session *t) { return SSL_version(t->ssl) == TLS1_3_VERSION; }
bool tls_is_resumed(const struct tls_session *t) { return SSL_session_reused(t->ssl) == 1; }

bool tls_peer_subject(const struct tls_session *t, buf *out)
{
    X509 *x = SSL_get0_peer_certificate(t->ssl);
    if (x == NULL) {
        return false;
    }
    BIO *mem = BIO_new(BIO_s_mem());
    ASSERT(mem != NULL);
    char *text;
    (void)X509_NAME_print_ex(mem, X509_get_subject_name(x), 0, XN_FLAG_RFC2253);
    long len = BIO_get_mem_data(mem, &text);
    buf_append(out, text, len > 0 ? (size_t)len : 0);
    BIO_free(mem);
    return true;
}
