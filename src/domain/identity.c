/* The parts of one home's identity, and the removal of what has expired. */
#include "domain/identity.h"

#include "domain/identity_internal.h"

#include "base/mem.h"

#define HOUSEKEEPING_MS 600000
#define EXPIRE_ROWS_MAX 1000 /* of each table a time, so that the writer is never held for long */

/* CONTRACT 7: signing in and device tokens. */
static const struct bucket_rule by_address = {.count = 5, .period_ms = 60000, .burst = 5};
static const struct bucket_rule by_account = {.count = 10, .period_ms = 60000, .burst = 10};
#define LIMITED_KEYS_MAX 65536

static void on_expired(struct store_req *req)
{
    struct home *h = req->owner;
    if (req->error != ERR_NONE) {
        LOG(h->log, LOG_WARN, "identity.expire_failed", LOG_STR("error", err_name(req->error)));
    }
    store_req_free(req);
}

static void expire_rows(struct home *h)
{
    static const enum query queries[] = {QUERY_SESSION_EXPIRE, QUERY_REFRESH_EXPIRE,
                                         QUERY_REVOKED_EXPIRE};
    int64_t now = clock_wall_ms(h->clock);
    struct store_req *req = store_req_new(h->index, ARRAY_LEN(queries), on_expired, h);
    for (unsigned i = 0; i < ARRAY_LEN(queries); i++) {
        store_step_init(req, i, queries[i], 1);
        store_set_int(req, i, 0, 0, now);
        store_set_int(req, i, 0, 1, EXPIRE_ROWS_MAX);
    }
    h->store->submit(h->store, req);
}

static void on_housekeeping(struct deadline *d)
{
    struct identity *id = CONTAINER_OF(d, struct identity, housekeeping);
    struct home *h = id->home;
    revoked_purge(id);
    deadline_set(h, d, HOUSEKEEPING_MS);
    if (h->index == 0) {
        expire_rows(h);
    }
}

struct identity *identity_new(struct home *h)
{
    struct identity *id = mem_calloc(1, sizeof *id);
    id->home = h;
    h->identity = id;
    list_init(&id->principals_used);
    list_init(&id->proofs_used);
    id->by_address = limiter_new(&by_address, LIMITED_KEYS_MAX);
    id->by_account = limiter_new(&by_account, LIMITED_KEYS_MAX);
    revoked_start(id);
    id->housekeeping.fire = on_housekeeping;
    deadline_set(h, &id->housekeeping, HOUSEKEEPING_MS);
    return id;
}

void identity_free(struct identity *id)
{
    if (id == NULL) {
        return;
    }
    deadline_clear(&id->housekeeping);
    live_free(id);
    proofs_free(id);
    principals_free(id);
    revoked_free(id);
    limiter_free(id->by_address);
    limiter_free(id->by_account);
    mem_free(id);
}
