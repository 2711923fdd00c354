/*
 * Objects are read into lists of their members, which are sorted by name to be looked up. The
 * recursion is as deep as the texts, which is bounded (SHAPE_DEPTH_MAX).
 */
#include "shape/merge.h"

#include "codec/json/read.h"
#include "codec/json/write.h"

#include <stdlib.h>
#include <string.h>

struct member {
    span name; /* unescaped */
    span value;
    size_t at; /* in the text: the last of a name counts, */
    bool over; /* and this one is not it */
};

/* Of one object; none for any other value. */
struct members {
    struct member *list;  /* in the order of the text, each name once */
    struct member **by_name;
    size_t count;
};

static int by_name(span a, span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *a, const void *b)
{
    const struct member *x = *(struct member *const *)a, *y = *(struct member *const *)b;
    int order = by_name(x->name, y->name);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

/* Leaves the last of each name, in both lists. */
static void leave_last(struct members *m)
{
    size_t kept = 0, listed = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (i + 1 < m->count && span_eq(m->by_name[i]->name, m->by_name[i + 1]->name)) {
            m->by_name[i]->over = true;
        } else {
            m->by_name[kept++] = m->by_name[i];
        }
    }
    if (kept == m->count) {
        return;
    }
    for (size_t i = 0; i < m->count; i++) {
        if (!m->list[i].over) {
            m->list[listed++] = m->list[i];
        }
    }
    m->count = kept;
    for (size_t i = 0; i < kept; i++) {
        m->by_name[i] = &m->list[i];
    }
    qsort(m->by_name, kept, sizeof *m->by_name, compare);
}

static struct members members_of(span object, struct arena *arena)
{
    struct members m = {0};
    struct json_iter it;
    span key, value;
    if (!json_object_begin(&it, object)) {
        return m;
    }
    size_t count = json_count(object);
    m.list = ARENA_ARRAY(arena, struct member, count);
    m.by_name = ARENA_ARRAY(arena, struct member *, count);
    while (json_object_next(&it, &key, &value)) {
        m.list[m.count] =
            (struct member){.name = json_string_in(key, arena), .value = value, .at = m.count};
        m.by_name[m.count] = &m.list[m.count];
        m.count++;
    }
    qsort(m.by_name, m.count, sizeof *m.by_name, compare);
    leave_last(&m);
    return m;
}

/* NULL when there is none. */
static const struct member *find(const struct members *m, span name)
{
    size_t from = 0, to = m->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = by_name(m->by_name[middle]->name, name);
        if (order == 0) {
            return m->by_name[middle];
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return NULL;
}

/* --- applying --- */

/* RFC 7396 2. */
static void apply(buf *out, span target, span patch, struct arena *arena)
{
    struct json_writer w = json_writer_of(out);
    if (json_type(patch) != JSON_OBJECT) {
        buf_append_span(out, patch);
        return;
    }
    struct members old = members_of(target, arena), change = members_of(patch, arena);
    json_open(&w, '{');
    for (size_t i = 0; i < old.count; i++) {
        const struct member *m = &old.list[i], *c = find(&change, m->name);
        if (c == NULL) {
            json_key_span(&w, m->name);
            json_write_raw(&w, m->value);
        } else if (json_type(c->value) != JSON_NULL) {
            json_key_span(&w, m->name);
            apply(out, m->value, c->value, arena);
            w.comma = true;
        }
    }
    for (size_t i = 0; i < change.count; i++) {
        const struct member *c = &change.list[i];
        if (json_type(c->value) != JSON_NULL && find(&old, c->name) == NULL) {
            json_key_span(&w, c->name);
            apply(out, SPAN("{}"), c->value, arena);
            w.comma = true;
        }
    }
    json_close(&w, '}');
}

span merge_apply(span target, span patch, struct arena *arena)
{
    struct arena scratch = {0};
    buf out = {0};
    apply(&out, target, patch, &scratch);
    span kept = arena_dup(arena, buf_span(&out));
    buf_deinit(&out);
    arena_reset(&scratch);
    return kept;
}

/* --- comparing --- */

/* Whole numbers are compared as text, for a double does not hold all of them. */
static bool is_whole(span number)
{
    for (size_t i = 0; i < number.len; i++) {
        if (number.ptr[i] == '.' || number.ptr[i] == 'e' || number.ptr[i] == 'E') {
            return false;
        }
    }
    return true;
}

static span unsigned_zero(span number)
{
    return span_eq(number, SPAN("-0")) ? SPAN("0") : number;
}

static bool same_number(span a, span b)
{
    double x, y;
    if (is_whole(a) && is_whole(b)) {
        return span_eq(unsigned_zero(a), unsigned_zero(b));
    }
    return json_number(a, &x) && json_number(b, &y) && !(x < y) && !(x > y);
}

static bool same(span a, span b, struct arena *arena);

static bool same_elements(span a, span b, struct arena *arena)
{
    struct json_iter of_a, of_b;
    span x, y;
    (void)json_array_begin(&of_a, a);
    (void)json_array_begin(&of_b, b);
    while (json_array_next(&of_a, &x)) {
        if (!json_array_next(&of_b, &y) || !same(x, y, arena)) {
            return false;
        }
    }
    return !json_array_next(&of_b, &y);
}

static bool same_members(span a, span b, struct arena *arena)
{
    struct members x = members_of(a, arena), y = members_of(b, arena);
    bool equal = x.count == y.count;
    for (size_t i = 0; equal && i < x.count; i++) {
        const struct member *m = x.by_name[i], *o = y.by_name[i];
        equal = span_eq(m->name, o->name) && same(m->value, o->value, arena);
    }
    return equal;
}

static bool same(span a, span b, struct arena *arena)
{
    enum json_type type = json_type(a);
    if (span_eq(a, b)) {
        return true;
    }
    if (type != json_type(b)) {
        return false;
    }
    switch (type) {
    case JSON_OBJECT:
        return same_members(a, b, arena);
    case JSON_ARRAY:
        return same_elements(a, b, arena);
    case JSON_STRING:
        return json_string_eq(a, json_string_in(b, arena));
    case JSON_NUMBER:
        return same_number(a, b);
    case JSON_NONE:
    case JSON_NULL:
    case JSON_BOOL:
        break;
    }
    return false;
}

bool merge_same(span a, span b)
{
    struct arena scratch = {0};
    bool equal = same(a, b, &scratch);
    arena_reset(&scratch);
    return equal;
}

/* --- making --- */

/* False, and nothing written, when they are the same. */
static bool make(buf *out, span from, span to, struct arena *arena)
{
    struct members old = members_of(from, arena), wanted = members_of(to, arena);
    struct json_writer w = json_writer_of(out);
    size_t begin = out->len;
    bool differs = false;
    json_open(&w, '{');
    for (size_t i = 0; i < wanted.count; i++) {
        const struct member *m = &wanted.list[i], *o = find(&old, m->name);
        struct json_writer before = w;
        size_t at = out->len;
        bool change = true;
        json_key_span(&w, m->name);
        if (o != NULL && json_type(o->value) == JSON_OBJECT && json_type(m->value) == JSON_OBJECT) {
            change = make(out, o->value, m->value, arena);
            w.comma = true;
        } else if (o != NULL && same(o->value, m->value, arena)) {
            change = false;
        } else {
            json_write_raw(&w, m->value);
        }
        if (!change) {
            out->len = at;
            w = before;
        }
        differs = differs || change;
    }
    for (size_t i = 0; i < old.count; i++) {
        if (find(&wanted, old.list[i].name) == NULL) {
            json_key_span(&w, old.list[i].name);
            json_write_null(&w);
            differs = true;
        }
    }
    json_close(&w, '}');
    if (!differs) {
        out->len = begin;
    }
    return differs;
}

span merge_make(span from, span to, struct arena *arena)
{
    struct arena scratch = {0};
    buf out = {0};
    bool differs = make(&out, from, to, &scratch);
    span kept = arena_dup(arena, differs ? buf_span(&out) : SPAN("{}"));
    buf_deinit(&out);
    arena_reset(&scratch);
    return kept;
}
