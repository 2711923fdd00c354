/*
 * The WebSocket opening handshake (RFC 6455 4), as far as it is not HTTP: what the field values
 * must be, and the key's answer. Pure functions over field values; any thread.
 */
#ifndef SB_CODEC_WS_HANDSHAKE_H
#define SB_CODEC_WS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"

#define WS_KEY_LEN 24    /* base64 of 16 bytes */
#define WS_ACCEPT_LEN 28 /* base64 of a SHA-1 digest */

/* SHA-1 of len bytes; supplied by the caller, for codecs link no crypto library. */
typedef void (*ws_sha1)(const void *data, size_t len, uint8_t digest[20]);

/* Field values of the request (GET, HTTP/1.1 or later: the caller's check); {NULL,0} if absent.
 * A repeated field must have been joined with ", " or refused before. */
struct ws_handshake {
    span upgrade;    /* Upgrade */
    span connection; /* Connection */
    span key;        /* Sec-WebSocket-Key */
    span version;    /* Sec-WebSocket-Version */
};

enum ws_handshake_error {
    WS_HANDSHAKE_E_UPGRADE = -1, /* Upgrade lacks websocket, or Connection lacks Upgrade: 400 */
    WS_HANDSHAKE_E_VERSION = -2, /* not version 13: 426 with Sec-WebSocket-Version: 13 (4.4) */
    WS_HANDSHAKE_E_KEY = -3,     /* not 24 characters of base64 for 16 bytes: 400 (4.2.1) */
};

/* Checks a client's request (4.2.1): 0, or an enum ws_handshake_error. */
MUST_CHECK int ws_handshake_check(const struct ws_handshake *h);

/* Sec-WebSocket-Accept for a key that was checked (4.2.2 item 5.4); no NUL. */
void ws_accept_make(span key, ws_sha1 sha1, char out[WS_ACCEPT_LEN]);

/* Client side: a key from 16 bytes of entropy (4.1 item 7), and the check of the answer (4.1). */
void ws_key_make(const uint8_t entropy[16], char out[WS_KEY_LEN]);
bool ws_accept_check(span accept, span key, ws_sha1 sha1);

/* Is `token` an element of a comma-separated list, ignoring ASCII case (RFC 9110 5.6.1)? */
bool ws_list_has(span list, span token);
/* Is `name` one of the offered subprotocols? They are compared exactly (11.5). */
bool ws_subprotocol_offered(span list, span name);
/*
 * Finds `bearer, <token>` in Sec-WebSocket-Protocol: true and the token (in `list`) when an
 * element is `bearer` and another follows it. The server then echoes WS_SUBPROTOCOL_BEARER and
 * never the token.
 */
bool ws_subprotocol_bearer(span list, span *token);
#define WS_SUBPROTOCOL_BEARER "bearer"

#endif
