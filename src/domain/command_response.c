/*
 * What a device says of its commands. An answer is acknowledged when it is on disk, whatever it
 * changed; one that comes twice changes nothing. What comes when the command is over is kept beside
 * how it ended, and marked late.
 */
#include "domain/command_internal.h"

#include "shape/command.h"

static bool is_final(enum response_status s)
{
    return s == RESPONSE_SUCCESS || s == RESPONSE_ERROR;
}

/* Nobody has heard from the device what became of it. */
static bool lacks_answer(const struct command_row *row)
{
    return !row->late && row->phase != PHASE_FAILED &&
           (row->phase != PHASE_DONE || row->no_response);
}

static span code_of(const struct command_response *r)
{
    return r->error_code.len > 0 ? r->error_code : SPAN("DEVICE_ERROR");
}

/* --- of one that is over and not in memory --- */

static void late_answer(struct command_call *x, err error)
{
    struct device *d = x->ask.device;
    ask_answer(&x->ask, error);
    device_release(d);
}

static void late_stored(struct store_req *req)
{
    struct command_call *x = req->owner;
    err error = req->error;
    req_publish(x->ask.device->fleet->home, req);
    store_req_free(req);
    /* ERR_CONFLICT: it came twice, and the other one was first. */
    late_answer(x, error == ERR_CONFLICT ? ERR_NONE : error);
}

static void store_late(struct command_call *x, const struct command_row *found)
{
    struct home *h = x->ask.device->fleet->home;
    const struct command_response *r = &x->response;
    struct command_row row = *found;
    struct store_req *req = store_req_new(h->index, 2, late_stored, x);
    buf json = {0};
    if (r->status == RESPONSE_ERROR) {
        row.error_code = command_text_cut(code_of(r), COMMAND_ERROR_CODE_MAX);
        row.error_message = command_text_cut(r->error_message, COMMAND_ERROR_MESSAGE_MAX);
    }
    row.late = true;
    row.response = r->result;
    row.executed_ms = clock_wall_ms(h->clock);
    if (r->status == RESPONSE_SUCCESS) {
        watch_result(x->ask.device, row.parameters, r->result);
    }
    store_step_init(req, 0, QUERY_COMMAND_SET_LATE, 1);
    req->steps[0].expect = STORE_SOME;
    req_set_uuid(req, 0, 0, 0, row.id);
    if (row.response.len > 0) {
        store_set_text(req, 0, 0, 1, row.response);
    }
    store_set_int(req, 0, 0, 2, row.executed_ms);
    if (r->status == RESPONSE_ERROR) {
        store_set_text(req, 0, 0, 3, row.error_code);
        store_set_text(req, 0, 0, 4, row.error_message.len > 0 ? row.error_message : SPAN(""));
    }
    command_put_result(&json, &row, false);
    journal_steps(req, 1, command_events(&row));
    (void)req_command_events(req, 1, 0, &row, home_new_id(h), row.executed_ms, buf_span(&json));
    buf_deinit(&json);
    req_submit(h, req);
}

static void found(struct store_req *req)
{
    struct command_call *x = req->owner;
    struct command_row row;
    err error = req->error;
    bool known = error == ERR_NONE && req->steps[0].row_count > 0;
    if (known) {
        command_row_read(&row, store_cell(req, 0, 0, 0));
    }
    if (known && is_final(x->response.status) && row.phase >= PHASE_DONE && lacks_answer(&row)) {
        store_late(x, &row);
    } else {
        late_answer(x, known || error != ERR_NONE ? error : ERR_NOT_FOUND);
    }
    store_req_free(req);
}

static void look_up(struct command_call *x, struct device *d)
{
    struct store_req *req = store_req_new(d->fleet->home->index, 1, found, x);
    x->ask.device = d;
    device_hold(d);
    store_step_init(req, 0, QUERY_COMMAND_BY_REQUEST, 1);
    req_set_uuid(req, 0, 0, 0, d->id);
    store_set_text(req, 0, 0, 1, x->response.request_id);
    req_submit(d->fleet->home, req);
}

/* --- of one that is in memory --- */

static void apply_final(struct command *c, const struct command_response *r, int64_t now)
{
    c->row.executed_ms = now;
    if (r->status == RESPONSE_SUCCESS) {
        watch_result(c->device, c->row.parameters, r->result);
    }
    if (r->result.len > 0) {
        command_set_response(c, r->result);
    }
    if (r->status == RESPONSE_ERROR) {
        command_set_error(c, code_of(r), r->error_message);
    }
}

/* It changes something. */
static void apply(struct command *c, const struct command_response *r)
{
    int64_t now = clock_wall_ms(c->device->fleet->home->clock);
    if (command_over(c)) {
        if (is_final(r->status) && lacks_answer(&c->row)) {
            c->row.late = true;
            apply_final(c, r, now);
            command_tell(c, false);
        }
    } else if (is_final(r->status)) {
        c->row.acked_ms = c->row.acked_ms != 0 ? c->row.acked_ms : now;
        apply_final(c, r, now);
        command_finish(c, r->status == RESPONSE_SUCCESS ? PHASE_DONE : PHASE_FAILED);
    } else {
        bool progress = r->status == RESPONSE_PROGRESS && r->result.len > 0;
        if (progress) {
            command_set_response(c, r->result);
        }
        if (c->row.phase <= PHASE_SENT) {
            command_acknowledged(c);
        } else if (progress) {
            command_tell(c, true);
        }
    }
}

static void at_home_response(struct ask *a, struct device *d)
{
    struct command_call *x = (struct command_call *)a;
    presence_heard(d, d->live.on && d->live.loop == a->from->index && d->live.link == x->link);
    struct command *c = command_by_request(d, x->response.request_id);
    if (c != NULL && !c->recorded) {
        ask_answer(a, ERR_NOT_FOUND); /* the device cannot know it */
        return;
    }
    if (c == NULL) {
        look_up(x, d);
        return;
    }
    apply(c, &x->response);
    if (behind_pending(&c->write)) {
        command_await(c, x);
    } else {
        ask_answer(a, ERR_NONE);
    }
    command_settle(c);
}

static void answer_link(struct ask *a)
{
    struct command_call *x = (struct command_call *)a;
    struct device_link *l = link_find(a->from->fleet, x->link);
    if (l != NULL && x->ack.len > 0) {
        l->on_answer(l, x->ack, a->result.error);
    }
}

void device_link_response(struct device_link *l, span ack, const struct command_response *r)
{
    struct command_call *x = command_call_new(l->home, l->device, at_home_response, NULL, NULL);
    x->kind = CALL_RESPONSE;
    x->ask.at_caller = answer_link;
    x->link = l->id;
    x->ack = ask_copy(&x->ask, ack);
    x->response = *r;
    x->response.request_id = ask_copy(&x->ask, r->request_id);
    x->response.result = ask_copy(&x->ask, r->result);
    x->response.error_code = ask_copy(&x->ask, r->error_code);
    x->response.error_message = ask_copy(&x->ask, r->error_message);
    ask_start(&x->ask);
}
