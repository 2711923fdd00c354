/*
 * Connections that change their loop: a request that belongs to what lives on another loop is
 * handed over there, with its connection and everything read from it, and its handler is called
 * there as if it had arrived there. Descriptors of loops are tables of their own (decision 0010),
 * so the socket travels as SCM_RIGHTS through a unix socket that each loop has from the start; TLS
 * sessions, PROXY entries and the address's count travel along (decision 0014). Nothing of what
 * was read is copied or parsed again. Costs five small system calls, two of them the target's.
 */
#ifndef SB_NET_MOVE_H
#define SB_NET_MOVE_H

#include "net/http.h"

/* Hands the unanswered exchange and its connection over to `loop` (another one, asserted); x and
 * its connection are gone here, without on_abandoned, and answer fields that were added are
 * dropped. Move only to a loop that will not move it again. What is moved to one loop arrives
 * there in its order; it may wait here for a moment while the target is busy. A connection that
 * the target has no room for, or that finds it stopped, is closed (CLOSE_LIMIT, CLOSE_DRAIN); a
 * target that drains still answers. On the loop's thread. */
void http_move(struct http_exchange *x, unsigned loop);

#endif
