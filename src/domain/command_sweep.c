/*
 * Commands whose time has come while nobody had them in memory: queued ones of devices that stay
 * away, and what an earlier process left. Home 0 looks for their devices and has each loaded, which
 * ends what is due (command_run.c); a device that is in memory keeps its own time for all but what
 * is queued, so nothing is found twice but that. Costs one look into an index of what is open.
 */
#include "domain/command_internal.h"

#include "base/mem.h"

#define SWEEP_MS 5000    /* what is late by that is not missed */
#define FIRST_MS 1000    /* after the start */
#define MORE_MS 200      /* between batches: others come first */
#define DEVICES_MAX 500  /* of a batch */

struct command_sweep {
    struct home *home;
    struct deadline next;
};

static void at_home_due(struct ask *a, struct device *d)
{
    if (d->commands != NULL) {
        LIST_EACH(it, &d->commands->open) {
            struct command *c = LIST_ITEM(it, struct command, link);
            command_look(c);
            command_settle(c);
        }
    }
    ask_answer(a, ERR_NONE);
}

static void found(struct store_req *req)
{
    struct command_sweep *s = req->owner;
    unsigned rows = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    for (unsigned i = 0; i < rows; i++) {
        uuid id;
        if (uuid_parse(store_text(store_cell(req, 0, i, 0)), &id)) {
            ask_start(ask_new(s->home, sizeof(struct ask), id, at_home_due, NULL, NULL));
        }
    }
    store_req_free(req);
    deadline_set(s->home, &s->next, rows == DEVICES_MAX ? MORE_MS : SWEEP_MS);
}

static void look(struct deadline *dl)
{
    struct command_sweep *s = CONTAINER_OF(dl, struct command_sweep, next);
    if (s->home->journal == NULL) {
        return; /* a command beside no server */
    }
    struct store_req *req = store_req_new(s->home->index, 1, found, s);
    store_step_init(req, 0, QUERY_COMMAND_LIST_DUE, 1);
    store_set_int(req, 0, 0, 0, clock_wall_ms(s->home->clock));
    store_set_int(req, 0, 0, 1, DEVICES_MAX);
    req_submit(s->home, req);
}

void commands_start(struct fleet *f)
{
    behind_init(&f->commands, f->home, &command_writing, "commands", f);
    if (f->home->index == 0) {
        f->sweep = mem_calloc(1, sizeof *f->sweep);
        f->sweep->home = f->home;
        f->sweep->next.fire = look;
        deadline_set(f->home, &f->sweep->next, FIRST_MS);
    }
}

void commands_stop(struct fleet *f)
{
    behind_deinit(&f->commands);
    if (f->sweep != NULL) {
        deadline_clear(&f->sweep->next);
        mem_free(f->sweep);
        f->sweep = NULL;
    }
}

void command_counts(const struct home *h, uint64_t counts[PHASE_COUNT])
{
    for (unsigned p = 0; p < PHASE_COUNT; p++) {
        counts[p] += atomic_load_explicit(&h->fleet->commands_ended[p], memory_order_relaxed);
    }
}
