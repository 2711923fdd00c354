#include "adapters/webhook_twin/webhook_twin.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct twin {
    struct webhook port;
    struct post *post;
    pthread_mutex_t lock; /* of what follows */
    struct list held;
    bool hold;
    bool closed;
    unsigned count;
    int status;
    enum webhook_result result;
    buf answer;
    buf last;
    const char *type;
};

static struct twin *twin_of(struct webhook *w) { return CONTAINER_OF(w, struct twin, port); }

static void on_mail(struct mail *m)
{
    struct webhook_call *c = CONTAINER_OF(m, struct webhook_call, mail);
    buf_deinit(&c->parts);
    c->done(c);
}

static void on_part_mail(struct mail *m)
{
    struct webhook_call *c = CONTAINER_OF(m, struct webhook_call, part_mail);
    struct twin *t = twin_of(c->port);
    pthread_mutex_lock(&t->lock);
    buf parts = c->parts;
    c->parts = (buf){0};
    c->telling = false;
    bool wanted = !c->cancelled;
    pthread_mutex_unlock(&t->lock);
    if (wanted) {
        c->on_part(c, buf_span(&parts));
    }
    buf_deinit(&parts);
}

static void part(struct twin *t, struct webhook_call *c, span data)
{
    snprintf(c->content_type, sizeof c->content_type, "%s", t->type);
    buf_append_span(&c->parts, data);
    c->received += (uint32_t)data.len;
    if (!c->telling && data.len > 0) {
        c->telling = true;
        c->part_mail.run = on_part_mail;
        post_mail(t->post, c->loop, &c->part_mail);
    }
}

static void tell(struct twin *t, struct webhook_call *c, enum webhook_result result)
{
    bool came = result == WEBHOOK_OK || result == WEBHOOK_STATUS;
    c->result = result;
    c->status = came ? t->status : 0;
    c->why = came ? "" : "so the twin says";
    if (result == WEBHOOK_OK && c->on_part != NULL) {
        part(t, c, buf_span(&t->answer));
    } else if (came) {
        buf_append_span(&c->answer, buf_span(&t->answer));
    }
    if (came && c->received == 0) {
        snprintf(c->content_type, sizeof c->content_type, "%s", t->type);
    }
    c->mail.run = on_mail;
    post_mail(t->post, c->loop, &c->mail);
}

static void answer(struct twin *t, struct webhook_call *c)
{
    enum webhook_result r = t->status == 0                            ? t->result
                            : t->answer.len + c->received > c->answer_bytes_max ? WEBHOOK_TOO_LONG
                            : t->status >= 200 && t->status < 300 ? WEBHOOK_OK
                                                                      : WEBHOOK_STATUS;
    tell(t, c, r);
}

static bool on_call(struct webhook *self, struct webhook_call *c)
{
    struct twin *t = twin_of(self);
    c->answer = (buf){0};
    c->content_type[0] = '\0';
    c->port = self;
    c->parts = (buf){0};
    c->telling = c->cancelled = false;
    c->received = 0;
    pthread_mutex_lock(&t->lock);
    bool taken = !t->closed;
    if (taken) {
        t->count++;
        buf_clear(&t->last);
        buf_append_span(&t->last, c->body);
        if (t->hold) {
            list_push(&t->held, &c->link);
        } else {
            list_init(&c->link);
            answer(t, c);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return taken;
}

static void on_cancel(struct webhook *self, struct webhook_call *c)
{
    struct twin *t = twin_of(self);
    pthread_mutex_lock(&t->lock);
    c->cancelled = true;
    if (list_linked(&c->link)) {
        list_remove(&c->link);
        tell(t, c, WEBHOOK_CANCELLED);
    }
    pthread_mutex_unlock(&t->lock);
}

/* What can be told of a URL without asking anybody. */
static bool on_check(struct webhook *self, const char *url, const char **why)
{
    (void)self;
    *why = "is no URL that the twin calls";
    return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://twin", 11) == 0;
}

struct webhook *webhook_twin_new(struct post *post)
{
    struct twin *t = mem_calloc(1, sizeof *t);
    t->port = (struct webhook){.call = on_call, .cancel = on_cancel, .check = on_check};
    t->post = post;
    t->status = 200;
    t->type = "application/json";
    list_init(&t->held);
    int rc = pthread_mutex_init(&t->lock, NULL);
    ASSERT(rc == 0);
    return &t->port;
}

void webhook_twin_close(struct webhook *w)
{
    struct twin *t = twin_of(w);
    pthread_mutex_lock(&t->lock);
    t->closed = true;
    LIST_EACH (it, &t->held) {
        list_remove(it);
        tell(t, LIST_ITEM(it, struct webhook_call, link), WEBHOOK_CANCELLED);
    }
    pthread_mutex_unlock(&t->lock);
}

void webhook_twin_free(struct webhook *w)
{
    struct twin *t = twin_of(w);
    ASSERT(list_empty(&t->held));
    pthread_mutex_destroy(&t->lock);
    buf_deinit(&t->answer);
    buf_deinit(&t->last);
    mem_free(t);
}

void webhook_twin_answers(struct webhook *w, int status, const char *body,
                          enum webhook_result result)
{
    struct twin *t = twin_of(w);
    pthread_mutex_lock(&t->lock);
    t->status = status;
    t->result = result;
    buf_clear(&t->answer);
    buf_append_str(&t->answer, body);
    pthread_mutex_unlock(&t->lock);
}

void webhook_twin_type(struct webhook *w, const char *type)
{
    struct twin *t = twin_of(w);
    pthread_mutex_lock(&t->lock);
    t->type = type;
    pthread_mutex_unlock(&t->lock);
}

bool webhook_twin_part(struct webhook *w, const char *data)
{
    struct twin *t = twin_of(w);
    span s = span_str(data);
    pthread_mutex_lock(&t->lock);
    bool ok = !list_empty(&t->held);
    if (ok) {
        struct webhook_call *c = LIST_ITEM(t->held.next, struct webhook_call, link);
        ASSERT(c->on_part != NULL);
        ok = s.len <= c->answer_bytes_max - c->received;
        if (ok) {
            part(t, c, s);
        } else {
            list_remove(&c->link);
            tell(t, c, WEBHOOK_TOO_LONG);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return ok;
}

void webhook_twin_hold(struct webhook *w, bool hold)
{
    struct twin *t = twin_of(w);
    pthread_mutex_lock(&t->lock);
    t->hold = hold;
    while (!hold && !list_empty(&t->held)) {
        struct webhook_call *c = LIST_ITEM(t->held.next, struct webhook_call, link);
        list_remove(&c->link);
        answer(t, c);
    }
    pthread_mutex_unlock(&t->lock);
}

unsigned webhook_twin_count(struct webhook *w)
{
    struct twin *t = twin_of(w);
    pthread_mutex_lock(&t->lock);
    unsigned count = t->count;
    pthread_mutex_unlock(&t->lock);
    return count;
}

unsigned webhook_twin_held(struct webhook *w)
{
    struct twin *t = twin_of(w);
    unsigned count = 0;
    pthread_mutex_lock(&t->lock);
    LIST_EACH (it, &t->held) {
        count++;
    }
    pthread_mutex_unlock(&t->lock);
    return count;
}

void webhook_twin_last(struct webhook *w, buf *body)
{
    struct twin *t = twin_of(w);
    pthread_mutex_lock(&t->lock);
    buf_append_span(body, buf_span(&t->last));
    pthread_mutex_unlock(&t->lock);
}
