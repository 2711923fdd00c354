/* Socket addresses as text: parsing listen settings and URLs' authorities, showing peers. Pure. */
#ifndef SB_LOOP_ADDR_H
#define SB_LOOP_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/span.h"

#define ADDR_TEXT_MAX 64 /* [v6]:port and a NUL fit */

/* "127.0.0.1:3001", "[::1]:0", "localhost:80" (127.0.0.1): numeric otherwise, no look-up. A port
 * is required, 0 allowed. False on anything else. */
bool addr_parse(span text, struct sockaddr_storage *out, socklen_t *len);
/* "127.0.0.1:3001" or "[::1]:3001"; a unix socket is "unix". NUL-terminated. */
void addr_format(const struct sockaddr_storage *addr, char text[ADDR_TEXT_MAX]);
/* The same without the port and brackets. */
void addr_format_host(const struct sockaddr_storage *addr, char text[ADDR_TEXT_MAX]);
unsigned addr_port(const struct sockaddr_storage *addr); /* 0 for a unix socket */
/* 127.0.0.0/8, ::1 and IPv4-mapped loopback; a unix socket counts as loopback. */
bool addr_is_loopback(const struct sockaddr_storage *addr);

#endif
