/*
 * Connections that change their loop: a request that belongs to what lives on another loop is
 * handed over there, with its connection and everything read from it, and its handler is called
 * there as if it had arrived there. Descriptors of loops are tables of their own (decision 0010),
 * so the socket travels as SCM_RIGHTS through a unix socket that each loop has from the start; TLS
 * sessions, PROXY entries and the address's count travel along. Costs two system calls and one
 * copy of what was read.
 */
#ifndef SB_NET_MOVE_H
#define SB_NET_MOVE_H

#include "net/http.h"

/* Hands the unanswered exchange and its connection over to `loop` (another one); x and its
 * connection are gone here, without on_abandoned. A connection that cannot be moved now (the
 * target is full or ends) is closed. What it carries arrives in the order given. */
void http_move(struct http_exchange *x, unsigned loop);

#endif
