/*
 * States of entities under a storm of changes, with followers that come, ask for snapshots, go
 * away, stall and are closed, over every order of loops, mail and answers of the store. A follower
 * that keeps up sees from its snapshot on each change once, one behind the other; one that stalls
 * may miss values in between, and never goes back; all end with what is true.
 *
 * A state is a number that grows with the changes of its entity, whose place is in its name.
 */
#include "domain/house.h"
#include "sim/fleet_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOMS 3
#define ENTITIES 6
#define FOLLOWERS 6
#define NAME_MAX 32
#define NONE (-1) /* it is not there */

/* What a follower has seen of an entity, or what is true of it. */
struct seen {
    int name;     /* how often it was renamed or made again */
    int state;    /* NONE: not there */
    int64_t room; /* 0: in none */
};

struct follower {
    struct watcher w;
    size_t read; /* bytes of its text */
    bool lossy;  /* it has stalled, and not all that waited has arrived */
    struct seen seen[ENTITIES];
    struct {
        bool on;
        bool fresh;   /* it has a snapshot, and everything since */
        unsigned due; /* snapshots that were asked for */
    } rooms[ROOMS + 1];
};

struct storm {
    struct world world;
    struct house_who who;
    int64_t rooms[ROOMS + 1]; /* [0] = 0: in none */
    struct seen now[ENTITIES]; /* but for what is on its way; state: the newest that was set */
    bool busy[ENTITIES];       /* a change of its row is on its way */
    bool perhaps[ENTITIES];    /* it was made, as `then`, or was not: the store failed */
    struct seen then[ENTITIES];
    unsigned calls;            /* on their way */
    struct follower followers[FOLLOWERS];
};

static bool chance(struct storm *s, unsigned percent) { return world_chance(&s->world, percent); }
static unsigned below(struct storm *s, unsigned n)
{
    return (unsigned)sim_random_below(sim_random(s->world.sim), n);
}

static span name_of(unsigned i, int name, char text[NAME_MAX])
{
    int len = snprintf(text, NAME_MAX, "light.e%u_%d", i, name);
    return span_of(text, (size_t)len);
}

/* --- what followers see --- */

/* Behind the member's name and colon; NULL when it is not in the text. */
static const char *member(const char *json, const char *name)
{
    char key[40];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(json, key);
    return at == NULL ? NULL : at + strlen(key);
}

static int state_of(const char *json, const char *name)
{
    const char *at = member(json, name);
    SIM_CHECK(at != NULL);
    return *at == '"' ? (int)strtol(at + 1, NULL, 10) : NONE;
}

static unsigned room_index(const struct storm *s, int64_t id)
{
    for (unsigned i = 0; i <= ROOMS; i++) {
        if (s->rooms[i] == id) {
            return i;
        }
    }
    SIM_CHECK(!"a room that is not there");
    return 0;
}

static int64_t room_of(const char *json)
{
    const char *at = member(json, "room_id");
    SIM_CHECK(at != NULL);
    return *at == 'n' ? 0 : strtoll(at, NULL, 10);
}

static unsigned entity_of(const char *json, int *name)
{
    unsigned i;
    SIM_CHECK(sscanf(member(json, "entity_id"), "\"light.e%u_%d\"", &i, name) == 2);
    SIM_CHECK(i < ENTITIES);
    return i;
}

static void see_change(struct storm *s, struct follower *f, const char *json)
{
    struct seen told;
    unsigned i = entity_of(json, &told.name);
    struct seen *had = &f->seen[i];
    told.room = room_of(json);
    told.state = state_of(json, "new_state");
    int old = state_of(json, "old_state");
    if (!f->rooms[room_index(s, told.room)].fresh) {
        if (had->room != told.room) {
            had->state = NONE; /* wherever it is, it is not where it was */
        }
        return;
    }
    if (told.name < had->name) {
        SIM_CHECK(told.state == NONE); /* the end of its old name */
        SIM_CHECK(f->lossy || old == NONE);
        return;
    }
    bool same = told.name == had->name;
    SIM_CHECK(f->lossy || old == (same || told.state == NONE ? had->state : NONE));
    SIM_CHECK(told.state == NONE || !same || told.state >= had->state);
    if (old != NONE && told.state != NONE) {
        SIM_CHECK(told.state > old);
    }
    *had = told;
}

static void see_snapshot(struct storm *s, struct follower *f, char *json)
{
    int64_t id = room_of(json);
    unsigned room = room_index(s, id);
    struct seen there[ENTITIES];
    SIM_CHECK(f->rooms[room].due-- > 0);
    SIM_CHECK(member(json, "pos") != NULL);
    bool compare = f->rooms[room].fresh && !f->lossy;
    if (!f->rooms[room].fresh && (f->rooms[room].due > 0 || !f->rooms[room].on)) {
        return; /* of an earlier subscription */
    }
    for (unsigned i = 0; i < ENTITIES; i++) {
        there[i] = (struct seen){.name = -1, .state = NONE, .room = id};
    }
    for (char *at = json; (at = strstr(at, "{\"entity_id\"")) != NULL;) {
        struct seen e = {.room = id};
        unsigned i = entity_of(at, &e.name);
        e.state = state_of(at, "state");
        SIM_CHECK(there[i].state == NONE); /* each once */
        SIM_CHECK(e.name > f->seen[i].name || e.state >= f->seen[i].state);
        there[i] = e;
        at++;
    }
    for (unsigned i = 0; i < ENTITIES; i++) {
        struct seen *had = &f->seen[i];
        bool here = had->state != NONE && had->room == id;
        SIM_CHECK(!compare || here == (there[i].state != NONE));
        SIM_CHECK(!compare || !here ||
                  (had->state == there[i].state && had->name == there[i].name));
        if (there[i].state != NONE) {
            *had = there[i];
        } else if (here) {
            had->state = NONE;
        }
    }
    f->rooms[room].fresh = true;
}

static void see(struct storm *s, struct follower *f)
{
    buf *text = &f->w.text;
    for (uint8_t *end; f->read < text->len; f->read = (size_t)(end - text->ptr) + 1) {
        end = memchr(text->ptr + f->read, '\n', text->len - f->read);
        if (end == NULL) {
            return;
        }
        *end = '\0';
        char *line = (char *)text->ptr + f->read;
        if (strncmp(line, "{\"room_id\"", 10) == 0) {
            see_snapshot(s, f, line);
        } else {
            see_change(s, f, line);
        }
        *end = '\n';
    }
    if (!f->w.stalls && f->w.open) {
        uint32_t messages;
        uint64_t bytes;
        hub_member_queue(s->world.hubs[f->w.loop], f->w.member, &messages, &bytes);
        f->lossy = f->lossy && messages > 0;
    }
}

/* --- what followers do --- */

struct follow {
    struct storm *storm;
    struct follower *follower;
    unsigned room;
    bool ends;
};

static void do_follow(void *arg)
{
    struct follow *x = arg;
    struct watcher *w = &x->follower->w;
    struct home *h = &x->storm->world.homes[w->loop];
    int64_t room = x->storm->rooms[x->room];
    if (x->ends) {
        house_unfollow(h, w->member, room);
    } else {
        house_follow(h, w->member, x->storm->world.sides[w->loop].gens[w->member], room, true);
    }
}

static void follow(struct storm *s, struct follower *f, unsigned room)
{
    struct follow x = {s, f, room, false};
    f->rooms[room].on = true;
    f->rooms[room].due++;
    sim_on_loop(s->world.sim, f->w.loop, do_follow, &x);
}

static void unfollow(struct storm *s, struct follower *f, unsigned room)
{
    struct follow x = {s, f, room, true};
    f->rooms[room].on = f->rooms[room].fresh = false;
    for (unsigned i = 0; i < ENTITIES; i++) {
        f->seen[i].state = f->seen[i].room == s->rooms[room] ? NONE : f->seen[i].state;
    }
    sim_on_loop(s->world.sim, f->w.loop, do_follow, &x);
}

static void come(struct storm *s, struct follower *f)
{
    memset(f, 0, sizeof *f);
    for (unsigned i = 0; i < ENTITIES; i++) {
        f->seen[i] = (struct seen){.name = -1, .state = NONE};
    }
    watcher_open(&s->world, &f->w, world_loop(&s->world));
    f->w.patient = true;
}

static void go(struct follower *f)
{
    watcher_close(&f->w);
    memset(f, 0, sizeof *f);
}

static void resume(struct storm *s, struct follower *f)
{
    watcher_resume(&f->w);
    see(s, f);
}

static void act(struct storm *s, struct follower *f)
{
    unsigned room = below(s, ROOMS + 1);
    if (f->w.slow) {
        go(f);
    } else if (!f->w.open) {
        come(s, f);
    } else if (chance(s, 5)) {
        go(f);
    } else if (f->w.stalls && chance(s, 40)) {
        resume(s, f);
    } else if (!f->w.stalls && chance(s, 30)) {
        f->lossy = true;
        watcher_stall(&f->w, below(s, 400));
    } else if (f->rooms[room].on && chance(s, 60)) {
        see(s, f);
        unfollow(s, f, room);
    } else {
        follow(s, f, room);
    }
}

/* --- what is done to entities --- */

struct change {
    struct storm *storm;
    unsigned entity;
    struct seen then;
    enum { MAKE, SET, PATCH, END, ROOM } kind;
};

static void changed(void *owner, const struct house_result *r)
{
    struct change *c = owner;
    struct storm *s = c->storm;
    s->calls--;
    if (c->kind == ROOM) {
        SIM_CHECK(r->error == ERR_NONE);
        s->rooms[c->entity] = r->id;
    } else if (c->kind != SET) {
        bool ok = r->error == ERR_NONE;
        s->busy[c->entity] = false;
        if (c->kind == MAKE) {
            ok = ok || (s->perhaps[c->entity] && r->error == ERR_CONFLICT);
            s->perhaps[c->entity] = !ok;
            s->then[c->entity] = c->then;
        }
        if (ok) {
            struct seen *now = &s->now[c->entity];
            now->name = c->then.name;
            now->room = c->then.room;
            now->state = c->kind == END ? NONE : now->state == NONE ? c->then.state : now->state;
        }
    }
    free(c);
}

static void do_change(void *arg)
{
    struct change *c = arg;
    struct storm *s = c->storm;
    struct home *h = &s->world.homes[HOUSE_HOME]; /* so that they come in their order */
    char old[NAME_MAX], new[NAME_MAX], text[16];
    span name = name_of(c->entity, s->now[c->entity].name, old);
    span then = name_of(c->entity, c->then.name, new);
    span state = span_of(text, (size_t)snprintf(text, sizeof text, "%d", c->then.state));
    switch (c->kind) {
    case MAKE:
        house_entity_create(h,
                            &(struct house_entity_draft){.entity_id = then,
                                                         .name = SPAN("Lamp"),
                                                         .room = c->then.room,
                                                         .state = state},
                            &s->who, changed, c);
        break;
    case SET:
        house_state_set(h, &(struct house_state_change){.entity_id = name, .state = state},
                        &s->who, changed, c);
        break;
    case PATCH:
        house_entity_patch(h, name,
                           &(struct house_entity_change){.entity_id = then,
                                                         .has_room = true,
                                                         .room = c->then.room},
                           &s->who, changed, c);
        break;
    case END:
        house_entity_delete(h, name, 0, &s->who, changed, c);
        break;
    case ROOM:
        house_room_create(h,
                          &(struct house_room_draft){.name = name_of(c->entity, 0, old),
                                                     .private = c->entity == ROOMS},
                          &s->who, changed, c);
        break;
    }
}

static void begin(struct storm *s, unsigned entity, int kind, struct seen then)
{
    struct change *c = calloc(1, sizeof *c);
    *c = (struct change){.storm = s, .entity = entity, .then = then, .kind = kind};
    s->calls++;
    sim_on_loop(s->world.sim, HOUSE_HOME, do_change, c);
}

static void set(struct storm *s, unsigned i)
{
    struct seen then = s->now[i];
    if (then.state != NONE) {
        then.state = ++s->now[i].state;
        begin(s, i, SET, then);
    }
}

/* Another name, another room, an end or a beginning. */
static void turn(struct storm *s, unsigned i)
{
    struct seen then = s->now[i];
    if (s->busy[i]) {
        return;
    }
    s->busy[i] = true;
    if (s->perhaps[i]) {
        begin(s, i, MAKE, s->then[i]);
    } else if (then.state == NONE) {
        then.name++;
        then.room = s->rooms[below(s, ROOMS + 1)];
        then.state = 1;
        begin(s, i, MAKE, then);
    } else if (chance(s, 10)) {
        begin(s, i, END, then);
    } else {
        then.name += chance(s, 30);
        then.room = s->rooms[below(s, ROOMS + 1)];
        begin(s, i, PATCH, then);
    }
}

static void storm_start(struct storm *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    world_start(&s->world, seed, 0);
    s->who = (struct house_who){.see = {.all = true}, .may = {.all = true}};
    for (unsigned i = 1; i <= ROOMS; i++) {
        begin(s, i, ROOM, (struct seen){0});
    }
    world_settle(&s->world);
    for (unsigned i = 0; i < ENTITIES; i++) {
        s->now[i] = (struct seen){.name = -1, .state = NONE};
        turn(s, i);
    }
    world_settle(&s->world);
}

/* What a follower that keeps up ends with. */
static void check_end(struct storm *s, struct follower *f)
{
    see(s, f);
    SIM_CHECK(f->read == f->w.text.len && !f->lossy);
    for (unsigned r = 0; r <= ROOMS; r++) {
        SIM_CHECK(f->rooms[r].due == 0 && f->rooms[r].on == f->rooms[r].fresh);
        for (unsigned i = 0; f->rooms[r].on && i < ENTITIES; i++) {
            bool here = s->now[i].state != NONE && s->now[i].room == s->rooms[r];
            bool seen = f->seen[i].state != NONE && f->seen[i].room == s->rooms[r];
            SIM_CHECK(here == seen);
            SIM_CHECK(!here || (f->seen[i].state == s->now[i].state &&
                                f->seen[i].name == s->now[i].name));
        }
    }
}

static void storm_end(struct storm *s)
{
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        if (s->followers[i].w.open && s->followers[i].w.stalls) {
            resume(s, &s->followers[i]);
        }
    }
    sim_store_set_failures(s->world.db, 0, ERR_NONE);
    world_settle(&s->world);
    for (unsigned i = 0; i < ENTITIES; i++) {
        if (s->perhaps[i]) {
            turn(s, i);
        }
    }
    world_settle(&s->world);
    SIM_CHECK(s->calls == 0);
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        if (s->followers[i].w.open) {
            check_end(s, &s->followers[i]);
        }
        go(&s->followers[i]);
    }
    world_settle(&s->world);
    world_stop(&s->world);
}

static void followers_see_every_change_once_and_the_last(uint64_t seed)
{
    struct storm *s = calloc(1, sizeof *s);
    storm_start(s, seed);
    if (chance(s, 30)) {
        sim_store_set_failures(s->world.db, 10, ERR_STORE_FAILED);
    }
    for (unsigned step = 0; step < 600; step++) {
        set(s, below(s, ENTITIES));
        if (chance(s, 10)) {
            turn(s, below(s, ENTITIES));
        }
        if (chance(s, 15)) {
            act(s, &s->followers[below(s, FOLLOWERS)]);
        }
        for (unsigned n = below(s, 12); n > 0; n--) {
            (void)sim_step(s->world.sim);
        }
        for (unsigned i = 0; i < FOLLOWERS; i++) {
            if (s->followers[i].w.open) {
                see(s, &s->followers[i]);
            }
        }
    }
    storm_end(s);
    free(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"followers_see_every_change_once_and_the_last",
         followers_see_every_change_once_and_the_last, 40},
    };
    return sim_main(argc, argv, cases, 1);
}
