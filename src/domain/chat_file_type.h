/*
 * Which files people may send (CONTRACT 5): what a file is called, what it is said to be, and what
 * its bytes look like must fit each other, and none may be something that runs.
 */
#ifndef SB_DOMAIN_CHAT_FILE_TYPE_H
#define SB_DOMAIN_CHAT_FILE_TYPE_H

#include <stdbool.h>

#include "base/span.h"

#define CHAT_FILE_NAME_MAX 255 /* characters of a name, and of a media type */

/* NULL, or a sentence why a file of this name and media type is not taken, before any byte of it
 * has come. A name is one of a file, not of a path: no slash, backslash or control, not "." or
 * "..". A media type is type "/" subtype of tokens, without parameters. */
const char *chat_file_refused(span name, span mime);
/* The same when its bytes are known to look like `sniffed` (lower case). */
const char *chat_file_misfit(span name, span mime, span sniffed);
/* Whether browsers may show it in place: images that hold no script. Else it is only offered to be
 * saved. */
bool chat_file_is_image(span sniffed);

#endif
