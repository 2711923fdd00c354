/*
 * The heartbeat. All sessions have the same interval and time-out, so each queue is in order of
 * its times by itself, and one timer at the earliest head serves any number of sessions: a ping
 * costs two list moves. Revision 4: the server pings and awaits a pong; 3: the client pings.
 */
#include "edge/engineio/internal.h"

/* A ping may leave early by this part of the interval, so that a loop with many sessions wakes up
 * for several at a time: 25 ms of 25 s, nothing of 300 ms. Time-outs are exact. */
#define EARLY_PART 1000
/* The time for a pong counts from when the ping was due. A loop that served it later than by this
 * part of that time owes the client the whole of it. */
#define LATE_PART 4

static uint64_t now_ms(const struct engine *g) { return (uint64_t)loop_now_ms(g->edge->loop); }

static struct eio_due *head(struct list *queue)
{
    return list_empty(queue) ? NULL : LIST_ITEM(queue->next, struct eio_due, link);
}

static struct eio *of_beat(struct eio_due *d) { return CONTAINER_OF(d, struct eio, beat); }

static void arm(struct engine *g, uint64_t at_ms)
{
    if (timer_running(&g->timer) && g->timer_ms <= at_ms) {
        return;
    }
    uint64_t now = now_ms(g);
    g->timer_ms = at_ms;
    timer_start(g->edge->loop, &g->timer, at_ms > now ? (int64_t)(at_ms - now) : 0);
}

/* Nearly always at the end: only a loop that stood still gives later ones earlier times. */
static void put(struct engine *g, struct list *queue, struct eio_due *d, uint64_t at_ms)
{
    struct list *after = queue->prev;
    while (after != queue && LIST_ITEM(after, struct eio_due, link)->at_ms > at_ms) {
        after = after->prev;
    }
    d->at_ms = at_ms;
    list_insert_after(after, &d->link);
    arm(g, at_ms);
}

void beat_put(struct engine *g, struct list *queue, struct eio_due *d, uint32_t in_ms)
{
    put(g, queue, d, now_ms(g) + in_ms);
}

/* When the deadline `d` was meant to be served, if that is not long ago. */
static uint64_t served_ms(const struct engine *g, const struct eio_due *d)
{
    uint64_t now = now_ms(g);
    return now > d->at_ms && now - d->at_ms <= g->timeout_ms / LATE_PART ? d->at_ms : now;
}

static void run_pings(struct engine *g)
{
    uint64_t until = now_ms(g) + g->ping_ms / EARLY_PART;
    struct eio_due *d;
    if (head(&g->pings) == NULL || head(&g->pings)->at_ms > now_ms(g)) {
        return;
    }
    while ((d = head(&g->pings)) != NULL && d->at_ms <= until) {
        list_remove(&d->link);
        put(g, &g->pongs, d, served_ms(g, d) + g->timeout_ms);
        struct eio *s = of_beat(d);
        if (s->app->on_ping != NULL) {
            s->app->on_ping(s);
        }
        session_control(s, EIO_PING, SPAN_NONE);
    }
}

static void run_pongs(struct engine *g)
{
    struct eio_due *d;
    while ((d = head(&g->pongs)) != NULL && d->at_ms <= now_ms(g)) {
        struct eio *s = of_beat(d);
        s->state = EIO_STATE_ENDING;
        conn_close(s->conn, CLOSE_TIMEOUT); /* which takes it out of the queue */
    }
}

static void run_rare(struct engine *g, struct list *queue,
                     void (*expired)(struct engine *g, struct eio_due *d))
{
    struct eio_due *d;
    while ((d = head(queue)) != NULL && d->at_ms <= now_ms(g)) {
        list_remove(&d->link);
        expired(g, d);
    }
}

void beat_run(struct engine *g)
{
    struct list *queues[] = {&g->pings, &g->pongs, &g->upgrades, &g->farewells, &g->holds,
                             &g->overlaps};
    run_pings(g);
    run_pongs(g);
    run_rare(g, &g->upgrades, upgrade_expired);
    run_rare(g, &g->farewells, farewell_expired);
    run_rare(g, &g->holds, websocket_release);
    run_rare(g, &g->overlaps, polling_overlap);
    for (unsigned i = 0; i < ARRAY_LEN(queues); i++) {
        if (head(queues[i]) != NULL) {
            arm(g, head(queues[i])->at_ms);
        }
    }
}

static void fire(struct timer *t) { beat_run(CONTAINER_OF(t, struct engine, timer)); }

void beat_init(struct engine *g)
{
    list_init(&g->pings);
    list_init(&g->pongs);
    list_init(&g->upgrades);
    list_init(&g->holds);
    list_init(&g->overlaps);
    g->timer.fire = fire;
    g->ping_ms = g->edge->conf->eio.ping_interval_ms;
    g->timeout_ms = g->edge->conf->eio.ping_timeout_ms;
}

void beat_deinit(struct engine *g) { timer_stop(g->edge->loop, &g->timer); }

void beat_begin(struct engine *g, struct eio *s)
{
    list_init(&s->beat.link);
    if (s->app->pings_off || g->ping_ms == 0) {
        return;
    }
    if (s->v3) {
        put(g, &g->pongs, &s->beat, now_ms(g) + g->ping_ms + g->timeout_ms);
    } else {
        put(g, &g->pings, &s->beat, now_ms(g) + g->ping_ms);
    }
}

void beat_heard(struct engine *g, struct eio *s)
{
    if (list_linked(&s->beat.link)) {
        list_remove(&s->beat.link);
        beat_begin(g, s);
    }
}

void beat_end(struct eio *s) { list_remove(&s->beat.link); }
