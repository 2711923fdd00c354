/* Chat of one home, which begins and ends with all its parts; and its rooms in memory: found, held,
 * left, and dropped when nobody has held them for long. */
#include "domain/chat.h"
#include "domain/chat_delivery.h"
#include "domain/chat_internal.h"
#include "domain/chat_retention.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* What rooms that nobody holds may take: each counts one, and one for each member, some 3 MiB. */
#define IDLE_WEIGHT_MAX 20000

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

struct chat_room *chat_room_peek(struct chat *c, uuid room)
{
    struct map_node *n = map_get(&c->rooms, uuid_hash(room), same_room, &room);
    return n == NULL ? NULL : CONTAINER_OF(n, struct chat_room, node);
}

struct chat_room *chat_find(struct chat *c, uuid room)
{
    struct chat_room *r = chat_room_peek(c, room);
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
