/* Settings of applications' own events and of calls to receivers. */
#include "app/settings.h"

#include "adapters/common/curl/url.h"
#include "edge/home/custom.h"
#include "edge/socketio/app.h"
#include "edge/socketio/app_nsp.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WEBHOOK_SECRET_BYTES_MIN 16 /* shorter ones can be guessed */

static bool check_app_namespaces(const struct settings *s, buf *why)
{
    span rest = span_str(config_str(&s->config, CONFIG_app_namespaces));
    unsigned count = 0;
    struct app_nsp nsp;
    span entry;
    const char *fault;
    enum app_nsp_next got;
    while ((got = app_nsp_next(&rest, &nsp, &entry, &fault)) == APP_NSP_GOT) {
        count++;
    }
    if (got == APP_NSP_BAD) {
        buf_printf(why, "%s: app_namespaces: \"%.*s\" %s", s->sources[CONFIG_app_namespaces],
                   SPAN_FMT(entry), fault);
        return false;
    }
    if (count > APP_NAMESPACES_MAX) {
        buf_printf(why, "%s: app_namespaces: more than %d", s->sources[CONFIG_app_namespaces],
                   APP_NAMESPACES_MAX);
        return false;
    }
    return true;
}

/* A file that cannot be read would make every call fail, one by one. */
static bool check_webhook_ca(const struct settings *s, buf *why)
{
    const char *ca = config_str(&s->config, CONFIG_webhook_ca);
    if (ca[0] != '\0' && access(ca, R_OK) != 0) {
        buf_printf(why, "%s: webhook_ca: %.200s: %s", s->sources[CONFIG_webhook_ca], ca,
                   strerror(errno));
        return false;
    }
    return true;
}

static bool check_connect(const struct settings *s, buf *why)
{
    const struct config *c = &s->config;
    if (!config_int(c, CONFIG_app_webhook_connect)) {
        return true;
    }
    if (config_str(c, CONFIG_app_webhook_url)[0] == '\0') {
        buf_printf(why, "%s: app_webhook_connect needs app_webhook_url",
                   s->sources[CONFIG_app_webhook_connect]);
        return false;
    }
    if (config_int(c, CONFIG_webhook_timeout_ms) >=
        config_int(c, CONFIG_engineio_connect_timeout_ms)) {
        buf_append_str(why, "app_webhook_connect needs webhook_timeout_ms below "
                            "engineio_connect_timeout_ms, after which a client is given up");
        return false;
    }
    return true;
}

static bool check_url(const struct settings *s, enum config_key key, buf *why)
{
    const struct config *c = &s->config;
    const char *url = config_str(c, key);
    const char *name = config_row(key)->name;
    bool plain = config_int(c, CONFIG_webhook_plain_http) != 0;
    const char *fault;
    if (url[0] == '\0') {
        return true;
    }
    if (!curl_url_check(url, plain, &fault)) {
        buf_printf(why, "%s: %s: \"%.200s\" %s", s->sources[key], name, url, fault);
        return false;
    }
    if (config_str(c, CONFIG_webhook_secret)[0] == '\0') {
        buf_printf(why, "%s needs webhook_secret, by which its receiver knows who calls", name);
        return false;
    }
    return true;
}

static bool check_secret(const struct settings *s, buf *why)
{
    size_t secret = strlen(config_str(&s->config, CONFIG_webhook_secret));
    if (secret > 0 && secret < WEBHOOK_SECRET_BYTES_MIN) {
        buf_printf(why, "%s: webhook_secret must have at least %d bytes",
                   s->sources[CONFIG_webhook_secret], WEBHOOK_SECRET_BYTES_MIN);
        return false;
    }
    return true;
}

static bool check_custom_types(const struct settings *s, buf *why)
{
    const char *types = config_str(&s->config, CONFIG_home_custom_types);
    span rest = span_str(types);
    span type;
    bool ok;
    while (custom_next(&rest, &type, &ok)) {
        if (!ok) {
            buf_printf(why,
                       "%s: home_custom_types: \"%.*s\" is no type, or one of /ws's own",
                       s->sources[CONFIG_home_custom_types], SPAN_FMT(type));
            return false;
        }
    }
    if (types[0] != '\0' && config_str(&s->config, CONFIG_home_webhook_url)[0] == '\0') {
        buf_printf(why, "%s: home_custom_types needs home_webhook_url",
                   s->sources[CONFIG_home_custom_types]);
        return false;
    }
    return true;
}

bool settings_check_apps(const struct settings *s, buf *why)
{
    const struct config *c = &s->config;
    const char *url = config_str(c, CONFIG_app_webhook_url);
    if (!check_app_namespaces(s, why) || !check_webhook_ca(s, why) || !check_secret(s, why) ||
        !check_url(s, CONFIG_app_webhook_url, why) || !check_url(s, CONFIG_home_webhook_url, why) ||
        !check_custom_types(s, why) || !check_connect(s, why)) {
        return false;
    }
    if ((config_int(c, CONFIG_app_events) & APP_TO_WEBHOOK) && url[0] == '\0') {
        buf_printf(why, "%s: app_events = %s needs app_webhook_url", s->sources[CONFIG_app_events],
                   config_str(c, CONFIG_app_events));
        return false;
    }
    return true;
}
