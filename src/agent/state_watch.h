/* When the state of the host is to be told: when it changed, and every hour. One thread. */
#ifndef SB_AGENT_STATE_WATCH_H
#define SB_AGENT_STATE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/host_types.h"

#define STATE_WATCH_MS 3600000 /* CONTRACT 6: hourly without change */

struct state_watch {
    bool told;
    int64_t told_ms; /* monotonic */
    struct host_state last;
};

/* Begins with nothing told: the first state is due. */
void state_watch_init(struct state_watch *w);
/* Is `now` due? Uptime, counters and processes are no change. */
bool state_watch_due(const struct state_watch *w, int64_t mono_ms, const struct host_state *now);
/* It has been told (sent; a lost connection forgets it again). */
void state_watch_told(struct state_watch *w, int64_t mono_ms, const struct host_state *now);
/* The next one is due whatever it is: a new connection, or a refusal. */
void state_watch_forget(struct state_watch *w);

#endif
