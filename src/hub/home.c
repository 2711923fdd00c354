/*
 * Topics at their home loop, and the mail between hubs. The home is told of every subscriber, so
 * its owner can start and stop work for them; it publishes to loops, never to single members.
 *
 * Snapshot without a gap: the home marks the loop interested, then activates the subscriber,
 * then lets the owner answer with the newest values, then goes on publishing; mail to one loop
 * keeps that order. A pattern is to its home as a topic is, but it has no owner of its own: every
 * owner of topics that it may match is told of its subscribers.
 */
#include "base/mem.h"
#include "hub/internal.h"

#include <stdatomic.h>
#include <string.h>

static bool topic_eq(const struct map_node *node, const void *key)
{
    const struct topic *t = CONTAINER_OF(node, struct topic, node);
    return span_eq(span_of(t->name, t->name_len), *(const span *)key);
}

static struct topic *find_in(const struct map *map, uint64_t hash, span name)
{
    struct map_node *node = map_get(map, hash, topic_eq, &name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct topic, node);
}

struct topic *topic_find(const struct hub *h, uint64_t hash, span name)
{
    return find_in(&h->topics, hash, name);
}

struct topic *hub_topic(struct hub *h, span name)
{
    struct topic *t = topic_find(h, topic_hash(name), name);
    return t == NULL || t->subscribers == 0 ? NULL : t;
}

span topic_name(const struct topic *t) { return span_of(t->name, t->name_len); }
uint32_t topic_subscribers(const struct topic *t) { return t->subscribers; }

struct topic *topic_make(struct map *map, uint64_t hash, span name)
{
    struct topic *t = mem_calloc(1, sizeof *t + name.len);
    t->cap_log = LOCAL_FEW_LOG;
    t->name_len = (uint8_t)name.len;
    memcpy(t->name, name.ptr, name.len);
    map_put(map, hash, &t->node);
    return t;
}

void topic_free(struct topic *t)
{
    if (t->cap_log != LOCAL_FEW_LOG) {
        mem_free(t->many);
    }
    mem_free(t->spread);
    mem_free(t);
}

void topic_release(struct hub *h, struct topic *t)
{
    if (t->subscribers == 0 && t->count == 0 && t->pending == 0) {
        map_remove(&h->topics, &t->node);
        topic_free(t);
    }
}

static uint8_t owner_row_of(const struct hub *h, span name)
{
    for (unsigned i = 0; i < h->owner_count; i++) {
        if (span_starts(name, h->owners[i].prefix)) {
            return (uint8_t)(i + 1);
        }
    }
    return 0;
}

static const struct owner_row *owner_of(const struct hub *h, const struct topic *t)
{
    static const struct topic_owner none = {.on_subscribe = NULL};
    static const struct owner_row nobody = {.owner = &none};
    return t->owner == 0 ? &nobody : &h->owners[t->owner - 1];
}

/* Loops with subscribers, a bit each. */
static uint64_t loops_of(const struct topic *t)
{
    return t->spread == NULL ? t->subscribers > 0 : t->spread->loops;
}

/* Counts a subscriber, then activates it: what is published from now on reaches it. */
static void admit(struct hub *h, struct topic *t, struct hub_ticket who, uint32_t token)
{
    unsigned loops = h->conf.post->loop_count;
    t->subscribers++;
    if (loops > 1) {
        if (t->spread == NULL) {
            t->spread = mem_calloc(1, sizeof *t->spread + loops * sizeof t->spread->count[0]);
        }
        t->spread->loops |= 1ULL << who.loop;
        t->spread->count[who.loop]++;
    }
    if (token == TOKEN_JOINS) {
        return;
    }
    if (who.loop == h->conf.loop) {
        local_activate(h, who, token, h->conf.loop, topic_name(t));
    } else {
        hub_mail_post(h, who.loop, MAIL_ACTIVATE, who, token, NULL, topic_name(t));
    }
}

static void subscribe_pattern(struct hub *h, struct hub_ticket who, uint32_t token, span name)
{
    uint64_t hash = topic_hash(name);
    struct topic *t = find_in(&h->patterns, hash, name);
    if (t == NULL) {
        t = topic_make(&h->patterns, hash, name);
        shapes_add(&h->shapes, name);
    }
    admit(h, t, who, token);
    for (unsigned i = 0; i < h->owner_count; i++) {
        const struct owner_row *row = &h->owners[i];
        if (row->owner->on_subscribe_pattern != NULL && pattern_may_begin(name, row->prefix)) {
            row->owner->on_subscribe_pattern(h, name, who, row->arg);
        }
    }
}

void home_subscribe(struct hub *h, struct hub_ticket who, uint32_t token, span name)
{
    if (pattern_is(name)) {
        subscribe_pattern(h, who, token, name);
        return;
    }
    uint64_t hash = topic_hash(name);
    struct topic *t = topic_find(h, hash, name);
    if (t == NULL) {
        t = topic_make(&h->topics, hash, name);
    }
    if (t->subscribers == 0) {
        t->owner = owner_row_of(h, name) & 0xf;
    }
    admit(h, t, who, token);
    const struct owner_row *row = owner_of(h, t);
    if (row->owner->on_subscribe != NULL) {
        row->owner->on_subscribe(t, who, row->arg);
    }
}

void home_unsubscribe(struct hub *h, struct hub_ticket who, span name)
{
    bool pattern = pattern_is(name);
    struct map *map = pattern ? &h->patterns : &h->topics;
    struct topic *t = find_in(map, topic_hash(name), name);
    ASSERT(t != NULL && t->subscribers > 0);
    t->subscribers--;
    if (t->spread != NULL && --t->spread->count[who.loop] == 0) {
        t->spread->loops &= ~(1ULL << who.loop);
    }
    const struct owner_row *row = owner_of(h, t);
    if (row->owner->on_unsubscribe != NULL) {
        row->owner->on_unsubscribe(t, t->subscribers, row->arg);
    }
    if (!pattern) {
        topic_release(h, t);
    } else if (t->subscribers == 0) {
        shapes_remove(&h->shapes, name);
        map_remove(map, &t->node);
        topic_free(t);
    }
}

static int name_cmp(span a, span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where a name belongs among the first `count` rows. */
static unsigned row_place(const struct hub_topic_row *rows, unsigned count, span name)
{
    unsigned low = 0;
    unsigned high = count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (name_cmp(span_of(rows[middle].name, rows[middle].name_len), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

unsigned hub_topics(const struct hub *h, span prefix, span after, struct hub_topic_row *out,
                    unsigned max)
{
    unsigned count = 0;
    for (const struct map_node *n = map_next(&h->topics, NULL); n != NULL;
         n = map_next(&h->topics, n)) {
        const struct topic *t = CONTAINER_OF(n, struct topic, node);
        span name = topic_name(t);
        if (t->subscribers == 0 || !span_starts(name, prefix) || name_cmp(name, after) <= 0) {
            continue;
        }
        unsigned at = row_place(out, count, name);
        if (at == max) {
            continue;
        }
        count += count < max;
        memmove(&out[at + 1], &out[at], (count - 1 - at) * sizeof *out);
        out[at].subscribers = t->subscribers;
        out[at].name_len = t->name_len;
        memcpy(out[at].name, name.ptr, name.len);
    }
    return count;
}

/* The loops with a subscriber to a pattern of the topic. */
static uint64_t pattern_loops(const struct hub *h, span name)
{
    uint64_t loops = 0;
    struct shape_walk w;
    shape_walk_begin(&w, name);
    while (shape_walk_next(&w, &h->shapes)) {
        struct topic *t = find_in(&h->patterns, topic_hash(w.candidate), w.candidate);
        loops |= t == NULL ? 0 : loops_of(t);
    }
    return loops;
}

static uint64_t interested_loops(const struct hub *h, uint64_t hash, span name)
{
    struct topic *t = topic_find(h, hash, name);
    uint64_t loops = t == NULL ? 0 : loops_of(t);
    return UNLIKELY(h->shapes.count > 0) ? loops | pattern_loops(h, name) : loops;
}

bool hub_wanted(const struct hub *h, span name)
{
    return interested_loops(h, topic_hash(name), name) != 0;
}

void home_publish(struct hub *h, span name, uint64_t hash, struct blob *b)
{
    uint64_t loops = interested_loops(h, hash, name);
    if (loops == 0) {
        blob_unref(b);
        return;
    }
    while (loops != 0) {
        unsigned loop = (unsigned)__builtin_ctzll(loops);
        loops &= loops - 1;
        struct blob *mine = loops == 0 ? b : blob_ref(b);
        if (loop == h->conf.loop) {
            local_publish(h, loop, name, hash, mine);
        } else {
            hub_mail_post(h, loop, MAIL_PUBLISH, (struct hub_ticket){0}, 0, mine, name);
        }
    }
}

static void on_mail(struct mail *mail)
{
    struct hub_mail *m = CONTAINER_OF(mail, struct hub_mail, mail);
    struct hub *h = m->to;
    span name = span_of(m->name, m->name_len);
    switch (m->kind) {
    case MAIL_SUBSCRIBE:
        home_subscribe(h, m->who, m->token, name);
        break;
    case MAIL_UNSUBSCRIBE:
        home_unsubscribe(h, m->who, name);
        break;
    case MAIL_ACTIVATE:
        local_activate(h, m->who, m->token, m->from, name);
        break;
    case MAIL_REPLY:
        hub_reply(h, m->who, m->blob);
        break;
    case MAIL_PUBLISH_HOME:
        home_publish(h, name, m->hash, m->blob);
        break;
    case MAIL_PUBLISH:
        local_publish(h, m->from, name, m->hash, m->blob);
        break;
    }
    mem_free(m);
}

void hub_mail_post(struct hub *h, unsigned loop, enum hub_mail_kind kind, struct hub_ticket who,
                   uint32_t token, struct blob *b, span name)
{
    struct hub_mail *m = mem_calloc(1, sizeof *m + name.len);
    m->mail.run = on_mail;
    m->to = h->conf.peers[loop];
    m->kind = kind;
    m->who = who;
    m->token = token;
    m->blob = b;
    m->hash = name.len > 0 ? topic_hash(name) : 0;
    m->from = (uint16_t)h->conf.loop;
    m->name_len = (uint16_t)name.len;
    if (name.len > 0) {
        memcpy(m->name, name.ptr, name.len);
    }
    post_mail(h->conf.post, loop, &m->mail);
}

void home_free_all(struct hub *h)
{
    for (struct map_node *n = map_pop(&h->topics); n != NULL; n = map_pop(&h->topics)) {
        topic_free(CONTAINER_OF(n, struct topic, node));
    }
    for (struct map_node *n = map_pop(&h->patterns); n != NULL; n = map_pop(&h->patterns)) {
        topic_free(CONTAINER_OF(n, struct topic, node));
    }
    map_deinit(&h->topics);
    map_deinit(&h->patterns);
    shapes_deinit(&h->shapes);
}
