#include "adapters/store_faulty/store_faulty.h"

#include "base/assert.h"
#include "base/mem.h"

#include <pthread.h>

struct store_faulty {
    struct store port;
    struct store *inner; /* owned */
    struct post *post;
    pthread_mutex_t lock; /* of all below */
    unsigned skip;
    unsigned fail_count;
    err error;
    bool holding;
    unsigned held_count;
    struct mail *held; /* oldest first, through the requests' mail */
    struct mail **held_tail;
};

static struct store_faulty *faulty_of(struct store *self)
{
    return CONTAINER_OF(self, struct store_faulty, port);
}

/* Whether the plan fails this request; counts it. */
static bool take_failure(struct store_faulty *f)
{
    if (f->fail_count == 0) {
        return false;
    }
    if (f->skip > 0) {
        f->skip--;
        return false;
    }
    f->fail_count--;
    return true;
}

static void on_submit(struct store *self, struct store_req *req)
{
    struct store_faulty *f = faulty_of(self);
    pthread_mutex_lock(&f->lock);
    bool fails = take_failure(f);
    bool held = !fails && f->holding;
    req->error = fails ? f->error : ERR_NONE;
    if (held) {
        req->mail.next = NULL;
        *f->held_tail = &req->mail;
        f->held_tail = &req->mail.next;
        f->held_count++;
    }
    pthread_mutex_unlock(&f->lock);
    if (fails) {
        store_complete(f->post, req);
    } else if (!held) {
        f->inner->submit(f->inner, req);
    }
}

static bool is_held(struct store_faulty *f, const struct store_req *req)
{
    pthread_mutex_lock(&f->lock);
    bool found = false;
    for (struct mail *m = f->held; m != NULL && !found; m = m->next) {
        found = m == &req->mail;
    }
    pthread_mutex_unlock(&f->lock);
    return found;
}

/* A held request is answered when it is released, as a slow store would. */
static void on_cancel(struct store *self, struct store_req *req)
{
    struct store_faulty *f = faulty_of(self);
    if (!is_held(f, req)) {
        f->inner->cancel(f->inner, req);
    }
}

static void on_stats(struct store *self, struct store_stats *out)
{
    struct store_faulty *f = faulty_of(self);
    f->inner->stats(f->inner, out);
    out->write_waiting += store_faulty_held(f);
}

static err on_backup(struct store *self, const char *path)
{
    struct store_faulty *f = faulty_of(self);
    return f->inner->backup(f->inner, path);
}

static void on_close(struct store *self)
{
    struct store_faulty *f = faulty_of(self);
    store_faulty_resume(f);
    f->inner->close(f->inner);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

struct store_faulty *store_faulty_new(struct store *inner, struct post *post)
{
    struct store_faulty *f = mem_calloc(1, sizeof *f);
    f->port = (struct store){on_submit, on_cancel, on_stats, on_backup, on_close};
    f->inner = inner;
    f->post = post;
    f->held_tail = &f->held;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

struct store *store_faulty_port(struct store_faulty *f) { return &f->port; }

void store_faulty_fail(struct store_faulty *f, unsigned skip, unsigned count, err e)
{
    ASSERT(e != ERR_NONE || count == 0);
    pthread_mutex_lock(&f->lock);
    f->skip = skip;
    f->fail_count = count;
    f->error = e;
    pthread_mutex_unlock(&f->lock);
}

void store_faulty_hold(struct store_faulty *f)
{
    pthread_mutex_lock(&f->lock);
    f->holding = true;
    pthread_mutex_unlock(&f->lock);
}

unsigned store_faulty_held(struct store_faulty *f)
{
    pthread_mutex_lock(&f->lock);
    unsigned n = f->held_count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

static struct store_req *pop(struct store_faulty *f)
{
    pthread_mutex_lock(&f->lock);
    struct mail *m = f->held;
    if (m != NULL) {
        f->held = m->next;
        f->held_tail = f->held == NULL ? &f->held : f->held_tail;
        f->held_count--;
    }
    pthread_mutex_unlock(&f->lock);
    return m == NULL ? NULL : CONTAINER_OF(m, struct store_req, mail);
}

void store_faulty_release(struct store_faulty *f, unsigned count)
{
    struct store_req *req;
    while (count-- > 0 && (req = pop(f)) != NULL) {
        f->inner->submit(f->inner, req);
    }
}

void store_faulty_resume(struct store_faulty *f)
{
    pthread_mutex_lock(&f->lock);
    f->holding = false;
    pthread_mutex_unlock(&f->lock);
    store_faulty_release(f, ~0U);
}
