/*
 * A coarse timer wheel for many deadlines that rarely fire (idle peers, heartbeats): adding,
 * moving and removing cost O(1), precision is one tick. For 1 ms precision use the loop's heap
 * timers. One thread.
 */
#ifndef SB_BASE_WHEEL_H
#define SB_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

#define WHEEL_SLOTS 512

struct wheel_node {
    struct list link;
    int64_t due_ms;
};

struct wheel {
    int64_t tick_ms;  /* length of a slot */
    int64_t now_tick; /* last tick that was swept */
    int64_t current_due_ms; /* no node of the slot of now_tick is due before */
    struct list slots[WHEEL_SLOTS];
};

/* An empty wheel of ticks of tick_ms (at least 1), beginning at now_ms (at least 0). Owns nothing:
 * there is no deinit; nodes are the caller's. */
void wheel_init(struct wheel *w, int64_t tick_ms, int64_t now_ms);
/* (Re)arms `n` for due_ms (same clock as now_ms; past times fire on the next advance). */
void wheel_set(struct wheel *w, struct wheel_node *n, int64_t due_ms);
/* Disarms; harmless when not armed. A zeroed node is not armed. */
void wheel_clear(struct wheel_node *n);
bool wheel_armed(const struct wheel_node *n);
/* Unlinks every node due at or before now_ms, then calls fire(n, arg) for each; fire may set and
 * clear any node: one cleared or set again before its turn does not fire now. A node that fires
 * is unarmed and may be freed. The order follows the ticks, not the times within a tick. Cost:
 * the nodes of the slots that passed; nothing when the tick is the same and nothing is due. */
unsigned wheel_advance(struct wheel *w, int64_t now_ms, void (*fire)(struct wheel_node *, void *),
                       void *arg);

#endif
