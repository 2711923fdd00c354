/*
 * signalbox token: an access token for tests, scripts and outside suites. Whoever may run it may
 * already read the database, so it also makes the user it names.
 */
#include "app/commands.h"
#include "codec/json/read.h"
#include "domain/chat_guest.h"
#include "domain/identity_ops.h"

#include <string.h>

const struct option_row token_options[] = {
    {"sub", "ID", "a principal's UUID, or a user's name, or what a new guest is called", false},
    {"kind", "KIND", "user (default), service, guest, or device or robot that exists", false},
    {"role", "ROLE", "a role that the user gets for good; may be repeated", false},
    {"room", "ID", "the chat room of a guest, who is invited to it", false},
    {"ttl", "TIME", "90s, 15m, 1h, 30d; default: token_access_s", false},
    {NULL, NULL, NULL, false},
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

#define BAD_TTL "--ttl is a time such as 90s, 15m, 1h or 30d"

/* 0: the configured one; -1: it cannot be read. */
static int64_t lifetime_s(struct command_call *call)
{
    const char *ttl = options_get(&call->options, "ttl");
    int64_t seconds = ttl == NULL ? 0 : options_duration_s(ttl);
    return seconds < 0 || (ttl != NULL && seconds == 0) ? -1 : seconds;
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
    int64_t seconds = lifetime_s(call);
    if (seconds < 0) {
        command_end(call, EXIT_USAGE, BAD_TTL);
        return;
    }
    identity_issue(call->home, call->subject, seconds, issued, call);
}

static void user_is(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error != ERR_NONE) {
        command_fail(call, r->error);
        return;
    }
    call->subject = r->users[0].principal;
    bind_next(call, NULL);
}

static void user_made(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error == ERR_CONFLICT) { /* another command made it first */
        identity_user_get(call->home, span_str(options_get(&call->options, "sub")), user_is, call);
    } else if (r->error != ERR_NONE) {
        command_fail(call, r->error);
    } else {
        call->subject = r->principal;
        bind_next(call, NULL);
    }
}

static void user_found(void *owner, const struct identity_result *r)
{
    struct command_call *call = owner;
    if (r->error == ERR_NOT_FOUND) {
        identity_user_add(call->home, span_str(options_get(&call->options, "sub")), SPAN_NONE, NULL,
                          0, user_made, call);
    } else {
        user_is(call, r);
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

static void guest_made(void *owner, const struct chat_result *r)
{
    struct command_call *call = owner;
    span token;
    if (r->error != ERR_NONE) {
        command_end(call, EXIT_FAILED, r->why != NULL ? r->why : err_text(r->error));
        return;
    }
    bool has = json_get(r->json, "token", &token);
    ASSERT(has); /* of letters, digits, -, _ and points */
    buf_append_span(&call->out, span_slice(token, 1, token.len - 2));
    buf_append_byte(&call->out, '\n');
    command_end(call, EXIT_OK, NULL);
}

/* Whoever may run this may do what a supervisor may. */
static void guest_token(struct command_call *call, const char *sub)
{
    const struct chat_who who = {
        .kind = PRINCIPAL_SERVICE, .type = CHAT_SUPERVISOR, .monitors = true};
    const char *room = options_get(&call->options, "room");
    int64_t seconds = lifetime_s(call);
    uuid id;
    if (room == NULL || !uuid_parse(span_str(room), &id) ||
        options_count(&call->options, "role") > 0) {
        command_end(call, EXIT_USAGE, "a guest needs --room UUID, and has no --role");
    } else if (seconds < 0) {
        command_end(call, EXIT_USAGE, BAD_TTL);
    } else if (uuid_parse(span_str(sub), &call->subject)) {
        identity_issue_guest(call->home, call->subject, id, seconds, issued, call);
    } else if (call->home->chat == NULL) {
        command_end(call, EXIT_FAILED, "a guest is made while the server runs");
    } else {
        chat_guest_make(call->home, id, span_slice(span_str(sub), 0, CHAT_GUEST_NAME_MAX),
                        seconds * 1000, &who, guest_made, call);
    }
}

static bool must_exist(const char *kind)
{
    return strcmp(kind, "device") == 0 || strcmp(kind, "robot") == 0;
}

static bool is_kind(const char *kind)
{
    return must_exist(kind) || strcmp(kind, "user") == 0 || strcmp(kind, "service") == 0 ||
           strcmp(kind, "guest") == 0;
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
    } else if (!is_kind(kind)) {
        command_end(call, EXIT_USAGE, "--kind is user, service, device, robot or guest");
    } else if (strcmp(kind, "guest") == 0) {
        guest_token(call, sub);
    } else if (!uuid_parse(span_str(sub), &call->subject)) {
        identity_user_get(call->home, span_str(sub), user_found, call);
    } else if (must_exist(kind)) {
        bind_next(call, NULL);
    } else {
        make_principal(call, kind);
    }
}
