/*
 * The webhook port over libcurl: HTTP/1.1 and 2, TLS with certificates verified, connections kept
 * for later calls. One thread drives all transfers side by side, so a slow receiver delays nobody
 * else's call; names are resolved on threads of libcurl's. The thread sleeps until the first call,
 * and libcurl is set up by it then.
 *
 *     loop --call--> inbox --wake--> thread: multi handle, a transfer a call --mail--> loop: done
 */
#ifndef SB_ADAPTERS_WEBHOOK_HTTP_H
#define SB_ADAPTERS_WEBHOOK_HTTP_H

#include "ports/clock.h"
#include "ports/post.h"
#include "ports/webhook.h"

struct webhook_http_conf {
    struct post *post;   /* borrowed, as clock */
    struct clock *clock; /* of signatures */
};

/* Starts the thread; before loops run, for its descriptor must be in their tables, too. Without
 * libcurl every call is UNREACHABLE. */
struct webhook *webhook_http_open(const struct webhook_http_conf *conf);
/* Ends every call that is under way: it is told by mail, which the loops still have to run. Later
 * calls are refused. NULL is allowed. */
void webhook_http_close(struct webhook *port);
/* After close, when no thread calls any more. NULL is allowed. */
void webhook_http_free(struct webhook *port);

#endif
