/* Rooms of one home: loading (one request however many ask), holding, leaving; and the asks that
 * other loops send here. */
#include "domain/chat.h"
#include "domain/chat_internal.h"
#include "domain/chat_retention.h"

#include "base/mem.h"
#include "shape/decode.h"

#include <stdio.h>
#include <string.h>

/* What rooms that nobody holds may take: each counts one, and one for each member, some 3 MiB. */
#define IDLE_WEIGHT_MAX 20000
/* A room's members come in pages, for a request is no longer than a page. */
#define LOAD_MEMBERS 1000

enum load_step { LOAD_MEMBERS_STEP, LOAD_ROOM, LOAD_STEPS };

/* --- the process --- */

struct chat *chat_new(struct home *h)
{
    struct chat *c = mem_calloc(1, sizeof *c);
    c->home = h;
    list_init(&c->idle);
    c->retention = h->index == 0 ? chat_retention_new(h) : NULL;
    h->chat = c;
    chat_ends_start(c);
    chat_cursors_start(c);
    chat_desk_start(c);
    chat_robots_start(c);
    chat_files_start(c);
    chat_left_start(c);
    return c;
}

void chat_stop(struct chat *c)
{
    chat_robots_stop(c);
    chat_desk_stop(c);
    chat_files_stop(c);
    chat_left_stop(c);
}

static void member_free(struct chat_member_of *m)
{
    mem_free(m->name);
    mem_free(m->mute_reason);
    mem_free(m);
}

static unsigned weight(const struct chat_room *r) { return 1 + r->member_count; }

static void room_free(struct chat_room *r)
{
    if (list_linked(&r->idle)) {
        list_remove(&r->idle);
        r->chat->idle_weight -= weight(r);
    }
    for (struct map_node *n; (n = map_pop(&r->members)) != NULL;) {
        member_free(CONTAINER_OF(n, struct chat_member_of, node));
    }
    map_deinit(&r->members);
    chat_delivery_free(r);
    chat_guests_free(r);
    chat_typing_free(r);
    mem_free(r->name);
    mem_free(r->settings);
    mem_free(r);
}

static void count_loaded(struct chat *c)
{
    atomic_store_explicit(&c->loaded, (unsigned)c->rooms.count, memory_order_relaxed);
}

static void room_drop(struct chat_room *r)
{
    struct chat *c = r->chat;
    map_remove(&c->rooms, &r->node);
    room_free(r);
    count_loaded(c);
}

void chat_free(struct chat *c)
{
    chat_files_free(c);
    chat_retention_free(c->retention);
    chat_clients_free(c);
    chat_robots_free(c);
    chat_presences_free(c);
    chat_cursors_free(c);
    for (struct map_node *n; (n = map_pop(&c->rooms)) != NULL;) {
        room_free(CONTAINER_OF(n, struct chat_room, node));
    }
    map_deinit(&c->rooms);
    chat_ends_free(c);
    chat_left_free(c);
    chat_desk_free(c);
    c->home->chat = NULL;
    mem_free(c);
}

void chat_stats(const struct home *h, struct chat_stats *out)
{
    const struct chat *c = h->chat;
    *out = (struct chat_stats){
        .loaded = atomic_load_explicit(&c->loaded, memory_order_relaxed),
        .online = atomic_load_explicit(&c->online, memory_order_relaxed),
        .asks = atomic_load_explicit(&c->asks, memory_order_relaxed),
    };
    chat_ends_counts(c, &out->rooms, &out->members);
    for (unsigned i = 0; i < CHAT_ROOM_TYPES; i++) {
        out->messages[i] = atomic_load_explicit(&c->messages[i], memory_order_relaxed);
    }
}

bool chat_who_of(const struct grant *g, span address, struct chat_who *out)
{
    bool monitors = can(g, PERM_CHAT_MONITOR, SCOPE_ALL);
    *out = (struct chat_who){.actor = {.id = g->principal, .address = address},
                             .kind = g->kind,
                             .type = g->kind == PRINCIPAL_GUEST ? CHAT_GUEST
                                     : monitors                 ? CHAT_SUPERVISOR
                                                                : CHAT_EMPLOYEE,
                             .only = g->room,
                             .monitors = monitors};
    return can(g, PERM_CHAT_READ, SCOPE_ALL);
}

static span topic(const char *head, uuid id, char out[CHAT_TOPIC_MAX])
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    int len = snprintf(out, CHAT_TOPIC_MAX, "%s%s", head, text);
    ASSERT(len > 0 && len < CHAT_TOPIC_MAX);
    return span_of(out, (size_t)len);
}

span chat_room_topic(uuid room, char out[CHAT_TOPIC_MAX]) { return topic("chat/room/", room, out); }

span chat_user_topic(uuid principal, char out[CHAT_TOPIC_MAX])
{
    return topic("chat/user/", principal, out);
}

/* --- rooms --- */

static bool same_room(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct chat_room, node)->id, *(const uuid *)key);
}

static struct chat_room *peek(struct chat *c, uuid id)
{
    struct map_node *n = map_get(&c->rooms, uuid_hash(id), same_room, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct chat_room, node);
}

struct chat_room *chat_find(struct chat *c, uuid room)
{
    struct chat_room *r = peek(c, room);
    return r != NULL && r->state == CHAT_ROOM_READY ? r : NULL;
}

static bool same_member(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct chat_member_of, node)->principal, *(const uuid *)key);
}

struct chat_member_of *chat_member(struct chat_room *r, uuid principal)
{
    struct map_node *n = map_get(&r->members, uuid_hash(principal), same_member, &principal);
    return n == NULL ? NULL : CONTAINER_OF(n, struct chat_member_of, node);
}

struct chat_member_of *chat_member_put(struct chat_room *r, const struct chat_principal *who)
{
    struct chat_member_of *m = mem_calloc(1, sizeof *m);
    ASSERT(chat_member(r, who->id) == NULL && r->holds > 0);
    m->principal = who->id;
    m->kind = who->kind;
    m->type = who->type;
    m->name_len = (uint8_t)(who->name.len < UINT8_MAX ? who->name.len : UINT8_MAX);
    m->name = mem_alloc(m->name_len + 1u);
    memcpy(m->name, who->name.ptr, m->name_len);
    m->name[m->name_len] = '\0';
    map_put(&r->members, uuid_hash(who->id), &m->node);
    r->member_count++;
    r->guest_count += m->type == CHAT_GUEST;
    return m;
}

void chat_member_drop(struct chat_room *r, struct chat_member_of *m)
{
    ASSERT(m->clients == 0);
    chat_moods_forget(r, m);
    map_remove(&r->members, &m->node);
    r->member_count--;
    r->guest_count -= m->type == CHAT_GUEST;
    member_free(m);
}

void chat_hold(struct chat_room *r)
{
    if (r->holds++ == 0 && list_linked(&r->idle)) {
        list_remove(&r->idle);
        r->chat->idle_weight -= weight(r);
    }
}

void chat_release(struct chat_room *r)
{
    struct chat *c = r->chat;
    ASSERT(r->holds > 0);
    if (--r->holds > 0) {
        return;
    }
    ASSERT(list_empty(&r->queue) && list_empty(&r->clients) && !r->busy);
    if (r->state == CHAT_ROOM_GONE) {
        room_drop(r);
        return;
    }
    list_push(&c->idle, &r->idle);
    c->idle_weight += weight(r);
    while (c->idle_weight > IDLE_WEIGHT_MAX) {
        room_drop(LIST_ITEM(c->idle.next, struct chat_room, idle));
    }
}

/* What was told of the room so far was committed by this home, or by a process before: it is at or
 * before both numbers. What will be committed comes after them. */
void chat_room_fresh(struct chat_room *r)
{
    const struct chat *c = r->chat;
    if (r->busy || c->home->journal == NULL) {
        return;
    }
    struct pos now = journal_now(c->home->journal);
    bool behind = now.epoch == c->published.epoch && now.n < c->published.n;
    r->pos = behind ? c->published : now;
}

struct chat_room *chat_room_put(struct chat *c, uuid id, enum chat_room_state state)
{
    struct chat_room *r = mem_calloc(1, sizeof *r);
    r->chat = c;
    r->id = id;
    r->state = state;
    r->holds = 1;
    list_init(&r->waiting);
    list_init(&r->idle);
    list_init(&r->clients);
    list_init(&r->queue);
    chat_room_fresh(r);
    map_put(&c->rooms, uuid_hash(id), &r->node);
    count_loaded(c);
    return r;
}

static void set_text(char **to, span text)
{
    mem_free(*to);
    *to = mem_alloc(text.len + 1);
    memcpy(*to, text.len == 0 ? (const void *)"" : text.ptr, text.len);
    (*to)[text.len] = '\0';
}

void chat_room_texts(struct chat_room *r, span name, span settings)
{
    set_text(&r->name, name);
    set_text(&r->settings, settings);
}

/* --- loading --- */

static void load_room(struct chat_room *r, const struct store_value *c)
{
    r->type = (enum chat_room_type)shape_chat_room_type_of(store_text(&c[0]));
    chat_room_texts(r, store_text(&c[1]), store_text(&c[2]));
    r->last_seq = store_int(&c[3]);
    r->last_ms = store_int(&c[4]);
    (void)chat_cell_uuid(&c[5], &r->created_by);
    (void)chat_cell_uuid(&c[6], &r->owner_robot);
    r->alone = c[7].type != STORE_NULL;
    r->version = store_int(&c[8]);
    r->created_ms = store_int(&c[9]);
    r->updated_ms = store_int(&c[10]);
}

enum principal_kind chat_kind_of(span name)
{
    for (int k = PRINCIPAL_USER; k <= PRINCIPAL_SERVICE; k++) {
        if (span_eq(name, span_str(principal_kind_name((enum principal_kind)k)))) {
            return (enum principal_kind)k;
        }
    }
    return PRINCIPAL_USER;
}

static void load_member(struct chat_room *r, const struct store_value *c)
{
    struct chat_principal who = {
        .kind = chat_kind_of(store_text(&c[1])),
        .type = (enum chat_user_type)shape_chat_user_type_of(store_text(&c[3])),
        .name = store_text(&c[2])};
    if (!chat_cell_uuid(&c[0], &who.id)) {
        return;
    }
    struct chat_member_of *m = chat_member_put(r, &who);
    r->loaded_to = who.id;
    m->role = (enum chat_role)shape_chat_role_of(store_text(&c[4]));
    m->first_seq = store_int(&c[5]);
    m->read_seq = store_int(&c[6]);
    m->delivered_seq = store_int(&c[7]);
    m->hidden = store_int(&c[8]) != 0;
    m->muted_until_ms = store_int(&c[9]);
    m->joined_ms = store_int(&c[10]);
    chat_member_mute_reason(m, store_text(&c[11]));
}

static void load(struct chat_room *r);

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

static void loaded(struct store_req *req)
{
    struct chat_room *r = req->owner;
    const struct store_step *members = &req->steps[LOAD_MEMBERS_STEP];
    bool first = uuid_is_nil(r->loaded_to) && req->step_count == LOAD_STEPS;
    bool there = req->error == ERR_NONE && (!first || req->steps[LOAD_ROOM].row_count == 1);
    if (there && first) {
        load_room(r, store_cell(req, LOAD_ROOM, 0, 0));
    }
    for (unsigned i = 0; there && i < members->row_count; i++) {
        load_member(r, store_cell(req, LOAD_MEMBERS_STEP, i, 0));
    }
    if (there && members->row_count == LOAD_MEMBERS) {
        load(r);
    } else {
        chat_room_loaded(r, req->error, there);
    }
    store_req_free(req);
}

/* Of the room's members behind `after`, and if that is nil of the room. */
static struct store_req *load_req(struct home *h, uuid room, uuid after,
                                  void (*done)(struct store_req *), void *owner)
{
    bool first = uuid_is_nil(after);
    struct store_req *req = store_req_new(h->index, first ? LOAD_STEPS : 1, done, owner);
    req->row_max = LOAD_MEMBERS + 1;
    store_step_init(req, LOAD_MEMBERS_STEP, QUERY_CHAT_MEMBER_LOAD, 1);
    chat_set_uuid(req, LOAD_MEMBERS_STEP, 0, 0, room);
    chat_set_uuid(req, LOAD_MEMBERS_STEP, 0, 1, after);
    store_set_int(req, LOAD_MEMBERS_STEP, 0, 2, LOAD_MEMBERS);
    if (first) {
        store_step_init(req, LOAD_ROOM, QUERY_CHAT_ROOM_GET, 1);
        chat_set_uuid(req, LOAD_ROOM, 0, 0, room);
    }
    return req;
}

static void load(struct chat_room *r)
{
    struct home *h = r->chat->home;
    h->store->submit(h->store, load_req(h, r->id, r->loaded_to, loaded, r));
}

/* --- asks --- */

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

/* --- strangers --- */

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
    struct home *h = r->chat->home;
    chat_hold(r);
    a->room = r;
    h->store->submit(h->store, load_req(h, UUID_NIL, UUID_NIL, looked, a));
}

static void ask_arrive(struct mail *m)
{
    struct chat_ask *a = CONTAINER_OF(m, struct chat_ask, mail);
    a->chat = a->from->peers[home_of(a->from, a->id)]->chat;
    bool elsewhere = !uuid_is_nil(a->who.only) && !uuid_eq(a->who.only, a->id);
    struct chat_room *r = a->unloaded || elsewhere ? NULL : peek(a->chat, a->id);
    if (a->unloaded || elsewhere) {
        a->at_home(a, NULL);
        return;
    }
    if (r == NULL) {
        r = chat_room_put(a->chat, a->id, CHAT_ROOM_LOADING);
        load(r);
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
