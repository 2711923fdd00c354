/*
 * Writes the reference pages of docs/ from the tables of src/tables, so that a page cannot say
 * anything else than the program does:
 *
 *     signalbox-docs DIR            writes every page
 *     signalbox-docs --check DIR    exits 1 and names the first page that differs
 *
 * A new page is one function and one row of `pages`.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char generated[] =
    "<!-- Made by ./dev docs from src/tables/; change the table, not this page. -->\n";

/* A table cell: a bar would end it. */
static void cell(FILE *out, const char *text)
{
    fputs(" ", out);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '|') {
            fputc('\\', out);
        }
        fputc(*c, out);
    }
    fputs(" |", out);
}

static void code_cell(FILE *out, const char *text)
{
    fputs(text[0] == '\0' ? " |" : " `", out);
    if (text[0] != '\0') {
        fprintf(out, "%s` |", text);
    }
}

static void number_cell(FILE *out, long value) { fprintf(out, " %ld |", value); }

static void write_error(FILE *out, const char *name, const char *code, int status, const char *text)
{
    fputs("|", out);
    code_cell(out, code);
    number_cell(out, status);
    cell(out, text);
    code_cell(out, name);
    fputs("\n", out);
}

static const char *reconnect_words(const char *rule)
{
    static const struct {
        const char *rule;
        const char *words;
    } rules[] = {
        {"NEVER", "no"},
        {"BACKOFF", "after a growing pause"},
        {"NOW", "at once"},
        {"FREE", "as the client likes"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strcmp(rules[i].rule, rule) == 0) {
            return rules[i].words;
        }
    }
    return rule;
}

static void write_close(FILE *out, int code, const char *text, const char *label, const char *rule)
{
    fputs("|", out);
    if (code == 0) {
        cell(out, "-");
    } else {
        number_cell(out, code);
    }
    cell(out, text);
    code_cell(out, label);
    cell(out, reconnect_words(rule));
    fputs("\n", out);
}

static void page_errors(FILE *out)
{
    fputs("# Errors and close reasons\n\n", out);
    fputs(generated, out);
    fputs("\n## Errors\n\n"
          "A refusal carries `code` for programs and the sentence for people. Several rows may\n"
          "share a code; the row's name stands in the log.\n\n"
          "| code | HTTP status | sentence | row |\n| --- | --- | --- | --- |\n", out);
#define E(name, code, status, text) write_error(out, #name, code, status, text);
#include "tables/errors.def"
#undef E
    fputs("\n## Why a connection ends\n\n"
          "`code` is the WebSocket close code; rows without one end a connection that has no\n"
          "close frame to send, or whose peer went first. `label` stands in the log and in the\n"
          "metrics. The last column says whether a client should connect again.\n\n"
          "| code | text | label | connect again |\n| --- | --- | --- | --- |\n", out);
#define C(name, code, text, label, reconnect) write_close(out, code, text, label, #reconnect);
#include "tables/closes.def"
#undef C
}

static const struct {
    const char *file;
    void (*write)(FILE *out);
} pages[] = {
    {"ERRORS.md", page_errors},
};

static bool read_all(const char *path, char **text, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    FILE *to = open_memstream(text, len);
    int c;
    while (to != NULL && (c = fgetc(f)) != EOF) {
        fputc(c, to);
    }
    fclose(f);
    return to != NULL && fclose(to) == 0;
}

/* One page to DIR, or compared with what stands there. */
static bool handle(const char *dir, size_t i, bool check)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, pages[i].file);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return false;
    }
    pages[i].write(out);
    bool ok = fclose(out) == 0;
    if (check) {
        char *stored = NULL;
        size_t stored_len = 0;
        ok = ok && read_all(path, &stored, &stored_len) && stored_len == len &&
             memcmp(stored, text, len) == 0;
        free(stored);
        if (!ok) {
            fprintf(stderr, "%s differs from src/tables/: run ./dev docs\n", path);
        }
    } else {
        FILE *f = fopen(path, "wb");
        ok = ok && f != NULL && fwrite(text, 1, len, f) == len;
        ok = f != NULL && fclose(f) == 0 && ok;
        if (!ok) {
            perror(path);
        }
    }
    free(text);
    return ok;
}

int main(int argc, char **argv)
{
    bool check = argc == 3 && strcmp(argv[1], "--check") == 0;
    if (argc != 2 + (check ? 1 : 0)) {
        fprintf(stderr, "usage: signalbox-docs [--check] DIR\n");
        return 2;
    }
    bool ok = true;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        ok = handle(argv[argc - 1], i, check) && ok;
    }
    return ok ? 0 : 1;
}
