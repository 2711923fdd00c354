#include "app/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *join(struct arena *a, const char *one, const char *between, span two)
{
    size_t at = strlen(one);
    size_t mid = strlen(between);
    char *out = arena_alloc(a, at + mid + two.len + 1);
    memcpy(out, one, at);
    memcpy(out + at, between, mid);
    memcpy(out + at + mid, two.ptr, two.len);
    out[at + mid + two.len] = '\0';
    return out;
}

/* "--name=text of the file". */
static char *read_option(const struct option_row *row, const char *path, struct arena *a, buf *why)
{
    char text[CLIENT_FILE_BYTES_MAX + 1];
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "rbe");
    size_t len = f == NULL ? 0 : fread(text, 1, sizeof text, f);
    int code = errno;
    bool bad = f == NULL || ferror(f) != 0;
    if (f != NULL && !standard) {
        fclose(f);
    }
    size_t read_len = len;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    char *word = NULL;
    if (bad) {
        buf_printf(why, "--%s %s: %s", row->name, path, strerror(code));
    } else if (len == 0) {
        buf_printf(why, "--%s %s: the file is empty", row->name, path);
    } else if (read_len > CLIENT_FILE_BYTES_MAX || memchr(text, '\0', len) != NULL) {
        buf_printf(why, "--%s %s: longer than %u bytes, or no text", row->name, path,
                   CLIENT_FILE_BYTES_MAX);
    } else {
        char name[80];
        snprintf(name, sizeof name, "--%s", row->name);
        word = join(a, name, "=", span_of(text, len));
    }
    explicit_bzero(text, sizeof text);
    return word;
}

static char *absolute(char *path, struct arena *a, buf *why)
{
    char here[4096];
    if (path[0] == '/') {
        return path;
    }
    if (getcwd(here, sizeof here) == NULL) {
        buf_printf(why, "the current folder is not known: %s", strerror(errno));
        return NULL;
    }
    return join(a, here, "/", span_str(path));
}

bool client_words(const struct command *command, int argc, char **argv, char **out,
                  struct arena *arena, buf *why)
{
    int count = 0;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        bool option = strncmp(word, "--", 2) == 0;
        const char *eq = option ? strchr(word, '=') : NULL;
        size_t len = !option ? 0 : eq == NULL ? strlen(word + 2) : (size_t)(eq - word - 2);
        const struct option_row *row = option ? option_row_find(command->options, word + 2, len)
                                              : NULL;
        bool apart = option && eq == NULL && (row == NULL || row->what != NULL);
        if (row != NULL && row->file) {
            word = read_option(row, eq == NULL ? argv[++i] : eq + 1, arena, why);
        } else if (apart) {
            out[count++] = word;
            word = argv[++i];
        } else if (!option && i > 0 && command->paths) {
            word = absolute(word, arena, why);
        }
        if (word == NULL) {
            return false;
        }
        out[count++] = word;
    }
    out[count] = NULL;
    return true;
}
