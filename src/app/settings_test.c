/* Settings: where they come from, which wins, and that every mistake is named with its place. */
#include "app/settings.h"

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

static void write_file(const char *text)
{
    snprintf(path, sizeof path, "build/settings_test.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* Loads a file's text and variables; the refusal's sentence, or "" when it was accepted. */
static const char *load(struct settings *s, const char *text, const char **env)
{
    static char said[512];
    buf why = {0};
    write_file(text);
    settings_init(s);
    bool ok = settings_load(s, path, (char **)env, &why) && settings_check(s, &why);
    unlink(path);
    snprintf(said, sizeof said, "%.*s", SPAN_FMT(buf_span(&why)));
    buf_deinit(&why);
    assert_int_equal(ok, said[0] == '\0');
    return said;
}

static void file_then_environment_then_flag(void **state)
{
    struct settings s;
    buf why = {0};
    const char *env[] = {"SIGNALBOX_DRAIN_MS=200", "SIGNALBOX_LOOPS=3", "HOME=/x", NULL};
    (void)state;
    assert_string_equal(load(&s, "# a comment\n\ndrain_ms = 100\nnode=here \n", env), "");
    assert_int_equal(config_int(&s.config, CONFIG_drain_ms), 200);
    assert_int_equal(config_int(&s.config, CONFIG_loops), 3);
    assert_string_equal(config_str(&s.config, CONFIG_node), "here");
    assert_true(settings_flag(&s, "drain-ms", "300", &why));
    assert_int_equal(config_int(&s.config, CONFIG_drain_ms), 300);
    assert_string_equal(s.sources[CONFIG_drain_ms], "flag --drain-ms");
    assert_int_equal(config_int(&s.config, CONFIG_connections_max), 100000);
    settings_deinit(&s);
}

static void mistakes_name_their_place(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"loops = 2\ndrain_m = 1\n", ":2: unknown setting \"drain_m\" (did you mean drain_ms?)"},
        {"nothing_like_it_at_all = 1\n", ":1: unknown setting"},
        {"loops\n", ":1: expected key = value"},
        {"loops = many\n", "loops must be a whole number: \"many\" (0 to 64)"},
        {"loops = -1\n", "must be a whole number"},
        {"loops = 65\n", "loops is out of range"},
        {"loops = 99999999999999999999\n", "must be a whole number"},
        {"log_level = loud\n", "is none of the choices: \"loud\" (debug|info|warn|error)"},
        {"conformance = maybe\n", "is none of the choices"},
        {"listen = everywhere\n", "\"everywhere\" is not address:port"},
        {"listen = tls://127.0.0.1:1\n", "tls_cert must name a certificate"},
        {"tls_client_auth = require\n", "needs tls_client_ca"},
        {"tls_client_ca = ca.pem\n", "without tls_client_auth"},
        {"listen = proxy+127.0.0.1:1\n", "trusted_proxies has no address"},
        {"listen = proxy+unix:/a\ntrusted_proxies = ::1\n", "trusted_proxies has no unix:"},
        {"trusted_proxies = ::1, here\n", "\"here\" is no address"},
        {"unix_socket_mode = 990\n", "no octal mode"},
        {"store = mongo\n", "neither sqlite nor memory"},
        {"jwt_secret = short\n", "at least 32 bytes"},
        {"jwks_url = http://idp.example/keys\n", "must begin with https://"},
        {"jwt_issuer_roles = viewer, king\n", "is not a list of roles"},
        {"timezone = Europe/Vienna\n", "neither UTC nor an offset"},
        {"device_stale_s = 300\n", "device_gone_s must be greater"},
        {"home_idle_ms = 54000\n", "home_ping_ms: must be less than home_idle_ms"},
        {"conformance = on\nlisten = 0.0.0.0:80\n", "refused together with a listener"},
        {"data_dir =\n", "too short"},
        {"app_namespaces = /a, game\n", "\"game\" does not begin with /"},
        {"app_namespaces = /a;fast\n", "\"/a;fast\" has an option that is not msgpack"},
        {"app_namespaces = /\n", "the product's own namespace"},
        {"app_events = rooms, webhook\n", "is none of the choices"},
        {"app_events = both\n", "app_events = both needs app_webhook_url"},
        {"app_webhook_url = http://app.example/\n", "must begin with https://"},
        {"app_webhook_url = http://app.example/\nwebhook_plain_http = on\n",
         "app_webhook_url needs webhook_secret"},
        {"app_webhook_connect = on\n", "app_webhook_connect needs app_webhook_url"},
        {"app_webhook_connect = on\nwebhook_timeout_ms = 10000\napp_webhook_url = https://a/\n"
         "webhook_secret = 0123456789abcdef\n",
         "needs webhook_timeout_ms below engineio_connect_timeout_ms"},
        {"app_webhook_url = app.example\n", "is no URL"},
        {"app_webhook_url = https://u:p@app.example\n", "has a user name"},
        {"home_custom_types = bell\n", "home_custom_types needs home_webhook_url"},
        {"home_custom_types = bell, Door\n", "\"Door\" is no type, or one of /ws's own"},
        {"home_custom_types = heartbeat\n", "\"heartbeat\" is no type, or one of /ws's own"},
        {"home_webhook_url = https://a/\n", "home_webhook_url needs webhook_secret"},
        {"webhook_secret = short\n", "webhook_secret must have at least 16 bytes"},
        {"webhook_ca = /nonexistent.pem\n", "webhook_ca: /nonexistent.pem: No such file"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct settings s;
        const char *said = load(&s, rows[i].text, NULL);
        if (strstr(said, rows[i].says) == NULL) {
            fail_msg("%s says \"%s\"", rows[i].text, said);
        }
        settings_deinit(&s);
    }
}

static void a_secret_is_never_shown(void **state)
{
    struct settings s;
    buf out = {0};
    (void)state;
    const char *said = load(&s, "jwt_secret = 0123456789abcdef0123456789abcdef\n", NULL);
    assert_string_equal(said, "");
    settings_print(&s, &out);
    assert_null(memmem(out.ptr, out.len, "0123456789abcdef", 16));
    assert_non_null(memmem(out.ptr, out.len, "jwt_secret = (hidden)", 21));
    buf_clear(&out);
    assert_false(settings_flag(&s, "jwt-secret", "0123456789abcdef0123456789abcdef", &out));
    assert_non_null(memmem(out.ptr, out.len, "has no flag", 11));
    buf_deinit(&out);
    settings_deinit(&s);
}

static void a_secret_may_come_from_a_file(void **state)
{
    struct settings s;
    buf why = {0};
    char variable[128];
    (void)state;
    write_file("0123456789abcdef0123456789abcdef\n");
    snprintf(variable, sizeof variable, "SIGNALBOX_JWT_SECRET_FILE=%s", path);
    char *env[] = {variable, NULL};
    settings_init(&s);
    assert_true(settings_load(&s, "/dev/null", env, &why));
    assert_string_equal(config_str(&s.config, CONFIG_jwt_secret),
                        "0123456789abcdef0123456789abcdef");
    settings_deinit(&s);
    unlink(path);
    const char *missing[] = {"SIGNALBOX_JWT_SECRET_FILE=/nonexistent", NULL};
    settings_init(&s);
    assert_false(settings_load(&s, "/dev/null", (char **)missing, &why));
    settings_deinit(&s);
    buf_deinit(&why);
}

static void unknown_variables_are_refused_and_aliases_read(void **state)
{
    struct settings s;
    const char *unknown[] = {"SIGNALBOX_LOOP=1", NULL};
    const char *alias[] = {"WS_SERVER_PORT=4000", "ALLOWED_ORIGINS=https://a.example", NULL};
    const char *both[] = {"SIGNALBOX_LISTEN=127.0.0.1:5000", "WS_SERVER_PORT=4000", NULL};
    const char *test[] = {"SIGNALBOX_BIN=/somewhere", NULL};
    (void)state;
    assert_non_null(strstr(load(&s, "", unknown), "did you mean loops?"));
    settings_deinit(&s);
    assert_string_equal(load(&s, "", alias), "");
    assert_string_equal(config_str(&s.config, CONFIG_listen), "127.0.0.1:4000");
    assert_string_equal(config_str(&s.config, CONFIG_allowed_origins), "https://a.example");
    settings_deinit(&s);
    assert_string_equal(load(&s, "", both), "");
    assert_string_equal(config_str(&s.config, CONFIG_listen), "127.0.0.1:5000");
    settings_deinit(&s);
    assert_string_equal(load(&s, "", test), "");
    settings_deinit(&s);
}

static void a_named_file_must_exist_and_be_text(void **state)
{
    struct settings s;
    buf why = {0};
    (void)state;
    settings_init(&s);
    assert_false(settings_load(&s, "/nonexistent/file", NULL, &why));
    buf_clear(&why);
    assert_true(settings_load(&s, "/dev/null", NULL, &why));
    settings_deinit(&s);
    buf_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_then_environment_then_flag),
        cmocka_unit_test(mistakes_name_their_place),
        cmocka_unit_test(a_secret_is_never_shown),
        cmocka_unit_test(a_secret_may_come_from_a_file),
        cmocka_unit_test(unknown_variables_are_refused_and_aliases_read),
        cmocka_unit_test(a_named_file_must_exist_and_be_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
