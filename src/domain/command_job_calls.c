/* Jobs as their askers see them: made, shown, listed, cancelled. A request of the store each. */
#include "domain/command_job_internal.h"
#include "domain/command_types.h"

#include "base/mem.h"

#define LIMIT_MAX 200
#define REPEAT_MS 86400000 /* as long as an Idempotency-Key means something (CONTRACT 7) */

struct job_op {
    struct mail mail; /* for what is refused without a request */
    struct home *home;
    struct store_req *req; /* owned */
    uuid id;
    unsigned limit;
    job_done done;
    void *owner;
};

static const char *const states[] = {"running", "done", "aborted", "cancelled"};

static struct job_op *op_new(struct home *h, unsigned steps, void (*answer)(struct store_req *),
                             job_done done, void *owner)
{
    struct job_op *o = mem_calloc(1, sizeof *o);
    o->home = h;
    o->req = store_req_new(h->index, steps, answer, o);
    o->done = done;
    o->owner = owner;
    return o;
}

static void op_end(struct job_op *o, const struct job_result *r)
{
    o->done(o->owner, r);
    store_req_free(o->req);
    mem_free(o);
}

static void op_fail(struct job_op *o, err error, const char *why)
{
    op_end(o, &(struct job_result){.error = error, .why = why});
}

void job_step_id(struct store_req *req, unsigned step, enum query q, uuid id)
{
    store_step_init(req, step, q, 1);
    req_set_uuid(req, step, 0, 0, id);
}

static uuid read_uuid(const struct store_value *v)
{
    uuid id = UUID_NIL;
    return uuid_parse(store_text(v), &id) ? id : UUID_NIL;
}

struct job_row job_row_read(const struct store_value *cells)
{
    struct job_row row = {
        .id = read_uuid(&cells[0]),
        .group = read_uuid(&cells[1]),
        .issued_by = read_uuid(&cells[2]),
        .command = store_text(&cells[3]),
        .parameters = store_text(&cells[4]),
        .timeout_ms = store_int(&cells[5]),
        .queue = store_int(&cells[6]) != 0,
        .rate = store_int(&cells[7]),
        .abort_percent = cells[8].type == STORE_NULL ? -1 : store_int(&cells[8]),
        .created_ms = store_int(&cells[10]),
        .ended_ms = store_int(&cells[11]),
    };
    for (unsigned i = 0; i < ARRAY_LEN(states); i++) {
        if (span_eq(store_text(&cells[9]), span_str(states[i]))) {
            row.state = (enum job_state)i;
        }
    }
    return row;
}

/* Where a target counts, by its own state and the status of its command. */
static const char *status_of(span state, span status)
{
    return span_eq(state, SPAN("waiting"))     ? "waiting"
           : span_eq(state, SPAN("refused"))   ? "refused"
           : span_eq(state, SPAN("skipped"))   ? "skipped"
           : span_eq(status, SPAN("pending"))  ? "pending"
           : span_eq(status, SPAN("executed")) ? "executed"
                                               : "failed";
}

struct job_counts job_counts_read(const struct store_req *req, unsigned step)
{
    struct job_counts counts = {0};
    for (unsigned i = 0; i < req->steps[step].row_count; i++) {
        const char *status = status_of(store_text(store_cell(req, step, i, 0)),
                                       store_text(store_cell(req, step, i, 1)));
        unsigned n = (unsigned)store_int(store_cell(req, step, i, 2));
        counts.total += n;
        *(status[0] == 'w'   ? &counts.waiting
          : status[0] == 'r' ? &counts.refused
          : status[0] == 's' ? &counts.skipped
          : status[0] == 'p' ? &counts.pending
          : status[0] == 'e' ? &counts.executed
                             : &counts.failed) += n;
    }
    return counts;
}

/* The last two steps of a request: the job and its counts. */
static void answer_job(struct job_op *o)
{
    unsigned step = o->req->step_count - 2;
    struct job_row row = job_row_read(store_cell(o->req, step, 0, 0));
    op_end(o, &(struct job_result){
                  .rows = &row, .count = 1, .counts = job_counts_read(o->req, step + 1)});
}

static void job_steps(struct job_op *o, unsigned step)
{
    job_step_id(o->req, step, QUERY_JOB_GET, o->id);
    o->req->steps[step].expect = STORE_SOME;
    job_step_id(o->req, step + 1, QUERY_JOB_COUNTS, o->id);
}

static void audit(struct job_op *o, unsigned step, const struct actor *who, const char *action,
                  const char *kind, uuid target)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(target, text);
    audit_step(o->home, o->req, step,
               &(struct audit_entry){.who = who,
                                     .action = action,
                                     .target_kind = kind,
                                     .target = span_of(text, UUID_TEXT_LEN)});
}

/* --- create --- */

enum { GROUP, ROOM, INSERT, TARGETS, MADE_AUDIT, MADE, MADE_STEPS = MADE + 2 };

/* An id that was given: the same was asked for before, or something else so long ago that it is
 * another thing now. */
static void got_again(struct store_req *req)
{
    struct job_op *o = req->owner;
    if (req->error != ERR_NONE) {
        op_fail(o, req->error, NULL);
    } else if (clock_wall_ms(o->home->clock) -
                   job_row_read(store_cell(req, 0, 0, 0)).created_ms > REPEAT_MS) {
        op_fail(o, ERR_CONFLICT, "that key made a group command more than a day ago");
    } else {
        answer_job(o);
    }
}

static void get_again(struct job_op *o)
{
    store_req_free(o->req);
    o->req = store_req_new(o->home->index, 2, got_again, o);
    job_steps(o, 0);
    req_submit(o->home, o->req);
}

static void created(struct store_req *req)
{
    struct job_op *o = req->owner;
    if (req->error == ERR_STORE_CONSTRAINT && req->failed_step == INSERT) {
        get_again(o);
    } else if (req->error == ERR_CONFLICT) {
        op_fail(o, req->failed_step == GROUP ? ERR_NOT_FOUND : ERR_CONFLICT,
                req->failed_step == ROOM      ? "100 group commands are under way"
                : req->failed_step == TARGETS ? "the group has no devices"
                                              : NULL);
    } else if (req->error != ERR_NONE) {
        op_fail(o, req->error, NULL);
    } else {
        jobs_poke(o->home, o->id);
        answer_job(o);
    }
}

static void insert_step(struct job_op *o, const struct job_draft *in, const struct actor *who)
{
    struct store_req *req = o->req;
    store_step_init(req, INSERT, QUERY_JOB_INSERT, 1);
    req_set_uuid(req, INSERT, 0, 0, o->id);
    req_set_uuid(req, INSERT, 0, 1, in->group);
    if (!uuid_is_nil(who->id)) {
        req_set_uuid(req, INSERT, 0, 2, who->id);
    }
    store_set_text(req, INSERT, 0, 3, in->command);
    if (in->parameters.len > 0) {
        store_set_text(req, INSERT, 0, 4, in->parameters);
    }
    store_set_int(req, INSERT, 0, 5, in->timeout_ms != 0 ? in->timeout_ms : COMMAND_TIMEOUT_MS);
    store_set_int(req, INSERT, 0, 6, in->queue);
    store_set_int(req, INSERT, 0, 7, in->rate != 0 ? in->rate : JOB_RATE_PER_MINUTE);
    if (in->abort_percent >= 0) {
        store_set_int(req, INSERT, 0, 8, in->abort_percent);
    }
    store_set_int(req, INSERT, 0, 9, clock_wall_ms(o->home->clock));
}

void job_create(struct home *h, const struct job_draft *in, const struct actor *who, job_done done,
                void *owner)
{
    struct job_op *o = op_new(h, MADE_STEPS, created, done, owner);
    o->id = uuid_is_nil(in->id) ? home_new_id(h) : in->id;
    job_step_id(o->req, GROUP, QUERY_GROUP_GET, in->group);
    o->req->steps[GROUP].expect = STORE_SOME;
    store_step_init(o->req, ROOM, QUERY_JOB_ROOM, 1);
    o->req->steps[ROOM].expect = STORE_SOME;
    store_set_int(o->req, ROOM, 0, 0, JOBS_OPEN_MAX);
    insert_step(o, in, who);
    store_step_init(o->req, TARGETS, QUERY_JOB_TARGETS_INSERT, 1);
    o->req->steps[TARGETS].expect = STORE_SOME;
    req_set_uuid(o->req, TARGETS, 0, 0, o->id);
    req_set_uuid(o->req, TARGETS, 0, 1, in->group);
    audit(o, MADE_AUDIT, who, "group.command", "group", in->group);
    job_steps(o, MADE);
    req_submit(h, o->req);
}

/* --- get --- */

static void got(struct store_req *req)
{
    struct job_op *o = req->owner;
    if (req->error != ERR_NONE) {
        op_fail(o, req->error == ERR_CONFLICT ? ERR_NOT_FOUND : req->error, NULL);
    } else {
        answer_job(o);
    }
}

void job_get(struct home *h, uuid id, job_done done, void *owner)
{
    struct job_op *o = op_new(h, 2, got, done, owner);
    o->id = id;
    job_steps(o, 0);
    req_submit(h, o->req);
}

/* --- cancel --- */

static void cancelled(struct store_req *req)
{
    struct job_op *o = req->owner;
    if (req->error == ERR_CONFLICT) {
        op_fail(o, req->failed_step == 0 ? ERR_NOT_FOUND : ERR_CONFLICT,
                req->failed_step == 0 ? NULL : "it is over, or was stopped");
    } else if (req->error != ERR_NONE) {
        op_fail(o, req->error, NULL);
    } else {
        jobs_poke(o->home, o->id);
        answer_job(o);
    }
}

void job_cancel(struct home *h, uuid id, const struct actor *who, job_done done, void *owner)
{
    struct job_op *o = op_new(h, 6, cancelled, done, owner);
    o->id = id;
    job_step_id(o->req, 0, QUERY_JOB_GET, id);
    o->req->steps[0].expect = STORE_SOME;
    store_step_init(o->req, 1, QUERY_JOB_STOP, 1);
    o->req->steps[1].expect = STORE_SOME;
    req_set_uuid(o->req, 1, 0, 0, id);
    store_set_text(o->req, 1, 0, 1, SPAN("cancelled"));
    job_step_id(o->req, 2, QUERY_JOB_SKIP, id);
    audit(o, 3, who, "group.command.cancel", "command_job", id);
    job_steps(o, 4);
    req_submit(h, o->req);
}

/* --- lists --- */

static void refused(struct mail *m)
{
    op_fail(CONTAINER_OF(m, struct job_op, mail), ERR_INVALID_REQUEST, NULL);
}

/* The cursor of both lists is an id; false when the operation was refused. */
static bool read_after(struct job_op *o, span after, uuid *out)
{
    *out = UUID_NIL;
    if (after.len == 0 || uuid_parse(after, out)) {
        return true;
    }
    o->mail.run = refused;
    post_mail(o->home->post, o->home->index, &o->mail);
    return false;
}

static void listed(struct store_req *req)
{
    struct job_op *o = req->owner;
    struct job_row rows[LIMIT_MAX];
    struct job_result r = {.error = req->error, .rows = rows};
    unsigned found = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    for (r.count = 0; r.count < found && r.count < o->limit; r.count++) {
        rows[r.count] = job_row_read(store_cell(req, 0, r.count, 0));
    }
    if (found > o->limit) {
        r.next = store_text(store_cell(req, 0, r.count - 1, 0));
    }
    op_end(o, &r);
}

void job_list(struct home *h, uuid group, span after, unsigned limit, job_done done, void *owner)
{
    uuid before;
    ASSERT(limit >= 1 && limit <= LIMIT_MAX);
    struct job_op *o = op_new(h, 1, listed, done, owner);
    if (!read_after(o, after, &before)) {
        return;
    }
    o->limit = limit;
    o->req->row_max = limit + 1;
    job_step_id(o->req, 0, QUERY_JOB_LIST, group);
    if (uuid_is_nil(before)) {
        store_set_text(o->req, 0, 0, 1, SPAN(""));
    } else {
        req_set_uuid(o->req, 0, 0, 1, before);
    }
    store_set_int(o->req, 0, 0, 2, (int64_t)limit + 1);
    req_submit(h, o->req);
}

static struct job_target read_target(const struct store_value *cells)
{
    struct job_target t = {
        .device = read_uuid(&cells[0]),
        .status = status_of(store_text(&cells[1]), store_text(&cells[4])),
        .error_code = store_text(&cells[2]),
        .command = read_uuid(&cells[3]),
        .phase = store_text(&cells[5]),
        .response = store_text(&cells[6]),
        .created_ms = store_int(&cells[9]),
        .sent_ms = store_int(&cells[10]),
        .executed_ms = store_int(&cells[11]),
    };
    if (t.error_code.len > 0) { /* of its refusal, for which there is a sentence */
        for (unsigned e = 0; e < ERR_COUNT; e++) {
            if (span_eq(t.error_code, span_str(err_code((err)e)))) {
                t.error_message = span_str(err_text((err)e));
                break;
            }
        }
    } else {
        t.error_code = store_text(&cells[7]);
        t.error_message = store_text(&cells[8]);
    }
    return t;
}

static void targets_listed(struct store_req *req)
{
    struct job_op *o = req->owner;
    if (req->error != ERR_NONE) {
        op_fail(o, req->error == ERR_CONFLICT ? ERR_NOT_FOUND : req->error, NULL);
        return;
    }
    struct job_row row = job_row_read(store_cell(req, 0, 0, 0));
    struct job_target *targets = ARENA_ARRAY(&req->arena, struct job_target, o->limit);
    struct job_result r = {.rows = &row, .targets = targets};
    unsigned found = req->steps[1].row_count;
    for (r.count = 0; r.count < found && r.count < o->limit; r.count++) {
        targets[r.count] = read_target(store_cell(req, 1, r.count, 0));
    }
    if (found > o->limit) {
        r.next = store_text(store_cell(req, 1, r.count - 1, 0));
    }
    op_end(o, &r);
}

void job_targets(struct home *h, uuid id, span after, unsigned limit, job_done done, void *owner)
{
    uuid from;
    ASSERT(limit >= 1 && limit <= LIMIT_MAX);
    struct job_op *o = op_new(h, 2, targets_listed, done, owner);
    if (!read_after(o, after, &from)) {
        return;
    }
    o->limit = limit;
    o->req->row_max = limit + 2;
    job_step_id(o->req, 0, QUERY_JOB_GET, id);
    o->req->steps[0].expect = STORE_SOME;
    job_step_id(o->req, 1, QUERY_JOB_TARGETS, id);
    if (uuid_is_nil(from)) {
        store_set_text(o->req, 1, 0, 1, SPAN(""));
    } else {
        req_set_uuid(o->req, 1, 0, 1, from);
    }
    store_set_int(o->req, 1, 0, 2, (int64_t)limit + 1);
    req_submit(h, o->req);
}
