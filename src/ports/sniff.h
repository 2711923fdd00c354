/* Port: what bytes look like, whatever they are called. Blocks for some milliseconds: call on a
 * worker. Thread-safe. */
#ifndef SB_PORTS_SNIFF_H
#define SB_PORTS_SNIFF_H

#include <stdbool.h>

#include "base/span.h"

#define SNIFF_TYPE_MAX 128       /* with its NUL */
#define SNIFF_HEAD_BYTES 262144  /* as much of a file's begin as tells all that can be told */

struct sniff {
    /* The media type of what begins with `head` ("image/png", in lower case, without parameters);
     * false when it cannot be told. */
    bool (*type)(struct sniff *self, span head, char out[SNIFF_TYPE_MAX]);
};

#endif
