/*
 * Port: structured logs. One call is one line with a level, an event name (CONTRACT 7:
 * `conn.open`, `conn.close`, `auth.ok`, `auth.fail`, `msg.in`, `msg.out`, `error`, `perf`, ...)
 * and typed fields. Never a token, key or password. Never blocks: a full pipe drops and counts.
 * Any thread.
 *
 *     LOG(log, LOG_INFO, "conn.close", LOG_STR("reason", "slow_reader"), LOG_U64("bytes", n));
 */
#ifndef SB_PORTS_LOG_H
#define SB_PORTS_LOG_H

#include <stdint.h>

#include "base/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *name;
    enum { LOG_FIELD_STR, LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_F64, LOG_FIELD_BOOL } type;
    union {
        span str;
        int64_t i64;
        uint64_t u64;
        double f64;
        int flag;
    };
};

struct log {
    /* Fields are borrowed for the call. */
    void (*write)(struct log *self, enum log_level level, const char *event,
                  const struct log_field *fields, unsigned count);
    enum log_level level_min; /* lines below are not even formatted; see log_set_level */
};

/* Changes what is logged, while running. Any thread. */
static inline void log_set_level(struct log *log, enum log_level level_min)
{
    __atomic_store_n(&log->level_min, level_min, __ATOMIC_RELAXED);
}

/* For who wants to spare the work of a line that is not written. Any thread. */
static inline enum log_level log_level_min(const struct log *log)
{
    return __atomic_load_n(&log->level_min, __ATOMIC_RELAXED);
}

#define LOG_SPAN(n, v) {.name = (n), .type = LOG_FIELD_STR, .str = (v)}
#define LOG_STR(n, v) {.name = (n), .type = LOG_FIELD_STR, .str = span_str(v)}
#define LOG_I64(n, v) {.name = (n), .type = LOG_FIELD_I64, .i64 = (v)}
#define LOG_U64(n, v) {.name = (n), .type = LOG_FIELD_U64, .u64 = (v)}
#define LOG_F64(n, v) {.name = (n), .type = LOG_FIELD_F64, .f64 = (v)}
#define LOG_BOOL(n, v) {.name = (n), .type = LOG_FIELD_BOOL, .flag = (v)}

#define LOG(log_, level_, event_, ...)                                                             \
    do {                                                                                           \
        struct log *log_to = (log_);                                                               \
        if (log_to != NULL &&                                                                      \
            (level_) >= __atomic_load_n(&log_to->level_min, __ATOMIC_RELAXED)) {                   \
            const struct log_field log_fields[] = {__VA_ARGS__};                                   \
            log_to->write(log_to, (level_), (event_), log_fields,                                  \
                          (unsigned)(sizeof log_fields / sizeof log_fields[0]));                   \
        }                                                                                          \
    } while (0)

#endif
