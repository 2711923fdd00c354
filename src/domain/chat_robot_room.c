/*
 * Jobs at their room's home: who may ask, what is told of an answer as it comes, and how it ends.
 * An answer for the room is a message, committed with the end of its job; the others are told to
 * whoever asked. A store that fails is tried again: until then the job is open.
 */
#include "domain/chat_outgoing.h"
#include "domain/chat_robot_internal.h"

#include "base/mem.h"

#include <string.h>

#define TELL_MS 100  /* between chunks: a robot that says a letter at a time costs a room ten */
#define RETRY_MS 1000

/* --- made and freed --- */

struct robot_job *robot_job_new(struct chat_room *r, const struct chat_robot_question *in,
                                uuid asker, const struct chat_origin *origin, bool owned)
{
    struct home *h = r->chat->home;
    struct robot_job *j = mem_calloc(1, sizeof *j);
    j->room_home = h;
    j->robot_home = h->peers[home_of(h, in->robot)];
    j->row = (struct chat_job_row){.id = home_new_id(h),
                                   .room = r->id,
                                   .robot = in->robot,
                                   .asker = asker,
                                   .prompt = arena_dup(&j->arena, in->prompt),
                                   .visibility = in->visibility,
                                   .created_ms = clock_wall_ms(h->clock)};
    if (origin != NULL && origin->request_id.len > 0) {
        j->origin = (struct chat_origin){arena_dup(&j->arena, origin->sid),
                                         arena_dup(&j->arena, origin->request_id)};
    }
    j->owned = owned;
    j->room = r;
    j->told_ms = INT64_MIN / 2;
    chat_hold(r);
    list_push(&r->chat->robots->asked, &j->of_room);
    return j;
}

static void job_free(struct robot_job *j)
{
    struct chat_room *r = j->room;
    ASSERT(j->ask == NULL && j->final == NULL);
    deadline_clear(&j->tell);
    deadline_clear(&j->retry);
    list_remove(&j->of_room);
    buf_deinit(&j->waiting);
    buf_deinit(&j->next_prompt);
    if (j->kept.len > 0) {
        explicit_bzero(j->kept.ptr, j->kept.len); /* the secret */
    }
    buf_deinit(&j->kept);
    robot_answer_deinit(&j->answer);
    arena_reset(&j->arena);
    mem_free(j);
    chat_release(r);
}

struct robot_job *robot_job_owned(struct chat_room *r)
{
    LIST_EACH (it, &r->chat->robots->asked) {
        struct robot_job *j = LIST_ITEM(it, struct robot_job, of_room);
        if (j->room == r && j->owned && !j->cancelled) {
            return j;
        }
    }
    return NULL;
}

static unsigned jobs_of(const struct chat_room *r)
{
    unsigned n = 0;
    LIST_EACH (it, &r->chat->robots->asked) {
        n += LIST_ITEM(it, struct robot_job, of_room)->room == r;
    }
    return n;
}

static void count_end(struct robot_job *j, enum chat_job_state s)
{
    _Atomic uint64_t *n = &j->room->chat->robots->ended[s];
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* --- asked --- */

void robot_job_begin(struct robot_job *j, struct chat_ask *ask)
{
    j->ask = ask;
    robot_run_begin(j);
}

struct interact {
    struct chat_ask ask; /* first */
    struct chat_robot_question in;
};

static void interact_at_home(struct chat_ask *a, struct chat_room *r)
{
    struct interact *x = CONTAINER_OF(a, struct interact, ask);
    if (r == NULL) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return;
    }
    struct chat_member_of *asker = chat_member_for(a, r);
    if (asker == NULL) {
        return; /* answered */
    }
    struct chat_member_of *robot = chat_member(r, x->in.robot);
    if (robot == NULL || robot->kind != PRINCIPAL_ROBOT) {
        chat_refuse(a, ERR_NOT_FOUND, "robotId", "no such robot is in the room");
    } else if (asker->muted_until_ms > clock_wall_ms(r->chat->home->clock)) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "you are muted in this room");
    } else if (jobs_of(r) >= r->chat->home->conf->chat_robot_room_jobs_max) {
        a->result.retry_after_ms = RETRY_MS;
        chat_refuse(a, ERR_RATE_LIMIT_EXCEEDED, NULL,
                    "the room asks as much of its robots as it may at once");
    } else {
        struct robot_job *j = robot_job_new(r, &x->in, a->who.actor.id, &a->origin, false);
        robot_job_begin(j, a);
    }
}

void chat_robot_interact(struct home *h, uuid room, const struct chat_robot_question *in,
                         const struct chat_who *who, const struct chat_origin *origin,
                         chat_done done, void *owner)
{
    struct interact *x =
        chat_ask_new(h, sizeof *x, room, interact_at_home, who, origin, done, owner);
    x->in = *in;
    x->in.prompt = chat_copy(&x->ask, in->prompt);
    chat_ask_start(&x->ask);
}

/* --- told --- */

/* To the room, or to who asked. */
static void tell(struct robot_job *j, span chunk, bool final)
{
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    bool private = j->row.visibility == CHAT_VISIBLE_PRIVATE;
    if (private && uuid_is_nil(j->row.asker)) {
        return;
    }
    robot_put_response(&data, &j->row, j->index++, chunk, final);
    chat_tell(j->room->chat, OUT_CHAT_ROBOT_RESPONSE,
              private ? chat_user_topic(j->row.asker, topic) : chat_room_topic(j->row.room, topic),
              buf_span(&data));
    buf_deinit(&data);
}

static void tell_waiting(struct robot_job *j)
{
    if (j->waiting.len > 0) {
        tell(j, buf_span(&j->waiting), false);
        buf_clear(&j->waiting);
        j->told_ms = clock_mono_ms(j->room_home->clock);
    }
}

static void tell_late(struct deadline *d) { tell_waiting(CONTAINER_OF(d, struct robot_job, tell)); }

/* The last one says with which message it ends. */
static void tell_final(struct robot_job *j)
{
    deadline_clear(&j->tell);
    tell(j, j->answer.replaced || j->error != ERR_NONE ? SPAN("") : buf_span(&j->waiting), true);
}

struct stored_mail {
    struct mail mail;
    struct robot_job *job;
};

static void stored(struct mail *m)
{
    struct stored_mail *s = CONTAINER_OF(m, struct stored_mail, mail);
    struct robot_job *j = s->job;
    struct chat_ask *a = j->ask;
    mem_free(s);
    count_end(j, CHAT_JOB_OPEN);
    if (a != NULL) {
        char text[UUID_TEXT_LEN + 1];
        buf members = {0};
        uuid_format(j->row.id, text);
        buf_printf(&members, "\"jobId\":\"%s\"", text);
        a->result.id = j->row.id;
        a->result.room = j->row.room;
        a->result.members = arena_dup(&a->arena, buf_span(&members));
        buf_clear(&members);
        robot_put_job(&members, &j->row);
        a->result.json = arena_dup(&a->arena, buf_span(&members));
        buf_deinit(&members);
        j->ask = NULL;
        chat_answer(a, ERR_NONE);
    }
}

void robot_job_stored(struct robot_job *j)
{
    struct stored_mail *s = mem_calloc(1, sizeof *s);
    *s = (struct stored_mail){.mail.run = stored, .job = j};
    post_mail(j->robot_home->post, j->room_home->index, &s->mail);
}

struct piece_mail {
    struct mail mail;
    struct robot_job *job;
    buf text;
};

static void piece_came(struct mail *m)
{
    struct piece_mail *p = CONTAINER_OF(m, struct piece_mail, mail);
    struct robot_job *j = p->job;
    if (!j->cancelled) {
        int64_t left_ms = j->told_ms + TELL_MS - clock_mono_ms(j->room_home->clock);
        bool first = j->waiting.len == 0;
        buf_append_span(&j->waiting, buf_span(&p->text));
        if (left_ms <= 0) {
            deadline_clear(&j->tell);
            tell_waiting(j);
        } else if (first) {
            j->tell.fire = tell_late;
            deadline_set(j->room_home, &j->tell, left_ms);
        }
    }
    buf_deinit(&p->text);
    mem_free(p);
}

void robot_job_piece(struct robot_job *j, span text)
{
    struct piece_mail *p = mem_calloc(1, sizeof *p);
    *p = (struct piece_mail){.mail.run = piece_came, .job = j};
    buf_append_span(&p->text, text);
    post_mail(j->robot_home->post, j->room_home->index, &p->mail);
}

/* --- ended --- */

/* All is on disk, or nothing is to be: the robot's last piece is answered, a guest who spoke
 * meanwhile is heard, the job goes. */
static void finished(struct robot_job *j, err error)
{
    struct chat_room *r = j->room;
    struct chat_robot_question next = {.robot = j->row.robot, .prompt = buf_span(&j->next_prompt)};
    if (j->final != NULL) {
        struct robot_ask *a = j->final;
        j->final = NULL;
        a->result.id = j->row.message;
        robot_ask_answer(a, error);
    }
    bool again = j->next_prompt.len > 0 && uuid_eq(r->owner_robot, j->row.robot) &&
                 r->state == CHAT_ROOM_READY && !r->chat->robots->stopping;
    if (again) {
        robot_job_begin(robot_job_new(r, &next, j->next_asker, NULL, true), NULL);
    }
    job_free(j);
}

static void close_row(struct robot_job *j);

static void try_again(struct deadline *d)
{
    struct robot_job *j = CONTAINER_OF(d, struct robot_job, retry);
    j->retrying = false;
    close_row(j);
}

static void row_closed(struct store_req *req)
{
    struct robot_job *j = req->owner;
    err error = req->error;
    if (error == ERR_NONE) {
        chat_publish(j->room->chat, NULL, req);
    }
    store_req_free(req);
    if (error != ERR_NONE && !j->room->chat->robots->stopping) {
        j->retrying = true;
        j->retry.fire = try_again;
        deadline_set(j->room_home, &j->retry, RETRY_MS);
        return;
    }
    if (error == ERR_NONE) {
        count_end(j, j->row.state);
        tell_final(j);
    }
    finished(j, error != ERR_NONE ? error : j->error);
}

static void error_step(struct robot_job *j, struct store_req *req, unsigned step)
{
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    robot_put_error(&data, &j->row, j->code, j->why);
    chat_event_step(j->room->chat, req, step, EVENT_CHAT_ERROR,
                    chat_user_topic(j->row.asker, topic), buf_span(&data), &j->origin);
    buf_deinit(&data);
}

/* Without a message: it failed, says nothing, or is for one. */
static void close_row(struct robot_job *j)
{
    struct home *h = j->room_home;
    bool failed = j->row.state == CHAT_JOB_FAILED;
    bool told = failed && !uuid_is_nil(j->row.asker);
    struct store_req *req = store_req_new(h->index, told ? 2 : 1, row_closed, j);
    store_step_init(req, 0, QUERY_ROBOT_JOB_END, 1);
    robot_set_uuid(req, 0, 0, j->row.id);
    store_set_text(req, 0, 0, 1, failed                                ? SPAN("failed")
                                 : j->row.state == CHAT_JOB_CANCELLED ? SPAN("cancelled")
                                                                       : SPAN("done"));
    if (failed) {
        store_set_text(req, 0, 0, 2, span_str(j->why));
    } else if (j->row.state == CHAT_JOB_DONE && j->answer.final) {
        buf content = {0};
        robot_answer_content(&j->answer, &content);
        store_set_text(req, 0, 0, 4, buf_span(&content));
        buf_deinit(&content);
    }
    store_set_int(req, 0, 0, 5, clock_wall_ms(h->clock));
    if (told) {
        error_step(j, req, 1);
    }
    h->store->submit(h->store, req);
}

static void fail(struct robot_job *j, err error, const char *why)
{
    j->row.state = CHAT_JOB_FAILED;
    j->error = error;
    j->code = error == ERR_CONNECTION_LOST ? err_code(ERR_CONNECTION_LOST)
                                           : err_code(ERR_SERVER_ERROR);
    j->why = why;
    close_row(j);
}

/* --- a message --- */

static void more_of_message(struct chat_outgoing *m, struct store_req *req, unsigned first)
{
    struct robot_job *j = m->owner;
    store_step_init(req, first, QUERY_ROBOT_JOB_END, 1);
    req->steps[first].expect = STORE_SOME;
    robot_set_uuid(req, first, 0, j->row.id);
    store_set_text(req, first, 0, 1, SPAN("done"));
    robot_set_uuid(req, first, 3, m->id);
    store_set_int(req, first, 0, 5, clock_wall_ms(j->room_home->clock));
}

static void message_done(struct chat_outgoing *m, err error, bool repeated)
{
    struct robot_job *j = m->owner;
    (void)repeated; /* it has no clientId */
    if (error != ERR_NONE) {
        fail(j, ERR_SERVER_ERROR, "the answer could not be stored");
        return;
    }
    j->row.message = m->id;
    count_end(j, CHAT_JOB_DONE);
    tell_final(j);
    finished(j, ERR_NONE);
}

static void commit(struct robot_job *j)
{
    buf content = {0};
    robot_answer_content(&j->answer, &content);
    struct chat_draft draft = {.type = CHAT_MESSAGE_ROBOT,
                               .content = buf_span(&content),
                               .object = j->answer.object.len > 0,
                               .robot_job = j->row.id};
    struct chat_outgoing *m = chat_outgoing_new(j->room, &draft, j->row.robot);
    buf_deinit(&content);
    m->done = message_done;
    m->owner = j;
    m->more_steps = 1;
    m->more = more_of_message;
    chat_post(m);
}

/* Who asked, and the robot, must still be in the room. */
static bool still_there(struct robot_job *j)
{
    struct chat_room *r = j->room;
    return r->state == CHAT_ROOM_READY && !r->deleting && chat_member(r, j->row.robot) != NULL &&
           (j->row.visibility == CHAT_VISIBLE_ROOM || chat_member(r, j->row.asker) != NULL);
}

struct over_mail {
    struct mail mail;
    struct robot_job *job;
    struct robot_end end;
};

static void answered(struct robot_job *j, bool empty)
{
    if (!j->answer.replaced && j->answer.text.len > j->sent) { /* what was not told as it came */
        buf_append(&j->waiting, j->answer.text.ptr + j->sent, j->answer.text.len - j->sent);
    }
    if (empty || j->row.visibility == CHAT_VISIBLE_PRIVATE) {
        j->row.state = CHAT_JOB_DONE;
        close_row(j);
    } else {
        commit(j);
    }
}

/* It was never stored: only who asked knows of it. */
static void refused(struct robot_job *j, const struct robot_end *end)
{
    struct chat_ask *a = j->ask;
    j->ask = NULL;
    a->result.retry_after_ms = end->retry_after_ms;
    chat_refuse(a, end->error, NULL, end->why);
    job_free(j);
}

static void over(struct mail *m)
{
    struct over_mail *o = CONTAINER_OF(m, struct over_mail, mail);
    struct robot_job *j = o->job;
    struct robot_end end = o->end;
    mem_free(o);
    j->over = true;
    j->final = end.final;
    if (j->ask != NULL) {
        ASSERT(!end.stored);
        refused(j, &end);
    } else if (end.closing) {
        finished(j, ERR_SERVER_ERROR);
    } else if (j->cancelled || !still_there(j)) {
        j->row.state = CHAT_JOB_CANCELLED;
        j->error = ERR_NOT_FOUND;
        close_row(j);
    } else if (end.error != ERR_NONE) {
        fail(j, end.error, end.why);
    } else {
        answered(j, end.empty);
    }
}

void robot_job_over(struct robot_job *j, const struct robot_end *end)
{
    struct over_mail *o = mem_calloc(1, sizeof *o);
    *o = (struct over_mail){.mail.run = over, .job = j, .end = *end};
    post_mail(j->robot_home->post, j->room_home->index, &o->mail);
}

void robot_jobs_cancel(struct chat_room *r, uuid robot)
{
    LIST_EACH (it, &r->chat->robots->asked) {
        struct robot_job *j = LIST_ITEM(it, struct robot_job, of_room);
        if (j->room == r && uuid_eq(j->row.robot, robot) && !j->cancelled && !j->over) {
            j->cancelled = true;
            buf_clear(&j->waiting);
            buf_clear(&j->next_prompt);
            robot_run_cancel(j->room_home, j->robot_home, j->row.id);
        }
    }
}

void robot_jobs_stop(struct chat_robots *rs)
{
    LIST_EACH (it, &rs->asked) {
        struct robot_job *j = LIST_ITEM(it, struct robot_job, of_room);
        if (j->retrying) {
            finished(j, ERR_SERVER_ERROR);
        }
    }
}

void robot_jobs_free(struct chat_robots *rs)
{
    LIST_EACH (it, &rs->asked) {
        job_free(LIST_ITEM(it, struct robot_job, of_room));
    }
}
