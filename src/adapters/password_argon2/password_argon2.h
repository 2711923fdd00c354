/*
 * The password port on libargon2: argon2id (RFC 9106), 19 MiB, 2 passes, 1 lane (OWASP's first
 * choice), 16-byte salt, 32-byte tag, in the encoded form `$argon2id$v=19$m=19456,t=2,p=1$...`.
 * About 40 ms of CPU and 19 MiB while it runs; call on a worker. Thread-safe.
 */
#ifndef SB_ADAPTERS_PASSWORD_ARGON2_H
#define SB_ADAPTERS_PASSWORD_ARGON2_H

#include "ports/password.h"

/* Static; never freed. verify accepts hashes of other costs up to 64 MiB, 8 passes and 8 lanes
 * (made by an older or newer release); above that, and for other variants, nothing matches. */
struct password *password_argon2(void);

#endif
