/* Signatures of webhook calls (ports/webhook.h). Any thread. */
#ifndef SB_ADAPTERS_WEBHOOK_HTTP_SIGN_H
#define SB_ADAPTERS_WEBHOOK_HTTP_SIGN_H

#include <stdint.h>

#include "base/span.h"

#define WEBHOOK_SIGNATURE_MAX 96 /* t=<20 digits>,v1=<64 hex> and a NUL */

/* Writes `t=<unix_s>,v1=<hex HMAC-SHA256 of "<unix_s>.<body>">`. */
void webhook_sign(span secret, int64_t unix_s, span body, char out[WEBHOOK_SIGNATURE_MAX]);

#endif
