/*
 * Sockets of principals, on their own loops.
 *
 *     open --read--> the principal's rooms --ask each room's home--> arrival, a seat
 *     spread in (it came into a room) -----^            spread out --> no seat, on_out
 *
 * A seat that is asked for carries a ticket, so that an answer to a question that nobody has any
 * more is not taken for one to the next. Mail from a room's home to a loop keeps its order: an
 * arrival that was granted is there before the end of the membership is.
 */
#include "domain/chat_presence.h"
#include "domain/chat_robot.h"

#include "base/hash.h"
#include "base/mem.h"

#define PAGE_ROOMS 500

enum seat_state { SEAT_ASKED, SEAT_IN, SEAT_WATCHING };

struct chat_seat {
    uuid room;
    enum seat_state state;
    uint64_t ticket;
};

/* --- finding --- */

static bool same_client(const struct map_node *n, const void *key)
{
    return CONTAINER_OF(n, struct chat_client, node)->id == *(const uint64_t *)key;
}

static uint64_t id_hash(uint64_t id) { return hash_bytes(span_of(&id, sizeof id)); }

static struct chat_client *find(struct chat *c, uint64_t id)
{
    struct map_node *n = map_get(&c->sockets, id_hash(id), same_client, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct chat_client, node);
}

static bool same_person(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct chat_person, node)->principal, *(const uuid *)key);
}

static struct chat_person *person_find(struct chat *c, uuid principal)
{
    struct map_node *n = map_get(&c->people, uuid_hash(principal), same_person, &principal);
    return n == NULL ? NULL : CONTAINER_OF(n, struct chat_person, node);
}

static struct chat_seat *seat_find(struct chat_client *c, uuid room)
{
    for (unsigned i = 0; i < c->seat_count; i++) {
        if (uuid_eq(c->seats[i].room, room)) {
            return &c->seats[i];
        }
    }
    return NULL;
}

static void seat_drop(struct chat_client *c, struct chat_seat *s)
{
    *s = c->seats[--c->seat_count];
}

static struct chat_seat *seat_add(struct chat_client *c, uuid room)
{
    if (c->seat_count == c->seat_cap) {
        c->seat_cap = c->seat_cap == 0 ? 8 : 2 * c->seat_cap;
        c->seats = mem_realloc(c->seats, c->seat_cap * sizeof *c->seats);
    }
    struct chat_seat *s = &c->seats[c->seat_count++];
    *s = (struct chat_seat){.room = room};
    return s;
}

/* --- coming in --- */

struct coming {
    struct chat_ask ask; /* first */
    uint64_t client;
    uint64_t ticket;
    bool listed; /* one of those that on_listed waits for */
    bool watch;
    bool unseen;
    struct chat_arrival arrival; /* its JSON in the ask's arena */
};

static void leave(struct home *h, uint64_t client, const struct chat_seat *s)
{
    chat_presence_leave(h, s->room, client, s->ticket);
}

static void owed_less(struct chat_client *c)
{
    if (--c->owed == 0 && c->listing) {
        c->listing = false;
        if (c->who.kind == PRINCIPAL_ROBOT && !c->ops->unseen) { /* it can be asked from now on */
            c->answers = true;
            chat_robot_socket(c->home, c->who.actor.id, 1);
        }
        c->ops->on_listed(c, ERR_NONE);
    }
}

/* The home has answered. */
static void came(struct chat_ask *a)
{
    struct coming *x = (struct coming *)a;
    struct chat *chat = a->from->chat;
    struct chat_client *c = find(chat, x->client);
    struct chat_seat *s = c == NULL ? NULL : seat_find(c, a->id);
    bool mine = s != NULL && s->ticket == x->ticket;
    bool in = a->result.error == ERR_NONE;
    if (mine && in) {
        s->state = x->arrival.watching ? SEAT_WATCHING : SEAT_IN;
    } else if (mine && s->state == SEAT_ASKED) {
        seat_drop(c, s);
    } else if (in) {
        chat_presence_leave(a->from, a->id, x->client, x->ticket);
    }
    if (a->done != NULL) {
        a->done(a->owner, &a->result);
    }
    if (mine && in && find(chat, x->client) == c) {
        c->ops->on_room(c, &x->arrival);
    }
    if (x->listed && (c = find(chat, x->client)) != NULL) {
        owed_less(c);
    }
}

static void at_home(struct chat_ask *a, struct chat_room *r)
{
    struct coming *x = (struct coming *)a;
    chat_presence_come(a, r,
                       &(struct chat_coming){.loop = a->from->index,
                                             .client = x->client,
                                             .ticket = x->ticket,
                                             .watch = x->watch,
                                             .unseen = x->unseen,
                                             .arrival = &x->arrival});
}

static struct coming *come(struct chat_client *c, uuid room, bool watch, chat_done done,
                           void *owner)
{
    struct chat_seat *s = seat_find(c, room);
    s = s == NULL ? seat_add(c, room) : s;
    s->ticket = ++c->home->chat->client_ids;
    struct coming *x = chat_ask_new(c->home, sizeof *x, room, at_home, &c->who, NULL, done, owner);
    x->ask.at_caller = came;
    x->client = c->id;
    x->ticket = s->ticket;
    x->watch = watch;
    x->unseen = c->ops->unseen;
    chat_ask_start(&x->ask);
    return x;
}

/* --- opening --- */

struct listing {
    struct home *home;
    uint64_t client;
};

static void list_rooms(struct chat_client *c, uuid after);

static void listed(struct store_req *req)
{
    struct listing *l = req->owner;
    struct chat_client *c = find(l->home->chat, l->client);
    unsigned rows = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    err error = req->error;
    uuid room = UUID_NIL;
    for (unsigned i = 0; c != NULL && i < rows; i++) {
        if (chat_cell_uuid(store_cell(req, 0, i, 0), &room) && seat_find(c, room) == NULL) {
            come(c, room, false, NULL, NULL)->listed = true;
            c->owed++;
        }
    }
    mem_free(l);
    store_req_free(req);
    if (c == NULL) {
        return;
    }
    if (error != ERR_NONE) {
        c->listing = false;
        c->ops->on_listed(c, error);
    } else if (rows == PAGE_ROOMS) {
        list_rooms(c, room);
    } else {
        owed_less(c);
    }
}

static void list_rooms(struct chat_client *c, uuid after)
{
    struct home *h = c->home;
    struct listing *l = mem_alloc(sizeof *l);
    *l = (struct listing){.home = h, .client = c->id};
    struct store_req *req = store_req_new(h->index, 1, listed, l);
    req->row_max = PAGE_ROOMS;
    store_step_init(req, 0, QUERY_CHAT_MEMBER_ROOMS, 1);
    chat_set_uuid(req, 0, 0, 0, c->who.actor.id);
    chat_set_uuid(req, 0, 0, 1, after);
    store_set_int(req, 0, 0, 2, PAGE_ROOMS);
    h->store->submit(h->store, req);
}

static void be(struct chat_client *c, const struct chat_who *who)
{
    c->who = *who;
    c->who.actor.name = c->who.actor.address = SPAN_NONE;
}

static void enter(struct home *h, struct chat_client *c, const struct chat_who *who)
{
    struct chat *chat = h->chat;
    const struct chat_client_ops *ops = c->ops;
    struct chat_person *p = person_find(chat, who->actor.id);
    ASSERT(ops != NULL && c->home == NULL);
    *c = (struct chat_client){.ops = ops, .home = h, .listing = true, .owed = 1};
    if (p == NULL) {
        p = mem_calloc(1, sizeof *p);
        p->principal = who->actor.id;
        list_init(&p->clients);
        map_put(&chat->people, uuid_hash(p->principal), &p->node);
    }
    be(c, who);
    c->id = ++chat->client_ids;
    c->person = p;
    list_push(&p->clients, &c->of_person);
    map_put(&chat->sockets, id_hash(c->id), &c->node);
}

void chat_client_open(struct home *h, struct chat_client *c, const struct chat_who *who)
{
    enter(h, c, who);
    list_rooms(c, UUID_NIL);
}

void chat_client_open_room(struct home *h, struct chat_client *c, const struct chat_who *who,
                           uuid room)
{
    struct chat_who one = *who;
    if (uuid_is_nil(one.only)) { /* of a guest its own, which may be another one */
        one.only = room;
    }
    enter(h, c, &one);
    come(c, room, one.monitors, NULL, NULL)->listed = true;
}

static void at_home_hears(struct chat_ask *a, struct chat_room *r)
{
    const struct chat_member_of *m = r == NULL ? NULL : chat_member(r, a->who.actor.id);
    bool in = m != NULL && !m->hidden;
    chat_answer(a, in || (r != NULL && a->who.monitors) ? ERR_NONE : ERR_ROOM_ACCESS_DENIED);
}

void chat_may_hear(struct home *h, uuid room, const struct chat_who *who, chat_done done,
                   void *owner)
{
    struct chat_ask *a = chat_ask_new(h, sizeof *a, room, at_home_hears, who, NULL, done, owner);
    chat_ask_start(a);
}

void chat_client_close(struct chat_client *c)
{
    if (c->home == NULL) {
        return;
    }
    struct chat *chat = c->home->chat;
    if (c->answers) {
        chat_robot_socket(c->home, c->who.actor.id, -1);
    }
    for (unsigned i = 0; i < c->seat_count; i++) {
        leave(c->home, c->id, &c->seats[i]);
    }
    mem_free(c->seats);
    map_remove(&chat->sockets, &c->node);
    list_remove(&c->of_person);
    if (list_empty(&c->person->clients)) {
        map_remove(&chat->people, &c->person->node);
        mem_free(c->person);
    }
    *c = (struct chat_client){.ops = c->ops};
}

/* --- what changes --- */

/* Something is over for one client, told by mail: never inside a call of it. */
struct ending {
    struct mail mail;
    struct home *home;
    uint64_t client;
    uuid room;
    uint64_t ticket;
};

static void on_ending(struct mail *m)
{
    struct ending *e = CONTAINER_OF(m, struct ending, mail);
    struct chat_client *c = find(e->home->chat, e->client);
    struct chat_seat *s = c == NULL ? NULL : seat_find(c, e->room);
    if (s != NULL && s->ticket == e->ticket) {
        leave(c->home, c->id, s);
        seat_drop(c, s);
        c->ops->on_out(c, e->room, CHAT_OUT_REMOVED);
    }
    mem_free(e);
}

void chat_client_rights(struct chat_client *c, const struct chat_who *who)
{
    be(c, who);
    for (unsigned i = 0; i < c->seat_count && !who->monitors; i++) {
        if (c->seats[i].state == SEAT_WATCHING) {
            struct ending *e = mem_alloc(sizeof *e);
            *e = (struct ending){.mail.run = on_ending,
                                 .home = c->home,
                                 .client = c->id,
                                 .room = c->seats[i].room,
                                 .ticket = c->seats[i].ticket};
            post_mail(c->home->post, c->home->index, &e->mail);
        }
    }
}

void chat_client_received(struct chat_client *c, uint64_t n)
{
    for (unsigned i = 0; i < c->seat_count; i++) {
        if (c->seats[i].state == SEAT_IN) {
            chat_presence_received(c->home, c->seats[i].room, c->who.actor.id, n);
        }
    }
}

void chat_watch(struct chat_client *c, uuid room, chat_done done, void *owner)
{
    (void)come(c, room, true, done, owner);
}

void chat_unwatch(struct chat_client *c, uuid room)
{
    struct chat_seat *s = seat_find(c, room);
    if (s != NULL && s->state != SEAT_IN) {
        leave(c->home, c->id, s);
        seat_drop(c, s);
    }
}

/* --- told by rooms --- */

/* The ids of the sockets that are meant, for each may close when it is told. */
static unsigned meant(struct chat *chat, uuid principal, uint64_t **ids)
{
    struct chat_person *p = uuid_is_nil(principal) ? NULL : person_find(chat, principal);
    unsigned count = 0;
    *ids = NULL;
    if (uuid_is_nil(principal)) {
        *ids = mem_alloc((chat->sockets.count + 1) * sizeof **ids);
        for (struct map_node *n = NULL; (n = map_next(&chat->sockets, n)) != NULL;) {
            (*ids)[count++] = CONTAINER_OF(n, struct chat_client, node)->id;
        }
    } else if (p != NULL) {
        LIST_EACH(it, &p->clients) { count++; }
        *ids = mem_alloc(count * sizeof **ids);
        count = 0;
        LIST_EACH(it, &p->clients)
        {
            (*ids)[count++] = LIST_ITEM(it, struct chat_client, of_person)->id;
        }
    }
    return count;
}

void chat_clients_in(struct chat *chat, uuid room, uuid principal)
{
    uint64_t *ids;
    unsigned count = meant(chat, principal, &ids);
    for (unsigned i = 0; i < count; i++) {
        struct chat_client *c = find(chat, ids[i]);
        struct chat_seat *s = c == NULL ? NULL : seat_find(c, room);
        bool its = c != NULL && (uuid_is_nil(c->who.only) || uuid_eq(c->who.only, room));
        if (its && (s == NULL || s->state == SEAT_WATCHING)) {
            (void)come(c, room, false, NULL, NULL);
        }
    }
    mem_free(ids);
}

void chat_clients_out(struct chat *chat, uuid room, uuid principal, enum chat_out why)
{
    uint64_t *ids;
    unsigned count = meant(chat, principal, &ids);
    for (unsigned i = 0; i < count; i++) {
        struct chat_client *c = find(chat, ids[i]);
        struct chat_seat *s = c == NULL ? NULL : seat_find(c, room);
        if (s != NULL && s->state != SEAT_ASKED) {
            seat_drop(c, s);
            c->ops->on_out(c, room, why);
        }
    }
    mem_free(ids);
}

void chat_clients_free(struct chat *chat)
{
    for (struct map_node *n; (n = map_pop(&chat->sockets)) != NULL;) {
        struct chat_client *c = CONTAINER_OF(n, struct chat_client, node);
        mem_free(c->seats);
        *c = (struct chat_client){.ops = c->ops};
    }
    for (struct map_node *n; (n = map_pop(&chat->people)) != NULL;) {
        mem_free(CONTAINER_OF(n, struct chat_person, node));
    }
    map_deinit(&chat->sockets);
    map_deinit(&chat->people);
}
