/* Jobs at their robot's home: admitted, stored, begun, over, given up. */
#include "domain/chat_robot_internal.h"

#include "base/mem.h"

#define CONTEXT_MAX 100            /* what chat_robot_context may be at most */
#define CONTEXT_BYTES_MAX 65536    /* of content: the newest messages that fit */
#define BUSY_RETRY_MS 1000

static const char *const away = "the robot is not connected";

static bool same_job(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct robot_job, node)->row.id, *(const uuid *)key);
}

struct robot_job *robot_run_find(struct chat_robots *rs, uuid id)
{
    struct map_node *n = map_get(&rs->running, uuid_hash(id), same_job, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct robot_job, node);
}

static struct chat_robots *robots_of(const struct robot_job *j)
{
    return j->robot_home->chat->robots;
}

struct breaker_conf robot_breaker_conf(const struct home *h)
{
    return (struct breaker_conf){.failures = h->conf->app_receiver.breaker_failures,
                                 .window_ms = BREAKER_WINDOW_MS,
                                 .open_ms = h->conf->app_receiver.breaker_open_ms};
}

/* --- taken and left --- */

static void count_active(struct chat_robots *rs)
{
    atomic_store_explicit(&rs->active, (unsigned)rs->running.count, memory_order_relaxed);
}

static void take(struct robot_job *j, struct robot *r)
{
    j->robot = r;
    list_push(&r->jobs, &j->of_robot);
    r->job_count++;
    map_put(&r->robots->running, uuid_hash(j->row.id), &j->node);
    count_active(r->robots);
}

/* The robot has nothing to do with it any more. */
static void leave_robot(struct robot_job *j)
{
    if (j->robot != NULL) {
        list_remove(&j->of_robot);
        j->robot->job_count--;
        j->robot = NULL;
    }
}

void robot_run_over(struct robot_job *j, const struct robot_end *end)
{
    struct chat_robots *rs = robots_of(j);
    struct robot_end copy = *end;
    leave_robot(j);
    deadline_clear(&j->late);
    map_remove(&rs->running, &j->node);
    count_active(rs);
    mem_free(j->lost);
    j->lost = NULL;
    robot_job_over(j, &copy);
}

/* --- begun --- */

/* Oldest first, from rows that come newest first. */
static unsigned context_of(const struct store_req *req, unsigned step,
                           struct chat_context_row rows[CONTEXT_MAX])
{
    unsigned found = req->steps[step].row_count;
    unsigned count = 0;
    size_t bytes = 0;
    while (count < found && count < CONTEXT_MAX) {
        bytes += store_text(store_cell(req, step, count, 4)).len;
        if (bytes > CONTEXT_BYTES_MAX) {
            break;
        }
        count++;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct store_value *cells = store_cell(req, step, count - 1 - i, 0);
        int type = shape_chat_message_type_of(store_text(&cells[1]));
        rows[i] = (struct chat_context_row){.seq = store_int(&cells[0]),
                                            .type = (enum chat_message_type)type,
                                            .name = store_text(&cells[3]),
                                            .content = store_text(&cells[4]),
                                            .at_ms = store_int(&cells[5])};
        (void)uuid_parse(store_text(&cells[2]), &rows[i].sender); /* NULL: the server */
    }
    return count;
}

static void stored(struct store_req *req)
{
    struct robot_job *j = req->owner;
    struct chat_context_row rows[CONTEXT_MAX];
    buf request = {0};
    if (req->error != ERR_NONE) {
        if (j->robot != NULL) {
            breaker_return(&j->robot->breaker, j->pass);
        }
        robot_run_over(j, &(struct robot_end){.error = req->error});
        store_req_free(req);
        return;
    }
    robot_job_stored(j);
    if (j->lost != NULL) { /* meanwhile */
        robot_run_over(j, j->lost);
        store_req_free(req);
        return;
    }
    unsigned count = context_of(req, 1, rows);
    robot_put_request(&request, &j->row, rows, count);
    store_req_free(req);
    robot_call(j, &request);
    buf_deinit(&request);
}

static void store(struct robot_job *j)
{
    struct home *h = j->robot_home;
    struct store_req *req = store_req_new(h->index, 2, stored, j);
    store_step_init(req, 0, QUERY_ROBOT_JOB_INSERT, 1);
    robot_set_uuid(req, 0, 0, j->row.id);
    robot_set_uuid(req, 0, 1, j->row.room);
    robot_set_uuid(req, 0, 2, j->row.robot);
    if (!uuid_is_nil(j->row.asker)) {
        robot_set_uuid(req, 0, 3, j->row.asker);
    }
    store_set_text(req, 0, 0, 4, j->row.prompt);
    store_set_text(req, 0, 0, 5, span_str(shape_chat_visibility_name((int)j->row.visibility)));
    store_set_int(req, 0, 0, 6, j->row.created_ms);
    req->row_max = CONTEXT_MAX;
    store_step_init(req, 1, QUERY_ROBOT_CONTEXT, 1);
    robot_set_uuid(req, 1, 0, j->row.room);
    store_set_int(req, 1, 0, 1, h->conf->chat_robot_context);
    j->way = ROBOT_JOB_STORING;
    h->store->submit(h->store, req);
}

/* Whether it may ask; else how that ends. */
static bool admitted(struct robot_job *j, struct robot *r, struct robot_end *end)
{
    struct home *h = j->robot_home;
    struct breaker_conf conf = robot_breaker_conf(h);
    int64_t retry_ms = 0;
    *end = (struct robot_end){.error = ERR_NONE};
    if (h->chat->robots->stopping) {
        *end = (struct robot_end){.error = ERR_SERVER_ERROR, .closing = true};
    } else if (r == NULL) {
        *end = (struct robot_end){.error = ERR_NOT_FOUND, .why = "there is no such robot"};
    } else if (!r->row.enabled) {
        *end = (struct robot_end){.error = ERR_CONFLICT, .why = "the robot is disabled"};
    } else if (r->row.url.len == 0 && r->sockets == 0) {
        *end = (struct robot_end){.error = ERR_CONNECTION_LOST, .why = away};
    } else if (r->job_count >= h->conf->chat_robot_jobs_max) {
        *end = (struct robot_end){.error = ERR_RATE_LIMIT_EXCEEDED,
                                  .why = "the robot is asked as much as it may be at once",
                                  .retry_after_ms = BUSY_RETRY_MS};
    } else if (!breaker_ask(&r->breaker, &conf, clock_mono_ms(h->clock), &j->pass, &retry_ms)) {
        *end = (struct robot_end){.error = ERR_SERVER_ERROR,
                                  .why = "the robot failed too often a moment ago",
                                  .retry_after_ms = (uint32_t)retry_ms};
    }
    return end->error == ERR_NONE;
}

struct begin_mail {
    struct mail mail;
    struct robot_job *job;
};

static void begun(struct mail *m)
{
    struct begin_mail *b = CONTAINER_OF(m, struct begin_mail, mail);
    struct robot_job *j = b->job;
    struct robot *r = robot_find(robots_of(j), j->row.robot);
    struct robot_end end;
    mem_free(b);
    if (!admitted(j, r, &end)) {
        robot_job_over(j, &end);
        return;
    }
    take(j, r);
    robot_show(r); /* a breaker may try again now */
    store(j);
}

void robot_run_begin(struct robot_job *j)
{
    struct begin_mail *b = mem_calloc(1, sizeof *b);
    *b = (struct begin_mail){.mail.run = begun, .job = j};
    post_mail(j->room_home->post, j->robot_home->index, &b->mail);
}

/* --- given up --- */

/* Ends it so: now, or when its webhook has been told. */
static void lose(struct robot_job *j, const struct robot_end *end)
{
    if (j->robot != NULL) {
        breaker_return(&j->robot->breaker, j->pass);
    }
    if (j->way == ROBOT_JOB_WAITING) {
        robot_run_over(j, end);
        return;
    }
    leave_robot(j);
    if (j->lost == NULL) {
        j->lost = mem_calloc(1, sizeof *j->lost);
        *j->lost = *end;
        if (j->way == ROBOT_JOB_CALLING) {
            webhook_cancel(j->robot_home->webhook, &j->call);
        }
    }
}

void robot_run_lose(struct robot *r, err error, const char *why)
{
    LIST_EACH (it, &r->jobs) {
        lose(LIST_ITEM(it, struct robot_job, of_robot),
             &(struct robot_end){.error = error, .why = why, .stored = true});
    }
    robot_show(r);
}

struct cancel_mail {
    struct mail mail;
    struct home *at;
    uuid job;
};

static void cancelled(struct mail *m)
{
    struct cancel_mail *c = CONTAINER_OF(m, struct cancel_mail, mail);
    struct robot_job *j = robot_run_find(c->at->chat->robots, c->job);
    if (j != NULL) {
        lose(j, &(struct robot_end){.error = ERR_NOT_FOUND, .why = "cancelled", .stored = true});
    }
    mem_free(c);
}

void robot_run_cancel(struct home *from, struct home *to, uuid job)
{
    struct cancel_mail *c = mem_calloc(1, sizeof *c);
    *c = (struct cancel_mail){.mail.run = cancelled, .at = to, .job = job};
    post_mail(from->post, to->index, &c->mail);
}

void robot_run_stop(struct chat_robots *rs)
{
    struct map_node *n = map_next(&rs->running, NULL);
    while (n != NULL) {
        struct robot_job *j = CONTAINER_OF(n, struct robot_job, node);
        n = map_next(&rs->running, n);
        if (j->way == ROBOT_JOB_WAITING) {
            robot_run_over(j, &(struct robot_end){.stored = true, .closing = true});
        }
    }
}
