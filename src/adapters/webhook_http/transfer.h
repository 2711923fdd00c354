/* One call as a transfer of libcurl's. On the adapter's thread. */
#ifndef SB_ADAPTERS_WEBHOOK_HTTP_TRANSFER_H
#define SB_ADAPTERS_WEBHOOK_HTTP_TRANSFER_H

#include "adapters/common/curl/curl.h"
#include "ports/webhook.h"

struct transfer;

/* Takes a piece of an answer of status 200 to 299 for a call with on_part; content_type is set. */
typedef void (*transfer_part)(struct webhook_call *c, span data);
/* Begins `c` on `multi`, signed as of `unix_s`. c->transfer is the new one; NULL, and the call's
 * outcome is filled in, when it cannot begin. */
void transfer_start(CURLM *multi, struct webhook_call *c, int64_t unix_s, transfer_part part);
/* The call of an easy handle that has ended. */
struct webhook_call *transfer_call(CURL *easy);
/* Fills in the outcome; frees the transfer. */
void transfer_end(CURLM *multi, struct webhook_call *c, CURLcode rc);

#endif
