#include "shape/merge.h"

#include "base/assert.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "codec/json/write.h"
#include "shape/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static int teardown(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

/* The examples of RFC 7396 appendix A that change objects. */
static void patches_are_applied_as_rfc_7396_says(void **state)
{
    (void)state;
    static const struct {
        const char *target, *patch, *wanted;
    } cases[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":1}", "{\"\\u0061\":2}", "{\"a\":2}"},
        {"{}", "{\"a\":1,\"a\":2}", "{\"a\":2}"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        span got = merge_apply(span_str(cases[i].target), span_str(cases[i].patch), &arena);
        if (!span_eq(got, span_str(cases[i].wanted))) {
            fail_msg("%s + %s: %.*s", cases[i].target, cases[i].patch, SPAN_FMT(got));
        }
    }
}

static void a_patch_holds_what_differs(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *wanted;
    } cases[] = {
        {"{}", "{}", "{}"},
        {"{}", "{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":1}", "{}", "{\"a\":null}"},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "{}"},
        {"{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1,\"c\":3}}", "{\"a\":{\"c\":3}}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":{}}", "{\"a\":{\"b\":null}}"},
        {"{\"a\":1}", "{\"a\":{}}", "{\"a\":{}}"},
        {"{}", "{\"a\":{}}", "{\"a\":{}}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":[]}", "{\"a\":[]}"},
        {"{\"a\":[1,2]}", "{\"a\":[1,3]}", "{\"a\":[1,3]}"},
        {"{\"a\":[1,{\"x\":1,\"y\":null}]}", "{\"a\":[1.0,{\"y\":null,\"x\":1e0}]}", "{}"},
        {"{\"a\":\"\\u0061\"}", "{\"\\u0061\":\"a\"}", "{}"},
        {"{\"a\":-0}", "{\"a\":0}", "{}"},
        {"{\"a\":9007199254740993}", "{\"a\":9007199254740992}",
         "{\"a\":9007199254740992}"},
        {"{\"a\":true}", "{\"a\":false}", "{\"a\":false}"},
        {"{\"a\":1e400}", "{\"a\":2e400}", "{\"a\":2e400}"},
        {"{\"\":1,\"q\":2}", "{\"\":2}", "{\"\":2,\"q\":null}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":2}", "{}"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        span got = merge_make(span_str(cases[i].from), span_str(cases[i].to), &arena);
        if (!span_eq(got, span_str(cases[i].wanted))) {
            fail_msg("%s -> %s: %.*s", cases[i].from, cases[i].to, SPAN_FMT(got));
        }
    }
}

/* --- random objects --- */

static uint32_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void put_value(struct json_writer *w, unsigned depth)
{
    static const char *const plain[] = {"null", "true", "1",  "1.0", "-0",
                                        "\"x\"", "[]",   "{}", "1e3", "\"\\u0078\""};
    static const char *const names[] = {"a", "b", "c", "d", "\\u0061", "e f", ""};
    unsigned kind = depth > 4 ? 2 : draw(4);
    if (kind == 0) {
        json_open(w, '{');
        for (unsigned n = draw(5); n > 0; n--) {
            if (w->comma) {
                buf_append_byte(w->out, ',');
            }
            buf_printf(w->out, "\"%s\":", names[draw(ARRAY_LEN(names))]);
            w->comma = false;
            put_value(w, depth + 1);
        }
        json_close(w, '}');
    } else if (kind == 1) {
        json_open(w, '[');
        for (unsigned n = draw(3); n > 0; n--) {
            put_value(w, depth + 1);
        }
        json_close(w, ']');
    } else {
        json_write_raw(w, span_str(plain[draw(ARRAY_LEN(plain))]));
    }
}

/* An object without null members. */
static span random_object(void)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    do {
        buf_clear(&out);
        w.comma = false;
        put_value(&w, 0);
    } while (json_type(buf_span(&out)) != JSON_OBJECT);
    assert_int_equal(json_check(buf_span(&out), SHAPE_DEPTH_MAX, 0, NULL), 0);
    span kept = merge_apply(SPAN("{}"), buf_span(&out), &arena);
    buf_deinit(&out);
    return kept;
}

static void a_patch_that_was_made_makes_one_of_the_other(void **state)
{
    (void)state;
    for (seed = 1; seed < 4000; seed++) {
        uint32_t first = seed;
        span from = random_object(), to = random_object();
        span patch = merge_make(from, to, &arena);
        span got = merge_apply(from, patch, &arena);
        assert_int_equal(json_check(patch, SHAPE_DEPTH_MAX, 0, NULL), 0);
        if (!merge_same(got, to) || merge_same(from, to) != span_eq(patch, SPAN("{}")) ||
            !span_eq(merge_make(got, to, &arena), SPAN("{}"))) {
            fail_msg("%.*s -> %.*s by %.*s", SPAN_FMT(from), SPAN_FMT(to), SPAN_FMT(patch));
        }
        arena_reset(&arena);
        seed = first;
    }
}

static void many_members_are_looked_up(void **state)
{
    (void)state;
    buf a = {0}, b = {0};
    struct json_writer of_a = json_writer_of(&a), of_b = json_writer_of(&b);
    json_open(&of_a, '{');
    json_open(&of_b, '{');
    for (unsigned i = 0; i < 50000; i++) { /* a walk for each would take minutes */
        char name[16];
        snprintf(name, sizeof name, "k%u", i);
        json_member_u64(&of_a, name, i);
        json_member_u64(&of_b, name, i == 77 ? 0 : i);
    }
    json_close(&of_a, '}');
    json_close(&of_b, '}');
    span patch = merge_make(buf_span(&a), buf_span(&b), &arena);
    assert_true(span_eq(patch, SPAN("{\"k77\":0}")));
    assert_true(span_eq(merge_apply(buf_span(&a), patch, &arena), buf_span(&b)));
    buf_deinit(&a);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(patches_are_applied_as_rfc_7396_says, teardown),
        cmocka_unit_test_teardown(a_patch_holds_what_differs, teardown),
        cmocka_unit_test_teardown(a_patch_that_was_made_makes_one_of_the_other, teardown),
        cmocka_unit_test_teardown(many_members_are_looked_up, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
