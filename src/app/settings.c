#include "app/settings.h"

#include "adapters/common/curl/url.h"
#include "adapters/scan_clamd/scan_clamd.h"
#include "app/certificates.h"
#include "app/listeners.h"
#include "app/unix_socket.h"
#include "base/mem.h"
#include "loop/addr.h"
#include "net/net.h"
#include "tables/permissions.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENV_PREFIX "SIGNALBOX_"
#define FILE_DEFAULT "signalbox.conf"
#define FILE_BYTES_MAX 1048576 /* a settings file; more is a mistake */
#define SECRET_BYTES_MAX 4096  /* a secret's file */
#define LISTEN_MAX 16          /* addresses; each costs a socket a loop */

/* Variables of the same prefix that are no settings: the file itself, and test helpers'. */
static const char *const not_settings[] = {"CONFIG", "BIN", "KEY", "KEY_FILE", "TEST"};

void settings_init(struct settings *s)
{
    memset(s, 0, sizeof *s);
    for (unsigned k = 0; k < CONFIG_KEY_COUNT; k++) {
        const char *why = config_check((enum config_key)k, config_row((enum config_key)k)->fallback,
                                       &s->config.values[k]);
        ASSERT(why == NULL || config_row((enum config_key)k)->fallback[0] == '\0');
        s->config.values[k].text = config_row((enum config_key)k)->fallback;
        s->sources[k] = "default";
    }
}

void settings_deinit(struct settings *s)
{
    for (unsigned k = 0; k < CONFIG_KEY_COUNT; k++) {
        bool secret = (config_row((enum config_key)k)->flags & CONFIG_SECRET) != 0;
        if (secret && s->sources[k] != NULL && s->sources[k][0] != 'd') {
            explicit_bzero((void *)s->config.values[k].text, strlen(s->config.values[k].text));
        }
    }
    arena_reset(&s->arena);
}

static const char *keep(struct settings *s, const char *text)
{
    return (const char *)arena_dup(&s->arena, span_str(text)).ptr;
}

static bool set(struct settings *s, enum config_key k, const char *text, const char *source,
                buf *why)
{
    const struct config_row *row = config_row(k);
    struct config_value v;
    const char *bad = config_check(k, text, &v);
    if (bad != NULL) {
        bool secret = (row->flags & CONFIG_SECRET) != 0;
        buf_printf(why, "%s: %s %s", source, row->name, bad);
        if (!secret) {
            buf_printf(why, ": \"%.80s\"", text);
        }
        if (row->type == CONFIG_INT) {
            buf_printf(why, " (%lld to %lld)", (long long)row->min, (long long)row->max);
        } else if (row->choices != NULL) {
            buf_printf(why, " (%s)", row->choices);
        }
        return false;
    }
    v.text = keep(s, text);
    s->config.values[k] = v;
    s->sources[k] = keep(s, source);
    return true;
}

static void unknown(const char *source, const char *name, buf *why)
{
    const char *near = config_nearest(name);
    buf_printf(why, "%s: unknown setting \"%.64s\"", source, name);
    if (near != NULL) {
        buf_printf(why, " (did you mean %s?)", near);
    }
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}

static bool read_line(struct settings *s, char *line, const char *source, buf *why)
{
    line = trim(line);
    if (line[0] == '\0' || line[0] == '#') {
        return true;
    }
    char *eq = strchr(line, '=');
    if (eq == NULL) {
        buf_printf(why, "%s: expected key = value", source);
        return false;
    }
    *eq = '\0';
    char *name = trim(line);
    enum config_key k = config_find(name);
    if (k == CONFIG_KEY_COUNT || strchr(name, '-') != NULL) {
        unknown(source, name, why);
        return false;
    }
    return set(s, k, trim(eq + 1), source, why);
}

/* The whole file as text with a NUL; NULL with errno when it cannot be read. */
static char *read_file(const char *path, size_t bytes_max, size_t *len)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        return NULL;
    }
    char *text = mem_alloc(bytes_max + 1);
    *len = fread(text, 1, bytes_max + 1, f);
    bool bad = ferror(f) != 0 || *len > bytes_max;
    fclose(f);
    if (bad) {
        mem_free(text);
        errno = EFBIG;
        return NULL;
    }
    text[*len] = '\0';
    return text;
}

static bool load_file(struct settings *s, const char *path, buf *why)
{
    const char *name = path == NULL ? FILE_DEFAULT : path;
    size_t len = 0;
    char *text = read_file(name, FILE_BYTES_MAX, &len);
    if (text == NULL) {
        if (path == NULL && errno == ENOENT) {
            return true;
        }
        buf_printf(why, "%s: %s", name, strerror(errno));
        return false;
    }
    bool ok = strlen(text) == len;
    if (!ok) {
        buf_printf(why, "%s: holds a NUL byte", name);
    }
    unsigned number = 0;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); ok && line != NULL; line = strsep(&rest, "\n")) {
        char source[256];
        snprintf(source, sizeof source, "%.200s:%u", name, ++number);
        ok = read_line(s, line, source, why);
    }
    explicit_bzero(text, len);
    mem_free(text);
    return ok;
}

/* SIGNALBOX_<KEY>_FILE of a secret: the file's text without its last line end. */
static bool set_from_secret_file(struct settings *s, enum config_key k, const char *path,
                                 const char *source, buf *why)
{
    size_t len = 0;
    char *text = read_file(path, SECRET_BYTES_MAX, &len);
    if (text == NULL) {
        buf_printf(why, "%s: %.200s: %s", source, path, strerror(errno));
        return false;
    }
    bool ok = set(s, k, trim(text), source, why);
    explicit_bzero(text, len);
    mem_free(text);
    return ok;
}

static bool is_other(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(not_settings); i++) {
        if (strcmp(name, not_settings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool load_variable(struct settings *s, const char *name, const char *value, buf *why)
{
    char source[128];
    char key[80];
    snprintf(source, sizeof source, "environment " ENV_PREFIX "%.80s", name);
    snprintf(key, sizeof key, "%.79s", name);
    for (char *c = key; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    size_t len = strlen(key);
    if (len > 5 && strcmp(key + len - 5, "_file") == 0) {
        key[len - 5] = '\0';
        enum config_key k = config_find(key);
        if (k != CONFIG_KEY_COUNT && (config_row(k)->flags & CONFIG_SECRET)) {
            return set_from_secret_file(s, k, value, source, why);
        }
        key[len - 5] = '_';
    }
    enum config_key k = config_find(key);
    if (k == CONFIG_KEY_COUNT) {
        if (is_other(name)) {
            return true;
        }
        unknown(source, key, why);
        return false;
    }
    return set(s, k, value, source, why);
}

static bool load_environment(struct settings *s, char **env, buf *why)
{
    size_t prefix = strlen(ENV_PREFIX);
    for (; env != NULL && *env != NULL; env++) {
        const char *eq = strchr(*env, '=');
        char name[128];
        if (eq == NULL || (size_t)(eq - *env) >= sizeof name) {
            continue;
        }
        memcpy(name, *env, (size_t)(eq - *env));
        name[eq - *env] = '\0';
        bool ok = true;
        if (strcmp(name, "ALLOWED_ORIGINS") == 0 && s->sources[CONFIG_allowed_origins][0] != 'e') {
            ok = set(s, CONFIG_allowed_origins, eq + 1, "environment ALLOWED_ORIGINS", why);
        } else if (strcmp(name, "WS_SERVER_PORT") == 0 && s->sources[CONFIG_listen][0] != 'e') {
            char listen[64];
            snprintf(listen, sizeof listen, "127.0.0.1:%.8s", eq + 1);
            ok = set(s, CONFIG_listen, listen, "environment WS_SERVER_PORT", why);
        } else if (strncmp(name, ENV_PREFIX, prefix) == 0) {
            ok = load_variable(s, name + prefix, eq + 1, why);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool settings_load(struct settings *s, const char *path, char **env, buf *why)
{
    return load_file(s, path, why) && load_environment(s, env, why);
}

bool settings_flag(struct settings *s, const char *name, const char *value, buf *why)
{
    enum config_key k = config_find(name);
    char source[96];
    snprintf(source, sizeof source, "flag --%.64s", name);
    if (k == CONFIG_KEY_COUNT) {
        unknown(source, name, why);
        return false;
    }
    if (config_row(k)->flags & CONFIG_SECRET) {
        buf_printf(why, "%s: a secret has no flag, for it would show in the process list; use the"
                        " environment or a file",
                   source);
        return false;
    }
    return set(s, k, value, source, why);
}

/* A listener whose trusted peers begin with a header has such peers. */
static bool listener_served(const struct listener_spec *l, const struct trust *t,
                            const char **fault)
{
    bool trusted = listener_is_unix(l) ? t->unix_peers : t->count > 0;
    if ((l->flags & NET_LISTEN_PROXY) && !trusted) {
        *fault = listener_is_unix(l) ? "waits for PROXY headers, but trusted_proxies has no unix:"
                                     : "waits for PROXY headers, but trusted_proxies has no "
                                       "address";
        return false;
    }
    return true;
}

/* Every address parses; says whether all are loopback. */
static bool check_listen(const struct settings *s, const struct trust *trusted, bool *loopback,
                         buf *why)
{
    span rest = span_str(config_str(&s->config, CONFIG_listen));
    struct listener_spec l;
    const char *fault;
    unsigned count = 0;
    *loopback = true;
    enum listener_next got;
    while ((got = listener_next(&rest, &l, &fault)) != LISTENER_END) {
        if (got == LISTENER_GOT && !listener_served(&l, trusted, &fault)) {
            got = LISTENER_BAD;
        }
        if (got == LISTENER_BAD) {
            buf_printf(why, "%s: listen: \"%.*s\" %s", s->sources[CONFIG_listen], SPAN_FMT(l.text),
                       fault);
            return false;
        }
        *loopback = *loopback && addr_is_loopback(&l.addr);
        count++;
    }
    if (count == 0 || count > LISTEN_MAX) {
        buf_printf(why, "%s: listen needs 1 to %d addresses", s->sources[CONFIG_listen],
                   LISTEN_MAX);
        return false;
    }
    return true;
}

/* Listeners and the proxies before them. */
static bool check_fronts(const struct settings *s, bool *loopback, buf *why)
{
    struct trust trusted;
    span bad;
    unsigned mode;
    if (!trust_parse(span_str(config_str(&s->config, CONFIG_trusted_proxies)), &trusted, &bad)) {
        buf_printf(why,
                   "%s: trusted_proxies: \"%.*s\" is no address, no block without bits behind its "
                   "prefix and not unix:, or more than the %d that may stand there",
                   s->sources[CONFIG_trusted_proxies], SPAN_FMT(bad), TRUST_BLOCKS_MAX);
        return false;
    }
    if (!unix_socket_mode(config_str(&s->config, CONFIG_unix_socket_mode), &mode)) {
        buf_printf(why, "%s: unix_socket_mode: \"%s\" is no octal mode such as 0660",
                   s->sources[CONFIG_unix_socket_mode],
                   config_str(&s->config, CONFIG_unix_socket_mode));
        return false;
    }
    return check_listen(s, &trusted, loopback, why);
}

static bool check_timezone(const char *text)
{
    if (strcmp(text, "UTC") == 0) {
        return true;
    }
    return strlen(text) == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':' &&
           isdigit((unsigned char)text[1]) && isdigit((unsigned char)text[2]) &&
           isdigit((unsigned char)text[4]) && isdigit((unsigned char)text[5]) && text[1] <= '1' &&
           text[4] <= '5';
}

bool settings_roles(const char *list, uint32_t *out)
{
    span rest = span_str(list);
    *out = 0;
    while (rest.len > 0) {
        span one = span_trim(span_cut(&rest, ','));
        char name[32] = "";
        enum role role;
        if (one.len >= sizeof name) {
            return false;
        }
        memcpy(name, one.ptr, one.len);
        if (one.len > 0 && !role_parse(name, &role)) {
            return false;
        }
        *out |= one.len > 0 ? 1u << role : 0;
    }
    return true;
}

static bool check_engineio(const struct settings *s, buf *why)
{
    const struct config *c = &s->config;
    const char *cookie = config_str(c, CONFIG_engineio_cookie);
    for (const char *at = cookie; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && *at != '-' && *at != '_' && *at != '.') {
            buf_printf(why, "%s: engineio_cookie: \"%s\" is no name of letters, digits, - _ .",
                       s->sources[CONFIG_engineio_cookie], cookie);
            return false;
        }
    }
    return true;
}

static bool check_home(const struct settings *s, buf *why)
{
    const struct config *c = &s->config;
    if (config_int(c, CONFIG_home_ping_ms) >= config_int(c, CONFIG_home_idle_ms)) {
        buf_printf(why, "%s: home_ping_ms: must be less than home_idle_ms",
                   s->sources[CONFIG_home_ping_ms]);
        return false;
    }
    return true;
}

bool settings_check(const struct settings *s, buf *why)
{
    const struct config *c = &s->config;
    bool loopback;
    if (!check_fronts(s, &loopback, why)) {
        return false;
    }
    if (config_int(c, CONFIG_conformance) && !loopback) {
        buf_append_str(why, "conformance takes traffic from anybody: refused together with a "
                            "listener that is not loopback");
        return false;
    }
    if (!certificates_check(c, why)) {
        return false;
    }
    if (!check_engineio(s, why) || !check_home(s, why)) {
        return false;
    }
    const char *store = config_str(c, CONFIG_store);
    if (strcmp(store, "sqlite") != 0 && strcmp(store, "memory") != 0) {
        buf_printf(why, "%s: store: \"%.80s\" is neither sqlite nor memory",
                   s->sources[CONFIG_store], store);
        return false;
    }
    size_t secret = strlen(config_str(c, CONFIG_jwt_secret));
    if (secret > 0 && secret < 32) {
        buf_printf(why, "%s: jwt_secret must have at least 32 bytes",
                   s->sources[CONFIG_jwt_secret]);
        return false;
    }
    const char *jwks = config_str(c, CONFIG_jwks_url);
    const char *fault;
    if (jwks[0] != '\0' && !curl_url_check(jwks, false, &fault)) {
        buf_printf(why, "%s: jwks_url: \"%.200s\" %s", s->sources[CONFIG_jwks_url], jwks, fault);
        return false;
    }
    if (!settings_check_apps(s, why)) {
        return false;
    }
    const char *scanner = config_str(c, CONFIG_chat_scanner);
    if (strcmp(scanner, "none") != 0 && !scan_clamd_address_ok(scanner)) {
        buf_printf(why, "%s: chat_scanner: \"%.200s\" is neither none, unix:/path nor a loopback "
                        "address with a port",
                   s->sources[CONFIG_chat_scanner], scanner);
        return false;
    }
    uint32_t roles;
    if (!settings_roles(config_str(c, CONFIG_jwt_issuer_roles), &roles)) {
        buf_printf(why, "%s: jwt_issuer_roles: \"%.80s\" is not a list of roles",
                   s->sources[CONFIG_jwt_issuer_roles], config_str(c, CONFIG_jwt_issuer_roles));
        return false;
    }
    if (!check_timezone(config_str(c, CONFIG_timezone))) {
        buf_printf(why, "%s: timezone: \"%s\" is neither UTC nor an offset such as +02:00",
                   s->sources[CONFIG_timezone], config_str(c, CONFIG_timezone));
        return false;
    }
    if (config_int(c, CONFIG_device_gone_s) <= config_int(c, CONFIG_device_stale_s)) {
        buf_append_str(why, "device_gone_s must be greater than device_stale_s");
        return false;
    }
    return true;
}

void settings_print(const struct settings *s, buf *out)
{
    for (unsigned k = 0; k < CONFIG_KEY_COUNT; k++) {
        const struct config_row *row = config_row((enum config_key)k);
        const char *text = s->config.values[k].text;
        bool secret = (row->flags & CONFIG_SECRET) != 0 && text[0] != '\0';
        buf_printf(out, "%s = %s  # %s\n", row->name, secret ? "(hidden)" : text, s->sources[k]);
    }
}
