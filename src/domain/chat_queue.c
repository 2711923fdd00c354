/* A room's queue: what changes it runs one after the other; and the events that it records. */
#include "domain/chat_internal.h"

#include "shape/chat.h"

static void turn(struct chat_room *r)
{
    if (r->turning) {
        return; /* an item ended within its run: the loop below goes on */
    }
    chat_hold(r);
    r->turning = true;
    while (!r->busy && !list_empty(&r->queue)) {
        struct chat_item *i = LIST_ITEM(r->queue.next, struct chat_item, link);
        list_remove(&i->link);
        chat_room_fresh(r);
        r->busy = true;
        chat_hold(r);
        i->run(i, r);
    }
    r->turning = false;
    chat_release(r);
}

void chat_enqueue(struct chat_room *r, struct chat_item *i)
{
    list_push(&r->queue, &i->link);
    turn(r);
}

void chat_item_over(struct chat_room *r)
{
    ASSERT(r->busy);
    r->busy = false;
    turn(r);
    chat_release(r); /* of what is over */
}

/* --- changes --- */

static void change_done(struct store_req *req)
{
    struct chat_change *c = req->owner;
    struct chat_room *r = c->ask.room;
    if (req->error == ERR_NONE) {
        c->committed(c, r, req);
    } else if (c->failed != NULL) {
        c->failed(c, r, req);
    } else {
        chat_answer(&c->ask, req->error);
    }
    /* An answered ask is freed by mail, which is not run within this one. */
    if (!c->held_open) {
        store_req_free(req);
        chat_item_over(r);
    }
}

static void change_run(struct chat_item *i, struct chat_room *r)
{
    struct chat_change *c = CONTAINER_OF(i, struct chat_change, item);
    struct home *h = r->chat->home;
    struct store_req *req = NULL;
    chat_release(r); /* waiting; the queue holds it now */
    if (r->state != CHAT_ROOM_READY) {
        chat_answer(&c->ask, ERR_ROOM_ACCESS_DENIED);
    } else {
        req = c->fill(c, r);
    }
    if (req == NULL) {
        chat_item_over(r);
        return;
    }
    c->req = req;
    req->owner = c;
    req->done = change_done;
    h->store->submit(h->store, req);
}

void chat_change_run(struct chat_change *c, struct chat_room *r)
{
    c->ask.room = r;
    c->item.run = change_run;
    list_init(&c->item.link);
    chat_hold(r);
    chat_enqueue(r, &c->item);
}

void chat_change_at_home(struct chat_ask *a, struct chat_room *r)
{
    if (r == NULL) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
    } else {
        chat_change_run((struct chat_change *)a, r);
    }
}

/* --- events --- */

void chat_event_set(struct chat *c, struct store_req *req, unsigned step, unsigned set,
                    enum event e, span topic, span data, const struct chat_origin *origin)
{
    struct home *h = c->home;
    buf logged = {0};
    chat_put_logged(&logged, data, origin);
    journal_set(req, step, set,
                &(struct journal_event){.id = home_new_id(h),
                                        .time_ms = clock_wall_ms(h->clock),
                                        .event = e,
                                        .topic = topic,
                                        .data = buf_span(&logged)});
    buf_deinit(&logged);
}

void chat_event_step(struct chat *c, struct store_req *req, unsigned step, enum event e,
                     span topic, span data, const struct chat_origin *origin)
{
    journal_steps(req, step, 1);
    chat_event_set(c, req, step, 0, e, topic, data, origin);
}

void chat_publish(struct chat *c, struct chat_room *r, const struct store_req *req)
{
    struct journal *j = c->home->journal;
    ASSERT(req->error == ERR_NONE);
    for (unsigned i = 0; j != NULL && i < req->step_count; i++) {
        if (req->steps[i].query == QUERY_EVENT_INSERT) {
            struct pos at = journal_publish(j, req, i);
            c->published = c->published.epoch != at.epoch || at.n > c->published.n ? at
                                                                                   : c->published;
        }
    }
    if (r != NULL) {
        r->pos = c->published;
    }
}

void chat_tell(struct chat *c, enum event_out e, span topic, span data)
{
    struct home *h = c->home;
    hub_publish(h->hub, JOURNAL_HOME, topic,
                blob_new(BLOB_EPHEMERAL, (uint16_t)e, clock_wall_ms(h->clock), data));
}

void chat_set_uuid(struct store_req *req, unsigned step, unsigned set, unsigned p, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    store_set_text(req, step, set, p, span_of(text, UUID_TEXT_LEN));
}

bool chat_cell_uuid(const struct store_value *cell, uuid *out)
{
    *out = UUID_NIL;
    return uuid_parse(store_text(cell), out);
}

void chat_updated_step(struct chat_room *r, struct store_req *req, unsigned step,
                       const struct chat_origin *origin)
{
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    chat_room_json_of(r, NULL, NULL, CHAT_EVENT_MEMBERS_SHOWN, &data);
    chat_event_step(r->chat, req, step, EVENT_CHAT_ROOM_UPDATED, chat_room_topic(r->id, topic),
                    buf_span(&data), origin);
    buf_deinit(&data);
}

void chat_audit_member_step(struct chat_room *r, struct store_req *req, unsigned i,
                            const struct chat_who *who, const char *action, uuid principal,
                            span detail)
{
    char target[2 * UUID_TEXT_LEN + 2];
    uuid_format(r->id, target);
    target[UUID_TEXT_LEN] = '/';
    uuid_format(principal, target + UUID_TEXT_LEN + 1);
    audit_step(r->chat->home, req, i,
               &(struct audit_entry){.who = &who->actor,
                                     .action = action,
                                     .target_kind = "chat_member",
                                     .target = span_of(target, 2 * UUID_TEXT_LEN + 1),
                                     .detail = detail});
}

void chat_audit_step(struct chat *c, struct store_req *req, unsigned i, const struct chat_who *who,
                     const char *action, uuid room)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(room, id);
    audit_step(c->home, req, i,
               &(struct audit_entry){.who = &who->actor,
                                     .action = action,
                                     .target_kind = "chat_room",
                                     .target = span_of(id, UUID_TEXT_LEN)});
}
