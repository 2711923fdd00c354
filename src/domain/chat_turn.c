#include "domain/chat_turn.h"

static void over(struct store_req *req, struct chat_room *r)
{
    store_req_free(req);
    chat_item_over(r);
}

/* An answered ask is freed by mail, which is not run within this one. */
static void acted(struct store_req *req)
{
    struct chat_turn *t = req->owner;
    struct chat_room *r = t->ask.room;
    if (req->error != ERR_NONE) {
        chat_answer(&t->ask, req->error);
    } else {
        t->done(t, r, req);
    }
    over(req, r);
}

static void submit(struct chat_turn *t, struct store_req *req, void (*done)(struct store_req *))
{
    struct home *h = t->ask.room->chat->home;
    req->loop = h->index;
    req->owner = t;
    req->done = done;
    h->store->submit(h->store, req);
}

static void looked(struct store_req *seen)
{
    struct chat_turn *t = seen->owner;
    struct chat_room *r = t->ask.room;
    struct store_req *req = NULL;
    if (seen->error != ERR_NONE) {
        chat_answer(&t->ask, seen->error);
    } else {
        req = t->act(t, r, seen);
    }
    if (req == NULL) {
        over(seen, r);
        return;
    }
    store_req_free(seen);
    submit(t, req, acted);
}

static void run(struct chat_item *i, struct chat_room *r)
{
    struct chat_turn *t = CONTAINER_OF(i, struct chat_turn, item);
    struct store_req *req = NULL;
    chat_release(r); /* waiting; the queue holds it now */
    if (r->state != CHAT_ROOM_READY || r->deleting) {
        chat_answer(&t->ask, ERR_ROOM_ACCESS_DENIED);
    } else {
        req = t->look(t, r);
    }
    if (req == NULL) {
        chat_item_over(r);
        return;
    }
    submit(t, req, looked);
}

void chat_turn_run(struct chat_turn *t, struct chat_room *r)
{
    t->ask.room = r;
    t->item.run = run;
    list_init(&t->item.link);
    chat_hold(r);
    chat_enqueue(r, &t->item);
}
