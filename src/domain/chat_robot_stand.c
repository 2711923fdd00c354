/*
 * Whether a robot that owns a room is somebody for its guests, who are never alone. A robot's home
 * knows how it stands and tells every home, which look again at the rooms that it owns:
 *
 *     there --five failures--> spared --open_ms--> trial --it answers--> there
 *                                ^-------------------'  it fails
 *
 * A robot that is spared or away is nobody. One on trial is for rooms whose guests were not alone
 * yet, for somebody has to ask it; a room that waits for a person goes on doing so until the robot
 * has answered, else failures by the minute would keep it out of the queue.
 */
#include "domain/chat_robot_internal.h"

#include "base/mem.h"

enum robot_stand robot_stand(const struct chat_robots *rs, uuid robot)
{
    for (unsigned i = 0; i < rs->stand_count; i++) {
        if (uuid_eq(rs->stands[i].robot, robot)) {
            return rs->stands[i].stand;
        }
    }
    return ROBOT_THERE;
}

void robot_stand_put(struct chat_robots *rs, uuid robot, enum robot_stand stand)
{
    unsigned i = 0;
    while (i < rs->stand_count && !uuid_eq(rs->stands[i].robot, robot)) {
        i++;
    }
    if (stand == ROBOT_THERE) {
        if (i < rs->stand_count) {
            rs->stands[i] = rs->stands[--rs->stand_count];
        }
        return;
    }
    if (i == rs->stand_cap) {
        rs->stand_cap = rs->stand_cap == 0 ? 8 : 2 * rs->stand_cap;
        rs->stands = mem_realloc(rs->stands, rs->stand_cap * sizeof *rs->stands);
    }
    rs->stand_count += i == rs->stand_count;
    rs->stands[i] = (struct robot_stand_of){.robot = robot, .stand = stand};
}

/* --- at every home --- */

struct stand_mail {
    struct mail mail;
    struct home *at;
    uuid robot;
    enum robot_stand stand;
};

/* Looking may let rooms go, so it is done by id. */
static void look_at_rooms(struct chat *c, uuid robot)
{
    uuid *ids = mem_alloc((c->rooms.count + 1) * sizeof *ids);
    size_t count = 0;
    for (struct map_node *n = NULL; (n = map_next(&c->rooms, n)) != NULL;) {
        const struct chat_room *r = CONTAINER_OF(n, struct chat_room, node);
        if (r->state == CHAT_ROOM_READY && uuid_eq(r->owner_robot, robot)) {
            ids[count++] = r->id;
        }
    }
    while (count > 0) {
        struct chat_room *r = chat_find(c, ids[--count]);
        if (r != NULL) {
            chat_guests_check(r);
        }
    }
    mem_free(ids);
}

static void told(struct mail *m)
{
    struct stand_mail *s = CONTAINER_OF(m, struct stand_mail, mail);
    struct chat *c = s->at->chat;
    if (c != NULL && c->robots != NULL && !c->robots->stopping) {
        robot_stand_put(c->robots, s->robot, s->stand);
        look_at_rooms(c, s->robot);
    }
    mem_free(s);
}

/* --- at the robot's --- */

static void tell(struct robot *r)
{
    struct home *h = r->robots->chat->home;
    for (unsigned i = 0; i < h->count; i++) {
        struct stand_mail *s = mem_alloc(sizeof *s);
        *s = (struct stand_mail){
            .mail.run = told, .at = h->peers[i], .robot = r->row.id, .stand = r->stand};
        post_mail(h->post, i, &s->mail);
    }
}

static void lapsed(struct deadline *d)
{
    robot_stand_show(CONTAINER_OF(d, struct robot, lapses));
}

/* Until its breaker lets one through; 0: it does, or is closed. */
static int64_t spared_ms(const struct robot *r)
{
    const struct home *h = r->robots->chat->home;
    int64_t left_ms = r->breaker.opened_ms + h->conf->app_receiver.breaker_open_ms -
                      clock_mono_ms(h->clock);
    return r->breaker.state == BREAKER_OPEN && left_ms > 0 ? left_ms : 0;
}

static enum robot_stand stand_of(const struct robot *r)
{
    bool reachable = r->row.enabled && (r->row.url.len > 0 || r->sockets > 0);
    return !reachable                              ? ROBOT_AWAY
           : r->breaker.state == BREAKER_CLOSED    ? ROBOT_THERE
           : spared_ms(r) > 0                      ? ROBOT_SPARED
                                                   : ROBOT_TRIAL;
}

void robot_stand_show(struct robot *r)
{
    struct chat_robots *rs = r->robots;
    enum robot_stand now = stand_of(r);
    int64_t left_ms = spared_ms(r);
    deadline_clear(&r->lapses);
    if (rs->stopping) {
        return;
    }
    if (left_ms > 0) {
        r->lapses.fire = lapsed;
        deadline_set(rs->chat->home, &r->lapses, left_ms);
    }
    if (now != r->stand) {
        r->stand = now;
        if (!rs->loading) {
            tell(r);
        }
    }
}

void robot_stand_end(struct robot *r)
{
    deadline_clear(&r->lapses);
    if (r->stand != ROBOT_THERE && !r->robots->stopping) {
        r->stand = ROBOT_THERE; /* its rooms have lost it as a member */
        tell(r);
    }
}
