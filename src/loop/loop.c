/*
 * The loop: seven phases a turn (loop.h lists them), and mail between loops. Everything here but
 * `inbox` and `stop` belongs to the loop's own thread.
 */
#include "loop/loop.h"

#include "base/mem.h"
#include "loop/mailbox.h"
#include "loop/timers.h"

#include <stdatomic.h>

/* Descriptors served a turn: enough to spread the cost of one poll, few enough that mail and
 * timers wait well under a millisecond. The rest are reported in the next turn. */
#define EVENTS_MAX_DEFAULT 1024
/* Mail run a turn; what is left runs next turn, before which the loop does not sleep. */
#define MAIL_MAX_DEFAULT 65536
/* fan-out, flush, counters, and room for more; one too many is a mistake of the composition. */
#define HOOK_COUNT_MAX 8

#define NS_PER_MS 1000000

/* Mail for one loop, newest first as the mailbox wants it. */
struct outgoing {
    struct mail *newest;
    struct mail *oldest;
};

struct loop {
    struct loop_conf conf;
    struct loop **peers;         /* borrowed, conf.count of them */
    struct poller_event *events; /* owned, conf.events_max */
    uint64_t now_ns;
    int64_t wall_ms;
    bool turning;
    bool busy;
    uint64_t wake_ns; /* the next poll ends by then; 0: no matter */
    struct heap timers;
    struct mail *pending;       /* arrived and not yet run, oldest first */
    struct mail **pending_tail; /* where the next one is linked */
    uint64_t outgoing_mask;     /* a bit for each target with outgoing mail */
    struct outgoing outgoing[LOOP_COUNT_MAX];
    struct loop_hook *hooks[HOOK_COUNT_MAX];
    unsigned hook_count;
    struct deferred *deferred; /* oldest first */
    struct deferred **deferred_tail;
    char pad[64]; /* keeps what other threads write off our cache lines */
    struct mailbox inbox;
    atomic_bool stop;
};

_Static_assert(LOOP_COUNT_MAX <= 64, "outgoing_mask has a bit for each loop");

static _Thread_local struct loop *current;

static void read_clocks(struct loop *l)
{
    l->now_ns = clock_mono_ns(l->conf.clock);
    l->wall_ms = clock_wall_ms(l->conf.clock);
}

struct loop *loop_new(const struct loop_conf *conf, struct loop **peers)
{
    ASSERT(conf->count >= 1 && conf->count <= LOOP_COUNT_MAX && conf->index < conf->count);
    ASSERT(conf->clock != NULL && conf->poller != NULL);
    struct loop *l = mem_calloc(1, sizeof *l);
    l->conf = *conf;
    if (l->conf.events_max == 0) {
        l->conf.events_max = EVENTS_MAX_DEFAULT;
    }
    if (l->conf.mail_max == 0) {
        l->conf.mail_max = MAIL_MAX_DEFAULT;
    }
    l->peers = peers;
    l->events = mem_calloc(l->conf.events_max, sizeof *l->events);
    l->pending_tail = &l->pending;
    l->deferred_tail = &l->deferred;
    read_clocks(l);
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL) {
        return;
    }
    ASSERT(!l->turning);
    l->conf.poller->free(l->conf.poller);
    heap_deinit(&l->timers);
    mem_free(l->events);
    mem_free(l);
}

unsigned loop_index(const struct loop *l) { return l->conf.index; }
unsigned loop_count(const struct loop *l) { return l->conf.count; }
struct loop *loop_peer(const struct loop *l, unsigned i)
{
    ASSERT(i < l->conf.count);
    return l->peers[i];
}
struct poller *loop_poller(struct loop *l) { return l->conf.poller; }
struct log *loop_log(struct loop *l) { return l->conf.log; }
uint64_t loop_now_ns(const struct loop *l) { return l->now_ns; }
uint64_t loop_clock_ns(const struct loop *l) { return clock_mono_ns(l->conf.clock); }
int64_t loop_now_ms(const struct loop *l) { return (int64_t)(l->now_ns / NS_PER_MS); }
int64_t loop_wall_ms(const struct loop *l) { return l->wall_ms; }
struct loop *loop_current(void) { return current; }

/* ---- the turn ---- */

int64_t loop_wait_ns(struct loop *l)
{
    if (l->busy || l->pending != NULL || l->outgoing_mask != 0 || l->deferred != NULL ||
        !mailbox_empty(&l->inbox) || atomic_load_explicit(&l->stop, memory_order_relaxed)) {
        return 0;
    }
    bool timed = heap_peek(&l->timers) != NULL;
    if (!timed && l->wake_ns == 0) {
        return -1;
    }
    uint64_t now_ns = clock_mono_ns(l->conf.clock);
    int64_t wait_ns = timed ? timers_wait_ns(&l->timers, now_ns) : INT64_MAX;
    if (l->wake_ns != 0) {
        int64_t wake_ns = l->wake_ns > now_ns ? (int64_t)(l->wake_ns - now_ns) : 0;
        wait_ns = wake_ns < wait_ns ? wake_ns : wait_ns;
    }
    return wait_ns;
}

static unsigned poll_phase(struct loop *l, int wait_ms)
{
    int64_t wait_ns = wait_ms == 0 ? 0 : loop_wait_ns(l);
    int64_t wait_ns_max = wait_ms < 0 ? -1 : (int64_t)wait_ms * NS_PER_MS;
    if (wait_ns_max >= 0 && (wait_ns < 0 || wait_ns > wait_ns_max)) {
        wait_ns = wait_ns_max;
    }
    if (wait_ns != 0 && !mailbox_sleep(&l->inbox)) {
        wait_ns = 0;
    }
    l->busy = false;
    l->wake_ns = 0;
    unsigned n = l->conf.poller->wait(l->conf.poller, wait_ns, l->events, l->conf.events_max);
    ASSERT(n <= l->conf.events_max);
    read_clocks(l);
    return n;
}

static void ready_phase(struct loop *l, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct io *io = l->events[i].io;
        /* An earlier handler of this turn may have closed it or changed what it waits for. */
        unsigned wanted = io->interest | IO_HANGUP | IO_END;
        unsigned events = io->interest == 0 ? 0 : l->events[i].events & wanted;
        if (events != 0) {
            io->ready(io, events);
        }
    }
}

static void append_pending(struct loop *l, struct mail *first)
{
    *l->pending_tail = first;
    while (*l->pending_tail != NULL) {
        l->pending_tail = &(*l->pending_tail)->next;
    }
}

void loop_take_mail(struct loop *l)
{
    append_pending(l, mailbox_take(&l->inbox));
    for (unsigned left = l->conf.mail_max; left > 0 && l->pending != NULL; left--) {
        struct mail *m = l->pending;
        l->pending = m->next;
        if (l->pending == NULL) {
            l->pending_tail = &l->pending;
        }
        m->run(m);
    }
}

static void hooks_phase(struct loop *l)
{
    for (unsigned i = 0; i < l->hook_count; i++) {
        l->hooks[i]->run(l->hooks[i]);
    }
}

static void hand_over(struct loop *to, struct mail *newest, struct mail *oldest)
{
    if (mailbox_push(&to->inbox, newest, oldest)) {
        to->conf.poller->wake(to->conf.poller);
    }
}

void loop_hand_over(struct loop *l)
{
    while (l->outgoing_mask != 0) {
        unsigned to = (unsigned)__builtin_ctzll(l->outgoing_mask);
        l->outgoing_mask &= l->outgoing_mask - 1;
        struct outgoing out = l->outgoing[to];
        l->outgoing[to] = (struct outgoing){NULL, NULL};
        if (to == l->conf.index) {
            append_pending(l, mail_reverse(out.newest));
        } else if (l->conf.courier != NULL) {
            l->conf.courier->carry(l->conf.courier, l->conf.index, to, mail_reverse(out.newest));
        } else {
            hand_over(l->peers[to], out.newest, out.oldest);
        }
    }
}

static void reap_phase(struct loop *l)
{
    struct deferred *d = l->deferred;
    l->deferred = NULL;
    l->deferred_tail = &l->deferred;
    while (d != NULL) {
        struct deferred *next = d->next;
        d->release(d);
        d = next;
    }
}

void loop_turn(struct loop *l, int wait_ms)
{
    ASSERT(!l->turning);
    struct loop *outer = current;
    current = l;
    l->turning = true;

    unsigned count = poll_phase(l, wait_ms);
    ready_phase(l, count);
    loop_take_mail(l); /* phase 3 */
    timers_run(&l->timers, l->now_ns);
    hooks_phase(l);
    loop_hand_over(l); /* phase 6 */
    reap_phase(l);

    l->turning = false;
    current = outer;
}

void loop_run(struct loop *l)
{
    ASSERT(current == NULL);
    current = l;
    while (!atomic_load_explicit(&l->stop, memory_order_acquire)) {
        loop_turn(l, -1);
    }
    /* Ready to be run or turned again, so that what is still on its way can be drained. */
    atomic_store_explicit(&l->stop, false, memory_order_relaxed);
    current = NULL;
}

void loop_stop(struct loop *l)
{
    atomic_store_explicit(&l->stop, true, memory_order_release);
    l->conf.poller->wake(l->conf.poller);
}

/* ---- mail ---- */

void loop_post(struct loop *from, unsigned to, struct mail *m)
{
    ASSERT(to < from->conf.count && m->run != NULL);
    ASSERT(current == from || current == NULL);
    struct outgoing *out = &from->outgoing[to];
    m->next = out->newest;
    out->newest = m;
    if (out->oldest == NULL) {
        out->oldest = m;
    }
    from->outgoing_mask |= UINT64_C(1) << to;
}

void loop_post_foreign(struct loop *to, struct mail *m)
{
    ASSERT(m->run != NULL);
    hand_over(to, m, m);
}

void loop_deliver(struct loop *to, struct mail *first)
{
    ASSERT(first != NULL);
    hand_over(to, mail_reverse(first), first);
}

struct post_port {
    struct post post;
    struct loop **peers; /* borrowed */
};

static void post_port_send(struct post *self, unsigned loop, struct mail *m)
{
    struct post_port *p = CONTAINER_OF(self, struct post_port, post);
    ASSERT(loop < p->post.loop_count);
    if (current != NULL && current->peers == p->peers) {
        loop_post(current, loop, m);
    } else {
        loop_post_foreign(p->peers[loop], m);
    }
}

struct post *loop_post_port(struct loop **peers, unsigned count)
{
    struct post_port *p = mem_calloc(1, sizeof *p);
    p->post = (struct post){.send = post_port_send, .loop_count = count};
    p->peers = peers;
    return &p->post;
}

void loop_post_port_free(struct post *p) { mem_free(CONTAINER_OF(p, struct post_port, post)); }

/* ---- timers, hooks, deferred release ---- */

void timer_start(struct loop *l, struct timer *t, int64_t delay_ms)
{
    ASSERT(t->fire != NULL);
    if (!l->turning) {
        read_clocks(l); /* between turns the last reading may be old */
    }
    uint64_t delay_ns = delay_ms <= 0 ? 0 : (uint64_t)delay_ms * NS_PER_MS;
    timers_set(&l->timers, t, l->now_ns + delay_ns);
}

void timer_stop(struct loop *l, struct timer *t) { timers_clear(&l->timers, t); }

bool timer_running(const struct timer *t) { return t->node.pos != 0; }

void loop_add_hook(struct loop *l, struct loop_hook *h)
{
    ASSERT(l->hook_count < HOOK_COUNT_MAX);
    l->hooks[l->hook_count++] = h;
}

void loop_busy(struct loop *l) { l->busy = true; }
void loop_wake_in(struct loop *l, uint64_t ns) { l->wake_ns = l->now_ns + ns; }

void loop_defer(struct loop *l, struct deferred *d)
{
    d->next = NULL;
    *l->deferred_tail = d;
    l->deferred_tail = &d->next;
}
