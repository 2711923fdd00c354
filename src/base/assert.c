#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void assert_fail(const char *cond, const char *file, int line)
{
    /* No stdio stream: its lock may be held by the thread that is failing. */
    char text[512];
    int len = snprintf(text, sizeof text, "%s:%d: assertion failed: %s\n", file, line, cond);
    if (len > 0) {
        size_t bytes = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
        ssize_t ignored = write(STDERR_FILENO, text, bytes);
        (void)ignored; /* nothing better is left to do than to abort */
    }
    abort();
}
