/* The end of a membership: the row goes, then every socket of it, then it is told. */
#include "domain/chat_internal.h"

#include "base/mem.h"
#include "shape/chat.h"

/* --- who owns a room then --- */

static bool before(const struct chat_member_of *a, const struct chat_member_of *b)
{
    return a->role != b->role ? a->role > b->role : a->joined_ms < b->joined_ms;
}

uuid chat_heir(const struct chat_room *r, const struct chat_member_of *goes)
{
    const struct chat_member_of *best = NULL;
    for (struct map_node *n = NULL; (n = map_next(&r->members, n)) != NULL;) {
        const struct chat_member_of *m = CONTAINER_OF(n, struct chat_member_of, node);
        if (m == goes || m->type == CHAT_GUEST || m->kind == PRINCIPAL_ROBOT) {
            continue;
        }
        if (goes->role != CHAT_OWNER || m->role == CHAT_OWNER) {
            return UUID_NIL;
        }
        best = best == NULL || before(m, best) ? m : best;
    }
    return best == NULL ? UUID_NIL : best->principal;
}

void chat_heir_step(struct chat_room *r, struct store_req *req, unsigned step, uuid heir)
{
    struct chat_member_of m = *chat_member(r, heir);
    m.role = CHAT_OWNER;
    chat_member_set_step(r, req, step, &m);
}

/* --- events --- */

void chat_joined_step(struct chat_room *r, struct store_req *req, unsigned step,
                      const struct chat_member_of *m, const struct chat_origin *origin)
{
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    chat_put_joined(&data, &(struct chat_joined_shape){
                               .room = r->id, .user = m->principal, .type = m->type});
    chat_event_step(r->chat, req, step, EVENT_CHAT_ROOM_JOINED, chat_room_topic(r->id, topic),
                    buf_span(&data), origin);
    buf_deinit(&data);
}

void chat_left_step(struct chat_room *r, struct store_req *req, unsigned step,
                    const struct chat_member_of *m, const struct chat_origin *origin)
{
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    chat_put_left(&data, r->id, m->principal, m->type);
    chat_event_step(r->chat, req, step, EVENT_CHAT_ROOM_LEFT, chat_room_topic(r->id, topic),
                    buf_span(&data), origin);
    buf_deinit(&data);
}

/* --- the end --- */

static void nobody_hears(void *arg)
{
    struct chat_change *c = arg;
    struct chat_room *r = c->ask.room;
    chat_publish(r->chat, r, c->req);
    chat_answer(&c->ask, ERR_NONE);
    store_req_free(c->req);
    chat_item_over(r);
}

void chat_member_parts(struct chat_change *c, struct chat_room *r, uuid principal, uuid heir,
                       enum chat_out why)
{
    struct chat_member_of *m = chat_member(r, principal);
    struct chat_member_of *next = uuid_is_nil(heir) ? NULL : chat_member(r, heir);
    c->held_open = true;
    chat_spread_out(r, principal, why, nobody_hears, c);
    chat_member_drop(r, m);
    if (next != NULL) {
        next->role = CHAT_OWNER;
    }
    chat_guests_check(r);
}

/* --- leave --- */

struct leaving {
    struct chat_change change; /* first */
    uuid heir;
    bool hides;
};

enum { LEAVE_MEMBER, LEAVE_EVENT, LEAVE_HEIR };

static struct store_req *fill_leave(struct chat_change *c, struct chat_room *r)
{
    struct leaving *x = (struct leaving *)c;
    struct chat_member_of *m = chat_member_for(&c->ask, r);
    if (m == NULL) {
        return NULL;
    }
    x->hides = r->type == CHAT_DIRECT;
    if (x->hides && m->hidden) {
        chat_answer(&c->ask, ERR_NONE);
        return NULL;
    }
    x->heir = x->hides ? UUID_NIL : chat_heir(r, m);
    bool heir = !uuid_is_nil(x->heir);
    struct store_req *req = store_req_new(r->chat->home->index, x->hides ? 1 : heir ? 3 : 2, NULL,
                                          NULL);
    req->row_max = 1;
    store_step_init(req, LEAVE_MEMBER,
                    x->hides ? QUERY_CHAT_MEMBER_HIDE : QUERY_CHAT_MEMBER_DELETE, 1);
    chat_set_uuid(req, LEAVE_MEMBER, 0, 0, r->id);
    chat_set_uuid(req, LEAVE_MEMBER, 0, 1, m->principal);
    if (x->hides) {
        store_set_int(req, LEAVE_MEMBER, 0, 2, 1);
    } else {
        chat_left_step(r, req, LEAVE_EVENT, m, &c->ask.origin);
    }
    if (heir) {
        chat_heir_step(r, req, LEAVE_HEIR, x->heir);
    }
    return req;
}

static void committed_leave(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct leaving *x = (struct leaving *)c;
    uuid me = c->ask.who.actor.id;
    (void)req;
    if (x->hides) {
        chat_member(r, me)->hidden = true;
        c->held_open = true;
        chat_spread_out(r, me, CHAT_OUT_LEFT, nobody_hears, c);
    } else {
        chat_member_parts(c, r, me, x->heir, CHAT_OUT_LEFT);
    }
}

void chat_leave(struct home *h, uuid room, const struct chat_who *who,
                const struct chat_origin *origin, chat_done done, void *owner)
{
    struct leaving *x =
        chat_ask_new(h, sizeof *x, room, chat_change_at_home, who, origin, done, owner);
    x->change.fill = fill_leave;
    x->change.committed = committed_leave;
    chat_ask_start(&x->change.ask);
}
