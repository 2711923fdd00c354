/*
 * Jobs at their robot's home: admitted, stored, and answered by its webhook or its socket. What it
 * says is read as it comes and passed on to the room's home; how it ended is noted by its breaker.
 */
#include "domain/chat_robot_internal.h"

#include "base/mem.h"

#include <string.h>

#define CONTEXT_MAX 100            /* what chat_robot_context may be at most */
#define CONTEXT_BYTES_MAX 65536    /* of content: the newest messages that fit */
#define BUSY_RETRY_MS 1000

static const char *const away = "the robot is not connected";

static bool same_job(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct robot_job, node)->row.id, *(const uuid *)key);
}

static struct robot_job *find(struct chat_robots *rs, uuid id)
{
    struct map_node *n = map_get(&rs->running, uuid_hash(id), same_job, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct robot_job, node);
}

static struct chat_robots *robots_of(const struct robot_job *j)
{
    return j->robot_home->chat->robots;
}

static struct breaker_conf breaker_conf(const struct home *h)
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

static void over(struct robot_job *j, const struct robot_end *end)
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

/* How a call ended says something about the robot. */
static void report(struct robot_job *j, bool ok, const char *why)
{
    struct robot *r = j->robot;
    struct home *h = j->robot_home;
    struct breaker_conf conf = breaker_conf(h);
    char id[UUID_TEXT_LEN + 1];
    uuid_format(r->row.id, id);
    if (!ok) {
        LOG(h->log, LOG_WARN, "robot.failed", LOG_STR("robot", id),
            LOG_I64("status", j->call.status), LOG_STR("why", why));
    }
    if (breaker_report(&r->breaker, &conf, j->pass, ok, clock_mono_ms(h->clock))) {
        LOG(h->log, LOG_WARN, "robot.breaker", LOG_STR("robot", id),
            LOG_STR("state", breaker_state_name(r->breaker.state)));
    }
    robot_show(r);
}

/* Lasts as long as the job. */
static const char *answer_is(struct robot_job *j, const char *predicate)
{
    if (j->kept.len > 0) {
        explicit_bzero(j->kept.ptr, j->kept.len); /* the secret */
    }
    buf_clear(&j->kept);
    buf_printf(&j->kept, "the robot's answer %s", predicate);
    buf_append_byte(&j->kept, 0);
    return (const char *)j->kept.ptr;
}

static void fail(struct robot_job *j, err error, const char *why, struct robot_ask *final)
{
    report(j, false, why);
    over(j, &(struct robot_end){.error = error, .why = why, .stored = true, .final = final});
}

/* --- read as it comes --- */

static void pass_on(struct robot_job *j)
{
    struct robot_answer *a = &j->answer;
    if (!a->replaced && a->text.len > j->sent) {
        robot_job_piece(j, span_of(a->text.ptr + j->sent, a->text.len - j->sent));
        j->sent = a->text.len;
    }
}

/* The form is said before the first byte. */
static bool read_form(struct robot_job *j)
{
    bool ok = j->reading || robot_answer_init(&j->answer, span_str(j->call.content_type));
    j->reading = true;
    return ok;
}

static void on_part(struct webhook_call *c, span data)
{
    struct robot_job *j = CONTAINER_OF(c, struct robot_job, call);
    if (j->stopped || j->robot == NULL) {
        return;
    }
    if (read_form(j) && robot_answer_feed(&j->answer, data)) {
        j->stopped = j->answer.final;
        if (!j->stopped) {
            pass_on(j);
        }
    } else {
        j->stopped = true;
    }
    if (j->stopped) { /* whatever follows is not wanted */
        webhook_cancel(j->robot_home->webhook, c);
    }
}

static void read_answer(struct robot_job *j)
{
    if (read_form(j) && robot_answer_end(&j->answer)) {
        report(j, true, "");
        over(j, &(struct robot_end){.stored = true});
    } else {
        fail(j, ERR_SERVER_ERROR, answer_is(j, j->answer.why), NULL);
    }
}

/* A status that says "not so" is a sign of life, unlike one that says "later". */
static void refused(struct robot_job *j)
{
    int status = j->call.status;
    bool alive = status < 500 && status != 408 && status != 429;
    const char *why = alive ? "the robot refused" : "the robot failed";
    report(j, alive, why);
    over(j, &(struct robot_end){.error = ERR_SERVER_ERROR, .why = why, .stored = true});
}

static void on_done(struct webhook_call *c)
{
    struct robot_job *j = CONTAINER_OF(c, struct robot_job, call);
    buf_deinit(&c->answer);
    if (j->lost != NULL) {
        over(j, j->lost);
    } else if (j->stopped) {
        read_answer(j);
    } else {
        switch (c->result) {
        case WEBHOOK_OK:
            if (c->status == 204) {
                report(j, true, "");
                over(j, &(struct robot_end){.stored = true, .empty = true});
            } else {
                read_answer(j);
            }
            break;
        case WEBHOOK_STATUS:
            refused(j);
            break;
        case WEBHOOK_TOO_LONG:
            fail(j, ERR_SERVER_ERROR, "the robot's answer is too long", NULL);
            break;
        case WEBHOOK_TIMEOUT:
            fail(j, ERR_CONNECTION_LOST, "the robot did not answer in time", NULL);
            break;
        case WEBHOOK_UNREACHABLE:
            fail(j, ERR_CONNECTION_LOST, "the robot cannot be reached", NULL);
            break;
        case WEBHOOK_CANCELLED: /* not by us: the port closes */
        case WEBHOOK_RESULT_COUNT:
            over(j, &(struct robot_end){.stored = true, .closing = true});
            break;
        }
    }
}

/* --- asked --- */

/* Text with its NUL; where it begins. */
static size_t keep(buf *b, span text)
{
    size_t at = b->len;
    buf_append_span(b, text);
    buf_append_byte(b, 0);
    return at;
}

static void call(struct robot_job *j, const buf *body)
{
    struct home *h = j->robot_home;
    const struct chat_robot_row *row = &j->robot->row;
    size_t url = keep(&j->kept, row->url);
    size_t ca = keep(&j->kept, span_str(h->conf->app_receiver.ca));
    size_t secret = keep(&j->kept, row->secret);
    size_t at = keep(&j->kept, buf_span(body));
    const char *kept = (const char *)j->kept.ptr;
    j->call = (struct webhook_call){.loop = h->index,
                                    .url = kept + url,
                                    .ca = kept + ca,
                                    .secret = span_of(kept + secret, row->secret.len),
                                    .body = span_of(kept + at, body->len),
                                    .id = j->row.id,
                                    .timeout_ms = h->conf->chat_robot_timeout_ms,
                                    .answer_bytes_max = h->conf->chat_robot_answer_bytes_max,
                                    .accept = ROBOT_ACCEPT,
                                    .on_part = on_part,
                                    .done = on_done};
    j->way = ROBOT_JOB_CALLING;
    if (h->webhook == NULL || !webhook_call(h->webhook, &j->call)) {
        breaker_return(&j->robot->breaker, j->pass);
        over(j, &(struct robot_end){.error = ERR_SERVER_ERROR,
                                    .why = "too many robots are being asked",
                                    .stored = true});
    }
}

static void too_late(struct deadline *d)
{
    struct robot_job *j = CONTAINER_OF(d, struct robot_job, late);
    fail(j, ERR_CONNECTION_LOST, "the robot did not answer in time", NULL);
}

static void ask_socket(struct robot_job *j, const buf *request)
{
    char topic[CHAT_TOPIC_MAX];
    struct home *h = j->robot_home;
    j->way = ROBOT_JOB_WAITING;
    j->late.fire = too_late;
    deadline_set(h, &j->late, h->conf->chat_robot_timeout_ms);
    chat_tell(h->chat, OUT_CHAT_ROBOT_REQUEST, chat_user_topic(j->robot->row.id, topic),
              buf_span(request));
}

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
        over(j, &(struct robot_end){.error = req->error});
        store_req_free(req);
        return;
    }
    robot_job_stored(j);
    if (j->lost != NULL) { /* meanwhile */
        over(j, j->lost);
        store_req_free(req);
        return;
    }
    unsigned count = context_of(req, 1, rows);
    robot_put_request(&request, &j->row, rows, count);
    store_req_free(req);
    if (j->robot->row.url.len > 0) {
        call(j, &request);
    } else {
        ask_socket(j, &request);
    }
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
    struct breaker_conf conf = breaker_conf(h);
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
        over(j, end);
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
    struct robot_job *j = find(c->at->chat->robots, c->job);
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
            over(j, &(struct robot_end){.stored = true, .closing = true});
        }
    }
}

/* --- a robot's socket answers --- */

struct piece {
    struct robot_ask ask; /* first */
    struct chat_robot_piece in;
};

static void finish(struct robot_job *j, struct piece *p)
{
    if (robot_answer_finish(&j->answer, p->in.content)) {
        report(j, true, "");
        over(j, &(struct robot_end){.stored = true, .final = &p->ask});
        return;
    }
    const char *why = answer_is(j, j->answer.why);
    robot_ask_refuse(&p->ask, ERR_INVALID_REQUEST, "content", j->answer.why);
    fail(j, ERR_SERVER_ERROR, why, NULL);
}

static void piece_at_home(struct robot_ask *a, struct robot *r)
{
    struct piece *p = CONTAINER_OF(a, struct piece, ask);
    struct robot_job *j = r == NULL ? NULL : find(r->robots, p->in.job);
    if (j == NULL || j->robot != r || j->way != ROBOT_JOB_WAITING) {
        robot_ask_refuse(a, ERR_NOT_FOUND, "jobId", "no such job is under way");
    } else if (p->in.index != j->next_index) {
        robot_ask_refuse(a, ERR_INVALID_REQUEST, "index", "is not the next one");
    } else if (p->in.error.ptr != NULL) {
        robot_ask_answer(a, ERR_NONE);
        fail(j, ERR_SERVER_ERROR, answer_is(j, "says that it failed"), NULL);
    } else if (!robot_answer_add(&j->answer, p->in.chunk)) {
        robot_ask_refuse(a, ERR_INVALID_REQUEST, "chunk", j->answer.why);
        fail(j, ERR_SERVER_ERROR, answer_is(j, j->answer.why), NULL);
    } else if (p->in.final) {
        finish(j, p);
    } else {
        j->next_index++;
        pass_on(j);
        robot_ask_answer(a, ERR_NONE);
    }
}

void chat_robot_answer(struct home *h, const struct chat_robot_piece *in,
                       const struct chat_who *who, chat_done done, void *owner)
{
    struct piece *p =
        robot_ask_new(h, sizeof *p, who->actor.id, piece_at_home, NULL, done, owner);
    p->in = *in;
    p->in.chunk = arena_dup(&p->ask.arena, in->chunk);
    p->in.content = in->content.ptr == NULL ? SPAN_NONE : arena_dup(&p->ask.arena, in->content);
    p->in.error = in->error.ptr == NULL ? SPAN_NONE : arena_dup(&p->ask.arena, in->error);
    robot_ask_start(&p->ask);
}
