/* When the state of the host is to be told. */
#include "agent/state_watch.h"

#include "agent/host_state.h"

void state_watch_init(struct state_watch *w)
{
    *w = (struct state_watch){0};
}

bool state_watch_due(const struct state_watch *w, int64_t mono_ms, const struct host_state *now)
{
    return !w->told || mono_ms - w->told_ms >= STATE_WATCH_MS || !host_state_same(&w->last, now);
}

void state_watch_told(struct state_watch *w, int64_t mono_ms, const struct host_state *now)
{
    w->told = true;
    w->told_ms = mono_ms;
    w->last = *now;
}

void state_watch_forget(struct state_watch *w)
{
    w->told = false;
}
