/* The table-driven decoder: one pass over an object's members, each looked up among the rows of
 * its schema; then the rows that are required are looked for. */
#include "shape/decode.h"

#include "base/timefmt.h"
#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"

#include <stdio.h>
#include <string.h>

#define TEXTS_CHARS_MAX 100 /* of one text of a TEXTS member: columns and labels end there */
#define REQUIRED MEMBER_REQUIRED

struct row {
    const char *name;
    enum member_type type;
    unsigned flags;
    double min, max;
    int (*choice)(span text); /* ENUM */
    enum schema ref;          /* STRUCT, LIST */
    size_t offset;
    size_t has_offset;
};

/* A ref is a list of choices for ENUM and a schema for the others. */
#define REF_TEXT(ref) NULL, SCHEMA_none
#define REF_NAME(ref) NULL, SCHEMA_none
#define REF_ENUM(ref) shape_##ref##_of, SCHEMA_none
#define REF_UUID(ref) NULL, SCHEMA_none
#define REF_INT(ref) NULL, SCHEMA_none
#define REF_REAL(ref) NULL, SCHEMA_none
#define REF_BOOL(ref) NULL, SCHEMA_none
#define REF_TIME(ref) NULL, SCHEMA_none
#define REF_STRUCT(ref) NULL, SCHEMA_##ref
#define REF_LIST(ref) NULL, SCHEMA_##ref
#define REF_TEXTS(ref) NULL, SCHEMA_none
#define REF_ARRAY(ref) NULL, SCHEMA_none
#define REF_OBJECT(ref) NULL, SCHEMA_none
#define REF_ANY(ref) NULL, SCHEMA_none
#define S(schema) static const struct row rows_##schema[] = {
#define M(schema, member, type, flags, min, max, ref)                                              \
    {#member, MEMBER_##type, flags, min, max, REF_##type(ref),                                     \
     offsetof(struct shape_##schema, member),                                                      \
     offsetof(struct shape_##schema, has_##member)},
#define END(schema) };
#include "tables/schemas.def"
#undef S
#undef M
#undef END

static const struct {
    const struct row *rows;
    size_t count;
    size_t bytes; /* of the struct */
} schemas[SCHEMA_COUNT] = {
#define S(schema) {rows_##schema, ARRAY_LEN(rows_##schema), sizeof(struct shape_##schema)},
#define M(schema, member, type, flags, min, max, ref)
#define END(schema)
#include "tables/schemas.def"
#undef S
#undef M
#undef END
};

#define ENUM_LIST(name, ...)                                                                       \
    static const char *const name##_choices[] = {__VA_ARGS__};                                     \
    const char *shape_##name##_name(int value)                                                     \
    {                                                                                              \
        ASSERT(value >= 0 && (size_t)value < ARRAY_LEN(name##_choices));                           \
        return name##_choices[value];                                                              \
    }                                                                                              \
    int shape_##name##_of(span text)                                                               \
    {                                                                                              \
        for (size_t i = 0; i < ARRAY_LEN(name##_choices); i++) {                                   \
            if (span_eq(text, span_str(name##_choices[i]))) {                                      \
                return (int)i;                                                                     \
            }                                                                                      \
        }                                                                                          \
        return -1;                                                                                 \
    }
#include "tables/enums.def"
#undef ENUM_LIST

static bool refuse(struct shape_ctx *ctx, const char *why)
{
    ctx->why = why;
    return false;
}

/* The path grows on the way in and is cut back after what was good. */
static size_t enter(struct shape_ctx *ctx, const char *name)
{
    size_t at = strlen(ctx->path), to = at;
    if (at > 0 && to < sizeof ctx->path - 1) {
        ctx->path[to++] = '.';
    }
    for (; *name != '\0' && to < sizeof ctx->path - 1; name++) {
        ctx->path[to++] = *name;
    }
    ctx->path[to] = '\0';
    return at;
}

static size_t enter_index(struct shape_ctx *ctx, unsigned i)
{
    size_t at = strlen(ctx->path);
    (void)snprintf(ctx->path + at, sizeof ctx->path - at, "[%u]", i);
    return at;
}

bool shape_json(span text, struct shape_ctx *ctx)
{
    ctx->path[0] = '\0';
    int error = json_check(text, SHAPE_DEPTH_MAX, JSON_REFUSE_PROTO, NULL);
    return error == 0 || refuse(ctx, json_error_name(error));
}

static size_t character_count(span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += (text.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

static bool read_text(struct shape_ctx *ctx, span value, double min, double max, span *out)
{
    if (json_type(value) != JSON_STRING) {
        return refuse(ctx, "must be a string");
    }
    span text = json_string_in(value, ctx->arena);
    if (!utf8_storable(text)) {
        return refuse(ctx, "holds control characters");
    }
    double n = (double)character_count(text);
    if (n < min) {
        return refuse(ctx, n == 0 ? "must not be empty" : "is too short");
    }
    if (n > max) {
        return refuse(ctx, "is too long");
    }
    *out = text;
    return true;
}

/* U+202A-202E and U+2066-2069 turn what follows them around, so that one name can look like
 * another (UAX 9); in UTF-8 E2 80 AA-AE and E2 81 A6-A9. */
static bool is_bidi_override(span s, size_t i)
{
    return i + 2 < s.len && s.ptr[i] == 0xe2 &&
           ((s.ptr[i + 1] == 0x80 && s.ptr[i + 2] >= 0xaa && s.ptr[i + 2] <= 0xae) ||
            (s.ptr[i + 1] == 0x81 && s.ptr[i + 2] >= 0xa6 && s.ptr[i + 2] <= 0xa9));
}

static bool read_name(struct shape_ctx *ctx, span value, const struct row *row, span *out)
{
    span text;
    if (!read_text(ctx, value, 0, 4096, &text)) {
        return false;
    }
    uint8_t *clean = arena_alloc(ctx->arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' || text.ptr[i] == '\t') {
            return refuse(ctx, "must be one line");
        }
        if (is_bidi_override(text, i)) {
            i += 2;
        } else {
            clean[len++] = text.ptr[i];
        }
    }
    *out = span_trim(span_of(clean, len));
    double n = (double)character_count(*out);
    if (n < row->min || n > row->max) {
        return refuse(ctx, n < row->min ? "must not be empty" : "is too long");
    }
    return true;
}

static bool read_time(struct shape_ctx *ctx, span value, const struct row *row, int64_t *out)
{
    double number;
    if (json_type(value) == JSON_STRING) {
        if (!time_parse(json_string_in(value, ctx->arena), out)) {
            return refuse(ctx, "must be a time of RFC 3339 or epoch milliseconds");
        }
    } else if (json_number(value, &number) && number >= 0 && number < 253402300800000.0) {
        *out = (int64_t)number; /* before the year 10000 */
    } else {
        return refuse(ctx, "must be a time of RFC 3339 or epoch milliseconds");
    }
    if (*out < 0) {
        return refuse(ctx, "is before 1970");
    }
    if (row->max == 0 && *out > ctx->now_ms + SHAPE_AHEAD_MS_MAX) {
        return refuse(ctx, "is more than 5 minutes ahead");
    }
    if (row->max > 0 && *out > ctx->now_ms + (int64_t)row->max) {
        return refuse(ctx, "is too far ahead");
    }
    return true;
}

static bool read_int(struct shape_ctx *ctx, span value, const struct row *row, int64_t *out)
{
    if (!json_i64(value, out)) {
        return refuse(ctx, "must be a whole number");
    }
    if ((double)*out < row->min || (double)*out > row->max) {
        return refuse(ctx, "is out of range");
    }
    return true;
}

static bool read_real(struct shape_ctx *ctx, span value, const struct row *row, double *out)
{
    if (!json_number(value, out)) {
        return refuse(ctx, "must be a finite number");
    }
    if (*out < row->min || *out > row->max) {
        return refuse(ctx, "is out of range");
    }
    return true;
}

static bool decode(struct shape_ctx *ctx, enum schema schema, span object, void *out);

/* Elements of a list are decoded into scratch memory, to be checked; who uses the list decodes
 * each again. */
static bool read_list(struct shape_ctx *ctx, span value, const struct row *row, span *out)
{
    struct json_iter it;
    span element, text;
    unsigned n = 0;
    if (!json_array_begin(&it, value)) {
        return refuse(ctx, "must be an array");
    }
    void *scratch = NULL;
    if (row->type == MEMBER_LIST) {
        scratch = arena_alloc(ctx->arena, schemas[row->ref].bytes);
    }
    for (; json_array_next(&it, &element); n++) {
        size_t at = enter_index(ctx, n);
        if (!(row->type == MEMBER_LIST ? decode(ctx, row->ref, element, scratch)
                                : read_text(ctx, element, 1, TEXTS_CHARS_MAX, &text))) {
            return false;
        }
        ctx->path[at] = '\0';
        if (n >= (unsigned)row->max) {
            return refuse(ctx, "has too many elements");
        }
    }
    if (n < (unsigned)row->min) {
        return refuse(ctx, "has too few elements");
    }
    *out = value;
    return true;
}

/* Every text inside an object of free form is stored, too. */
static bool storable(struct shape_ctx *ctx, span value, unsigned depth)
{
    struct json_iter it;
    span key, element;
    if (json_type(value) == JSON_STRING) {
        return utf8_storable(json_string_in(value, ctx->arena)) ||
               refuse(ctx, "holds control characters");
    }
    if (depth > SHAPE_DEPTH_MAX) {
        return refuse(ctx, "is nested too deeply");
    }
    bool good = true;
    if (json_array_begin(&it, value)) {
        while (good && json_array_next(&it, &element)) {
            good = storable(ctx, element, depth + 1);
        }
    } else if (json_object_begin(&it, value)) {
        while (good && json_object_next(&it, &key, &element)) {
            good = storable(ctx, key, depth + 1) && storable(ctx, element, depth + 1);
        }
    }
    return good;
}

static bool read_array(struct shape_ctx *ctx, span value, const struct row *row, span *out)
{
    if (json_type(value) != JSON_ARRAY) {
        return refuse(ctx, "must be an array");
    }
    size_t n = json_count(value);
    if ((double)n < row->min || (double)n > row->max) {
        return refuse(ctx, (double)n < row->min ? "has too few elements" : "has too many elements");
    }
    *out = value;
    return true;
}

static bool read_any(struct shape_ctx *ctx, span value, const struct row *row, span *out)
{
    if ((double)value.len > row->max) {
        return refuse(ctx, "is too large");
    }
    *out = value;
    return storable(ctx, value, 1);
}

static bool read_object(struct shape_ctx *ctx, span value, const struct row *row, span *out)
{
    if (json_type(value) != JSON_OBJECT) {
        return refuse(ctx, "must be an object");
    }
    if ((double)value.len > row->max) {
        return refuse(ctx, "is too large");
    }
    if (!storable(ctx, value, 1)) {
        return false;
    }
    *out = value;
    return true;
}

static bool read_enum(struct shape_ctx *ctx, span value, const struct row *row, int *out)
{
    *out = json_type(value) == JSON_STRING ? row->choice(json_string_in(value, ctx->arena)) : -1;
    return *out >= 0 || refuse(ctx, "is none of the choices");
}

static bool read_member(struct shape_ctx *ctx, span value, const struct row *row, void *to)
{
    switch (row->type) {
    case MEMBER_TEXT:
        return read_text(ctx, value, row->min, row->max, to);
    case MEMBER_NAME:
        return read_name(ctx, value, row, to);
    case MEMBER_ENUM:
        return read_enum(ctx, value, row, to);
    case MEMBER_UUID:
        return (json_type(value) == JSON_STRING &&
                uuid_parse(json_string_in(value, ctx->arena), to)) ||
               refuse(ctx, "must be a UUID");
    case MEMBER_INT:
        return read_int(ctx, value, row, to);
    case MEMBER_REAL:
        return read_real(ctx, value, row, to);
    case MEMBER_BOOL:
        return json_bool(value, to) || refuse(ctx, "must be true or false");
    case MEMBER_TIME:
        return read_time(ctx, value, row, to);
    case MEMBER_STRUCT:
        return decode(ctx, row->ref, value, to);
    case MEMBER_LIST:
    case MEMBER_TEXTS:
        return read_list(ctx, value, row, to);
    case MEMBER_ARRAY:
        return read_array(ctx, value, row, to);
    case MEMBER_OBJECT:
        return read_object(ctx, value, row, to);
    case MEMBER_ANY:
        return read_any(ctx, value, row, to);
    }
    return false;
}

static const struct row *find_row(enum schema schema, span key)
{
    for (size_t i = 0; i < schemas[schema].count; i++) {
        const char *name = schemas[schema].rows[i].name;
        bool may = key.ptr[1] == (uint8_t)name[0] || key.ptr[1] == '\\'; /* behind its quote */
        if (may && json_string_eq(key, span_str(name))) {
            return &schemas[schema].rows[i];
        }
    }
    return NULL;
}

static bool *has(void *out, const struct row *row)
{
    return (bool *)((char *)out + row->has_offset);
}

static bool decode(struct shape_ctx *ctx, enum schema schema, span object, void *out)
{
    struct json_iter it;
    span key, value;
    memset(out, 0, schemas[schema].bytes);
    if (!json_object_begin(&it, object)) {
        return refuse(ctx, "must be an object");
    }
    while (json_object_next(&it, &key, &value)) {
        const struct row *row = find_row(schema, key);
        if (row == NULL) {
            continue;
        }
        *has(out, row) = json_type(value) != JSON_NULL;
        if (*has(out, row)) {
            size_t at = enter(ctx, row->name);
            if (!read_member(ctx, value, row, (char *)out + row->offset)) {
                return false;
            }
            ctx->path[at] = '\0';
        }
    }
    for (size_t i = 0; i < schemas[schema].count; i++) {
        const struct row *row = &schemas[schema].rows[i];
        if ((row->flags & REQUIRED) != 0 && !*has(out, row)) {
            (void)enter(ctx, row->name);
            return refuse(ctx, "is missing");
        }
    }
    return true;
}

bool shape_decode(enum schema schema, span object, struct shape_ctx *ctx, void *out)
{
    ASSERT(schema < SCHEMA_COUNT && ctx->arena != NULL);
    ctx->path[0] = '\0';
    ctx->why = NULL;
    return decode(ctx, schema, object, out);
}
