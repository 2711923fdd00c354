/*
 * Objects from outside, checked and read into structs by the rows of tables/schemas.def: either
 * every member holds what its row says, or the first bad one is named. Pure; any thread. Fuzzed
 * by decode_fuzz.c.
 */
#ifndef SB_SHAPE_DECODE_H
#define SB_SHAPE_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"
#include "base/uuid.h"
#include "tables/schemas.h"

/* Depth of payloads (CONTRACT 1). */
#define SHAPE_DEPTH_MAX 16
/* How far a peer's clock may be ahead of ours. */
#define SHAPE_AHEAD_MS_MAX 300000

#define SHAPE_C_TEXT(ref) span
#define SHAPE_C_NAME(ref) span
#define SHAPE_C_ENUM(ref) int
#define SHAPE_C_UUID(ref) uuid
#define SHAPE_C_INT(ref) int64_t
#define SHAPE_C_REAL(ref) double
#define SHAPE_C_BOOL(ref) bool
#define SHAPE_C_TIME(ref) int64_t
#define SHAPE_C_STRUCT(ref) struct shape_##ref
#define SHAPE_C_LIST(ref) span
#define SHAPE_C_TEXTS(ref) span
#define SHAPE_C_ARRAY(ref) span
#define SHAPE_C_OBJECT(ref) span
#define SHAPE_C_ANY(ref) span
#define S(schema) struct shape_##schema {
#define M(schema, member, type, flags, min, max, ref)                                              \
    SHAPE_C_##type(ref) member;                                                                    \
    bool has_##member;
#define END(schema) };
#include "tables/schemas.def"
#undef S
#undef M
#undef END

#define SHAPE_PATH_MAX 80

struct shape_ctx {
    struct arena *arena; /* takes what had to be copied */
    int64_t now_ms;      /* epoch, for TIME */
    char path[SHAPE_PATH_MAX]; /* the bad member: "top_processes[3].pid"; empty: the whole */
    const char *why;           /* of a refusal: "is missing", static text */
};

/* Is `text` one JSON document that payloads may be: depth, no __proto__? Names why not in ctx. */
MUST_CHECK bool shape_json(span text, struct shape_ctx *ctx);
/* Reads `object` (of a text that shape_json accepted) into the struct of its schema, `*out` being
 * struct shape_<schema>, zeroed first. Spans point into `object` or ctx->arena. False: ctx says
 * which member and why. Cost: one pass over each container. */
MUST_CHECK bool shape_decode(enum schema schema, span object, struct shape_ctx *ctx, void *out);
/* Name and number of a choice of tables/enums.def; index -1 when there is none of that name. */
#define ENUM_LIST(name, ...)                                                                       \
    const char *shape_##name##_name(int value);                                                    \
    int shape_##name##_of(span text);
#include "tables/enums.def"
#undef ENUM_LIST

#endif
