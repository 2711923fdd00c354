#include "edge/spec/params.h"

#include <string.h>

/* "provisioning-keys" as "provisioning_key", "entities" as "entity", and a suffix: what its element
 * is called. */
static void name_element(span collection, const char *suffix, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < collection.len && n + strlen(suffix) + 1 < cap; i++) {
        out[n++] = collection.ptr[i] == '-' ? '_' : (char)collection.ptr[i];
    }
    if (n > 3 && memcmp(out + n - 3, "ies", 3) == 0) {
        n -= 2;
        out[n - 1] = 'y';
    } else if (n > 1 && out[n - 1] == 's') {
        n--;
    }
    memcpy(out + n, suffix, strlen(suffix) + 1);
}

static void path_add(struct spec_path *p, span before, span segment)
{
    bool is_id = span_eq(segment, SPAN("{uuid}")) || span_eq(segment, SPAN("{int}"));
    buf_append_byte(&p->text, '/');
    if (!is_id && !span_eq(segment, SPAN("{text}")) && !span_eq(segment, SPAN("*"))) {
        buf_append_span(&p->text, segment);
        return;
    }
    ASSERT(p->count < ROUTE_PARAMS_MAX);
    char *name = p->params[p->count].name;
    p->params[p->count++].type = !is_id                                ? MEMBER_TEXT
                                 : span_eq(segment, SPAN("{int}")) ? MEMBER_INT
                                                                   : MEMBER_UUID;
    name_element(before, is_id ? "_id" : "", name, sizeof p->params[0].name);
    buf_printf(&p->text, "{%s}", name);
}

void spec_path_of(const char *pattern, struct spec_path *out)
{
    span rest = span_slice(span_str(pattern), 1, strlen(pattern)), before = SPAN("");
    *out = (struct spec_path){0};
    if (rest.len == 0) {
        buf_append_byte(&out->text, '/');
    }
    while (rest.len > 0) {
        span segment = span_cut(&rest, '/');
        path_add(out, before, segment);
        before = segment;
    }
}

static void put_path_params(struct json_writer *w, const struct spec_path *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        enum member_type type = p->params[i].type;
        struct member_row m = {.type = type,
                               .flags = MEMBER_REQUIRED,
                               .min = type == MEMBER_UUID ? 0 : 1,
                               .max = type == MEMBER_INT ? (double)ROUTE_INT_MAX : 0};
        json_open(w, '{');
        json_member_string(w, "name", span_str(p->params[i].name));
        json_member_string(w, "in", SPAN("path"));
        json_member_bool(w, "required", true);
        json_key(w, "schema");
        spec_member(w, &m, SPEC_TAKEN);
        json_close(w, '}');
    }
}

static void put_query_params(struct json_writer *w, enum route r)
{
    const struct query_row *q;
    for (size_t i = 0; (q = query_param_row(i)) != NULL; i++) {
        struct member_row m = q->param;
        if (q->route != r) {
            continue;
        }
        m.flags = MEMBER_REQUIRED; /* of the value, when there is one: not null */
        m.min = m.type == MEMBER_INT ? 1 : 0;
        m.max = m.type == MEMBER_INT ? UINT32_MAX : 0;
        json_open(w, '{');
        json_member_string(w, "name", span_str(m.name));
        json_member_string(w, "in", SPAN("query"));
        json_member_string(w, "description", span_str(q->text));
        json_key(w, "schema");
        spec_member(w, &m, SPEC_TAKEN);
        json_close(w, '}');
    }
}

static void put_fields(struct json_writer *w, enum route r)
{
    const struct field_row *f;
    for (size_t i = 0; (f = request_field_row(i)) != NULL; i++) {
        if (f->route == r) {
            json_open(w, '{');
            json_member_string(w, "name", span_str(f->name));
            json_member_string(w, "in", SPAN("header"));
            json_member_string(w, "description", span_str(f->text));
            json_member_open(w, "schema", '{');
            json_member_string(w, "type", SPAN("string"));
            json_close(w, '}');
            json_close(w, '}');
        }
    }
}

void spec_params(struct json_writer *w, enum route r, const struct spec_path *path)
{
    put_path_params(w, path);
    put_query_params(w, r);
    put_fields(w, r);
}
