#include "edge/rest/match.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ID "0190a8f2-7c1e-7abc-8def-0123456789ab"

static void patterns_take_uuids_texts_and_rests(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool fits;
    } rows[] = {
        {"/", "/", true},
        {"/", "/x", false},
        {"/a/b", "/a/b", true},
        {"/a/b", "/a/b/", false},
        {"/a/b", "/a", false},
        {"/a/b", "/a//b", false},
        {"/a", "/a/b", false},
        {"/d/{uuid}", "/d/" ID, true},
        {"/d/{uuid}", "/d/0190A8F2-7C1E-7ABC-8DEF-0123456789AB", true},
        {"/d/{uuid}", "/d/0190a8f2", false},
        {"/d/{uuid}", "/d/", false},
        {"/d/{uuid}/m", "/d/" ID "/m", true},
        {"/d/{uuid}/m", "/d/" ID, false},
        {"/t/{text}", "/t/any thing", true},
        {"/t/{text}", "/t/", false},
        {"/r/{int}", "/r/1", true},
        {"/r/{int}", "/r/9007199254740992", true},
        {"/r/{int}", "/r/9007199254740993", false},
        {"/r/{int}", "/r/18446744073709551617", false},
        {"/r/{int}", "/r/0", false},
        {"/r/{int}", "/r/01", false},
        {"/r/{int}", "/r/-1", false},
        {"/r/{int}", "/r/+1", false},
        {"/r/{int}", "/r/1.0", false},
        {"/r/{int}", "/r/1e3", false},
        {"/r/{int}", "/r/", false},
        {"/r/{int}", "/r/one", false},
        {"/c/*", "/c/", true},
        {"/c/*", "/c/a/b.js", true},
        {"/c/*", "/c", false},
    };
    struct route_params p;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (route_fits(rows[i].pattern, span_str(rows[i].path), &p) != rows[i].fits) {
            fail_msg("row %zu: %s with %s", i, rows[i].pattern, rows[i].path);
        }
    }
    assert_true(route_fits("/r/{int}/{int}", SPAN("/r/7/9007199254740992"), &p));
    assert_int_equal(p.int_count, 2);
    assert_int_equal(p.ints[0], 7);
    assert_int_equal(p.ints[1], ROUTE_INT_MAX);
    assert_true(route_fits("/d/{uuid}/{text}/*", SPAN("/d/" ID "/x/y/z"), &p));
    assert_int_equal(p.int_count, 0);
    uuid want;
    assert_true(uuid_parse(SPAN(ID), &want));
    assert_int_equal(p.uuid_count, 1);
    assert_true(uuid_eq(p.uuids[0], want));
    assert_int_equal(p.text_count, 1);
    assert_true(span_eq(p.texts[0], SPAN("x")));
    assert_true(span_eq(p.rest, SPAN("y/z")));
}

static void the_first_row_of_method_and_path_wins(void **state)
{
    (void)state;
    struct route_params p;
    unsigned allowed;
    char text[64];
    assert_int_equal(route_find(HTTP1_GET, SPAN("/health"), &p, &allowed), ROUTE_health);
    assert_int_equal(route_find(HTTP1_HEAD, SPAN("/health"), &p, &allowed), ROUTE_health);
    assert_int_equal(route_find(HTTP1_GET, SPAN("/console/x"), &p, &allowed), ROUTE_console);
    assert_true(span_eq(p.rest, SPAN("x")));

    assert_int_equal(route_find(HTTP1_GET, SPAN("/nowhere"), &p, &allowed), ROUTE_COUNT);
    assert_int_equal(allowed, 0);

    assert_int_equal(route_find(HTTP1_PUT, SPAN("/health"), &p, &allowed), ROUTE_COUNT);
    route_allow(allowed, text);
    assert_string_equal(text, "GET, HEAD, OPTIONS");
    assert_int_equal(route_find(HTTP1_GET, SPAN("/api/v1/auth/login"), &p, &allowed),
                     ROUTE_COUNT);
    route_allow(allowed, text);
    assert_string_equal(text, "POST, OPTIONS");
}

/* A row behind one that takes everything it takes can never answer. */
static void every_row_can_be_reached(void **state)
{
    (void)state;
    static const enum http1_method methods[] = {
        [ROUTE_GET] = HTTP1_GET,     [ROUTE_POST] = HTTP1_POST,     [ROUTE_PUT] = HTTP1_PUT,
        [ROUTE_PATCH] = HTTP1_PATCH, [ROUTE_DELETE] = HTTP1_DELETE, [ROUTE_WS] = HTTP1_GET,
    };
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        const struct route_row *row = route_row((enum route)i);
        char path[512] = "";
        size_t len = 0;
        for (const char *at = row->pattern; *at != '\0';) {
            const char *put = NULL;
            size_t skip = 1;
            if (strncmp(at, "{uuid}", 6) == 0) {
                put = ID;
                skip = 6;
            } else if (strncmp(at, "{text}", 6) == 0) {
                put = "some-text";
                skip = 6;
            } else if (strncmp(at, "{int}", 5) == 0) {
                put = "7";
                skip = 5;
            } else if (*at == '*') {
                put = "some/rest";
            }
            if (put == NULL) {
                path[len++] = *at;
            } else {
                memcpy(path + len, put, strlen(put));
                len += strlen(put);
            }
            at += skip;
        }
        struct route_params p;
        unsigned allowed;
        enum route found = route_find(methods[row->method], span_of(path, len), &p, &allowed);
        if (found != (enum route)i) {
            fail_msg("%s %s is answered by another row", row->name, path);
        }
        if (row->access.kind == ACCESS_DEVICE || row->access.kind == ACCESS_GROUP) {
            assert_true(p.uuid_count > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_take_uuids_texts_and_rests),
        cmocka_unit_test(the_first_row_of_method_and_path_wins),
        cmocka_unit_test(every_row_can_be_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
