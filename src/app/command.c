#include "app/command.h"

#include "app/commands.h"
#include "domain/audit.h"

#include <stdio.h>
#include <string.h>

static const struct option_row no_options[] = {{.name = NULL}};

const struct command commands[] = {
    {"serve", "", "serve in the foreground until SIGTERM", no_options, .local = command_serve},
    {"agent", "--server URL --key KEY", "report this machine to a server", agent_options,
     .local = command_agent},
    {"simulate", "--server URL --devices N --rate R [--batch B] [--keys FILE] [--duration T]",
     "devices that speak the real protocol to a server: a JSON line a second, the sums at the end",
     simulate_options, .local = command_simulate},
    {"check-config", "", "show every setting with its source, or say what is wrong", no_options,
     .local = command_check_config},
    {"token", "--sub ID [--kind user] [--role ROLE]... [--ttl 1h]",
     "print an access token; a user that does not exist is made, with those roles", token_options,
     .run = command_token},
    {"user", "add|list|passwd|enable|disable|grant|revoke [--name N] [--role R]... "
     "[--device ID|--group ID]",
     "manage the people who sign in", user_options, .run = command_user},
    {"device",
     "add|list|show|key|keys|revoke|enable|disable|delete [--name N] [--id UUID]",
     "manage devices and their keys", device_options, .run = command_device},
    {"backup", "FILE", "a copy of the store in a new file, also while the server runs", no_options,
     .run = command_backup, .paths = true, .needs_store = true, .slow = true},
    {"check-store", "[FILE]", "exit 0 if a copy (or data_dir's own store) is sound, else 1 and why",
     no_options, .local = command_check_store},
    {"repair-store", "FILE NEW",
     "a new store with what can be read of a damaged one; FILE is only read, and no server uses it",
     no_options, .local = command_repair_store},
    {"json-check", "", "exit 0 if standard input is one valid JSON text, else 1", no_options,
     .local = command_json_check},
    {"jwt-check", "--jwk FILE",
     "exit 0 if the token on standard input is accepted under the keys of FILE, else 1",
     jwt_check_options, .local = command_jwt_check},
    {"version", "", "print the version", no_options, .local = command_version},
    {"help", "[COMMAND]", "print this; the same as COMMAND --help", no_options,
     .local = command_help},
    {.name = NULL},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

void command_audit(struct command_call *call, const char *action, const char *kind,
                   const char *target)
{
    snprintf(call->audit_action, sizeof call->audit_action, "%s", action);
    snprintf(call->audit_target, sizeof call->audit_target, "%s", target);
    call->audit_kind = kind;
}

static void end(void *owner)
{
    struct command_call *call = owner;
    call->done(call);
}

static void note(struct command_call *call)
{
    const struct actor who = {.name = SPAN("command line")};
    audit_note(call->home,
               &(struct audit_entry){.who = &who,
                                     .action = call->audit_action,
                                     .target_kind = call->audit_kind,
                                     .target = span_str(call->audit_target),
                                     .failed = call->status != EXIT_OK},
               end, call);
}

void command_end(struct command_call *call, int status, const char *error)
{
    call->status = status;
    if (error != NULL) {
        buf_printf(&call->err, "signalbox: %s\n", error);
    }
    if (call->audit_action[0] != '\0') {
        note(call);
    } else {
        call->done(call);
    }
}

void command_call_free(struct command_call *call)
{
    settings_deinit(&call->settings);
    buf_deinit(&call->out);
    buf_deinit(&call->err);
}

bool command_prepare(struct command_call *call, int argc, char **argv, const struct command **out)
{
    settings_init(&call->settings);
    const struct command *c = command_find(argv[0]);
    buf why = {0};
    call->status = EXIT_USAGE;
    bool ok = c != NULL && c->run != NULL &&
              options_parse(&call->options, &call->settings, c->options, argc, argv, 1, &why);
    if (!ok) {
        buf_printf(&call->err, "signalbox %.40s: %.*s\n", argv[0], SPAN_FMT(buf_span(&why)));
    }
    buf_deinit(&why);
    *out = c;
    return ok;
}
