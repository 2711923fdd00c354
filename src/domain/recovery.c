/* A map of sessions by pid and principal at the principal's home, the dropped ones also in the
 * order in which they end; what changes is written behind. */
#include "domain/recovery.h"
#include "domain/recovery_internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define BATCH_BYTES_MAX (1 << 20) /* of states in one transaction */
#define LOADING_MAX 1024          /* reads for claims of unknown pids; more are busy */
#define SWEEP_ROWS 1000           /* some milliseconds of the writer */
#define SWEEP_MS 60000            /* rows that ended stay no longer */
#define SWEEP_AGAIN_MS 200        /* between batches: others' writes come first */

/* --- sessions --- */

static uint64_t pid_hash(const char *pid) { return hash_bytes(span_of(pid, RECOVERY_PID_LEN)); }

static bool same_session(const struct map_node *n, const void *key)
{
    const struct session *s = CONTAINER_OF(n, struct session, node);
    const struct call *c = key;
    return memcmp(s->pid, c->pid, RECOVERY_PID_LEN) == 0 && uuid_eq(s->principal, c->principal);
}

static struct session *find(const struct recovery *r, const struct call *c)
{
    struct map_node *n = map_get(&r->sessions, pid_hash(c->pid), same_session, c);
    return n == NULL ? NULL : CONTAINER_OF(n, struct session, node);
}

static bool same_group(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct group, node)->principal, *(const uuid *)key);
}

static struct group *group_find(const struct recovery *r, uuid principal)
{
    struct map_node *n = map_get(&r->groups, uuid_hash(principal), same_group, &principal);
    return n == NULL ? NULL : CONTAINER_OF(n, struct group, node);
}

static struct group *group_of(struct recovery *r, uuid principal)
{
    struct group *g = group_find(r, principal);
    if (g == NULL) {
        g = mem_calloc(1, sizeof *g);
        g->principal = principal;
        list_init(&g->dropped);
        map_put(&r->groups, uuid_hash(principal), &g->node);
    }
    return g;
}

static uint64_t bytes_of(const struct session *s) { return sizeof *s + s->text_len; }

/* The one way from state to state: lists and counts follow. */
static void set_state(struct recovery *r, struct session *s, enum state state)
{
    if (s->state == SESSION_DROPPED) {
        list_remove(&s->in_group);
        list_remove(&s->in_order);
        r->stats.dropped--;
    }
    r->stats.alive -= s->state == SESSION_ALIVE;
    bool counted = state == SESSION_ALIVE || state == SESSION_DROPPED;
    if (counted && s->group == NULL) {
        s->group = group_of(r, s->principal);
        s->group->count++;
    } else if (!counted && s->group != NULL) {
        if (--s->group->count == 0) {
            map_remove(&r->groups, &s->group->node);
            mem_free(s->group);
        }
        s->group = NULL;
    }
    s->state = state;
    r->stats.alive += state == SESSION_ALIVE;
    if (state == SESSION_DROPPED) {
        list_push(&s->group->dropped, &s->in_group);
        list_push(&r->dropped, &s->in_order);
        r->stats.dropped++;
    }
}

static struct session *session_new(struct recovery *r, const struct call *c)
{
    struct session *s = mem_calloc(1, sizeof *s);
    memcpy(s->pid, c->pid, sizeof s->pid);
    s->principal = c->principal;
    list_init(&s->write.link);
    list_init(&s->in_group);
    list_init(&s->in_order);
    list_init(&s->claims);
    map_put(&r->sessions, pid_hash(s->pid), &s->node);
    r->stats.bytes += bytes_of(s);
    return s;
}

static void session_free(struct recovery *r, struct session *s)
{
    ASSERT(!behind_pending(&s->write) && list_empty(&s->claims));
    if (s->state == SESSION_ALIVE || s->state == SESSION_DROPPED) {
        set_state(r, s, SESSION_ENDED);
    }
    map_remove(&r->sessions, &s->node);
    r->stats.bytes -= bytes_of(s);
    mem_free(s->text);
    mem_free(s);
}

static void set_text(struct recovery *r, struct session *s, span text)
{
    r->stats.bytes -= s->text_len;
    mem_free(s->text);
    s->text = mem_alloc(text.len);
    memcpy(s->text, text.ptr, text.len);
    s->text_len = (uint32_t)text.len;
    r->stats.bytes += s->text_len;
}

/* Nobody can have it back; its row goes. */
static void end(struct recovery *r, struct session *s)
{
    set_state(r, s, SESSION_ENDED);
    if (s->stored || behind_pending(&s->write)) {
        behind_touch(&r->behind, &s->write);
    } else {
        session_free(r, s);
    }
}

static void watch_end(struct recovery *r)
{
    deadline_clear(&r->end);
    if (!list_empty(&r->dropped)) {
        const struct session *s = LIST_ITEM(r->dropped.next, struct session, in_order);
        int64_t left = s->end_ms - clock_mono_ms(r->home->clock);
        deadline_set(r->home, &r->end, left > 0 ? left : 0);
    }
}

/* The window of the oldest is over. A row that says so already is left to the sweep. */
static void ended(struct deadline *d)
{
    struct recovery *r = CONTAINER_OF(d, struct recovery, end);
    int64_t now = clock_mono_ms(r->home->clock);
    while (!list_empty(&r->dropped)) {
        struct session *s = LIST_ITEM(r->dropped.next, struct session, in_order);
        if (s->end_ms > now) {
            break;
        }
        r->stats.expired++;
        if (behind_pending(&s->write)) {
            end(r, s);
        } else {
            session_free(r, s);
        }
    }
    watch_end(r);
}

/* --- bounds --- */

static uint64_t bytes_max(const struct recovery *r)
{
    return r->home->conf->recovery_bytes_max / r->home->count;
}

/* Room for one more session of that principal, of so many bytes. */
static bool make_room(struct recovery *r, uuid principal, uint64_t bytes)
{
    const struct group *g = group_find(r, principal);
    while (g != NULL && g->count >= r->home->conf->connections_per_principal_max) {
        if (list_empty(&g->dropped)) {
            r->stats.refused++;
            return false;
        }
        r->stats.refused++;
        end(r, LIST_ITEM(g->dropped.next, struct session, in_group));
        g = group_find(r, principal);
    }
    while (r->stats.bytes + bytes > bytes_max(r)) {
        r->stats.refused++;
        if (list_empty(&r->dropped)) {
            return false;
        }
        end(r, LIST_ITEM(r->dropped.next, struct session, in_order));
    }
    return true;
}

/* --- what is written --- */

static void req_put(struct store_req *req, unsigned step, unsigned set, const struct session *s)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(s->principal, id);
    store_set_text(req, step, set, 0, span_of(s->pid, RECOVERY_PID_LEN));
    store_set_text(req, step, set, 1, span_of(id, UUID_TEXT_LEN));
    store_set_text(req, step, set, 2, span_str(s->wire));
    store_set_text(req, step, set, 3, span_of(s->text, s->text_len));
    store_set_int(req, step, set, 4, (int64_t)s->pos.epoch);
    store_set_int(req, step, set, 5, (int64_t)s->pos.n);
    if (s->state == SESSION_DROPPED) {
        store_set_int(req, step, set, 6, s->dropped_wall_ms);
        store_set_int(req, step, set, 7, s->end_wall_ms);
    }
}

static struct store_req *fill(struct behind *b, struct behind_batch *batch)
{
    struct recovery *r = b->owner;
    unsigned puts = 0, deletes = 0;
    size_t bytes = 0;
    for (struct behind_item *it; (it = behind_first(b, batch)) != NULL;) {
        struct session *s = CONTAINER_OF(it, struct session, write);
        bytes += s->text_len;
        if (batch->count > 0 && bytes > BATCH_BYTES_MAX) {
            break;
        }
        behind_take(b, batch);
        puts += s->state != SESSION_ENDED;
        deletes += s->state == SESSION_ENDED && s->stored;
        s->stored = s->stored || s->state != SESSION_ENDED;
    }
    if (puts + deletes == 0) {
        return NULL;
    }
    unsigned steps = (puts > 0) + (deletes > 0), put_step = 0, delete_step = puts > 0;
    struct store_req *req = store_req_new(r->home->index, steps, NULL, NULL);
    if (puts > 0) {
        store_step_init(req, put_step, QUERY_RECOVERY_PUT, puts);
    }
    if (deletes > 0) {
        store_step_init(req, delete_step, QUERY_RECOVERY_DELETE, deletes);
    }
    puts = deletes = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        const struct session *s = CONTAINER_OF(batch->items[i], struct session, write);
        if (s->state != SESSION_ENDED) {
            req_put(req, put_step, puts++, s);
        } else if (s->stored) {
            store_set_text(req, delete_step, deletes++, 0, span_of(s->pid, RECOVERY_PID_LEN));
        }
    }
    return req;
}

static void written(struct behind *b, struct behind_item *it, err error, bool rests)
{
    struct session *s = CONTAINER_OF(it, struct session, write);
    (void)error;
    if (rests && s->state == SESSION_ENDED) {
        session_free(b->owner, s);
    }
}

static const struct behind_ops writing = {.fill = fill, .written = written};

/* --- calls, at home --- */

static void save(struct recovery *r, struct call *c)
{
    struct session *s = find(r, c);
    if (s != NULL && s->group != NULL) {
        if (c->text.len > s->text_len &&
            r->stats.bytes + c->text.len - s->text_len > bytes_max(r)) {
            r->stats.refused++;
            end(r, s);
            return;
        }
    } else {
        if (!make_room(r, c->principal, sizeof *s + c->text.len)) {
            return;
        }
        s = find(r, c); /* one that had ended may be gone by now */
        s = s != NULL ? s : session_new(r, c);
    }
    set_state(r, s, SESSION_ALIVE);
    memcpy(s->wire, c->wire, strlen(c->wire) + 1); /* recovery_save has looked at its length */
    set_text(r, s, buf_span(&c->text));
    s->pos = c->pos;
    behind_touch(&r->behind, &s->write);
}

static void drop(struct recovery *r, struct call *c)
{
    struct home *h = r->home;
    struct session *s = find(r, c);
    if (s == NULL || s->state != SESSION_ALIVE) {
        return;
    }
    if (c->has_pos) {
        s->pos = c->pos;
    }
    s->dropped_wall_ms = clock_wall_ms(h->clock);
    s->end_wall_ms = s->dropped_wall_ms + h->conf->recovery_ms;
    s->end_ms = clock_mono_ms(h->clock) + h->conf->recovery_ms;
    set_state(r, s, SESSION_DROPPED);
    behind_touch(&r->behind, &s->write);
    watch_end(r);
}

static void finish(struct recovery *r, struct call *c)
{
    struct session *s = find(r, c);
    if (s != NULL && (s->state == SESSION_ALIVE || s->state == SESSION_DROPPED)) {
        end(r, s);
    }
}

/* --- claims --- */

static void answer(struct recovery *r, struct call *c, err error)
{
    r->stats.unknown += error == ERR_NOT_FOUND;
    c->error = error;
    recovery_answer(c, r->home->post);
}

/* The first who comes in time has it. */
static void take(struct recovery *r, struct session *s, struct call *c)
{
    if (s->state != SESSION_DROPPED || s->end_ms <= clock_mono_ms(r->home->clock) ||
        strcmp(s->wire, c->wire) != 0) {
        answer(r, c, ERR_NOT_FOUND);
        return;
    }
    set_state(r, s, SESSION_ALIVE);
    r->stats.claimed++;
    buf_append_span(&c->text, span_of(s->text, s->text_len));
    c->pos = s->pos;
    behind_touch(&r->behind, &s->write);
    answer(r, c, ERR_NONE);
}

/* A session of the process before, as its row says. */
static void read_row(struct recovery *r, struct session *s, const struct store_req *req)
{
    const struct store_value *cells = store_cell(req, 0, 0, 0);
    span wire = store_text(&cells[0]);
    span text = store_text(&cells[1]);
    int64_t left = store_int(&cells[4]) - clock_wall_ms(r->home->clock);
    if (left > r->home->conf->recovery_ms) { /* the clock was set back */
        left = r->home->conf->recovery_ms;
    }
    if (wire.len > RECOVERY_WIRE_BYTES_MAX ||
        !make_room(r, s->principal, text.len)) {
        return;
    }
    memcpy(s->wire, wire.ptr, wire.len);
    set_text(r, s, text);
    s->pos = (struct pos){.epoch = (uint64_t)store_int(&cells[2]),
                          .n = (uint64_t)store_int(&cells[3])};
    s->stored = true;
    s->end_wall_ms = store_int(&cells[4]);
    s->dropped_wall_ms = s->end_wall_ms - r->home->conf->recovery_ms;
    s->end_ms = clock_mono_ms(r->home->clock) + left;
    set_state(r, s, SESSION_DROPPED);
}

struct loading {
    struct recovery *recovery;
    struct session *session;
};

static void loaded(struct store_req *req)
{
    struct loading *l = req->owner;
    struct recovery *r = l->recovery;
    struct session *s = l->session;
    err error = req->error;
    r->loading--;
    if (error == ERR_NONE && req->steps[0].row_count > 0 && s->state == SESSION_LOADING) {
        read_row(r, s, req);
    }
    store_req_free(req);
    while (!list_empty(&s->claims)) {
        struct call *c = LIST_ITEM(s->claims.next, struct call, waiting);
        list_remove(&c->waiting);
        if (error != ERR_NONE) {
            answer(r, c, error);
        } else {
            take(r, s, c);
        }
    }
    if (s->state == SESSION_LOADING) {
        session_free(r, s);
    }
    watch_end(r);
}

static void load(struct recovery *r, struct call *c)
{
    char id[UUID_TEXT_LEN + 1];
    struct session *s = session_new(r, c);
    list_push(&s->claims, &c->waiting);
    r->loading++;
    struct store_req *req = store_req_new(r->home->index, 1, loaded, NULL);
    struct loading *l = ARENA_NEW(&req->arena, struct loading);
    *l = (struct loading){r, s};
    req->owner = l;
    store_step_init(req, 0, QUERY_RECOVERY_GET, 1);
    uuid_format(c->principal, id);
    store_set_text(req, 0, 0, 0, span_of(c->pid, RECOVERY_PID_LEN));
    store_set_text(req, 0, 0, 1, span_of(id, UUID_TEXT_LEN));
    store_set_int(req, 0, 0, 2, clock_wall_ms(r->home->clock));
    r->home->store->submit(r->home->store, req);
}

static void claim(struct recovery *r, struct call *c)
{
    struct session *s = find(r, c);
    if (s != NULL && s->state == SESSION_LOADING) {
        list_push(&s->claims, &c->waiting);
    } else if (s != NULL) {
        take(r, s, c);
    } else if (c->pid[0] == '\0' || clock_wall_ms(r->home->clock) >= r->until_ms) {
        answer(r, c, ERR_NOT_FOUND);
    } else if (r->loading >= LOADING_MAX) {
        answer(r, c, ERR_STORE_BUSY);
    } else {
        load(r, c);
    }
}

bool recovery_arrive(struct recovery *r, struct call *c)
{
    switch (c->kind) {
    case CALL_SAVE:
        save(r, c);
        break;
    case CALL_DROP:
        drop(r, c);
        break;
    case CALL_END:
        finish(r, c);
        break;
    case CALL_CLAIM:
        claim(r, c);
        return true;
    }
    return false;
}

/* --- rows that ended --- */

static void swept(struct store_req *req)
{
    struct recovery *r = req->owner;
    bool more = req->error == ERR_NONE && req->steps[0].change_count == SWEEP_ROWS;
    store_req_free(req);
    deadline_set(r->home, &r->sweep, more ? SWEEP_AGAIN_MS : SWEEP_MS);
}

static void sweep(struct deadline *d)
{
    struct recovery *r = CONTAINER_OF(d, struct recovery, sweep);
    struct store_req *req = store_req_new(r->home->index, 1, swept, r);
    store_step_init(req, 0, QUERY_RECOVERY_EXPIRE, 1);
    store_set_int(req, 0, 0, 0, clock_wall_ms(r->home->clock));
    store_set_int(req, 0, 0, 1, SWEEP_ROWS);
    r->home->store->submit(r->home->store, req);
}

struct recovery *recovery_new(struct home *h, int64_t until_ms)
{
    struct recovery *r = mem_calloc(1, sizeof *r);
    r->home = h;
    r->until_ms = until_ms;
    r->end.fire = ended;
    r->sweep.fire = sweep;
    list_init(&r->dropped);
    behind_init(&r->behind, h, &writing, "recovery", r);
    if (h->index == 0) {
        deadline_set(h, &r->sweep, SWEEP_MS);
    }
    h->recovery = r;
    return r;
}

void recovery_free(struct recovery *r)
{
    deadline_clear(&r->end);
    deadline_clear(&r->sweep);
    behind_deinit(&r->behind);
    struct map_node *n;
    while ((n = map_next(&r->sessions, NULL)) != NULL) {
        session_free(r, CONTAINER_OF(n, struct session, node));
    }
    map_deinit(&r->sessions);
    map_deinit(&r->groups);
    r->home->recovery = NULL;
    mem_free(r);
}

void recovery_stats(const struct recovery *r, struct recovery_stats *out) { *out = r->stats; }
