/*
 * Group commands (CONTRACT 3). Who may send commands in the scope of a group may send one to all
 * of it, and nobody else; a job is seen by who may read commands in the scope of its group, or has
 * asked for it, and its results one device at a time.
 */
#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "edge/rest/idempotency.h"

#include "domain/command_job.h"

static void put_counts(struct json_writer *w, const struct job_counts *counts)
{
    json_member_open(w, "counts", '{');
    json_member_u64(w, "total", counts->total);
    json_member_u64(w, "waiting", counts->waiting);
    json_member_u64(w, "pending", counts->pending);
    json_member_u64(w, "executed", counts->executed);
    json_member_u64(w, "failed", counts->failed);
    json_member_u64(w, "refused", counts->refused);
    json_member_u64(w, "skipped", counts->skipped);
    json_close(w, '}');
}

static void put_job(struct json_writer *w, const struct job_row *row,
                    const struct job_counts *counts)
{
    json_open(w, '{');
    rest_member_uuid(w, "id", row->id);
    rest_member_uuid(w, "groupId", row->group);
    if (uuid_is_nil(row->issued_by)) {
        json_member_null(w, "issuedBy");
    } else {
        rest_member_uuid(w, "issuedBy", row->issued_by);
    }
    json_member_string(w, "command", row->command);
    if (row->parameters.len > 0) {
        json_member_raw(w, "parameters", row->parameters);
    }
    json_member_i64(w, "timeoutMs", row->timeout_ms);
    json_member_bool(w, "queue", row->queue);
    json_member_i64(w, "ratePerMinute", row->rate);
    if (row->abort_percent >= 0) {
        json_member_i64(w, "abortPercent", row->abort_percent);
    } else {
        json_member_null(w, "abortPercent");
    }
    json_member_string(w, "status", span_str(shape_job_status_name((int)row->state)));
    rest_member_time(w, "createdAt", row->created_ms);
    rest_member_time(w, "endedAt", row->ended_ms);
    if (counts != NULL) {
        put_counts(w, counts);
    }
    json_close(w, '}');
}

static void refuse(struct rest_call *c, const struct job_result *r)
{
    if (r->error == ERR_INVALID_REQUEST) {
        device_bad_query(c, "cursor", "is not one of ours");
    } else {
        rest_error(c, r->error, r->why);
    }
}

static void answer_job(struct rest_call *c, const struct job_result *r)
{
    struct json_writer w = json_writer_of(&c->data);
    put_job(&w, r->rows, &r->counts);
    rest_ok(c, buf_span(&c->data));
}

/* --- asked for --- */

struct asking {
    struct rest_call *call;
    struct job_draft draft;
    span response;
};

static void asked(struct asking *x, const struct job_result *r)
{
    idem_end(x->call);
    struct rest_call *c = rest_resume(x->call);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        refuse(c, r);
    } else {
        idem_ok(c, x->response, NULL);
    }
}

static void answer_stored(struct store_req *req)
{
    struct asking *x = req->owner;
    struct job_result r = {.error = req->error};
    store_req_free(req);
    asked(x, &r);
}

static void made(void *owner, const struct job_result *r)
{
    struct asking *x = owner;
    struct rest_call *c = x->call;
    if (r->error == ERR_NONE) {
        buf out = {0};
        struct json_writer w = json_writer_of(&out);
        put_job(&w, r->rows, &r->counts);
        x->response = arena_dup(&c->arena, buf_span(&out));
        buf_deinit(&out);
    }
    if (r->error != ERR_NONE || idem_steps(c) == 0) {
        asked(x, r);
        return;
    }
    struct store_req *req = store_req_new(c->edge->home->index, 1, answer_stored, x);
    idem_step(c, req, 0, x->response, false);
    c->edge->home->store->submit(c->edge->home->store, req);
}

static int digit_of(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

/* Every repeat of the request has the same id: it is made once, also if a crash came between. */
static uuid id_of(span name, uuid group)
{
    uuid id = UUID_NIL;
    for (unsigned i = 0; i < sizeof id.bytes && 2 * i + 1 < name.len; i++) {
        int byte = digit_of((char)name.ptr[2 * i]) << 4 | digit_of((char)name.ptr[2 * i + 1]);
        id.bytes[i] = (uint8_t)(byte ^ group.bytes[i]); /* the name may not know of the path */
    }
    return id;
}

static void make(struct rest_call *c)
{
    struct asking *x = c->user;
    char address[ADDR_TEXT_MAX], name[IDEM_NAME_LEN];
    struct actor who = rest_actor(c, address);
    x->draft.id = id_of(idem_name(c, name), c->uuids[0]);
    rest_later(c);
    job_create(c->edge->home, &x->draft, &who, made, x);
}

void rest_group_command(struct rest_call *c)
{
    struct shape_group_command in;
    if (!device_body(c, SCHEMA_group_command, &in)) {
        return;
    }
    struct asking *x = ARENA_NEW(&c->arena, struct asking);
    *x = (struct asking){
        .call = c,
        .draft = {.group = c->uuids[0],
                  .command = in.command,
                  .parameters = in.has_parameters ? in.parameters : SPAN_NONE,
                  .timeout_ms = in.has_timeoutMs ? in.timeoutMs : 0,
                  .queue = in.has_queue && in.queue,
                  .rate = in.has_ratePerMinute ? in.ratePerMinute : 0,
                  .abort_percent = in.has_abortPercent ? in.abortPercent : -1},
    };
    c->user = x;
    idem_begin(c, make);
}

/* --- shown --- */

static bool may_see(const struct rest_call *c, const struct job_row *row, enum permission p)
{
    return rest_can(c, p, scope_group(row->group)) ||
           (p == PERM_COMMAND_READ && uuid_eq(c->grant->principal, row->issued_by));
}

static void got(void *owner, const struct job_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        refuse(c, r);
    } else if (!may_see(c, r->rows, PERM_COMMAND_READ)) {
        rest_error(c, ERR_NOT_FOUND, NULL);
    } else {
        answer_job(c, r);
    }
}

void rest_job_get(struct rest_call *c)
{
    rest_later(c);
    job_get(c->edge->home, c->uuids[0], got, c);
}

static void listed(void *owner, const struct job_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        refuse(c, r);
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (unsigned i = 0; i < r->count; i++) {
        put_job(&w, &r->rows[i], NULL);
    }
    json_close(&w, ']');
    rest_ok_list(c, buf_span(&c->data), r->next);
}

void rest_group_job_list(struct rest_call *c)
{
    unsigned limit = rest_query_limit(c);
    if (limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    rest_later(c);
    job_list(c->edge->home, c->uuids[0], rest_query(c, "cursor"), limit, listed, c);
}

static void member_time(struct json_writer *w, const char *name, int64_t ms)
{
    if (ms != 0) {
        rest_member_time(w, name, ms);
    }
}

static void put_target(struct json_writer *w, const struct job_target *t)
{
    json_open(w, '{');
    rest_member_uuid(w, "deviceId", t->device);
    json_member_string(w, "status", span_str(t->status));
    if (!uuid_is_nil(t->command)) {
        rest_member_uuid(w, "commandId", t->command);
    }
    if (t->phase.len > 0) {
        json_member_string(w, "phase", t->phase);
    }
    if (t->response.len > 0) {
        json_member_raw(w, "response", t->response);
    }
    if (t->error_code.len > 0) {
        json_member_open(w, "error", '{');
        json_member_string(w, "code", t->error_code);
        json_member_string(w, "message", t->error_message);
        json_close(w, '}');
    }
    member_time(w, "createdAt", t->created_ms);
    member_time(w, "sentAt", t->sent_ms);
    member_time(w, "executedAt", t->executed_ms);
    json_close(w, '}');
}

static void results(void *owner, const struct job_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        refuse(c, r);
        return;
    }
    if (!may_see(c, r->rows, PERM_COMMAND_READ)) {
        rest_error(c, ERR_NOT_FOUND, NULL);
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (unsigned i = 0; i < r->count; i++) {
        if (rest_can(c, PERM_COMMAND_READ, scope_device(r->targets[i].device))) {
            put_target(&w, &r->targets[i]);
        }
    }
    json_close(&w, ']');
    rest_ok_list(c, buf_span(&c->data), r->next);
}

void rest_job_result_list(struct rest_call *c)
{
    unsigned limit = rest_query_limit(c);
    if (limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    rest_later(c);
    job_targets(c->edge->home, c->uuids[0], rest_query(c, "cursor"), limit, results, c);
}

/* --- stopped --- */

static void cancelled(void *owner, const struct job_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        refuse(c, r);
    } else {
        answer_job(c, r);
    }
}

static void cancel_found(void *owner, const struct job_result *r)
{
    struct rest_call *c = rest_resume(owner);
    char address[ADDR_TEXT_MAX];
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        refuse(c, r);
    } else if (!may_see(c, r->rows, PERM_COMMAND_SEND)) {
        bool seen = may_see(c, r->rows, PERM_COMMAND_READ);
        rest_error(c, seen ? ERR_PERMISSION_DENIED : ERR_NOT_FOUND, NULL);
    } else {
        struct actor who = rest_actor(c, address);
        rest_later(c);
        job_cancel(c->edge->home, c->uuids[0], &who, cancelled, c);
    }
}

void rest_job_cancel(struct rest_call *c)
{
    rest_later(c);
    job_get(c->edge->home, c->uuids[0], cancel_found, c);
}
