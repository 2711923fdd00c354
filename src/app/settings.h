/*
 * Settings in force: defaults, then the file, then the environment, then flags. Anything unknown
 * or out of bounds is refused with the line or name that holds it, and nothing starts.
 */
#ifndef SB_APP_SETTINGS_H
#define SB_APP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "tables/config.h"

/* Where settings are read from, to read them again. All borrowed. */
struct settings_origin {
    const char *path; /* of the file, or NULL */
    char **env;
    int argc;         /* the command line, whose words from argv[2] on may be flags */
    char **argv;
};

struct settings {
    struct config config;
    struct settings_origin origin;         /* zeroed when they are not to be read again */
    const char *sources[CONFIG_KEY_COUNT]; /* "default", "signalbox.conf:3", "flag --x" */
    struct arena arena;                    /* owns every text */
};

/* Puts the defaults in place. */
void settings_init(struct settings *s);
void settings_deinit(struct settings *s); /* wipes and frees the texts */
/*
 * Reads `path` (key = value a line, # comments), or ./signalbox.conf if there is one and path is
 * NULL, then the environment `env` (SIGNALBOX_<KEY>, SIGNALBOX_<KEY>_FILE for secrets,
 * ALLOWED_ORIGINS and WS_SERVER_PORT). False: `why` holds a sentence for people.
 */
bool settings_load(struct settings *s, const char *path, char **env, buf *why) MUST_CHECK;
/* One flag, its name without dashes in front. Secrets have none. */
bool settings_flag(struct settings *s, const char *name, const char *value, buf *why) MUST_CHECK;
/* Rules between settings, after everything is read. */
bool settings_check(const struct settings *s, buf *why) MUST_CHECK;
/* Of them, those of app_*, home_custom_types, home_webhook_url and webhook_*. */
bool settings_check_apps(const struct settings *s, buf *why) MUST_CHECK;
/* The roles of a comma separated list, as bits; false when one is unknown. */
bool settings_roles(const char *list, uint32_t *out) MUST_CHECK;
/* Appends every setting with its source, one a line; secrets are not shown. */
void settings_print(const struct settings *s, buf *out);

#endif
