#include "app/main.h"

#include "app/admin.h"
#include "app/client.h"
#include "app/commands.h"
#include "app/standalone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes `--config FILE` out of the words, wherever it stands. */
static const char *take_config(int *argc, char **argv)
{
    const char *path = getenv("SIGNALBOX_CONFIG");
    for (int i = 1; i < *argc; i++) {
        int width = strcmp(argv[i], "--config") == 0 && i + 1 < *argc ? 2 : 0;
        if (strncmp(argv[i], "--config=", 9) == 0) {
            width = 1;
        }
        if (width > 0) {
            path = width == 2 ? argv[i + 1] : argv[i] + 9;
            memmove(argv + i, argv + i + width, (size_t)(*argc - i - width + 1) * sizeof *argv);
            *argc -= width;
            i--;
        }
    }
    return path;
}

static int refuse(struct settings *s, buf *why)
{
    fprintf(stderr, "signalbox: %.*s\n", SPAN_FMT(buf_span(why)));
    buf_deinit(why);
    settings_deinit(s);
    return EXIT_USAGE;
}

static int argc_of(char **words)
{
    int n = 0;
    while (words[n] != NULL) {
        n++;
    }
    return n;
}

/* By the server that runs, else here. argv[0] is the command's name. */
static int run_store_command(struct settings *s, const struct command *command, int argc,
                             char **argv)
{
    const char *dir = config_str(&s->config, CONFIG_data_dir);
    struct arena arena = {0};
    buf why = {0};
    char **words = ARENA_ARRAY(&arena, char *, (size_t)argc + 1);
    int status = EXIT_USAGE;
    if (client_words(command, argc, argv, words, &arena, &why)) {
        status = admin_forward(dir, argc_of(words), words, command->slow ? -1 : ADMIN_TIMEOUT_MS);
        if (status < 0) {
            status = standalone_run(s, argc_of(words), words);
        }
    } else {
        fprintf(stderr, "signalbox: %.*s\n", SPAN_FMT(buf_span(&why)));
    }
    buf_deinit(&why);
    arena_reset(&arena);
    return status;
}

/* Wherever it stands: nobody types it as a value. */
static bool wants_help(int argc, char **argv)
{
    bool wanted = false;
    for (int i = 2; i < argc; i++) {
        wanted = wanted || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    }
    return wanted;
}

int app_main(int argc, char **argv, char **env)
{
    const char *config = take_config(&argc, argv);
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "--help") == 0) {
        name += 2;
    }
    const struct command *command = command_find(name);
    struct settings settings;
    struct options options;
    buf why = {0};
    settings_init(&settings);
    if (command == NULL) {
        buf_printf(&why, "unknown command \"%.40s\"; try: signalbox help", name);
        return refuse(&settings, &why);
    }
    if (wants_help(argc, argv)) {
        settings_deinit(&settings);
        return command_describe(command);
    }
    if (!settings_load(&settings, config, env, &why) ||
        !options_parse(&options, &settings, command->options, argc, argv, 2, &why) ||
        !settings_check(&settings, &why)) {
        return refuse(&settings, &why);
    }
    settings.origin = (struct settings_origin){config, env, argc, argv};
    int status;
    if (command->local != NULL) {
        status = command->local(&options, &settings);
    } else {
        status = run_store_command(&settings, command, argc - 1, argv + 1);
    }
    settings_deinit(&settings);
    return status;
}
