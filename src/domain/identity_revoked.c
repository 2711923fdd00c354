/*
 * Tokens revoked one by one, at every home in memory: a token is checked on the loop it arrives
 * at, without asking anybody. Read from the store at the start in pages; later ones come by mail.
 */
#include "domain/identity_internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

/* Our access tokens live 15 min: 200 logouts a second fill it. When full, a token cannot be
 * revoked alone (logout answers ERR_SERVER_ERROR); revoking all of a principal's still works. */
#define REVOKED_MAX 200000
#define PAGE_ROWS 5000

struct revoked {
    struct map_node node;
    uuid jti;
    int64_t exp_ms;
};

static bool same(const struct map_node *node, const void *key)
{
    return uuid_eq(CONTAINER_OF(node, struct revoked, node)->jti, *(const uuid *)key);
}

static uint64_t hash_of(uuid id) { return hash_bytes(span_of(id.bytes, sizeof id.bytes)); }

uuid jti_id(struct home *h, span jti)
{
    uuid id;
    if (!uuid_parse(jti, &id)) {
        uint8_t hash[HASH_BYTES];
        h->tokens->sha256(h->tokens, jti, hash);
        memcpy(id.bytes, hash, sizeof id.bytes);
    }
    return id;
}

bool revoked_has(struct identity *id, uuid jti)
{
    return map_get(&id->revoked.map, hash_of(jti), same, &jti) != NULL;
}

void revoked_purge(struct identity *id)
{
    int64_t now = clock_wall_ms(id->home->clock);
    struct map_node *keep = NULL;
    for (struct map_node *n; (n = map_pop(&id->revoked.map)) != NULL;) {
        struct revoked *r = CONTAINER_OF(n, struct revoked, node);
        if (r->exp_ms <= now) {
            mem_free(r);
        } else {
            n->next = keep;
            keep = n;
        }
    }
    while (keep != NULL) {
        struct map_node *n = keep;
        keep = n->next;
        map_put(&id->revoked.map, n->hash, n);
    }
}

bool revoked_add(struct identity *id, uuid jti, int64_t exp_ms)
{
    if (revoked_has(id, jti)) {
        return true;
    }
    if (id->revoked.map.count >= REVOKED_MAX) {
        revoked_purge(id);
        if (id->revoked.map.count >= REVOKED_MAX) {
            LOG(id->home->log, LOG_ERROR, "identity.revoked_full", LOG_U64("max", REVOKED_MAX));
            return false;
        }
    }
    struct revoked *r = mem_calloc(1, sizeof *r);
    r->jti = jti;
    r->exp_ms = exp_ms;
    map_put(&id->revoked.map, hash_of(jti), &r->node);
    return true;
}

static void wake(struct identity *id)
{
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &id->revoked.waiting);
    while (!list_empty(&waiting)) {
        struct revoked_wait *w = LIST_ITEM(waiting.next, struct revoked_wait, link);
        list_remove(&w->link);
        task_later(w->task);
    }
}

static void read_page(struct identity *id)
{
    struct store_req *req = task_req(&id->revoked.task, 1);
    store_step_init(req, 0, QUERY_REVOKED_LIST, 1);
    store_set_int(req, 0, 0, 0, id->revoked.after_ms);
    store_set_int(req, 0, 0, 1, PAGE_ROWS);
    id->revoked.loading = true;
    task_store(&id->revoked.task);
}

/* Pages overlap by a millisecond, for rows that expire in the same one. */
static void on_page(struct task *t)
{
    struct identity *id = t->home->identity;
    const struct store_req *req = t->req;
    id->revoked.loading = false;
    if (req->error != ERR_NONE) {
        LOG(t->home->log, LOG_ERROR, "identity.revoked_unread",
            LOG_STR("error", err_name(req->error)));
        task_deinit(t);
        wake(id);
        return;
    }
    unsigned rows = req->steps[0].row_count;
    int64_t last_ms = id->revoked.after_ms;
    for (unsigned row = 0; row < rows; row++) {
        last_ms = store_int(store_cell(req, 0, row, 1));
        (void)revoked_add(id, jti_id(t->home, store_text(store_cell(req, 0, row, 0))), last_ms);
    }
    if (rows < PAGE_ROWS) {
        id->revoked.ready = true;
        task_deinit(t);
        wake(id);
        return;
    }
    bool same_ms = last_ms - 1 <= id->revoked.after_ms;
    id->revoked.after_ms = same_ms ? last_ms : last_ms - 1;
    read_page(id);
}

void revoked_start(struct identity *id)
{
    list_init(&id->revoked.waiting);
    id->revoked.task = (struct task){.home = id->home, .resume = on_page};
    id->revoked.after_ms = clock_wall_ms(id->home->clock);
    read_page(id);
}

bool revoked_ready(struct identity *id, struct revoked_wait *w, struct task *t)
{
    if (id->revoked.ready) {
        return true;
    }
    w->task = t;
    list_push(&id->revoked.waiting, &w->link);
    if (!id->revoked.loading) {
        read_page(id);
    }
    return false;
}

void revoked_free(struct identity *id)
{
    ASSERT(!id->revoked.loading);
    for (struct map_node *n; (n = map_pop(&id->revoked.map)) != NULL;) {
        mem_free(CONTAINER_OF(n, struct revoked, node));
    }
    map_deinit(&id->revoked.map);
}
