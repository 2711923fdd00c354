/*
 * The sessions open on this loop, by principal, and what they are told: changes of rights and the
 * end of their proof.
 */
#include "domain/chat.h"
#include "domain/identity_internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define NOTICE_MS 60000    /* a client is told this long before its token ends */
/* Deadlines run on monotonic time and tokens end by the wall clock: look again this often. */
#define RECHECK_MS 3600000

struct holder {
    struct map_node node;
    uuid principal;
    struct list sessions;
    uint32_t count;
    bool telling; /* its sessions are being told: it stays, also when the last one closes */
};

static bool same_id(const struct map_node *node, const void *key)
{
    return uuid_eq(CONTAINER_OF(node, struct holder, node)->principal, *(const uuid *)key);
}

static uint64_t hash_of(uuid id) { return hash_bytes(span_of(id.bytes, sizeof id.bytes)); }

static struct holder *holder_find(struct identity *id, uuid principal)
{
    struct map_node *n = map_get(&id->live, hash_of(principal), same_id, &principal);
    return n == NULL ? NULL : CONTAINER_OF(n, struct holder, node);
}

static struct holder *holder_get(struct identity *id, uuid principal)
{
    struct holder *o = holder_find(id, principal);
    if (o == NULL) {
        o = mem_calloc(1, sizeof *o);
        o->principal = principal;
        list_init(&o->sessions);
        map_put(&id->live, hash_of(principal), &o->node);
    }
    return o;
}

static void holder_release(struct identity *id, struct holder *o)
{
    if (o->count == 0 && !o->telling) {
        map_remove(&id->live, &o->node);
        mem_free(o);
    }
}

static void on_end(struct deadline *d)
{
    struct session *s = CONTAINER_OF(d, struct session, expiry);
    int64_t left = s->grant->expires_ms - clock_wall_ms(s->home->clock);
    if (left > 0) { /* the wall clock was set back */
        deadline_set(s->home, d, left);
        return;
    }
    s->on_change(s, SESSION_EXPIRED);
}

static void on_notice(struct deadline *d)
{
    struct session *s = CONTAINER_OF(d, struct session, expiry);
    int64_t left = s->grant->expires_ms - clock_wall_ms(s->home->clock);
    if (left > NOTICE_MS) {
        int64_t wait = left - NOTICE_MS;
        deadline_set(s->home, d, wait < RECHECK_MS ? wait : RECHECK_MS);
        return;
    }
    s->expiry.fire = on_end;
    deadline_set(s->home, d, left > 0 ? left : 0);
    s->on_change(s, SESSION_EXPIRING);
}

static void arm(struct session *s)
{
    deadline_clear(&s->expiry);
    if (s->grant->expires_ms == 0) {
        return;
    }
    int64_t wait = s->grant->expires_ms - NOTICE_MS - clock_wall_ms(s->home->clock);
    s->expiry.fire = on_notice;
    deadline_set(s->home, &s->expiry, wait < 0 ? 0 : wait < RECHECK_MS ? wait : RECHECK_MS);
}

/* --- changes --- */

uint32_t changes_seen(const struct identity *id) { return id->change_count; }

enum change_kind changes_since(const struct identity *id, uint32_t seen, uuid principal,
                               uuid credential)
{
    uint32_t missed = id->change_count - seen;
    if (missed > CHANGES_MAX) {
        return CHANGE_FORGOTTEN;
    }
    enum change_kind kind = CHANGE_NONE;
    for (uint32_t i = 0; i < missed; i++) {
        uint32_t at = (seen + i) % CHANGES_MAX;
        if (!uuid_eq(id->changes[at].principal, principal)) {
            continue;
        }
        if (uuid_is_nil(id->changes[at].credential)) {
            kind = CHANGE_PRINCIPAL;
        } else if (uuid_eq(id->changes[at].credential, credential)) {
            return CHANGE_CREDENTIAL;
        }
    }
    return kind;
}

static bool same_rights(const struct grant *g, const struct principal_state *p)
{
    return g->kind == p->kind && g->global_roles == (p->global_roles | g->claim_roles) &&
           g->binding_count == p->binding_count &&
           (p->binding_count == 0 ||
            memcmp(g->bindings, p->bindings, p->binding_count * sizeof *p->bindings) == 0) &&
           g->device_count == p->device_count &&
           (p->device_count == 0 ||
            memcmp(g->devices, p->devices, p->device_count * sizeof *p->devices) == 0);
}

static void tell(struct session *s, const struct change *c)
{
    const struct grant *old = s->grant;
    if (!uuid_is_nil(c->credential)) {
        if (uuid_eq(old->credential, c->credential)) {
            s->on_change(s, SESSION_REVOKED);
        }
        return;
    }
    if (c->state.known && !c->state.active) {
        s->on_change(s, SESSION_DISABLED);
    } else if (principal_refusal(&c->state, old->proof, old->issued_ms) != NULL) {
        s->on_change(s, SESSION_REVOKED);
    } else if (!same_rights(old, &c->state)) {
        struct grant *g = principal_grant(&c->state);
        g->proof = old->proof;
        g->credential = old->credential;
        g->expires_ms = old->expires_ms;
        g->issued_ms = old->issued_ms;
        g->room = old->room;
        g->claim_roles = old->claim_roles;
        g->global_roles |= old->claim_roles;
        g->seen = changes_seen(s->home->identity);
        grant_free(s->grant);
        s->grant = g;
        s->on_change(s, SESSION_RIGHTS);
    }
}

static void apply(struct identity *id, const struct change *c)
{
    struct holder *o = holder_find(id, c->principal);
    if (o == NULL) {
        return;
    }
    ASSERT(!o->telling); /* changes come by mail, and no mail runs inside on_change */
    o->telling = true;
    struct list todo;
    list_init(&todo);
    list_splice(&todo, &o->sessions);
    while (!list_empty(&todo)) {
        struct session *s = LIST_ITEM(todo.next, struct session, link);
        list_remove(&s->link);
        list_push(&o->sessions, &s->link);
        tell(s, c);
    }
    o->telling = false;
    holder_release(id, o);
}

static void on_change_mail(struct mail *m)
{
    struct change *c = CONTAINER_OF(m, struct change, mail);
    struct identity *id = c->home->identity;
    if (!c->repeated) {
        uint32_t at = id->change_count++ % CHANGES_MAX;
        id->changes[at].principal = c->principal;
        id->changes[at].credential = c->credential;
    }
    if (c->revoked_until_ms != 0) {
        (void)revoked_add(id, c->credential, c->revoked_until_ms);
    }
    apply(id, c);
    if (uuid_is_nil(c->credential) && !c->state.known && c->home->on_gone != NULL) {
        c->home->on_gone(c->home->on_gone_arg, c->principal);
    }
    if (uuid_is_nil(c->credential) && !c->state.known && c->home->chat != NULL) {
        chat_principal_gone(c->home, c->principal);
    }
    mem_free(c->state.bindings);
    mem_free(c->state.devices);
    mem_free(c);
}

static void *memory_copy(const void *from, size_t bytes)
{
    if (bytes == 0) {
        return NULL;
    }
    void *to = mem_alloc(bytes);
    memcpy(to, from, bytes);
    return to;
}

static struct change *change_copy(const struct change *c, struct home *target)
{
    struct change *copy = mem_alloc(sizeof *copy);
    *copy = *c;
    copy->home = target;
    copy->mail.run = on_change_mail;
    copy->state.bindings = memory_copy(c->state.bindings,
                                       c->state.binding_count * sizeof *c->state.bindings);
    copy->state.devices =
        memory_copy(c->state.devices, c->state.device_count * sizeof *c->state.devices);
    return copy;
}

void change_tell(struct home *h, unsigned loop, const struct change *c)
{
    post_mail(h->post, loop, &change_copy(c, h->peers[loop])->mail);
}

void changes_tell(struct home *h, const struct change *c)
{
    for (unsigned i = 0; i < h->count; i++) {
        change_tell(h, i, c);
    }
}

/* --- the registry --- */

/* What was told while the proof was on its way; acted upon by mail, outside session_open. */
static void catch_up(struct home *h, const struct grant *g)
{
    switch (changes_since(h->identity, g->seen, g->principal, g->credential)) {
    case CHANGE_NONE:
        return;
    case CHANGE_PRINCIPAL:
        principal_tell(h, g->principal);
        return;
    case CHANGE_CREDENTIAL:
    case CHANGE_FORGOTTEN:
        break;
    }
    change_tell(h, h->index,
                &(struct change){
                    .principal = g->principal, .credential = g->credential, .repeated = true});
}

bool session_open(struct home *h, struct session *s, struct grant *grant)
{
    ASSERT(s->home == NULL && s->on_change != NULL && grant != NULL);
    struct identity *id = h->identity;
    bool counted = !uuid_is_nil(grant->principal);
    struct holder *o = holder_get(id, grant->principal);
    uint32_t max = h->conf->connections_per_principal_max;
    if (counted && (o->count >= max || grant->live >= max)) {
        holder_release(id, o);
        grant_free(grant);
        return false;
    }
    s->home = h;
    s->grant = grant;
    list_init(&s->link);
    list_push(&o->sessions, &s->link);
    o->count++;
    arm(s);
    if (counted) {
        principal_count(h, grant->principal, 1);
        catch_up(h, grant);
    }
    return true;
}

void session_close(struct session *s)
{
    if (s->home == NULL) {
        return;
    }
    struct home *h = s->home;
    struct holder *o = holder_find(h->identity, s->grant->principal);
    ASSERT(o != NULL && o->count > 0);
    if (!uuid_is_nil(s->grant->principal)) {
        principal_count(h, s->grant->principal, -1);
    }
    deadline_clear(&s->expiry);
    list_remove(&s->link);
    o->count--;
    holder_release(h->identity, o);
    grant_free(s->grant);
    s->grant = NULL;
    s->home = NULL;
}

bool session_refresh(struct session *s, struct grant *fresh)
{
    ASSERT(s->home != NULL);
    if (!uuid_eq(s->grant->principal, fresh->principal) || s->grant->kind != fresh->kind ||
        !uuid_eq(s->grant->room, fresh->room)) {
        return false;
    }
    grant_free(s->grant);
    s->grant = fresh;
    arm(s);
    catch_up(s->home, fresh);
    return true;
}

void session_each(struct home *h, uuid principal,
                  void (*visit)(struct session *s, void *arg), void *arg)
{
    struct holder *o = holder_find(h->identity, principal);
    if (o != NULL) {
        LIST_EACH(it, &o->sessions) {
            visit(LIST_ITEM(it, struct session, link), arg);
        }
    }
}

void live_free(struct identity *id)
{
    ASSERT(id->live.count == 0);
    map_deinit(&id->live);
}
