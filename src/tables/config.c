#include "tables/config.h"

#include <string.h>

#define SECRET CONFIG_SECRET
#define AGENT CONFIG_AGENT
#define LIVE CONFIG_LIVE
#define STR CONFIG_STR, NULL
#define INT CONFIG_INT, NULL
#define BOOL CONFIG_BOOL, "off|on"
#define ENUM(choices) CONFIG_ENUM, choices

#define NAME_BYTES_MAX 64
#define DISTANCE_MAX 3 /* a suggestion further away would be a guess */

/* Two steps, so that a type that stands for two members is expanded before it is split. */
#define ROW(...) {__VA_ARGS__},

static const struct config_row rows[CONFIG_KEY_COUNT] = {
#define K(name, type, fallback, min, max, flags, text)                                             \
    ROW(#name, type, fallback, min, max, flags, text)
#include "tables/config.def"
#undef K
};

const struct config_row *config_row(enum config_key key) { return &rows[key]; }

static bool same_name(const char *row, const char *name)
{
    while (*row != '\0' && (*row == *name || (*row == '_' && *name == '-'))) {
        row++;
        name++;
    }
    return *row == '\0' && *name == '\0';
}

enum config_key config_find(const char *name)
{
    for (unsigned k = 0; k < CONFIG_KEY_COUNT; k++) {
        if (same_name(rows[k].name, name)) {
            return (enum config_key)k;
        }
    }
    return CONFIG_KEY_COUNT;
}

/* Levenshtein's distance of two short names, one row of the table at a time. */
static unsigned distance(const char *a, const char *b)
{
    size_t bl = strlen(b);
    unsigned row[NAME_BYTES_MAX + 1];
    for (unsigned j = 0; j <= bl; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= bl; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned insert = row[j] + 1;
            unsigned erase = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < insert ? change : insert;
            row[j] = erase < row[j] ? erase : row[j];
        }
    }
    return row[bl];
}

const char *config_nearest(const char *name)
{
    const char *best = NULL;
    unsigned least = DISTANCE_MAX + 1;
    if (strlen(name) > NAME_BYTES_MAX) {
        return NULL;
    }
    for (unsigned k = 0; k < CONFIG_KEY_COUNT; k++) {
        unsigned d = distance(name, rows[k].name);
        if (d < least) {
            least = d;
            best = rows[k].name;
        }
    }
    return best;
}

static const char *check_int(const struct config_row *row, const char *text, int64_t *out)
{
    int64_t n = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 18) {
        return "must be a whole number";
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return "must be a whole number";
        }
        n = n * 10 + (text[i] - '0');
    }
    if (n < row->min || n > row->max) {
        return "is out of range";
    }
    *out = n;
    return NULL;
}

static const char *check_choice(const struct config_row *row, const char *text, int64_t *out)
{
    const char *at = row->choices;
    for (int64_t i = 0;; i++) {
        size_t len = strcspn(at, "|");
        if (strlen(text) == len && memcmp(at, text, len) == 0) {
            *out = i;
            return NULL;
        }
        if (at[len] == '\0') {
            break;
        }
        at += len + 1;
    }
    if (row->type == CONFIG_BOOL) {
        *out = strcmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcmp(text, "yes") == 0;
        bool no = strcmp(text, "false") == 0 || strcmp(text, "0") == 0 || strcmp(text, "no") == 0;
        return *out || no ? NULL : "must be on or off";
    }
    return "is none of the choices";
}

const char *config_check(enum config_key key, const char *text, struct config_value *out)
{
    const struct config_row *row = &rows[key];
    const char *why = NULL;
    int64_t number = 0;
    switch (row->type) {
    case CONFIG_STR:
        if ((int64_t)strlen(text) < row->min || (int64_t)strlen(text) > row->max) {
            why = "is too short or too long";
        }
        break;
    case CONFIG_INT:
        why = check_int(row, text, &number);
        break;
    case CONFIG_BOOL:
    case CONFIG_ENUM:
        why = check_choice(row, text, &number);
        break;
    }
    if (why == NULL) {
        *out = (struct config_value){.text = text, .number = number};
    }
    return why;
}
