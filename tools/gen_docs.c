/*
 * Writes the reference pages of docs/ from the tables of src/tables, so that a page cannot say
 * anything else than the program does:
 *
 *     signalbox-docs DIR            writes every page
 *     signalbox-docs --check DIR    exits 1 and names the first page that differs
 *
 * A new page is one function and one row of `pages`.
 */
#include "tables/config.h"
#include "tables/events.h"
#include "tables/metrics.h"
#include "tables/permissions.h"
#include "tables/routes.h"

#include <ctype.h>
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

/* A name as a flag is spelt: data_dir as data-dir, or as a variable: DATA_DIR. */
static void spelt(FILE *out, const char *name, bool variable)
{
    for (const char *c = name; *c != '\0'; c++) {
        fputc(variable ? toupper((unsigned char)*c) : *c == '_' ? '-' : *c, out);
    }
}

static void write_values(FILE *out, const struct config_row *row)
{
    switch (row->type) {
    case CONFIG_INT:
        fprintf(out, " %lld to %lld |", (long long)row->min, (long long)row->max);
        break;
    case CONFIG_STR:
        fprintf(out, " text, at most %lld bytes |", (long long)row->max);
        break;
    case CONFIG_BOOL:
    case CONFIG_ENUM:
        fputs(" ", out);
        for (const char *at = row->choices; *at != '\0';) {
            size_t len = strcspn(at, "|");
            fprintf(out, "`%.*s`%s", (int)len, at, at[len] == '|' ? ", " : "");
            at += len + (at[len] == '|' ? 1 : 0);
        }
        fputs(" |", out);
        break;
    }
}

static void write_setting(FILE *out, const struct config_row *row)
{
    fprintf(out, "| `%s` |", row->name);
    code_cell(out, row->fallback);
    write_values(out, row);
    if ((row->flags & CONFIG_SECRET) != 0) {
        fputs(" secret, no flag: `SIGNALBOX_", out);
        spelt(out, row->name, true);
        fputs("_FILE`;", out);
    }
    if ((row->flags & CONFIG_AGENT) != 0) {
        fputs(" client commands:", out);
    }
    if ((row->flags & CONFIG_LIVE) != 0) {
        fputs(" (live)", out);
    }
    cell(out, row->text);
    fputs("\n", out);
}

static void page_config(FILE *out)
{
    fputs("# Settings\n\n", out);
    fputs(generated, out);
    fputs("\nEvery setting is a key in `signalbox.conf` (`key = value`), a variable\n"
          "`SIGNALBOX_<KEY>` and a flag; a flag beats the environment, which beats the file. So\n"
          "`data_dir` is also `SIGNALBOX_DATA_DIR` and `--data-dir`. A secret has no flag, as\n"
          "flags show in the list of processes; its value may stand in a file that\n"
          "`SIGNALBOX_<KEY>_FILE` names. Unknown keys and bad values refuse to start;\n"
          "`signalbox check-config` says so beforehand. After SIGHUP the settings marked (live)\n"
          "are taken over while the server runs; a change of another one is logged and waits\n"
          "for a restart.\n\n"
          "| key | default | values | meaning |\n| --- | --- | --- | --- |\n", out);
    for (unsigned k = 0; k < CONFIG_KEY_COUNT; k++) {
        write_setting(out, config_row((enum config_key)k));
    }
}

static void page_permissions(FILE *out)
{
    fputs("# Roles and permissions\n\n", out);
    fputs(generated, out);
    fputs("\nOne check guards every route and event: whether a principal holds a permission in a\n"
          "scope. `anonymous` is a client on the server's own machine without a token, where\n"
          "`auth_anonymous` allows it; `provisioner` is who shows a provisioning key.\n\n"
          "| role | what it may do |\n| --- | --- |\n", out);
#define ROLE(name, text, what) fprintf(out, "| `%s` | %s |\n", text, what);
#include "tables/roles.def"
#undef ROLE
    fputs("\n| permission |", out);
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        fprintf(out, " %s |", role_name((enum role)r));
    }
    fputs(" anonymous | provisioner |\n| --- |", out);
    for (unsigned r = 0; r < ROLE_COUNT + 2; r++) {
        fputs(" --- |", out);
    }
    fputs("\n", out);
    for (unsigned p = 0; p < PERM_COUNT; p++) {
        fprintf(out, "| `%s` |", permission_name((enum permission)p));
        for (unsigned r = 0; r < ROLE_COUNT; r++) {
            fputs(role_may((enum role)r, (enum permission)p) ? " yes |" : " |", out);
        }
        fputs(anonymous_may((enum permission)p) ? " yes |" : " |", out);
        fputs(provisioner_may((enum permission)p) ? " yes |\n" : " |\n", out);
    }
}

static void write_access(FILE *out, struct route_access access)
{
    const char *name = permission_name(access.permission);
    switch (access.kind) {
    case ACCESS_PUBLIC:
        fputs(" everybody |", out);
        break;
    case ACCESS_SIGNED_IN:
        fputs(" who is signed in |", out);
        break;
    case ACCESS_MAY:
        fprintf(out, " `%s` |", name);
        break;
    case ACCESS_SOME:
        fprintf(out, " `%s` in any scope |", name);
        break;
    case ACCESS_DEVICE:
        fprintf(out, " `%s` for the device |", name);
        break;
    case ACCESS_GROUP:
        fprintf(out, " `%s` for the group |", name);
        break;
    case ACCESS_OPERATIONS:
        fprintf(out, " `%s`, or this machine |", name);
        break;
    }
}

static void page_routes(FILE *out)
{
    static const char *const bodies[] = {
        [BODY_EMPTY] = "none", [BODY_JSON] = "JSON", [BODY_JSON_OR_EMPTY] = "JSON or none",
        [BODY_STREAM] = "bytes"};
    fputs("# HTTP routes\n\n", out);
    fputs(generated, out);
    fputs("\nA path that fits no row is answered 404, a method that a path does not take 405 with\n"
          "`Allow`. GET answers HEAD, too. \"This machine\" is a client on the server's own\n"
          "machine without a token, where `auth_anonymous` allows it. Limited routes count\n"
          "against the caller's requests a second.\n\n"
          "| method | path | who | body | limited | what it does |\n"
          "| --- | --- | --- | --- | --- | --- |\n", out);
    for (unsigned r = 0; r < ROUTE_COUNT; r++) {
        const struct route_row *row = route_row((enum route)r);
        fprintf(out, "| %s%s | `%s` |", route_method_name(row->method),
                row->method == ROUTE_WS ? " (WebSocket)" : "", row->pattern);
        write_access(out, row->access);
        fprintf(out, " %s | %s |", bodies[row->body], row->limit == LIMIT_FREE ? "no" : "yes");
        cell(out, row->text);
        fputs("\n", out);
    }
}

/* The peers of a row, by wire. */
static void write_peers(FILE *out, uint32_t peers)
{
    const char *comma = "";
    fputs(" ", out);
    for (unsigned p = 0; p < PEER_COUNT; p++) {
        if ((peers & 1u << p) != 0) {
            fprintf(out, "%s", comma);
            for (const char *c = peer_row((enum event_peer)p)->name; *c != '\0'; c++) {
                fputc(tolower((unsigned char)*c), out);
            }
            comma = ", ";
        }
    }
    fputs(" |", out);
}

static void write_out(FILE *out, const struct event_out_row *row)
{
    fprintf(out, "| `%s` |", row->name);
    write_peers(out, row->to);
    cell(out, event_class_name(row->class));
    code_cell(out, row->answer == ANSWER_none ? "" : answer_row(row->answer)->name);
    cell(out, row->text);
    fputs("\n", out);
}

static void write_in(FILE *out, const struct event_in_row *row)
{
    static const char *const scopes[] = {
        [EVENT_SCOPE_ALL] = "", [EVENT_SCOPE_OWN] = " for its device",
        [EVENT_SCOPE_SOME] = " in any scope", [EVENT_SCOPE_deviceId] = " for `deviceId`"};
    fprintf(out, "| `%s` |", row->name);
    write_peers(out, row->from);
    if (row->most > 0) {
        fprintf(out, " `%s`, or 1 to %u in an array |", schema_row(row->schema)->name,
                (unsigned)row->most);
    } else {
        code_cell(out, row->schema == SCHEMA_none ? "" : schema_row(row->schema)->name);
    }
    code_cell(out, row->acked == ANSWER_none ? "" : answer_row(row->acked)->name);
    if (row->permission == PERM_ANYBODY) {
        fputs(" who has the socket |", out);
    } else {
        fprintf(out, " `%s`%s |", permission_name(row->permission), scopes[row->scope]);
    }
    static const char *const limits[] = {[EVENT_LIMIT_CONNECTION] = "yes",
                                         [EVENT_LIMIT_FREE] = "no",
                                         [EVENT_LIMIT_TELEMETRY] = "by itself",
                                         [EVENT_LIMIT_CHAT] = "of chat",
                                         [EVENT_LIMIT_CHAT_MESSAGE] = "chat messages",
                                         [EVENT_LIMIT_CHAT_TYPING] = "chat typing",
                                         [EVENT_LIMIT_CHAT_STOP] = "chat typing",
                                         [EVENT_LIMIT_CHAT_JOIN] = "chat joins"};
    fprintf(out, " %s | %u KiB |", limits[row->limit], (unsigned)(row->bytes_max / 1024));
    cell(out, row->text);
    fputs("\n", out);
}

static void write_bounds(FILE *out, const struct member_row *m)
{
    static const char *const units[] = {
        [MEMBER_TEXT] = " characters", [MEMBER_NAME] = " characters", [MEMBER_LIST] = " elements",
        [MEMBER_TEXTS] = " texts",     [MEMBER_ARRAY] = " elements",  [MEMBER_OBJECT] = " bytes",
        [MEMBER_ANY] = " bytes"};
    const char *unit = m->type <= MEMBER_ANY && units[m->type] != NULL ? units[m->type] : "";
    if (m->choices != NULL) {
        fputs(" ", out);
        for (unsigned i = 0; m->choices[i] != NULL; i++) {
            fprintf(out, "%s`%s`", i > 0 ? ", " : "", m->choices[i]);
        }
        fputs(" |", out);
    } else if (m->min != 0 || m->max != 0) {
        fprintf(out, " %.17g to %.17g%s |", m->min, m->max, unit);
    } else {
        fputs(" |", out);
    }
}

static void write_schema(FILE *out, const struct schema_row *row)
{
    static const char *const types[] = {
        [MEMBER_TEXT] = "text",     [MEMBER_NAME] = "text on one line",
        [MEMBER_ENUM] = "one of",   [MEMBER_UUID] = "UUID",
        [MEMBER_INT] = "integer",   [MEMBER_REAL] = "number",
        [MEMBER_BOOL] = "boolean",  [MEMBER_TIME] = "RFC 3339, or epoch ms",
        [MEMBER_STRUCT] = "object", [MEMBER_LIST] = "array of",
        [MEMBER_TEXTS] = "array of texts", [MEMBER_ARRAY] = "array",
        [MEMBER_OBJECT] = "any object",    [MEMBER_ANY] = "anything"};
    for (size_t i = 0; i < row->count; i++) {
        const struct member_row *m = &row->members[i];
        fprintf(out, "| %s%s%s | `%s` | %s", i == 0 ? "`" : "", i == 0 ? row->name : "",
                i == 0 ? "`" : "", m->name, types[m->type]);
        if (m->ref != NULL) {
            fprintf(out, " `%s`", m->ref->name);
        }
        fputs((m->flags & MEMBER_REQUIRED) != 0 ? " | yes |" : " | |", out);
        write_bounds(out, m);
        fputs("\n", out);
    }
}

static void page_events(FILE *out)
{
    fputs("# Events of the wires\n\n", out);
    fputs(generated, out);
    fputs("\nA message that asks for an acknowledgement is answered by it, `{ok:true,...}` or\n"
          "`{ok:false,error}`; without one a refusal is the event `error`.\n\n## Who speaks\n\n"
          "| peer | wire | messages a second | at once | who it is |\n"
          "| --- | --- | --- | --- | --- |\n", out);
    for (unsigned p = 0; p < PEER_COUNT; p++) {
        const struct peer_row *row = peer_row((enum event_peer)p);
        fputs("|", out);
        write_peers(out, 1u << p);
        fprintf(out, " %s | %u | %u |", row->wire, (unsigned)row->per_second, (unsigned)row->burst);
        cell(out, row->text);
        fputs("\n", out);
    }
    fputs("\n## What peers say\n\n"
          "Limited events count against the connection's messages a second; telemetry has one\n"
          "by itself (`telemetry_per_s`). A payload over its size is refused and the connection\n"
          "goes on; one object where there may be an array is at most 64 KiB.\n\n"
          "| event | from | payload | ack | who may | limited | at most | what it does |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- |\n", out);
    for (unsigned e = 0; e < IN_COUNT; e++) {
        write_in(out, event_in_row((enum event_in)e));
    }
    fputs("\n## What the server says\n\n"
          "Ordered events are kept in the log, carry their position and are replayed to clients\n"
          "that resume. State may be merged for a slow reader, ephemeral messages dropped.\n\n"
          "| event | to | class | payload | what it says |\n"
          "| --- | --- | --- | --- | --- |\n", out);
    for (unsigned e = 0; e < EVENT_COUNT; e++) {
        if (event_spoken((enum event)e) == (enum event)e) {
            write_out(out, event_row((enum event)e));
        }
    }
    for (unsigned e = 0; e < OUT_COUNT; e++) {
        write_out(out, event_out_row((enum event_out)e));
    }
    fputs("\n## Payloads of what peers say, and bodies of requests\n\n"
          "Members that are not listed are ignored; `null` is as good as absent.\n\n"
          "| payload | member | type | required | bounds |\n"
          "| --- | --- | --- | --- | --- |\n", out);
    for (unsigned i = 0; i < SCHEMA_COUNT; i++) {
        write_schema(out, schema_row((enum schema)i));
    }
}

static void page_metrics(FILE *out)
{
    fputs("# Metrics\n\n", out);
    fputs(generated, out);
    fputs("\n`GET /metrics` answers in the Prometheus text format 0.0.4, summed over all loops.\n"
          "A counter without a sample has not happened yet.\n\n"
          "| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n", out);
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        const struct metric_row *row = metric_row((enum metric)m);
        fputs("|", out);
        code_cell(out, row->name);
        cell(out, row->type);
        code_cell(out, row->labels);
        cell(out, row->help);
        fputs("\n", out);
    }
}

static const struct {
    const char *file;
    void (*write)(FILE *out);
} pages[] = {
    {"CONFIG.md", page_config},
    {"ERRORS.md", page_errors},
    {"EVENTS.md", page_events},
    {"METRICS.md", page_metrics},
    {"PERMISSIONS.md", page_permissions},
    {"ROUTES.md", page_routes},
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
