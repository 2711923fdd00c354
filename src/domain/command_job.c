/*
 * Home 0 runs the jobs that are open. A step of one:
 *
 *     read how it stands --> too many failed: stop it           \
 *                            commands are due: send, then note   > again in a second
 *                            stopped: cancel what is open       /
 *                            nothing waits and nothing is open: it has ended
 *
 * At most one request or one batch of sends of a job is on its way. Steps begin a second apart at
 * least, and sixty of them, however late they come, send `rate` commands: `credit` carries what is
 * left over. After a restart it begins empty, so the minute around the restart has no more.
 */
#include "domain/command_job.h"

#include "domain/command.h"
#include "domain/command_job_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define STEP_MS 1000
#define STEPS_PER_MINUTE (60000 / STEP_MS)
#define IDLE_STEP_MS_MAX 8000 /* when all is sent: looks become rarer while nothing changes */
#define FIRST_MS 1000         /* after the start */
#define LOOK_MS 60000         /* for what nobody told of */
#define BATCH_MAX (JOB_RATE_PER_MINUTE_MAX / STEPS_PER_MINUTE)

struct job_send {
    struct group_job *job;
    uuid device;
    uuid command;
    const char *refused; /* an error's code */
    bool known;          /* what became of it: else it is tried again */
};

struct group_job {
    struct list link;
    struct job_runner *runner;
    struct arena arena; /* command, parameters */
    struct job_row row; /* as of the last look */
    struct job_counts counts;
    struct deadline next;
    unsigned credit;    /* in 1/STEPS_PER_MINUTE of a command */
    int64_t idle_ms;
    bool busy;
    bool poked;         /* stopped while it was busy */
    unsigned waiting;   /* calls on their way */
    unsigned send_count;
    struct job_send sends[BATCH_MAX];
};

struct job_runner {
    struct home *home;
    struct list jobs;
    struct deadline look;
    bool looking, again; /* asked to look while looking */
    bool started;        /* what is found from now on is new */
};

static void job_free(struct group_job *j)
{
    deadline_clear(&j->next);
    list_remove(&j->link);
    arena_reset(&j->arena);
    mem_free(j);
}

static struct group_job *job_find(struct job_runner *r, uuid id)
{
    LIST_EACH(it, &r->jobs) {
        struct group_job *j = LIST_ITEM(it, struct group_job, link);
        if (uuid_eq(j->row.id, id)) {
            return j;
        }
    }
    return NULL;
}

/* Nothing of it is on its way: the next step in so long. */
static void rest(struct group_job *j, int64_t ms)
{
    j->busy = false;
    deadline_set(j->runner->home, &j->next, ms);
}

/* --- sending --- */

static void noted(struct store_req *req)
{
    struct group_job *j = req->owner; /* a failure: it is sent again, and found recorded */
    store_req_free(req);
    rest(j, STEP_MS);
}

/* Every send was answered: what became of them is noted in one transaction. */
static void note(struct group_job *j)
{
    struct home *h = j->runner->home;
    unsigned known = 0, set = 0;
    for (unsigned i = 0; i < j->send_count; i++) {
        known += j->sends[i].known;
    }
    if (known == 0) {
        rest(j, STEP_MS);
        return;
    }
    struct store_req *req = store_req_new(h->index, 1, noted, j);
    store_step_init(req, 0, QUERY_JOB_TARGET_SET, known);
    for (unsigned i = 0; i < j->send_count; i++) {
        const struct job_send *s = &j->sends[i];
        if (!s->known) {
            continue;
        }
        req_set_uuid(req, 0, set, 0, j->row.id);
        req_set_uuid(req, 0, set, 1, s->device);
        store_set_text(req, 0, set, 2, s->refused != NULL ? SPAN("refused") : SPAN("sent"));
        if (s->refused == NULL) {
            req_set_uuid(req, 0, set, 3, s->command);
        } else {
            store_set_text(req, 0, set, 4, span_str(s->refused));
        }
        set++;
    }
    req_submit(h, req);
}

/* Others are the store's: it is tried again. */
static bool is_refusal(err e)
{
    return e == ERR_DEVICE_NOT_FOUND || e == ERR_INVALID_MESSAGE_FORMAT ||
           e == ERR_RATE_LIMIT_EXCEEDED;
}

static void sent(void *owner, const struct command_result *r)
{
    struct job_send *s = owner;
    struct group_job *j = s->job;
    s->known = r->error == ERR_NONE || is_refusal(r->error);
    s->command = r->id;
    s->refused = r->error == ERR_NONE ? NULL : err_code(r->error);
    if (--j->waiting == 0) {
        note(j);
    }
}

static void send(struct group_job *j, const struct store_req *req, unsigned step)
{
    struct home *h = j->runner->home;
    char id[UUID_TEXT_LEN + 1], request[UUID_TEXT_LEN + 8];
    uuid_format(j->row.id, id);
    int len = snprintf(request, sizeof request, "job-%s", id);
    const struct actor who = {.id = j->row.issued_by, .name = SPAN("group command")};
    struct command_draft draft = {.command = j->row.command,
                                  .parameters = j->row.parameters,
                                  .request_id = span_of(request, (size_t)len),
                                  .timeout_ms = (uint32_t)j->row.timeout_ms,
                                  .queue = j->row.queue,
                                  .job = j->row.id};
    unsigned rows = req->steps[step].row_count;
    j->send_count = 0;
    j->waiting = 1;
    for (unsigned i = 0; i < rows && i < BATCH_MAX; i++) {
        if (uuid_parse(store_text(store_cell(req, step, i, 0)), &draft.device)) {
            struct job_send *s = &j->sends[j->send_count++];
            *s = (struct job_send){.job = j, .device = draft.device};
            j->waiting++;
            command_send(h, &draft, &who, sent, s);
        }
    }
    if (--j->waiting == 0) {
        note(j);
    }
}

/* --- stopping --- */

static void stopped(struct store_req *req)
{
    struct group_job *j = req->owner;
    store_req_free(req);
    rest(j, STEP_MS);
}

static void stop(struct group_job *j)
{
    struct home *h = j->runner->home;
    char id[UUID_TEXT_LEN + 1];
    const struct actor who = {.name = SPAN("group command")};
    uuid_format(j->row.id, id);
    struct store_req *req = store_req_new(h->index, 3, stopped, j);
    store_step_init(req, 0, QUERY_JOB_STOP, 1);
    req->steps[0].expect = STORE_SOME; /* else somebody has stopped it meanwhile */
    req_set_uuid(req, 0, 0, 0, j->row.id);
    store_set_text(req, 0, 0, 1, SPAN("aborted"));
    job_step_id(req, 1, QUERY_JOB_SKIP, j->row.id);
    audit_step(h, req, 2,
               &(struct audit_entry){.who = &who,
                                     .action = "group.command.abort",
                                     .target_kind = "command_job",
                                     .target = span_of(id, UUID_TEXT_LEN)});
    req_submit(h, req);
}

static void call_ended(void *owner, const struct command_result *r)
{
    struct group_job *j = owner;
    (void)r; /* it was over, or is tried again */
    if (--j->waiting == 0) {
        rest(j, STEP_MS);
    }
}

static void cancel(struct group_job *j, const struct store_req *req, unsigned step)
{
    const struct actor who = {.id = j->row.issued_by, .name = SPAN("group command")};
    j->waiting = 1;
    for (unsigned i = 0; i < req->steps[step].row_count; i++) {
        uuid device, command;
        if (uuid_parse(store_text(store_cell(req, step, i, 0)), &device) &&
            uuid_parse(store_text(store_cell(req, step, i, 1)), &command)) {
            j->waiting++;
            command_cancel(j->runner->home, device, command, &who, call_ended, j);
        }
    }
    if (--j->waiting == 0) {
        rest(j, STEP_MS);
    }
}

static void ended(struct store_req *req)
{
    struct group_job *j = req->owner;
    err error = req->error;
    store_req_free(req);
    if (error == ERR_NONE) {
        job_free(j);
    } else {
        rest(j, STEP_MS);
    }
}

static void end(struct group_job *j)
{
    struct home *h = j->runner->home;
    struct store_req *req = store_req_new(h->index, 1, ended, j);
    store_step_init(req, 0, QUERY_JOB_END, 1);
    req_set_uuid(req, 0, 0, 0, j->row.id);
    store_set_int(req, 0, 0, 1, clock_wall_ms(h->clock));
    req_submit(h, req);
}

/* --- a step --- */

enum { JOB, COUNTS, NEXT, OPEN, STEPS };

static bool too_many_failed(const struct group_job *j)
{
    const struct job_counts *c = &j->counts;
    uint64_t failed = (uint64_t)c->failed + c->refused;
    uint64_t over = failed + c->executed;
    return j->row.abort_percent >= 0 && over > 0 &&
           failed * 100 > (uint64_t)j->row.abort_percent * over;
}

/* Nothing is to be done but to wait. */
static void wait(struct group_job *j, bool changed)
{
    j->idle_ms = changed || j->counts.waiting > 0 ? STEP_MS : 2 * j->idle_ms;
    if (j->idle_ms > IDLE_STEP_MS_MAX) {
        j->idle_ms = IDLE_STEP_MS_MAX;
    }
    rest(j, j->poked ? 0 : j->idle_ms);
}

static void looked(struct store_req *req)
{
    struct group_job *j = req->owner;
    if (req->error == ERR_CONFLICT) { /* its row is gone */
        store_req_free(req);
        job_free(j);
        return;
    }
    if (req->error != ERR_NONE) {
        store_req_free(req);
        rest(j, STEP_MS);
        return;
    }
    struct job_counts was = j->counts;
    enum job_state state = j->row.state;
    j->row.state = job_row_read(store_cell(req, JOB, 0, 0)).state;
    j->counts = job_counts_read(req, COUNTS);
    bool changed = memcmp(&was, &j->counts, sizeof was) != 0 || state != j->row.state;
    if (j->row.state == JOB_RUNNING && j->counts.waiting > 0 && too_many_failed(j)) {
        stop(j);
    } else if (j->row.state == JOB_RUNNING && req->steps[NEXT].row_count > 0) {
        send(j, req, NEXT);
    } else if (j->row.state != JOB_RUNNING && req->steps[OPEN].row_count > 0) {
        cancel(j, req, OPEN);
    } else if (j->counts.waiting == 0 && j->counts.pending == 0) {
        end(j);
    } else {
        wait(j, changed);
    }
    store_req_free(req);
}

static void on_step(struct deadline *d)
{
    struct group_job *j = CONTAINER_OF(d, struct group_job, next);
    struct home *h = j->runner->home;
    unsigned due = 0;
    if (!j->poked) { /* such a step comes out of turn, and sends nothing */
        j->credit += (unsigned)j->row.rate;
        due = j->credit / STEPS_PER_MINUTE;
        j->credit %= STEPS_PER_MINUTE;
    }
    j->poked = false;
    j->busy = true;
    struct store_req *req = store_req_new(h->index, STEPS, looked, j);
    req->row_max = 64 + 2 * BATCH_MAX;
    job_step_id(req, JOB, QUERY_JOB_GET, j->row.id);
    req->steps[JOB].expect = STORE_SOME;
    job_step_id(req, COUNTS, QUERY_JOB_COUNTS, j->row.id);
    job_step_id(req, NEXT, QUERY_JOB_NEXT, j->row.id);
    store_set_int(req, NEXT, 0, 1, due);
    job_step_id(req, OPEN, QUERY_JOB_OPEN, j->row.id);
    store_set_int(req, OPEN, 0, 1, BATCH_MAX);
    req_submit(h, req);
}

/* --- which --- */

static void take(struct job_runner *r, const struct job_row *row)
{
    struct group_job *j = mem_calloc(1, sizeof *j);
    j->runner = r;
    j->row = *row;
    j->row.command = arena_dup(&j->arena, row->command);
    j->row.parameters =
        row->parameters.len > 0 ? arena_dup(&j->arena, row->parameters) : SPAN_NONE;
    j->credit = r->started ? STEPS_PER_MINUTE - 1 : 0; /* a new one begins at once */
    j->idle_ms = STEP_MS;
    j->next.fire = on_step;
    list_push(&r->jobs, &j->link);
    rest(j, 0);
}

static void look(struct deadline *d);

static void found(struct store_req *req)
{
    struct job_runner *r = req->owner;
    unsigned rows = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    for (unsigned i = 0; i < rows; i++) {
        struct job_row row = job_row_read(store_cell(req, 0, i, 0));
        if (job_find(r, row.id) == NULL) {
            take(r, &row);
        }
    }
    r->started = r->started || req->error == ERR_NONE;
    r->looking = false;
    deadline_set(r->home, &r->look, r->again ? 0 : req->error == ERR_NONE ? LOOK_MS : STEP_MS);
    r->again = false;
    store_req_free(req);
}

static void look(struct deadline *d)
{
    struct job_runner *r = CONTAINER_OF(d, struct job_runner, look);
    if (r->home->journal == NULL) {
        return; /* a command beside no server */
    }
    r->looking = true;
    struct store_req *req = store_req_new(r->home->index, 1, found, r);
    store_step_init(req, 0, QUERY_JOB_LIST_OPEN, 1);
    store_set_int(req, 0, 0, 0, 2 * JOBS_OPEN_MAX);
    req_submit(r->home, req);
}

struct poke {
    struct mail mail;
    struct home *home;
    uuid id;
};

static void on_poke(struct mail *m)
{
    struct poke *p = CONTAINER_OF(m, struct poke, mail);
    struct fleet *f = p->home->fleet;
    struct job_runner *r = f == NULL ? NULL : f->jobs; /* NULL: nobody runs them here */
    if (r != NULL && r->started) {
        struct group_job *j = job_find(r, p->id);
        if (j != NULL) {
            j->poked = true;
            if (!j->busy) {
                rest(j, 0);
            }
        } else if (r->looking) {
            r->again = true;
        } else {
            deadline_set(r->home, &r->look, 0);
        }
    }
    mem_free(p);
}

void jobs_poke(struct home *h, uuid id)
{
    struct poke *p = mem_alloc(sizeof *p);
    *p = (struct poke){.mail.run = on_poke, .home = h->peers[0], .id = id};
    post_mail(h->post, 0, &p->mail);
}

void jobs_start(struct fleet *f)
{
    if (f->home->index != 0) {
        return;
    }
    struct job_runner *r = mem_calloc(1, sizeof *r);
    r->home = f->home;
    list_init(&r->jobs);
    r->look.fire = look;
    f->jobs = r;
    deadline_set(f->home, &r->look, FIRST_MS);
}

void jobs_stop(struct fleet *f)
{
    struct job_runner *r = f->jobs;
    if (r == NULL) {
        return;
    }
    while (!list_empty(&r->jobs)) {
        job_free(LIST_ITEM(r->jobs.next, struct group_job, link));
    }
    deadline_clear(&r->look);
    mem_free(r);
    f->jobs = NULL;
}
