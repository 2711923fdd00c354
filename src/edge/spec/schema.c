/* Shapes as JSON Schema, in the part that OpenAPI 3.1 (draft 2020-12) and AsyncAPI 3.0 (draft 07)
 * have in common. */
#include "edge/spec/spec.h"

#define UUID_PATTERN "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
#define TEXTS_CHARS_MAX 100 /* as shape/decode.c */

static void put_bound(struct json_writer *w, const char *name, double value)
{
    json_member_double(w, name, value);
}

/* "type": one, or with null. */
static void put_type(struct json_writer *w, const char *type, bool nullable)
{
    if (!nullable) {
        json_member_string(w, "type", span_str(type));
        return;
    }
    json_member_open(w, "type", '[');
    json_write_string(w, span_str(type));
    json_write_string(w, SPAN("null"));
    json_close(w, ']');
}

static void put_number(struct json_writer *w, const struct member_row *m)
{
    if (m->max != 0 || m->min != 0) {
        put_bound(w, "minimum", m->min);
    }
    if (m->max > m->min || (m->max == m->min && m->max != 0)) { /* 1 and 0: from one */
        put_bound(w, "maximum", m->max);
    }
}

static void put_text(struct json_writer *w, const struct member_row *m)
{
    if (m->min > 0) {
        put_bound(w, "minLength", m->min);
    }
    if (m->max > 0) {
        put_bound(w, "maxLength", m->max);
    }
    if (m->type == MEMBER_NAME) {
        json_member_string(w, "pattern", SPAN("^[^\\n\\t]*$"));
    }
}

static void put_items(struct json_writer *w, const struct member_row *m)
{
    json_key(w, "items");
    if (m->type == MEMBER_LIST) {
        spec_ref(w, m->ref);
    } else {
        json_open(w, '{');
        if (m->type == MEMBER_TEXTS) {
            json_member_string(w, "type", SPAN("string"));
            json_member_i64(w, "maxLength", TEXTS_CHARS_MAX);
        }
        json_close(w, '}');
    }
    if (m->min > 0) {
        put_bound(w, "minItems", m->min);
    }
    if (m->max > 0) {
        put_bound(w, "maxItems", m->max);
    }
}

static void put_choices(struct json_writer *w, const struct member_row *m, bool nullable)
{
    json_member_open(w, "enum", '[');
    for (unsigned i = 0; m->choices[i] != NULL; i++) {
        json_write_string(w, span_str(m->choices[i]));
    }
    if (nullable) {
        json_write_null(w);
    }
    json_close(w, ']');
}

static void put_time(struct json_writer *w, bool nullable, enum spec_side side)
{
    if (side == SPEC_GIVEN) {
        put_type(w, "string", nullable);
        json_member_string(w, "format", SPAN("date-time"));
        return;
    }
    json_member_open(w, "type", '[');
    json_write_string(w, SPAN("string"));
    json_write_string(w, SPAN("number"));
    if (nullable) {
        json_write_string(w, SPAN("null"));
    }
    json_close(w, ']');
    json_member_string(w, "description", SPAN("RFC 3339, or milliseconds since 1970"));
}

static void put_struct(struct json_writer *w, const struct member_row *m, bool nullable)
{
    if (!nullable) {
        spec_ref(w, m->ref);
        return;
    }
    json_open(w, '{');
    json_member_open(w, "anyOf", '[');
    spec_ref(w, m->ref);
    json_open(w, '{');
    json_member_string(w, "type", SPAN("null"));
    json_close(w, '}');
    json_close(w, ']');
    json_close(w, '}');
}

static void put_plain(struct json_writer *w, const struct member_row *m, bool nullable,
                      enum spec_side side)
{
    switch (m->type) {
    case MEMBER_TEXT:
    case MEMBER_NAME:
        put_type(w, "string", nullable);
        put_text(w, m);
        break;
    case MEMBER_ENUM:
        put_type(w, "string", nullable);
        put_choices(w, m, nullable);
        break;
    case MEMBER_UUID:
        put_type(w, "string", nullable);
        json_member_string(w, "format", SPAN("uuid"));
        json_member_string(w, "pattern", SPAN(UUID_PATTERN));
        break;
    case MEMBER_INT:
        put_type(w, "integer", nullable);
        put_number(w, m);
        break;
    case MEMBER_REAL:
        put_type(w, "number", nullable);
        put_number(w, m);
        break;
    case MEMBER_BOOL:
        put_type(w, "boolean", nullable);
        break;
    case MEMBER_TIME:
        put_time(w, nullable, side);
        break;
    case MEMBER_LIST:
    case MEMBER_TEXTS:
    case MEMBER_ARRAY:
        put_type(w, "array", nullable);
        put_items(w, m);
        break;
    case MEMBER_OBJECT:
        put_type(w, "object", nullable);
        break;
    case MEMBER_STRUCT:
    case MEMBER_ANY:
        break;
    }
}

void spec_member(struct json_writer *w, const struct member_row *m, enum spec_side side)
{
    bool required = (m->flags & MEMBER_REQUIRED) != 0;
    bool nullable = !required || (m->flags & MEMBER_NULLABLE) != 0;
    if (m->type == MEMBER_STRUCT) {
        put_struct(w, m, nullable);
        return;
    }
    json_open(w, '{');
    put_plain(w, m, nullable, side);
    json_close(w, '}');
}

void spec_ref(struct json_writer *w, const struct schema_row *row)
{
    buf path = {0};
    json_open(w, '{');
    if (row != NULL) {
        buf_printf(&path, SPEC_SCHEMAS "%s", row->name);
        json_member_string(w, "$ref", buf_span(&path));
    }
    json_close(w, '}');
    buf_deinit(&path);
}

static void put_schema(struct json_writer *w, const struct schema_row *row, enum spec_side side)
{
    json_member_open(w, row->name, '{');
    json_member_string(w, "type", SPAN("object"));
    json_member_open(w, "properties", '{');
    for (size_t i = 0; i < row->count; i++) {
        json_key(w, row->members[i].name);
        spec_member(w, &row->members[i], side);
    }
    json_close(w, '}');
    bool open = false;
    for (size_t i = 0; i < row->count; i++) {
        if ((row->members[i].flags & MEMBER_REQUIRED) != 0) {
            if (!open) {
                json_member_open(w, "required", '[');
                open = true;
            }
            json_write_string(w, span_str(row->members[i].name));
        }
    }
    if (open) {
        json_close(w, ']');
    }
    json_close(w, '}');
}

void spec_schemas(struct json_writer *w)
{
    for (unsigned s = 0; s < SCHEMA_COUNT; s++) {
        put_schema(w, schema_row((enum schema)s), SPEC_TAKEN);
    }
    for (unsigned a = 0; a < ANSWER_COUNT; a++) {
        put_schema(w, answer_row((enum answer_shape)a), SPEC_GIVEN);
    }
}
