#include "edge/console/assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_listed_file_is_found(void **state)
{
    assert_true(console_asset_count > 0);
    for (size_t i = 0; i < console_asset_count; i++) {
        assert_ptr_equal(console_asset_find(console_assets[i].path), &console_assets[i]);
    }
}

static void index_is_html_and_revalidated(void **state)
{
    const struct console_asset *index = console_asset_index();

    assert_true(span_starts(index->content_type, SPAN("text/html")));
    assert_false(index->immutable);
    assert_true(index->body.len > 0);
}

static void unknown_paths_are_not_found(void **state)
{
    assert_null(console_asset_find(SPAN("")));
    assert_null(console_asset_find(SPAN("index.htm")));
    assert_null(console_asset_find(SPAN("index.html2")));
    assert_null(console_asset_find(SPAN("../index.html")));
    assert_null(console_asset_find(SPAN("zzz")));
}

static void etags_are_quoted_and_differ_by_coding(void **state)
{
    for (size_t i = 0; i < console_asset_count; i++) {
        const struct console_asset *a = &console_assets[i];

        assert_true(a->etag.len > 2);
        assert_int_equal(a->etag.ptr[0], '"');
        assert_int_equal(a->etag.ptr[a->etag.len - 1], '"');
        assert_int_equal(a->gzip.len > 0, a->etag_gzip.len > 0);
        assert_false(span_eq(a->etag, a->etag_gzip));
        assert_true(a->gzip.len < a->body.len || a->gzip.len == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_file_is_found),
        cmocka_unit_test(index_is_html_and_revalidated),
        cmocka_unit_test(unknown_paths_are_not_found),
        cmocka_unit_test(etags_are_quoted_and_differ_by_coding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
