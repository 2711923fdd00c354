/*
 * signalbox token: an access token for tests, scripts and outside suites. Whoever may run it may
 * already read the database, so it also makes the user it names.
 */
#include "app/commands.h"
#include "domain/identity_ops.h"

#include <string.h>

const struct option_row token_options[] = {
    {"sub", "ID", "a principal's UUID, or a user's name"},
    {"kind", "KIND", "user (default), service or device; a device must exist"},
    {"role", "ROLE", "a role that the user gets for good; may be repeated"},
    {"ttl", "TIME", "90s, 15m, 1h, 30d; default: token_access_s"},
    {NULL, NULL, NULL},
};

bool command_roles(struct command_call *call, enum role *out, unsigned *count)
{
    *count = options_count(&call->options, "role");
    if (*count > ROLE_COUNT) {
        command_end(call, EXIT_USAGE, "too many roles");
        return false;
    }
    for (unsigned i = 0; i < *count; i++) {
        if (!role_parse(options_nth(&call->options, "role", i), &out[i])) {
            command_end(call, EXIT_USAGE,
                        "--role is one of admin, operator, viewer, device, employee, supervisor,"
                        " guest, robot");
            return false;
        }
    }
    return true;
}

void command_fail(struct command_call *call, err e) { command_end(call, EXIT_FAILED, err_text(e)); }

static void issued(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        command_fail(call, r->error == ERR_NOT_FOUND ? ERR_NOT_FOUND : r->error);
        return;
    }
    buf_append_span(&call->out, r->access_token);
    buf_append_byte(&call->out, '\n');
    command_end(call, EXIT_OK, NULL);
}

/* Binds one role after the other, then issues. */
static void bind_next(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    enum role roles[ROLE_COUNT];
    unsigned count;
    if (r != NULL && r->error != ERR_NONE) {
        command_fail(call, r->error);
        return;
    }
    if (!command_roles(call, roles, &count)) {
        return;
    }
    if (call->step < count) {
        enum role role = roles[call->step++];
        identity_bind(call->home, call->subject, role, SCOPE_ALL, bind_next, call);
        return;
    }
    const char *ttl = options_get(&call->options, "ttl");
    int64_t seconds = ttl == NULL ? 0 : options_duration_s(ttl);
    if (seconds < 0 || (ttl != NULL && seconds == 0)) {
        command_end(call, EXIT_USAGE, "--ttl is a time such as 90s, 15m, 1h or 30d");
        return;
    }
    identity_issue(call->home, call->subject, seconds, issued, call);
}

static void user_made(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        command_fail(call, r->error);
        return;
    }
    call->subject = r->principal;
    bind_next(call, NULL);
}

static void user_found(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error == ERR_NOT_FOUND) {
        identity_user_add(call->home, span_str(options_get(&call->options, "sub")), SPAN_NONE, NULL,
                          0, user_made, call);
    } else if (r->error != ERR_NONE) {
        command_fail(call, r->error);
    } else {
        call->subject = r->users[0].principal;
        bind_next(call, NULL);
    }
}

static void principal_made(struct store_req *req)
{
    struct command_call *call = req->owner;
    err e = req->error;
    store_req_free(req);
    if (e != ERR_NONE) {
        command_fail(call, e);
    } else {
        identity_changed(call->home, call->subject);
        bind_next(call, NULL);
    }
}

/* A principal by id is made as it is asked for; one that exists stays. */
static void make_principal(struct command_call *call, const char *kind)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(call->subject, id);
    struct store_req *req = store_req_new(call->home->index, 1, principal_made, call);
    store_step_init(req, 0, QUERY_PRINCIPAL_INSERT_NEW, 1);
    const char *texts[] = {id, "", id, kind, id, "active"};
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        store_set_text(req, 0, 0, i, span_str(texts[i]));
    }
    store_set_int(req, 0, 0, 6, clock_wall_ms(call->home->clock));
    call->home->store->submit(call->home->store, req);
}

void command_token(struct command_call *call)
{
    const char *sub = options_get(&call->options, "sub");
    if (sub != NULL) {
        command_audit(call, "token.issue", "principal", sub);
    }
    const char *kind = options_get(&call->options, "kind");
    kind = kind == NULL ? "user" : kind;
    if (sub == NULL || call->options.word_count > 0) {
        command_end(call, EXIT_USAGE, "token needs --sub ID");
    } else if (strcmp(kind, "user") != 0 && strcmp(kind, "device") != 0 &&
               strcmp(kind, "service") != 0) {
        command_end(call, EXIT_USAGE, "--kind is user, service or device");
    } else if (!uuid_parse(span_str(sub), &call->subject)) {
        identity_user_get(call->home, span_str(sub), user_found, call);
    } else if (strcmp(kind, "device") == 0) {
        bind_next(call, NULL);
    } else {
        make_principal(call, kind);
    }
}
