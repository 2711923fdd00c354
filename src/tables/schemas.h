/*
 * The shapes of what comes in (tables/schemas.def) and of what goes out (tables/answers.def), for
 * reading: documents are made of them. What decodes is shape/decode.h. Constant data: any thread.
 */
#ifndef SB_TABLES_SCHEMAS_H
#define SB_TABLES_SCHEMAS_H

#include <stddef.h>

enum schema {
#define S(schema) SCHEMA_##schema,
#define M(schema, member, type, flags, min, max, ref)
#define END(schema)
#include "tables/schemas.def"
#undef S
#undef M
#undef END
    SCHEMA_COUNT,
    SCHEMA_none = SCHEMA_COUNT
};

enum answer_shape {
#define S(answer) ANSWER_##answer,
#define M(answer, member, type, flags, min, max, ref)
#define END(answer)
#include "tables/answers.def"
#undef S
#undef M
#undef END
    ANSWER_COUNT,
    ANSWER_none = ANSWER_COUNT
};

enum member_type {
    MEMBER_TEXT,
    MEMBER_NAME,
    MEMBER_ENUM,
    MEMBER_UUID,
    MEMBER_INT,
    MEMBER_REAL,
    MEMBER_BOOL,
    MEMBER_TIME,
    MEMBER_STRUCT,
    MEMBER_LIST,
    MEMBER_TEXTS,
    MEMBER_ARRAY,
    MEMBER_OBJECT,
    MEMBER_ANY,
};

#define MEMBER_REQUIRED 1u
#define MEMBER_NULLABLE 2u

struct schema_row;

struct member_row {
    const char *name;
    enum member_type type;
    unsigned flags;
    double min, max;                /* as schemas.def says for the type; max 0: no upper bound */
    const char *const *choices;     /* ENUM: NULL-terminated */
    const struct schema_row *ref;   /* STRUCT, LIST */
};

struct schema_row {
    const char *name;
    const struct member_row *members;
    size_t count;
};

/* The lists of tables/enums.def, each ending with NULL. */
#define ENUM_LIST(name, ...) extern const char *const choices_##name[];
#include "tables/enums.def"
#undef ENUM_LIST

/* NULL for SCHEMA_none and ANSWER_none. */
const struct schema_row *schema_row(enum schema s);
const struct schema_row *answer_row(enum answer_shape a);

#endif
