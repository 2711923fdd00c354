/* What the files of TLS share; nobody else includes it. */
#ifndef SB_LOOP_TLS_INTERNAL_H
#define SB_LOOP_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "loop/tls.h"

struct tls_session {
    SSL *ssl;
    struct tls_server *server; /* a reference, for its callbacks; NULL in the client role */
    struct tls_pipe *pipe;
    const char *detail; /* static text of OpenSSL */
    uint16_t key_updates;
    uint8_t state; /* enum tls_state */
    uint8_t fault; /* enum tls_fault */
    bool alpn_refused;
    bool end_sent;
};

/* The session of an SSL: found by its BIO, which spares a table each. */
struct tls_session *tls_session_of(const SSL *ssl);
/* A session that has no role yet. */
struct tls_session *tls_session_new(SSL_CTX *ctx, struct tls_pipe *pipe);
/* What both roles set on a context. */
void tls_common(SSL_CTX *ctx);
/* The oldest error in OpenSSL's queue in words; empties it. */
const char *tls_error_text(void);

/* tls_tickets.c: the keys that seal sessions handed to clients, shared by all loops and kept
 * over reloads. Any thread. */
struct tls_tickets;
struct tls_tickets *tls_tickets_new(struct clock *clock);
struct tls_tickets *tls_tickets_ref(struct tls_tickets *t);
void tls_tickets_unref(struct tls_tickets *t);
/* As SSL_CTX_set_tlsext_ticket_key_evp_cb defines it: 1 ready, 0 unknown key, -1 failed. */
int tls_tickets_seal(struct tls_tickets *t, unsigned char name[16], unsigned char *iv,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool seal);
/* A key seals for so long, and opens for as long again. */
#define TLS_TICKET_S (12 * 3600)

#endif
