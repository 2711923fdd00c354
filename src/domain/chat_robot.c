/* Robots of a home in memory, and questions to a robot's home. */
#include "domain/chat_robot.h"

#include "domain/chat_robot_internal.h"

#include "base/mem.h"

#include <string.h>

static bool same_robot(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct robot, node)->row.id, *(const uuid *)key);
}

struct robot *robot_find(struct chat_robots *rs, uuid id)
{
    struct map_node *n = map_get(&rs->map, uuid_hash(id), same_robot, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct robot, node);
}

/* --- how they stand --- */

enum chat_robot_state robot_state(const struct robot *r)
{
    return !r->row.enabled                      ? CHAT_ROBOT_DISABLED
           : r->breaker.state == BREAKER_OPEN   ? CHAT_ROBOT_SPARED
           : r->row.url.len == 0 && r->sockets == 0 ? CHAT_ROBOT_AWAY
                                                : CHAT_ROBOT_READY;
}

static void count(struct chat_robots *rs, enum chat_robot_state s, int delta)
{
    unsigned n = atomic_load_explicit(&rs->counts[s], memory_order_relaxed);
    atomic_store_explicit(&rs->counts[s], (unsigned)((int)n + delta), memory_order_relaxed);
}

void robot_show(struct robot *r)
{
    enum chat_robot_state now = robot_state(r);
    if (now != r->shown) {
        count(r->robots, r->shown, -1);
        count(r->robots, now, 1);
        r->shown = now;
    }
    robot_stand_show(r);
}

void chat_robot_stats(const struct home *h, struct chat_robot_stats *out)
{
    *out = (struct chat_robot_stats){0};
    const struct chat_robots *rs = h->chat == NULL ? NULL : h->chat->robots;
    if (rs == NULL) {
        return;
    }
    unsigned n[4];
    for (unsigned i = 0; i < 4; i++) {
        n[i] = atomic_load_explicit(&rs->counts[i], memory_order_relaxed);
        out->ended[i] = atomic_load_explicit(&rs->ended[i], memory_order_relaxed);
    }
    out->away = n[CHAT_ROBOT_AWAY];
    out->spared = n[CHAT_ROBOT_SPARED];
    out->robots = n[CHAT_ROBOT_READY] + out->away + out->spared;
    out->active = atomic_load_explicit(&rs->active, memory_order_relaxed);
}

/* --- rows --- */

struct chat_robot_row robot_row(const struct store_value *cells)
{
    struct chat_robot_row row = {
        .name = store_text(&cells[1]),
        .description = store_text(&cells[2]),
        .url = store_text(&cells[3]),
        .secret = store_text(&cells[4]),
        .enabled = store_int(&cells[5]) != 0,
        .version = store_int(&cells[6]),
        .created_ms = store_int(&cells[7]),
        .updated_ms = store_int(&cells[8]),
    };
    bool ok = uuid_parse(store_text(&cells[0]), &row.id);
    ASSERT(ok); /* only we write it */
    return row;
}

void robot_set_uuid(struct store_req *req, unsigned step, unsigned p, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    store_set_text(req, step, 0, p, span_of(text, UUID_TEXT_LEN));
}

static void free_row(struct chat_robot_row *row)
{
    const span *texts[] = {&row->name, &row->description, &row->url, &row->secret};
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i]->len > 0) {
            explicit_bzero((void *)(uintptr_t)texts[i]->ptr, texts[i]->len);
        }
        mem_free((void *)(uintptr_t)texts[i]->ptr);
    }
}

static span keep(span s)
{
    return span_of(mem_strndup(s.len > 0 ? (const char *)s.ptr : "", s.len), s.len);
}

struct robot *robot_set(struct chat_robots *rs, const struct chat_robot_row *row)
{
    struct robot *r = robot_find(rs, row->id);
    struct chat_robot_row kept = *row;
    kept.name = keep(row->name);
    kept.description = keep(row->description);
    kept.url = keep(row->url);
    kept.secret = keep(row->secret);
    if (r == NULL) {
        r = mem_calloc(1, sizeof *r);
        r->robots = rs;
        list_init(&r->jobs);
        r->row = kept;
        r->shown = robot_state(r);
        count(rs, r->shown, 1);
        map_put(&rs->map, uuid_hash(row->id), &r->node);
        robot_stand_show(r);
        return r;
    }
    if (!span_eq(r->row.url, kept.url)) { /* another one, of which nothing bad is known */
        r->breaker = (struct breaker){.era = r->breaker.era + 1};
    }
    free_row(&r->row);
    r->row = kept;
    robot_show(r);
    if (!kept.enabled) {
        robot_run_lose(r, ERR_CONNECTION_LOST, "the robot was disabled");
    }
    return r;
}

void robot_drop(struct robot *r)
{
    robot_run_lose(r, ERR_CONNECTION_LOST, "the robot was removed");
    ASSERT(list_empty(&r->jobs));
    robot_stand_end(r);
    count(r->robots, r->shown, -1);
    map_remove(&r->robots->map, &r->node);
    free_row(&r->row);
    mem_free(r);
}

/* --- questions to a robot's home --- */

void *robot_ask_new(struct home *h, size_t bytes, uuid id,
                    void (*at_home)(struct robot_ask *, struct robot *), const struct actor *who,
                    chat_done done, void *owner)
{
    struct robot_ask *a = mem_calloc(1, bytes);
    a->from = h;
    a->at = h->peers[home_of(h, id)];
    a->id = id;
    a->at_home = at_home;
    a->done = done;
    a->owner = owner;
    if (who != NULL) {
        a->who = (struct actor){.id = who->id,
                                .name = arena_dup(&a->arena, who->name),
                                .address = arena_dup(&a->arena, who->address)};
    }
    return a;
}

static void at_home_mail(struct mail *m)
{
    struct robot_ask *a = CONTAINER_OF(m, struct robot_ask, mail);
    a->at_home(a, robot_find(a->at->chat->robots, a->id));
}

void robot_ask_start(struct robot_ask *a)
{
    a->mail.run = at_home_mail;
    post_mail(a->from->post, a->at->index, &a->mail);
}

static void answered(struct mail *m)
{
    struct robot_ask *a = CONTAINER_OF(m, struct robot_ask, mail);
    if (a->json.len > 0) {
        a->result.json = buf_span(&a->json);
    }
    if (a->done != NULL) {
        a->done(a->owner, &a->result);
    }
    if (a->json.len > 0) { /* a secret may be in it */
        explicit_bzero(a->json.ptr, a->json.len);
    }
    buf_deinit(&a->json);
    if (a->req != NULL) {
        store_req_free(a->req);
    }
    arena_reset(&a->arena);
    mem_free(a);
}

void robot_ask_answer(struct robot_ask *a, err error)
{
    a->result.error = error;
    a->mail.run = answered;
    post_mail(a->from->post, a->from->index, &a->mail);
}

void robot_ask_refuse(struct robot_ask *a, err error, const char *member, const char *why)
{
    a->result.member = member;
    a->result.why = why;
    robot_ask_answer(a, error);
}

/* --- sockets --- */

struct socket_mail {
    struct mail mail;
    struct home *at;
    uuid robot;
    int delta;
};

static void socket_counted(struct mail *m)
{
    struct socket_mail *s = CONTAINER_OF(m, struct socket_mail, mail);
    struct robot *r = robot_find(s->at->chat->robots, s->robot);
    if (r != NULL && (s->delta > 0 || r->sockets > 0)) {
        r->sockets = (unsigned)((int)r->sockets + s->delta);
        if (r->sockets == 0 && r->row.url.len == 0) {
            robot_run_lose(r, ERR_CONNECTION_LOST, "the robot's socket has gone");
        }
        robot_show(r);
    }
    mem_free(s);
}

void chat_robot_socket(struct home *h, uuid robot, int delta)
{
    struct socket_mail *s = mem_calloc(1, sizeof *s);
    *s = (struct socket_mail){.mail.run = socket_counted,
                              .at = h->peers[home_of(h, robot)],
                              .robot = robot,
                              .delta = delta};
    post_mail(h->post, s->at->index, &s->mail);
}

/* --- the whole --- */

void chat_robots_start(struct chat *c)
{
    struct chat_robots *rs = mem_calloc(1, sizeof *rs);
    rs->chat = c;
    list_init(&rs->asked);
    list_init(&rs->releases);
    c->robots = rs;
    robots_load(rs);
}

void chat_robots_stop(struct chat *c)
{
    if (c->robots != NULL) {
        c->robots->stopping = true;
        robot_jobs_stop(c->robots);
        robot_run_stop(c->robots);
    }
}

void chat_robots_free(struct chat *c)
{
    struct chat_robots *rs = c->robots;
    if (rs == NULL) {
        return;
    }
    ASSERT(rs->running.count == 0);
    robot_jobs_free(rs);
    robots_left_free(rs);
    robot_releases_free(rs);
    for (struct map_node *n; (n = map_next(&rs->map, NULL)) != NULL;) {
        robot_drop(CONTAINER_OF(n, struct robot, node));
    }
    map_deinit(&rs->map);
    map_deinit(&rs->running);
    mem_free(rs->stands);
    mem_free(rs);
    c->robots = NULL;
}
