/*
 * Changes of phase into the store: the row as it is by then and an event for each phase that the
 * command went through, in one transaction with those of other commands. Who asked for a change is
 * answered when it is on disk, or that it is not: then the change stays true in memory, and is
 * written when the store can.
 */
#include "domain/command_internal.h"

#include "base/mem.h"
#include "shape/command.h"

#define ROWS_MAX 900 /* of one transaction: the store's bound is 1,000 */
/* Changes that wait for a store that fails, of one command; a progress more takes the place of the
 * last one. The phases themselves are fewer. */
#define TOLD_MAX 16

static void telling_free(struct command *c, struct telling *t)
{
    list_remove(&t->link);
    c->told_count--;
    buf_deinit(&t->json);
    mem_free(t);
}

void command_tell_nothing(struct command *c)
{
    LIST_EACH(it, &c->told) {
        telling_free(c, LIST_ITEM(it, struct telling, link));
    }
}

void command_tell(struct command *c, bool progress)
{
    struct home *h = c->device->fleet->home;
    if (progress && c->told_count >= TOLD_MAX && c->told_count > c->flying) {
        struct telling *last = LIST_ITEM(c->told.prev, struct telling, link);
        if (last->progress) {
            telling_free(c, last);
        }
    }
    struct telling *t = mem_calloc(1, sizeof *t);
    t->id = home_new_id(h);
    t->at_ms = clock_wall_ms(h->clock);
    t->progress = progress;
    command_put_result(&t->json, &c->row, false);
    list_push(&c->told, &t->link);
    c->told_count++;
    behind_touch(&c->device->fleet->commands, &c->write);
}

/* --- calls that wait --- */

void command_await(struct command *c, struct command_call *x)
{
    bool covered = c->recorded && c->write.writing && !c->write.again;
    list_push(covered ? &c->answers : &c->asks, &x->ask.wait.link);
}

void command_answer_all(struct list *calls, struct command *c, err error)
{
    while (!list_empty(calls)) {
        struct command_call *x =
            CONTAINER_OF(LIST_ITEM(calls->next, struct ask, wait.link), struct command_call, ask);
        list_remove(&x->ask.wait.link);
        deadline_clear(&x->until);
        if (error == ERR_NONE && x->kind == CALL_SEND) {
            command_answer_sent(x, &c->row, true);
        } else {
            command_answer(x, error, x->kind == CALL_RESPONSE ? NULL : &c->row);
        }
    }
}

/* --- writing --- */

static unsigned rows_of(const struct command *c)
{
    return 1 + c->told_count * command_events(&c->row) + (c->canceller != NULL);
}

static unsigned put_events(struct store_req *req, unsigned set, struct command *c)
{
    LIST_EACH(it, &c->told) {
        const struct telling *t = LIST_ITEM(it, struct telling, link);
        set = req_command_events(req, 1, set, &c->row, t->id, t->at_ms, buf_span(&t->json));
    }
    c->flying = c->told_count;
    return set;
}

static void put_cancel(struct store_req *req, unsigned set, struct command *c)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(c->row.device, id);
    c->cancel_flying = true;
    audit_set(c->device->fleet->home, req, 2, set,
              &(struct audit_entry){.who = c->canceller,
                                    .action = "command.cancel",
                                    .target_kind = "device",
                                    .target = span_of(id, UUID_TEXT_LEN)});
}

static struct store_req *fill(struct behind *b, struct behind_batch *batch)
{
    unsigned rows = 0, events = 0, cancels = 0;
    for (struct behind_item *it; (it = behind_first(b, batch)) != NULL;) {
        const struct command *c = CONTAINER_OF(it, struct command, write);
        rows += rows_of(c);
        if (batch->count > 0 && rows > ROWS_MAX) {
            break;
        }
        events += c->told_count * command_events(&c->row);
        cancels += c->canceller != NULL;
        behind_take(b, batch);
    }
    ASSERT(events > 0);
    struct store_req *req =
        store_req_new(b->home->index, cancels > 0 ? 3 : 2, NULL, NULL);
    store_step_init(req, 0, QUERY_COMMAND_UPDATE, batch->count);
    journal_steps(req, 1, events);
    if (cancels > 0) {
        audit_steps(req, 2, cancels);
    }
    events = cancels = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        struct command *c = CONTAINER_OF(batch->items[i], struct command, write);
        req_command_update(req, 0, i, &c->row);
        events = put_events(req, events, c);
        if (c->canceller != NULL) {
            put_cancel(req, cancels++, c);
        }
        list_splice(&c->answers, &c->asks);
    }
    return req;
}

static void committed(struct behind *b, struct store_req *req) { req_publish(b->home, req); }

/* What was on its way is on disk. */
static void landed(struct command *c)
{
    for (; c->flying > 0; c->flying--) {
        telling_free(c, LIST_ITEM(c->told.next, struct telling, link));
    }
    if (c->cancel_flying) {
        mem_free(c->canceller);
        c->canceller = NULL;
    }
}

static void written(struct behind *b, struct behind_item *it, err error, bool rests)
{
    struct command *c = CONTAINER_OF(it, struct command, write);
    struct device *d = c->device;
    (void)b;
    device_hold(d);
    if (error == ERR_NONE) {
        landed(c);
    }
    c->flying = 0;
    c->cancel_flying = false;
    if (d->state == DEVICE_GONE) {
        behind_forget(it);
        command_answer_all(&c->answers, c, ERR_DEVICE_NOT_FOUND);
        command_answer_all(&c->asks, c, ERR_DEVICE_NOT_FOUND);
        command_free(c);
    } else {
        command_answer_all(&c->answers, c, error);
        if (rests && command_over(c)) {
            command_answer_all(&c->waits, c, ERR_NONE);
        }
        command_settle(c);
    }
    device_release(d);
}

const struct behind_ops command_writing = {
    .fill = fill, .committed = committed, .written = written};
