/* Names, types and bytes that fit, and those that do not. */
#include "domain/chat_file_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"

static void names_and_types_are_judged_before_bytes_come(void **state)
{
    static const struct {
        const char *name, *mime;
        bool taken;
    } rows[] = {
        {"a.png", "image/png", true},
        {"photo of a cat.JPG", "image/jpeg", true},
        {"\xc3\xbc" "ber.txt", "text/plain", true},
        {"noending", "application/octet-stream", true},
        {".profile", "text/plain", true},
        {"../a.png", "image/png", false},
        {"a/b.png", "image/png", false},
        {"a\\b.png", "image/png", false},
        {"a\n.png", "image/png", false},
        {"..", "text/plain", false},
        {"", "text/plain", false},
        {"\xff.txt", "text/plain", false},
        {"a.png", "image", false},
        {"a.png", "image/", false},
        {"a.png", "/png", false},
        {"a.png", "image/png; charset=utf-8", false},
        {"a.exe", "application/octet-stream", false},
        {"invoice.pdf.EXE", "application/pdf", false},
        {"a.sh", "text/plain", false},
        {"a.bin", "application/x-dosexec", false},
        {"a.bin", "application/vnd.android.package-archive", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *why = chat_file_refused(span_str(rows[i].name), span_str(rows[i].mime));
        if ((why == NULL) != rows[i].taken) {
            fail_msg("%s as %s: %s", rows[i].name, rows[i].mime, why == NULL ? "taken" : why);
        }
    }
}

static void bytes_must_fit_the_name_and_the_type(void **state)
{
    static const struct {
        const char *name, *mime, *sniffed;
        bool fits;
    } rows[] = {
        {"a.png", "image/png", "image/png", true},
        {"a.txt", "text/plain", "text/plain", true},
        {"a.txt", "text/plain", "text/x-c", true},
        {"a.txt", "text/plain", "application/x-empty", true},
        {"a.json", "application/json", "text/plain", true},
        {"a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
         "application/zip", true},
        {"a.bin", "application/octet-stream", "application/octet-stream", true},
        {"a.html", "text/html", "text/html", true},
        {"a.svg", "image/svg+xml", "image/svg+xml", true},
        {"a.png", "image/png", "text/html", false},
        {"a.png", "image/png", "image/jpeg", false},
        {"a.png", "application/octet-stream", "image/svg+xml", false},
        {"a.bin", "image/png", "application/octet-stream", false},
        {"a.bmp", "image/bmp", "text/html", false},
        {"a.pdf", "application/pdf", "text/html", false},
        {"a.txt", "text/plain", "application/pdf", false},
        {"a.txt", "text/plain", "application/x-dosexec", false},
        {"a.bin", "application/octet-stream", "application/x-pie-executable", false},
        {"readme", "text/plain", "text/x-shellscript", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *why = chat_file_misfit(span_str(rows[i].name), span_str(rows[i].mime),
                                           span_str(rows[i].sniffed));
        if ((why == NULL) != rows[i].fits) {
            fail_msg("%s as %s of %s: %s", rows[i].name, rows[i].mime, rows[i].sniffed,
                     why == NULL ? "fits" : why);
        }
    }
}

static void only_images_without_scripts_are_shown(void **state)
{
    (void)state;
    assert_true(chat_file_is_image(SPAN("image/png")));
    assert_true(chat_file_is_image(SPAN("image/webp")));
    assert_false(chat_file_is_image(SPAN("image/svg+xml")));
    assert_false(chat_file_is_image(SPAN("text/html")));
    assert_false(chat_file_is_image(SPAN("application/pdf")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_types_are_judged_before_bytes_come),
        cmocka_unit_test(bytes_must_fit_the_name_and_the_type),
        cmocka_unit_test(only_images_without_scripts_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
