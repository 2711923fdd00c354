/*
 * A client that lost its network is back before we have missed it: its old connection is still
 * there, and would keep its session for as long as a ping goes unanswered. The pid is a secret of
 * the client, so whoever shows it, with the same principal, gets the session: the old socket leaves
 * (4001), wherever it lives.
 *
 *     asker --seek--> each loop: there? leaves, drops --seek--> principal's home --seek--> asker
 *
 * By way of the home, so that the answer comes behind the drop, and the claim that follows too:
 * also behind that of a socket that was missed meanwhile, and so was not found.
 */
#include "edge/socketio/internal.h"

#include "base/mem.h"

struct takeover {
    struct edge *edge; /* the asker's */
    unsigned pending;
    void (*done)(void *owner);
    void *owner;
};

struct seek {
    struct mail mail;
    struct edge *edge; /* where it is */
    struct takeover *takeover;
    uuid principal;
    char pid[RECOVERY_PID_LEN + 1];
};

static void answered(struct mail *m)
{
    struct seek *k = CONTAINER_OF(m, struct seek, mail);
    struct takeover *t = k->takeover;
    mem_free(k);
    if (--t->pending == 0) {
        t->done(t->owner);
        mem_free(t);
    }
}

static void at_home(struct mail *m)
{
    struct seek *k = CONTAINER_OF(m, struct seek, mail);
    k->mail.run = answered;
    post_mail(k->edge->home->post, loop_index(k->takeover->edge->loop), &k->mail);
}

static void asked(struct mail *m)
{
    struct seek *k = CONTAINER_OF(m, struct seek, mail);
    sio_recovery_yield(k->edge->sio, span_str(k->pid), k->principal);
    k->mail.run = at_home;
    post_mail(k->edge->home->post, home_of(k->edge->home, k->principal), &k->mail);
}

void sio_takeover(struct edge *e, span pid, uuid principal, void (*done)(void *owner), void *owner)
{
    struct takeover *t = mem_calloc(1, sizeof *t);
    *t = (struct takeover){
        .edge = e, .pending = e->home->count, .done = done, .owner = owner};
    ASSERT(pid.len <= RECOVERY_PID_LEN);
    for (unsigned i = 0; i < e->home->count; i++) {
        struct seek *k = mem_calloc(1, sizeof *k);
        k->edge = e->peers[i];
        k->takeover = t;
        k->principal = principal;
        memcpy(k->pid, pid.ptr, pid.len);
        k->mail.run = asked;
        post_mail(e->home->post, i, &k->mail);
    }
}
