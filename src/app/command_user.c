/* signalbox user: the people who sign in. */
#include "app/commands.h"
#include "base/timefmt.h"
#include "domain/identity_ops.h"

#include <stdio.h>
#include <string.h>

#define LIST_PAGE 200

const struct option_row user_options[] = {
    {"name", "NAME", "the user's name", false},
    {"role", "ROLE", "a role; may be repeated", false},
    {"device", "UUID", "grant, revoke: the role for that device only", false},
    {"group", "UUID", "grant, revoke: the role for the devices of that group only", false},
    {"room", "ID", "grant, revoke: the role for that room of the house only", false},
    {"password-file", "FILE", "the password is its text (-: standard input); else one is made",
     .file = true},
    {.name = NULL},
};

/* The text of --password-file; empty when none was given. */
static span password_of(const struct command_call *call)
{
    const char *text = options_get(&call->options, "password-file");
    return text == NULL ? SPAN_NONE : span_str(text);
}

static void finished(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        command_fail(call, r->error);
        return;
    }
    if (r->secret.len > 0) {
        buf_printf(&call->out, "password %.*s\n", SPAN_FMT(r->secret));
    }
    command_end(call, EXIT_OK, NULL);
}

static void added(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error == ERR_NONE) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(r->principal, id);
        buf_printf(&call->out, "id %s\n", id);
    }
    finished(owner, r);
}

static void add(struct command_call *call, span name)
{
    enum role roles[ROLE_COUNT];
    unsigned count;
    if (command_roles(call, roles, &count)) {
        identity_user_add(call->home, name, password_of(call), roles, count, added, call);
    }
}

static void listed(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        command_fail(call, r->error);
        return;
    }
    for (unsigned i = 0; i < r->count; i++) {
        char id[UUID_TEXT_LEN + 1];
        char since[TIME_S_LEN + 1];
        uuid_format(r->users[i].principal, id);
        time_format_s(r->users[i].created_ms, since);
        buf_printf(&call->out, "%s  %s  %s  %.*s  %.*s\n", id, since,
                   r->users[i].active ? "active  " : "disabled", SPAN_FMT(r->users[i].username),
                   SPAN_FMT(r->users[i].roles));
    }
    if (r->more && r->count > 0) {
        identity_user_list(call->home, r->users[r->count - 1].username, LIST_PAGE, listed, call);
    } else {
        command_end(call, EXIT_OK, NULL);
    }
}

static void set_password(struct command_call *call)
{
    if (password_of(call).len == 0) {
        command_end(call, EXIT_USAGE, "user passwd needs --password-file FILE");
    } else {
        identity_set_password(call->home, call->subject, password_of(call), finished, call);
    }
}

/* The scope that an option names; false, and the call ended, when its value is none. */
static bool read_scope(struct command_call *call, enum scope_kind kind, const char *id,
                       struct scope *out)
{
    uint64_t room;
    if (kind != SCOPE_HOME_ROOM) {
        out->kind = kind;
        if (!uuid_parse(span_str(id), &out->id)) {
            command_end(call, EXIT_USAGE, "that is no UUID");
            return false;
        }
    } else if (!span_u64(span_str(id), INT64_MAX, &room) || room == 0) {
        command_end(call, EXIT_USAGE, "that is no room's id, which is a whole number");
        return false;
    } else {
        *out = scope_room((int64_t)room);
    }
    return true;
}

/* What the roles are for: everything, or what one option names. */
static bool scope_of(struct command_call *call, struct scope *out)
{
    static const struct {
        const char *option;
        enum scope_kind kind;
    } rows[] = {{"device", SCOPE_DEVICE}, {"group", SCOPE_DEVICE_GROUP}, {"room", SCOPE_HOME_ROOM}};
    *out = SCOPE_ALL;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *id = options_get(&call->options, rows[i].option);
        if (id == NULL) {
            continue;
        }
        if (out->kind != SCOPE_GLOBAL) {
            command_end(call, EXIT_USAGE, "name only one of a device, a group and a room");
            return false;
        }
        if (!read_scope(call, rows[i].kind, id, out)) {
            return false;
        }
    }
    return true;
}

/* Grants or revokes one role after the other. */
static void next_role(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    enum role roles[ROLE_COUNT];
    unsigned count;
    struct scope scope;
    if (r != NULL && r->error == ERR_NOT_FOUND) {
        command_end(call, EXIT_FAILED, "no such group or room, or too many roles are bound to it");
    } else if (r != NULL && r->error != ERR_NONE) {
        command_fail(call, r->error);
    } else if (scope_of(call, &scope) && command_roles(call, roles, &count)) {
        if (call->step == count) {
            command_end(call, count == 0 ? EXIT_USAGE : EXIT_OK,
                        count == 0 ? "name a role with --role" : NULL);
        } else if (strcmp(call->options.words[0], "grant") == 0) {
            identity_bind(call->home, call->subject, roles[call->step++], scope, next_role,
                          call);
        } else {
            identity_unbind(call->home, call->subject, roles[call->step++], scope, next_role,
                            call);
        }
    }
}

static void found(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    const char *what = call->options.words[0];
    if (r->error != ERR_NONE) {
        command_end(call, EXIT_FAILED,
                    r->error == ERR_NOT_FOUND ? "no such user" : err_text(r->error));
        return;
    }
    call->subject = r->users[0].principal;
    if (strcmp(what, "passwd") == 0) {
        set_password(call);
    } else if (strcmp(what, "enable") == 0 || strcmp(what, "disable") == 0) {
        identity_set_active(call->home, call->subject, what[0] == 'e', finished, call);
    } else {
        next_role(call, NULL);
    }
}

void command_user(struct command_call *call)
{
    static const char *const whats[] = {"passwd", "enable", "disable", "grant", "revoke"};
    const char *what = call->options.word_count == 1 ? call->options.words[0] : "";
    const char *name = options_get(&call->options, "name");
    if (strcmp(what, "list") == 0) {
        identity_user_list(call->home, SPAN_NONE, LIST_PAGE, listed, call);
        return;
    }
    if (name == NULL) {
        command_end(call, EXIT_USAGE, "user add|list|passwd|enable|disable|grant|revoke --name N");
        return;
    }
    if (strcmp(what, "add") == 0) {
        command_audit(call, "user.add", "user", name);
        add(call, span_str(name));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(whats); i++) {
        if (strcmp(what, whats[i]) == 0) {
            char action[40];
            snprintf(action, sizeof action, "user.%s", what);
            command_audit(call, action, "user", name);
            identity_user_get(call->home, span_str(name), found, call);
            return;
        }
    }
    command_end(call, EXIT_USAGE, "user add|list|passwd|enable|disable|grant|revoke --name N");
}
