/*
 * Principals at their home: one row and its bindings, read once, dropped when told. An entry is
 *
 *      ABSENT --want--> LOADING --answer--> LOADED --changed--> LOADING (announce)
 *
 * A change that arrives while the row is being read makes it read again, so that what is told
 * and kept is never older than the last change. While a change is not told to the loops yet, the
 * entry stays and reading is retried.
 */
#include "domain/identity_op.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

/* About 180 bytes each. What is cached beyond is dropped, the longest unused first; entries with
 * live sessions stay, their number is bounded by connections_max. */
#define PRINCIPALS_MAX 65536
/* A principal that does not exist is not looked up again for this long. */
#define UNKNOWN_MS 1000
/* The bound of one principal's bindings; more are ignored and logged. */
#define BINDINGS_MAX 1000
#define RETRY_MS 500
#define EVICT_STEPS 8

enum load_state { ABSENT, LOADING, LOADED };

struct principal {
    struct map_node node;
    struct list used;
    struct identity *identity;
    enum load_state load;
    bool again;    /* changed while it was read */
    bool announce; /* the loops are to be told */
    uint32_t live;
    int64_t unknown_until_ms;
    struct list waiting;
    struct principal_state state;
    struct loading *loading; /* owned; with LOADING */
    struct deadline retry;
};

/* One reading of a row. */
struct loading {
    struct task task;
    struct principal *principal;
};

static bool same_id(const struct map_node *node, const void *key)
{
    return uuid_eq(CONTAINER_OF(node, struct principal, node)->state.id, *(const uuid *)key);
}

/* Not uuid_hash: its low bits are what chose this home. */
static uint64_t hash_of(uuid id) { return hash_bytes(span_of(id.bytes, sizeof id.bytes)); }

static void state_clear(struct principal_state *s)
{
    mem_free(s->bindings);
    mem_free(s->devices);
    *s = (struct principal_state){.id = s->id};
}

static void drop(struct identity *id, struct principal *p)
{
    map_remove(&id->principals, &p->node);
    list_remove(&p->used);
    deadline_clear(&p->retry);
    state_clear(&p->state);
    mem_free(p);
}

static void evict(struct identity *id)
{
    unsigned steps = 0;
    LIST_EACH(it, &id->principals_used) {
        if (id->principals.count <= PRINCIPALS_MAX || steps++ == EVICT_STEPS) {
            return;
        }
        struct principal *p = LIST_ITEM(it, struct principal, used);
        if (p->live == 0 && p->load != LOADING && !p->announce) {
            drop(id, p);
        }
    }
}

static void on_retry(struct deadline *d);

static struct principal *entry(struct identity *id, uuid key)
{
    uint64_t hash = hash_of(key);
    struct map_node *n = map_get(&id->principals, hash, same_id, &key);
    struct principal *p;
    if (n != NULL) {
        p = CONTAINER_OF(n, struct principal, node);
        list_remove(&p->used);
    } else {
        p = mem_calloc(1, sizeof *p);
        p->identity = id;
        p->state.id = key;
        p->retry.fire = on_retry;
        list_init(&p->waiting);
        list_init(&p->used);
        map_put(&id->principals, hash, &p->node);
        evict(id);
    }
    list_push(&id->principals_used, &p->used);
    return p;
}

static void on_loaded(struct task *t);

static void load(struct principal *p)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(p->state.id, text);
    if (p->load != LOADING) {
        p->loading = mem_alloc(sizeof *p->loading);
        *p->loading = (struct loading){
            .task = {.home = p->identity->home, .resume = on_loaded}, .principal = p};
    }
    p->load = LOADING;
    p->again = false;
    struct task *t = &p->loading->task;
    struct store_req *req = task_req(t, 3);
    req->row_max = 1 + BINDINGS_MAX + GRANT_DEVICES_MAX;
    store_step_init(req, 0, QUERY_PRINCIPAL_GET, 1);
    store_set_text(req, 0, 0, 0, span_str(text));
    store_step_init(req, 1, QUERY_BINDING_LIST, 1);
    store_set_text(req, 1, 0, 0, span_str(text));
    store_step_init(req, 2, QUERY_BINDING_DEVICES, 1);
    store_set_text(req, 2, 0, 0, span_str(text));
    store_set_int(req, 2, 0, 1, GRANT_DEVICES_MAX + 1);
    task_store(t);
}

static void on_retry(struct deadline *d)
{
    struct principal *p = CONTAINER_OF(d, struct principal, retry);
    if (p->load != LOADING) {
        load(p);
    }
}

static void answer_waiting(struct principal *p, const struct principal_state *s)
{
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &p->waiting);
    while (!list_empty(&waiting)) {
        struct principal_wait *w = LIST_ITEM(waiting.next, struct principal_wait, link);
        list_remove(&w->link);
        w->ready(w, s, p->live, true);
    }
}

/* A row that this build does not understand grants nothing. */
static bool parse_role(span text, enum role *out)
{
    char role[32] = "";
    if (text.len >= sizeof role) {
        return false;
    }
    memcpy(role, text.ptr, text.len);
    return role_parse(role, out);
}

static bool parse_scope_id(span text, struct scope *s)
{
    uint64_t room;
    if (s->kind == SCOPE_GLOBAL) {
        return true;
    }
    if (s->kind != SCOPE_HOME_ROOM) {
        return uuid_parse(text, &s->id);
    }
    bool ok = span_u64(text, INT64_MAX, &room);
    if (ok) {
        *s = scope_room((int64_t)room);
    }
    return ok;
}

static bool parse_binding(const struct store_req *req, unsigned row, struct binding *out)
{
    static const char *const scopes[] = {"global", "device", "device_group", "home_room",
                                         "chat_room"};
    if (!parse_role(store_text(store_cell(req, 1, row, 0)), &out->role)) {
        return false;
    }
    span scope = store_text(store_cell(req, 1, row, 1));
    for (unsigned i = 0; i < ARRAY_LEN(scopes); i++) {
        if (span_eq(scope, span_str(scopes[i]))) {
            out->scope = (struct scope){.kind = (enum scope_kind)i};
            return parse_scope_id(store_text(store_cell(req, 1, row, 2)), &out->scope);
        }
    }
    return false;
}

/* Rows come by device: those of one are joined. */
static void read_devices(struct principal_state *s, const struct store_req *req)
{
    unsigned rows = req->steps[2].row_count;
    unsigned count = rows > GRANT_DEVICES_MAX ? GRANT_DEVICES_MAX : rows;
    s->devices = count == 0 ? NULL : mem_calloc(count, sizeof *s->devices);
    for (unsigned row = 0; row < count; row++) {
        enum role role;
        uuid device;
        if (!parse_role(store_text(store_cell(req, 2, row, 1)), &role) ||
            !uuid_parse(store_text(store_cell(req, 2, row, 0)), &device)) {
            continue;
        }
        if (s->device_count == 0 || !uuid_eq(s->devices[s->device_count - 1].device, device)) {
            s->devices[s->device_count++].device = device;
        }
        s->devices[s->device_count - 1].roles |= 1u << role;
    }
}

static void read_state(struct principal *p, const struct store_req *req)
{
    struct log *log = p->identity->home->log;
    struct principal_state *s = &p->state;
    state_clear(s);
    if (req->steps[0].row_count == 0 ||
        !kind_parse(store_text(store_cell(req, 0, 0, 3)), &s->kind)) {
        return;
    }
    s->known = true;
    s->active = span_eq(store_text(store_cell(req, 0, 0, 5)), SPAN("active"));
    s->valid_after_ms = store_int(store_cell(req, 0, 0, 6));
    unsigned rows = req->steps[1].row_count;
    unsigned count = rows > BINDINGS_MAX ? BINDINGS_MAX : rows;
    s->bindings = count == 0 ? NULL : mem_calloc(count, sizeof *s->bindings);
    for (unsigned row = 0; row < count; row++) {
        struct binding b;
        if (!parse_binding(req, row, &b)) {
            LOG(log, LOG_WARN, "identity.binding_ignored",
                LOG_SPAN("role", store_text(store_cell(req, 1, row, 0))));
        } else if (b.scope.kind == SCOPE_GLOBAL) {
            s->global_roles |= 1u << b.role;
        } else {
            s->bindings[s->binding_count++] = b;
        }
    }
    read_devices(s, req);
    if (req->more || rows > BINDINGS_MAX || req->steps[2].row_count > GRANT_DEVICES_MAX) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(s->id, id);
        LOG(log, LOG_WARN, "identity.bindings_cut", LOG_STR("principal", id),
            LOG_U64("bindings_max", BINDINGS_MAX), LOG_U64("devices_max", GRANT_DEVICES_MAX));
    }
}

static void loading_end(struct principal *p, enum load_state state)
{
    p->load = state;
    task_deinit(&p->loading->task);
    mem_free(p->loading);
    p->loading = NULL;
}

static void on_loaded(struct task *t)
{
    struct principal *p = CONTAINER_OF(t, struct loading, task)->principal;
    struct home *h = t->home;
    if (p->again) {
        load(p);
        return;
    }
    if (t->req->error != ERR_NONE) {
        loading_end(p, ABSENT);
        if (p->announce) {
            deadline_set(h, &p->retry, RETRY_MS);
        }
        answer_waiting(p, NULL);
        return;
    }
    read_state(p, t->req);
    loading_end(p, LOADED);
    p->unknown_until_ms = clock_mono_ms(h->clock) + UNKNOWN_MS;
    if (p->announce) {
        p->announce = false;
        changes_tell(h, &(struct change){.principal = p->state.id, .state = p->state});
    }
    answer_waiting(p, &p->state);
}

void principal_want(struct identity *id, uuid principal, struct principal_wait *w)
{
    struct principal *p = entry(id, principal);
    bool stale = p->load == LOADED && !p->state.known &&
                 clock_mono_ms(id->home->clock) >= p->unknown_until_ms;
    bool hit = p->load == LOADED && !stale;
    home_cache_count(id->home, CACHE_PRINCIPALS, hit);
    if (hit) {
        w->ready(w, &p->state, p->live, false);
        return;
    }
    list_push(&p->waiting, &w->link);
    if (p->load != LOADING) {
        load(p);
    }
}

/* What other homes ask of a principal's. */
struct order {
    struct task task;
    enum { ORDER_CHANGED, ORDER_COUNT, ORDER_TELL } what;
    uuid principal;
    int delta;
    unsigned loop; /* who is to be told */
    struct principal_wait wait;
};

static void order(struct home *h, const struct order *what);

static void on_tell(struct principal_wait *w, const struct principal_state *p, uint32_t live,
                    bool waited)
{
    struct order *o = CONTAINER_OF(w, struct order, wait);
    struct home *h = o->task.home;
    (void)live;
    (void)waited;
    if (p != NULL) {
        change_tell(h, o->loop,
                    &(struct change){.principal = o->principal, .state = *p, .repeated = true});
    } else { /* what cannot be read now is read until it can, and told to all */
        order(h, &(struct order){.what = ORDER_CHANGED, .principal = o->principal});
    }
    mem_free(o);
}

static void changed(struct principal *p)
{
    p->announce = true;
    p->again = p->load == LOADING;
    if (p->load != LOADING) {
        load(p);
    }
}

static void on_order(struct task *t)
{
    struct order *o = CONTAINER_OF(t, struct order, task);
    struct identity *id = t->home->identity;
    struct principal *p = entry(id, o->principal);
    switch (o->what) {
    case ORDER_CHANGED:
        changed(p);
        break;
    case ORDER_COUNT:
        ASSERT(o->delta > 0 || p->live > 0);
        p->live += (uint32_t)o->delta;
        break;
    case ORDER_TELL:
        o->wait.ready = on_tell;
        principal_want(id, o->principal, &o->wait);
        return;
    }
    mem_free(o);
}

static void order(struct home *h, const struct order *what)
{
    struct order *o = mem_alloc(sizeof *o);
    *o = *what;
    o->task = (struct task){.home = h, .resume = on_order};
    task_go(&o->task, home_of(h, o->principal));
}

void identity_changed(struct home *h, uuid principal)
{
    order(h, &(struct order){.what = ORDER_CHANGED, .principal = principal});
}

void principal_count(struct home *h, uuid principal, int delta)
{
    order(h, &(struct order){.what = ORDER_COUNT, .principal = principal, .delta = delta});
}

void principal_tell(struct home *h, uuid principal)
{
    order(h, &(struct order){.what = ORDER_TELL, .principal = principal, .loop = h->index});
}

void principals_free(struct identity *id)
{
    for (struct map_node *n; (n = map_next(&id->principals, NULL)) != NULL;) {
        struct principal *p = CONTAINER_OF(n, struct principal, node);
        ASSERT(p->load != LOADING && list_empty(&p->waiting));
        drop(id, p);
    }
    map_deinit(&id->principals);
}

const char *principal_refusal(const struct principal_state *p, enum proof_kind proof,
                              int64_t issued_ms)
{
    if (!p->known) {
        return "unknown_principal";
    }
    if (!p->active) {
        return "disabled";
    }
    return proof != PROOF_KEY && issued_ms < p->valid_after_ms ? "superseded" : NULL;
}

struct grant *principal_grant(const struct principal_state *p)
{
    size_t bytes = p->binding_count * sizeof *p->bindings;
    size_t device_bytes = p->device_count * sizeof *p->devices;
    struct grant *g = mem_alloc(sizeof *g + bytes + device_bytes);
    *g = (struct grant){.principal = p->id,
                        .kind = p->kind,
                        .global_roles = p->global_roles,
                        .binding_count = p->binding_count,
                        .device_count = p->device_count};
    if (bytes > 0) {
        memcpy(g->bindings, p->bindings, bytes);
    }
    if (device_bytes > 0) {
        struct device_roles *devices = (struct device_roles *)(g->bindings + p->binding_count);
        memcpy(devices, p->devices, device_bytes);
        g->devices = devices;
    }
    return g;
}
