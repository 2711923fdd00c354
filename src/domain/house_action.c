/*
 * Actions. Of an entity with a device each is a command, recorded and followed like any other
 * (command.h), and what the device answers of a state moves the entity on its own way
 * (device_watch.c), whether anybody waits for it or not. Of others the known ones set the state.
 * The audit log has it before it is done.
 */
#include "domain/house_internal.h"

#include "domain/command.h"

#include "base/mem.h"
#include "shape/scene.h"

/* --- a deed --- */

static void fail(struct house_deed *d, err error, const char *member, const char *why)
{
    d->error = error;
    d->member = member;
    d->why = why;
    d->done(d);
}

static void take_result(struct house_deed *d, const struct command_result *r)
{
    if (r->json.len > 0) {
        d->command = arena_dup(d->arena, r->json);
    }
    if (r->error != ERR_NONE) {
        fail(d, r->error, NULL, r->why);
    } else if (command_status_of(r->phase) == COMMAND_FAILED) {
        d->reason = r->reason;
        fail(d, ERR_COMMAND_EXECUTION_FAILED, NULL, NULL);
    } else {
        d->done(d);
    }
}

/* A deed that waits for its device. */
struct follow {
    struct list link; /* in house.follows, until the domain of commands has answered */
    struct house_deed *deed; /* NULL: done already */
};

static void on_waited(void *owner, const struct command_result *r)
{
    struct follow *f = owner;
    struct house_deed *d = f->deed;
    list_remove(&f->link);
    mem_free(f);
    if (d == NULL) {
        return;
    }
    if (r->error == ERR_NONE) {
        take_result(d, r);
    } else {
        d->done(d); /* it is recorded: that is what we know of it */
    }
}

static void on_sent(void *owner, const struct command_result *r)
{
    struct house_deed *d = owner;
    struct house *s = d->house;
    if (r->error != ERR_NONE || d->wait_ms == 0 || s->hurries ||
        command_status_of(r->phase) != COMMAND_PENDING) {
        take_result(d, r);
        return;
    }
    d->command = arena_dup(d->arena, r->json);
    struct follow *f = mem_calloc(1, sizeof *f);
    f->deed = d;
    list_init(&f->link);
    list_push(&s->follows, &f->link);
    command_wait(s->home, d->device, r->id, d->wait_ms, on_waited, f);
}

static void send(struct house_deed *d)
{
    const struct entity *e = d->entity;
    span parameters = action_parameters(d->parameters, e->entity_id, e->capability, d->arena);
    if (parameters.len > HOUSE_PARAMETERS_MAX) {
        fail(d, ERR_INVALID_REQUEST, "parameters", "must be up to 16384 bytes with what we add");
        return;
    }
    d->device = e->device;
    command_send(d->house->home,
                 &(struct command_draft){
                     .device = e->device, .command = d->action, .parameters = parameters},
                 d->who, on_sent, d);
}

static void on_written(struct house_wait *w, err error)
{
    struct house_deed *d = CONTAINER_OF(w, struct house_deed, wait);
    d->error = error;
    d->done(d);
}

/* ptr NULL: the action is none that an entity without a device has. */
static span next_state(const struct entity *e, span action)
{
    if (span_eq(action, SPAN("turn_on"))) {
        return SPAN("on");
    }
    if (span_eq(action, SPAN("turn_off"))) {
        return SPAN("off");
    }
    if (span_eq(action, SPAN("toggle"))) {
        return span_eq(entity_shown(e), SPAN("on")) ? SPAN("off") : SPAN("on");
    }
    return SPAN_NONE;
}

static void set(struct house_deed *d)
{
    struct entity *e = d->entity;
    struct shape_ctx ctx = {.arena = d->arena};
    span state = next_state(e, d->action), attributes = SPAN_NONE;
    bool set_state = span_eq(d->action, SPAN("set_state"));
    if (set_state && !action_state_read(d->parameters, &ctx, &state, &attributes)) {
        fail(d, ERR_INVALID_REQUEST, "parameters", ctx.why);
        return;
    }
    if (state.ptr == NULL) {
        fail(d, ERR_INVALID_REQUEST, "action",
             "must be turn_on, turn_off, toggle or set_state: the entity has no device");
        return;
    }
    if (house_write_full(d->house)) {
        fail(d, ERR_RATE_LIMIT_EXCEEDED, NULL, NULL);
        return;
    }
    (void)entity_move(d->house, e, state, attributes.len > 0 ? attributes : SPAN_NONE, 0,
                      d->who->id);
    entity_set_available(d->house, e, true); /* its device may be gone: now people say it */
    d->wait.ready = on_written;
    list_init(&d->wait.link);
    house_written(d->house, e, &d->wait);
}

void house_deed_start(struct house_deed *d)
{
    if (d->entity->gone) {
        fail(d, ERR_NOT_FOUND, NULL, NULL);
    } else if (d->entity->backing != NULL) {
        send(d);
    } else {
        set(d);
    }
}

/* --- the process --- */

struct hurry {
    struct mail mail;
    struct house *house;
};

static void hurry_arrives(struct mail *m)
{
    struct house *s = CONTAINER_OF(m, struct hurry, mail)->house;
    mem_free(CONTAINER_OF(m, struct hurry, mail));
    s->hurries = true;
    LIST_EACH(it, &s->follows) {
        struct follow *f = LIST_ITEM(it, struct follow, link);
        struct house_deed *d = f->deed;
        f->deed = NULL;
        if (d != NULL) {
            d->done(d);
        }
    }
}

void house_hurry(struct home *h)
{
    struct hurry *x = mem_calloc(1, sizeof *x);
    x->mail.run = hurry_arrives;
    x->house = house_of(h);
    post_mail(h->post, HOUSE_HOME, &x->mail);
}

void house_deeds_start(struct house *s) { list_init(&s->follows); }

void house_deeds_free(struct house *s)
{
    while (!list_empty(&s->follows)) {
        struct follow *f = LIST_ITEM(s->follows.next, struct follow, link);
        list_remove(&f->link);
        mem_free(f);
    }
}

/* --- asked by somebody --- */

struct act {
    struct house_ask ask;
    span entity_id;
    struct house_deed deed;
};

static void deed_done(struct house_deed *d)
{
    struct act *x = CONTAINER_OF(d, struct act, deed);
    struct house_ask *a = &x->ask;
    buf json = {0};
    if (d->error == ERR_NONE || d->error == ERR_COMMAND_EXECUTION_FAILED) {
        action_put_result(&json, d->entity->entity_id, d->action, d->reason, d->command);
        a->result.json = arena_dup(&a->arena, buf_span(&json));
        buf_deinit(&json);
    }
    entity_release(a->house, d->entity);
    house_refuse(a, d->error, d->member, d->why);
}

static void audited(void *owner) { house_deed_start(&((struct act *)owner)->deed); }

static void at_home_act(struct house_ask *a)
{
    struct act *x = (struct act *)a;
    struct house_deed *d = &x->deed;
    d->house = a->house;
    d->entity = house_entity_for(a, x->entity_id);
    if (d->entity == NULL) {
        return;
    }
    entity_hold(d->entity);
    audit_note(a->house->home,
               &(struct audit_entry){.who = &a->who.actor,
                                     .action = "entity.action",
                                     .target_kind = "entity",
                                     .target = d->entity->entity_id},
               audited, a);
}

void house_act(struct home *h, const struct house_action *in, const struct house_who *who,
               house_done done, void *owner)
{
    struct act *x = house_ask_new(h, sizeof *x, at_home_act, who, done, owner);
    struct house_deed *d = &x->deed;
    x->entity_id = house_copy(&x->ask, in->entity_id);
    d->action = house_copy(&x->ask, in->action);
    d->parameters = house_copy(&x->ask, in->parameters);
    d->wait_ms = in->wait_ms;
    d->who = &x->ask.who.actor;
    d->arena = &x->ask.arena;
    d->done = deed_done;
    house_ask_start(&x->ask);
}
