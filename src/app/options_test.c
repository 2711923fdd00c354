/* The command line's words, options and durations. */
#include "app/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct option_row rows[] = {
    {"name", "NAME", ""}, {"role", "ROLE", ""}, {"force", NULL, ""}, {NULL, NULL, NULL}};

static void words_options_and_settings_are_told_apart(void **state)
{
    const char *argv[] = {"signalbox", "user",     "add",  "--name", "a", "--role=b",
                    "--role",    "c",        "--force", "--loops=2", "--drain-ms", "7"};
    struct options o;
    struct settings s;
    buf why = {0};
    (void)state;
    settings_init(&s);
    assert_true(options_parse(&o, &s, rows, (int)ARRAY_LEN(argv), (char **)argv, 2, &why));
    assert_int_equal(o.word_count, 1);
    assert_string_equal(o.words[0], "add");
    assert_string_equal(options_get(&o, "name"), "a");
    assert_int_equal(options_count(&o, "role"), 2);
    assert_string_equal(options_nth(&o, "role", 1), "c");
    assert_string_equal(options_get(&o, "force"), "");
    assert_null(options_get(&o, "other"));
    assert_int_equal(config_int(&s.config, CONFIG_loops), 2);
    assert_int_equal(config_int(&s.config, CONFIG_drain_ms), 7);
    settings_deinit(&s);
}

static void what_cannot_be_read_is_refused(void **state)
{
    static const struct {
        const char *argv[8];
        const char *says;
    } bad[] = {
        {{"--nam", "x"}, "unknown setting \"nam\""},
        {{"--name"}, "--name needs a value"},
        {{"--force=1"}, "--force takes no value"},
        {{"-x"}, "unknown option -x"},
        {{"a", "b", "c", "d", "e"}, "too many words: e"},
        {{"--loops", "x"}, "must be a whole number"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *argv[8];
        int argc = 0;
        struct options o;
        struct settings s;
        buf why = {0};
        while (argc < 8 && bad[i].argv[argc] != NULL) {
            argv[argc] = bad[i].argv[argc];
            argc++;
        }
        settings_init(&s);
        assert_false(options_parse(&o, &s, rows, argc, (char **)argv, 0, &why));
        if (memmem(why.ptr, why.len, bad[i].says, strlen(bad[i].says)) == NULL) {
            fail_msg("row %zu says %.*s", i, SPAN_FMT(buf_span(&why)));
        }
        settings_deinit(&s);
        buf_deinit(&why);
    }
}

static void durations_have_units(void **state)
{
    (void)state;
    assert_int_equal(options_duration_s("90"), 90);
    assert_int_equal(options_duration_s("90s"), 90);
    assert_int_equal(options_duration_s("15m"), 900);
    assert_int_equal(options_duration_s("12h"), 43200);
    assert_int_equal(options_duration_s("30d"), 2592000);
    static const char *const bad[] = {"", "h", "1w", "-1", "1.5h", "99999999999d", "9999d", " 1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(options_duration_s(bad[i]), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_options_and_settings_are_told_apart),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(durations_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
