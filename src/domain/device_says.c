/* What devices say of the states of their capabilities, in reports and in answers to commands: to
 * the house, if it follows the device. */
#include "domain/device_watch.h"

#include "domain/fleet_internal.h"

#include "shape/device_states.h"

struct device_says {
    struct ask ask;
    uint64_t link; /* 0: not from a socket */
    struct house_say *says;
    unsigned count;
    unsigned moved;
    device_said done;
};

static void says_back(struct ask *a)
{
    struct device_says *r = (struct device_says *)a;
    r->done(a->owner, a->result.error, r->moved);
}

void device_says_done(struct device_says *r, err error, unsigned moved)
{
    r->moved = moved;
    ask_answer(&r->ask, error);
}

static void at_home_says(struct ask *a, struct device *d)
{
    struct device_says *r = (struct device_says *)a;
    const struct live *l = &d->live;
    if (d->row.status == DEVICE_DISABLED) {
        ask_answer(a, ERR_PERMISSION_DENIED);
        return;
    }
    presence_heard(d, r->link != 0 && l->on && l->loop == a->from->index && l->link == r->link);
    struct arena *arena;
    struct device_news *n = r->count == 0 ? NULL : watch_says(a->fleet, d->id, &arena);
    if (n == NULL) {
        ask_answer(a, ERR_NONE);
        return;
    }
    n->says = r->says;
    n->count = r->count;
    n->report = r;
}

static void says(struct home *h, uuid device, uint64_t link, const struct house_say *in,
                 unsigned count, device_said done, void *owner)
{
    ASSERT(count <= HOUSE_SAYS_MAX);
    struct device_says *r = ask_new(h, sizeof *r, device, at_home_says, NULL, owner);
    r->ask.at_caller = says_back;
    r->link = link;
    r->done = done;
    r->count = count;
    r->says = ARENA_ARRAY(&r->ask.arena, struct house_say, count + 1);
    for (unsigned i = 0; i < count; i++) {
        r->says[i].capability = ask_copy(&r->ask, in[i].capability);
        r->says[i].state = ask_copy(&r->ask, in[i].state);
        r->says[i].attributes = ask_copy(&r->ask, in[i].attributes);
    }
    ask_start(&r->ask);
}

void device_link_says(struct device_link *l, const struct house_say *in, unsigned count,
                      device_said done, void *owner)
{
    says(l->home, l->device, l->id, in, count, done, owner);
}

void device_says(struct home *h, uuid device, const struct house_say *in, unsigned count,
                 device_said done, void *owner)
{
    says(h, device, 0, in, count, done, owner);
}

void watch_result(struct device *d, span parameters, span result)
{
    struct arena scratch = {0}, *arena;
    struct house_say say;
    struct device_news *n = device_result_read(parameters, result, &scratch, &say)
                                ? watch_says(d->fleet, d->id, &arena)
                                : NULL;
    if (n != NULL) {
        struct house_say *kept = ARENA_NEW(arena, struct house_say);
        kept->capability = arena_dup(arena, say.capability);
        kept->state = arena_dup(arena, say.state);
        kept->attributes = say.attributes.len > 0 ? arena_dup(arena, say.attributes) : SPAN_NONE;
        n->says = kept;
        n->count = 1;
    }
    arena_reset(&scratch);
}
