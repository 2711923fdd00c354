#include "adapters/jwks_http/jwks_http.h"

#include "adapters/jwks_http/fetch.h"
#include "base/list.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)

struct jwks {
    struct key_source source;
    struct jwks_conf conf;
    char *url; /* owned */
    struct fetcher *fetcher;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    bool stopping;
    bool wanted;       /* a fetch is asked for or under way */
    int64_t next_ms;   /* monotonic: when the next one is due by itself */
    int64_t begun_ms;  /* when the last one began */
    struct list waiting; /* struct tokens_wait */
    unsigned waiting_count;
};

static int64_t or_default(int64_t value, int64_t fallback) { return value > 0 ? value : fallback; }

static bool await_keys(struct key_source *self, struct tokens_wait *w)
{
    struct jwks *j = CONTAINER_OF(self, struct jwks, source);
    bool wake = false;
    pthread_mutex_lock(&j->lock);
    if (!j->wanted && clock_mono_ms(j->conf.clock) - j->begun_ms >= j->conf.refetch_ms) {
        j->wanted = wake = true;
    }
    bool taken = !j->stopping && j->wanted && j->waiting_count < JWKS_WAITING_MAX;
    if (taken) {
        list_push(&j->waiting, &w->link);
        j->waiting_count++;
    }
    pthread_mutex_unlock(&j->lock);
    if (wake) {
        fetcher_wake(j->fetcher);
    }
    return taken;
}

/* Takes the answer's keys; the time until the next fetch. */
static int64_t take(struct jwks *j, const struct fetched *answer)
{
    const struct jwks_conf *c = &j->conf;
    struct key_set *keys = key_set_new();
    const char *why = "";
    if (!key_set_read(keys, buf_span(&answer->body), false, &why)) {
        key_set_free(keys);
        LOG(c->log, LOG_WARN, "jwks.failed", LOG_STR("url", j->url), LOG_STR("reason", why));
        return c->refetch_ms;
    }
    unsigned count = key_set_count(keys);
    int64_t now = clock_wall_ms(c->clock);
    tokens_jose_replace(c->tokens, keys, now + c->grace_ms, now);
    int64_t fresh = answer->max_age_s < 0 ? c->fresh_ms : answer->max_age_s * 1000;
    fresh = fresh < c->fresh_ms_min ? c->fresh_ms_min : fresh;
    fresh = fresh > c->fresh_ms_max ? c->fresh_ms_max : fresh;
    LOG(c->log, LOG_INFO, "jwks.fetched", LOG_STR("url", j->url), LOG_U64("keys", count),
        LOG_I64("fresh_s", fresh / 1000));
    return fresh;
}

/* Called with the lock, which it gives up meanwhile. */
static void tell_waiting(struct jwks *j)
{
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &j->waiting);
    j->waiting_count = 0;
    pthread_mutex_unlock(&j->lock);
    while (!list_empty(&waiting)) {
        struct tokens_wait *w = LIST_ITEM(waiting.next, struct tokens_wait, link);
        list_remove(&w->link);
        post_mail(j->conf.post, w->loop, &w->mail);
    }
    pthread_mutex_lock(&j->lock);
}

/* Called with the lock, which it gives up meanwhile. */
static void fetch_keys(struct jwks *j, struct fetched *answer)
{
    j->wanted = true;
    j->begun_ms = clock_mono_ms(j->conf.clock);
    pthread_mutex_unlock(&j->lock);
    int64_t rest_ms = j->conf.refetch_ms;
    if (fetch(j->fetcher, answer)) {
        rest_ms = take(j, answer);
    } else {
        LOG(j->conf.log, LOG_WARN, "jwks.failed", LOG_STR("url", j->url),
            LOG_STR("reason", answer->error));
    }
    pthread_mutex_lock(&j->lock);
    j->wanted = false;
    j->next_ms = clock_mono_ms(j->conf.clock) + rest_ms;
    tell_waiting(j);
}

static void *run(void *arg)
{
    struct jwks *j = arg;
    struct fetched answer = {0};
    pthread_mutex_lock(&j->lock);
    while (!j->stopping) {
        int64_t rest_ms = j->next_ms - clock_mono_ms(j->conf.clock);
        if (j->wanted || rest_ms <= 0) {
            fetch_keys(j, &answer);
            continue;
        }
        pthread_mutex_unlock(&j->lock);
        fetcher_rest(j->fetcher, rest_ms);
        pthread_mutex_lock(&j->lock);
    }
    tell_waiting(j);
    pthread_mutex_unlock(&j->lock);
    buf_deinit(&answer.body);
    return NULL;
}

struct jwks *jwks_open(const struct jwks_conf *conf)
{
    struct jwks *j = mem_calloc(1, sizeof *j);
    j->source.await_keys = await_keys;
    j->conf = *conf;
    j->conf.refetch_ms = or_default(conf->refetch_ms, MINUTE_MS);
    j->conf.fresh_ms = or_default(conf->fresh_ms, 60 * MINUTE_MS);
    j->conf.fresh_ms_min = or_default(conf->fresh_ms_min, 5 * MINUTE_MS);
    j->conf.fresh_ms_max = or_default(conf->fresh_ms_max, 24 * 60 * MINUTE_MS);
    j->conf.grace_ms = or_default(conf->grace_ms, 5 * MINUTE_MS);
    j->conf.timeout_ms = or_default(conf->timeout_ms, 5000);
    j->url = mem_strndup(conf->url, strlen(conf->url));
    j->fetcher = fetcher_new(j->url, j->conf.timeout_ms);
    j->wanted = true; /* tokens that come before the first answer wait for it */
    list_init(&j->waiting);
    int rc = pthread_mutex_init(&j->lock, NULL);
    ASSERT(rc == 0);
    tokens_jose_set_source(conf->tokens, &j->source);
    rc = pthread_create(&j->thread, NULL, run, j);
    ASSERT(rc == 0); /* start-up: nothing is served yet */
    return j;
}

void jwks_close(struct jwks *j)
{
    if (j == NULL) {
        return;
    }
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_mutex_unlock(&j->lock);
    fetcher_stop(j->fetcher);
    pthread_join(j->thread, NULL);
}

void jwks_free(struct jwks *j)
{
    if (j == NULL) {
        return;
    }
    fetcher_free(j->fetcher);
    pthread_mutex_destroy(&j->lock);
    mem_free(j->url);
    mem_free(j);
}
