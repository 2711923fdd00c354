/*
 * TLS 1.2 and 1.3 (OpenSSL) without sockets: certificates and rules, and one session's state
 * machine over bytes. net/ carries the bytes.
 *
 *     handshake ---> open ---> ended (the peer's close_notify)
 *          \___________\-----> failed (fatal: its alert stands in the pipe)
 *
 * What a session sends goes into its pipe whole, so that writing never waits and nothing has to
 * be repeated; what it is fed it takes whole, and keeps at most one unfinished record of it.
 * A resting session holds no buffer (SSL_MODE_RELEASE_BUFFERS).
 *
 * Rules of the server side: ECDHE with AEAD only, X25519 and P-256, server's preference, no
 * renegotiation, no compression, no early data, one ticket a handshake.
 */
#ifndef SB_LOOP_TLS_H
#define SB_LOOP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"
#include "ports/clock.h"

/* Plaintext of one record (RFC 8446 5.1, RFC 5246 6.2.1). */
#define TLS_RECORD_BYTES_MAX 16384
/* Certificates of one server; each is tried in turn for a name. */
#define TLS_CERTS_MAX 64
/* What comes out of one session in its life; each costs keys to derive and carries nothing. */
#define TLS_KEY_UPDATES_MAX 1024

/* Ciphertext of one loop: emptied by whoever calls, after every call. Zeroed is ready. */
struct tls_pipe {
    span in; /* private: what is being fed */
    buf out; /* to be sent; owned, tls_pipe_deinit */
};
void tls_pipe_deinit(struct tls_pipe *p);

/* --- the server's certificates and rules --- */

enum tls_client_auth { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRE };

struct tls_server_conf {
    const char *certs; /* PEM files, comma separated: each the certificate, then its chain */
    const char *keys;  /* their keys, in the same order; empty: each stands in its certs file */
    const char *client_ca; /* PEM file that client certificates must lead to */
    enum tls_client_auth client_auth;
    bool only_13;
    struct clock *clock; /* borrowed */
};

struct tls_cert_info {
    const char *file;  /* owned by the server, as all texts here */
    const char *names; /* comma separated: those that it is chosen for */
    int64_t begins_s;  /* epoch */
    int64_t ends_s;
};

struct tls_server;

/*
 * Reads every file and checks that they fit each other. NULL, and a sentence in `why`, when one
 * is missing, unreadable, malformed, too weak, or not the certificate's key; a certificate that
 * is out of date is taken (see tls_server_cert). `previous` (or NULL) shares its ticket keys, so
 * that clients resume their sessions; not when the rules for client certificates differ. One
 * reference is the caller's. Any thread, and so is all below but sessions.
 */
MUST_CHECK struct tls_server *tls_server_new(const struct tls_server_conf *conf,
                                             struct tls_server *previous, buf *why);
struct tls_server *tls_server_ref(struct tls_server *s);
void tls_server_unref(struct tls_server *s); /* NULL is harmless */
unsigned tls_server_cert_count(const struct tls_server *s);
const struct tls_cert_info *tls_server_cert(const struct tls_server *s, unsigned i);
/* When the first of them ends (epoch); INT64_MAX when s is NULL. */
int64_t tls_server_ends_s(const struct tls_server *s);
/* The certificate for a name that a client asks for (SNI): the first that has the name, or a
 * wildcard for its first label; else 0, the default. */
unsigned tls_server_find(const struct tls_server *s, const char *name);

/* --- the client's rules --- */

struct tls_client;

/* The server's certificate must lead to one of `ca_file`, or of the system's store when that is
 * empty. NULL and `why` when the file cannot be used. */
MUST_CHECK struct tls_client *tls_client_new(const char *ca_file, buf *why);
void tls_client_free(struct tls_client *c); /* NULL is harmless */

/* --- sessions, on their loop's thread --- */

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_ENDED, TLS_FAILED };

/* Why a session failed; labels of signalbox_tls_handshake_failures_total. */
enum tls_fault {
    TLS_FAULT_NONE,
    TLS_FAULT_PLAIN_HTTP,  /* an HTTP request without TLS */
    TLS_FAULT_NOT_TLS,     /* the first bytes are no TLS record */
    TLS_FAULT_VERSION,     /* nothing but versions that are too old */
    TLS_FAULT_CIPHER,      /* no cipher, group or signature in common */
    TLS_FAULT_ALPN,        /* protocols are offered, and http/1.1 is not one of them */
    TLS_FAULT_CERTIFICATE, /* the peer's is missing or not accepted */
    TLS_FAULT_ALERT,       /* the peer ended it, as one that does not trust us */
    TLS_FAULT_PROTOCOL,    /* another rule of the protocol is broken */
    TLS_FAULT_TIMEOUT,     /* set by net */
    TLS_FAULT_GONE,        /* set by net: the connection ended first */
    TLS_FAULT_COUNT
};
const char *tls_fault_label(enum tls_fault f);

struct tls_session;

/* Owned by the caller; `pipe` is borrowed and may be shared by all sessions of a loop. */
struct tls_session *tls_accept(struct tls_server *s, struct tls_pipe *pipe);
/* `host` is a name, or an address when `literal`; the certificate must be made out to it. Its
 * first bytes come from tls_feed with nothing. */
struct tls_session *tls_connect(struct tls_client *c, struct tls_pipe *pipe, const char *host,
                                bool literal);
void tls_session_free(struct tls_session *t);

/*
 * Takes ciphertext, all of it, puts what it means at `plain` (room for cipher.len +
 * TLS_RECORD_BYTES_MAX, asserted) and its length in *len. Answers (handshake, alerts) stand in
 * the pipe afterwards. Bytes behind the end or a failure are ignored.
 */
enum tls_state tls_feed(struct tls_session *t, span cipher, uint8_t *plain, size_t room,
                        size_t *len);
/* Encrypts into the pipe; false when the session is not open for writing. */
MUST_CHECK bool tls_write(struct tls_session *t, span plain);
/* Puts close_notify into the pipe, once, if there is anybody to tell. */
void tls_end(struct tls_session *t);

enum tls_state tls_state_of(const struct tls_session *t);
enum tls_fault tls_fault_of(const struct tls_session *t);
/* A few words about the failure, from OpenSSL; "" without one. Not to be freed. */
const char *tls_fault_detail(const struct tls_session *t);
/* Uses another pipe from now on, for instance that of another loop, whose session it is then. */
void tls_session_move(struct tls_session *t, struct tls_pipe *pipe);
/* Net's own verdict on a handshake that goes nowhere: the session has failed with `f`. */
void tls_give_up(struct tls_session *t, enum tls_fault f);
bool tls_is_13(const struct tls_session *t);
/* The handshake took up an earlier session. */
bool tls_is_resumed(const struct tls_session *t);
/* Appends the subject of the peer's certificate (RFC 2253); false when it has none. */
bool tls_peer_subject(const struct tls_session *t, buf *out);

#endif
