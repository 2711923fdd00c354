#include "domain/identity_task.h"

#include "base/assert.h"

static void on_mail(struct mail *m)
{
    struct task *t = CONTAINER_OF(m, struct task, mail);
    t->resume(t);
}

void task_later(struct task *t)
{
    t->mail.run = on_mail;
    post_mail(t->home->post, t->home->index, &t->mail);
}

void task_go(struct task *t, unsigned index)
{
    if (t->home->index == index) {
        t->resume(t);
        return;
    }
    /* Whoever owns this home is the only one to post from it, so the sender's port is taken
     * before the task belongs to the other loop. */
    struct post *post = t->home->post;
    t->home = t->home->peers[index];
    t->mail.run = on_mail;
    post_mail(post, index, &t->mail);
}

static void on_stored(struct store_req *req)
{
    struct task *t = req->owner;
    t->resume(t);
}

struct store_req *task_req(struct task *t, unsigned step_count)
{
    store_req_free(t->req);
    t->req = store_req_new(t->home->index, step_count, on_stored, t);
    return t->req;
}

void task_store(struct task *t) { t->home->store->submit(t->home->store, t->req); }

static void on_work(struct job *j)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    t->work(t);
}

static void on_worked(struct job *j)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    t->resume(t);
}

void task_offload(struct task *t, void (*work)(struct task *t))
{
    t->work = work;
    t->job = (struct job){.loop = t->home->index, .work = on_work, .done = on_worked};
    t->job_refused = !offload_submit(t->home->offload, &t->job);
    if (t->job_refused) {
        task_later(t);
    }
}

void task_deinit(struct task *t)
{
    store_req_free(t->req);
    t->req = NULL;
}
