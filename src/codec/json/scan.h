/*
 * JSON validation (RFC 8259): one pass over the bytes, nothing copied or built. What passes is
 * read by json/read.h, which relies on it. Pure; any thread. Fuzzed by json_scan.
 */
#ifndef SB_CODEC_JSON_SCAN_H
#define SB_CODEC_JSON_SCAN_H

#include <stddef.h>

#include "base/assert.h"
#include "base/span.h"

/* The deepest nesting the scanner can hold (a bit a level in one word); [] has depth 1. */
#define JSON_DEPTH_MAX 64

enum json_flags {
    /* Refuse the member names __proto__, constructor and prototype at any depth, also when they
     * are written with escapes: consumers in JavaScript would be poisoned by them. */
    JSON_REFUSE_PROTO = 1,
    /* Accept \u surrogates without their other half, which JavaScript writes for strings that were
     * cut there (ECMA-262, JSON.stringify). Readers take each for U+FFFD. */
    JSON_LONE_SURROGATES = 2,
};

enum json_error {
    JSON_E_END = -1,       /* the text ends inside a value, or is empty */
    JSON_E_TOKEN = -2,     /* a byte that cannot stand there */
    JSON_E_TRAILING = -3,  /* bytes after the value */
    JSON_E_DEPTH = -4,     /* nested deeper than depth_max */
    JSON_E_NUMBER = -5,    /* leading zero, bare sign, missing digits (6) */
    JSON_E_CONTROL = -6,   /* a control character inside a string (7) */
    JSON_E_ESCAPE = -7,    /* an unknown escape, or \u without four hex digits (7) */
    JSON_E_SURROGATE = -8, /* a \u surrogate without its other half (8.2) */
    JSON_E_UTF8 = -9,      /* not UTF-8 (8.1); a byte order mark is JSON_E_TOKEN */
    JSON_E_PROTO = -10,    /* a refused member name (JSON_REFUSE_PROTO) */
};

/*
 * Validates one document: a value of any type, with white space around it and nothing else.
 * `depth_max` is 0-JSON_DEPTH_MAX (asserted), `flags` are json_flags. Returns 0, or an
 * enum json_error with the offset of the first offending byte in *error_at (may be NULL).
 * Duplicate member names are accepted: every reader here takes the last, as JSON.parse does.
 * Numbers of any size and \u0000 are accepted; a reader refuses what it cannot hold.
 */
MUST_CHECK int json_check(span text, unsigned depth_max, unsigned flags, size_t *error_at);

/* A short English name of the error, for messages; never NULL. */
const char *json_error_name(int error);

#endif
