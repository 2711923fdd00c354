/* See entropy_system.h. */
#include "adapters/entropy_system/entropy_system.h"

#include "base/assert.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/types.h>

static void fill(struct entropy *self, void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) { /* large requests may come back in parts */
        ssize_t n = getrandom(at, len, 0);
        ASSERT(n > 0 || (n < 0 && errno == EINTR));
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

struct entropy *entropy_system(void)
{
    static struct entropy instance = {.fill = fill};
    return &instance;
}
