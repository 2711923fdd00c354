/* signalbox device: devices and their keys. */
#include "app/commands.h"
#include "base/timefmt.h"
#include "domain/device.h"
#include "domain/identity_ops.h"

#include <string.h>

#define LIST_PAGE 200
#define USAGE "device add|list|show|key|keys|revoke|enable|disable|delete"

const struct option_row device_options[] = {
    {"name", "NAME", "the device's name (add)", false},
    {"type", "TYPE", "its type (add); default host", false},
    {"id", "UUID", "which device", false},
    {"key-id", "UUID", "which key (revoke)", false},
    {.name = NULL},
};

static const struct actor command_line = {.name = {(const uint8_t *)"command line", 12}};

static void finished(void *owner, const struct device_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        command_fail(call, r->error);
        return;
    }
    command_end(call, EXIT_OK, NULL);
}

static void added(void *owner, const struct device_result *r)
{
    struct command_call *call = owner;
    if (r->error == ERR_NONE) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(r->id, id);
        buf_printf(&call->out, "id %s\nkey %.*s\n", id, SPAN_FMT(r->key));
    }
    finished(owner, r);
}

static void shown(void *owner, const struct device_result *r)
{
    struct command_call *call = owner;
    buf_append_span(&call->out, r->json);
    buf_append_byte(&call->out, '\n');
    finished(owner, r);
}

static void list_from(struct command_call *call, span after);

static void listed(void *owner, const struct device_result *r)
{
    struct command_call *call = owner;
    if (r->error == ERR_NONE && r->next.len > 0) {
        buf_append_span(&call->out, r->json);
        buf_append_byte(&call->out, '\n');
        list_from(call, r->next);
    } else {
        shown(owner, r);
    }
}

/* One JSON array a line and page. */
static void list_from(struct command_call *call, span after)
{
    struct device_filter all = {.status = -1, .connection = -1, .after = after, .limit = LIST_PAGE};
    device_list(call->home, &all, listed, call);
}

/* What was done is noted with it, in its transaction; what was refused is noted here. */
static void note_failed(struct command_call *call, const char *action)
{
    command_audit(call, action, "device", options_get(&call->options, "id"));
}

static void key_made(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        note_failed(call, "device.key.create");
        command_end(call, EXIT_FAILED,
                    r->error == ERR_CONFLICT ? "two keys are valid already; revoke one first"
                                             : err_text(r->error));
        return;
    }
    char id[UUID_TEXT_LEN + 1];
    uuid_format(r->credential, id);
    buf_printf(&call->out, "key-id %s\nkey %.*s\n", id, SPAN_FMT(r->secret));
    command_end(call, EXIT_OK, NULL);
}

static void keys_listed(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        command_fail(call, r->error);
        return;
    }
    for (unsigned i = 0; i < r->count; i++) {
        char id[UUID_TEXT_LEN + 1];
        char since[TIME_S_LEN + 1];
        uuid_format(r->keys[i].id, id);
        time_format_s(r->keys[i].created_ms, since);
        buf_printf(&call->out, "%s  %s  %s  %.*s\n", id, since,
                   r->keys[i].revoked_ms == 0 ? "valid  " : "revoked", SPAN_FMT(r->keys[i].name));
    }
    command_end(call, EXIT_OK, NULL);
}

static void revoked(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        note_failed(call, "device.key.revoke");
        command_fail(call, r->error);
    } else {
        command_end(call, EXIT_OK, NULL);
    }
}

static void add(struct command_call *call)
{
    const char *name = options_get(&call->options, "name");
    const char *type = options_get(&call->options, "type");
    if (name == NULL || name[0] == '\0' || strlen(name) > 100) {
        command_end(call, EXIT_USAGE, "device add needs --name of 1 to 100 bytes");
        return;
    }
    struct device_draft draft = {.name = span_str(name),
                                 .type = span_str(type == NULL ? "" : type),
                                 .status = DEVICE_ACTIVE};
    device_create(call->home, &draft, &command_line, added, call);
}

static void set_status(struct command_call *call, enum device_status status)
{
    struct device_change change = {.has_status = true, .status = status};
    device_patch(call->home, call->subject, &change, &command_line, finished, call);
}

static void of_one(struct command_call *call, const char *what)
{
    const char *key_id = options_get(&call->options, "key-id");
    uuid key;
    if (strcmp(what, "show") == 0) {
        device_get(call->home, call->subject, shown, call);
    } else if (strcmp(what, "key") == 0) {
        identity_key_make(call->home, call->subject, SPAN("command line"), &command_line, key_made,
                          call);
    } else if (strcmp(what, "keys") == 0) {
        identity_key_list(call->home, call->subject, keys_listed, call);
    } else if (strcmp(what, "revoke") == 0 && key_id != NULL &&
               uuid_parse(span_str(key_id), &key)) {
        identity_key_revoke(call->home, call->subject, key, &command_line, revoked, call);
    } else if (strcmp(what, "enable") == 0) {
        set_status(call, DEVICE_ACTIVE);
    } else if (strcmp(what, "disable") == 0) {
        set_status(call, DEVICE_DISABLED);
    } else if (strcmp(what, "delete") == 0) {
        device_delete(call->home, call->subject, &command_line, finished, call);
    } else {
        command_end(call, EXIT_USAGE, USAGE);
    }
}

void command_device(struct command_call *call)
{
    const char *what = call->options.word_count == 1 ? call->options.words[0] : "";
    const char *id = options_get(&call->options, "id");
    if (strcmp(what, "add") == 0) {
        add(call);
    } else if (strcmp(what, "list") == 0) {
        list_from(call, SPAN_NONE);
    } else if (id != NULL && uuid_parse(span_str(id), &call->subject)) {
        of_one(call, what);
    } else {
        command_end(call, EXIT_USAGE, USAGE " --id UUID");
    }
}
