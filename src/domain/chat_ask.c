/*
 * Asks: what any loop wants of a room is mail to the room's home, waits there until the room is in
 * memory (it is read once however many ask), and comes back with its answer. And who asks: whether
 * it is in the room.
 */
#include "domain/chat_internal.h"

#include "base/mem.h"

span chat_copy(struct chat_ask *a, span s)
{
    return s.ptr == NULL ? SPAN_NONE : arena_dup(&a->arena, s);
}

static void count_ask(struct home *h, int by)
{
    _Atomic unsigned *n = &h->chat->asks;
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + (unsigned)by,
                          memory_order_relaxed);
}

void *chat_ask_new(struct home *h, size_t bytes, uuid room,
                   void (*at_home)(struct chat_ask *, struct chat_room *),
                   const struct chat_who *who, const struct chat_origin *origin, chat_done done,
                   void *owner)
{
    ASSERT(bytes >= sizeof(struct chat_ask));
    struct chat_ask *a = mem_calloc(1, bytes);
    list_init(&a->link);
    a->from = h;
    a->id = a->named = room;
    a->at_home = at_home;
    a->done = done;
    a->owner = owner;
    a->result.room = room;
    if (who != NULL) {
        a->who = *who;
        a->who.actor.name = chat_copy(a, who->actor.name);
        a->who.actor.address = chat_copy(a, who->actor.address);
    }
    if (origin != NULL) {
        a->origin = (struct chat_origin){.sid = chat_copy(a, origin->sid),
                                         .request_id = chat_copy(a, origin->request_id)};
    }
    count_ask(h, 1);
    return a;
}

/* --- at the room's home --- */

static void ask_run(struct chat_ask *a, struct chat_room *r)
{
    chat_hold(r);
    a->at_home(a, r->state == CHAT_ROOM_READY ? r : NULL);
    chat_release(r);
}

void chat_room_loaded(struct chat_room *r, err error, bool there)
{
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &r->waiting);
    r->state = error == ERR_NONE && there ? CHAT_ROOM_READY : CHAT_ROOM_GONE;
    while (!list_empty(&waiting)) {
        struct chat_ask *a = LIST_ITEM(waiting.next, struct chat_ask, link);
        list_remove(&a->link);
        if (error != ERR_NONE) {
            chat_answer(a, error);
        } else {
            ask_run(a, r);
        }
    }
    chat_release(r);
}

/* Who names a room that it is not in. (A room that was found by a message or a file of it has cost
 * a read.) */
static bool is_stranger(const struct chat_ask *a, struct chat_room *r)
{
    return !uuid_is_nil(a->who.actor.id) && !a->who.monitors && uuid_eq(a->named, a->id) &&
           chat_member(r, a->who.actor.id) == NULL;
}

static void looked(struct store_req *req)
{
    struct chat_ask *a = req->owner;
    struct chat_room *r = a->room;
    a->room = NULL;
    if (req->error != ERR_NONE) {
        chat_answer(a, req->error);
    } else {
        ask_run(a, r);
    }
    store_req_free(req);
    chat_release(r);
}

/* A room that is not there costs a read of the store that finds nothing. So does this, else the
 * time of the refusal, or its error while the store is away, would tell that the room is there. */
static void look(struct chat_ask *a, struct chat_room *r)
{
    chat_hold(r);
    a->room = r;
    chat_room_load_none(r->chat->home, looked, a);
}

static void ask_arrive(struct mail *m)
{
    struct chat_ask *a = CONTAINER_OF(m, struct chat_ask, mail);
    a->chat = a->from->peers[home_of(a->from, a->id)]->chat;
    bool elsewhere = !uuid_is_nil(a->who.only) && !uuid_eq(a->who.only, a->id);
    struct chat_room *r = a->unloaded || elsewhere ? NULL : chat_room_peek(a->chat, a->id);
    if (a->unloaded || elsewhere) {
        a->at_home(a, NULL);
        return;
    }
    if (r == NULL) {
        r = chat_room_put(a->chat, a->id, CHAT_ROOM_LOADING);
        chat_room_load(r);
    }
    if (r->state == CHAT_ROOM_LOADING) {
        list_push(&r->waiting, &a->link);
    } else if (is_stranger(a, r)) {
        look(a, r);
    } else {
        ask_run(a, r);
    }
}

void chat_ask_start(struct chat_ask *a)
{
    a->mail.run = ask_arrive;
    post_mail(a->from->post, home_of(a->from, a->id), &a->mail);
}

static void ask_return(struct mail *m)
{
    struct chat_ask *a = CONTAINER_OF(m, struct chat_ask, mail);
    struct home *h = a->from;
    if (a->at_caller != NULL) {
        a->at_caller(a);
    } else if (a->done != NULL) {
        a->done(a->owner, &a->result);
    }
    arena_reset(&a->arena);
    mem_free(a);
    count_ask(h, -1);
}

void chat_refuse(struct chat_ask *a, err error, const char *member, const char *why)
{
    ASSERT(!list_linked(&a->link));
    a->result.error = error;
    a->result.member = member;
    a->result.why = why;
    a->mail.run = ask_return;
    post_mail(a->from->post, a->from->index, &a->mail);
}

void chat_answer(struct chat_ask *a, err error) { chat_refuse(a, error, NULL, NULL); }

/* --- who may --- */

struct chat_member_of *chat_member_for(struct chat_ask *a, struct chat_room *r)
{
    struct chat_member_of *m = r == NULL ? NULL : chat_member(r, a->who.actor.id);
    if (m == NULL) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
    }
    return m;
}

bool chat_sees(struct chat_ask *a, struct chat_room *r, struct chat_member_of **member)
{
    *member = r == NULL ? NULL : chat_member(r, a->who.actor.id);
    if (r == NULL || (*member == NULL && !a->who.monitors)) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return false;
    }
    return true;
}

bool chat_moderates(const struct chat_ask *a, const struct chat_room *r)
{
    const struct chat_member_of *m =
        chat_member((struct chat_room *)(uintptr_t)r, a->who.actor.id);
    return a->who.monitors || (m != NULL && m->role != CHAT_MEMBER);
}
