/*
 * Heap memory. Every size is bounded by a limit of the config table before it gets here, so a
 * refused allocation means that the machine is out of memory: the process says so and aborts
 * (what was acknowledged is on disk). Callers therefore never see NULL.
 */
#ifndef SB_BASE_MEM_H
#define SB_BASE_MEM_H

#include <stddef.h>

/* `bytes` uninitialised bytes; zero bytes give a pointer that may be freed. Any thread. */
void *mem_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));
/* The same for an array of zeroed items; asserts that the product does not overflow. */
void *mem_calloc(size_t count, size_t item_bytes) __attribute__((malloc, returns_nonnull));
/* Grows or shrinks `ptr` (NULL allowed). The old pointer is dead afterwards. */
void *mem_realloc(void *ptr, size_t bytes) __attribute__((returns_nonnull));
/* A NUL-terminated copy of `len` bytes, owned by the caller. */
char *mem_strndup(const void *ptr, size_t len) __attribute__((malloc, returns_nonnull));
void mem_free(void *ptr);

#endif
