#include "adapters/offload_workers/offload_workers.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stddef.h>

struct pool {
    struct offload port;
    struct workers *workers; /* NULL: at once */
    struct post *post;
};

/* One job on its way through the pool; small beside the work it carries. */
struct carrier {
    struct work work;
    struct job *job;
};

static void on_work(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct carrier, work)->job;
    j->work(j);
}

static void on_done(struct work *w)
{
    struct carrier *c = CONTAINER_OF(w, struct carrier, work);
    struct job *j = c->job;
    mem_free(c);
    j->done(j);
}

static bool pool_submit(struct offload *self, struct job *j)
{
    struct pool *p = CONTAINER_OF(self, struct pool, port);
    struct carrier *c = mem_calloc(1, sizeof *c);
    c->job = j;
    c->work = (struct work){.loop = j->loop, .work = on_work, .done = on_done};
    if (workers_submit(p->workers, &c->work)) {
        return true;
    }
    mem_free(c);
    return false;
}

static void on_inline_done(struct mail *m)
{
    struct job *j = CONTAINER_OF(m, struct job, mail);
    j->done(j);
}

static bool inline_submit(struct offload *self, struct job *j)
{
    struct pool *p = CONTAINER_OF(self, struct pool, port);
    j->work(j);
    j->mail.run = on_inline_done;
    post_mail(p->post, j->loop, &j->mail);
    return true;
}

struct offload *offload_workers_new(struct workers *ws)
{
    struct pool *p = mem_calloc(1, sizeof *p);
    p->port.submit = pool_submit;
    p->workers = ws;
    return &p->port;
}

struct offload *offload_inline_new(struct post *post)
{
    struct pool *p = mem_calloc(1, sizeof *p);
    p->port.submit = inline_submit;
    p->post = post;
    return &p->port;
}

void offload_free(struct offload *o)
{
    if (o != NULL) {
        mem_free(CONTAINER_OF(o, struct pool, port));
    }
}
