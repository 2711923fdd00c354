/* Commands that need no store. */
#include "adapters/clock_system/clock_system.h"
#include "app/certificates.h"
#include "app/commands.h"
#include "app/descriptors.h"
#include "app/server.h"
#include "base/mem.h"
#include "codec/json/scan.h"

#include <stdio.h>
#include <unistd.h>

#define JSON_CHECK_BYTES_MAX (256u << 20) /* standard input; more is refused */

int command_serve(const struct options *o, struct settings *s)
{
    (void)o;
    return server_main(s);
}

int command_check_config(const struct options *o, struct settings *s)
{
    (void)o; /* what is wrong with the settings themselves was said before */
    struct clock *clock = clock_system();
    struct tls_server *tls;
    buf out = {0};
    buf why = {0};
    bool ok = certificates_load(&s->config, clock, NULL, &tls, &why);
    settings_print(s, &out);
    struct descriptors d;
    descriptors_raise_limit(); /* as serve does */
    descriptors_plan(&s->config, &d);
    buf_append_str(&out, "# ");
    descriptors_print(&d, &s->config, &out);
    buf_append_byte(&out, '\n');
    certificates_print(tls, clock_wall_ms(clock), &out);
    fwrite(out.ptr, 1, out.len, stdout);
    if (!ok) {
        fprintf(stderr, "signalbox: %.*s\n", SPAN_FMT(buf_span(&why)));
    }
    tls_server_unref(tls);
    buf_deinit(&out);
    buf_deinit(&why);
    return ok ? EXIT_OK : EXIT_USAGE;
}

int command_json_check(const struct options *o, struct settings *s)
{
    (void)o;
    (void)s;
    buf text = {0};
    ssize_t got = 1;
    while (got > 0 && text.len <= JSON_CHECK_BYTES_MAX) {
        got = read(STDIN_FILENO, buf_reserve(&text, 65536), 65536);
        text.len += got > 0 ? (size_t)got : 0;
    }
    size_t at = 0;
    bool too_long = text.len > JSON_CHECK_BYTES_MAX;
    int rc = too_long ? 0 : json_check(buf_span(&text), JSON_DEPTH_MAX, 0, &at);
    if (too_long) {
        fprintf(stderr, "signalbox: the text is longer than %u bytes\n", JSON_CHECK_BYTES_MAX);
    } else if (rc < 0) {
        fprintf(stderr, "signalbox: %s at byte %zu\n", json_error_name(rc), at);
    }
    buf_deinit(&text);
    return rc == 0 && got == 0 && !too_long ? EXIT_OK : EXIT_FAILED;
}

int command_version(const struct options *o, struct settings *s)
{
    (void)o;
    (void)s;
    puts("signalbox " SIGNALBOX_VERSION);
    return EXIT_OK;
}

static void print_wrapped(const char *text)
{
    fputs("      ", stdout);
    puts(text);
}

/* The name as it is typed: as a flag, or as a variable of the environment. */
static void print_key(const struct config_row *r)
{
    bool secret = (r->flags & CONFIG_SECRET) != 0;
    fputs(secret ? "  SIGNALBOX_" : "  --", stdout);
    for (const char *c = r->name; *c != '\0'; c++) {
        bool letter = *c >= 'a' && *c <= 'z';
        putchar(secret && letter ? *c - 'a' + 'A' : !secret && *c == '_' ? '-' : *c);
    }
    if (secret) {
        puts(" (environment or file only; _FILE names a file)");
    } else {
        printf(" (%s)\n", r->fallback);
    }
}

static void print_command(const struct command *c)
{
    printf("  %s%s%s\n", c->name, c->usage[0] == '\0' ? "" : " ", c->usage);
    print_wrapped(c->text);
    for (const struct option_row *r = c->options; r->name != NULL; r++) {
        printf("        --%s%s%s  %s\n", r->name, r->what == NULL ? "" : " ",
               r->what == NULL ? "" : r->what, r->text);
    }
}

int command_describe(const struct command *c)
{
    print_command(c);
    puts("\nEvery setting is a flag, too: signalbox help");
    return EXIT_OK;
}

int command_help(const struct options *o, struct settings *s)
{
    (void)s;
    const struct command *asked = o->word_count == 0 ? NULL : command_find(o->words[0]);
    if (asked != NULL) {
        return command_describe(asked);
    }
    puts("signalbox: the realtime server for devices, homes, chat and live host metrics\n");
    puts("  signalbox COMMAND [options]\n\nCommands:");
    for (const struct command *c = commands; c->name != NULL; c++) {
        print_command(c);
    }
    puts("\nEvery setting is a key of ./signalbox.conf (or of the file named by --config), a\n"
         "variable SIGNALBOX_<KEY> and a flag; flag beats environment beats file.\n\nSettings:");
    for (unsigned k = 0; k < CONFIG_KEY_COUNT; k++) {
        const struct config_row *r = config_row((enum config_key)k);
        print_key(r);
        print_wrapped(r->text);
    }
    return EXIT_OK;
}
