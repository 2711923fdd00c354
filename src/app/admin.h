/*
 * The admin socket: data_dir/admin.sock, mode 0600. It carries store commands from the command
 * line to the running server. One request a connection:
 *
 *     request   the words of argv, each ended by NUL, then end of file (at most 64 KiB)
 *     answer    one byte exit status, u32 (native) length of standard output, that, then the rest
 *               is standard error, then end of file
 *
 * Whoever can open the socket can already read the database file; there is no further check.
 */
#ifndef SB_APP_ADMIN_H
#define SB_APP_ADMIN_H

#include "base/assert.h"
#include "base/buf.h"

#define ADMIN_REQUEST_BYTES_MAX 65536
#define ADMIN_WORDS_MAX 64
#define ADMIN_TIMEOUT_MS 30000 /* how long the client waits for most commands */

/* Listens; the descriptor, or -1 with `why`. An old socket file is replaced: the caller holds the
 * folder's lock. */
int admin_listen(const char *data_dir, buf *why) MUST_CHECK;
/* Client: sends argv and copies the answer to standard output and error, which must begin within
 * wait_ms (-1: whenever it does). -1 when no server listens there, else the exit status. Blocks. */
int admin_forward(const char *data_dir, int argc, char **argv, int wait_ms);
/* Server: reads one request from a connection into *words (at most ADMIN_WORDS_MAX; pointers into
 * `text`). The count, or -1 when it is malformed or too slow. Blocks up to 2 s. */
int admin_read(int fd, buf *text, char **words);
void admin_answer(int fd, int status, span out, span err);

#endif
