#include "base/wheel.h"

/*
 * A node lies in the slot of its due tick modulo WHEEL_SLOTS. A sweep visits the slots from the
 * last swept tick up to the present one and takes what is due; nodes of a later lap of the
 * wheel, or of the rest of the present tick, stay. The present slot is therefore visited by
 * more than one sweep; current_due_ms spares those visits that would find nothing.
 */

static struct list *slot_of(struct wheel *w, int64_t tick)
{
    return &w->slots[(uint64_t)tick & (WHEEL_SLOTS - 1)];
}

void wheel_init(struct wheel *w, int64_t tick_ms, int64_t now_ms)
{
    _Static_assert((WHEEL_SLOTS & (WHEEL_SLOTS - 1)) == 0, "slots are found by masking");
    ASSERT(tick_ms > 0 && now_ms >= 0);
    w->tick_ms = tick_ms;
    w->now_tick = now_ms / tick_ms;
    w->current_due_ms = INT64_MAX;
    for (size_t i = 0; i < WHEEL_SLOTS; i++) {
        list_init(&w->slots[i]);
    }
}

void wheel_set(struct wheel *w, struct wheel_node *n, int64_t due_ms)
{
    wheel_clear(n);
    n->due_ms = due_ms;
    int64_t tick = due_ms / w->tick_ms;
    if (tick <= w->now_tick) {
        tick = w->now_tick; /* the next sweep starts here */
        w->current_due_ms = due_ms < w->current_due_ms ? due_ms : w->current_due_ms;
    }
    list_push(slot_of(w, tick), &n->link);
}

void wheel_clear(struct wheel_node *n)
{
    if (list_linked(&n->link)) {
        list_remove(&n->link);
    }
}

bool wheel_armed(const struct wheel_node *n) { return list_linked(&n->link); }

/* Moves what is due in `slot` to `due`; returns the earliest time that remains there. */
static int64_t sweep_slot(struct list *slot, int64_t now_ms, struct list *due)
{
    int64_t earliest_ms = INT64_MAX;
    LIST_EACH(link, slot) {
        int64_t due_ms = LIST_ITEM(link, struct wheel_node, link)->due_ms;
        if (due_ms <= now_ms) {
            list_remove(link);
            list_push(due, link);
        } else if (due_ms < earliest_ms) {
            earliest_ms = due_ms;
        }
    }
    return earliest_ms;
}

unsigned wheel_advance(struct wheel *w, int64_t now_ms, void (*fire)(struct wheel_node *, void *),
                       void *arg)
{
    int64_t from = w->now_tick;
    int64_t to = now_ms / w->tick_ms;
    if (to <= from) {
        if (now_ms < w->current_due_ms) {
            return 0;
        }
        to = from;
    } else if (to - from >= WHEEL_SLOTS) {
        from = to - (WHEEL_SLOTS - 1); /* a whole lap: each slot once */
    }
    struct list due;
    list_init(&due);
    int64_t remaining_ms = INT64_MAX;
    for (int64_t tick = from; tick <= to; tick++) {
        remaining_ms = sweep_slot(slot_of(w, tick), now_ms, &due);
    }
    w->now_tick = to;
    w->current_due_ms = remaining_ms;

    unsigned fired = 0;
    while (!list_empty(&due)) {
        struct list *link = due.next;
        list_remove(link);
        fired++;
        fire(LIST_ITEM(link, struct wheel_node, link), arg);
    }
    return fired;
}
