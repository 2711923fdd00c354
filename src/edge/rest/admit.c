/*
 * Who asks, and whether they may: the first credential found decides; without one the anonymous
 * rule does (CONTRACT 2). What a cookie proves is worth only as much as the page that sent it, so
 * unsafe methods need a same-origin page besides.
 */
#include "edge/rest/internal.h"

#include "loop/addr.h"

/* A listener that is not loopback could have taken a connection to this local address. */
static bool listener_is_loopback(const struct edge_conf *conf, const struct sockaddr_storage *local)
{
    if (!addr_is_loopback(local)) {
        return false;
    }
    for (unsigned i = 0; i < conf->listener_count; i++) {
        const struct sockaddr_storage *l = &conf->listeners[i];
        if (addr_port(l) == addr_port(local) && !addr_is_loopback(l)) {
            return false;
        }
    }
    return true;
}

static struct grant *anonymous_grant(struct rest_call *c)
{
    const struct edge *e = c->edge;
    struct sockaddr_storage local;
    /* To be on this machine is a credential that any page has: "*" does not extend to it. */
    if (c->origin == ORIGIN_ANY || !e->conf->anonymous_loopback ||
        !conn_local(c->x->conn, &local) ||
        !anonymous_admitted(c->x->req, listener_is_loopback(e->conf, &local),
                            conn_peer_loopback(c->x->conn))) {
        return NULL;
    }
    return auth_anonymous(e->home);
}

static void refuse(struct rest_call *c, err e, const char *reason)
{
    char text[ADDR_TEXT_MAX] = "";
    struct sockaddr_storage peer;
    if (conn_peer(c->x->conn, &peer)) {
        addr_format_host(&peer, text);
    }
    stats_name(&c->edge->stats.auth_failures, reason);
    LOG(loop_log(c->edge->loop), LOG_INFO, "auth.fail", LOG_U64("conn", conn_slot(c->x->conn)),
        LOG_STR("req", c->request_id), LOG_STR("reason", reason), LOG_STR("peer", text),
        LOG_STR("route", c->route->name));
    if (c->credential_from == CREDENTIAL_COOKIE && e == ERR_AUTHENTICATION_FAILED) {
        rest_header(c, "Set-Cookie",
                    c->secure
                        ? SPAN(ACCESS_COOKIE
                               "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure")
                        : SPAN(ACCESS_COOKIE "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"));
    }
    rest_error(c, e, NULL);
}

struct admission {
    struct auth auth;
    struct rest_call *call;
    void (*admitted)(struct rest_call *c);
};

static bool method_is_safe(enum http1_method m)
{
    return m == HTTP1_GET || m == HTTP1_HEAD || m == HTTP1_OPTIONS;
}

/* The cookie rule; Sec-Fetch-Site is the browser's own word (Fetch Metadata). */
bool rest_cookie_counts(const struct rest_call *c)
{
    const struct http1_request *req = c->x->req;
    if (c->credential_from != CREDENTIAL_COOKIE || c->origin == ORIGIN_SAME) {
        return true;
    }
    return c->origin != ORIGIN_ANY &&
           (method_is_safe(req->method) ||
            span_eq(http1_field(req, "Sec-Fetch-Site"), SPAN("same-origin")));
}

static void auth_done(struct auth *a)
{
    struct admission *adm = CONTAINER_OF(a, struct admission, auth);
    struct rest_call *c = adm->call;
    c->grant = a->grant; /* freed with the call if the peer has gone */
    c = rest_resume(c);
    if (c == NULL) {
        return;
    }
    if (a->error != ERR_NONE) {
        refuse(c, a->error, a->reason != NULL ? a->reason : "other");
    } else if (!rest_cookie_counts(c)) {
        refuse(c, ERR_ORIGIN_REFUSED, "cookie_cross_origin");
    } else {
        adm->admitted(c);
    }
}

void authenticate(struct rest_call *c, void (*admitted)(struct rest_call *c))
{
    if (credential_find(c->x->req, &c->arena, &c->credential_from, &c->credential) != ERR_NONE) {
        rest_error(c, ERR_INVALID_REQUEST, "credentials may stand once");
        return;
    }
    c->bearer_subprotocol = c->credential_from == CREDENTIAL_SUBPROTOCOL;
    if (c->route->access.kind == ACCESS_PUBLIC) {
        admitted(c); /* its handler may look at the credential */
        return;
    }
    if (c->credential_from == CREDENTIAL_NONE) {
        c->grant = anonymous_grant(c);
        if (c->grant == NULL) {
            refuse(c, ERR_UNAUTHENTICATED, "missing");
        } else {
            admitted(c);
        }
        return;
    }
    struct admission *adm = ARENA_NEW(&c->arena, struct admission);
    *adm = (struct admission){.auth = {.credential = c->credential,
                                       .is_session = c->credential_from == CREDENTIAL_COOKIE,
                                       .done = auth_done},
                              .call = c,
                              .admitted = admitted};
    rest_later(c);
    auth_start(c->edge->home, &adm->auth);
}

bool rest_can(const struct rest_call *c, enum permission p, struct scope s)
{
    return c->grant != NULL && can(c->grant, p, s);
}

err permission_check(const struct rest_call *c)
{
    struct route_access a = c->route->access;
    const struct grant *g = c->grant;
    if (a.kind == ACCESS_PUBLIC) {
        return ERR_NONE;
    }
    bool anonymous = g->kind == PRINCIPAL_ANONYMOUS;
    bool may = false;
    switch (a.kind) {
    case ACCESS_PUBLIC:
        break;
    case ACCESS_SIGNED_IN:
        may = !anonymous && g->kind != PRINCIPAL_PROVISIONER;
        break;
    case ACCESS_MAY:
        may = can(g, a.permission, SCOPE_ALL);
        break;
    case ACCESS_SOME:
        may = can_somewhere(g, a.permission);
        break;
    case ACCESS_DEVICE:
        may = can(g, a.permission, scope_device(c->uuids[0]));
        break;
    case ACCESS_GROUP:
        may = can(g, a.permission, scope_group(c->uuids[0]));
        break;
    case ACCESS_OPERATIONS:
        may = anonymous || can(g, a.permission, SCOPE_ALL);
        break;
    }
    /* The anonymous client gets the wires and operations, nothing of REST (CONTRACT 2). */
    if (anonymous && (!may || (c->route->method != ROUTE_WS && a.kind != ACCESS_OPERATIONS))) {
        return ERR_UNAUTHENTICATED;
    }
    if (may) {
        return ERR_NONE;
    }
    /* What one may not read is not there (CONTRACT 3), but a socket is refused openly (6). */
    if (a.kind == ACCESS_DEVICE && c->route->method != ROUTE_WS &&
        !can(g, PERM_DEVICE_READ, scope_device(c->uuids[0]))) {
        return ERR_DEVICE_NOT_FOUND;
    }
    if (a.kind == ACCESS_GROUP && !can(g, PERM_GROUP_READ, scope_group(c->uuids[0]))) {
        return ERR_NOT_FOUND;
    }
    return ERR_PERMISSION_DENIED;
}
