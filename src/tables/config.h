/*
 * Settings; rows in tables/config.def. The struct holds the values in force; app/config.c fills
 * it from the file, the environment and flags.
 */
#ifndef SB_TABLES_CONFIG_H
#define SB_TABLES_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type { CONFIG_STR, CONFIG_INT, CONFIG_BOOL, CONFIG_ENUM };
enum config_flags { CONFIG_SECRET = 1, CONFIG_AGENT = 2, CONFIG_LIVE = 4 };

enum config_key {
#define K(name, type, fallback, min, max, flags, text) CONFIG_##name,
#include "tables/config.def"
#undef K
    CONFIG_KEY_COUNT
};

struct config_row {
    const char *name;
    enum config_type type;
    const char *choices; /* ENUM: "a|b" */
    const char *fallback;
    int64_t min, max;
    unsigned flags;
    const char *text;
};

/* A value: the text as given (owned by the struct's user) and, for INT, BOOL and ENUM (the
 * choice's number), what it means. */
struct config_value {
    const char *text;
    int64_t number;
};

struct config {
    struct config_value values[CONFIG_KEY_COUNT];
};

/* The row of a key; static. */
const struct config_row *config_row(enum config_key key);
/* The key of that name, with '-' read as '_'; CONFIG_KEY_COUNT when there is none. */
enum config_key config_find(const char *name);
/* The known name nearest to a misspelt one (edit distance at most 3), or NULL. */
const char *config_nearest(const char *name);
/* Checks a text against its row: NULL and *out filled, or why not (static text). */
const char *config_check(enum config_key key, const char *text, struct config_value *out);

static inline const char *config_str(const struct config *c, enum config_key k)
{
    return c->values[k].text;
}

static inline int64_t config_int(const struct config *c, enum config_key k)
{
    return c->values[k].number;
}

#endif
