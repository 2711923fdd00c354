#include "edge/gather.h"

#include "base/mem.h"

struct part {
    struct mail mail;
    struct gathering *of;
    struct edge *edge;
    buf out;
};

struct gathering {
    struct edge *edge; /* of who asks */
    void *in;          /* owned */
    gather_ask ask;
    gather_done done;
    void *owner;
    struct timer late;
    bool over; /* `done` was called */
    unsigned via; /* UINT32_MAX: straight */
    unsigned left;
    unsigned count;
    struct part parts[];
};

static void finish(struct gathering *g, const buf *answers)
{
    if (!g->over) {
        g->over = true;
        timer_stop(g->edge->loop, &g->late);
        g->done(g->owner, answers, g->count);
    }
}

static void on_answer(struct mail *m)
{
    struct gathering *g = CONTAINER_OF(m, struct part, mail)->of;
    if (--g->left > 0) {
        return;
    }
    buf *answers = mem_alloc(g->count * sizeof *answers);
    for (unsigned i = 0; i < g->count; i++) {
        answers[i] = g->parts[i].out;
    }
    finish(g, answers);
    for (unsigned i = 0; i < g->count; i++) {
        buf_deinit(&answers[i]);
    }
    mem_free(answers);
    mem_free(g->in);
    mem_free(g);
}

static void on_passing(struct mail *m)
{
    struct part *p = CONTAINER_OF(m, struct part, mail);
    p->mail.run = on_answer;
    post_mail(p->edge->home->post, loop_index(p->of->edge->loop), &p->mail);
}

static void on_question(struct mail *m)
{
    struct part *p = CONTAINER_OF(m, struct part, mail);
    p->of->ask(p->edge, p->of->in, &p->out);
    if (p->of->via == UINT32_MAX) {
        on_passing(m);
    } else {
        p->mail.run = on_passing;
        post_mail(p->edge->home->post, p->of->via, &p->mail);
    }
}

static void on_late(struct timer *t) { finish(CONTAINER_OF(t, struct gathering, late), NULL); }

void gather(struct edge *e, void *in, gather_ask ask, gather_done done, void *owner)
{
    gather_via(e, UINT32_MAX, in, ask, done, owner);
}

void gather_via(struct edge *e, unsigned via, void *in, gather_ask ask, gather_done done,
                void *owner)
{
    unsigned count = e->home->count;
    struct gathering *g = mem_calloc(1, sizeof *g + count * sizeof g->parts[0]);
    g->edge = e;
    g->via = via;
    g->in = in;
    g->ask = ask;
    g->done = done;
    g->owner = owner;
    g->left = g->count = count;
    g->late.fire = on_late;
    timer_start(e->loop, &g->late, GATHER_MS_MAX);
    for (unsigned i = 0; i < count; i++) {
        struct part *p = &g->parts[i];
        p->mail.run = on_question;
        p->of = g;
        p->edge = e->peers[i];
        post_mail(e->home->post, i, &p->mail);
    }
}
