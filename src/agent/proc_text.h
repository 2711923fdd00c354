/*
 * The shapes that files under /proc share: lines, fields between blanks, decimal numbers. All
 * walk a span and copy nothing; any bytes are safe input. Pure; any thread.
 */
#ifndef SB_AGENT_PROC_TEXT_H
#define SB_AGENT_PROC_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* Cuts the next line, without its newline, off *text; false when nothing is left. */
bool proc_line_next(span *text, span *line);
/* Cuts the next run of bytes that are not space or tab off *line; false when only blanks are
 * left. */
bool proc_field_next(span *line, span *field);
/* The next field as an unsigned decimal; false when it is missing, not a number, or > 2^64 - 1. */
bool proc_u64_next(span *line, uint64_t *out);
/* The next field as a decimal with an optional fraction ("0.52"), at most 15 digits each side;
 * a sign is not accepted: no file read here has one. */
bool proc_decimal_next(span *line, double *out);

#endif
