/* Files of keys that tokens are verified with. */
#ifndef SB_APP_KEY_FILE_H
#define SB_APP_KEY_FILE_H

#include "adapters/tokens_jose/key_set.h"
#include "base/assert.h"
#include "base/buf.h"

/* Adds the keys of a file (JWK, JWK set, PEM). False: `why` names the file and what is wrong. */
bool key_file_read(struct key_set *keys, const char *path, buf *why) MUST_CHECK;

#endif
