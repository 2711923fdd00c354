/*
 * Sockets at the homes of rooms: who is there, what an arrival gets to know, and how loops learn
 * that somebody is in a room or is not any more.
 */
#include "domain/chat_presence.h"
#include "domain/chat_delivery.h"

#include "base/hash.h"
#include "base/mem.h"
#include "shape/chat.h"

/* --- presences --- */

struct key {
    uuid room;
    uint64_t client;
    uint64_t loop;
};

static bool same_presence(const struct map_node *n, const void *key)
{
    const struct chat_presence *p = CONTAINER_OF(n, struct chat_presence, node);
    const struct key *k = key;
    return p->client == k->client && p->loop == k->loop && uuid_eq(p->room->id, k->room);
}

static uint64_t key_hash(const struct key *k) { return hash_bytes(span_of(k, sizeof *k)); }

static struct chat_presence *find(struct chat *c, const struct key *k)
{
    struct map_node *n = map_get(&c->presences, key_hash(k), same_presence, k);
    return n == NULL ? NULL : CONTAINER_OF(n, struct chat_presence, node);
}

static void count_online(struct chat_room *r, int by)
{
    _Atomic unsigned *n = &r->chat->online;
    r->online_count += (unsigned)by;
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + (unsigned)by,
                          memory_order_relaxed);
}

/* Its first socket has come, or its last has gone. */
static void presence_changed(struct chat_room *r, struct chat_member_of *m, bool online)
{
    if (online) {
        m->online_from_seq = r->last_seq;
    } else {
        chat_delivery_gone(r, m);
    }
    chat_presence_tell(r, m, online);
}

static void member_comes(struct chat_room *r, struct chat_member_of *m)
{
    if (m->clients++ == 0) {
        count_online(r, 1);
        presence_changed(r, m, true);
        chat_guests_check(r);
    }
}

static void member_goes(struct chat_room *r, struct chat_member_of *m)
{
    if (--m->clients == 0) {
        count_online(r, -1);
        presence_changed(r, m, false);
        chat_guests_check(r);
    }
}

/* The room may be gone with it. */
static void presence_end(struct chat_presence *p)
{
    struct chat_room *r = p->room;
    struct chat_member_of *m = p->watching ? NULL : chat_member(r, p->principal);
    list_remove(&p->link);
    map_remove(&r->chat->presences, &p->node);
    mem_free(p);
    if (m != NULL) {
        member_goes(r, m);
    }
    chat_release(r);
}

static struct chat_presence *presence_put(struct chat_room *r, const struct key *k, uuid principal)
{
    struct chat_presence *p = find(r->chat, k);
    if (p == NULL) {
        p = mem_calloc(1, sizeof *p);
        p->room = r;
        p->loop = (unsigned)k->loop;
        p->client = k->client;
        p->principal = principal;
        p->watching = true; /* until it is a member's */
        list_push(&r->clients, &p->link);
        map_put(&r->chat->presences, key_hash(k), &p->node);
        chat_hold(r);
    }
    return p;
}

void chat_presences_free(struct chat *c)
{
    for (struct map_node *n; (n = map_pop(&c->presences)) != NULL;) {
        struct chat_presence *p = CONTAINER_OF(n, struct chat_presence, node);
        list_remove(&p->link);
        mem_free(p);
    }
    map_deinit(&c->presences);
}

/* --- arrivals --- */

static void arrive(struct chat_ask *a, struct chat_room *r, const struct chat_member_of *m,
                   struct chat_arrival *out)
{
    buf members = {0}, json = {0};
    chat_room_fresh(r);
    *out = (struct chat_arrival){.room = r->id,
                                 .watching = m == NULL,
                                 .guest = m != NULL && m->type == CHAT_GUEST,
                                 .last_seq = r->last_seq,
                                 .pos = r->pos,
                                 .first_seq = m == NULL ? 0 : m->first_seq,
                                 .joined_ms = m == NULL ? 0 : m->joined_ms,
                                 .read_seq = m == NULL ? 0 : m->read_seq,
                                 .unread = m == NULL ? 0 : chat_unread_of(r, m)};
    chat_members_json(r, &a->who, CHAT_MEMBERS_SHOWN, &members);
    chat_put_joined(&json, &(struct chat_joined_shape){.room = r->id,
                                                       .user = a->who.actor.id,
                                                       .type = m == NULL ? a->who.type : m->type,
                                                       .members = buf_span(&members),
                                                       .counts = true,
                                                       .last_seq = out->last_seq,
                                                       .unread = out->unread,
                                                       .room_members = true,
                                                       .name = span_str(r->name),
                                                       .room_type = r->type,
                                                       .watching = m == NULL,
                                                       .role = m == NULL ? CHAT_MEMBER : m->role});
    out->json = chat_copy(a, span_slice(buf_span(&json), 1, json.len - 2));
    buf_deinit(&members);
    buf_deinit(&json);
}

static void sit(struct chat_ask *a, struct chat_room *r, const struct chat_coming *in)
{
    struct chat_member_of *m = chat_member(r, a->who.actor.id);
    struct key k = {.room = r->id, .client = in->client, .loop = in->loop};
    m = m != NULL && m->hidden ? NULL : m;
    struct chat_presence *p = presence_put(r, &k, a->who.actor.id);
    p->ticket = in->ticket;
    if (m != NULL && p->watching && !in->unseen) {
        p->watching = false;
        m->type = a->who.type; /* its role may have changed since it came in */
        member_comes(r, m);
    }
    arrive(a, r, m, in->arrival);
    chat_answer(a, ERR_NONE);
}

/* Who watches is noted before anything is seen. */
struct watch {
    struct chat_ask *ask;
    struct chat_room *room;
    struct chat_coming in;
};

static void noted(struct store_req *req)
{
    const struct watch *w = req->owner;
    struct chat_room *r = w->room;
    if (req->error != ERR_NONE) {
        chat_answer(w->ask, req->error);
    } else if (r->state != CHAT_ROOM_READY) {
        chat_answer(w->ask, ERR_ROOM_ACCESS_DENIED);
    } else {
        sit(w->ask, r, &w->in);
    }
    store_req_free(req);
    chat_release(r);
}

void chat_presence_come(struct chat_ask *a, struct chat_room *r, const struct chat_coming *in)
{
    struct chat_member_of *m = r == NULL ? NULL : chat_member(r, a->who.actor.id);
    bool in_it = m != NULL && !m->hidden;
    if (r == NULL || (!in_it && !(in->watch && a->who.monitors))) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
    } else if (in_it) {
        sit(a, r, in);
    } else {
        struct home *h = a->chat->home;
        struct store_req *req = store_req_new(h->index, 1, noted, NULL);
        struct watch *w = ARENA_NEW(&req->arena, struct watch);
        *w = (struct watch){.ask = a, .room = r, .in = *in};
        req->owner = w;
        chat_hold(r);
        chat_audit_step(a->chat, req, 0, &a->who, "chat.room.watch", r->id);
        h->store->submit(h->store, req);
    }
}

/* --- what loops say --- */

struct word {
    struct mail mail;
    struct home *to;
    struct key key;
    uint64_t ticket;
    uuid principal;
    uint64_t received;
};

static struct word *word_new(struct home *h, uuid room)
{
    struct word *w = mem_calloc(1, sizeof *w);
    w->to = h->peers[home_of(h, room)];
    w->key = (struct key){.room = room, .loop = h->index};
    return w;
}

static void on_leave(struct mail *m)
{
    struct word *w = CONTAINER_OF(m, struct word, mail);
    struct chat_presence *p = w->to->chat == NULL ? NULL : find(w->to->chat, &w->key);
    if (p != NULL && p->ticket <= w->ticket) {
        presence_end(p);
    }
    mem_free(w);
}

void chat_presence_leave(struct home *h, uuid room, uint64_t client, uint64_t ticket)
{
    struct word *w = word_new(h, room);
    w->key.client = client;
    w->ticket = ticket;
    w->mail.run = on_leave;
    post_mail(h->post, w->to->index, &w->mail);
}

static void on_received(struct mail *m)
{
    struct word *w = CONTAINER_OF(m, struct word, mail);
    struct chat_room *r = w->to->chat == NULL ? NULL : chat_find(w->to->chat, w->key.room);
    struct chat_member_of *who = r == NULL ? NULL : chat_member(r, w->principal);
    if (who != NULL) {
        chat_delivery_received(r, who, w->received);
    }
    mem_free(w);
}

void chat_presence_received(struct home *h, uuid room, uuid principal, uint64_t n)
{
    struct word *w = word_new(h, room);
    w->principal = principal;
    w->received = n;
    w->mail.run = on_received;
    post_mail(h->post, w->to->index, &w->mail);
}

/* --- what rooms say --- */

struct spread {
    unsigned left; /* loops that have not said yet that it is done; the room is held */
    struct chat_room *room;
    void (*then)(void *arg);
    void *arg;
};

struct spread_mail {
    struct mail mail;
    struct home *to;
    struct home *from;
    uuid room, principal;
    enum chat_out why;
    struct spread *spread; /* NULL: nobody waits */
};

static void on_in(struct mail *m)
{
    struct spread_mail *s = CONTAINER_OF(m, struct spread_mail, mail);
    if (s->to->chat != NULL) {
        chat_clients_in(s->to->chat, s->room, s->principal);
    }
    mem_free(s);
}

static void post(struct chat_room *r, unsigned loop, const struct spread_mail *what)
{
    struct home *h = r->chat->home;
    struct spread_mail *s = mem_alloc(sizeof *s);
    *s = *what;
    s->from = h;
    s->to = h->peers[loop];
    s->room = r->id;
    post_mail(h->post, loop, &s->mail);
}

void chat_spread_in(struct chat_room *r, uuid principal)
{
    for (unsigned i = 0; i < r->chat->home->count; i++) {
        post(r, i, &(struct spread_mail){.mail.run = on_in, .principal = principal});
    }
}

static void on_out_back(struct mail *m)
{
    struct spread_mail *s = CONTAINER_OF(m, struct spread_mail, mail);
    struct spread *all = s->spread;
    mem_free(s);
    if (--all->left == 0) {
        struct chat_room *r = all->room;
        all->then(all->arg);
        mem_free(all);
        chat_release(r);
    }
}

static void on_out(struct mail *m)
{
    struct spread_mail *s = CONTAINER_OF(m, struct spread_mail, mail);
    if (s->to->chat != NULL) {
        chat_clients_out(s->to->chat, s->room, s->principal, s->why);
    }
    m->run = on_out_back;
    post_mail(s->to->post, s->from->index, m);
}

void chat_spread_out(struct chat_room *r, uuid principal, enum chat_out why,
                     void (*then)(void *arg), void *arg)
{
    struct spread *all = mem_alloc(sizeof *all);
    *all = (struct spread){
        .left = r->chat->home->count, .room = r, .then = then, .arg = arg};
    chat_hold(r);
    LIST_EACH(it, &r->clients)
    {
        struct chat_presence *p = LIST_ITEM(it, struct chat_presence, link);
        if (uuid_is_nil(principal) || uuid_eq(p->principal, principal)) {
            presence_end(p);
        }
    }
    for (unsigned i = 0; i < r->chat->home->count; i++) {
        post(r, i,
             &(struct spread_mail){
                 .mail.run = on_out, .principal = principal, .why = why, .spread = all});
    }
}
