/* What a command line makes of its words before a server sees them. */
#include "app/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static void write_file(const void *bytes, size_t len)
{
    snprintf(path, sizeof path, "build/client_test.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

/* The words of `user add --password-file FILE` with FILE holding these bytes, or the refusal. */
static char *password_word(struct arena *a, const void *bytes, size_t len, bool apart, buf *why)
{
    char joined[100];
    write_file(bytes, len);
    snprintf(joined, sizeof joined, "--password-file=%s", path);
    const char *word = apart ? "--password-file" : joined;
    const char *argv[] = {"user", "add", word, apart ? path : NULL, NULL};
    char *out[6];
    bool ok = client_words(command_find("user"), apart ? 4 : 3, (char **)argv, out, a, why);
    unlink(path);
    assert_int_equal(ok, why->len == 0);
    if (!ok) {
        return NULL;
    }
    assert_null(out[3]);
    return out[2];
}

static void a_file_option_becomes_the_files_text_without_its_last_line_ends(void **state)
{
    struct arena a = {0};
    buf why = {0};
    (void)state;
    assert_string_equal(password_word(&a, "pass word\r\n\n", 12, true, &why),
                        "--password-file=pass word");
    assert_string_equal(password_word(&a, "--x=y", 5, false, &why), "--password-file=--x=y");
    arena_reset(&a);
    buf_deinit(&why);
}

static void a_file_that_is_no_text_is_refused(void **state)
{
    static const uint8_t large[CLIENT_FILE_BYTES_MAX + 1] = {[0 ... CLIENT_FILE_BYTES_MAX] = 'a'};
    struct arena a = {0};
    buf why = {0};
    (void)state;
    assert_null(password_word(&a, "\n\n", 2, true, &why));
    buf_clear(&why);
    assert_null(password_word(&a, "ab\0cd", 5, true, &why));
    buf_clear(&why);
    assert_null(password_word(&a, large, sizeof large, true, &why));
    buf_clear(&why);
    assert_non_null(password_word(&a, large, sizeof large - 1, true, &why));
    const char *argv[] = {"user", "add", "--password-file", "/nowhere/x", NULL};
    char *out[5];
    assert_false(client_words(command_find("user"), 4, (char **)argv, out, &a, &why));
    buf_append_byte(&why, '\0');
    assert_string_equal((char *)why.ptr, "--password-file /nowhere/x: No such file or directory");
    arena_reset(&a);
    buf_deinit(&why);
}

static void words_of_a_command_that_takes_paths_become_absolute(void **state)
{
    struct arena a = {0};
    buf why = {0};
    char here[4096];
    char want[4200];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    snprintf(want, sizeof want, "%s/a.db", here);
    const char *argv[] = {"backup", "--data-dir", "var", "a.db", "--loops=1", "/b", NULL};
    char *out[7];
    assert_true(client_words(command_find("backup"), 6, (char **)argv, out, &a, &why));
    const char *wanted[] = {"backup", "--data-dir", "var", want, "--loops=1", "/b"};
    for (unsigned i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_string_equal(out[i], wanted[i]);
    }
    assert_null(out[6]);
    const char *other[] = {"user", "list", NULL};
    assert_true(client_words(command_find("user"), 2, (char **)other, out, &a, &why));
    assert_string_equal(out[1], "list");
    arena_reset(&a);
    buf_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_option_becomes_the_files_text_without_its_last_line_ends),
        cmocka_unit_test(a_file_that_is_no_text_is_refused),
        cmocka_unit_test(words_of_a_command_that_takes_paths_become_absolute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
