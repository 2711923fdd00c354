#include "ports/store.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ports/post.h"

#include <pthread.h>

#define STEPS_MAX 16
#define ROWS_DEFAULT_MAX 10000

/* A group of rows syncs in a millisecond or few; a busy disk takes seconds. */
static const uint64_t commit_bounds_us[STORE_COMMIT_BUCKETS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,
    25000, 50000, 100000, 250000, 1000000, 5000000, UINT64_MAX,
};

uint64_t store_commit_bound_ns(unsigned i)
{
    return i + 1 < STORE_COMMIT_BUCKETS ? commit_bounds_us[i] * 1000 : UINT64_MAX;
}

struct store_req *store_req_new(unsigned loop, unsigned step_count,
                                void (*done)(struct store_req *), void *owner)
{
    ASSERT(step_count > 0 && step_count <= STEPS_MAX);
    struct store_req *req = mem_calloc(1, sizeof *req);
    req->loop = loop;
    req->step_count = step_count;
    req->steps = ARENA_ARRAY(&req->arena, struct store_step, step_count);
    req->row_max = ROWS_DEFAULT_MAX;
    req->done = done;
    req->owner = owner;
    return req;
}

void store_req_free(struct store_req *req)
{
    if (req != NULL) {
        arena_reset(&req->arena);
        mem_free(req);
    }
}

void store_step_init(struct store_req *req, unsigned i, enum query q, unsigned set_count)
{
    ASSERT(i < req->step_count && set_count > 0);
    struct store_step *step = &req->steps[i];
    step->query = q;
    step->set_count = set_count;
    size_t count = (size_t)set_count * query_param_count(q);
    step->params = ARENA_ARRAY(&req->arena, struct store_value, count == 0 ? 1 : count);
}

static struct store_value *param(struct store_req *req, unsigned i, unsigned set, unsigned p)
{
    ASSERT(i < req->step_count);
    struct store_step *step = &req->steps[i];
    ASSERT(set < step->set_count && p < query_param_count(step->query));
    size_t at = (size_t)set * query_param_count(step->query) + p;
    return (struct store_value *)&step->params[at];
}

void store_set_int(struct store_req *req, unsigned i, unsigned set, unsigned p, int64_t v)
{
    *param(req, i, set, p) = (struct store_value){.type = STORE_INT, .i = v};
}

void store_set_real(struct store_req *req, unsigned i, unsigned set, unsigned p, double v)
{
    *param(req, i, set, p) = (struct store_value){.type = STORE_REAL, .d = v};
}

void store_set_text(struct store_req *req, unsigned i, unsigned set, unsigned p, span v)
{
    *param(req, i, set, p) =
        (struct store_value){.type = STORE_TEXT, .s = arena_dup(&req->arena, v)};
}

void store_set_borrowed(struct store_req *req, unsigned i, unsigned set, unsigned p, span v)
{
    *param(req, i, set, p) = (struct store_value){.type = STORE_TEXT, .s = v};
}

void store_set_blob(struct store_req *req, unsigned i, unsigned set, unsigned p, span v)
{
    *param(req, i, set, p) =
        (struct store_value){.type = STORE_BLOB, .s = arena_dup(&req->arena, v)};
}

const struct store_value *store_cell(const struct store_req *req, unsigned i, unsigned row,
                                     unsigned column)
{
    ASSERT(i < req->step_count);
    const struct store_step *step = &req->steps[i];
    ASSERT(row < step->row_count && column < query_column_count(step->query));
    return &step->cells[(size_t)row * query_column_count(step->query) + column];
}

static bool value_fits(char letter, bool null_allowed, const struct store_value *v)
{
    switch (v->type) {
    case STORE_NULL:
        return null_allowed;
    case STORE_INT:
        return letter == 'i' || letter == 'r';
    case STORE_REAL:
        return letter == 'r';
    case STORE_TEXT:
        return letter == 't';
    case STORE_BLOB:
        return letter == 'b';
    }
    return false;
}

unsigned store_req_check(const struct store_req *req)
{
    unsigned sets = 0;
    for (unsigned i = 0; i < req->step_count; i++) {
        const struct store_step *step = &req->steps[i];
        ASSERT(step->query > QUERY_NONE && step->query < QUERY_COUNT);
        ASSERT(step->set_count == 1 || query_is_write(step->query));
        const struct store_value *v = step->params;
        for (unsigned set = 0; set < step->set_count; set++) {
            for (const char *p = query_params(step->query); *p != '\0'; p++, v++) {
                bool null_allowed = p[1] == '?';
                ASSERT(value_fits(*p, null_allowed, v));
                p += null_allowed;
            }
        }
        sets += step->set_count;
    }
    return sets;
}

bool store_req_is_read(const struct store_req *req)
{
    for (unsigned i = 0; i < req->step_count; i++) {
        if (query_is_write(req->steps[i].query)) {
            return false;
        }
    }
    return true;
}

static void on_mail(struct mail *m)
{
    struct store_req *req = CONTAINER_OF(m, struct store_req, mail);
    req->done(req);
}

void store_complete(struct post *post, struct store_req *req)
{
    req->mail.run = on_mail;
    if (req->loop == STORE_LOOP_NONE) {
        on_mail(&req->mail);
    } else {
        ASSERT(post != NULL);
        post_mail(post, req->loop, &req->mail);
    }
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
};

static void on_run_done(struct store_req *req)
{
    struct waiter *w = req->owner;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->answered);
    pthread_mutex_unlock(&w->lock);
}

err store_run(struct store *s, struct store_req *req)
{
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    void (*done)(struct store_req *) = req->done;
    void *owner = req->owner;
    req->loop = STORE_LOOP_NONE;
    req->done = on_run_done;
    req->owner = &w;
    s->submit(s, req);
    pthread_mutex_lock(&w.lock);
    while (!w.done) {
        pthread_cond_wait(&w.answered, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.answered);
    req->done = done;
    req->owner = owner;
    return req->error;
}
