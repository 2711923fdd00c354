#include "adapters/webhook_http/webhook_http.h"

#include "adapters/common/curl/url.h"
#include "adapters/webhook_http/transfer.h"
#include "base/mem.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define REST_MS_MAX 60000      /* libcurl's own timers wake it earlier */
#define CONNECTIONS_KEPT 64L   /* idle ones, over all receivers; more: the oldest are closed */

struct webhook_http {
    struct webhook port;
    struct webhook_http_conf conf;
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t lock; /* of what follows */
    bool stopping;
    bool cancelling;      /* some call is to be cancelled */
    unsigned count;       /* calls that have not been told */
    struct list inbox;    /* struct webhook_call */
    /* The thread's own: */
    CURLM *multi;         /* NULL until the first call */
    struct list active;   /* struct webhook_call */
};

static void wake(struct webhook_http *w)
{
    uint64_t one = 1;
    ssize_t rc = write(w->wake_fd, &one, sizeof one);
    (void)rc; /* full means that it wakes anyway */
}

static bool on_call(struct webhook *self, struct webhook_call *c)
{
    struct webhook_http *w = CONTAINER_OF(self, struct webhook_http, port);
    ASSERT(c->url != NULL && c->timeout_ms > 0 && c->done != NULL);
    c->status = 0;
    c->answer = (buf){0};
    c->why = "";
    c->content_type[0] = '\0';
    c->port = self;
    c->parts = (buf){0};
    c->telling = false;
    c->received = 0;
    c->cancelled = false;
    c->transfer = NULL;
    pthread_mutex_lock(&w->lock);
    bool taken = !w->stopping && w->count < WEBHOOK_CALLS_MAX;
    bool first = taken && list_empty(&w->inbox);
    if (taken) {
        list_push(&w->inbox, &c->link);
        w->count++;
    }
    pthread_mutex_unlock(&w->lock);
    if (first) {
        wake(w);
    }
    return taken;
}

static void on_cancel(struct webhook *self, struct webhook_call *c)
{
    struct webhook_http *w = CONTAINER_OF(self, struct webhook_http, port);
    pthread_mutex_lock(&w->lock);
    c->cancelled = true;
    w->cancelling = true;
    pthread_mutex_unlock(&w->lock);
    wake(w);
}

static bool on_check(struct webhook *self, const char *url, const char **why)
{
    (void)self;
    return curl_url_check(url, false, why);
}

static void on_mail(struct mail *m)
{
    struct webhook_call *c = CONTAINER_OF(m, struct webhook_call, mail);
    buf_deinit(&c->parts);
    c->done(c);
}

/* All that has come until now; what comes later has a mail of its own. */
static void on_part_mail(struct mail *m)
{
    struct webhook_call *c = CONTAINER_OF(m, struct webhook_call, part_mail);
    struct webhook_http *w = CONTAINER_OF(c->port, struct webhook_http, port);
    pthread_mutex_lock(&w->lock);
    buf parts = c->parts;
    c->parts = (buf){0};
    c->telling = false;
    bool wanted = !c->cancelled;
    pthread_mutex_unlock(&w->lock);
    if (wanted) {
        c->on_part(c, buf_span(&parts));
    }
    buf_deinit(&parts);
}

static void on_part(struct webhook_call *c, span data)
{
    struct webhook_http *w = CONTAINER_OF(c->port, struct webhook_http, port);
    pthread_mutex_lock(&w->lock);
    bool first = !c->telling;
    c->telling = true;
    buf_append_span(&c->parts, data);
    pthread_mutex_unlock(&w->lock);
    if (first) {
        c->part_mail.run = on_part_mail;
        post_mail(w->conf.post, c->loop, &c->part_mail);
    }
}

/* Its outcome is filled in and it is in no list: it is the loop's again. */
static void tell(struct webhook_http *w, struct webhook_call *c)
{
    pthread_mutex_lock(&w->lock);
    w->count--;
    pthread_mutex_unlock(&w->lock);
    c->mail.run = on_mail;
    post_mail(w->conf.post, c->loop, &c->mail);
}

/* False: the library is not installed. */
static bool set_up(struct webhook_http *w)
{
    if (!curl_load()) {
        return false;
    }
    CURLcode rc = curl.global_init(CURL_GLOBAL_DEFAULT);
    w->multi = curl.multi_init();
    ASSERT(rc == CURLE_OK && w->multi != NULL);
    (void)curl.multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    return true;
}

static void start(struct webhook_http *w, struct webhook_call *c)
{
    if (w->multi == NULL && !set_up(w)) { /* a robot of another installation */
        c->result = WEBHOOK_UNREACHABLE;
        c->why = "libcurl is not installed";
        tell(w, c);
        return;
    }
    transfer_start(w->multi, c, clock_wall_ms(w->conf.clock) / 1000, on_part);
    if (c->transfer != NULL) {
        list_push(&w->active, &c->link);
    } else {
        tell(w, c);
    }
}

static void end(struct webhook_http *w, struct webhook_call *c, CURLcode rc)
{
    list_remove(&c->link);
    transfer_end(w->multi, c, rc);
    tell(w, c);
}

/* Moves those that are cancelled, or all, from one list to another. With the lock. */
static void pick(struct list *from, struct list *to, bool all)
{
    LIST_EACH (it, from) {
        if (all || LIST_ITEM(it, struct webhook_call, link)->cancelled) {
            list_remove(it);
            list_push(to, it);
        }
    }
}

/* Takes what loops have put down since; false when it is to end and nothing is left. */
static bool take(struct webhook_http *w)
{
    struct list fresh, unborn, doomed;
    list_init(&fresh);
    list_init(&unborn);
    list_init(&doomed);
    pthread_mutex_lock(&w->lock);
    bool stopping = w->stopping;
    if (stopping || w->cancelling) {
        pick(&w->inbox, &unborn, stopping);
        pick(&w->active, &doomed, stopping);
        w->cancelling = false;
    }
    list_splice(&fresh, &w->inbox);
    pthread_mutex_unlock(&w->lock);
    while (!list_empty(&unborn)) {
        struct webhook_call *c = LIST_ITEM(unborn.next, struct webhook_call, link);
        list_remove(&c->link);
        c->result = WEBHOOK_CANCELLED;
        c->why = "cancelled";
        tell(w, c);
    }
    while (!list_empty(&doomed)) {
        end(w, LIST_ITEM(doomed.next, struct webhook_call, link), CURLE_ABORTED_BY_CALLBACK);
    }
    while (!list_empty(&fresh)) {
        struct webhook_call *c = LIST_ITEM(fresh.next, struct webhook_call, link);
        list_remove(&c->link);
        start(w, c);
    }
    return !stopping;
}

static void perform(struct webhook_http *w)
{
    int running;
    int left;
    const CURLMsg *m;
    CURLMcode rc = curl.multi_perform(w->multi, &running);
    ASSERT(rc == CURLM_OK); /* it fails by misuse only */
    while ((m = curl.multi_info_read(w->multi, &left)) != NULL) {
        if (m->msg == CURLMSG_DONE) {
            CURLcode result = m->data.result; /* m dies with its handle */
            end(w, transfer_call(m->easy_handle), result);
        }
    }
}

static void rest(struct webhook_http *w)
{
    if (w->multi == NULL) {
        struct pollfd p = {.fd = w->wake_fd, .events = POLLIN};
        (void)poll(&p, 1, -1);
    } else {
        struct curl_waitfd p = {.fd = w->wake_fd, .events = CURL_WAIT_POLLIN};
        (void)curl.multi_poll(w->multi, &p, 1, REST_MS_MAX, NULL);
    }
    uint64_t count;
    ssize_t rc = read(w->wake_fd, &count, sizeof count);
    (void)rc; /* nothing there is fine */
}

static void *run(void *arg)
{
    struct webhook_http *w = arg;
    while (take(w)) {
        if (w->multi != NULL) {
            perform(w);
        }
        rest(w);
    }
    if (w->multi != NULL) {
        curl.multi_cleanup(w->multi);
        curl.global_cleanup();
    }
    return NULL;
}

struct webhook *webhook_http_open(const struct webhook_http_conf *conf)
{
    struct webhook_http *w = mem_calloc(1, sizeof *w);
    w->port = (struct webhook){.call = on_call, .cancel = on_cancel, .check = on_check};
    w->conf = *conf;
    list_init(&w->inbox);
    list_init(&w->active);
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = pthread_mutex_init(&w->lock, NULL);
    ASSERT(w->wake_fd >= 0 && rc == 0); /* start-up: nothing is served yet */
    rc = pthread_create(&w->thread, NULL, run, w);
    ASSERT(rc == 0);
    return &w->port;
}

void webhook_http_close(struct webhook *port)
{
    if (port == NULL) {
        return;
    }
    struct webhook_http *w = CONTAINER_OF(port, struct webhook_http, port);
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_mutex_unlock(&w->lock);
    wake(w);
    pthread_join(w->thread, NULL);
}

void webhook_http_free(struct webhook *port)
{
    if (port == NULL) {
        return;
    }
    struct webhook_http *w = CONTAINER_OF(port, struct webhook_http, port);
    ASSERT(w->count == 0 && list_empty(&w->inbox));
    close(w->wake_fd);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}
