/* States that somebody sets: told at once, answered when they are on disk. */
#include "domain/house_internal.h"

struct setting {
    struct house_ask ask;
    struct house_state_change in; /* spans in the arena */
    struct house_wait wait;
    struct entity *entity; /* held */
    bool made_before;      /* by somebody else, while this asked for it to be made */
};

static void on_disk(struct house_wait *w, err error)
{
    struct setting *x = CONTAINER_OF(w, struct setting, wait);
    entity_release(x->ask.house, x->entity);
    house_answer(&x->ask, error);
}

/* The answer shows what is waited for, whatever comes after it. */
static void await(struct setting *x, struct entity *e)
{
    x->entity = e;
    entity_hold(e);
    house_result_entity(&x->ask, e);
    house_written(x->ask.house, e, &x->wait);
}

static void set_at_home(struct house_ask *a);

static void made(struct house_ask *a, struct entity *e)
{
    struct setting *x = (struct setting *)a;
    if (e != NULL) {
        a->result.created = true;
        await(x, e);
    } else if (a->result.error == ERR_CONFLICT && !x->made_before &&
               house_entity_find(a->house, x->in.entity_id) != NULL) {
        x->made_before = true;
        set_at_home(a);
    } else {
        house_refuse_fault(a);
    }
}

static void make(struct setting *x)
{
    entity_make(&x->ask,
                &(struct house_entity_draft){.entity_id = x->in.entity_id,
                                             .state = x->in.state,
                                             .attributes = x->in.attributes},
                made);
}

static void set_at_home(struct house_ask *a)
{
    struct setting *x = (struct setting *)a;
    struct house *s = a->house;
    if (x->in.create && house_entity_find(s, x->in.entity_id) == NULL) {
        make(x);
        return;
    }
    struct entity *e = house_entity_for(a, x->in.entity_id);
    if (e == NULL) {
        return;
    }
    if (!uuid_is_nil(e->device)) {
        house_refuse(a, ERR_CONFLICT, "entity_id", "a device says its state");
    } else if (house_write_full(s)) {
        house_answer(a, ERR_RATE_LIMIT_EXCEEDED);
    } else {
        (void)entity_move(s, e, x->in.state, x->in.attributes, 0, a->who.actor.id);
        entity_set_available(s, e, true); /* its device may be gone: now people say it */
        await(x, e);
    }
}

void house_state_set(struct home *h, const struct house_state_change *in,
                     const struct house_who *who, house_done done, void *owner)
{
    struct setting *x = house_ask_new(h, sizeof *x, set_at_home, who, done, owner);
    x->in = *in;
    x->in.entity_id = house_copy(&x->ask, in->entity_id);
    x->in.state = house_copy(&x->ask, in->state);
    x->in.attributes = house_copy(&x->ask, in->attributes);
    x->wait.ready = on_disk;
    list_init(&x->wait.link);
    house_ask_start(&x->ask);
}
