#include "tables/replies.h"

#include <stdlib.h>

#define NONE SCHEMA_none, ANSWER_none, false
#define IN(schema) SCHEMA_##schema, ANSWER_none, false
#define OUT(answer) SCHEMA_none, ANSWER_##answer, false
#define MANY(answer) SCHEMA_none, ANSWER_##answer, true

static const struct reply_row rows[ROUTE_COUNT] = {
#define D(route, body, status, form, answer)                                                       \
    [ROUTE_##route] = {body, status, REPLY_##form, ANSWER_##answer},
#include "tables/replies.def"
};

static const struct {
    enum route route;
    unsigned status;
} further[] = {
#define A(route, status) {ROUTE_##route, status},
#include "tables/replies.def"
};

#define CHOICES_TEXT(ref) NULL
#define CHOICES_INT(ref) NULL
#define CHOICES_REAL(ref) NULL
#define CHOICES_TIME(ref) NULL
#define CHOICES_UUID(ref) NULL
#define CHOICES_ENUM(ref) choices_##ref

static const struct query_row queries[] = {
#define Q(route, name, type, ref, text)                                                            \
    {ROUTE_##route, {#name, MEMBER_##type, 0, 0, 0, CHOICES_##type(ref), NULL}, text},
#include "tables/replies.def"
};

static const struct field_row fields[] = {
#define H(route, field, text) {ROUTE_##route, field, text},
#include "tables/replies.def"
};

const struct reply_row *reply_row(enum route r)
{
    if ((unsigned)r >= ROUTE_COUNT) {
        abort(); /* this layer is below base/assert.h */
    }
    return &rows[r];
}

unsigned reply_further_status(enum route r)
{
    for (size_t i = 0; i < sizeof further / sizeof further[0]; i++) {
        if (further[i].route == r) {
            return further[i].status;
        }
    }
    return 0;
}

const struct query_row *query_param_row(size_t i)
{
    return i < sizeof queries / sizeof queries[0] ? &queries[i] : NULL;
}

const struct field_row *request_field_row(size_t i)
{
    return i < sizeof fields / sizeof fields[0] ? &fields[i] : NULL;
}
