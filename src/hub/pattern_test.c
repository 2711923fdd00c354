/* Patterns: a table, every short name against a second matcher, and the shapes of many. */
#include "hub/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/assert.h"
#include "hub/shapes.h"

static void patterns_match_as_the_table_says(void **state)
{
    static const struct {
        const char *pattern, *topic;
        bool match;
    } rows[] = {
        {"device/+/telemetry", "device/7/telemetry", true},
        {"device/+/telemetry", "device/a long one/telemetry", true},
        {"device/+/telemetry", "device/+/telemetry", true},
        {"device/+/telemetry", "device/++/telemetry", true},
        {"device/+/telemetry", "device//telemetry", false},
        {"device/+/telemetry", "device/telemetry", false},
        {"device/+/telemetry", "device/7/8/telemetry", false},
        {"device/+/telemetry", "device/7/telemetry/", false},
        {"device/+/telemetry", "device/7/telemetr", false},
        {"device/+/telemetry", "device/7/Telemetry", false},
        {"device/+/telemetry", "/device/7/telemetry", false},
        {"+", "a", true},
        {"+", "", false},
        {"+", "a/b", false},
        {"+/+", "a/b", true},
        {"+/+", "a/", false},
        {"+/+", "/b", false},
        {"+/", "a/", true},
        {"/+", "/a", true},
        {"/+", "a", false},
        {"a/+/c/+", "a/b/c/d", true},
        {"a/+/c/+", "a/b/x/d", false},
        {"a+/+", "a+/x", true},
        {"a+/+", "ab/x", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (pattern_match(span_str(rows[i].pattern), span_str(rows[i].topic)) != rows[i].match) {
            fail_msg("row %zu: %s, %s", i, rows[i].pattern, rows[i].topic);
        }
    }
}

static void a_plus_alone_in_its_segment_makes_a_pattern(void **state)
{
    static const char *const yes[] = {"+", "+/a", "a/+", "a/+/b", "/+", "+/", "a//+"};
    static const char *const no[] = {"", "a", "a/b", "a+", "+a/b", "a/++/b", "a/b+", "/"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        assert_true(pattern_is(span_str(yes[i])));
        assert_true(pattern_allowed(span_str(yes[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        assert_false(pattern_is(span_str(no[i])));
        assert_false(pattern_allowed(span_str(no[i])));
    }
    assert_false(pattern_is(SPAN_NONE));
    assert_false(pattern_allowed(SPAN_NONE));
}

static void patterns_are_bounded(void **state)
{
    assert_true(pattern_allowed(SPAN("a/b/c/d/e/+/+/+")));
    assert_false(pattern_allowed(SPAN("a/b/c/d/+/+/+/+")));
    assert_false(pattern_allowed(SPAN("a/b/c/d/e/f/g/h/+")));
    assert_true(pattern_is(SPAN("a/b/c/d/e/f/g/h/+")));
}

static void owners_of_what_a_pattern_may_match_are_found(void **state)
{
    static const struct {
        const char *pattern, *prefix;
        bool may;
    } rows[] = {
        {"device/+/telemetry", "device/", true},
        {"device/+/telemetry", "dev", true},
        {"device/+/telemetry", "", true},
        {"device/+/telemetry", "device/7", true},
        {"device/+/telemetry", "device/7/", true},
        {"device/+/telemetry", "device/7/tele", true},
        {"device/+/telemetry", "device/7/config", false},
        {"device/+/telemetry", "device/7/telemetry/", false},
        {"device/+/telemetry", "devices/", false},
        {"device/+/telemetry", "device//", false},
        {"device/+/telemetry", "m/", false},
        {"+/7/telemetry", "device/", true},
        {"+/7/telemetry", "device/8", false},
        {"+", "device", true},
        {"+", "device/", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (pattern_may_begin(span_str(rows[i].pattern), span_str(rows[i].prefix)) !=
            rows[i].may) {
            fail_msg("row %zu: %s, %s", i, rows[i].pattern, rows[i].prefix);
        }
    }
}

/* ---- every name of up to 5 bytes of "a+/" ---- */

#define BYTES_MAX 5
#define NAMES 364 /* 1 + 3 + 9 + ... + 243 */

static char names[NAMES][BYTES_MAX + 1];

static void make_names(void)
{
    unsigned count = 1;
    for (unsigned from = 0; count < NAMES; from++) {
        for (unsigned i = 0; i < 3; i++) {
            size_t len = strlen(names[from]);
            memcpy(names[count], names[from], len);
            names[count++][len] = "a+/"[i];
        }
    }
}

/* Byte by byte: `p` is at the beginning of a segment when `begin`. */
static bool match(const char *p, const char *t, bool begin)
{
    if (begin && p[0] == '+' && (p[1] == '/' || p[1] == '\0')) {
        size_t len = strcspn(t, "/");
        return len > 0 && match(p + 1, t + len, false);
    }
    if (*p != *t) {
        return false;
    }
    return *p == '\0' || match(p + 1, t + 1, *p == '/');
}

static void every_short_name_matches_as_a_second_matcher_says(void **state)
{
    make_names();
    for (unsigned p = 0; p < NAMES; p++) {
        for (unsigned t = 0; t < NAMES; t++) {
            bool want = match(names[p], names[t], true);
            if (pattern_match(span_str(names[p]), span_str(names[t])) != want) {
                fail_msg("\"%s\", \"%s\"", names[p], names[t]);
            }
        }
    }
}

/* Every prefix of every topic of every pattern, and no other. */
static void a_pattern_may_begin_with_the_prefixes_of_its_topics(void **state)
{
    make_names();
    for (unsigned p = 1; p < NAMES; p++) {
        for (unsigned x = 0; x < 40; x++) { /* up to 3 bytes: two are left to complete it */
            size_t len = strlen(names[x]);
            bool some = false;
            for (unsigned t = 0; t < NAMES && !some; t++) {
                some = strncmp(names[t], names[x], len) == 0 && match(names[p], names[t], true);
            }
            bool may = pattern_may_begin(span_str(names[p]), span_str(names[x]));
            if (some && !may) {
                fail_msg("\"%s\" may begin with \"%s\"", names[p], names[x]);
            }
            if (may && !some && strlen(names[p]) + len <= BYTES_MAX) {
                fail_msg("\"%s\" cannot begin with \"%s\"", names[p], names[x]);
            }
        }
    }
}

static bool has_candidate(const struct shapes *s, const char *topic, const char *pattern)
{
    unsigned found = 0;
    struct shape_walk w;
    shape_walk_begin(&w, span_str(topic));
    while (shape_walk_next(&w, s)) {
        assert_true(pattern_match(w.candidate, w.topic));
        found += span_eq(w.candidate, span_str(pattern));
    }
    assert_true(found <= 1 || pattern_is(w.topic));
    return found > 0;
}

static void the_shapes_of_a_topic_name_its_patterns_each_once(void **state)
{
    make_names();
    struct shapes s = {0};
    for (unsigned p = 0; p < NAMES; p++) {
        if (pattern_allowed(span_str(names[p]))) {
            shapes_add(&s, span_str(names[p]));
        }
    }
    for (unsigned p = 0; p < NAMES; p++) {
        for (unsigned t = 0; t < NAMES && pattern_allowed(span_str(names[p])); t++) {
            bool want = match(names[p], names[t], true);
            if (has_candidate(&s, names[t], names[p]) != want) {
                fail_msg("\"%s\", \"%s\"", names[p], names[t]);
            }
        }
    }
    for (unsigned p = 0; p < NAMES; p++) {
        if (pattern_allowed(span_str(names[p]))) {
            shapes_remove(&s, span_str(names[p]));
        }
    }
    assert_int_equal(s.count, 0);
    shapes_deinit(&s);
}

static void topics_beyond_the_bounds_have_no_pattern(void **state)
{
    struct shapes s = {0};
    shapes_add(&s, SPAN("a/+"));
    shapes_add(&s, SPAN("1/2/3/4/5/6/7/+"));
    char longest[2 * HUB_TOPIC_BYTES_MAX];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "a/", 2);
    struct shape_walk w;
    shape_walk_begin(&w, span_of(longest, HUB_TOPIC_BYTES_MAX));
    assert_true(shape_walk_next(&w, &s));
    assert_true(span_eq(w.candidate, SPAN("a/+")));
    assert_false(shape_walk_next(&w, &s));
    shape_walk_begin(&w, span_of(longest, HUB_TOPIC_BYTES_MAX + 1));
    assert_false(shape_walk_next(&w, &s));
    shape_walk_begin(&w, SPAN("1/2/3/4/5/6/7/8"));
    assert_true(shape_walk_next(&w, &s));
    shape_walk_begin(&w, SPAN("1/2/3/4/5/6/7/8/9"));
    assert_false(shape_walk_next(&w, &s));
    shapes_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_the_table_says),
        cmocka_unit_test(a_plus_alone_in_its_segment_makes_a_pattern),
        cmocka_unit_test(patterns_are_bounded),
        cmocka_unit_test(owners_of_what_a_pattern_may_match_are_found),
        cmocka_unit_test(every_short_name_matches_as_a_second_matcher_says),
        cmocka_unit_test(a_pattern_may_begin_with_the_prefixes_of_its_topics),
        cmocka_unit_test(the_shapes_of_a_topic_name_its_patterns_each_once),
        cmocka_unit_test(topics_beyond_the_bounds_have_no_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
