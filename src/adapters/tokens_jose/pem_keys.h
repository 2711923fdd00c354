/* Public keys and certificates in PEM (RFC 7468), read. Fuzz target: key_set_fuzz.c. */
#ifndef SB_ADAPTERS_TOKENS_JOSE_PEM_KEYS_H
#define SB_ADAPTERS_TOKENS_JOSE_PEM_KEYS_H

#include "adapters/tokens_jose/jose_key.h"

/* Calls `add` (which takes the key over; false ends) for each block of `text`: PUBLIC KEY, RSA
 * PUBLIC KEY, CERTIFICATE. They have no kid. Of a certificate only the key counts: who put the
 * file there vouches for it, not its issuer or dates. False with *why when there is no such block,
 * one cannot be used, or a private key lies there by mistake. */
bool pem_read(span text, bool (*add)(void *owner, struct jose_key *k), void *owner,
              const char **why);

#endif
