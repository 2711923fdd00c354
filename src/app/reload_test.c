/* What a reload takes over, and what it leaves for a restart. */
#include "app/reload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void flag(struct settings *s, const char *name, const char *value)
{
    buf why = {0};
    assert_true(settings_flag(s, name, value, &why));
    buf_deinit(&why);
}

static void live_settings_are_taken_and_others_keep_their_value(void **state)
{
    struct settings now;
    struct settings next;
    buf changed = {0};
    buf restart = {0};
    (void)state;
    settings_init(&now);
    settings_init(&next);
    flag(&now, "listen", "127.0.0.1:1");
    flag(&now, "log-level", "warn");
    flag(&next, "listen", "127.0.0.1:2");
    flag(&next, "log-level", "debug");
    flag(&next, "allowed-origins", "https://a.example");
    flag(&next, "loops", "3");
    flag(&next, "server", "http://b.example");
    reload_merge(&next, &now, &changed, &restart);
    buf_append_byte(&changed, '\0');
    buf_append_byte(&restart, '\0');
    assert_string_equal((char *)changed.ptr, "allowed_origins,log_level");
    assert_string_equal((char *)restart.ptr, "listen,loops");
    settings_deinit(&now); /* nothing of it is borrowed */
    assert_string_equal(config_str(&next.config, CONFIG_listen), "127.0.0.1:1");
    assert_string_equal(next.sources[CONFIG_listen], "flag --listen");
    assert_int_equal(config_int(&next.config, CONFIG_loops), 0);
    assert_int_equal(config_int(&next.config, CONFIG_log_level), LOG_DEBUG);
    assert_string_equal(config_str(&next.config, CONFIG_allowed_origins), "https://a.example");
    settings_deinit(&next);
    buf_deinit(&changed);
    buf_deinit(&restart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_settings_are_taken_and_others_keep_their_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
