#include "tables/schemas.h"


#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define REQUIRED MEMBER_REQUIRED
#define NULLABLE MEMBER_NULLABLE

#define ENUM_LIST(name, ...) const char *const choices_##name[] = {__VA_ARGS__, NULL};
#include "tables/enums.def"
#undef ENUM_LIST

static const struct schema_row schemas[SCHEMA_COUNT];
static const struct schema_row answers[ANSWER_COUNT];

#define NOTHING NULL, NULL
#define REF_TEXT(ref) NOTHING
#define REF_NAME(ref) NOTHING
#define REF_ENUM(ref) choices_##ref, NULL
#define REF_UUID(ref) NOTHING
#define REF_INT(ref) NOTHING
#define REF_REAL(ref) NOTHING
#define REF_BOOL(ref) NOTHING
#define REF_TIME(ref) NOTHING
#define REF_STRUCT(ref) NULL, REF(ref)
#define REF_LIST(ref) NULL, REF(ref)
#define REF_TEXTS(ref) NOTHING
#define REF_ARRAY(ref) NOTHING
#define REF_OBJECT(ref) NOTHING
#define REF_ANY(ref) NOTHING
#define M(group, member, type, flags, min, max, ref)                                               \
    {#member, MEMBER_##type, flags, min, max, REF_##type(ref)},
#define END(group) };

#define REF(ref) &schemas[SCHEMA_##ref]
#define S(schema) static const struct member_row schema_##schema[] = {
#include "tables/schemas.def"
#undef S
#undef REF

#define REF(ref) &answers[ANSWER_##ref]
#define S(answer) static const struct member_row answer_##answer[] = {
#include "tables/answers.def"
#undef S
#undef REF
#undef M
#undef END

#define M(group, member, type, flags, min, max, ref)
#define END(group)
#define S(schema) {#schema, schema_##schema, COUNT(schema_##schema)},
static const struct schema_row schemas[SCHEMA_COUNT] = {
#include "tables/schemas.def"
};
#undef S
#define S(answer) {#answer, answer_##answer, COUNT(answer_##answer)},
static const struct schema_row answers[ANSWER_COUNT] = {
#include "tables/answers.def"
};

const struct schema_row *schema_row(enum schema s)
{
    return s == SCHEMA_none ? NULL : &schemas[s];
}

const struct schema_row *answer_row(enum answer_shape a)
{
    return a == ANSWER_none ? NULL : &answers[a];
}
