/*
 * Assertions stay alive in release builds: a broken invariant ends the process before it can
 * lose or leak anything (STYLE 21). Bad input is never an assertion; it is an error value.
 */
#ifndef SB_BASE_ASSERT_H
#define SB_BASE_ASSERT_H

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

#define ASSERT(cond) (LIKELY(cond) ? (void)0 : assert_fail(#cond, __FILE__, __LINE__))

/* The address of the struct that embeds `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Writes one line to standard error and aborts. Any thread. Never returns. */
void assert_fail(const char *cond, const char *file, int line) __attribute__((noreturn, cold));

#endif
