/*
 * This loop's subscribers. A topic's members are a dense array of small numbers; each member
 * knows its place in every array it stands in, so that leaving costs no search.
 */
#include "base/mem.h"
#include "hub/internal.h"

#include <stdatomic.h>
#include <string.h>

/* One map entry a home: their hashes differ. */
static uint64_t pattern_hash(span name, unsigned home)
{
    return topic_hash(name) + home * UINT64_C(0x9e3779b97f4a7c15);
}

struct pattern_key {
    span name;
    unsigned home;
};

static bool pattern_eq(const struct map_node *node, const void *key)
{
    const struct topic *l = CONTAINER_OF(node, struct topic, node);
    const struct pattern_key *k = key;
    return l->home == k->home && span_eq(span_of(l->name, l->name_len), k->name);
}

static struct topic *find_pattern(const struct hub *h, unsigned home, span name)
{
    struct pattern_key key = {name, home};
    struct map_node *node =
        map_get(&h->local_patterns, pattern_hash(name, home), pattern_eq, &key);
    return node == NULL ? NULL : CONTAINER_OF(node, struct topic, node);
}

static bool has_members(const struct topic *l) { return l->count > 0 || l->pending > 0; }

static struct topic *find_or_make(struct hub *h, unsigned home, span name, enum topic_kind kind)
{
    bool pattern = kind != TOPIC_PLAIN;
    uint64_t hash = pattern ? pattern_hash(name, home) : topic_hash(name);
    struct topic *l = pattern ? find_pattern(h, home, name) : topic_find(h, hash, name);
    if (l == NULL) {
        l = topic_make(pattern ? &h->local_patterns : &h->topics, hash, name);
    }
    if (!has_members(l)) {
        l->home = (uint8_t)home;
        l->kind = (uint8_t)kind & 0xf;
        COUNT(h->stats.topics, 1);
        if (pattern) {
            shapes_add(&h->local_shapes, name);
        }
    }
    return l;
}

static void release(struct hub *h, struct topic *l)
{
    if (has_members(l)) {
        return;
    }
    UNCOUNT(h->stats.topics, 1);
    if (l->kind == TOPIC_PLAIN) {
        topic_release(h, l);
    } else {
        map_remove(&h->local_patterns, &l->node);
        shapes_remove(&h->local_shapes, span_of(l->name, l->name_len));
        topic_free(l);
    }
}

static struct sub *subs_of(struct member *m) { return m->sub_count > 1 ? m->many : &m->one; }

static struct sub *find_sub(struct member *m, const struct topic *l)
{
    struct sub *subs = subs_of(m);
    for (uint32_t i = 0; i < m->sub_count; i++) {
        if (subs[i].topic == l) {
            return &subs[i];
        }
    }
    return NULL;
}

static bool is_pattern(const struct sub *s, span name)
{
    const struct topic *l = s->topic;
    return l->kind != TOPIC_PLAIN && span_eq(span_of(l->name, l->name_len), name);
}

/* Members with patterns are few: their subscriptions are looked through. */
static struct sub *find_any_home(struct member *m, span name)
{
    struct sub *subs = subs_of(m);
    for (uint32_t i = 0; i < m->sub_count; i++) {
        if (is_pattern(&subs[i], name)) {
            return &subs[i];
        }
    }
    return NULL;
}

uint32_t local_patterns(const struct hub *h, uint32_t member, struct topic **out, uint32_t max)
{
    struct member *m = &h->members[member];
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->sub_count && count < max; i++) {
        if (subs_of(m)[i].topic->kind == TOPIC_LEAD) {
            out[count++] = subs_of(m)[i].topic;
        }
    }
    return count;
}

struct sub *local_find_sub(const struct hub *h, struct member *m, span name)
{
    if (m->sub_count == 0) {
        return NULL;
    }
    if (pattern_is(name)) {
        return find_any_home(m, name);
    }
    struct topic *l = topic_find(h, topic_hash(name), name);
    return l == NULL ? NULL : find_sub(m, l);
}

/* Room is the next power of two: one entry lives in the record, more in an array. */
static struct sub *add_sub(struct member *m, struct topic *l, uint32_t index)
{
    uint32_t n = m->sub_count;
    if (n == 1) {
        struct sub first = m->one;
        m->many = mem_alloc(2 * sizeof *m->many);
        m->many[0] = first;
    } else if (n > 1 && (n & (n - 1)) == 0) {
        m->many = mem_realloc(m->many, 2 * (size_t)n * sizeof *m->many);
    }
    m->sub_count = n + 1;
    struct sub *s = &subs_of(m)[n];
    *s = (struct sub){.topic = l, .index = index};
    return s;
}

static void remove_sub(struct member *m, struct sub *s)
{
    struct sub *subs = subs_of(m);
    *s = subs[m->sub_count - 1];
    m->sub_count--;
    if (m->sub_count == 1) {
        struct sub last = subs[0];
        mem_free(subs);
        m->one = last;
    }
}

static uint32_t *members_of(struct topic *l)
{
    return l->cap_log == LOCAL_FEW_LOG ? l->few : l->many;
}

static void join(struct hub *h, uint32_t member, struct sub *s)
{
    struct topic *l = s->topic;
    if (l->count == 1u << l->cap_log) {
        bool few = l->cap_log == LOCAL_FEW_LOG;
        uint32_t *many = mem_realloc(few ? NULL : l->many, 2 * (size_t)l->count * sizeof *many);
        if (few) {
            memcpy(many, l->few, sizeof l->few);
        }
        l->many = many;
        l->cap_log++;
    }
    s->index = l->count;
    members_of(l)[l->count++] = member;
}

/* The last member takes the place that becomes free. */
static void leave(struct hub *h, struct sub *s)
{
    struct topic *l = s->topic;
    uint32_t last = members_of(l)[--l->count];
    members_of(l)[s->index] = last;
    struct sub *moved = find_sub(&h->members[last], l);
    ASSERT(moved != NULL);
    moved->index = s->index;
    uint32_t cap = 1u << l->cap_log;
    if (cap > 8 && l->count < cap / 4) {
        l->cap_log--;
        l->many = mem_realloc(l->many, cap / 2 * sizeof *l->many);
    }
}

static struct hub_ticket ticket_of(const struct hub *h, uint32_t member)
{
    return (struct hub_ticket){
        .loop = h->conf.loop, .member = member, .gen = h->members[member].gen};
}

static void begin(struct hub *h, uint32_t member, unsigned home, span name, enum topic_kind kind)
{
    struct topic *l = find_or_make(h, home, name, kind);
    h->token = (h->token + 1) & ~SUB_PENDING;
    l->pending++;
    add_sub(&h->members[member], l, SUB_PENDING | h->token);
    COUNT(h->stats.subscriptions, 1);
}

static void subscribe(struct hub *h, uint32_t member, unsigned home, span name,
                      enum topic_kind kind)
{
    begin(h, member, home, name, kind);
    if (home == h->conf.loop) {
        home_subscribe(h, ticket_of(h, member), h->token, name);
    } else {
        hub_mail_post(h, home, MAIL_SUBSCRIBE, ticket_of(h, member), h->token, NULL, name);
    }
}

void local_subscribe(struct hub *h, uint32_t member, unsigned home, span name)
{
    subscribe(h, member, home, name, TOPIC_PLAIN);
}

void local_subscribe_pattern(struct hub *h, uint32_t member, unsigned home, span name)
{
    if (home != HUB_EVERY_HOME) {
        subscribe(h, member, home, name, TOPIC_LEAD);
        return;
    }
    for (home = 0; home < h->conf.post->loop_count; home++) {
        subscribe(h, member, home, name, home == 0 ? TOPIC_LEAD : TOPIC_FURTHER);
    }
}

void local_activate(struct hub *h, struct hub_ticket who, uint32_t token, unsigned home,
                    span name)
{
    struct member *m = member_get(h, who.member);
    if (m == NULL || m->gen != who.gen) {
        return;
    }
    struct topic *l = pattern_is(name) ? find_pattern(h, home, name)
                                       : topic_find(h, topic_hash(name), name);
    struct sub *s = l == NULL ? NULL : find_sub(m, l);
    if (s != NULL && s->index == (SUB_PENDING | token)) {
        s->topic->pending--;
        join(h, who.member, s);
    }
}

void local_join(struct hub *h, uint32_t member, unsigned home, span name)
{
    begin(h, member, home, name, pattern_is(name) ? TOPIC_LEAD : TOPIC_PLAIN);
    local_activate(h, ticket_of(h, member), h->token, home, name);
}

void local_decline(struct hub *h, struct hub_ticket who, unsigned home, span name)
{
    if (home == h->conf.loop) {
        home_unsubscribe(h, who, name);
    } else {
        hub_mail_post(h, home, MAIL_UNSUBSCRIBE, who, 0, NULL, name);
    }
}

static void drop(struct hub *h, uint32_t member, struct sub *s)
{
    struct topic *l = s->topic;
    struct hub_ticket who = ticket_of(h, member);
    if (s->index & SUB_PENDING) {
        l->pending--;
    } else {
        leave(h, s);
    }
    remove_sub(&h->members[member], s);
    UNCOUNT(h->stats.subscriptions, 1);
    l->pending++; /* the owner, told here or by mail, must not free what is named */
    local_decline(h, who, l->home, span_of(l->name, l->name_len));
    l->pending--;
    release(h, l);
}

/* At all its homes. No owner hears of it: nobody comes back here meanwhile. */
static void drop_pattern(struct hub *h, uint32_t member, span name)
{
    struct member *m = &h->members[member];
    for (uint32_t i = m->sub_count; i > 0; i--) {
        struct sub *s = &subs_of(m)[i - 1];
        if (is_pattern(s, name)) {
            drop(h, member, s);
        }
    }
}

bool local_unsubscribe(struct hub *h, uint32_t member, span name)
{
    struct sub *s = local_find_sub(h, &h->members[member], name);
    if (s == NULL) {
        return false;
    }
    if (s->topic->kind != TOPIC_PLAIN) {
        drop_pattern(h, member, name);
    } else {
        drop(h, member, s);
    }
    return true;
}

void local_drop_all(struct hub *h, uint32_t member)
{
    while (h->members[member].sub_count > 0) {
        struct member *m = &h->members[member];
        drop(h, member, &subs_of(m)[m->sub_count - 1]);
    }
}

static uint32_t add_members(struct hub *h, uint32_t count, const uint32_t *members, uint32_t more)
{
    uint32_t words = h->member_cap / 64 + 1;
    if (h->seen_words < words) {
        h->seen = mem_realloc(h->seen, words * sizeof *h->seen);
        memset(h->seen + h->seen_words, 0, (words - h->seen_words) * sizeof *h->seen);
        h->seen_words = words;
    }
    if (h->matched_cap < count + more) {
        h->matched_cap = 2 * (count + more);
        h->matched = mem_realloc(h->matched, h->matched_cap * sizeof *h->matched);
    }
    for (uint32_t i = 0; i < more; i++) {
        uint32_t member = members[i];
        uint64_t bit = UINT64_C(1) << (member % 64);
        if (!(h->seen[member / 64] & bit)) {
            h->seen[member / 64] |= bit;
            h->matched[count++] = member;
        }
    }
    return count;
}

/* Adds those of a topic who are not yet among the matched. */
static uint32_t add_matched(struct hub *h, uint32_t count, struct topic *l)
{
    return l == NULL ? count : add_members(h, count, members_of(l), l->count);
}

static bool is_active(struct member *m, const struct topic *l)
{
    const struct sub *s = l == NULL ? NULL : find_sub(m, l);
    return s != NULL && !(s->index & SUB_PENDING);
}

bool hub_hears(const struct hub *h, uint32_t member, unsigned home, span topic)
{
    struct member *m = member_get(h, member);
    struct shape_walk w;
    if (m == NULL) {
        return false;
    }
    bool hears = is_active(m, topic_find(h, topic_hash(topic), topic));
    shape_walk_begin(&w, topic);
    while (!hears && shape_walk_next(&w, &h->local_shapes)) {
        hears = is_active(m, find_pattern(h, home, w.candidate));
    }
    return hears;
}

struct hub_picks {
    struct hub *hub;
    uint32_t count; /* of hub->matched */
};

void hub_pick(struct hub_picks *picks, uint32_t member)
{
    if (member_get(picks->hub, member) != NULL) {
        picks->count = add_members(picks->hub, picks->count, &member, 1);
    }
}

void hub_pick_topic(struct hub_picks *picks, span topic)
{
    struct hub *h = picks->hub;
    picks->count = add_matched(h, picks->count, topic_find(h, topic_hash(topic), topic));
}

/* Of the members of a topic, those that the sink names, or all. */
static uint32_t add_picked(struct hub *h, struct topic *exact, const struct blob *b)
{
    struct hub_sink *sink = h->conf.sink;
    struct hub_picks picks = {.hub = h};
    if (exact == NULL || sink->among == NULL || !sink->among(sink, b, &picks)) {
        ASSERT(picks.count == 0);
        return add_matched(h, 0, exact);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < picks.count; i++) {
        uint32_t member = h->matched[i];
        if (is_active(&h->members[member], exact)) {
            h->matched[kept++] = member;
        } else {
            h->seen[member / 64] &= ~(UINT64_C(1) << (member % 64));
        }
    }
    return kept;
}

/* Of the matched, those who want it. */
static uint32_t keep_wanting(struct hub *h, uint32_t count, const struct blob *b)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (member_wants(h, h->matched[i], b)) {
            h->matched[kept++] = h->matched[i];
        }
    }
    return kept;
}

/* Members of the topic and of patterns that match it, each once. */
static void publish_matching(struct hub *h, unsigned home, struct topic *exact, span name,
                             uint64_t hash, struct blob *b)
{
    uint32_t count = b->some ? add_picked(h, exact, b) : add_matched(h, 0, exact);
    struct shape_walk w;
    shape_walk_begin(&w, name);
    while (shape_walk_next(&w, &h->local_shapes)) {
        count = add_matched(h, count, find_pattern(h, home, w.candidate));
    }
    for (uint32_t i = 0; i < count; i++) {
        h->seen[h->matched[i] / 64] = 0;
    }
    count = b->some ? keep_wanting(h, count, b) : count;
    if (count > 0) {
        turn_fan_out(h, h->matched, count, hash, b);
    }
    blob_unref(b);
}

void local_publish(struct hub *h, unsigned home, span name, uint64_t hash, struct blob *b)
{
    struct topic *l = topic_find(h, hash, name);
    h->newest_pos = b->pos > h->newest_pos ? b->pos : h->newest_pos;
    if (UNLIKELY(h->local_shapes.count > 0 || b->some)) {
        publish_matching(h, home, l, name, hash, b);
        return;
    }
    if (l != NULL && l->count > 0) {
        turn_fan_out(h, members_of(l), l->count, hash, b);
    }
    blob_unref(b);
}

void hub_topic_members(const struct hub *h, span topic, void (*visit)(uint32_t member, void *arg),
                       void *arg)
{
    struct topic *l = topic_find(h, topic_hash(topic), topic);
    for (uint32_t i = 0; l != NULL && i < l->count; i++) {
        visit(members_of(l)[i], arg);
    }
}

void local_free_all(struct hub *h)
{
    for (struct map_node *n = map_pop(&h->local_patterns); n != NULL;
         n = map_pop(&h->local_patterns)) {
        topic_free(CONTAINER_OF(n, struct topic, node));
    }
    map_deinit(&h->local_patterns);
    shapes_deinit(&h->local_shapes);
    mem_free(h->matched);
    mem_free(h->seen);
}
