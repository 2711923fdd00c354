/* Sweeps the messages of rooms that keep them for some days only. */
#ifndef SB_DOMAIN_CHAT_RETENTION_H
#define SB_DOMAIN_CHAT_RETENTION_H

#include "domain/chat_internal.h"

/* Sweeps for as long as it lives; one a process, at home 0. Owned by the caller. */
struct chat_retention *chat_retention_new(struct home *h);
/* The store owes no answer. NULL is allowed. */
void chat_retention_free(struct chat_retention *x);

#endif
