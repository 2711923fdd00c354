/*
 * The rooms of a client: what it subscribes, and what ends that. Without any it hears of the states
 * of every room it may see; the first one ends that, and giving up the last brings it back. When
 * the server ends the last (the room is deleted, or not for this client any more) it does not: the
 * client hears of no states until it asks for a room, or gives one up.
 */
#include "edge/home/session.h"

#include "base/mem.h"
#include "codec/json/read.h"

#define ROOMS_CAP_MIN 4

static unsigned place_of(const struct home_rooms *s, int64_t room)
{
    unsigned i = 0;
    while (i < s->count && s->rooms[i] != room) {
        i++;
    }
    return i;
}

bool home_rooms_have(const struct home_client *m, int64_t room)
{
    return m->rooms != NULL && place_of(m->rooms, room) < m->rooms->count;
}

void home_rooms_free(struct home_client *m)
{
    if (m->rooms != NULL) {
        list_remove(&m->rooms->link);
        mem_free(m->rooms->rooms);
        mem_free(m->rooms);
        m->rooms = NULL;
    }
}

/* Its rooms, from now on. */
static struct home_rooms *choose(struct home_client *m)
{
    if (m->rooms == NULL) {
        m->rooms = mem_calloc(1, sizeof *m->rooms);
        m->rooms->client = m;
        list_init(&m->rooms->link);
        list_push(&home_edge(m)->home_wire->choosers, &m->rooms->link);
    }
    return m->rooms;
}

static void add(struct home_client *m, int64_t room)
{
    struct home_rooms *s = choose(m);
    if (place_of(s, room) < s->count) {
        return;
    }
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? ROOMS_CAP_MIN : s->cap * 2;
        s->rooms = mem_realloc(s->rooms, s->cap * sizeof *s->rooms);
    }
    s->rooms[s->count++] = room;
}

static void take_out(struct home_rooms *s, unsigned i) { s->rooms[i] = s->rooms[--s->count]; }

/* --- rights --- */

bool home_sees(const struct grant *g)
{
    struct house_rights r;
    house_rights_of(g, PERM_HOME_READ, &r);
    return r.all || r.count > 0;
}

/* What one may not see does not exist. */
static bool is_there(const struct home_client *m, int64_t room)
{
    struct house_rights r;
    const struct house_room_brief *brief = house_room(home_edge(m)->home, room);
    house_rights_of(m->session.grant, PERM_HOME_READ, &r);
    return brief != NULL && house_may(&r, room, brief->private);
}

void home_tell_ended(struct home_client *m, int64_t room, const char *code)
{
    home_tell(m, &(struct home_refusal){.code = code,
                                        .message = code[0] == 'f'
                                                       ? "the rights were changed"
                                                       : "there is no such room any more",
                                        .room = room});
}

static void end_room(struct home_client *m, unsigned place, const char *code)
{
    int64_t room = m->rooms->rooms[place];
    take_out(m->rooms, place);
    m->ended++;
    house_unfollow(home_edge(m)->home, conn_slot(m->conn), room);
    home_settle(m, &(struct home_asked){.room = room, .ended = code});
}

void home_rooms_recheck(struct home_client *m)
{
    for (unsigned i = m->rooms == NULL ? 0 : m->rooms->count; i > 0; i--) {
        if (!is_there(m, m->rooms->rooms[i - 1])) {
            end_room(m, i - 1, "forbidden");
        }
    }
    home_keep(m);
    home_settle(m, NULL);
}

void home_on_room(void *arg, int64_t room, int event)
{
    struct edge *e = arg;
    if (event == HOUSE_ROOM_OPEN) {
        return;
    }
    LIST_EACH(it, &e->home_wire->choosers) {
        struct home_rooms *s = LIST_ITEM(it, struct home_rooms, link);
        unsigned i = place_of(s, room);
        if (i < s->count && !is_there(s->client, room)) {
            end_room(s->client, i, "not_found");
            home_keep(s->client);
        }
    }
}

/* --- a kept session --- */

void home_rooms_restore(struct home_client *m, span state)
{
    span list, one;
    struct json_iter it;
    int64_t room;
    if (!json_get(json_root(state), "rooms", &list) || !json_array_begin(&it, list)) {
        return;
    }
    (void)choose(m);
    while (json_array_next(&it, &one)) {
        if (!json_i64(one, &room)) {
            continue;
        }
        if (is_there(m, room)) {
            add(m, room);
        } else {
            home_tell_ended(m, room, "not_found");
        }
    }
}

/* --- what clients say --- */

void event_home_subscribe_room(struct event_call *in, const struct shape_room_subscription *p)
{
    struct home_client *m = in->peer;
    struct conn_ref ref = conn_ref_of(m->conn);
    if (!is_there(m, p->room_id)) {
        event_refuse(in, ERR_NOT_FOUND, "room_id", NULL);
    } else if (!home_rooms_have(m, p->room_id) && m->rooms != NULL &&
               m->rooms->count >= in->edge->conf->home.subscriptions_max) {
        event_refuse(in, ERR_SUBSCRIPTION_FAILED, "room_id", "is one too many");
    } else {
        add(m, p->room_id);
        house_follow(in->edge->home, ref.slot, ref.gen, p->room_id, p->snapshot);
        home_keep(m);
        home_settle(m, &(struct home_asked){.id = in->id, .room = p->room_id});
    }
}

void event_home_unsubscribe_room(struct event_call *in, const struct shape_room_unsubscription *p)
{
    struct home_client *m = in->peer;
    unsigned i = m->rooms == NULL ? 0 : place_of(m->rooms, p->room_id);
    if (m->rooms != NULL && i < m->rooms->count) {
        take_out(m->rooms, i);
    }
    if (m->rooms != NULL && m->rooms->count == 0) {
        home_rooms_free(m);
    }
    home_keep(m);
    home_settle(m, &(struct home_asked){.id = in->id});
}
