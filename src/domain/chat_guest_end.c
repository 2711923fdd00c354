/* How guests end: revoked by somebody, or when their time is over. */
#include "domain/chat_desk_internal.h"
#include "domain/chat_guest.h"
#include "domain/identity_ops.h"

#include "base/mem.h"

struct ending {
    struct chat_ask ask; /* first; the caller's, which is answered at the end */
    struct home *home;   /* that asks */
    uuid guest, room;
    bool revoked;        /* by a person */
};

static struct ending *ending_new(struct home *h, uuid guest, const struct chat_who *who,
                                 chat_done done, void *owner)
{
    struct ending *e =
        chat_ask_new(h, sizeof *e, UUID_NIL, NULL, who, NULL, done, owner);
    e->home = h;
    e->guest = guest;
    return e;
}

/* --- the last step: it is no member any more --- */

static void written(struct store_req *req)
{
    struct ending *e = req->owner;
    if (req->error == ERR_NONE) {
        identity_changed(e->home, e->guest);
    }
    chat_answer(&e->ask, req->error);
    store_req_free(req);
}

static void removed(void *owner, const struct chat_result *r)
{
    struct ending *e = owner;
    struct home *h = e->home;
    bool gone = r->error == ERR_NOT_FOUND || r->error == ERR_ROOM_ACCESS_DENIED;
    if (r->error != ERR_NONE && !gone) {
        chat_answer(&e->ask, r->error);
        return;
    }
    if (e->revoked) {
        chat_answer(&e->ask, ERR_NONE); /* the rest is the sweep's */
        return;
    }
    struct store_req *req = store_req_new(h->index, 2, written, e);
    store_step_init(req, 0, QUERY_PRINCIPAL_SET_STATUS, 1);
    chat_set_uuid(req, 0, 0, 0, e->guest);
    store_set_text(req, 0, 0, 1, SPAN("disabled"));
    store_set_int(req, 0, 0, 2, clock_wall_ms(h->clock));
    store_step_init(req, 1, QUERY_CHAT_GUEST_END, 1);
    chat_set_uuid(req, 1, 0, 0, e->guest);
    h->store->submit(h->store, req);
}

static void remove_member(struct ending *e)
{
    chat_member_remove(e->home, e->room, e->guest, 0, SPAN_NONE, &chat_server, removed, e);
}

void chat_guest_end(struct home *h, uuid room, uuid guest, chat_done done, void *owner)
{
    struct ending *e = ending_new(h, guest, &chat_server, done, owner);
    e->room = room;
    remove_member(e);
}

/* --- revoking --- */

static void revoked(struct store_req *req)
{
    struct ending *e = req->owner;
    if (req->error == ERR_NONE) {
        identity_changed(e->home, e->guest);
        remove_member(e);
    } else {
        chat_answer(&e->ask, req->error);
    }
    store_req_free(req);
}

static void revoke(struct ending *e)
{
    struct home *h = e->home;
    char id[UUID_TEXT_LEN + 1];
    int64_t now = clock_wall_ms(h->clock);
    struct store_req *req = store_req_new(h->index, 3, revoked, e);
    store_step_init(req, 0, QUERY_CHAT_GUEST_REVOKE, 1);
    chat_set_uuid(req, 0, 0, 0, e->guest);
    store_set_int(req, 0, 0, 1, now);
    store_step_init(req, 1, QUERY_PRINCIPAL_REVOKE_TOKENS, 1);
    chat_set_uuid(req, 1, 0, 0, e->guest);
    store_set_int(req, 1, 0, 1, now + 1);
    store_set_int(req, 1, 0, 2, now);
    uuid_format(e->guest, id);
    audit_step(h, req, 2,
               &(struct audit_entry){.who = &e->ask.who.actor,
                                     .action = "chat.guest.revoke",
                                     .target_kind = "guest",
                                     .target = span_of(id, UUID_TEXT_LEN)});
    h->store->submit(h->store, req);
}

/* Whether the caller is of its room was asked there. */
static void seen_room(void *owner, const struct chat_result *r)
{
    struct ending *e = owner;
    if (r->error != ERR_NONE) {
        chat_answer(&e->ask, r->error == ERR_ROOM_ACCESS_DENIED ? ERR_NOT_FOUND : r->error);
    } else {
        revoke(e);
    }
}

static void at_home_sees(struct chat_ask *a, struct chat_room *r)
{
    struct chat_member_of *m;
    if (chat_sees(a, r, &m)) {
        chat_answer(a, ERR_NONE);
    }
}

static void found(struct store_req *req)
{
    struct ending *e = req->owner;
    if (req->error != ERR_NONE) {
        chat_answer(&e->ask, req->error);
    } else if (req->steps[0].row_count == 0 ||
               !chat_cell_uuid(store_cell(req, 0, 0, 1), &e->room)) {
        chat_answer(&e->ask, ERR_NOT_FOUND);
    } else {
        chat_ask_start(chat_ask_new(e->home, sizeof(struct chat_ask), e->room, at_home_sees,
                                    &e->ask.who, NULL, seen_room, e));
    }
    store_req_free(req);
}

void chat_guest_revoke(struct home *h, uuid guest, const struct chat_who *who, chat_done done,
                       void *owner)
{
    struct ending *e = ending_new(h, guest, who, done, owner);
    e->revoked = true;
    if (!chat_desk_has(who)) {
        chat_answer(&e->ask, ERR_PERMISSION_DENIED);
        return;
    }
    struct store_req *req = store_req_new(h->index, 1, found, e);
    store_step_init(req, 0, QUERY_CHAT_GUEST_GET, 1);
    chat_set_uuid(req, 0, 0, 0, guest);
    h->store->submit(h->store, req);
}
