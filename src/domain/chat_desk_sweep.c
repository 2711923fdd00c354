/*
 * What is due while nobody looks: escalations that rise, rooms whose guests were left alone, guests
 * whose time is over. Home 0 asks the store, and the homes of the rooms do it; what is asked twice
 * is done once, for each looks at the row again. All of it stands in rows, so an earlier process's
 * is found, too. Costs three looks into indexes a sweep.
 */
#include "domain/chat_desk_internal.h"

#include "base/mem.h"
#include "shape/chat_desk.h"

#define BATCH_MAX 200 /* of each kind; the rest is found by the next sweep */
#define MORE_MS 20

struct chat_desk {
    struct home *home;
    struct deadline next;
    unsigned open; /* asks under way, and one for the sweep itself */
    bool more;
    bool stopping;
};

enum { DUE_ESCALATIONS, DUE_ALONE, DUE_GUESTS, DUE_STEPS };

static void close_one(struct chat_desk *d)
{
    if (--d->open == 0 && !d->stopping) {
        deadline_set(d->home, &d->next, d->more ? MORE_MS : d->home->conf->chat_sweep_ms);
    }
}

static void did(void *owner, const struct chat_result *r)
{
    struct chat_desk *d = owner;
    if (r->error != ERR_NONE) {
        LOG(d->home->log, LOG_WARN, "chat.sweep_failed", LOG_STR("error", err_name(r->error)));
    }
    close_one(d);
}

static void start(struct chat_desk *d, const struct store_req *req, unsigned step, unsigned row)
{
    uuid id, room = UUID_NIL;
    bool ok = chat_cell_uuid(store_cell(req, step, row, 0), &id) &&
              (step == DUE_ALONE || chat_cell_uuid(store_cell(req, step, row, 1), &room));
    if (!ok) {
        return;
    }
    d->open++;
    if (step == DUE_ESCALATIONS) {
        chat_escalation_rise(d->home, room, id, did, d);
    } else if (step == DUE_ALONE) {
        chat_escalation_return(d->home, id, did, d);
    } else {
        chat_guest_end(d->home, room, id, did, d);
    }
}

static void found(struct store_req *req)
{
    struct chat_desk *d = req->owner;
    d->more = false;
    for (unsigned step = 0; req->error == ERR_NONE && step < DUE_STEPS; step++) {
        for (unsigned row = 0; row < req->steps[step].row_count; row++) {
            start(d, req, step, row);
        }
        d->more = d->more || req->steps[step].row_count == BATCH_MAX;
    }
    store_req_free(req);
    close_one(d);
}

static void look(struct deadline *dl)
{
    struct chat_desk *d = CONTAINER_OF(dl, struct chat_desk, next);
    struct home *h = d->home;
    int64_t now = clock_wall_ms(h->clock);
    const int64_t before[DUE_STEPS] = {now, now - h->conf->chat_alone_queue_ms,
                                       now - h->conf->chat_guest_keep_ms};
    static const enum query queries[DUE_STEPS] = {QUERY_CHAT_ESCALATION_DUE,
                                                  QUERY_CHAT_ROOM_ALONE_DUE, QUERY_CHAT_GUEST_OVER};
    struct store_req *req = store_req_new(h->index, DUE_STEPS, found, d);
    req->row_max = DUE_STEPS * BATCH_MAX + 1;
    for (unsigned i = 0; i < DUE_STEPS; i++) {
        store_step_init(req, i, queries[i], 1);
        store_set_int(req, i, 0, 0, before[i]);
        store_set_int(req, i, 0, 1, BATCH_MAX);
    }
    d->open = 1;
    h->store->submit(h->store, req);
}

void chat_desk_start(struct chat *c)
{
    struct home *h = c->home;
    if (h->index == 0 && h->journal != NULL && h->conf->chat_sweep_ms > 0) { /* a server's */
        c->desk = mem_calloc(1, sizeof *c->desk);
        c->desk->home = h;
        c->desk->next.fire = look;
        deadline_set(h, &c->desk->next, h->conf->chat_sweep_ms);
    }
}

void chat_desk_stop(struct chat *c)
{
    if (c->desk != NULL) {
        c->desk->stopping = true;
        deadline_clear(&c->desk->next);
    }
}

void chat_desk_free(struct chat *c)
{
    if (c->desk != NULL) {
        deadline_clear(&c->desk->next);
        mem_free(c->desk);
        c->desk = NULL;
    }
}

/* --- notices --- */

void chat_notice_step(struct chat *c, struct store_req *req, unsigned step, span topic,
                      const struct chat_notice *n)
{
    buf data = {0};
    chat_put_notice(&data, n);
    chat_event_step(c, req, step, EVENT_CHAT_NOTIFICATION, topic, buf_span(&data), NULL);
    buf_deinit(&data);
}

struct notifying {
    struct home *home;
    struct chat_notice notice;
};

/* The log cannot be had, and this may be the news: who is there hears it at once. */
static void tell_now(struct home *h, const struct chat_notice *n)
{
    buf data = {0};
    chat_put_notice(&data, n);
    chat_tell(h->chat, OUT_CHAT_NOTICE, SPAN(CHAT_STAFF_TOPIC), buf_span(&data));
    buf_deinit(&data);
}

static void notified(struct store_req *req)
{
    struct notifying *n = req->owner;
    if (req->error == ERR_NONE) {
        chat_publish(n->home->chat, NULL, req);
    } else {
        tell_now(n->home, &n->notice);
    }
    mem_free(n);
    store_req_free(req);
}

void chat_notify(struct home *h, const struct chat_notice *notice)
{
    struct notifying *n = mem_alloc(sizeof *n);
    *n = (struct notifying){.home = h, .notice = *notice};
    struct store_req *req = store_req_new(h->index, 1, notified, n);
    chat_notice_step(h->chat, req, 0, SPAN(CHAT_STAFF_TOPIC), notice);
    h->store->submit(h->store, req);
}
