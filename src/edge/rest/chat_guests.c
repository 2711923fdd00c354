/* Guests: made by the people of a room, or by whoever shows an invitation (CONTRACT 5). */
#include "domain/chat_guest.h"

#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

/* --- making --- */

static void created(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        c->cache = "no-store"; /* the token is shown once */
        rest_created(c, r->json, SPAN_NONE);
    }
}

void rest_chat_guest_create(struct rest_call *c)
{
    struct shape_chat_guest_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_chat_guest_create, &in)) {
        return;
    }
    struct chat_guest_draft draft = {.room = in.roomId,
                                     .name = in.name,
                                     .ttl_ms = in.ttl_s * 1000,
                                     .robot = in.robotId,
                                     .reason = in.has_reason ? in.reason : SPAN_NONE};
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_guest_begin(c->edge->home, &draft, &who, created, c);
}

static void redeemed(void *owner, const struct chat_result *r)
{
    struct rest_call *c = owner;
    if (c->x != NULL && r->error == ERR_AUTHENTICATION_FAILED) {
        stats_name(&c->edge->stats.auth_failures, "invitation");
    } else if (c->x != NULL && r->error == ERR_RATE_LIMIT_EXCEEDED) {
        stats_name(&c->edge->stats.rate_limited, c->route->name);
    }
    created(owner, r);
}

void rest_chat_guest_redeem(struct rest_call *c)
{
    struct shape_chat_guest_redeem in;
    struct sockaddr_storage peer;
    char address[ADDR_TEXT_MAX] = "";
    if (!device_body(c, SCHEMA_chat_guest_redeem, &in)) {
        return;
    }
    if (!c->edge->conf->conformance && conn_peer(c->x->conn, &peer)) {
        addr_format_host(&peer, address);
    }
    rest_later(c);
    chat_guest_redeem(c->edge->home, in.invitation, in.name, span_str(address), redeemed, c);
}

/* --- lists, and their end --- */

static void listed(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

void rest_chat_guest_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    unsigned limit = rest_query_limit(c);
    span room = rest_query(c, "room_id");
    uuid id = UUID_NIL;
    if (limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    if (room.len > 0 && !uuid_parse(room, &id)) {
        device_bad_query(c, "room_id", "must be a UUID");
        return;
    }
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_guest_list(c->edge->home, id, rest_query(c, "cursor"), limit, &who, listed, c);
}

void rest_chat_guest_delete(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_guest_revoke(c->edge->home, c->uuids[0], &who, chat_answer_done, c);
}
