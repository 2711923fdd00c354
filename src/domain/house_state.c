/*
 * States: they change in memory, are told to followers in the same call and are written behind
 * (docs/decisions/0018). A change is encoded once, and not at all while nobody follows its room.
 *
 * Snapshot without a gap: the wish for one travels in front of the subscription from the same loop,
 * and the subscription is answered where changes are published, so nothing comes between. In the
 * outbox of a slow reader no newer state moves in front of it, for it is a barrier (hub/blob.h).
 */
#include "domain/house_internal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "shape/house_state.h"

#include <stdio.h>
#include <string.h>

#define STATE_BYTES_MAX (4 * HOUSE_STATE_MAX)
#define PREFIX "home/state/"
/* Rooms whose snapshots of this turn are kept for who asks next: a tablet that everybody unlocks
 * at once asks for all of a house. */
#define SHARED_MAX 16

/* Somebody wants a snapshot. */
struct wish {
    struct mail mail;
    struct list link; /* in wishes until its subscription arrives */
    struct house *house;
    struct hub_ticket who;
    int64_t room;
    bool has; /* it follows already */
};

struct house_wishes {
    struct house *house;
    struct list list; /* struct wish: as many as loops, for subscriptions come right behind */
    buf json;         /* of one change, for its memory */
    struct turn_work turn_end;
    unsigned shared_count;
    struct shared {
        int64_t room;
        struct blob *blob; /* one reference */
    } shared[SHARED_MAX];
};

static span topic_of(int64_t room, char text[HOUSE_TOPIC_MAX])
{
    int len = snprintf(text, HOUSE_TOPIC_MAX, PREFIX "%lld", (long long)room);
    return span_of(text, (size_t)len);
}

static bool room_of(span topic, int64_t *room)
{
    uint64_t n;
    span digits = span_slice(topic, sizeof PREFIX - 1, topic.len);
    if (!span_u64(digits, INT64_MAX, &n)) {
        return false;
    }
    *room = (int64_t)n;
    return true;
}

/* --- telling --- */

static void unshare(struct house_wishes *w, unsigned i)
{
    blob_unref(w->shared[i].blob);
    w->shared[i] = w->shared[--w->shared_count];
}

void house_snapshots_outdate(struct house *s, int64_t room)
{
    struct house_wishes *w = s->wishes;
    for (unsigned i = 0; i < w->shared_count; i++) {
        if (w->shared[i].room == room) {
            unshare(w, i);
            return;
        }
    }
}

static void unshare_all(struct turn_work *t)
{
    struct house_wishes *w = CONTAINER_OF(t, struct house_wishes, turn_end);
    while (w->shared_count > 0) {
        unshare(w, 0);
    }
}

/* Equal keys replace each other for slow readers: an entity's changes, under one name. */
static uint64_t key_of(const struct entity *e)
{
    uint64_t key = hash_bytes(e->entity_id);
    return key == 0 ? 1 : key;
}

/* States with ptr NULL are null. */
static void tell(struct house *s, const struct entity *e, span old_state, span new_state,
                 span attributes)
{
    char text[HOUSE_TOPIC_MAX];
    struct house_wishes *w = s->wishes;
    struct hub *hub = s->home->hub;
    int64_t room = entity_room(e);
    span topic = topic_of(room, text);
    house_snapshots_outdate(s, room);
    atomic_store_explicit(&s->changes, atomic_load_explicit(&s->changes, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (!hub_wanted(hub, topic)) {
        return;
    }
    struct house_told t = {.entity_id = e->entity_id,
                           .old_state = old_state,
                           .new_state = new_state,
                           .attributes = attributes,
                           .room = room,
                           .changed_ms = e->changed_ms,
                           .updated_ms = e->updated_ms};
    buf_clear(&w->json);
    house_put_told(&w->json, &t);
    struct blob *b = blob_new(BLOB_STATE, HOUSE_STATE_CHANGED, clock_wall_ms(s->home->clock),
                              buf_span(&w->json));
    b->state_key = key_of(e);
    b->some = entity_private(e);
    hub_publish(hub, HOUSE_HOME, topic, b);
}

void entity_tell_appears(struct house *s, struct entity *e)
{
    tell(s, e, SPAN_NONE, entity_shown(e), e->attributes);
    if (!e->stored) {
        entity_touch(s, e, true, e->by);
    }
}

void entity_tell_leaves(struct house *s, struct entity *e)
{
    tell(s, e, entity_shown(e), SPAN_NONE, e->attributes);
}

/* --- changing --- */

/* No change is later than now, nor earlier than the one before it: history is in their order. */
static int64_t time_of(struct house *s, const struct entity *e, int64_t at_ms)
{
    int64_t now_ms = clock_wall_ms(s->home->clock);
    int64_t at = at_ms == 0 || at_ms > now_ms ? now_ms : at_ms;
    return at < e->updated_ms ? e->updated_ms : at;
}

span house_state_cut(span state)
{
    size_t bytes = 0;
    if (state.len <= HOUSE_STATE_MAX) {
        return state;
    }
    for (unsigned chars = 0; bytes < state.len; bytes++) {
        chars += (state.ptr[bytes] & 0xc0) != 0x80;
        if (chars > HOUSE_STATE_MAX) {
            break;
        }
    }
    return span_of(state.ptr, bytes);
}

bool entity_move(struct house *s, struct entity *e, span state, span attributes, int64_t at_ms,
                 uuid by)
{
    uint8_t was[STATE_BYTES_MAX];
    state = house_state_cut(state);
    bool other = state.ptr != NULL && !span_eq(state, e->state);
    ASSERT(e->state.len <= sizeof was);
    if (!other && (attributes.ptr == NULL || span_eq(attributes, e->attributes))) {
        return false;
    }
    memcpy(was, e->state.ptr, e->state.len);
    span old_state = span_of(was, e->state.len);
    e->updated_ms = time_of(s, e, at_ms);
    e->changed_ms = other && e->available ? e->updated_ms : e->changed_ms;
    e->by = by;
    entity_say(e, state.ptr == NULL ? e->state : state,
               attributes.ptr == NULL ? e->attributes : attributes);
    if (e->available) {
        tell(s, e, old_state, e->state, e->attributes);
    } else {
        house_snapshots_outdate(s, entity_room(e));
    }
    entity_touch(s, e, e->available, by);
    return true;
}

void entity_set_available(struct house *s, struct entity *e, bool available)
{
    if (e->available == available) {
        return;
    }
    span old_state = entity_shown(e);
    e->available = available;
    e->changed_ms = e->updated_ms = time_of(s, e, 0);
    e->by = UUID_NIL;
    tell(s, e, old_state, entity_shown(e), e->attributes);
    entity_touch(s, e, true, UUID_NIL);
}

/* --- snapshots --- */

static void put_seen(buf *out, const struct entity *e, bool *first)
{
    struct house_seen seen = {.entity_id = e->entity_id,
                              .name = e->name,
                              .state = entity_shown(e),
                              .attributes = e->attributes,
                              .changed_ms = e->changed_ms,
                              .updated_ms = e->updated_ms};
    house_snapshot_add(out, &seen, *first);
    *first = false;
}

static void put_none(struct house *s, buf *out, bool *first)
{
    for (struct map_node *n = NULL; (n = map_next(&s->entities, n)) != NULL;) {
        const struct entity *e = CONTAINER_OF(n, struct entity, node);
        if (e->room == NULL) {
            put_seen(out, e, first);
        }
    }
}

static struct blob *snapshot_new(struct house *s, int64_t room)
{
    char text[POS_TEXT_MAX];
    size_t text_len = 0;
    bool first = true;
    buf json = {0};
    house_snapshot_begin(&json, room);
    struct room *r = room == 0 ? NULL : house_room_find(s, room);
    if (room == 0) {
        put_none(s, &json, &first);
    } else if (r != NULL) {
        LIST_EACH(it, &r->entities) {
            put_seen(&json, LIST_ITEM(it, struct entity, in_room), &first);
        }
    }
    if (s->home->journal != NULL) {
        text_len = pos_text(journal_now(s->home->journal), text);
    }
    house_snapshot_end(&json, span_of(text, text_len));
    struct blob *b = blob_new(BLOB_STATE, HOUSE_SNAPSHOT, clock_wall_ms(s->home->clock),
                              buf_span(&json));
    b->barrier = true;
    buf_deinit(&json);
    return b;
}

static struct blob *snapshot(struct house *s, int64_t room)
{
    struct house_wishes *w = s->wishes;
    for (unsigned i = 0; i < w->shared_count; i++) {
        if (w->shared[i].room == room) {
            return blob_ref(w->shared[i].blob);
        }
    }
    struct blob *b = snapshot_new(s, room);
    if (w->shared_count < SHARED_MAX) {
        w->shared[w->shared_count++] = (struct shared){room, blob_ref(b)};
        home_at_turn_end(s->home, &w->turn_end);
    }
    return b;
}

/* --- followers --- */

static void wish_arrives(struct mail *m)
{
    struct wish *x = CONTAINER_OF(m, struct wish, mail);
    struct house *s = x->house;
    if (x->has) {
        hub_reply(s->home->hub, x->who, snapshot(s, x->room));
        mem_free(x);
    } else {
        list_push(&s->wishes->list, &x->link);
    }
}

static void wish_send(struct home *h, const struct hub_ticket *who, int64_t room, bool has)
{
    struct wish *x = mem_calloc(1, sizeof *x);
    x->house = house_of(h);
    x->who = *who;
    x->room = room;
    x->has = has;
    list_init(&x->link);
    x->mail.run = wish_arrives;
    if (h->index == HOUSE_HOME) {
        wish_arrives(&x->mail);
    } else {
        post_mail(h->post, HOUSE_HOME, &x->mail);
    }
}

void house_follow(struct home *h, uint32_t member, uint32_t gen, int64_t room, bool snapshot)
{
    char text[HOUSE_TOPIC_MAX];
    span topic = topic_of(room, text);
    bool has = hub_subscribed(h->hub, member, topic);
    if (snapshot) {
        struct hub_ticket who = {.loop = h->index, .member = member, .gen = gen};
        wish_send(h, &who, room, has);
    }
    if (!has) {
        (void)hub_subscribe(h->hub, member, HOUSE_HOME, topic);
    }
}

void house_unfollow(struct home *h, uint32_t member, int64_t room)
{
    char text[HOUSE_TOPIC_MAX];
    (void)hub_unsubscribe(h->hub, member, HOUSE_HOME, topic_of(room, text));
}

void house_follow_all(struct home *h, uint32_t member)
{
    (void)hub_subscribe(h->hub, member, HOUSE_HOME, SPAN(PREFIX "+"));
}

void house_unfollow_all(struct home *h, uint32_t member)
{
    (void)hub_unsubscribe(h->hub, member, HOUSE_HOME, SPAN(PREFIX "+"));
}

static bool wish_is(const struct wish *x, const struct hub_ticket *who, int64_t room)
{
    return x->who.loop == who->loop && x->who.member == who->member && x->who.gen == who->gen &&
           x->room == room;
}

static void on_subscribe(struct topic *t, struct hub_ticket who, void *arg)
{
    struct house *s = arg;
    int64_t room;
    if (!room_of(topic_name(t), &room)) {
        return; /* house_follow makes these names */
    }
    LIST_EACH(it, &s->wishes->list) {
        struct wish *x = LIST_ITEM(it, struct wish, link);
        if (wish_is(x, &who, room)) {
            list_remove(&x->link);
            mem_free(x);
            hub_reply(s->home->hub, who, snapshot(s, room));
            return;
        }
    }
}

static const struct topic_owner owner = {.on_subscribe = on_subscribe};

void house_states_start(struct house *s)
{
    struct house_wishes *w = mem_calloc(1, sizeof *w);
    w->house = s;
    list_init(&w->list);
    list_init(&w->turn_end.link);
    w->turn_end.run = unshare_all;
    s->wishes = w;
    hub_own(s->home->hub, SPAN(PREFIX), &owner, s);
}

void house_states_end(struct house *s)
{
    struct house_wishes *w = s->wishes;
    if (w == NULL) {
        return;
    }
    unshare_all(&w->turn_end);
    if (list_linked(&w->turn_end.link)) {
        list_remove(&w->turn_end.link);
    }
    while (!list_empty(&w->list)) {
        struct wish *x = LIST_ITEM(w->list.next, struct wish, link);
        list_remove(&x->link);
        mem_free(x);
    }
    buf_deinit(&w->json);
    mem_free(w);
    s->wishes = NULL;
}
