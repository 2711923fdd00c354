/*
 * Connections whose peer is not the client: trusted proxies (net/trust.h), and unix sockets,
 * whose peers have no address. What is known about them stands in a table beside the records, by
 * slot; a loop without such peers has none. Two ways to learn the client, never mixed:
 *
 *   a listener with NET_LISTEN_PROXY    once, from the PROXY header that comes first
 *   any other                           per request, from header fields (edge/forwarded.h),
 *                                       told by front_client
 *
 * Limits per address hold for the client. A trusted peer's own address has none.
 * All on the loop's thread.
 */
#ifndef SB_NET_FRONT_H
#define SB_NET_FRONT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "net/conn.h"

/* Whether what header fields say about the client is to be believed. */
bool front_fields_count(const struct conn *c);
/*
 * The client of the request in hand, from now on conn_peer's answer, also for a WebSocket that
 * the request becomes. Only while front_fields_count. NULL, or the name of the limit per address
 * that refuses it: the request is to be answered 429, and the connection is the proxy's to keep.
 * A connection counts for its client while it works on a request or is a WebSocket; each change
 * of the client is a handshake.
 */
const char *front_client(struct conn *c, const struct sockaddr_storage *client) MUST_CHECK;
/* As above when the fields name nobody: the request is the proxy's own. */
void front_client_none(struct conn *c);

/* Whether the client speaks TLS to the proxy, as the PROXY header told. */
enum front_tls { FRONT_TLS_UNTOLD, FRONT_TLS_NO, FRONT_TLS_YES };
enum front_tls front_tls(const struct conn *c);

#endif
