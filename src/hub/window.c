/*
 * The flush window: whether messages of topics wait at the end of a turn for those of the next
 * ones. It is tried when much is published to many, and kept while it saves writes: a member that
 * had something waiting already when the next turn brought it more is a write saved.
 */
#include "hub/internal.h"

/* Fewer messages and writes than these are not delayed: there is little to save. */
#define PUBLISHED_PER_S 2000u
#define WRITES_PER_S 20000u
/* How often that is judged while nothing waits. */
#define PERIOD_NS 10000000u
/* A try is judged after so many windows; it goes on while one write is saved for two made. */
#define TRY_WINDOWS 4u
/* One that saves less is not repeated for so long, doubled each time: a try delays what it
 * holds. */
#define PAUSE_NS_MIN 100000000u
#define PAUSE_NS_MAX 6400000000u

#define NS_PER_S 1000000000u

static bool often(uint64_t count, unsigned per_s, uint64_t period_ns)
{
    return count >= period_ns / (NS_PER_S / per_s);
}

static void judge(struct window *w, uint64_t now_ns, uint64_t period_ns)
{
    bool busy = often(w->published, PUBLISHED_PER_S, period_ns) &&
                often(w->writes + w->saved, WRITES_PER_S, period_ns);
    if (!w->on) {
        w->on = busy && now_ns >= w->again_ns;
    } else if (!busy) {
        w->on = false;
    } else if (w->saved >= w->writes / 2) {
        w->pause_ns = 0;
    } else {
        uint64_t longer_ns = w->pause_ns == 0 ? PAUSE_NS_MIN : w->pause_ns * 2;
        w->pause_ns = longer_ns > PAUSE_NS_MAX ? PAUSE_NS_MAX : longer_ns;
        w->again_ns = now_ns + w->pause_ns;
        w->on = false;
    }
    w->period_ns = now_ns;
    w->published = 0;
    w->writes = 0;
    w->saved = 0;
}

void window_judge(struct window *w, uint64_t now_ns, uint64_t window_ns)
{
    if (window_ns == 0) {
        *w = (struct window){.on = false};
        return;
    }
    uint64_t period_ns = now_ns - w->period_ns;
    if (period_ns >= (w->on ? TRY_WINDOWS * window_ns : PERIOD_NS)) {
        judge(w, now_ns, period_ns);
    }
}
