/*
 * Listening unix sockets as files: whose they are, who may open them, and when they go.
 *
 * A socket somebody answers is never taken away; one that nobody answers is what a server that
 * died left behind, and is replaced. Servers that start at once in one folder take turns (a lock
 * on the folder, held for a moment), so that none takes another's new socket for a dead one.
 */
#ifndef SB_APP_UNIX_SOCKET_H
#define SB_APP_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/assert.h"
#include "base/buf.h"

struct unix_socket {
    struct sockaddr_un name;
    dev_t dev; /* of the file that we made */
    ino_t ino;
};

/* Makes the socket at addr (AF_UNIX, a path ended by NUL) with that mode and listens: a
 * descriptor, non-blocking; or -1 and `why`. Nobody connects before the mode is set. */
int unix_socket_listen(const struct sockaddr_storage *addr, socklen_t len, unsigned mode,
                       struct unix_socket *out, buf *why);
/* Removes the file if it is still ours. Before the descriptor is closed, or a successor's file
 * might be taken for ours. */
void unix_socket_remove(const struct unix_socket *s);
/* "660" or "0660": an octal mode of at most 0777. */
bool unix_socket_mode(const char *text, unsigned *out) MUST_CHECK;

#endif
