/* Cancelling, waiting, and reading what is stored. */
#include "domain/command_internal.h"

#include "base/mem.h"
#include "shape/command.h"

#include <string.h>

#define LIST_MAX 200

/* --- of a command that is not in memory --- */

static void stored(struct store_req *req)
{
    struct command_call *x = req->owner;
    struct device *d = x->ask.device;
    struct command_row row;
    err error = req->error;
    if (error == ERR_NONE && req->steps[0].row_count == 0) {
        error = ERR_NOT_FOUND;
    }
    if (error != ERR_NONE) {
        command_answer(x, error, NULL);
    } else {
        command_row_read(&row, store_cell(req, 0, 0, 0));
        command_answer(x, x->kind == CALL_CANCEL ? ERR_CONFLICT : ERR_NONE, &row);
    }
    store_req_free(req);
    device_release(d);
}

static void answer_by_store(struct command_call *x, struct device *d)
{
    struct store_req *req = store_req_new(d->fleet->home->index, 1, stored, x);
    x->ask.device = d;
    device_hold(d);
    store_step_init(req, 0, QUERY_COMMAND_GET, 1);
    req_set_uuid(req, 0, 0, 0, d->id);
    req_set_uuid(req, 0, 0, 1, x->id);
    req_submit(d->fleet->home, req);
}

/* --- cancel --- */

static struct actor *actor_new(const struct actor *who)
{
    struct actor *a = mem_calloc(1, sizeof *a + who->name.len + who->address.len);
    char *text = (char *)(a + 1);
    *a = *who;
    if (who->name.len > 0) {
        memcpy(text, who->name.ptr, who->name.len);
    }
    a->name = span_of(text, who->name.len);
    text += who->name.len;
    if (who->address.len > 0) {
        memcpy(text, who->address.ptr, who->address.len);
    }
    a->address = span_of(text, who->address.len);
    return a;
}

static void at_home_cancel(struct ask *a, struct device *d)
{
    struct command_call *x = (struct command_call *)a;
    struct command *c = command_by_id(d, x->id);
    if (c == NULL) {
        answer_by_store(x, d);
        return;
    }
    if (command_over(c)) {
        command_answer(x, ERR_CONFLICT, NULL);
        return;
    }
    c->canceller = actor_new(&x->who);
    command_give_up(c, PHASE_CANCELLED, "CANCELLED");
    command_await(c, x);
    command_settle(c);
}

void command_cancel(struct home *h, uuid device, uuid command, const struct actor *who,
                    command_done done, void *owner)
{
    struct command_call *x = command_call_new(h, device, at_home_cancel, done, owner);
    x->kind = CALL_CANCEL;
    x->id = command;
    command_call_who(x, who);
    ask_start(&x->ask);
}

/* --- wait --- */

static void waited(struct deadline *dl)
{
    struct command_call *x = CONTAINER_OF(dl, struct command_call, until);
    struct command *c = x->command;
    list_remove(&x->ask.wait.link);
    command_answer(x, ERR_NONE, &c->row);
    command_settle(c);
}

static void at_home_wait(struct ask *a, struct device *d)
{
    struct command_call *x = (struct command_call *)a;
    struct command *c = command_by_id(d, x->id);
    if (c == NULL) {
        answer_by_store(x, d);
        return;
    }
    x->command = c;
    x->until.fire = waited;
    deadline_set(d->fleet->home, &x->until, x->wait_ms);
    list_push(&c->waits, &a->wait.link);
    command_settle(c);
}

void command_wait(struct home *h, uuid device, uuid command, uint32_t wait_ms, command_done done,
                  void *owner)
{
    struct command_call *x = command_call_new(h, device, at_home_wait, done, owner);
    x->kind = CALL_WAIT;
    x->id = command;
    x->wait_ms = wait_ms;
    ask_start(&x->ask);
}

/* --- what is stored, from any loop --- */

struct reading {
    command_done done;
    void *owner;
    unsigned limit; /* of a list */
    bool bad_cursor;
};

static void put_list(const struct store_req *req, const struct reading *g, buf *json, char *next,
                     struct command_result *r)
{
    struct command_row row;
    unsigned rows = req->steps[1].row_count, shown = rows < g->limit ? rows : g->limit;
    buf_append_byte(json, '[');
    for (unsigned i = 0; i < shown; i++) {
        if (i > 0) {
            buf_append_byte(json, ',');
        }
        command_row_read(&row, store_cell(req, 1, i, 0));
        command_put_result(json, &row, true);
    }
    buf_append_byte(json, ']');
    if (rows > shown) {
        uuid_format(row.id, next);
        r->next = span_of(next, UUID_TEXT_LEN);
    }
}

static void read_done(struct store_req *req)
{
    struct reading *g = req->owner;
    struct command_result r = {.error = g->bad_cursor ? ERR_INVALID_REQUEST : req->error};
    struct arena arena = {0};
    char next[UUID_TEXT_LEN + 1];
    buf json = {0};
    if (r.error == ERR_NONE && req->steps[0].row_count == 0) {
        r.error = ERR_DEVICE_NOT_FOUND;
    } else if (r.error == ERR_NONE && g->limit > 0) {
        put_list(req, g, &json, next, &r);
        r.json = buf_span(&json);
    } else if (r.error == ERR_NONE && req->steps[1].row_count == 0) {
        r.error = ERR_NOT_FOUND;
    } else if (r.error == ERR_NONE) {
        struct command_row row;
        command_row_read(&row, store_cell(req, 1, 0, 0));
        command_result_of(&arena, &row, &r);
    }
    g->done(g->owner, &r);
    buf_deinit(&json);
    arena_reset(&arena);
    mem_free(g);
    store_req_free(req);
}

static struct store_req *reading_new(struct home *h, uuid device, command_done done, void *owner)
{
    struct reading *g = mem_calloc(1, sizeof *g);
    struct store_req *req = store_req_new(h->index, 2, read_done, g);
    g->done = done;
    g->owner = owner;
    store_step_init(req, 0, QUERY_DEVICE_GET, 1);
    req_set_uuid(req, 0, 0, 0, device);
    return req;
}

void command_get(struct home *h, uuid device, uuid command, command_done done, void *owner)
{
    struct store_req *req = reading_new(h, device, done, owner);
    store_step_init(req, 1, QUERY_COMMAND_GET, 1);
    req_set_uuid(req, 1, 0, 0, device);
    req_set_uuid(req, 1, 0, 1, command);
    req_submit(h, req);
}

void command_list(struct home *h, const struct command_filter *f, command_done done, void *owner)
{
    ASSERT(f->limit > 0 && f->limit <= LIST_MAX);
    struct store_req *req = reading_new(h, f->device, done, owner);
    struct reading *g = req->owner;
    uuid after;
    g->limit = f->limit;
    g->bad_cursor = f->after.len > 0 && !uuid_parse(f->after, &after);
    store_step_init(req, 1, QUERY_COMMAND_LIST, 1);
    req_set_uuid(req, 1, 0, 0, f->device);
    if (f->status >= 0) {
        store_set_text(req, 1, 0, 1,
                       span_str(command_status_name((enum command_status)f->status)));
    }
    store_set_text(req, 1, 0, 2, f->after.len > 0 && !g->bad_cursor ? f->after : SPAN(""));
    store_set_int(req, 1, 0, 3, (int64_t)f->limit + 1);
    req_submit(h, req);
}
