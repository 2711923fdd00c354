/*
 * What an earlier process left streaming: nobody is online who was when it was sent, so it is
 * delivered. It is stored so and told to its sender, once, when the process begins; by home 0, from
 * the newest message that was there then back to what was sent SETTLED before that:
 *
 *     n  ... 7401 [7402 .. 7651] [7652 .. 7901] <- the newest at the start
 *            older: over    second         first, a read of 250 and a write of those that stream
 *
 * What is older had reached everybody, or its place in the ring was taken, which was told. A
 * process that dies meanwhile leaves the rest to the next: rows that are done do not stream.
 */
#include "domain/chat_delivery.h"

#include "base/mem.h"

#define CHUNK 250      /* rows of a read, and of one transaction: some 10 ms of the writer */
#define RETRY_MS 1000

enum { LEFT_ROWS, LEFT_BEFORE, LEFT_READS };
enum { TOLD_ROWS, TOLD_EVENTS };

struct chat_left {
    struct chat *chat;
    struct deadline next;
    int64_t n;          /* of the newest that was not looked at */
    int64_t since_ms;   /* what is older needs no look */
    bool flying, stopping, last;
};

static void look(struct deadline *d);

static void rest(struct chat_left *l, int64_t wait_ms)
{
    l->flying = false;
    if (!l->stopping && (!l->last || wait_ms > 0)) {
        deadline_set(l->chat->home, &l->next, wait_ms);
    }
}

static void told(struct store_req *req)
{
    struct chat_left *l = req->owner;
    err error = req->error;
    if (error == ERR_NONE) {
        chat_publish(l->chat, NULL, req);
        l->n -= CHUNK;
    }
    store_req_free(req);
    rest(l, error == ERR_NONE ? 0 : RETRY_MS);
}

/* Who has left the room hears nothing of it. */
static bool hears(const struct store_req *seen, unsigned row, uuid *sender)
{
    return chat_cell_uuid(store_cell(seen, LEFT_ROWS, row, 3), sender);
}

static void tell(struct chat_left *l, const struct store_req *seen)
{
    unsigned rows = seen->steps[LEFT_ROWS].row_count, events = 0;
    uuid room, id, sender;
    for (unsigned i = 0; i < rows; i++) {
        events += hears(seen, i, &sender);
    }
    struct store_req *req =
        store_req_new(l->chat->home->index, events > 0 ? 2 : 1, told, l);
    req->row_max = events;
    store_step_init(req, TOLD_ROWS, QUERY_CHAT_MESSAGE_SET_DELIVERY, rows);
    if (events > 0) {
        journal_steps(req, TOLD_EVENTS, events);
    }
    events = 0;
    for (unsigned i = 0; i < rows; i++) {
        int64_t seq = store_int(store_cell(seen, LEFT_ROWS, i, 1));
        bool ok = chat_cell_uuid(store_cell(seen, LEFT_ROWS, i, 0), &room) &&
                  chat_cell_uuid(store_cell(seen, LEFT_ROWS, i, 2), &id);
        ASSERT(ok);
        chat_set_uuid(req, TOLD_ROWS, i, 0, room);
        store_set_int(req, TOLD_ROWS, i, 1, seq);
        store_set_text(req, TOLD_ROWS, i, 2, span_str(chat_delivery_name(CHAT_DELIVERED)));
        if (hears(seen, i, &sender)) {
            buf json = {0};
            char topic[CHAT_TOPIC_MAX];
            chat_status_json(room, id, seq, CHAT_DELIVERED, &json);
            chat_event_set(l->chat, req, TOLD_EVENTS, events++, EVENT_CHAT_MESSAGE_STATUS,
                           chat_user_topic(sender, topic), buf_span(&json), NULL);
            buf_deinit(&json);
        }
    }
    l->chat->home->store->submit(l->chat->home->store, req);
}

static void looked(struct store_req *seen)
{
    struct chat_left *l = seen->owner;
    if (seen->error != ERR_NONE || l->stopping) {
        l->last = false;
        rest(l, RETRY_MS);
    } else {
        const struct store_step *before = &seen->steps[LEFT_BEFORE];
        l->last = before->row_count == 0 ||
                  store_int(store_cell(seen, LEFT_BEFORE, 0, 1)) < l->since_ms;
        if (seen->steps[LEFT_ROWS].row_count > 0) {
            tell(l, seen);
        } else {
            l->n -= CHUNK;
            rest(l, 0);
        }
    }
    store_req_free(seen);
}

static void look(struct deadline *d)
{
    struct chat_left *l = CONTAINER_OF(d, struct chat_left, next);
    struct home *h = l->chat->home;
    struct store_req *req = store_req_new(h->index, LEFT_READS, looked, l);
    req->row_max = CHUNK + 1;
    store_step_init(req, LEFT_ROWS, QUERY_CHAT_MESSAGE_STREAMING, 1);
    store_set_int(req, LEFT_ROWS, 0, 0, l->n - CHUNK);
    store_set_int(req, LEFT_ROWS, 0, 1, l->n);
    store_step_init(req, LEFT_BEFORE, QUERY_CHAT_MESSAGE_NEWEST, 1);
    store_set_int(req, LEFT_BEFORE, 0, 0, l->n - CHUNK);
    l->flying = true;
    h->store->submit(h->store, req);
}

void chat_left_start(struct chat *c)
{
    struct home *h = c->home;
    if (h->index != 0) {
        return;
    }
    struct chat_left *l = mem_calloc(1, sizeof *l);
    *l = (struct chat_left){.chat = c, .next.fire = look};
    c->left = l;
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    req->row_max = 1;
    store_step_init(req, 0, QUERY_CHAT_MESSAGE_NEWEST, 1);
    store_set_int(req, 0, 0, 0, INT64_MAX);
    err error = store_run(h->store, req);
    ASSERT(error == ERR_NONE); /* the store was opened and migrated a moment ago */
    if (req->steps[0].row_count > 0) {
        l->n = store_int(store_cell(req, 0, 0, 0));
        l->since_ms = store_int(store_cell(req, 0, 0, 1)) - CHAT_SETTLED_MS;
        deadline_set(h, &l->next, 0);
    }
    store_req_free(req);
}

void chat_left_stop(struct chat *c)
{
    if (c->left != NULL) {
        c->left->stopping = true;
        deadline_clear(&c->left->next);
    }
}

void chat_left_free(struct chat *c)
{
    if (c->left != NULL) {
        ASSERT(!c->left->flying);
        deadline_clear(&c->left->next);
        mem_free(c->left);
        c->left = NULL;
    }
}
