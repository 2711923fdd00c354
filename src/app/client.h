/*
 * What the command line does to the words of a store command before they go anywhere: files and
 * folders are the caller's, not the server's, so what names them is resolved here. An option whose
 * row says `file` becomes its file's text ("-": that of standard input), and the words of a
 * command that takes paths become absolute.
 */
#ifndef SB_APP_CLIENT_H
#define SB_APP_CLIENT_H

#include "app/command.h"
#include "base/arena.h"

/* A file's text may have this many bytes; more is a mistake. */
#define CLIENT_FILE_BYTES_MAX 4096

/*
 * Writes the words (argv[0] is the command's name) with those changes to `out`, which has room for
 * argc and a NULL; what is new is in `arena` and may be secret. They have passed options_parse. A
 * file's last line ends are cut off; one that is empty, has a NUL or cannot be read is refused:
 * false and `why`.
 */
bool client_words(const struct command *command, int argc, char **argv, char **out,
                  struct arena *arena, buf *why) MUST_CHECK;

#endif
