/*
 * A job's robot is asked, by its webhook or over its socket. What it says is read as it comes and
 * passed on to the room's home; how that ended is noted by its breaker.
 */
#include "domain/chat_robot_internal.h"

#include <string.h>

/* How a call ended says something about the robot. */
static void report(struct robot_job *j, bool ok, const char *why)
{
    struct robot *r = j->robot;
    struct home *h = j->robot_home;
    struct breaker_conf conf = robot_breaker_conf(h);
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
    robot_run_over(j, &(struct robot_end){
                          .error = error, .why = why, .stored = true, .final = final});
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
        robot_run_over(j, &(struct robot_end){.stored = true});
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
    robot_run_over(j, &(struct robot_end){.error = ERR_SERVER_ERROR, .why = why, .stored = true});
}

static void on_done(struct webhook_call *c)
{
    struct robot_job *j = CONTAINER_OF(c, struct robot_job, call);
    buf_deinit(&c->answer);
    if (j->lost != NULL) {
        robot_run_over(j, j->lost);
    } else if (j->stopped) {
        read_answer(j);
    } else {
        switch (c->result) {
        case WEBHOOK_OK:
            if (c->status == 204) {
                report(j, true, "");
                robot_run_over(j, &(struct robot_end){.stored = true, .empty = true});
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
            robot_run_over(j, &(struct robot_end){.stored = true, .closing = true});
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
        robot_run_over(j, &(struct robot_end){.error = ERR_SERVER_ERROR,
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

void robot_call(struct robot_job *j, const buf *request)
{
    if (j->robot->row.url.len > 0) {
        call(j, request);
    } else {
        ask_socket(j, request);
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
        robot_run_over(j, &(struct robot_end){.stored = true, .final = &p->ask});
        return;
    }
    const char *why = answer_is(j, j->answer.why);
    robot_ask_refuse(&p->ask, ERR_INVALID_REQUEST, "content", j->answer.why);
    fail(j, ERR_SERVER_ERROR, why, NULL);
}

static void piece_at_home(struct robot_ask *a, struct robot *r)
{
    struct piece *p = CONTAINER_OF(a, struct piece, ask);
    struct robot_job *j = r == NULL ? NULL : robot_run_find(r->robots, p->in.job);
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
