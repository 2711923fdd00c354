/* Activating a scene: its items all at once, each by who may control its entity's room. */
#include "domain/house_scene.h"

#include "shape/scene.h"

struct activation {
    struct house_ask ask;
    uuid id;
    uint32_t wait_ms;
    struct part *parts;
    unsigned count;
    unsigned left; /* parts, and one while they are being started */
};

struct part {
    struct house_deed deed;
    struct activation *of;
    bool may;
};

static struct house_scene_outcome outcome_of(const struct part *p)
{
    const struct house_deed *d = &p->deed;
    struct house_scene_outcome o = {.entity_id = d->entity->entity_id,
                                    .ok = d->error == ERR_NONE,
                                    .command = d->command};
    if (!o.ok) {
        o.code = err_code(d->error);
        o.reason = d->reason;
        o.why = d->why != NULL ? d->why : err_text(d->error);
    }
    return o;
}

static void part_over(struct activation *x)
{
    struct house_ask *a = &x->ask;
    buf json = {0};
    if (--x->left > 0) {
        return;
    }
    struct house_scene_outcome *of =
        ARENA_ARRAY(&a->arena, struct house_scene_outcome, x->count + 1);
    for (unsigned i = 0; i < x->count; i++) {
        of[i] = outcome_of(&x->parts[i]);
    }
    scene_put_outcomes(&json, x->id, of, x->count);
    a->result.json = arena_dup(&a->arena, buf_span(&json));
    buf_deinit(&json);
    for (unsigned i = 0; i < x->count; i++) {
        entity_release(a->house, x->parts[i].deed.entity);
    }
    house_answer(a, ERR_NONE);
}

static void part_done(struct house_deed *d) { part_over(CONTAINER_OF(d, struct part, deed)->of); }

static void audited(void *owner)
{
    struct activation *x = owner;
    x->left = x->count + 1;
    for (unsigned i = 0; i < x->count; i++) {
        struct part *p = &x->parts[i];
        if (p->may) {
            house_deed_start(&p->deed);
        } else {
            p->deed.error = ERR_PERMISSION_DENIED;
            part_over(x);
        }
    }
    part_over(x);
}

static void take_part(struct activation *x, struct part *p, const struct scene_item *i)
{
    struct house_ask *a = &x->ask;
    const struct house_scene_item *w = &i->what;
    bool acts = w->action.len > 0;
    p->of = x;
    p->may = house_may(&a->who.may, entity_room(i->entity), entity_private(i->entity));
    p->deed = (struct house_deed){
        .house = a->house,
        .entity = i->entity,
        .action = acts ? house_copy(a, w->action) : SPAN("set_state"),
        .parameters = acts ? house_copy(a, w->parameters)
                           : action_state_parameters(w->state, w->attributes, &a->arena),
        .wait_ms = x->wait_ms,
        .who = &a->who.actor,
        .arena = &a->arena,
        .done = part_done,
    };
    entity_hold(i->entity);
}

static void at_home_activate(struct house_ask *a)
{
    struct activation *x = (struct activation *)a;
    struct scene *c = scene_find(a->house, x->id);
    char text[UUID_TEXT_LEN + 1];
    uuid_format(x->id, text);
    if (c == NULL) {
        house_answer(a, ERR_NOT_FOUND);
        return;
    }
    x->parts = ARENA_ARRAY(&a->arena, struct part, c->count + 1);
    for (unsigned i = 0; i < c->count; i++) {
        if (scene_sees(a, c->items[i].entity)) {
            take_part(x, &x->parts[x->count++], &c->items[i]);
        }
    }
    audit_note(a->house->home,
               &(struct audit_entry){.who = &a->who.actor,
                                     .action = "scene.activate",
                                     .target_kind = "scene",
                                     .target = span_of(text, UUID_TEXT_LEN)},
               audited, x);
}

void house_scene_activate(struct home *h, uuid id, uint32_t wait_ms, const struct house_who *who,
                          house_done done, void *owner)
{
    struct activation *x = house_ask_new(h, sizeof *x, at_home_activate, who, done, owner);
    x->id = id;
    x->wait_ms = wait_ms;
    house_ask_start(&x->ask);
}
