/*
 * Rooms and entities changed from several loops at once, over every order of loops, mail and
 * answers of the store, some of which are failures: events of a room come in their order and not
 * before the copy of the loop that hears them, all copies end alike, and what is in memory is what
 * the next process loads.
 */
#include "domain/house.h"
#include "sim/fleet_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOMS_MAX 64 /* ids that a run gives */
#define NAMES 8      /* that entities take from each other */

enum known { UNKNOWN, THERE, GONE };

struct listener {
    struct watcher w;
    size_t read;
    unsigned events;
    enum known rooms[ROOMS_MAX];
};

struct rows {
    struct world world;
    struct house_who who;
    unsigned calls; /* on their way */
    unsigned answers[2]; /* without and with an error */
    struct listener listeners[SIM_LOOPS_MAX];
    bool gone[SIM_LOOPS_MAX][ROOMS_MAX]; /* home.on_room has said so */
    buf shown; /* all there is, as JSON */
};

static unsigned below(struct rows *s, unsigned n)
{
    return (unsigned)sim_random_below(sim_random(s->world.sim), n);
}

static unsigned index_of(int64_t room)
{
    SIM_CHECK(room > 0 && room < ROOMS_MAX);
    return (unsigned)room;
}

/* --- what loops hear --- */

struct ear {
    struct rows *rows;
    unsigned loop;
};

static struct ear ears[SIM_LOOPS_MAX];

static void on_room(void *arg, int64_t room, int event)
{
    const struct ear *e = arg;
    bool *gone = &e->rows->gone[e->loop][index_of(room)];
    SIM_CHECK(!*gone);
    *gone = event == HOUSE_ROOM_GONE;
    const struct house_room_brief *b = house_room(&e->rows->world.homes[e->loop], room);
    SIM_CHECK((b == NULL) == *gone);
    SIM_CHECK(b == NULL || b->private == (event == HOUSE_ROOM_PRIVATE));
}

static void start_listening(void *arg)
{
    const struct ear *e = arg;
    struct home *h = &e->rows->world.homes[e->loop];
    uint32_t member = e->rows->listeners[e->loop].w.member;
    SIM_CHECK(hub_subscribe(h->hub, member, JOURNAL_HOME, SPAN(HOUSE_EVENTS_OPEN)));
    SIM_CHECK(hub_subscribe(h->hub, member, JOURNAL_HOME, SPAN(HOUSE_EVENTS_PRIVATE)));
    h->on_room = on_room;
    h->on_room_arg = arg;
}

static void hear_event(struct rows *s, unsigned loop, const char *line)
{
    struct listener *l = &s->listeners[loop];
    long long id;
    SIM_CHECK(sscanf(line, "{\"room_id\":%lld,", &id) == 1);
    const char *action = strstr(line, "\"action\":\"");
    SIM_CHECK(action != NULL);
    enum known *k = &l->rooms[index_of(id)];
    bool here = house_room(&s->world.homes[loop], id) != NULL;
    bool gone = s->gone[loop][id];
    l->events++;
    switch (action[10]) {
    case 'c':
        SIM_CHECK(*k == UNKNOWN && (here || gone));
        *k = THERE;
        break;
    case 'u':
        SIM_CHECK(*k == THERE && (here || gone));
        break;
    default:
        SIM_CHECK(*k == THERE && gone && !here);
        *k = GONE;
    }
}

static void hear(struct rows *s)
{
    for (unsigned i = 0; i < s->world.count; i++) {
        struct listener *l = &s->listeners[i];
        const buf *text = &l->w.text;
        while (l->read < text->len) {
            const uint8_t *from = text->ptr + l->read;
            const uint8_t *end = memchr(from, '\n', text->len - l->read);
            char line[400];
            if (end == NULL) {
                break;
            }
            snprintf(line, sizeof line, "%.*s", (int)(end - from), (const char *)from);
            hear_event(s, i, line);
            l->read = (size_t)(end - text->ptr) + 1;
        }
    }
}

/* --- what is done --- */

struct call {
    struct rows *rows;
    struct home *home;
    unsigned kind, version;
    int64_t room, to;
    char name[24], new_name[24];
};

static void answered(void *owner, const struct house_result *r)
{
    struct rows *s = owner;
    s->calls--;
    s->answers[r->error != ERR_NONE]++;
}

static void do_call(void *arg)
{
    struct call *c = arg;
    struct rows *s = c->rows;
    struct home *h = c->home;
    span name = span_str(c->name), new_name = span_str(c->new_name);
    bool coin = below(s, 2);
    s->calls++;
    switch (c->kind) {
    case 0:
        house_room_create(h, &(struct house_room_draft){.name = new_name, .private = coin},
                          &s->who, answered, s);
        return;
    case 1:
    case 2:
        house_room_patch(h, c->room,
                         &(struct house_room_change){.version = c->version, .name = new_name,
                                                     .has_private = true, .private = coin},
                         &s->who, answered, s);
        return;
    case 3:
        house_room_delete(h, c->room, c->version, coin, &s->who, answered, s);
        return;
    case 4:
    case 5:
        house_entity_create(h, &(struct house_entity_draft){.entity_id = name, .room = c->room},
                            &s->who, answered, s);
        return;
    case 6:
    case 7:
        house_entity_patch(h, name,
                           &(struct house_entity_change){.version = c->version,
                                                         .entity_id = new_name},
                           &s->who, answered, s);
        return;
    case 8:
    case 9:
        house_entity_patch(h, name, &(struct house_entity_change){.has_room = true, .room = c->to},
                           &s->who, answered, s);
        return;
    default:
        house_entity_delete(h, name, c->version, &s->who, answered, s);
    }
}

static void act(struct rows *s)
{
    unsigned loop = world_loop(&s->world);
    struct call c = {.rows = s,
                     .home = &s->world.homes[loop],
                     .kind = below(s, 11),
                     .version = world_chance(&s->world, 20) ? 1 + below(s, 3) : 0,
                     .room = 1 + below(s, 10),
                     .to = below(s, 10)};
    snprintf(c.name, sizeof c.name, "x.n%u", below(s, NAMES));
    snprintf(c.new_name, sizeof c.new_name, "x.n%u", below(s, NAMES));
    sim_on_loop(s->world.sim, loop, do_call, &c);
}

/* --- what there is --- */

struct page {
    struct rows *rows;
    bool rooms;
    bool done;
    struct home *home;
};

static void take(void *owner, const struct house_result *r)
{
    struct page *p = owner;
    SIM_CHECK(r->error == ERR_NONE && r->next.len == 0);
    buf_append_span(&p->rows->shown, r->json);
    p->done = true;
}

static void ask(void *arg)
{
    struct page *p = arg;
    if (p->rooms) {
        house_room_list(p->home, &(struct house_room_filter){.limit = 200}, &p->rows->who, take, p);
    } else {
        house_entity_list(p->home, &(struct house_entity_filter){.room = -1, .limit = 200},
                          &p->rows->who, take, p);
    }
}

static bool page_done(void *arg) { return ((struct page *)arg)->done; }

static void show(struct rows *s)
{
    buf_clear(&s->shown);
    for (unsigned i = 0; i < 2; i++) {
        unsigned loop = world_loop(&s->world);
        struct page p = {.rows = s, .rooms = i == 0, .home = &s->world.homes[loop]};
        sim_on_loop(s->world.sim, loop, ask, &p);
        SIM_CHECK(sim_until(s->world.sim, page_done, &p, 60000));
    }
    buf_append_byte(&s->shown, 0);
}

static bool at_rest(void *arg)
{
    struct rows *s = arg;
    struct house_stats stats;
    house_stats(&s->world.homes[0], &stats);
    return s->calls == 0 && stats.unwritten == 0;
}

/* How many objects of that room, or rooms of that id, are shown. */
static unsigned shown(const struct rows *s, const char *member, unsigned id)
{
    char text[40];
    unsigned count = 0;
    snprintf(text, sizeof text, "%s%u,", member, id);
    for (const char *at = (const char *)s->shown.ptr; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

/* Copies on all loops, what was heard there, and the rows agree. */
static void agree(struct rows *s, bool listening)
{
    for (unsigned room = 1; room < ROOMS_MAX; room++) {
        unsigned there = shown(s, "{\"id\":", room);
        char count[60];
        snprintf(count, sizeof count, "\"entity_count\":%u,",
                 shown(s, "\"room_id\":", room));
        char *at = NULL;
        if (there == 1) {
            char id[24];
            snprintf(id, sizeof id, "{\"id\":%u,", room);
            at = strstr((char *)s->shown.ptr, id);
            SIM_CHECK(strstr(at, count) != NULL && strstr(at, count) < strchr(at, '}'));
        }
        for (unsigned i = 0; i < s->world.count; i++) {
            const struct house_room_brief *b = house_room(&s->world.homes[i], room);
            SIM_CHECK((b != NULL) == (there == 1));
            const char *private = at == NULL ? NULL : strstr(at, "\"private\":");
            SIM_CHECK(b == NULL || b->private == (private[10] == 't'));
            SIM_CHECK(!listening || (s->listeners[i].rooms[room] == THERE) == (there == 1));
            SIM_CHECK(!listening || s->listeners[i].events == s->listeners[0].events);
        }
    }
}

static void run(uint64_t seed, unsigned failures)
{
    static struct rows rows;
    struct rows *s = &rows;
    *s = (struct rows){.who = {.see.all = true, .may.all = true}};
    world_start(&s->world, seed, 0);
    for (unsigned i = 0; i < s->world.count; i++) {
        ears[i] = (struct ear){s, i};
        watcher_open(&s->world, &s->listeners[i].w, i);
        sim_on_loop(s->world.sim, i, start_listening, &ears[i]);
    }
    sim_run_ms(s->world.sim, 300); /* the subscriptions have arrived */
    sim_store_set_failures(s->world.db, failures, ERR_STORE_FULL);
    for (unsigned step = 0; step < 200; step++) {
        act(s);
        for (unsigned n = world_chance(&s->world, 50) ? below(s, 60) : 0; n > 0; n--) {
            (void)sim_step(s->world.sim);
            hear(s);
        }
    }
    sim_store_set_failures(s->world.db, 0, ERR_NONE);
    SIM_CHECK(sim_until(s->world.sim, at_rest, s, 60000));
    world_settle(&s->world);
    hear(s);
    SIM_CHECK(s->answers[0] > 0);
    show(s);
    agree(s, true);
    for (unsigned i = 0; i < s->world.count; i++) {
        watcher_close(&s->listeners[i].w);
    }
    char *before = strdup((const char *)s->shown.ptr);
    world_crash(&s->world);
    show(s);
    SIM_CHECK(strcmp(before, (const char *)s->shown.ptr) == 0);
    agree(s, false);
    free(before);
    buf_deinit(&s->shown);
    world_stop(&s->world);
}

static void changes_from_all_loops_agree(uint64_t seed) { run(seed, 0); }
static void also_when_the_store_fails(uint64_t seed) { run(seed, 20); }

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"changes_from_all_loops_agree", changes_from_all_loops_agree, 60},
        {"also_when_the_store_fails", also_when_the_store_fails, 40},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
