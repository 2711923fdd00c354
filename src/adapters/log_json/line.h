/* One log line as JSON text. Pure. */
#ifndef SB_ADAPTERS_LOG_JSON_LINE_H
#define SB_ADAPTERS_LOG_JSON_LINE_H

#include "base/buf.h"
#include "ports/log.h"

/* A longer string is cut, with an ellipsis: enough for a path or a reason; nobody can make the
 * log grow by sending more. */
#define LOG_VALUE_BYTES_MAX 2048
/* Fields that would take a line past this are left out and the line says `"cut":true`. */
#define LOG_LINE_BYTES_MAX 16384

/*
 * Appends the line with its newline, at most LOG_LINE_BYTES_MAX bytes; always valid JSON: bytes
 * that are not UTF-8 become U+FFFD, numbers that are not finite null. Values of fields that are
 * named like secrets (token, password, key, secret, authorization, cookie) are replaced, and so
 * is what follows `token=` in any string, so a slip elsewhere does not reach the disk.
 */
void log_line_append(buf *out, int64_t wall_ms, enum log_level level, const char *event,
                     const char *node, const struct log_field *fields, unsigned count);

#endif
