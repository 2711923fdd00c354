/*
 * Proofs at the home their hash chooses: device keys and console cookies, known here by SHA-256
 * only. What the store does not know is remembered for a second; how many are looked up at a
 * time is bounded, so that strangers' guesses cannot fill the store's queue.
 */
#include "domain/identity_internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define PROOFS_MAX 65536    /* about 250 bytes each; the longest unused is dropped */
#define LOADING_MAX 1024    /* beyond, checks of unknown proofs are refused as busy */
#define UNKNOWN_MS 1000
#define TOUCH_MS 600000     /* a cookie's expiry slides at most this often: one write */
#define EVICT_STEPS 8

struct entry {
    struct map_node node;
    struct list used;
    uint8_t hash[HASH_BYTES];
    struct identity *identity;
    enum { ABSENT, LOADING, LOADED } load;
    bool again;
    enum proof_kind kind;
    int64_t unknown_until_ms;
    int64_t last_seen_ms;
    struct proof proof;
    struct list waiting;
    struct loading *loading; /* owned; with LOADING */
};

/* One reading of a row. */
struct loading {
    struct task task;
    struct entry *entry;
};

static bool same_hash(const struct map_node *node, const void *key)
{
    return memcmp(CONTAINER_OF(node, struct entry, node)->hash, key, HASH_BYTES) == 0;
}

unsigned proof_home(const struct home *h, const uint8_t hash[HASH_BYTES])
{
    uint32_t word;
    memcpy(&word, hash, sizeof word);
    return word % h->count;
}

static void drop(struct identity *id, struct entry *e)
{
    map_remove(&id->proofs, &e->node);
    list_remove(&e->used);
    mem_free(e);
}

static void evict(struct identity *id)
{
    unsigned steps = 0;
    LIST_EACH(it, &id->proofs_used) {
        if (id->proofs.count <= PROOFS_MAX || steps++ == EVICT_STEPS) {
            return;
        }
        struct entry *e = LIST_ITEM(it, struct entry, used);
        if (e->load != LOADING) {
            drop(id, e);
        }
    }
}

static struct entry *find(struct identity *id, const uint8_t hash[HASH_BYTES])
{
    uint64_t key = hash_bytes(span_of(hash, HASH_BYTES));
    struct map_node *n = map_get(&id->proofs, key, same_hash, hash);
    return n == NULL ? NULL : CONTAINER_OF(n, struct entry, node);
}

static struct entry *make(struct identity *id, const uint8_t hash[HASH_BYTES])
{
    struct entry *e = mem_calloc(1, sizeof *e);
    memcpy(e->hash, hash, HASH_BYTES);
    e->identity = id;
    list_init(&e->waiting);
    list_init(&e->used);
    map_put(&id->proofs, hash_bytes(span_of(hash, HASH_BYTES)), &e->node);
    list_push(&id->proofs_used, &e->used);
    evict(id);
    return e;
}

static void on_loaded(struct task *t);

static void load(struct entry *e)
{
    if (e->load != LOADING) {
        e->loading = mem_alloc(sizeof *e->loading);
        *e->loading =
            (struct loading){.task = {.home = e->identity->home, .resume = on_loaded}, .entry = e};
    }
    e->load = LOADING;
    e->again = false;
    struct task *t = &e->loading->task;
    struct store_req *req = task_req(t, 1);
    store_step_init(req, 0,
                    e->kind == PROOF_SESSION ? QUERY_SESSION_BY_HASH : QUERY_CREDENTIAL_BY_HASH, 1);
    store_set_blob(req, 0, 0, 0, span_of(e->hash, HASH_BYTES));
    task_store(t);
}

uuid hash_half(const uint8_t hash[HASH_BYTES])
{
    uuid u;
    memcpy(u.bytes, hash, sizeof u.bytes);
    return u;
}

static void read_row(struct entry *e, const struct store_req *req)
{
    e->proof = (struct proof){.kind = PROOF_NONE};
    if (req->steps[0].row_count == 0) {
        return;
    }
    if (e->kind == PROOF_SESSION) {
        e->last_seen_ms = store_int(store_cell(req, 0, 0, 3));
        e->proof = (struct proof){.kind = PROOF_SESSION,
                                  .credential = hash_half(e->hash),
                                  .created_ms = store_int(store_cell(req, 0, 0, 1)),
                                  .expires_ms = store_int(store_cell(req, 0, 0, 2))};
        if (!uuid_parse(store_text(store_cell(req, 0, 0, 0)), &e->proof.principal)) {
            e->proof.kind = PROOF_NONE;
        }
        return;
    }
    bool device = span_eq(store_text(store_cell(req, 0, 0, 2)), SPAN("device_key"));
    e->proof = (struct proof){.kind = device ? PROOF_KEY : PROOF_PROVISION,
                              .expires_ms = store_int(store_cell(req, 0, 0, 6)),
                              .revoked = store_cell(req, 0, 0, 7)->type != STORE_NULL,
                              .created_ms = store_int(store_cell(req, 0, 0, 8))};
    if (!uuid_parse(store_text(store_cell(req, 0, 0, 0)), &e->proof.credential) ||
        !uuid_parse(store_text(store_cell(req, 0, 0, 1)), &e->proof.principal)) {
        e->proof.kind = PROOF_NONE;
    }
    if (!device) {
        e->proof.principal = e->proof.credential; /* it acts for nobody but itself */
    }
}

/* A fire-and-forget write: losing it costs a cookie ten minutes of its thirty days. */
static void on_touched(struct store_req *req) { store_req_free(req); }

static void touch(struct entry *e)
{
    struct home *h = e->identity->home;
    int64_t now = clock_wall_ms(h->clock);
    if (e->proof.kind != PROOF_SESSION || now - e->last_seen_ms < TOUCH_MS ||
        now >= e->proof.expires_ms) {
        return;
    }
    e->last_seen_ms = now;
    e->proof.expires_ms = now + h->conf->session_s * 1000;
    struct store_req *req = store_req_new(h->index, 1, on_touched, NULL);
    store_step_init(req, 0, QUERY_SESSION_TOUCH, 1);
    store_set_blob(req, 0, 0, 0, span_of(e->hash, HASH_BYTES));
    store_set_int(req, 0, 0, 1, now);
    store_set_int(req, 0, 0, 2, e->proof.expires_ms);
    h->store->submit(h->store, req);
}

static void on_loaded(struct task *t)
{
    struct entry *e = CONTAINER_OF(t, struct loading, task)->entry;
    if (e->again) {
        load(e);
        return;
    }
    e->identity->proofs_loading--;
    bool ok = t->req->error == ERR_NONE;
    e->load = ok ? LOADED : ABSENT;
    if (ok) {
        read_row(e, t->req);
        touch(e);
        e->unknown_until_ms = clock_mono_ms(t->home->clock) + UNKNOWN_MS;
    }
    task_deinit(t);
    mem_free(e->loading);
    e->loading = NULL;
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &e->waiting);
    while (!list_empty(&waiting)) {
        struct proof_wait *w = LIST_ITEM(waiting.next, struct proof_wait, link);
        list_remove(&w->link);
        w->ready(w, ok ? &e->proof : NULL, true);
    }
}

void proof_want(struct identity *id, struct proof_wait *w)
{
    struct entry *e = find(id, w->hash);
    if (e == NULL) {
        if (id->proofs_loading >= LOADING_MAX) {
            w->ready(w, NULL, false);
            return;
        }
        e = make(id, w->hash);
    }
    list_remove(&e->used);
    list_push(&id->proofs_used, &e->used);
    bool stale = e->load == LOADED && e->proof.kind == PROOF_NONE &&
                 clock_mono_ms(id->home->clock) >= e->unknown_until_ms;
    bool hit = e->load == LOADED && !stale;
    home_cache_count(id->home, CACHE_PROOFS, hit);
    if (hit) {
        touch(e);
        w->ready(w, &e->proof, false);
        return;
    }
    list_push(&e->waiting, &w->link);
    if (e->load != LOADING) {
        e->kind = w->kind;
        id->proofs_loading++;
        load(e);
    }
}

struct ended {
    struct task task;
    uint8_t hash[HASH_BYTES];
    uuid principal;
    uuid credential;
};

static void on_ended(struct task *t)
{
    struct ended *n = CONTAINER_OF(t, struct ended, task);
    struct entry *e = find(t->home->identity, n->hash);
    if (e != NULL && e->load == LOADING) {
        e->again = true;
    } else if (e != NULL) {
        drop(t->home->identity, e);
    }
    changes_tell(t->home,
                 &(struct change){.principal = n->principal, .credential = n->credential});
    mem_free(n);
}

void proof_revoked(struct home *h, const uint8_t hash[HASH_BYTES], uuid principal, uuid credential)
{
    struct ended *n = mem_calloc(1, sizeof *n);
    *n = (struct ended){.task = {.home = h, .resume = on_ended},
                        .principal = principal,
                        .credential = credential};
    memcpy(n->hash, hash, HASH_BYTES);
    task_go(&n->task, proof_home(h, hash));
}

void proofs_free(struct identity *id)
{
    for (struct map_node *n; (n = map_next(&id->proofs, NULL)) != NULL;) {
        struct entry *e = CONTAINER_OF(n, struct entry, node);
        ASSERT(e->load != LOADING && list_empty(&e->waiting));
        drop(id, e);
    }
    map_deinit(&id->proofs);
}
