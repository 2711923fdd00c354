/*
 * What is said in chat rooms, under every order of loops, mail and answers of the store, with a
 * store that fails and stalls, processes that die, senders that try again, and followers that come
 * and go: within a room messages are 1..n without a hole; what was acknowledged is stored once,
 * under the number that was told; a follower gets each message after its arrival once, in order.
 */
#include "base/mem.h"
#include "domain/chat.h"
#include "sim/fleet_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEOPLE 4
#define ROOMS 3
#define KEYS 150 /* messages that somebody tries to say */
#define FOLLOWERS 6
#define STEPS 220
#define WAIT_MS 60000

struct scene;

/* What somebody has to say; sent until it is acknowledged, and again. */
struct key {
    unsigned room, person;
    bool acked, created;
    uuid id;
    int64_t seq;
};

struct call {
    struct scene *scene;
    unsigned loop, key;
    void (*run)(struct call *c);
    unsigned room, person;
    int64_t seq;
};

/* A socket: one of a person, somewhere. */
struct follower {
    struct scene *scene;
    struct watcher x;
    struct chat_client client;
    unsigned person;
    bool on;
    bool broken; /* the store failed it: it comes again */
    size_t read; /* bytes of its text */
    struct journal_reader readers[ROOMS];
    int64_t next[ROOMS]; /* seq; 0: not there yet */
    int64_t told[ROOMS]; /* as the scene's was when it opened */
    bool out[ROOMS];     /* its person has left: what was said up to */
    int64_t last[ROOMS]; /* here may still be on its way to it */
};

struct scene {
    struct world w;
    struct chat_who people[PEOPLE];
    uuid rooms[ROOMS];
    struct key keys[KEYS];
    unsigned key_count;
    unsigned waiting, failed;
    bool moves; /* people leave rooms and join them */
    int64_t told[ROOMS]; /* the highest seq that anybody was told of */
    struct follower followers[FOLLOWERS];
};

static unsigned below(struct scene *s, unsigned n)
{
    return (unsigned)sim_random_below(sim_random(s->w.sim), n);
}

static struct home *home_at(const struct call *c) { return &c->scene->w.homes[c->loop]; }

static unsigned room_of(const struct scene *s, uuid id)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        if (uuid_eq(s->rooms[i], id)) {
            return i;
        }
    }
    SIM_CHECK(false);
    return 0;
}

static void told(struct scene *s, unsigned room, int64_t seq)
{
    s->told[room] = seq > s->told[room] ? seq : s->told[room];
}

/* --- calls --- */

static void on_loop(void *arg)
{
    struct call *c = arg;
    c->run(c);
}

static void start(struct scene *s, const struct call *what)
{
    struct call *c = mem_alloc(sizeof *c);
    *c = *what;
    c->scene = s;
    c->loop = world_loop(&s->w);
    s->waiting++;
    sim_on_loop(s->w.sim, c->loop, on_loop, c);
}

static void ended(struct call *c, err error)
{
    c->scene->waiting--;
    c->scene->failed += error != ERR_NONE;
    mem_free(c);
}

static void sent(void *owner, const struct chat_result *r)
{
    struct call *c = owner;
    struct key *k = &c->scene->keys[c->key];
    if (r->error == ERR_NONE) {
        SIM_CHECK(r->seq > 0);
        SIM_CHECK(!k->acked || (uuid_eq(k->id, r->id) && k->seq == r->seq));
        SIM_CHECK(!k->created || !r->created);
        k->acked = true;
        k->created = k->created || r->created;
        k->id = r->id;
        k->seq = r->seq;
        told(c->scene, k->room, r->seq);
    } else {
        SIM_CHECK(err_status(r->error) == 503 ||
                  (c->scene->moves && r->error == ERR_ROOM_ACCESS_DENIED));
    }
    ended(c, r->error);
}

static void do_send(struct call *c)
{
    struct scene *s = c->scene;
    const struct key *k = &s->keys[c->key];
    char id[16], text[16];
    struct chat_draft d = {.type = CHAT_MESSAGE_CHAT};
    d.client_id = span_of(id, (size_t)snprintf(id, sizeof id, "k-%u", c->key));
    d.content = span_of(text, (size_t)snprintf(text, sizeof text, "\"%u\"", c->key));
    chat_send(home_at(c), s->rooms[k->room], &d, &s->people[k->person], NULL, sent, c);
}

static void moved(void *owner, const struct chat_result *r) { ended(owner, r->error); }

static void do_read(struct call *c)
{
    struct scene *s = c->scene;
    chat_read(home_at(c), s->rooms[c->room], c->seq, &s->people[c->person], moved, c);
}

static void do_leave(struct call *c)
{
    struct scene *s = c->scene;
    chat_leave(home_at(c), s->rooms[c->room], &s->people[c->person], NULL, moved, c);
}

static void do_join(struct call *c)
{
    struct scene *s = c->scene;
    chat_join(home_at(c), s->rooms[c->room], &(struct chat_join){.watch = false},
              &s->people[c->person], NULL, moved, c);
}

static void made(void *owner, const struct chat_result *r)
{
    struct call *c = owner;
    SIM_CHECK(r->error == ERR_NONE);
    c->scene->rooms[c->room] = r->id;
    ended(c, r->error);
}

static void do_make(struct call *c)
{
    struct scene *s = c->scene;
    uuid members[PEOPLE];
    for (unsigned i = 1; i < PEOPLE; i++) {
        members[i - 1] = s->people[i].actor.id;
    }
    chat_room_create(home_at(c),
                     &(struct chat_room_draft){.name = SPAN("room"),
                                               .type = CHAT_PUBLIC,
                                               .members = members,
                                               .member_count = PEOPLE - 1},
                     &s->people[0], NULL, made, c);
}

/* --- followers --- */

static int64_t digits_of(span text)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
        n = n * 10 + (text.ptr[i] - '0');
    }
    return n;
}

static int64_t number_behind(span line, const char *name)
{
    const uint8_t *at = memmem(line.ptr, line.len, name, strlen(name));
    SIM_CHECK(at != NULL);
    return digits_of(span_slice(line, (size_t)(at - line.ptr) + strlen(name), line.len));
}

static void take_line(struct follower *f, span line)
{
    const char *room_name = "\"roomId\":\"";
    const uint8_t *at = memmem(line.ptr, line.len, room_name, strlen(room_name));
    uuid id;
    if (at == NULL || memmem(line.ptr, line.len, "\"senderId\"", 10) == NULL) {
        return;
    }
    SIM_CHECK(uuid_parse(span_of(at + strlen(room_name), UUID_TEXT_LEN), &id));
    unsigned room = room_of(f->scene, id);
    int64_t seq = number_behind(line, "\"seq\":");
    SIM_CHECK(f->next[room] != 0 && seq == f->next[room]);
    SIM_CHECK(!f->out[room] || seq <= f->last[room]);
    f->next[room]++;
    told(f->scene, room, seq);
}

static void take_lines(struct follower *f)
{
    span text = span_of(f->x.text.ptr, f->x.text.len);
    while (f->read < text.len) {
        span rest = span_slice(text, f->read, text.len);
        ptrdiff_t end = span_find(rest, '\n');
        if (end < 0) {
            return;
        }
        take_line(f, span_slice(rest, 0, (size_t)end));
        f->read += (size_t)end + 1;
    }
}

static void on_gap(struct journal_reader *r, struct pos from, struct pos to)
{
    (void)r;
    (void)from;
    (void)to;
    SIM_CHECK(false);
}

static struct scene *all; /* readers do not say whose they are */

static void on_error(struct journal_reader *r, err error)
{
    (void)error;
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        struct follower *f = &all->followers[i];
        f->broken = f->broken || (r >= f->readers && r < f->readers + ROOMS);
    }
}

static const struct journal_reader_ops reader_ops = {
    .on_gap = on_gap, .on_error = on_error, .on_live = journal_close};

static void on_room(struct chat_client *c, const struct chat_arrival *a)
{
    struct follower *f = CONTAINER_OF(c, struct follower, client);
    unsigned room = room_of(f->scene, a->room);
    char topic[CHAT_TOPIC_MAX];
    SIM_CHECK((f->next[room] == 0 || f->out[room]) && !a->watching);
    SIM_CHECK(a->last_seq >= f->told[room]);
    take_lines(f);
    f->out[room] = false;
    f->next[room] = a->last_seq + 1;
    f->readers[room].ops = &reader_ops;
    journal_open(c->home->journal, &f->readers[room], f->x.member, &a->pos);
    SIM_CHECK(journal_subscribe(&f->readers[room], chat_room_topic(a->room, topic)));
}

static int64_t last_stored(struct scene *s, unsigned room)
{
    char id[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    uuid_format(s->rooms[room], id);
    store_step_init(req, 0, QUERY_CHAT_ROOM_LAST, 1);
    store_set_text(req, 0, 0, 0, span_str(id));
    SIM_CHECK(store_run(s->w.store, req) == ERR_NONE);
    int64_t last = store_int(store_cell(req, 0, 0, 0));
    store_req_free(req);
    return last;
}

/* The room goes on when every loop was told so: nothing that is said from then on reaches it. */
static void on_out(struct chat_client *c, uuid id, enum chat_out why)
{
    struct follower *f = CONTAINER_OF(c, struct follower, client);
    unsigned room = room_of(f->scene, id);
    char topic[CHAT_TOPIC_MAX];
    SIM_CHECK(f->scene->moves && why == CHAT_OUT_LEFT);
    journal_close(&f->readers[room]);
    (void)hub_unsubscribe(c->home->hub, f->x.member, JOURNAL_HOME, chat_room_topic(id, topic));
    f->out[room] = true;
    f->last[room] = last_stored(f->scene, room);
}

static void on_listed(struct chat_client *c, err error)
{
    struct follower *f = CONTAINER_OF(c, struct follower, client);
    f->broken = f->broken || error != ERR_NONE;
}

static const struct chat_client_ops client_ops = {
    .on_room = on_room, .on_out = on_out, .on_listed = on_listed};

static void do_open(void *arg)
{
    struct follower *f = arg;
    struct scene *s = f->scene;
    f->client.ops = &client_ops;
    chat_client_open(&s->w.homes[f->x.loop], &f->client, &s->people[f->person]);
}

static void follow(struct scene *s, struct follower *f)
{
    memset(f, 0, sizeof *f);
    f->scene = s;
    f->on = true;
    f->person = below(s, PEOPLE);
    memcpy(f->told, s->told, sizeof f->told);
    watcher_open(&s->w, &f->x, world_loop(&s->w));
    sim_on_loop(s->w.sim, f->x.loop, do_open, f);
}

static void do_close(void *arg)
{
    struct follower *f = arg;
    chat_client_close(&f->client);
    for (unsigned i = 0; i < ROOMS; i++) {
        journal_close(&f->readers[i]);
    }
}

static void unfollow(struct follower *f)
{
    if (f->on) {
        take_lines(f);
        f->on = false;
        sim_on_loop(f->scene->w.sim, f->x.loop, do_close, f);
        watcher_close(&f->x);
    }
}

static void do_pong(void *arg)
{
    struct follower *f = arg;
    struct pos now = journal_now(f->scene->w.journals[f->x.loop]);
    chat_client_received(&f->client, now.n);
}

/* --- the scene --- */

static bool nobody_waits(void *arg) { return ((struct scene *)arg)->waiting == 0; }

static void await(struct scene *s)
{
    SIM_CHECK(sim_until(s->w.sim, nobody_waits, s, WAIT_MS));
}

static void run_now(struct scene *s, struct store_req *req)
{
    SIM_CHECK(store_run(s->w.store, req) == ERR_NONE);
    store_req_free(req);
}

static void make_person(struct scene *s, unsigned i)
{
    struct chat_who *who = &s->people[i];
    char id[UUID_TEXT_LEN + 1];
    *who = (struct chat_who){.actor.id = home_new_id(&s->w.homes[0]), .kind = PRINCIPAL_USER};
    uuid_format(who->actor.id, id);
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 2, NULL, NULL);
    store_step_init(req, 0, QUERY_PRINCIPAL_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_str(id));
    store_set_text(req, 0, 0, 1, SPAN(""));
    store_set_text(req, 0, 0, 2, span_str(id));
    store_set_text(req, 0, 0, 3, SPAN("user"));
    store_set_text(req, 0, 0, 4, SPAN("somebody"));
    store_set_text(req, 0, 0, 5, SPAN("active"));
    store_set_int(req, 0, 0, 6, 1);
    store_step_init(req, 1, QUERY_BINDING_INSERT, 1);
    store_set_text(req, 1, 0, 0, span_str(id));
    store_set_text(req, 1, 0, 1, SPAN("employee"));
    store_set_text(req, 1, 0, 2, SPAN("global"));
    store_set_text(req, 1, 0, 3, SPAN(""));
    store_set_int(req, 1, 0, 4, 1);
    run_now(s, req);
}

static void scene_start(struct scene *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    all = s;
    world_start(&s->w, seed, 0);
    s->w.conf.chat_batch_messages_max = 1 + below(s, 8);
    s->w.conf.chat_batch_bytes_max = 65536;
    s->w.conf.chat_room_waiting_max = 20;
    s->w.conf.chat_waiting_bytes_max = 1 << 20;
    s->w.conf.chat_receipts_members_max = 100;
    s->w.conf.chat_rooms_max = 1000;
    s->w.conf.chat_rooms_owned_max = 1000;
    for (unsigned i = 0; i < PEOPLE; i++) {
        make_person(s, i);
    }
    for (unsigned i = 0; i < ROOMS; i++) {
        start(s, &(struct call){.run = do_make, .room = i});
        await(s);
    }
}

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
        unsigned key = (unsigned)digits_of(span_slice(client_id, 2, client_id.len));
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
        take_lines(f);
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
    s->keys[s->key_count] = (struct key){.room = below(s, ROOMS), .person = below(s, PEOPLE)};
    start(s, &(struct call){.run = do_send, .key = s->key_count++});
}

static void come_or_go(struct scene *s, struct follower *f)
{
    if (f->on) {
        unfollow(f);
    } else {
        follow(s, f);
    }
}

static void move(struct scene *s)
{
    start(s, &(struct call){.run = world_chance(&s->w, 50) ? do_leave : do_join,
                            .room = below(s, ROOMS), .person = 1 + below(s, PEOPLE - 1)});
}

static void crash(struct scene *s)
{
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        unfollow(&s->followers[i]);
    }
    world_crash(&s->w);
    SIM_CHECK(s->waiting == 0);
    check(s, false);
}

static void act(struct scene *s, bool dies)
{
    unsigned what = below(s, 100);
    if (s->moves && what % 5 == 0) {
        move(s);
    }
    struct follower *f = &s->followers[below(s, FOLLOWERS)];
    if (what < 50) {
        say(s);
    } else if (what < 65 && s->key_count > 0) {
        start(s, &(struct call){.run = do_send, .key = below(s, s->key_count)});
    } else if (what < 75) {
        come_or_go(s, f);
    } else if (what < 80) {
        sim_store_set_failures(s->w.db, below(s, 2) * 30, ERR_STORE_FULL);
    } else if (what < 88) {
        start(s, &(struct call){.run = do_read, .room = below(s, ROOMS),
                                .person = below(s, PEOPLE), .seq = below(s, 60)});
    } else if (what < 97 && f->on) {
        sim_on_loop(s->w.sim, f->x.loop, do_pong, f);
    } else if (what >= 98 && dies) {
        crash(s);
    }
}

static void scene_run(struct scene *s, bool dies)
{
    for (unsigned i = 0; i < STEPS; i++) {
        act(s, dies);
        sim_run_ms(s->w.sim, world_chance(&s->w, 40) ? below(s, 4) : 0);
    }
    sim_store_set_failures(s->w.db, 0, ERR_NONE);
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        if (s->followers[i].on && s->followers[i].broken) {
            come_or_go(s, &s->followers[i]);
        }
    }
    await(s);
}

/* Until those who are there have all that there is, and have said so. */
static void scene_calm(struct scene *s)
{
    for (unsigned round = 0; round < 2; round++) {
        sim_run_ms(s->w.sim, 3000); /* what failed is tried again */
        for (unsigned i = 0; i < FOLLOWERS; i++) {
            if (s->followers[i].on) {
                sim_on_loop(s->w.sim, s->followers[i].x.loop, do_pong, &s->followers[i]);
            }
        }
    }
    sim_run_ms(s->w.sim, 3000);
    world_settle(&s->w);
}

static void scene_stop(struct scene *s)
{
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        unfollow(&s->followers[i]);
    }
    world_settle(&s->w);
    world_stop(&s->w);
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
        start(s, &(struct call){.run = do_send, .key = i});
        if (i % 10 == 0) {
            await(s);
        }
    }
    await(s);
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
