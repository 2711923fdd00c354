#include "base/mem.h"

#include "base/assert.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void out_of_memory(size_t bytes) __attribute__((noreturn, cold));

static void out_of_memory(size_t bytes)
{
    char text[80];
    int len = snprintf(text, sizeof text, "out of memory: %zu bytes refused\n", bytes);
    ssize_t ignored = write(STDERR_FILENO, text, (size_t)len);
    (void)ignored;
    abort();
}

void *mem_alloc(size_t bytes)
{
    void *ptr = malloc(bytes == 0 ? 1 : bytes);
    if (UNLIKELY(ptr == NULL)) {
        out_of_memory(bytes);
    }
    return ptr;
}

void *mem_calloc(size_t count, size_t item_bytes)
{
    ASSERT(item_bytes == 0 || count <= SIZE_MAX / item_bytes);
    size_t bytes = count * item_bytes;
    void *ptr = calloc(1, bytes == 0 ? 1 : bytes);
    if (UNLIKELY(ptr == NULL)) {
        out_of_memory(bytes);
    }
    return ptr;
}

void *mem_realloc(void *ptr, size_t bytes)
{
    void *grown = realloc(ptr, bytes == 0 ? 1 : bytes);
    if (UNLIKELY(grown == NULL)) {
        out_of_memory(bytes);
    }
    return grown;
}

char *mem_strndup(const void *ptr, size_t len)
{
    ASSERT(len < SIZE_MAX);
    char *copy = mem_alloc(len + 1);
    if (len > 0) {
        memcpy(copy, ptr, len);
    }
    copy[len] = '\0';
    return copy;
}

void mem_free(void *ptr) { free(ptr); }
