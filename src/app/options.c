#include "app/options.h"

#include <string.h>

#define DURATION_S_MAX (10LL * 366 * 86400)

const struct option_row *option_row_find(const struct option_row *rows, const char *name,
                                         size_t len)
{
    for (; rows != NULL && rows->name != NULL; rows++) {
        if (strlen(rows->name) == len && memcmp(rows->name, name, len) == 0) {
            return rows;
        }
    }
    return NULL;
}

static bool give(struct options *o, const char *name, const char *value, buf *why)
{
    if (o->given_count == OPTIONS_MAX) {
        buf_append_str(why, "too many options");
        return false;
    }
    o->given[o->given_count].name = name;
    o->given[o->given_count++].value = value;
    return true;
}

/* One "--name[=value] [value]"; *at moves over a value that stands apart. */
static bool read_option(struct options *o, struct settings *s, const struct option_row *rows,
                        int argc, char **argv, int *at, buf *why)
{
    const char *name = argv[*at] + 2;
    const char *eq = strchr(name, '=');
    size_t len = eq == NULL ? strlen(name) : (size_t)(eq - name);
    const struct option_row *row = option_row_find(rows, name, len);
    const char *value = eq == NULL ? NULL : eq + 1;
    if (row != NULL && row->what == NULL) {
        if (value != NULL) {
            buf_printf(why, "--%s takes no value", row->name);
            return false;
        }
        return give(o, row->name, "", why);
    }
    if (value == NULL) {
        if (*at + 1 >= argc) {
            buf_printf(why, "--%s needs a value", name);
            return false;
        }
        value = argv[++*at];
    }
    if (row != NULL) {
        return give(o, row->name, value, why);
    }
    char key[80];
    if (len >= sizeof key) {
        buf_printf(why, "unknown option --%.80s", name);
        return false;
    }
    memcpy(key, name, len);
    key[len] = '\0';
    return settings_flag(s, key, value, why);
}

bool options_parse(struct options *o, struct settings *s, const struct option_row *rows, int argc,
                   char **argv, int from, buf *why)
{
    memset(o, 0, sizeof *o);
    for (int i = from; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
            if (!read_option(o, s, rows, argc, argv, &i, why)) {
                return false;
            }
        } else if (argv[i][0] == '-') {
            buf_printf(why, "unknown option %.80s", argv[i]);
            return false;
        } else if (o->word_count == WORDS_MAX) {
            buf_printf(why, "too many words: %.80s", argv[i]);
            return false;
        } else {
            o->words[o->word_count++] = argv[i];
        }
    }
    return true;
}

const char *options_nth(const struct options *o, const char *name, unsigned n)
{
    for (unsigned i = 0; i < o->given_count; i++) {
        if (strcmp(o->given[i].name, name) == 0 && n-- == 0) {
            return o->given[i].value;
        }
    }
    return NULL;
}

const char *options_get(const struct options *o, const char *name)
{
    return options_nth(o, name, 0);
}

unsigned options_count(const struct options *o, const char *name)
{
    unsigned n = 0;
    while (options_nth(o, name, n) != NULL) {
        n++;
    }
    return n;
}

int64_t options_duration_s(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t n;
    if (digits == 0 || !span_u64(span_of(text, digits), DURATION_S_MAX, &n)) {
        return -1;
    }
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            int64_t total = (int64_t)n * units[i].seconds;
            return total > DURATION_S_MAX ? -1 : total;
        }
    }
    return -1;
}
