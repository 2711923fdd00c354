/*
 * Guests are never alone (decision 0024). A room with a guest who is there and nobody of ours who
 * is there (nor a robot that owns it and can be asked) becomes read-only for guests:
 *
 *     attended --the last one offline, chat_alone_ms; or none left--> alone --sweep--> in the queue
 *         ^------------somebody is back, a robot owns it, no guest left--'
 *
 * `alone_since` is in the room's row, so a restart changes nothing: who is not there after it is as
 * if they had just gone. Whoever only watches does not count, for guests must not know of them.
 */
#include "domain/chat_desk_internal.h"

#include "base/mem.h"

#define RETRY_MS 1000 /* after a store that failed */

struct chat_guests {
    struct chat_room *room;
    struct deadline wait; /* nobody of ours is there, for how long still */
    bool turning;         /* a change is under way, or waits for its turn */
};

struct alone_turn {
    struct chat_change change; /* first */
    bool alone;                /* what it makes of the room */
};

/* --- who is there --- */

struct presence {
    bool guest;   /* in the room at all */
    bool waiting; /* and one that is there */
    bool staff;
    bool spared; /* the robot that owns it failed too often: nobody waits for that one */
    bool attended;
};

static struct presence presence_of(struct chat_room *r)
{
    struct presence p = {0};
    p.attended = chat_robot_attends(r, &p.spared);
    for (struct map_node *n = NULL; (n = map_next(&r->members, n)) != NULL;) {
        const struct chat_member_of *m = CONTAINER_OF(n, struct chat_member_of, node);
        if (m->type == CHAT_GUEST) {
            p.guest = true;
            p.waiting = p.waiting || m->clients > 0;
        } else if (m->kind == PRINCIPAL_ROBOT) {
            p.staff = p.staff || uuid_eq(m->principal, r->owner_robot);
        } else {
            p.staff = true;
            p.attended = p.attended || m->clients > 0;
        }
    }
    return p;
}

/* What the room should be, now that nobody waits for anything any more. */
static bool should_be_alone(const struct chat_room *r, const struct presence *p)
{
    return !p->attended && (r->alone ? p->guest : p->waiting);
}

/* --- the change --- */

static const struct chat_notice notices[2][2] = {
    {{.level = CHAT_INFO,
      .code = "room_attended",
      .message = "somebody is here again"},
     {.level = CHAT_INFO,
      .code = "guests_attended",
      .message = "guests are not alone any more"}},
    {{.level = CHAT_WARNING,
      .code = "room_read_only",
      .message = "nobody of ours is here at the moment; until somebody is back this room can be "
                 "read only"},
     {.level = CHAT_WARNING,
      .code = "guests_alone",
      .message = "guests are alone; their room is read-only for them"}},
};

static struct store_req *alone_fill(struct chat_change *c, struct chat_room *r)
{
    struct alone_turn *t = (struct alone_turn *)c;
    struct home *h = r->chat->home;
    struct presence p = presence_of(r);
    char topic[CHAT_TOPIC_MAX];
    t->alone = should_be_alone(r, &p);
    if (t->alone == r->alone) {
        chat_answer(&c->ask, ERR_NONE);
        return NULL;
    }
    struct store_req *req = store_req_new(h->index, 3, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_ROOM_SET_ALONE, 1);
    chat_set_uuid(req, 0, 0, 0, r->id);
    if (t->alone) {
        store_set_int(req, 0, 0, 1, clock_wall_ms(h->clock));
    }
    struct chat_notice in_room = notices[t->alone][0], staff = notices[t->alone][1];
    in_room.room = staff.room = r->id;
    chat_notice_step(r->chat, req, 1, chat_room_topic(r->id, topic), &in_room);
    chat_notice_step(r->chat, req, 2, SPAN(CHAT_STAFF_TOPIC), &staff);
    return req;
}

static void alone_committed(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    r->alone = ((struct alone_turn *)c)->alone;
    chat_publish(r->chat, r, req);
    chat_answer(&c->ask, ERR_NONE);
}

static void alone_over(struct chat_ask *a)
{
    struct chat_room *r = a->room;
    struct chat_guests *g = r->guests;
    if (g != NULL) {
        g->turning = false;
        if (a->result.error != ERR_NONE && r->state == CHAT_ROOM_READY) {
            deadline_set(r->chat->home, &g->wait, RETRY_MS);
        } else {
            chat_guests_check(r);
        }
    }
    chat_release(r);
}

static void at_home_turn(struct chat_ask *a, struct chat_room *r)
{
    (void)a;
    (void)r;
}

static void turn(struct chat_room *r)
{
    struct chat_guests *g = r->guests;
    if (g->turning) {
        return; /* it looks when it runs, and again when it is over */
    }
    g->turning = true;
    deadline_clear(&g->wait);
    chat_hold(r); /* until alone_over */
    struct alone_turn *t = chat_ask_new(r->chat->home, sizeof *t, r->id, at_home_turn,
                                        &chat_server, NULL, NULL, NULL);
    t->change.ask.chat = r->chat;
    t->change.ask.at_caller = alone_over;
    t->change.fill = alone_fill;
    t->change.committed = alone_committed;
    chat_change_run(&t->change, r);
}

static void waited(struct deadline *d)
{
    turn(CONTAINER_OF(d, struct chat_guests, wait)->room);
}

static struct chat_guests *guests_of(struct chat_room *r)
{
    if (r->guests == NULL) {
        r->guests = mem_calloc(1, sizeof *r->guests);
        r->guests->room = r;
        r->guests->wait.fire = waited;
    }
    return r->guests;
}

void chat_guests_check(struct chat_room *r)
{
    if ((r->guest_count == 0 && !r->alone && r->guests == NULL) || r->state != CHAT_ROOM_READY) {
        return;
    }
    struct presence p = presence_of(r);
    struct chat_guests *g = guests_of(r);
    int64_t wait_ms = p.staff && !p.spared ? r->chat->home->conf->chat_alone_ms : 0;
    if (should_be_alone(r, &p) == r->alone) {
        deadline_clear(&g->wait);
    } else if (r->alone || wait_ms == 0) {
        turn(r);
    } else if (!wheel_armed(&g->wait.node)) {
        deadline_set(r->chat->home, &g->wait, wait_ms);
    }
}

void chat_guests_free(struct chat_room *r)
{
    if (r->guests != NULL) {
        deadline_clear(&r->guests->wait);
        mem_free(r->guests);
        r->guests = NULL;
    }
}
