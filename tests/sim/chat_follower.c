/* Followers of chat_scene.h: each counts what it hears of a room, and what it must hear next. */
#include "sim/chat_scene.h"

#include <string.h>

static int64_t number_behind(span line, const char *name)
{
    const uint8_t *at = memmem(line.ptr, line.len, name, strlen(name));
    SIM_CHECK(at != NULL);
    return scene_number(span_slice(line, (size_t)(at - line.ptr) + strlen(name), line.len));
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
    unsigned room = scene_room(f->scene, id);
    int64_t seq = number_behind(line, "\"seq\":");
    SIM_CHECK(f->next[room] != 0 && seq == f->next[room]);
    SIM_CHECK(!f->out[room] || seq <= f->last[room]);
    f->next[room]++;
    scene_told(f->scene, room, seq);
}

void follower_take(struct follower *f)
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
    unsigned room = scene_room(f->scene, a->room);
    char topic[CHAT_TOPIC_MAX];
    SIM_CHECK((f->next[room] == 0 || f->out[room]) && !a->watching);
    SIM_CHECK(a->last_seq >= f->told[room]);
    follower_take(f);
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
    unsigned room = scene_room(f->scene, id);
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

void follower_open(struct scene *s, struct follower *f)
{
    memset(f, 0, sizeof *f);
    all = s;
    f->scene = s;
    f->on = true;
    f->person = scene_below(s, PEOPLE);
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

void follower_close(struct follower *f)
{
    if (f->on) {
        follower_take(f);
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

void follower_pong(struct follower *f)
{
    sim_on_loop(f->scene->w.sim, f->x.loop, do_pong, f);
}
