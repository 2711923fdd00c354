/*
 * This loop's subscribers. A topic's members are a dense array of small numbers; each member
 * knows its place in every array it stands in, so that leaving costs no search.
 */
#include "base/mem.h"
#include "hub/internal.h"

#include <stdatomic.h>
#include <string.h>

static bool local_eq(const struct map_node *node, const void *key)
{
    const struct local *l = CONTAINER_OF(node, struct local, node);
    return span_eq(span_of(l->name, l->name_len), *(const span *)key);
}

static struct local *find(const struct hub *h, uint64_t hash, span name)
{
    struct map_node *node = map_get(&h->locals, hash, local_eq, &name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct local, node);
}

static struct local *find_or_make(struct hub *h, unsigned home, span name)
{
    uint64_t hash = topic_hash(name);
    struct local *l = find(h, hash, name);
    if (l == NULL) {
        l = mem_calloc(1, sizeof *l + name.len);
        l->cap = LOCAL_FEW;
        l->home = (uint16_t)home;
        l->name_len = (uint16_t)name.len;
        memcpy(l->name, name.ptr, name.len);
        map_put(&h->locals, hash, &l->node);
        COUNT(h->stats.topics, 1);
    }
    return l;
}

static void local_free(struct local *l)
{
    if (l->cap > LOCAL_FEW) {
        mem_free(l->many);
    }
    mem_free(l);
}

static void release(struct hub *h, struct local *l)
{
    if (l->count == 0 && l->pending == 0) {
        map_remove(&h->locals, &l->node);
        UNCOUNT(h->stats.topics, 1);
        local_free(l);
    }
}

static struct sub *subs_of(struct member *m) { return m->sub_count > 1 ? m->many : &m->one; }

static struct sub *find_sub(struct member *m, const struct local *l)
{
    struct sub *subs = subs_of(m);
    for (uint32_t i = 0; i < m->sub_count; i++) {
        if (subs[i].topic == l) {
            return &subs[i];
        }
    }
    return NULL;
}

struct sub *local_find_sub(const struct hub *h, struct member *m, span name)
{
    if (m->sub_count == 0) {
        return NULL;
    }
    struct local *l = find(h, topic_hash(name), name);
    return l == NULL ? NULL : find_sub(m, l);
}

/* Room is the next power of two: one entry lives in the record, more in an array. */
static struct sub *add_sub(struct member *m, struct local *l, uint32_t index)
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

static uint32_t *members_of(struct local *l) { return l->cap == LOCAL_FEW ? l->few : l->many; }

static void join(struct hub *h, uint32_t member, struct sub *s)
{
    struct local *l = s->topic;
    if (l->count == l->cap) {
        uint32_t *many = l->cap == LOCAL_FEW ? NULL : l->many;
        many = mem_realloc(many, 2 * (size_t)l->cap * sizeof *many);
        if (l->cap == LOCAL_FEW) {
            memcpy(many, l->few, sizeof l->few);
        }
        l->many = many;
        l->cap *= 2;
    }
    s->index = l->count;
    members_of(l)[l->count++] = member;
}

/* The last member takes the place that becomes free. */
static void leave(struct hub *h, struct sub *s)
{
    struct local *l = s->topic;
    uint32_t last = members_of(l)[--l->count];
    members_of(l)[s->index] = last;
    struct sub *moved = find_sub(&h->members[last], l);
    ASSERT(moved != NULL);
    moved->index = s->index;
    if (l->cap > 8 && l->count < l->cap / 4) {
        l->cap /= 2;
        l->many = mem_realloc(l->many, l->cap * sizeof *l->many);
    }
}

static struct hub_ticket ticket_of(const struct hub *h, uint32_t member)
{
    return (struct hub_ticket){
        .loop = h->conf.loop, .member = member, .gen = h->members[member].gen};
}

void local_subscribe(struct hub *h, uint32_t member, unsigned home, span name)
{
    struct local *l = find_or_make(h, home, name);
    h->token = (h->token + 1) & ~SUB_PENDING;
    l->pending++;
    add_sub(&h->members[member], l, SUB_PENDING | h->token);
    COUNT(h->stats.subscriptions, 1);
    if (home == h->conf.loop) {
        home_subscribe(h, ticket_of(h, member), h->token, name);
    } else {
        hub_mail_post(h, home, MAIL_SUBSCRIBE, ticket_of(h, member), h->token, NULL, name);
    }
}

void local_activate(struct hub *h, struct hub_ticket who, uint32_t token, span name)
{
    struct member *m = member_get(h, who.member);
    if (m == NULL || m->gen != who.gen) {
        return;
    }
    struct sub *s = local_find_sub(h, m, name);
    if (s != NULL && s->index == (SUB_PENDING | token)) {
        s->topic->pending--;
        join(h, who.member, s);
    }
}

static void drop(struct hub *h, uint32_t member, struct sub *s)
{
    struct local *l = s->topic;
    struct hub_ticket who = ticket_of(h, member);
    if (s->index & SUB_PENDING) {
        l->pending--;
    } else {
        leave(h, s);
    }
    remove_sub(&h->members[member], s);
    UNCOUNT(h->stats.subscriptions, 1);
    l->pending++; /* the owner, told here or by mail, must not free what is named */
    span name = span_of(l->name, l->name_len);
    if (l->home == h->conf.loop) {
        home_unsubscribe(h, who, name);
    } else {
        hub_mail_post(h, l->home, MAIL_UNSUBSCRIBE, who, 0, NULL, name);
    }
    l->pending--;
    release(h, l);
}

bool local_unsubscribe(struct hub *h, uint32_t member, span name)
{
    struct sub *s = local_find_sub(h, &h->members[member], name);
    if (s == NULL) {
        return false;
    }
    drop(h, member, s);
    return true;
}

void local_drop_all(struct hub *h, uint32_t member)
{
    while (h->members[member].sub_count > 0) {
        struct member *m = &h->members[member];
        drop(h, member, &subs_of(m)[m->sub_count - 1]);
    }
}

/* One encoding a wire, one range a member. */
void local_publish(struct hub *h, span name, uint64_t hash, struct blob *b)
{
    struct local *l = find(h, hash, name);
    if (l == NULL || l->count == 0) {
        blob_unref(b);
        return;
    }
    turn_make_room(h);
    uint32_t msg[HUB_WIRES_MAX];
    uint32_t made = 0;
    const uint32_t *members = members_of(l);
    for (uint32_t i = 0; i < l->count; i++) {
        unsigned wire = h->members[members[i]].wire;
        if (!(made & (1u << wire))) {
            msg[wire] = turn_encode(h, wire, blob_ref(b), hash);
            made |= 1u << wire;
        }
        turn_deliver(h, members[i], msg[wire]);
    }
    blob_unref(b);
}

void local_free_all(struct hub *h)
{
    for (struct map_node *n = map_pop(&h->locals); n != NULL; n = map_pop(&h->locals)) {
        struct local *l = CONTAINER_OF(n, struct local, node);
        local_free(l);
    }
    map_deinit(&h->locals);
}
