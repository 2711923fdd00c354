/*
 * See tokens_jose.h. The set that verifies is immutable and refcounted: a verification takes a
 * reference under the lock and works outside it; a replacement builds a new set and swaps.
 */
#include "adapters/tokens_jose/tokens_jose.h"

#include "base/assert.h"
#include "base/mem.h"
#include "adapters/tokens_hs256/tokens_hs256.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct shared_set {
    atomic_uint refs;
    struct key_set *keys; /* the fixed ones, the fetched ones, those of before */
};

struct jose {
    struct tokens port;
    struct tokens *own;
    struct key_set *fixed;   /* NULL: none */
    struct key_source *source;
    char *issuer;
    char *outside_issuers;
    char *audience;
    int64_t leeway_s;
    pthread_mutex_t lock; /* of `current` */
    struct shared_set *current;
};

static struct shared_set *set_new(struct key_set *keys)
{
    struct shared_set *s = mem_calloc(1, sizeof *s);
    atomic_init(&s->refs, 1);
    s->keys = keys;
    return s;
}

static void set_unref(struct shared_set *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        key_set_free(s->keys);
        mem_free(s);
    }
}

static struct shared_set *set_get(struct jose *t)
{
    pthread_mutex_lock(&t->lock);
    struct shared_set *s = t->current;
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&t->lock);
    return s;
}

static enum token_fault verify_outside(struct jose *t, const struct key_set *keys,
                                       const struct token_parts *parts, int64_t now_ms,
                                       struct token_claims *out)
{
    enum token_fault fault = key_set_verify(keys, parts, now_ms);
    if (fault != TOKEN_OK) {
        /* Keys without a kid were tried, but the one that is meant may still come. */
        bool may_come = t->source != NULL && parts->has_kid &&
                        jose_alg_find(parts->alg) != JOSE_ALG_COUNT &&
                        !key_set_has_kid(keys, parts->kid, now_ms);
        return may_come ? TOKEN_UNKNOWN_KEY : fault;
    }
    struct token_rules rules = {.issuer = t->issuer,
                                .outside = true,
                                .outside_issuers = t->outside_issuers,
                                .audience = t->audience,
                                .leeway_s = t->leeway_s,
                                .now_s = now_ms / 1000};
    return token_read_claims(parts->payload, &rules, out);
}

static enum token_fault jose_verify(struct tokens *self, span token, int64_t now_ms,
                                    struct token_claims *out)
{
    struct jose *t = CONTAINER_OF(self, struct jose, port);
    struct token_parts parts;
    *out = (struct token_claims){0};
    enum token_fault fault = token_split(token, &parts);
    if (fault != TOKEN_OK) {
        return fault;
    }
    struct shared_set *s = set_get(t);
    if (strcmp(parts.alg, "HS256") == 0 &&
        !(parts.has_kid && key_set_has_kid(s->keys, parts.kid, now_ms))) {
        fault = tokens_hs256_verify(t->own, &parts, now_ms, out);
    } else if (key_set_count(s->keys) == 0 && t->source == NULL) {
        fault = TOKEN_BAD_ALGORITHM; /* our own key is the only one, and takes HS256 */
    } else {
        fault = verify_outside(t, s->keys, &parts, now_ms, out);
    }
    set_unref(s);
    return fault;
}

static void jose_issue(struct tokens *self, const struct token_claims *claims, buf *out)
{
    struct jose *t = CONTAINER_OF(self, struct jose, port);
    t->own->issue(t->own, claims, out);
}

static void jose_sha256(struct tokens *self, span data, uint8_t out[32])
{
    struct jose *t = CONTAINER_OF(self, struct jose, port);
    t->own->sha256(t->own, data, out);
}

static bool jose_await(struct tokens *self, struct tokens_wait *w)
{
    struct jose *t = CONTAINER_OF(self, struct jose, port);
    return t->source != NULL && t->source->await_keys(t->source, w);
}

static char *copy_text(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : mem_strndup(text, strlen(text));
}

/* A new set that begins with the keys of files. */
static struct key_set *with_fixed(const struct jose *t)
{
    struct key_set *all = key_set_new();
    if (t->fixed != NULL) {
        key_set_add(all, t->fixed, 0, 0);
    }
    return all;
}

struct tokens *tokens_jose_new(const struct tokens_jose_conf *conf)
{
    ASSERT(conf->own != NULL && conf->leeway_s >= 0);
    struct jose *t = mem_calloc(1, sizeof *t);
    t->port = (struct tokens){.verify = jose_verify,
                              .issue = jose_issue,
                              .sha256 = jose_sha256,
                              .await_keys = jose_await};
    t->own = conf->own;
    t->fixed = conf->fixed;
    t->issuer = copy_text(conf->issuer);
    t->outside_issuers = copy_text(conf->outside_issuers);
    t->audience = copy_text(conf->audience);
    t->leeway_s = conf->leeway_s;
    int rc = pthread_mutex_init(&t->lock, NULL);
    ASSERT(rc == 0);
    t->current = set_new(with_fixed(t));
    return &t->port;
}

void tokens_jose_free(struct tokens *self)
{
    if (self == NULL) {
        return;
    }
    struct jose *t = CONTAINER_OF(self, struct jose, port);
    set_unref(t->current);
    key_set_free(t->fixed);
    tokens_hs256_free(t->own);
    pthread_mutex_destroy(&t->lock);
    mem_free(t->issuer);
    mem_free(t->outside_issuers);
    mem_free(t->audience);
    mem_free(t);
}

void tokens_jose_set_source(struct tokens *self, struct key_source *source)
{
    struct jose *t = CONTAINER_OF(self, struct jose, port);
    t->source = source;
}

void tokens_jose_replace(struct tokens *self, struct key_set *fresh, int64_t grace_until_ms,
                         int64_t now_ms)
{
    struct jose *t = CONTAINER_OF(self, struct jose, port);
    struct key_set *all = with_fixed(t);
    key_set_add(all, fresh, 0, now_ms);
    key_set_add(all, t->current->keys, grace_until_ms, now_ms); /* only this thread replaces it */
    key_set_free(fresh);
    struct shared_set *next = set_new(all);
    pthread_mutex_lock(&t->lock);
    struct shared_set *old = t->current;
    t->current = next;
    pthread_mutex_unlock(&t->lock);
    set_unref(old);
}

enum token_fault tokens_jose_check(const struct key_set *keys, span token,
                                   const struct token_rules *rules, struct token_claims *out)
{
    struct token_parts parts;
    *out = (struct token_claims){0};
    enum token_fault fault = token_split(token, &parts);
    if (fault == TOKEN_OK) {
        fault = key_set_verify(keys, &parts, rules->now_s * 1000);
    }
    return fault == TOKEN_OK ? token_read_claims(parts.payload, rules, out) : fault;
}
