#include "domain/behind.h"

#include "base/mem.h"

/* Requests of one home on their way: enough that a storm fills each commit of the writer, few
 * enough that the store's queue stays everybody's. */
#define FLYING_MAX 32
#define RETRY_MS 1000

static void flush(struct behind *b);

static void retry(struct deadline *d) { flush(CONTAINER_OF(d, struct behind, retry)); }

void behind_init(struct behind *b, struct home *h, const struct behind_ops *ops, const char *what,
                 void *owner)
{
    *b = (struct behind){.ops = ops, .what = what, .home = h, .owner = owner,
                         .flying_max = FLYING_MAX};
    b->retry.fire = retry;
    list_init(&b->dirty);
}

void behind_deinit(struct behind *b)
{
    deadline_clear(&b->retry);
    while (!list_empty(&b->dirty)) {
        list_remove(b->dirty.next);
    }
}

static void answered(struct behind *b, struct behind_batch *batch, err error)
{
    for (unsigned i = 0; i < batch->count; i++) {
        struct behind_item *it = batch->items[i];
        it->writing = false;
        if (it->again || error != ERR_NONE) {
            it->again = false;
            list_push(&b->dirty, &it->link);
        }
        b->ops->written(b, it, error, !list_linked(&it->link));
    }
}

static void done(struct store_req *req)
{
    struct behind_batch *batch = req->owner;
    struct behind *b = batch->behind;
    err error = req->error;
    b->flying--;
    if (error == ERR_NONE) {
        if (b->ops->committed != NULL) {
            b->ops->committed(b, req);
        }
    } else {
        LOG(b->home->log, LOG_WARN, "error", LOG_STR("what", b->what),
            LOG_STR("error", err_name(error)));
        deadline_set(b->home, &b->retry, RETRY_MS);
    }
    store_req_free(req);
    answered(b, batch, error);
    mem_free(batch);
    if (error == ERR_NONE) {
        flush(b);
    }
}

/* After a failure only the deadline tries again. */
static bool may_write(const struct behind *b)
{
    return !list_empty(&b->dirty) && b->flying < b->flying_max && !wheel_armed(&b->retry.node);
}

static void flush(struct behind *b)
{
    if (b->filling) {
        return;
    }
    b->filling = true;
    while (may_write(b)) {
        struct behind_batch *batch = mem_calloc(1, sizeof *batch);
        batch->behind = b;
        struct store_req *req = b->ops->fill(b, batch);
        ASSERT(batch->count > 0);
        if (req == NULL) {
            answered(b, batch, ERR_NONE);
            mem_free(batch);
            continue;
        }
        req->done = done;
        req->owner = batch;
        b->flying++;
        b->home->store->submit(b->home->store, req);
    }
    b->filling = false;
}

void behind_touch(struct behind *b, struct behind_item *it)
{
    if (it->writing) {
        it->again = true;
    } else if (!list_linked(&it->link)) {
        list_push(&b->dirty, &it->link);
        flush(b);
    }
}

void behind_forget(struct behind_item *it)
{
    it->again = false;
    if (list_linked(&it->link)) {
        list_remove(&it->link);
    }
}

struct behind_item *behind_first(struct behind *b, const struct behind_batch *batch)
{
    bool none = list_empty(&b->dirty) || batch->count == BEHIND_ITEMS_MAX;
    return none ? NULL : LIST_ITEM(b->dirty.next, struct behind_item, link);
}

void behind_take(struct behind *b, struct behind_batch *batch)
{
    struct behind_item *it = LIST_ITEM(b->dirty.next, struct behind_item, link);
    list_remove(&it->link);
    it->writing = true;
    batch->items[batch->count++] = it;
}
