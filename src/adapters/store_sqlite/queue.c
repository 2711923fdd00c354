#include "adapters/store_sqlite/queue.h"

#include "base/assert.h"

#include <time.h>

void queue_init(struct queue *q, unsigned max)
{
    *q = (struct queue){.max = max};
    q->tail = &q->head;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->ready, &attr);
    pthread_condattr_destroy(&attr);
}

void queue_deinit(struct queue *q)
{
    ASSERT(q->head == NULL);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->ready);
}

static struct store_req *req_of(struct mail *m)
{
    return m == NULL ? NULL : CONTAINER_OF(m, struct store_req, mail);
}

err queue_push(struct queue *q, struct store_req *req)
{
    req->mail.next = NULL;
    pthread_mutex_lock(&q->lock);
    err e = q->closed ? ERR_STORE_CLOSED : q->count >= q->max ? ERR_STORE_BUSY : ERR_NONE;
    if (e == ERR_NONE) {
        *q->tail = &req->mail;
        q->tail = &req->mail.next;
        q->count++;
        pthread_cond_signal(&q->ready);
    }
    pthread_mutex_unlock(&q->lock);
    return e;
}

void queue_wake(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->woken = true;
    pthread_cond_signal(&q->ready);
    pthread_mutex_unlock(&q->lock);
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->ready);
    pthread_mutex_unlock(&q->lock);
}

unsigned queue_count(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    unsigned n = q->count;
    pthread_mutex_unlock(&q->lock);
    return n;
}

bool queue_is_done(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool done = q->closed && q->head == NULL;
    pthread_mutex_unlock(&q->lock);
    return done;
}

struct store_req *queue_pop_locked(struct queue *q)
{
    struct mail *m = q->head;
    if (m != NULL) {
        q->head = m->next;
        if (q->head == NULL) {
            q->tail = &q->head;
        }
        q->count--;
        m->next = NULL;
    }
    return req_of(m);
}

bool queue_remove_locked(struct queue *q, struct store_req *req)
{
    for (struct mail **at = &q->head; *at != NULL; at = &(*at)->next) {
        if (*at == &req->mail) {
            *at = req->mail.next;
            if (*at == NULL) {
                q->tail = at;
            }
            q->count--;
            req->mail.next = NULL;
            return true;
        }
    }
    return false;
}

static unsigned set_count(const struct store_req *req)
{
    unsigned n = 0;
    for (unsigned i = 0; i < req->step_count; i++) {
        n += req->steps[i].set_count;
    }
    return n;
}

static void wait_locked(struct queue *q, int wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (q->head == NULL && !q->closed && !q->woken) {
        if (wait_ms < 0) {
            pthread_cond_wait(&q->ready, &q->lock);
        } else if (pthread_cond_timedwait(&q->ready, &q->lock, &until) != 0) {
            return;
        }
    }
}

struct store_req *queue_take(struct queue *q, unsigned sets_max, int wait_ms)
{
    pthread_mutex_lock(&q->lock);
    wait_locked(q, wait_ms);
    q->woken = false;
    struct store_req *first = queue_pop_locked(q);
    struct store_req *last = first;
    unsigned sets = first == NULL ? 0 : set_count(first);
    while (q->head != NULL && last != NULL) {
        sets += set_count(req_of(q->head));
        if (sets > sets_max) {
            break;
        }
        struct store_req *next = queue_pop_locked(q);
        last->mail.next = &next->mail;
        last = next;
    }
    pthread_mutex_unlock(&q->lock);
    return first;
}

struct store_req *queue_next(const struct store_req *req) { return req_of(req->mail.next); }
