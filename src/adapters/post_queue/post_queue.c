#include "adapters/post_queue/post_queue.h"

#include "base/assert.h"
#include "base/mem.h"

#include <pthread.h>
#include <stddef.h>
#include <time.h>

struct queue {
    struct post post;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct mail *head;
    struct mail **tail;
};

static void queue_send(struct post *self, unsigned loop, struct mail *m)
{
    struct queue *q = CONTAINER_OF(self, struct queue, post);
    ASSERT(loop < self->loop_count);
    m->next = NULL;
    (void)pthread_mutex_lock(&q->lock);
    *q->tail = m;
    q->tail = &m->next;
    (void)pthread_cond_signal(&q->arrived);
    (void)pthread_mutex_unlock(&q->lock);
}

struct post *post_queue_new(unsigned loop_count)
{
    struct queue *q = mem_calloc(1, sizeof *q);
    q->post = (struct post){.send = queue_send, .loop_count = loop_count};
    q->tail = &q->head;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_cond_init(&q->arrived, &attr);
    (void)pthread_condattr_destroy(&attr);
    return &q->post;
}

void post_queue_free(struct post *p)
{
    if (p == NULL) {
        return;
    }
    struct queue *q = CONTAINER_OF(p, struct queue, post);
    ASSERT(q->head == NULL);
    (void)pthread_cond_destroy(&q->arrived);
    (void)pthread_mutex_destroy(&q->lock);
    mem_free(q);
}

static struct mail *take_all(struct queue *q, int wait_ms_max)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms_max / 1000;
    until.tv_nsec += (long)(wait_ms_max % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&q->lock);
    for (int late = 0; q->head == NULL && late == 0 && wait_ms_max > 0;) {
        late = pthread_cond_timedwait(&q->arrived, &q->lock, &until);
    }
    struct mail *all = q->head;
    q->head = NULL;
    q->tail = &q->head;
    (void)pthread_mutex_unlock(&q->lock);
    return all;
}

bool post_queue_run(struct post *p, int wait_ms_max)
{
    struct mail *m = take_all(CONTAINER_OF(p, struct queue, post), wait_ms_max);
    bool any = m != NULL;
    while (m != NULL) {
        struct mail *next = m->next; /* running it may free it */
        m->run(m);
        m = next;
    }
    return any;
}

bool post_queue_until(struct post *p, const bool *flag, int wait_ms_max)
{
    while (!*flag) {
        if (!post_queue_run(p, wait_ms_max)) {
            return false;
        }
    }
    return true;
}
