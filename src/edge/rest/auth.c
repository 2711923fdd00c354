/*
 * Signing in and out. The routes are public: what they take is itself the proof. Limits per
 * address and account are kept by domain/identity.
 */
#include "base/timefmt.h"
#include "edge/rest/handlers.h"
#include "domain/identity_ops.h"
#include "loop/addr.h"

#include <stdio.h>

/* --- shared --- */

static void member_time(struct json_writer *w, const char *name, int64_t ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static span peer_text(const struct rest_call *c, char text[ADDR_TEXT_MAX])
{
    struct sockaddr_storage peer;
    if (c->edge->conf->conformance || !conn_peer(c->x->conn, &peer)) {
        return SPAN_NONE;
    }
    addr_format_host(&peer, text);
    return span_str(text);
}

/* A refusal of the domain as an answer. Who shows what is wrong learns no more than that. */
static void answer_refusal(struct rest_call *c, const struct identity_result *r)
{
    if (r->error == ERR_AUTHENTICATION_FAILED) {
        const char *reason = r->reason != NULL ? r->reason : "other";
        stats_name(&c->edge->stats.auth_failures, reason);
        LOG(loop_log(c->edge->loop), LOG_INFO, "auth.fail",
            LOG_U64("conn", conn_slot(c->x->conn)), LOG_STR("req", c->request_id),
            LOG_STR("reason", reason), LOG_STR("route", c->route->name));
    }
    if (r->error == ERR_RATE_LIMIT_EXCEEDED) {
        stats_name(&c->edge->stats.rate_limited, c->route->name);
        rest_retry_later(c, r->error, r->retry_after_ms);
    } else {
        rest_error(c, r->error, NULL);
    }
}

static void set_cookie(struct rest_call *c, span value, int64_t life_s)
{
    char text[512];
    int len = snprintf(text, sizeof text,
                       ACCESS_COOKIE "=%.*s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s",
                       SPAN_FMT(value), (long long)life_s,
                       c->secure ? "; Secure" : "");
    ASSERT(len > 0 && (size_t)len < sizeof text);
    rest_header(c, "Set-Cookie", span_of(text, (size_t)len));
}

/* --- the user of an answer --- */

/* What an answer says besides the user; kept in the call's arena over the store's read. */
struct signed_in {
    struct rest_call *call;
    struct auth auth;
    span access_token;
    int64_t access_expires_ms;
    span refresh_token;
    int64_t refresh_expires_ms;
    int64_t session_expires_ms;
    bool tokens;
    bool me;
};

static void write_roles(struct json_writer *w, const struct grant *g)
{
    json_member_open(w, "roles", '[');
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if ((g->global_roles & 1u << r) != 0) {
            json_write_string(w, span_str(role_name((enum role)r)));
        }
    }
    json_close(w, ']');
    enum permission held[PERM_COUNT];
    unsigned count = grant_permissions(g, held, PERM_COUNT);
    json_member_open(w, "permissions", '[');
    for (unsigned i = 0; i < count; i++) {
        json_write_string(w, span_str(permission_name(held[i])));
    }
    json_close(w, ']');
}

/* The roles of the room that the binding at `at` names; 0 when an earlier one names it too. */
static uint32_t room_roles(const struct grant *g, unsigned at)
{
    int64_t room = scope_room_of(g->bindings[at].scope);
    uint32_t roles = 0;
    for (unsigned i = 0; i < g->binding_count; i++) {
        const struct binding *b = &g->bindings[i];
        if (b->scope.kind == SCOPE_HOME_ROOM && scope_room_of(b->scope) == room) {
            if (i < at) {
                return 0;
            }
            roles |= 1u << b->role;
        }
    }
    return roles;
}

/* What roles bound to home rooms permit there, so that a client need not offer more. */
static void write_rooms(struct json_writer *w, const struct grant *g)
{
    json_member_open(w, "rooms", '[');
    for (unsigned i = 0; i < g->binding_count; i++) {
        struct scope s = g->bindings[i].scope;
        uint32_t roles = s.kind == SCOPE_HOME_ROOM ? room_roles(g, i) : 0;
        if (roles == 0) {
            continue;
        }
        json_open(w, '{');
        json_member_i64(w, "room_id", scope_room_of(s));
        json_member_open(w, "permissions", '[');
        for (unsigned p = 0; p < PERM_COUNT; p++) {
            span name = span_str(permission_name((enum permission)p));
            if (roles_may(roles, (enum permission)p) && span_starts(name, SPAN("home:"))) {
                json_write_string(w, name);
            }
        }
        json_close(w, ']');
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* The members of a user; `req` holds PRINCIPAL_GET and USER_GET. */
static void write_user(struct json_writer *w, const struct grant *g, const struct store_req *req)
{
    bool known = req->steps[0].row_count > 0;
    bool user = req->steps[1].row_count > 0;
    rest_member_uuid(w, "id", g->principal);
    json_member_string(w, "kind", span_str(principal_kind_name(g->kind)));
    if (user) {
        json_member_string(w, "username", store_text(store_cell(req, 1, 0, 1)));
    } else {
        json_member_null(w, "username");
    }
    json_member_string(w, "display_name",
                       known ? store_text(store_cell(req, 0, 0, 4)) : SPAN_NONE);
    write_roles(w, g);
    write_rooms(w, g);
}

static void write_tokens(struct json_writer *w, const struct signed_in *s)
{
    json_member_string(w, "access_token", s->access_token);
    json_member_string(w, "token_type", SPAN("Bearer"));
    member_time(w, "expires_at", s->access_expires_ms);
    json_member_string(w, "refresh_token", s->refresh_token);
    member_time(w, "refresh_expires_at", s->refresh_expires_ms);
}

static void answer_signed_in(const struct signed_in *s, const struct store_req *req)
{
    struct rest_call *c = s->call;
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    if (s->me) {
        write_user(&w, c->grant, req);
    } else {
        if (s->tokens) {
            write_tokens(&w, s);
        } else {
            member_time(&w, "expires_at", s->session_expires_ms);
        }
        json_member_open(&w, "user", '{');
        write_user(&w, c->grant, req);
        json_close(&w, '}');
    }
    json_close(&w, '}');
    rest_ok(c, buf_span(&c->data));
}

static void profile_loaded(struct store_req *req)
{
    struct signed_in *s = req->owner;
    if (rest_resume(s->call) != NULL) {
        if (req->error != ERR_NONE) {
            rest_error(s->call, req->error, NULL);
        } else {
            answer_signed_in(s, req);
        }
    }
    store_req_free(req);
}

/* Reads the names of the grant's principal, then answers. */
static void load_profile(struct signed_in *s)
{
    struct rest_call *c = s->call;
    const struct home *h = c->edge->home;
    char id[UUID_TEXT_LEN + 1];
    uuid_format(c->grant->principal, id);
    struct store_req *req = store_req_new(h->index, 2, profile_loaded, s);
    store_step_init(req, 0, QUERY_PRINCIPAL_GET, 1);
    store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
    store_step_init(req, 1, QUERY_USER_GET, 1);
    store_set_text(req, 1, 0, 0, span_of(id, UUID_TEXT_LEN));
    rest_later(c);
    h->store->submit(h->store, req);
}

void rest_auth_me(struct rest_call *c)
{
    struct signed_in *s = ARENA_NEW(&c->arena, struct signed_in);
    s->call = c;
    s->me = true;
    load_profile(s);
}

/* The fresh credential is looked at like any other: that gives the roles. */
static void granted(struct auth *a)
{
    struct signed_in *s = a->owner;
    s->call->grant = a->grant;
    if (rest_resume(s->call) == NULL) {
        return;
    }
    if (a->error != ERR_NONE) {
        rest_error(s->call, a->error, NULL);
    } else {
        load_profile(s);
    }
}

/* Goes on from an answer of the domain with tokens or a session in it. */
static void signed_in(struct rest_call *c, const struct identity_result *r)
{
    struct signed_in *s = ARENA_NEW(&c->arena, struct signed_in);
    *s = (struct signed_in){.call = c,
                            .access_token = arena_dup(&c->arena, r->access_token),
                            .access_expires_ms = r->access_expires_ms,
                            .refresh_token = arena_dup(&c->arena, r->refresh_token),
                            .refresh_expires_ms = r->refresh_expires_ms,
                            .session_expires_ms = r->session_expires_ms,
                            .tokens = r->access_token.len > 0};
    if (!s->tokens) {
        set_cookie(c, r->session,
                   (r->session_expires_ms - loop_wall_ms(c->edge->loop)) / 1000);
    }
    s->auth = (struct auth){.credential = s->tokens ? s->access_token : r->session,
                            .is_session = !s->tokens,
                            .done = granted,
                            .owner = s};
    rest_later(c);
    auth_start(c->edge->home, &s->auth);
}

static void signed_in_done(void *owner, const struct identity_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        answer_refusal(c, r);
    } else {
        LOG(loop_log(c->edge->loop), LOG_INFO, "auth.ok",
            LOG_U64("conn", conn_slot(c->x->conn)), LOG_STR("req", c->request_id),
            LOG_STR("route", c->route->name));
        signed_in(c, r);
    }
}

/* --- routes --- */

void rest_auth_login(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct rest_fault faults[2];
    unsigned count = 0;
    bool session = false;
    span value;
    struct login_args in = {.username = rest_text(c, "username"),
                            .password = rest_text(c, "password"),
                            .address = peer_text(c, address),
                            .user_agent = http1_field(c->x->req, "User-Agent")};
    if (json_get(c->json, "session", &value) && !json_bool(value, &session)) {
        faults[count++] = (struct rest_fault){"session", "must be true or false"};
        rest_invalid(c, NULL, faults, count);
        return;
    }
    if (in.username.len == 0) {
        faults[count++] = (struct rest_fault){"username", "must be a string that is not empty"};
    }
    if (in.password.len == 0) {
        faults[count++] = (struct rest_fault){"password", "must be a string that is not empty"};
    }
    if (count > 0) {
        rest_invalid(c, NULL, faults, count);
        return;
    }
    in.wants = session ? LOGIN_SESSION : LOGIN_TOKENS;
    rest_later(c);
    identity_login(c->edge->home, &in, signed_in_done, c);
}

void rest_auth_refresh(struct rest_call *c)
{
    span token = rest_text(c, "refresh_token");
    if (token.len == 0) {
        const struct rest_fault fault = {"refresh_token", "must be a string that is not empty"};
        rest_invalid(c, NULL, &fault, 1);
        return;
    }
    rest_later(c);
    identity_refresh(c->edge->home, token, signed_in_done, c);
}

/* --- out --- */

struct sign_out {
    struct rest_call *call;
    struct auth auth;
};

static void signed_out(void *owner, const struct identity_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        answer_refusal(c, r);
        return;
    }
    if (c->credential_from == CREDENTIAL_COOKIE) {
        set_cookie(c, SPAN_NONE, 0);
    }
    rest_ok(c, SPAN("{}"));
}

static void sign_out(struct rest_call *c)
{
    bool cookie = c->credential_from == CREDENTIAL_COOKIE;
    const struct logout_args in = {.grant = c->grant,
                                   .refresh_token = rest_text(c, "refresh_token"),
                                   .session = cookie ? c->credential : SPAN_NONE};
    rest_later(c);
    identity_logout(c->edge->home, &in, signed_out, c);
}

static void sign_out_known(struct auth *a)
{
    struct sign_out *s = a->owner;
    s->call->grant = a->grant; /* NULL when the token is worth nothing already */
    if (rest_resume(s->call) != NULL) {
        sign_out(s->call);
    }
}

void rest_auth_logout(struct rest_call *c)
{
    if (c->credential_from == CREDENTIAL_COOKIE && !rest_cookie_counts(c)) {
        rest_error(c, ERR_ORIGIN_REFUSED, NULL);
    } else if (c->credential_from == CREDENTIAL_NONE || c->credential_from == CREDENTIAL_COOKIE) {
        sign_out(c);
    } else {
        struct sign_out *s = ARENA_NEW(&c->arena, struct sign_out);
        *s = (struct sign_out){
            .call = c, .auth = {.credential = c->credential, .done = sign_out_known, .owner = s}};
        rest_later(c);
        auth_start(c->edge->home, &s->auth);
    }
}

/* --- devices --- */

static void device_token_made(void *owner, const struct identity_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        answer_refusal(c, r);
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    json_member_string(&w, "access_token", r->access_token);
    json_member_string(&w, "token_type", SPAN("Bearer"));
    rest_member_uuid(&w, "device_id", r->principal);
    member_time(&w, "expires_at", r->access_expires_ms);
    json_close(&w, '}');
    rest_ok(c, buf_span(&c->data));
}

void rest_auth_device(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    span key = c->credential_from == CREDENTIAL_BEARER ? c->credential : rest_text(c, "key");
    if (key.len == 0) {
        const struct rest_fault fault = {"key", "must be the device's key, here or as a bearer"};
        rest_invalid(c, NULL, &fault, 1);
        return;
    }
    rest_later(c);
    identity_device_token(c->edge->home, key, peer_text(c, address), device_token_made, c);
}
