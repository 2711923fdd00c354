/*
 * Rooms that a robot owns (settings.robotId of a support room): what guests say there becomes jobs
 * without being asked for, one at a time, until a person takes over.
 */
#include "domain/chat_outgoing.h"
#include "domain/chat_robot_internal.h"

#include "base/mem.h"

#define RETRY_MS 1000

/* The word of a take-over, on its way to the store. */
struct robot_release {
    struct list link; /* in robots->releases */
    struct chat_room *room; /* held */
    uuid robot, by;
    struct deadline retry;
};

static void release_free(struct robot_release *x)
{
    struct chat_room *r = x->room;
    deadline_clear(&x->retry);
    list_remove(&x->link);
    mem_free(x);
    chat_release(r);
}

void robot_releases_free(struct chat_robots *rs)
{
    LIST_EACH (it, &rs->releases) {
        release_free(LIST_ITEM(it, struct robot_release, link));
    }
}

bool chat_robot_attends(struct chat_room *r, bool *spared)
{
    bool owns = !uuid_is_nil(r->owner_robot) && chat_member(r, r->owner_robot) != NULL;
    enum robot_stand s = owns ? robot_stand(r->chat->robots, r->owner_robot) : ROBOT_AWAY;
    *spared = owns && s == ROBOT_SPARED;
    return s == ROBOT_THERE || (s == ROBOT_TRIAL && !r->alone);
}

/* --- a take-over --- */

void chat_robot_take_steps(struct chat_room *r, struct store_req *req, unsigned step)
{
    store_step_init(req, step, QUERY_ROBOT_ROOM_RELEASE, 1);
    robot_set_uuid(req, step, 0, r->id);
    robot_set_uuid(req, step, 1, r->owner_robot);
    store_step_init(req, step + 1, QUERY_ROBOT_JOBS_CANCEL, 1);
    robot_set_uuid(req, step + 1, 0, r->id);
    robot_set_uuid(req, step + 1, 1, r->owner_robot);
    store_set_int(req, step + 1, 0, 2, clock_wall_ms(r->chat->home->clock));
}

static struct chat_outgoing *word_of(struct chat_room *r, uuid robot, uuid by)
{
    buf content = {0};
    robot_put_released(&content, "ROBOT_RELEASED", robot, by,
                       "A person has taken over from the robot");
    struct chat_draft draft = {
        .type = CHAT_MESSAGE_SYSTEM, .content = buf_span(&content), .object = true};
    struct chat_outgoing *m = chat_outgoing_new(r, &draft, UUID_NIL);
    buf_deinit(&content);
    return m;
}

/* With the message that takes over, or not at all. */
static void said_with(struct chat_outgoing *m, err error, bool repeated)
{
    (void)m;
    (void)error;
    (void)repeated;
}

struct chat_outgoing *chat_robot_taken_by(struct chat_room *r,
                                          struct chat_outgoing *const *messages, unsigned count)
{
    for (unsigned i = 0; !uuid_is_nil(r->owner_robot) && i < count; i++) {
        const struct chat_member_of *m = chat_member(r, messages[i]->sender);
        if (m != NULL && m->type != CHAT_GUEST && m->kind != PRINCIPAL_ROBOT) {
            struct chat_outgoing *word = word_of(r, r->owner_robot, m->principal);
            word->done = said_with;
            return word;
        }
    }
    return NULL;
}

void chat_robot_taken(struct chat_room *r)
{
    uuid robot = r->owner_robot;
    r->owner_robot = UUID_NIL; /* from here on nothing becomes a job */
    robot_jobs_cancel(r, robot);
    chat_guests_check(r);
}

/* --- the word by itself --- */

static void post(struct robot_release *x);

static void post_again(struct deadline *d) { post(CONTAINER_OF(d, struct robot_release, retry)); }

static void posted(struct chat_outgoing *m, err error, bool repeated)
{
    struct robot_release *x = m->owner;
    struct chat_room *r = x->room;
    (void)repeated; /* it has no clientId */
    if (error == ERR_NONE || r->state != CHAT_ROOM_READY || r->deleting ||
        r->chat->robots->stopping) {
        release_free(x);
        return;
    }
    x->retry.fire = post_again;
    deadline_set(r->chat->home, &x->retry, RETRY_MS);
}

static void post(struct robot_release *x)
{
    struct chat_outgoing *m = word_of(x->room, x->robot, x->by);
    m->done = posted;
    m->owner = x;
    chat_post(m);
}

void chat_robot_released(struct chat_room *r, uuid by)
{
    if (uuid_is_nil(r->owner_robot)) {
        return;
    }
    struct robot_release *x = mem_calloc(1, sizeof *x);
    *x = (struct robot_release){.room = r, .robot = r->owner_robot, .by = by};
    chat_hold(r);
    list_push(&r->chat->robots->releases, &x->link);
    chat_robot_taken(r);
    post(x);
}

/* What is said while the robot answers is the next question; the rest is its context. */
static void ask(struct chat_room *r, const struct chat_outgoing *m)
{
    buf prompt = {0};
    robot_put_prompt(&prompt, m->draft.content, m->draft.object);
    struct robot_job *j = robot_job_owned(r);
    if (j == NULL) {
        struct chat_robot_question q = {.robot = r->owner_robot, .prompt = buf_span(&prompt)};
        robot_job_begin(robot_job_new(r, &q, m->sender, NULL, true), NULL);
    } else {
        buf_clear(&j->next_prompt);
        buf_append_span(&j->next_prompt, buf_span(&prompt));
        j->next_asker = m->sender;
    }
    buf_deinit(&prompt);
}

void chat_robot_heard(struct chat_room *r, const struct chat_outgoing *m)
{
    if (uuid_is_nil(r->owner_robot) || uuid_is_nil(m->sender) || r->chat->robots->stopping) {
        return;
    }
    const struct chat_member_of *sender = chat_member(r, m->sender);
    if (sender != NULL && sender->type == CHAT_GUEST && m->draft.type == CHAT_MESSAGE_CHAT) {
        ask(r, m);
    }
}
