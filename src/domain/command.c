/*
 * Sending: a command is recorded with its audit entry and its event in one transaction, and goes on
 * when that is on disk. A requestId that the device has had finds the earlier command: in memory
 * while that is open or being recorded, else by the row that refuses a second one.
 */
#include "domain/command.h"
#include "domain/command_internal.h"

#include "base/mem.h"
#include "shape/command.h"

#include <string.h>

/* --- calls --- */

static void call_back(struct ask *a)
{
    struct command_call *x = (struct command_call *)a;
    x->result.error = a->result.error;
    if (x->done != NULL) {
        x->done(a->owner, &x->result);
    }
}

struct command_call *command_call_new(struct home *h, uuid device,
                                      void (*at_home)(struct ask *, struct device *),
                                      command_done done, void *owner)
{
    struct command_call *x = ask_new(h, sizeof *x, device, at_home, NULL, owner);
    x->ask.at_caller = call_back;
    x->done = done;
    return x;
}

void command_call_who(struct command_call *x, const struct actor *who)
{
    x->who = *who;
    x->who.name = ask_copy(&x->ask, who->name);
    x->who.address = ask_copy(&x->ask, who->address);
}

void command_answer(struct command_call *x, err error, const struct command_row *row)
{
    if (error == ERR_NONE && row != NULL) {
        command_result_of(&x->ask.arena, row, &x->result);
    }
    ask_answer(&x->ask, error);
}

static void refuse(struct command_call *x, err error, const char *why)
{
    x->result.why = why;
    ask_answer(&x->ask, error);
}

/* --- the same again? --- */

static int64_t expiry_of(const struct command_draft *in, int64_t created_ms)
{
    return in->expires_ms != 0 ? in->expires_ms : in->queue ? created_ms + COMMAND_EXPIRY_MS : 0;
}

static uint32_t timeout_of(const struct command_draft *in)
{
    return in->timeout_ms != 0 ? in->timeout_ms : COMMAND_TIMEOUT_MS;
}

/* The timestamp may differ: it says when it was asked, not what. */
static bool is_same(const struct command_call *x, const struct command_row *row)
{
    const struct command_draft *in = &x->draft;
    return uuid_eq(x->who.id, row->issued_by) && span_eq(in->command, row->command) &&
           command_same_json(in->parameters, row->parameters) &&
           timeout_of(in) == row->timeout_ms && in->queue == row->queue &&
           in->no_response == row->no_response &&
           expiry_of(in, row->created_ms) == row->expires_ms;
}

void command_answer_sent(struct command_call *x, const struct command_row *row, bool repeated)
{
    if (!is_same(x, row)) {
        refuse(x, ERR_INVALID_MESSAGE_FORMAT, "DUPLICATE_REQUEST");
        return;
    }
    x->result.repeated = repeated;
    command_answer(x, ERR_NONE, row);
}

static void looked_up(struct store_req *req)
{
    struct command_call *x = req->owner;
    struct device *d = x->ask.device;
    struct command_row row;
    if (req->error != ERR_NONE) {
        refuse(x, req->error, NULL);
    } else if (req->steps[0].row_count == 0) {
        refuse(x, x->otherwise, x->why);
    } else {
        command_row_read(&row, store_cell(req, 0, 0, 0));
        command_answer_sent(x, &row, true);
    }
    store_req_free(req);
    device_release(d);
}

/* The call is answered by what is stored under its requestId, else with these. */
static void look_up(struct command_call *x, struct device *d, err otherwise, const char *why)
{
    struct store_req *req = store_req_new(d->fleet->home->index, 1, looked_up, x);
    x->otherwise = otherwise;
    x->why = why;
    x->ask.device = d;
    device_hold(d);
    store_step_init(req, 0, QUERY_COMMAND_BY_REQUEST, 1);
    req_set_uuid(req, 0, 0, 0, d->id);
    store_set_text(req, 0, 0, 1, x->draft.request_id);
    req_submit(d->fleet->home, req);
}

/* --- recording --- */

static void answer_recorded(struct command *c)
{
    bool repeated = false;
    while (!list_empty(&c->asks)) {
        struct ask *a = LIST_ITEM(c->asks.next, struct ask, wait.link);
        list_remove(&a->wait.link);
        command_answer_sent((struct command_call *)a, &c->row, repeated);
        repeated = true;
    }
}

/* The device has had that requestId, in a command that is over. */
static void answer_by_store(struct command *c)
{
    while (!list_empty(&c->asks)) {
        struct ask *a = LIST_ITEM(c->asks.next, struct ask, wait.link);
        list_remove(&a->wait.link);
        look_up((struct command_call *)a, c->device, ERR_SERVER_ERROR, NULL);
    }
}

static void recorded(struct store_req *req)
{
    struct command *c = req->owner;
    struct device *d = c->device;
    err error = req->error;
    bool again = error == ERR_CONFLICT && req->failed_step == 0;
    req_publish(d->fleet->home, req);
    store_req_free(req);
    device_hold(d);
    if (d->state == DEVICE_GONE) {
        error = ERR_DEVICE_NOT_FOUND;
    }
    c->recorded = true;
    if (error == ERR_NONE) {
        answer_recorded(c);
        command_go(c);
        command_settle(c);
    } else {
        if (again) {
            answer_by_store(c);
        } else {
            command_answer_all(&c->asks, c, error);
        }
        command_free(c);
    }
    device_release(d);
}

static void record(struct command *c, const struct actor *who)
{
    struct home *h = c->device->fleet->home;
    struct store_req *req = store_req_new(h->index, 3, recorded, c);
    buf json = {0};
    req_command_insert(req, 0, &c->row);
    req_audit(h, req, 1, who, "command.send", c->row.device);
    journal_steps(req, 2, command_events(&c->row));
    command_put_result(&json, &c->row, false);
    (void)req_command_events(req, 2, 0, &c->row, home_new_id(h), c->row.created_ms,
                             buf_span(&json));
    buf_deinit(&json);
    req_submit(h, req);
}

static struct command *draw_up(struct command_call *x, struct device *d, int64_t now)
{
    const struct command_draft *in = &x->draft;
    struct command_row row = {
        .id = home_new_id(d->fleet->home),
        .device = d->id,
        .job = in->job,
        .issued_by = x->who.id,
        .command = in->command,
        .parameters = in->parameters,
        .request_id = in->request_id,
        .timeout_ms = timeout_of(in),
        .queue = in->queue,
        .no_response = in->no_response,
        .requested_ms = in->at_ms != 0 ? in->at_ms : now,
        .created_ms = now,
        .expires_ms = expiry_of(in, now),
    };
    char id[UUID_TEXT_LEN + 1];
    if (row.request_id.len == 0) {
        uuid_format(row.id, id);
        row.request_id = span_of(id, UUID_TEXT_LEN);
        x->draft.request_id = ask_copy(&x->ask, row.request_id);
    }
    bool disabled = d->row.status == DEVICE_DISABLED, online = presence_reachable(d);
    if (disabled || (!online && !in->queue)) {
        row.phase = PHASE_REJECTED;
        row.error_code = disabled ? SPAN("REJECTED") : SPAN("DEVICE_OFFLINE");
        row.error_message =
            disabled ? SPAN("the device is disabled") : SPAN("the device is offline");
    } else {
        row.phase = online ? PHASE_RECORDED : PHASE_QUEUED;
        row.due_ms = in->queue ? row.expires_ms : now + row.timeout_ms;
    }
    return command_new(d, &row);
}

static const char *misfit(const struct command_draft *in, int64_t now)
{
    if (in->timeout_ms != 0 &&
        (in->timeout_ms < COMMAND_TIMEOUT_MS_MIN || in->timeout_ms > COMMAND_TIMEOUT_MS_MAX)) {
        return "timeoutMs: must be 1000 to 300000";
    }
    if (in->expires_ms != 0 && in->expires_ms <= now) {
        return "expiresAt: is in the past";
    }
    return in->expires_ms > now + COMMAND_EXPIRY_MS ? "expiresAt: is more than 24 h ahead" : NULL;
}

static bool has_room(const struct command_call *x, const struct device *d)
{
    struct command_load load = command_load_of(d);
    bool waits = x->draft.queue && !presence_reachable(d);
    return load.count < COMMAND_OPEN_MAX && (!waits || load.queued < COMMAND_QUEUED_MAX) &&
           load.bytes + x->draft.parameters.len <= COMMAND_OPEN_BYTES_MAX;
}

static void at_home_send(struct ask *a, struct device *d)
{
    struct command_call *x = (struct command_call *)a;
    int64_t now = clock_wall_ms(d->fleet->home->clock);
    struct command *c = command_by_request(d, x->draft.request_id);
    if (c != NULL && (!c->recorded || behind_pending(&c->write))) {
        command_await(c, x); /* answered by what is on disk */
        return;
    }
    if (c != NULL) {
        command_answer_sent(x, &c->row, true);
        return;
    }
    const char *why = misfit(&x->draft, now);
    if (why != NULL) {
        look_up(x, d, ERR_INVALID_MESSAGE_FORMAT, why); /* it may have been right once */
        return;
    }
    if (!has_room(x, d)) {
        look_up(x, d, ERR_RATE_LIMIT_EXCEEDED, NULL);
        return;
    }
    c = draw_up(x, d, now);
    list_push(&c->asks, &a->wait.link);
    record(c, &x->who);
    command_settle(c);
}

void command_send(struct home *h, const struct command_draft *in, const struct actor *who,
                  command_done done, void *owner)
{
    struct command_call *x = command_call_new(h, in->device, at_home_send, done, owner);
    x->kind = CALL_SEND;
    x->draft = *in;
    x->draft.command = ask_copy(&x->ask, in->command);
    x->draft.parameters = ask_copy(&x->ask, in->parameters);
    x->draft.request_id = ask_copy(&x->ask, in->request_id);
    command_call_who(x, who);
    ask_start(&x->ask);
}
