/*
 * The command line: `signalbox COMMAND [words] [--name value | --name=value | --name]`. A command
 * lists the options it knows; every other option is a setting.
 */
#ifndef SB_APP_OPTIONS_H
#define SB_APP_OPTIONS_H

#include "app/settings.h"

#define OPTIONS_MAX 24
#define WORDS_MAX 4

struct option_row {
    const char *name; /* without dashes; NULL ends a table */
    const char *what; /* the value's name in --help; NULL: takes no value */
    const char *text;
    bool file;        /* the value given is a file's name, the value seen its text (client.h) */
};

struct options {
    const char *words[WORDS_MAX]; /* after the command */
    unsigned word_count;
    struct {
        const char *name;
        const char *value; /* "" for one without value */
    } given[OPTIONS_MAX];
    unsigned given_count;
};

/* The row of that name (`len` bytes), or NULL. `rows` may be NULL. */
const struct option_row *option_row_find(const struct option_row *rows, const char *name,
                                         size_t len);
/* Reads argv[from..]; options not in `rows` are settings. False: `why` says what is wrong. */
bool options_parse(struct options *o, struct settings *s, const struct option_row *rows, int argc,
                   char **argv, int from, buf *why) MUST_CHECK;
/* The value of an option, or NULL when it was not given. The first one wins. */
const char *options_get(const struct options *o, const char *name);
/* Calls visit for each value of an option that may be repeated. */
unsigned options_count(const struct options *o, const char *name);
const char *options_nth(const struct options *o, const char *name, unsigned n);
/* "90", "90s", "15m", "12h", "30d" in seconds; -1 when it is none of these or over 10 years. */
int64_t options_duration_s(const char *text);

#endif
