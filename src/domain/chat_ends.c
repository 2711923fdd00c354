/*
 * What is left of deleted rooms: at home 0, a batch of messages at a time, so that the writer is
 * never held for long; then the room's row, with all that refers to it. Looked for when the process
 * begins, when a room is deleted, and after a failure.
 */
#include "domain/chat_internal.h"

#include "base/mem.h"

#define BATCH 500      /* messages in one request: some milliseconds of the writer */
#define BEGIN_MS 1000  /* from the start of the process */
#define AGAIN_MS 10000 /* after the store failed, or while rooms are not all counted */
#define COUNT_MS 10000 /* between two counts of what there is */

struct chat_ends {
    struct home *home;
    struct deadline due;
    bool flying;
    bool again;
    _Atomic uint64_t rooms, members;
};

static void look(struct chat_ends *e);

static void over(struct chat_ends *e, int64_t wait_ms)
{
    e->flying = false;
    if (e->again) {
        e->again = false;
        look(e);
    } else {
        deadline_set(e->home, &e->due, wait_ms);
    }
}

static void batch_gone(struct store_req *req)
{
    struct chat_ends *e = req->owner;
    bool failed = req->error != ERR_NONE;
    store_req_free(req);
    if (failed) {
        over(e, AGAIN_MS);
    } else {
        look(e);
    }
}

static void end_some(struct chat_ends *e, span room)
{
    struct store_req *req = store_req_new(e->home->index, 2, batch_gone, e);
    store_step_init(req, 0, QUERY_CHAT_MESSAGE_CLEAR, 1);
    store_set_text(req, 0, 0, 0, room);
    store_set_int(req, 0, 0, 1, BATCH);
    store_step_init(req, 1, QUERY_CHAT_ROOM_DELETE, 1); /* once there are no messages */
    store_set_text(req, 1, 0, 0, room);
    e->home->store->submit(e->home->store, req);
}

static void looked(struct store_req *req)
{
    struct chat_ends *e = req->owner;
    bool some = req->error == ERR_NONE && req->steps[0].row_count > 0;
    if (req->error == ERR_NONE) {
        atomic_store_explicit(&e->rooms, (uint64_t)store_int(store_cell(req, 1, 0, 0)),
                              memory_order_relaxed);
        atomic_store_explicit(&e->members, (uint64_t)store_int(store_cell(req, 2, 0, 0)),
                              memory_order_relaxed);
    }
    if (some) {
        end_some(e, store_text(store_cell(req, 0, 0, 0)));
    } else {
        over(e, req->error == ERR_NONE ? COUNT_MS : AGAIN_MS);
    }
    store_req_free(req);
}

static void look(struct chat_ends *e)
{
    struct store_req *req = store_req_new(e->home->index, 3, looked, e);
    e->flying = true;
    req->row_max = 3;
    store_step_init(req, 0, QUERY_CHAT_ROOM_ENDED, 1);
    store_step_init(req, 1, QUERY_CHAT_ROOM_COUNT, 1);
    store_step_init(req, 2, QUERY_CHAT_MEMBER_COUNT, 1);
    e->home->store->submit(e->home->store, req);
}

static void fire(struct deadline *d)
{
    struct chat_ends *e = CONTAINER_OF(d, struct chat_ends, due);
    if (!e->flying) {
        look(e);
    }
}

struct nudge {
    struct mail mail;
    struct home *to;
};

static void on_nudge(struct mail *m)
{
    struct nudge *n = CONTAINER_OF(m, struct nudge, mail);
    struct chat_ends *e = n->to->chat == NULL ? NULL : n->to->chat->ends;
    if (e != NULL && e->flying) {
        e->again = true;
    } else if (e != NULL) {
        deadline_clear(&e->due);
        look(e);
    }
    mem_free(n);
}

void chat_ends_now(struct home *h)
{
    struct nudge *n = mem_alloc(sizeof *n);
    *n = (struct nudge){.mail.run = on_nudge, .to = h->peers[0]};
    post_mail(h->post, 0, &n->mail);
}

void chat_ends_start(struct chat *c)
{
    if (c->home->index == 0) {
        c->ends = mem_calloc(1, sizeof *c->ends);
        c->ends->home = c->home;
        c->ends->due.fire = fire;
        deadline_set(c->home, &c->ends->due, BEGIN_MS);
    }
}

void chat_ends_free(struct chat *c)
{
    if (c->ends != NULL) {
        deadline_clear(&c->ends->due);
        mem_free(c->ends);
        c->ends = NULL;
    }
}

void chat_ends_counts(const struct chat *c, uint64_t *rooms, uint64_t *members)
{
    *rooms = c->ends == NULL ? 0 : atomic_load_explicit(&c->ends->rooms, memory_order_relaxed);
    *members = c->ends == NULL ? 0 : atomic_load_explicit(&c->ends->members, memory_order_relaxed);
}
