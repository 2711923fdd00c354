#include "domain/receiver.h"

#include "base/mem.h"
#include "domain/home.h"

#include <string.h>

struct receiver {
    struct home *home;
    const char *name;
    const struct receiver_conf *(*conf)(const struct home *h);
    struct breaker breaker;
    buf url; /* whose breaker it is, with a NUL */
    unsigned active;
    unsigned waiting_count;
    struct list waiting; /* struct receiver_call */
    struct receiver_state state;
};

static const char *const names[RECEIVER_RESULT_COUNT] = {
    [RECEIVER_ANSWERED] = "answered",       [RECEIVER_REFUSED] = "refused",
    [RECEIVER_FAILED] = "failed",           [RECEIVER_TIMEOUT] = "timeout",
    [RECEIVER_UNREACHABLE] = "unreachable", [RECEIVER_TOO_LONG] = "too_long",
    [RECEIVER_BREAKER] = "breaker",         [RECEIVER_BUSY] = "busy",
    [RECEIVER_NONE] = "none",               [RECEIVER_CLOSED] = "closed",
};

const char *receiver_name(const struct receiver *r) { return r->name; }

const char *receiver_result_name(enum receiver_result r) { return names[r]; }

const struct receiver_state *receiver_state(const struct receiver *r) { return &r->state; }

static struct breaker_conf breaker_conf(const struct receiver_conf *conf)
{
    return (struct breaker_conf){.failures = conf->breaker_failures,
                                 .window_ms = BREAKER_WINDOW_MS,
                                 .open_ms = conf->breaker_open_ms};
}

static void show(struct receiver *r)
{
    atomic_store_explicit(&r->state.breaker, (uint32_t)r->breaker.state, memory_order_relaxed);
    atomic_store_explicit(&r->state.active, r->active, memory_order_relaxed);
    atomic_store_explicit(&r->state.waiting, r->waiting_count, memory_order_relaxed);
}

static void on_done_mail(struct mail *m)
{
    struct receiver_call *c = CONTAINER_OF(m, struct receiver_call, mail);
    if (c->kept.len > 0) {
        explicit_bzero(c->kept.ptr, c->kept.len); /* the secret */
    }
    buf_deinit(&c->kept);
    c->done(c);
}

static void finish(struct receiver *r, struct receiver_call *c, enum receiver_result result)
{
    c->result = result;
    c->mail.run = on_done_mail;
    post_mail(r->home->post, c->loop, &c->mail);
}

/* A success of any kind but one that says "later" is a sign of life. */
static enum receiver_result result_of(const struct webhook_call *w)
{
    switch (w->result) {
    case WEBHOOK_OK:
        return RECEIVER_ANSWERED;
    case WEBHOOK_STATUS:
        return w->status >= 300 && w->status < 500 && w->status != 408 && w->status != 429
                   ? RECEIVER_REFUSED
                   : RECEIVER_FAILED;
    case WEBHOOK_TIMEOUT:
        return RECEIVER_TIMEOUT;
    case WEBHOOK_TOO_LONG:
        return RECEIVER_TOO_LONG;
    case WEBHOOK_CANCELLED:
        return RECEIVER_CLOSED;
    case WEBHOOK_UNREACHABLE:
    case WEBHOOK_RESULT_COUNT:
        break;
    }
    return RECEIVER_UNREACHABLE;
}

static void report(struct receiver *r, const struct receiver_call *c, enum receiver_result result)
{
    struct breaker_conf conf = breaker_conf(r->conf(r->home));
    bool ok = result == RECEIVER_ANSWERED || result == RECEIVER_REFUSED;
    if (result == RECEIVER_CLOSED) {
        breaker_return(&r->breaker, c->pass);
        return;
    }
    if (!ok) {
        LOG(r->home->log, LOG_WARN, "webhook.failed", LOG_STR("receiver", r->name),
            LOG_STR("result", names[result]), LOG_I64("status", c->call.status),
            LOG_STR("why", c->call.why));
    }
    if (breaker_report(&r->breaker, &conf, c->pass, ok, clock_mono_ms(r->home->clock))) {
        LOG(r->home->log, LOG_WARN, "webhook.breaker", LOG_STR("receiver", r->name),
            LOG_STR("state", breaker_state_name(r->breaker.state)));
    }
}

static void start_waiting(struct receiver *r);

static void on_answer(struct webhook_call *w)
{
    struct receiver_call *c = CONTAINER_OF(w, struct receiver_call, call);
    struct receiver *r = c->receiver;
    enum receiver_result result = result_of(w);
    r->active--;
    c->status = w->status;
    c->answer = w->answer;
    report(r, c, result);
    finish(r, c, result);
    start_waiting(r);
    show(r);
}

/* Text with its NUL into `b`; where it begins. */
static size_t keep(buf *b, const char *text)
{
    size_t at = b->len;
    buf_append(b, text, strlen(text) + 1);
    return at;
}

/* One that is waiting or has just come; the breaker lets it through. */
static void start(struct receiver *r, struct receiver_call *c, const struct receiver_conf *conf,
                  int64_t now_ms)
{
    if (c->due_ms <= now_ms) { /* it has waited all its time */
        breaker_return(&r->breaker, c->pass);
        finish(r, c, RECEIVER_TIMEOUT);
        return;
    }
    size_t url = keep(&c->kept, conf->url);
    size_t ca = keep(&c->kept, conf->ca);
    size_t secret = keep(&c->kept, conf->secret);
    const char *kept = (const char *)c->kept.ptr;
    c->call = (struct webhook_call){.loop = r->home->index,
                                    .url = kept + url,
                                    .ca = kept + ca,
                                    .secret = span_str(kept + secret),
                                    .body = buf_span(&c->body),
                                    .id = c->id,
                                    .timeout_ms = (uint32_t)(c->due_ms - now_ms),
                                    .answer_bytes_max = conf->answer_bytes_max,
                                    .done = on_answer};
    if (webhook_call(r->home->webhook, &c->call)) {
        r->active++;
    } else {
        breaker_return(&r->breaker, c->pass);
        finish(r, c, RECEIVER_BUSY);
    }
}

/* Whether it may be called now; else it is answered. */
static bool admitted(struct receiver *r, struct receiver_call *c, const struct receiver_conf *conf,
                     int64_t now_ms)
{
    struct breaker_conf breaker = breaker_conf(conf);
    int64_t retry_ms = 0;
    if (conf->url[0] == '\0') {
        finish(r, c, RECEIVER_NONE);
        return false;
    }
    if (!breaker_ask(&r->breaker, &breaker, now_ms, &c->pass, &retry_ms)) {
        c->retry_ms = (uint32_t)retry_ms;
        finish(r, c, RECEIVER_BREAKER);
        return false;
    }
    return true;
}

static void start_waiting(struct receiver *r)
{
    const struct receiver_conf *conf = r->conf(r->home);
    int64_t now_ms = clock_mono_ms(r->home->clock);
    while (!list_empty(&r->waiting) &&
           (r->active < conf->calls_max || r->breaker.state == BREAKER_OPEN)) {
        struct receiver_call *c = LIST_ITEM(r->waiting.next, struct receiver_call, link);
        list_remove(&c->link);
        r->waiting_count--;
        if (admitted(r, c, conf, now_ms)) {
            start(r, c, conf, now_ms);
        }
    }
}

/* Another URL is another receiver, of which nothing bad is known. */
static void look_at_url(struct receiver *r, const char *url)
{
    if (r->url.len == 0 || strcmp((const char *)r->url.ptr, url) != 0) {
        r->breaker = (struct breaker){.era = r->breaker.era + 1};
        buf_clear(&r->url);
        (void)keep(&r->url, url);
    }
}

static void on_call_mail(struct mail *m)
{
    struct receiver_call *c = CONTAINER_OF(m, struct receiver_call, mail);
    struct receiver *r = c->receiver;
    const struct receiver_conf *conf = r->conf(r->home);
    int64_t now_ms = clock_mono_ms(r->home->clock);
    look_at_url(r, conf->url);
    c->due_ms = now_ms + conf->timeout_ms;
    bool room = r->active < conf->calls_max;
    if ((room && list_empty(&r->waiting)) || r->breaker.state != BREAKER_CLOSED) {
        if (!admitted(r, c, conf, now_ms)) {
            ; /* answered */
        } else if (room) {
            start(r, c, conf, now_ms);
        } else { /* the probe needs a place, too */
            breaker_return(&r->breaker, c->pass);
            finish(r, c, RECEIVER_BUSY);
        }
    } else if (r->waiting_count < conf->queue_max) {
        list_push(&r->waiting, &c->link);
        r->waiting_count++;
    } else {
        finish(r, c, RECEIVER_BUSY);
    }
    show(r);
}

void receiver_call(struct receiver *r, const struct home *from, struct receiver_call *c)
{
    ASSERT(c->done != NULL);
    c->receiver = r;
    c->status = 0;
    c->retry_ms = 0;
    c->answer = (buf){0};
    c->kept = (buf){0};
    c->mail.run = on_call_mail;
    post_mail(from->post, r->home->index, &c->mail);
}

struct receiver *receiver_new(struct home *h, const char *name,
                              const struct receiver_conf *(*conf)(const struct home *h))
{
    struct receiver *r = mem_calloc(1, sizeof *r);
    r->home = h;
    r->name = name;
    r->conf = conf;
    list_init(&r->waiting);
    return r;
}

void receiver_free(struct receiver *r)
{
    if (r != NULL) {
        ASSERT(r->active == 0 && list_empty(&r->waiting));
        buf_deinit(&r->url);
        mem_free(r);
    }
}
