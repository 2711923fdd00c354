/* Escalations: what they are and what becomes of them. */
#include "domain/chat_desk.h"
#include "domain/chat_desk_internal.h"

#include "shape/chat.h"
#include "shape/chat_desk.h"

#define RETURN_REASON "its guests were left alone"

const struct chat_who chat_server = {.kind = PRINCIPAL_SERVICE, .type = CHAT_SUPERVISOR,
                                     .monitors = true};

enum desk_what {
    DESK_TAKE = CHAT_TAKE,
    DESK_RELEASE = CHAT_RELEASE,
    DESK_ASSIGN = CHAT_ASSIGN,
    DESK_CONCLUDE = CHAT_CONCLUDE,
    DESK_CREATE,
    DESK_RISE,
    DESK_RETURN,
};

struct desk_op {
    struct chat_turn turn; /* first */
    enum desk_what what;
    uuid id;
    span reason;
    int target;
    struct chat_desk_change in;
    struct chat_escalation_row row; /* as it will be; its spans in the ask's arena */
    bool made;                      /* a new row */
    const char *action;             /* of the audit log */
    bool joins;                     /* who gets it was not in the room: */
    struct chat_member_of member;   /* what is stored; no name, in no map */
    struct chat_principal newcomer;
};

bool chat_desk_has(const struct chat_who *who)
{
    return who->type != CHAT_GUEST && who->kind != PRINCIPAL_ROBOT;
}

/* --- answers --- */

static struct store_req *answer_as_it_is(struct desk_op *o)
{
    escalation_result(&o->turn.ask, &o->row);
    chat_answer(&o->turn.ask, ERR_NONE);
    return NULL;
}

static struct store_req *refuse(struct desk_op *o, err error, const char *why)
{
    chat_refuse(&o->turn.ask, error, NULL, why);
    return NULL;
}

/* --- deciding: each leaves o->row as it will be, and says what to note; or NULL, answered --- */

static int64_t now_ms(const struct chat_room *r) { return clock_wall_ms(r->chat->home->clock); }

static void level_set(struct desk_op *o, const struct chat_room *r, enum chat_tier level)
{
    o->row.level = level;
    o->row.due_ms = level == CHAT_MANAGER
                        ? 0
                        : now_ms(r) + r->chat->home->conf->chat_tier_ms[level];
}

static void begin_new(struct desk_op *o, const struct chat_room *r, span reason, int target)
{
    o->made = true;
    o->row = (struct chat_escalation_row){.id = home_new_id(r->chat->home),
                                          .room = r->id,
                                          .reason = reason,
                                          .outcome = -1,
                                          .created_by = o->turn.ask.who.actor.id,
                                          .created_ms = now_ms(r),
                                          .version = 1};
    level_set(o, r, target < 0 ? CHAT_T1 : (enum chat_tier)target);
    o->turn.ask.result.created = true;
}

static const char *decide_create(struct desk_op *o, const struct chat_room *r, bool open)
{
    if (!open) {
        begin_new(o, r, o->reason, o->target);
        return "chat.escalation.create";
    }
    if (o->target <= (int)o->row.level) {
        (void)answer_as_it_is(o);
        return NULL;
    }
    level_set(o, r, (enum chat_tier)o->target);
    return "chat.escalation.raise";
}

static const char *decide_rise(struct desk_op *o, const struct chat_room *r)
{
    if (o->row.status == CHAT_CONCLUDED || o->row.due_ms == 0 || o->row.due_ms > now_ms(r)) {
        (void)answer_as_it_is(o);
        return NULL;
    }
    level_set(o, r, o->row.level + 1);
    return "chat.escalation.rise";
}

static const char *decide_return(struct desk_op *o, const struct chat_room *r, bool open)
{
    if (!r->alone || (open && o->row.status == CHAT_WAITING)) {
        chat_answer(&o->turn.ask, ERR_NONE);
        return NULL;
    }
    if (open) {
        o->row.status = CHAT_WAITING;
        o->row.assigned_to = UUID_NIL;
    } else {
        begin_new(o, r, SPAN(RETURN_REASON), CHAT_T1);
    }
    return "chat.escalation.return";
}

static const char *give(struct desk_op *o, const struct chat_room *r, uuid to, const char *action)
{
    if (o->row.status == CHAT_TAKEN && uuid_eq(o->row.assigned_to, to)) {
        (void)answer_as_it_is(o);
        return NULL;
    }
    if (o->row.status == CHAT_TAKEN && o->what == DESK_TAKE) {
        (void)refuse(o, ERR_CONFLICT, "somebody else has taken it");
        return NULL;
    }
    o->row.status = CHAT_TAKEN;
    o->row.assigned_to = to;
    o->row.taken_ms = now_ms(r);
    return action;
}

/* What only who has it may do, or who monitors. */
static bool holds(struct desk_op *o)
{
    const struct chat_who *who = &o->turn.ask.who;
    if (who->monitors || (o->row.status == CHAT_TAKEN &&
                          uuid_eq(o->row.assigned_to, who->actor.id))) {
        return true;
    }
    (void)refuse(o, ERR_PERMISSION_DENIED, "who has taken it, or a supervisor, does that");
    return false;
}

static const char *decide_release(struct desk_op *o)
{
    if (o->row.status == CHAT_WAITING) {
        (void)answer_as_it_is(o);
        return NULL;
    }
    if (!holds(o)) {
        return NULL;
    }
    o->row.status = CHAT_WAITING;
    o->row.assigned_to = UUID_NIL;
    return "chat.escalation.release";
}

static const char *decide_conclude(struct desk_op *o, const struct chat_room *r)
{
    if (!holds(o)) {
        return NULL;
    }
    o->row.status = CHAT_CONCLUDED;
    o->row.outcome = o->in.outcome;
    o->row.due_ms = 0;
    o->row.concluded_ms = now_ms(r);
    return "chat.escalation.conclude";
}

static const char *decide_act(struct desk_op *o, const struct chat_room *r)
{
    const struct chat_who *who = &o->turn.ask.who;
    if (o->in.version != 0 && o->in.version != o->row.version) {
        (void)refuse(o, ERR_PRECONDITION_FAILED, NULL);
        return NULL;
    }
    if (o->row.status == CHAT_CONCLUDED) {
        if (o->what == DESK_CONCLUDE && o->in.outcome == o->row.outcome) {
            (void)answer_as_it_is(o);
        } else {
            (void)refuse(o, ERR_CONFLICT, "it is concluded");
        }
        return NULL;
    }
    switch (o->in.act) {
    case CHAT_TAKE:
        return give(o, r, who->actor.id, "chat.escalation.take");
    case CHAT_RELEASE:
        return decide_release(o);
    case CHAT_ASSIGN:
        if (!who->monitors) {
            (void)refuse(o, ERR_PERMISSION_DENIED, "supervisors assign");
            return NULL;
        }
        return give(o, r, o->in.assignee, "chat.escalation.assign");
    case CHAT_CONCLUDE:
        return decide_conclude(o, r);
    }
    return NULL;
}

/* --- who comes in with it --- */

static bool gives(const struct desk_op *o)
{
    return o->what == DESK_TAKE || o->what == DESK_ASSIGN;
}

static uuid receiver_of(const struct desk_op *o)
{
    return o->what == DESK_ASSIGN ? o->in.assignee : o->turn.ask.who.actor.id;
}

enum { SEE_ROW, SEE_PRINCIPAL, SEE_BAN };

/* False, and answered: that one cannot. */
static bool newcomer_ok(struct desk_op *o, const struct chat_room *r, const struct store_req *seen)
{
    struct chat_principal *who = &o->newcomer;
    bool there = chat_principal_row(seen, SEE_PRINCIPAL, receiver_of(o), who);
    if (!there || who->type == CHAT_GUEST || who->kind == PRINCIPAL_ROBOT) {
        chat_refuse(&o->turn.ask, ERR_INVALID_REQUEST, "userId", "must be somebody of the desk");
        return false;
    }
    o->joins = chat_member((struct chat_room *)(uintptr_t)r, who->id) == NULL;
    if (o->joins && seen->steps[SEE_BAN].row_count > 0) {
        (void)refuse(o, ERR_CONFLICT, "who is banned from the room cannot have it");
        return false;
    }
    who->name = chat_copy(&o->turn.ask, who->name);
    o->member = (struct chat_member_of){.principal = who->id,
                                        .type = who->type,
                                        .kind = who->kind,
                                        .read_seq = 0,
                                        .joined_ms = now_ms(r)};
    return true;
}

static void join_steps(struct desk_op *o, struct chat_room *r, struct store_req *req, unsigned step)
{
    char topic[CHAT_TOPIC_MAX];
    buf data = {0};
    store_step_init(req, step, QUERY_CHAT_MEMBER_INSERT, 1);
    chat_set_member(req, step, 0, r, &o->member);
    chat_put_joined(&data, &(struct chat_joined_shape){.room = r->id,
                                                       .user = o->member.principal,
                                                       .type = o->member.type});
    chat_event_step(r->chat, req, step + 1, EVENT_CHAT_ROOM_JOINED, chat_room_topic(r->id, topic),
                    buf_span(&data), NULL);
    buf_deinit(&data);
}

/* --- writing --- */

static bool staff_told(const struct desk_op *o)
{
    return o->what == DESK_RISE || o->what == DESK_RETURN;
}

static void event_step(struct desk_op *o, struct chat_room *r, struct store_req *req, unsigned step)
{
    buf data = {0};
    chat_put_escalation(&data, &o->row);
    chat_event_step(r->chat, req, step,
                    o->made ? EVENT_CHAT_ESCALATION_CREATED : EVENT_CHAT_ESCALATION_UPDATED,
                    SPAN(CHAT_DESK_TOPIC), buf_span(&data), &o->turn.ask.origin);
    buf_deinit(&data);
}

static void audit(struct desk_op *o, struct chat_room *r, struct store_req *req, unsigned step)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(o->row.id, id);
    audit_step(r->chat->home, req, step,
               &(struct audit_entry){.who = &o->turn.ask.who.actor,
                                     .action = o->action,
                                     .target_kind = "chat_escalation",
                                     .target = span_of(id, UUID_TEXT_LEN)});
}

static void staff_step(struct desk_op *o, struct chat_room *r, struct store_req *req, unsigned step)
{
    bool back = o->what == DESK_RETURN;
    chat_notice_step(r->chat, req, step, SPAN(CHAT_STAFF_TOPIC),
                     &(struct chat_notice){
                         .level = CHAT_WARNING,
                         .code = back ? "room_waits" : "escalation_raised",
                         .message = back ? "guests were left alone; their room waits for somebody"
                                         : "nobody has concluded an escalation in time",
                         .room = r->id});
}

static struct store_req *desk_act(struct chat_turn *t, struct chat_room *r,
                                  const struct store_req *seen)
{
    struct desk_op *o = (struct desk_op *)t;
    bool open = seen->steps[SEE_ROW].row_count > 0;
    if (open) {
        escalation_read(store_cell(seen, SEE_ROW, 0, 0), &o->row);
        o->row.reason = chat_copy(&t->ask, o->row.reason);
    } else if (o->what != DESK_CREATE && o->what != DESK_RETURN) {
        return refuse(o, ERR_NOT_FOUND, NULL);
    }
    o->action = o->what == DESK_CREATE   ? decide_create(o, r, open)
                : o->what == DESK_RISE   ? decide_rise(o, r)
                : o->what == DESK_RETURN ? decide_return(o, r, open)
                                         : decide_act(o, r);
    if (o->action == NULL || (gives(o) && !newcomer_ok(o, r, seen))) {
        return NULL;
    }
    bool staff = staff_told(o);
    bool taken = gives(o) && !uuid_is_nil(r->owner_robot);
    unsigned steps = 3 + (o->joins ? 2 : 0) + (staff ? 1 : 0);
    struct store_req *req = store_req_new(
        r->chat->home->index, steps + (taken ? CHAT_ROBOT_TAKE_STEPS : 0), NULL, NULL);
    if (o->made) {
        escalation_insert_step(req, &o->row);
    } else {
        o->row.version++;
        escalation_update_step(req, &o->row);
    }
    audit(o, r, req, 1);
    event_step(o, r, req, 2);
    if (o->joins) {
        join_steps(o, r, req, 3);
    }
    if (staff) {
        staff_step(o, r, req, 3);
    }
    if (taken) {
        chat_robot_take_steps(r, req, steps);
    }
    return req;
}

static void desk_done(struct chat_turn *t, struct chat_room *r, struct store_req *req)
{
    struct desk_op *o = (struct desk_op *)t;
    if (o->joins) {
        struct chat_member_of *m = chat_member_put(r, &o->newcomer);
        m->joined_ms = o->member.joined_ms;
    }
    chat_publish(r->chat, r, req);
    escalation_result(&t->ask, &o->row);
    chat_answer(&t->ask, ERR_NONE);
    if (o->joins) {
        chat_spread_in(r, o->newcomer.id);
    }
    if (gives(o)) { /* a robot that has the room has it no longer */
        chat_robot_released(r, o->row.assigned_to);
    }
}

static struct store_req *desk_look(struct chat_turn *t, struct chat_room *r)
{
    struct desk_op *o = (struct desk_op *)t;
    bool by_room = o->what == DESK_CREATE || o->what == DESK_RETURN;
    struct store_req *req = store_req_new(r->chat->home->index, gives(o) ? 3 : 1, NULL, NULL);
    store_step_init(req, SEE_ROW,
                    by_room ? QUERY_CHAT_ESCALATION_OPEN : QUERY_CHAT_ESCALATION_GET, 1);
    chat_set_uuid(req, SEE_ROW, 0, 0, by_room ? r->id : o->id);
    if (gives(o)) {
        uuid who = receiver_of(o);
        chat_principals_step(req, SEE_PRINCIPAL, &who, 1);
        store_step_init(req, SEE_BAN, QUERY_CHAT_BAN_HOLDS, 1);
        chat_set_uuid(req, SEE_BAN, 0, 0, r->id);
        chat_set_uuid(req, SEE_BAN, 0, 1, who);
        store_set_int(req, SEE_BAN, 0, 2, now_ms(r));
    }
    return req;
}

/* --- asking --- */

static void at_home_change(struct chat_ask *a, struct chat_room *r)
{
    if (r == NULL) {
        chat_answer(a, ERR_NOT_FOUND);
    } else {
        chat_turn_run((struct chat_turn *)a, r);
    }
}

static void at_home_create(struct chat_ask *a, struct chat_room *r)
{
    struct chat_member_of *m;
    if (!chat_sees(a, r, &m)) {
        return;
    }
    if (!chat_desk_has(&a->who)) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "guests and robots do not escalate");
    } else if (r->type == CHAT_DIRECT) {
        chat_refuse(a, ERR_CONFLICT, NULL, "a direct room is of two");
    } else {
        chat_turn_run((struct chat_turn *)a, r);
    }
}

static struct desk_op *op_new(struct home *h, uuid room, enum desk_what what,
                              void (*at_home)(struct chat_ask *, struct chat_room *),
                              const struct chat_who *who, const struct chat_origin *origin,
                              chat_done done, void *owner)
{
    struct desk_op *o =
        chat_ask_new(h, sizeof *o, room, at_home, who, origin, done, owner);
    o->turn.look = desk_look;
    o->turn.act = desk_act;
    o->turn.done = desk_done;
    o->what = what;
    return o;
}

void chat_escalate(struct home *h, uuid room, span reason, int target, const struct chat_who *who,
                   const struct chat_origin *origin, chat_done done, void *owner)
{
    struct desk_op *o = op_new(h, room, DESK_CREATE, at_home_create, who, origin, done, owner);
    o->reason = chat_copy(&o->turn.ask, reason);
    o->target = target;
    chat_ask_start(&o->turn.ask);
}

void chat_escalation_rise(struct home *h, uuid room, uuid id, chat_done done, void *owner)
{
    struct desk_op *o =
        op_new(h, room, DESK_RISE, at_home_change, &chat_server, NULL, done, owner);
    o->id = id;
    chat_ask_start(&o->turn.ask);
}

void chat_escalation_return(struct home *h, uuid room, chat_done done, void *owner)
{
    struct desk_op *o =
        op_new(h, room, DESK_RETURN, at_home_change, &chat_server, NULL, done, owner);
    chat_ask_start(&o->turn.ask);
}

void chat_escalation_change(struct home *h, uuid id, const struct chat_desk_change *in,
                            const struct chat_who *who, chat_done done, void *owner)
{
    struct desk_op *o = op_new(h, UUID_NIL, (enum desk_what)in->act, at_home_change, who, NULL,
                               done, owner);
    o->id = id;
    o->in = *in;
    escalation_find(h, o->id, &o->turn.ask);
}

