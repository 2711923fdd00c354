/*
 * One event loop a thread. A loop owns its connections, timers and slabs; threads speak by mail
 * only. The body of loop_turn() is one page of phases, in this order:
 *
 *   1 poll      wait for readiness, at most until the next timer (0 when work is waiting)
 *   2 ready     call io->ready for each reported descriptor (at most events_max a turn)
 *   3 mail      run the mail that had arrived when the phase began (also before each read of a
 *               connection: loop_take_mail)
 *   4 timers    run what is due
 *   5 hooks     turn-end hooks in the order registered (fan-out and flush live here)
 *   6 post      hand over outgoing mail, one batch a target loop
 *   7 reap      free what was closed this turn (loop_defer)
 *
 * Poller (with the sockets behind it), clock and mailbox wake-ups are given as ops, so that the
 * simulation runs many loops on one thread with a fake network (tests/sim).
 */
#ifndef SB_LOOP_LOOP_H
#define SB_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/mail.h"
#include "loop/poller.h"
#include "ports/clock.h"
#include "ports/log.h"
#include "ports/post.h"

#define LOOP_COUNT_MAX 64

struct loop;

/*
 * The way of mail between loops. Production has none: phase 6 pushes straight into the target's
 * mailbox. The simulation gives one, holds the batches back and hands them over in a seeded
 * order: each pair's in the order carried, each exactly once, with loop_deliver().
 */
struct courier {
    /* Takes over a batch, oldest first, ended by NULL; from's thread; never mail to itself. */
    void (*carry)(struct courier *c, unsigned from, unsigned to, struct mail *first);
};

struct loop_conf {
    unsigned index;
    unsigned count;            /* loops of the process, at most LOOP_COUNT_MAX */
    struct clock *clock;       /* borrowed */
    struct log *log;           /* borrowed */
    struct poller *poller;     /* owned by the loop from loop_new on */
    unsigned events_max;       /* descriptors served a turn; 0: 1,024 */
    unsigned mail_max;         /* mail run a turn; 0: 65,536 */
    struct courier *courier;   /* borrowed; NULL: mail goes straight to the target */
};

/* `peers` is the array of all loops of the process, shared and filled before any runs. */
struct loop *loop_new(const struct loop_conf *conf, struct loop **peers);
/* Frees the loop and its poller. Mail, timers and deferred releases that have not run never will:
 * stop the senders and turn with wait 0 while loop_wait_ns() says 0, before freeing. No thread
 * may still post to it or stop it: join all loops before the first is freed. */
void loop_free(struct loop *l);

/* What the loop was made with; any thread. */
unsigned loop_index(const struct loop *l);
unsigned loop_count(const struct loop *l); /* loops of the process */
struct poller *loop_poller(struct loop *l); /* owned by the loop */
struct log *loop_log(struct loop *l); /* borrowed, may be NULL */
struct loop *loop_peer(const struct loop *l, unsigned i); /* another one of the process */
/* Times read once a turn, after polling: cheap, and equal for all that happens in one turn. */
uint64_t loop_now_ns(const struct loop *l);  /* monotonic */
uint64_t loop_clock_ns(const struct loop *l); /* the same clock, read now */
int64_t loop_now_ms(const struct loop *l);   /* monotonic */
int64_t loop_wall_ms(const struct loop *l);  /* epoch */

/* One pass through the phases; waits at most wait_ms (-1: until something happens). Makes the
 * calling thread the loop's for the turn. */
void loop_turn(struct loop *l, int wait_ms);
/* Turns until loop_stop(). Makes the calling thread the loop's. A stop that came first ends it at
 * once; afterwards it may be run or turned again. */
void loop_run(struct loop *l);
/* Ends loop_run after the current turn. Any thread. */
void loop_stop(struct loop *l);
/* Nanoseconds until the loop has something to do by itself: 0 when mail, a due timer or other
 * work waits, -1 when nothing but an event or mail will wake it. Its own thread. */
int64_t loop_wait_ns(struct loop *l);

/* Mail. From the loop's own thread it is batched until phase 6 (also to itself); from any other
 * thread it is handed over at once and the loop woken if it slept. */
void loop_post(struct loop *from, unsigned to, struct mail *m);   /* on from's thread */
/* Phases 6 and 3 before their time, for who writes to a peer and for who reads from one. What a
 * peer says because of an answer, on whatever loop, is then read behind all mail that was posted
 * before that answer: whoever has been told that something is so finds it so. */
void loop_hand_over(struct loop *l);
void loop_take_mail(struct loop *l);
void loop_post_foreign(struct loop *to, struct mail *m);          /* any thread */
/* Ends a courier's work: puts a batch, oldest first, into the target's mailbox. Any thread. */
void loop_deliver(struct loop *to, struct mail *first);
/* The post port of this process: picks the right one of the two by the calling thread. */
struct post *loop_post_port(struct loop **peers, unsigned count);
void loop_post_port_free(struct post *p);
/* The loop that the calling thread runs, or NULL. */
struct loop *loop_current(void);

/* Precise timers (1-2 ms), in a heap. A zeroed timer is stopped. Delays count from loop_now_ns()
 * (outside a turn: from the call); a timer never fires early by that clock, and those due in one
 * turn fire in the order of their times. Loop's thread. */
struct timer {
    struct heap_node node;
    void (*fire)(struct timer *t); /* one shot; start again inside if wanted */
};
void timer_start(struct loop *l, struct timer *t, int64_t delay_ms); /* restarts if running */
void timer_stop(struct loop *l, struct timer *t);
bool timer_running(const struct timer *t);

/* Turn-end hooks, run every turn in the order added; at most 8. */
struct loop_hook {
    void (*run)(struct loop_hook *h);
};
void loop_add_hook(struct loop *l, struct loop_hook *h);
/* Whether the next poll must not sleep: a hook that leaves work for the next turn says so. */
void loop_busy(struct loop *l);
/* The next poll sleeps at most `ns` from loop_now_ns(): for a hook that must run again by then. */
void loop_wake_in(struct loop *l, uint64_t ns);

/* Runs release(object) in phase 7, so that events already reported for it find it alive. What is
 * deferred by a release runs in the next turn. */
struct deferred {
    struct deferred *next;
    void (*release)(struct deferred *d);
};
void loop_defer(struct loop *l, struct deferred *d);

#endif
