/*
 * See workers.h. A mutex and a condition are allowed here: the work is long (tens of
 * milliseconds), and a submit holds the mutex for a few instructions.
 */
#include "loop/workers.h"

#include "base/mem.h"

#include <pthread.h>
#include <stddef.h>

struct workers {
    struct post *post; /* borrowed */
    unsigned thread_count;
    unsigned queue_max;
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t wanted;
    struct mail *first; /* waiting works, linked through their mail, oldest first */
    struct mail **tail;
    unsigned queued;
    bool ending;
    pthread_t threads[]; /* thread_count */
};

static void run_done(struct mail *m)
{
    struct work *w = CONTAINER_OF(m, struct work, mail);
    w->done(w);
}

/* The oldest waiting work, or NULL when the pool ends. Blocks. */
static struct work *next_work(struct workers *ws)
{
    pthread_mutex_lock(&ws->mutex);
    while (ws->first == NULL && !ws->ending) {
        pthread_cond_wait(&ws->wanted, &ws->mutex);
    }
    struct mail *m = ws->first;
    if (m != NULL) {
        ws->first = m->next;
        if (ws->first == NULL) {
            ws->tail = &ws->first;
        }
        ws->queued--;
    }
    pthread_mutex_unlock(&ws->mutex);
    return m == NULL ? NULL : CONTAINER_OF(m, struct work, mail);
}

static void *worker(void *arg)
{
    struct workers *ws = arg;
    for (struct work *w = next_work(ws); w != NULL; w = next_work(ws)) {
        w->work(w);
        w->mail.run = run_done;
        post_mail(ws->post, w->loop, &w->mail);
    }
    return NULL;
}

struct workers *workers_new(unsigned thread_count, unsigned queue_max, struct post *post)
{
    ASSERT(thread_count > 0);
    struct workers *ws = mem_calloc(1, sizeof *ws + thread_count * sizeof ws->threads[0]);
    ws->post = post;
    ws->thread_count = thread_count;
    ws->queue_max = queue_max;
    ws->tail = &ws->first;
    pthread_mutex_init(&ws->mutex, NULL);
    pthread_cond_init(&ws->wanted, NULL);
    for (unsigned i = 0; i < thread_count; i++) {
        int rc = pthread_create(&ws->threads[i], NULL, worker, ws);
        ASSERT(rc == 0);
    }
    return ws;
}

void workers_free(struct workers *ws)
{
    if (ws == NULL) {
        return;
    }
    pthread_mutex_lock(&ws->mutex);
    ws->ending = true;
    pthread_cond_broadcast(&ws->wanted);
    pthread_mutex_unlock(&ws->mutex);
    for (unsigned i = 0; i < ws->thread_count; i++) {
        pthread_join(ws->threads[i], NULL);
    }
    ASSERT(ws->first == NULL);
    pthread_cond_destroy(&ws->wanted);
    pthread_mutex_destroy(&ws->mutex);
    mem_free(ws);
}

bool workers_submit(struct workers *ws, struct work *w)
{
    pthread_mutex_lock(&ws->mutex);
    ASSERT(!ws->ending && w->loop < ws->post->loop_count);
    bool room = ws->queued < ws->queue_max;
    if (room) {
        w->mail.next = NULL;
        *ws->tail = &w->mail;
        ws->tail = &w->mail.next;
        ws->queued++;
        pthread_cond_signal(&ws->wanted);
    }
    pthread_mutex_unlock(&ws->mutex);
    return room;
}

unsigned workers_queued(struct workers *ws)
{
    pthread_mutex_lock(&ws->mutex);
    unsigned n = ws->queued;
    pthread_mutex_unlock(&ws->mutex);
    return n;
}
