/*
 * What is said in chat rooms, under every order of loops, mail and answers of the store, with a
 * store that fails and stalls, processes that die, senders that try again, and followers that come
 * and go: within a room messages are 1..n without a hole; what was acknowledged is stored once,
 * under the number that was told; a follower gets each message after its arrival once, in order.
 */
#include "sim/chat_scene.h"

#include "base/mem.h"

#define STEPS 220

/* The room's rows are 1..n, and each key that was acknowledged is there once, as it was told. */
static void check_room(struct scene *s, unsigned room, bool delivered)
{
    char id[UUID_TEXT_LEN + 1];
    unsigned seen[KEYS] = {0};
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 2, NULL, NULL);
    uuid_format(s->rooms[room], id);
    store_step_init(req, 0, QUERY_CHAT_ROOM_LAST, 1);
    store_set_text(req, 0, 0, 0, span_str(id));
    store_step_init(req, 1, QUERY_CHAT_MESSAGES_AFTER, 1);
    store_set_text(req, 1, 0, 0, span_str(id));
    store_set_text(req, 1, 0, 1, SPAN(""));
    store_set_int(req, 1, 0, 2, 0);
    store_set_int(req, 1, 0, 3, 2 * KEYS);
    SIM_CHECK(store_run(s->w.store, req) == ERR_NONE);
    unsigned n = req->steps[1].row_count;
    SIM_CHECK(store_int(store_cell(req, 0, 0, 0)) == n && s->told[room] <= n);
    for (unsigned i = 0; i < n; i++) {
        span client_id = store_text(store_cell(req, 1, i, 6));
        unsigned key = (unsigned)scene_number(span_slice(client_id, 2, client_id.len));
        const struct key *k = &s->keys[key];
        uuid stored;
        SIM_CHECK(store_int(store_cell(req, 1, i, 2)) == i + 1 && key < s->key_count);
        SIM_CHECK(uuid_parse(store_text(store_cell(req, 1, i, 0)), &stored));
        SIM_CHECK(k->room == room && seen[key]++ == 0);
        SIM_CHECK(!k->acked || (k->seq == i + 1 && uuid_eq(k->id, stored)));
        SIM_CHECK(!delivered || span_eq(store_text(store_cell(req, 1, i, 9)), SPAN("delivered")));
    }
    for (unsigned i = 0; i < s->key_count; i++) {
        SIM_CHECK(s->keys[i].room != room || !s->keys[i].acked || seen[i] == 1);
    }
    store_req_free(req);
}

static void check(struct scene *s, bool delivered)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        check_room(s, i, delivered);
    }
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        struct follower *f = &s->followers[i];
        if (!f->on) {
            continue;
        }
        follower_take(f);
        for (unsigned room = 0; room < ROOMS; room++) {
            SIM_CHECK(f->broken || f->out[room] || (s->moves && f->next[room] == 0) ||
                      f->next[room] == s->told[room] + 1);
        }
    }
}

static void say(struct scene *s)
{
    if (s->key_count == KEYS) {
        return;
    }
    s->keys[s->key_count] =
        (struct key){.room = scene_below(s, ROOMS), .person = scene_below(s, PEOPLE)};
    scene_call(s, &(struct call){.run = call_send, .key = s->key_count++});
}

static void come_or_go(struct scene *s, struct follower *f)
{
    if (f->on) {
        follower_close(f);
    } else {
        follower_open(s, f);
    }
}

static void move(struct scene *s)
{
    scene_call(s, &(struct call){.run = world_chance(&s->w, 50) ? call_leave : call_join,
                                 .room = scene_below(s, ROOMS),
                                 .person = 1 + scene_below(s, PEOPLE - 1)});
}

static void crash(struct scene *s)
{
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        follower_close(&s->followers[i]);
    }
    world_crash(&s->w);
    SIM_CHECK(s->waiting == 0);
    check(s, false);
}

static void act(struct scene *s, bool dies)
{
    unsigned what = scene_below(s, 100);
    if (s->moves && what % 5 == 0) {
        move(s);
    }
    struct follower *f = &s->followers[scene_below(s, FOLLOWERS)];
    if (what < 50) {
        say(s);
    } else if (what < 65 && s->key_count > 0) {
        scene_call(s, &(struct call){.run = call_send, .key = scene_below(s, s->key_count)});
    } else if (what < 75) {
        come_or_go(s, f);
    } else if (what < 80) {
        sim_store_set_failures(s->w.db, scene_below(s, 2) * 30, ERR_STORE_FULL);
    } else if (what < 88) {
        scene_call(s, &(struct call){.run = call_read, .room = scene_below(s, ROOMS),
                                     .person = scene_below(s, PEOPLE), .seq = scene_below(s, 60)});
    } else if (what < 97 && f->on) {
        follower_pong(f);
    } else if (what >= 98 && dies) {
        crash(s);
    }
}

static void scene_run(struct scene *s, bool dies)
{
    for (unsigned i = 0; i < STEPS; i++) {
        act(s, dies);
        sim_run_ms(s->w.sim, world_chance(&s->w, 40) ? scene_below(s, 4) : 0);
    }
    sim_store_set_failures(s->w.db, 0, ERR_NONE);
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        if (s->followers[i].on && s->followers[i].broken) {
            come_or_go(s, &s->followers[i]);
        }
    }
    scene_await(s);
}

/* Until those who are there have all that there is, and have said so. */
static void scene_calm(struct scene *s)
{
    for (unsigned round = 0; round < 2; round++) {
        sim_run_ms(s->w.sim, 3000); /* what failed is tried again */
        for (unsigned i = 0; i < FOLLOWERS; i++) {
            if (s->followers[i].on) {
                follower_pong(&s->followers[i]);
            }
        }
    }
    sim_run_ms(s->w.sim, 3000);
    world_settle(&s->w);
}

static void each_message_has_its_place(uint64_t seed)
{
    struct scene *s = mem_alloc(sizeof *s);
    scene_start(s, seed);
    scene_run(s, false);
    scene_calm(s);
    check(s, true);
    SIM_CHECK(s->key_count > 20);
    scene_stop(s);
    mem_free(s);
}

static void people_come_and_go(uint64_t seed)
{
    struct scene *s = mem_alloc(sizeof *s);
    scene_start(s, seed);
    s->moves = true;
    scene_run(s, false);
    scene_calm(s);
    check(s, true);
    scene_stop(s);
    mem_free(s);
}

static void a_process_that_dies_loses_nothing(uint64_t seed)
{
    struct scene *s = mem_alloc(sizeof *s);
    scene_start(s, seed);
    scene_run(s, true);
    crash(s);
    for (unsigned i = 0; i < s->key_count; i++) { /* everybody tries again */
        scene_call(s, &(struct call){.run = call_send, .key = i});
        if (i % 10 == 0) {
            scene_await(s);
        }
    }
    scene_await(s);
    scene_calm(s);
    check(s, false);
    scene_stop(s);
    mem_free(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"each_message_has_its_place", each_message_has_its_place, 60},
        {"people_come_and_go", people_come_and_go, 60},
        {"a_process_that_dies_loses_nothing", a_process_that_dies_loses_nothing, 40},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
