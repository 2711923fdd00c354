/* People, rooms and calls of chat_scene.h. */
#include "sim/chat_scene.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS 60000

unsigned scene_below(struct scene *s, unsigned n)
{
    return (unsigned)sim_random_below(sim_random(s->w.sim), n);
}

unsigned scene_room(const struct scene *s, uuid id)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        if (uuid_eq(s->rooms[i], id)) {
            return i;
        }
    }
    SIM_CHECK(false);
    return 0;
}

void scene_told(struct scene *s, unsigned room, int64_t seq)
{
    s->told[room] = seq > s->told[room] ? seq : s->told[room];
}

int64_t scene_number(span text)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
        n = n * 10 + (text.ptr[i] - '0');
    }
    return n;
}

/* --- calls --- */

static void on_loop(void *arg)
{
    struct call *c = arg;
    c->run(c);
}

void scene_call(struct scene *s, const struct call *what)
{
    struct call *c = mem_alloc(sizeof *c);
    *c = *what;
    c->scene = s;
    c->loop = world_loop(&s->w);
    s->waiting++;
    sim_on_loop(s->w.sim, c->loop, on_loop, c);
}

static bool nobody_waits(void *arg) { return ((struct scene *)arg)->waiting == 0; }

void scene_await(struct scene *s)
{
    SIM_CHECK(sim_until(s->w.sim, nobody_waits, s, WAIT_MS));
}

static void ended(struct call *c, err error)
{
    c->scene->waiting--;
    c->scene->failed += error != ERR_NONE;
    mem_free(c);
}

static struct home *home_at(const struct call *c) { return &c->scene->w.homes[c->loop]; }

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
        scene_told(c->scene, k->room, r->seq);
    } else {
        SIM_CHECK(err_status(r->error) == 503 ||
                  (c->scene->moves && r->error == ERR_ROOM_ACCESS_DENIED));
    }
    ended(c, r->error);
}

void call_send(struct call *c)
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

void call_read(struct call *c)
{
    struct scene *s = c->scene;
    chat_read(home_at(c), s->rooms[c->room], c->seq, &s->people[c->person], moved, c);
}

void call_leave(struct call *c)
{
    struct scene *s = c->scene;
    chat_leave(home_at(c), s->rooms[c->room], &s->people[c->person], NULL, moved, c);
}

void call_join(struct call *c)
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

/* --- the scene --- */

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

void scene_start(struct scene *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    world_start(&s->w, seed, 0);
    s->w.conf.chat_batch_messages_max = 1 + scene_below(s, 8);
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
        scene_call(s, &(struct call){.run = do_make, .room = i});
        scene_await(s);
    }
}

void scene_stop(struct scene *s)
{
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        follower_close(&s->followers[i]);
    }
    world_settle(&s->w);
    world_stop(&s->w);
}
