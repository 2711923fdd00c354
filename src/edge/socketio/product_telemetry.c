/*
 * telemetry:subscribe: values of a device, by the topic of a rate at the device's home, which
 * answers with the newest ones first (domain/telemetry.h). It is subscribed behind the ack, when
 * the device has been found; until then the follow is there already, so that what the client says
 * next is about it.
 *
 * Values are of state class and not logged, so a socket that comes back is told the newest ones
 * again, behind what it missed of the log.
 */
#include "domain/device.h"
#include "domain/telemetry.h"
#include "edge/socketio/product.h"

#include "base/mem.h"
#include "codec/json/read.h"

#define TELEMETRY_KEPT "telemetry" /* of what is kept of the socket */

struct product_follow {
    uuid device;
    unsigned rate;
    bool live; /* subscribed */
};

/* A follow that waits for its device. */
struct asking {
    struct edge *edge;
    struct sio_answer answer;
    uint8_t sid[EIO_SID_LEN];
    uuid device;
    unsigned rate;
    bool restored; /* nobody waits for an answer */
};

/* --- follows --- */

static struct product_follow *follow_of(const struct product *p, uuid device)
{
    for (unsigned i = 0; i < p->follow_count; i++) {
        if (uuid_eq(p->follows[i].device, device)) {
            return &p->follows[i];
        }
    }
    return NULL;
}

/* NULL: one too many. */
static struct product_follow *follow_make(struct product *p, uuid device, unsigned rate)
{
    struct product_follow *f = follow_of(p, device);
    if (f != NULL || p->follow_count >= PRODUCT_DEVICES_MAX) {
        return f;
    }
    if (p->follow_count == p->follow_cap) {
        p->follow_cap = p->follow_cap == 0 ? 4 : p->follow_cap * 2;
        p->follows = mem_realloc(p->follows, p->follow_cap * sizeof *p->follows);
    }
    f = &p->follows[p->follow_count++];
    *f = (struct product_follow){.device = device, .rate = rate};
    return f;
}

static unsigned home_index(const struct product *p, const struct product_follow *f)
{
    return home_of(sio_edge(p->socket)->home, f->device);
}

static void leave_topic(struct product *p, struct product_follow *f)
{
    char text[TELEMETRY_TOPIC_MAX];
    if (f->live) {
        (void)sio_unsubscribe(p->socket, home_index(p, f),
                              telemetry_topic(f->device, f->rate, text));
        f->live = false;
    }
}

/* Whoever subscribes again is told the newest values again, at another rate or at the same. */
static void enter_topic(struct product *p, struct product_follow *f, unsigned rate)
{
    char text[TELEMETRY_TOPIC_MAX];
    leave_topic(p, f);
    f->rate = rate;
    f->live = true;
    (void)sio_subscribe_values(p->socket, home_index(p, f),
                               telemetry_topic(f->device, rate, text));
}

static void follow_end(struct product *p, struct product_follow *f)
{
    leave_topic(p, f);
    *f = p->follows[--p->follow_count];
}

unsigned product_telemetry_close(struct sio_socket *s)
{
    struct product *p = s->user;
    unsigned count = p->follow_count;
    if (conn_is_open(sio_engine(s)->conn)) { /* it stays a member, for other namespaces */
        for (unsigned i = 0; i < count; i++) {
            leave_topic(p, &p->follows[i]);
        }
    }
    mem_free(p->follows);
    p->follows = NULL;
    p->follow_count = p->follow_cap = 0;
    return count;
}

/* --- a device that was deleted --- */

struct members {
    uint32_t *list; /* owned */
    size_t count;
    size_t cap;
};

static void add_member(uint32_t member, void *arg)
{
    struct members *m = arg;
    if (m->count == m->cap) {
        m->cap = m->cap == 0 ? 16 : m->cap * 2;
        m->list = mem_realloc(m->list, m->cap * sizeof *m->list);
    }
    m->list[m->count++] = member;
}

static void on_gone(void *arg, uuid device)
{
    struct edge *e = arg;
    struct members m = {0};
    char text[TELEMETRY_TOPIC_MAX];
    for (unsigned rate = 0; rate < TELEMETRY_RATES; rate++) {
        hub_topic_members(e->hub, telemetry_topic(device, rate, text), add_member, &m);
    }
    for (size_t i = 0; i < m.count; i++) {
        struct sio_socket *s = sio_of_member(e, m.list[i], SPAN("/"));
        struct product *p = s == NULL ? NULL : s->user;
        struct product_follow *f = p == NULL ? NULL : follow_of(p, device);
        if (f != NULL) {
            follow_end(p, f);
            product_say_dropped(s, device, "the device was deleted");
            sio_keep(s);
        }
    }
    mem_free(m.list);
}

/* --- telemetry:subscribe --- */

static void refused(struct asking *a, struct sio_socket *s, struct product_follow *f, err error)
{
    if (f != NULL && !f->live) {
        follow_end(s->user, f);
        sio_keep(s);
    }
    if (!a->restored) {
        sio_answer_error(a->edge, &a->answer, error,
                         error == ERR_DEVICE_NOT_FOUND ? "deviceId" : NULL, NULL, 0);
    } else if (s != NULL && f != NULL) {
        product_say_dropped(s, a->device, "the device was deleted");
    }
}

/* What waits for its device may have been ended by the client meanwhile: then `f` is NULL. */
static void device_is_there(void *owner, const struct device_result *r)
{
    struct asking *a = owner;
    struct sio_socket *s = sio_find(a->edge, span_of(a->sid, sizeof a->sid));
    struct product *p = s == NULL ? NULL : s->user;
    struct product_follow *f = p == NULL ? NULL : follow_of(p, a->device);
    err error = r->error;
    if (s != NULL && !can(s->session.grant, PERM_TELEMETRY_READ, scope_device(a->device))) {
        error = ERR_DEVICE_NOT_FOUND;
    }
    if (error == ERR_DEVICE_NOT_FOUND || (error != ERR_NONE && !a->restored)) {
        refused(a, s, f, error);
    } else {
        product_answer_count(a->edge, &a->answer, 1);
        if (f != NULL) {
            enter_topic(p, f, a->rate);
            sio_keep(s);
        }
    }
    mem_free(a);
}

static struct asking *asking_new(struct sio_socket *s, uuid device, unsigned rate)
{
    struct asking *a = mem_calloc(1, sizeof *a);
    struct home *h = sio_edge(s)->home;
    a->edge = sio_edge(s);
    memcpy(a->sid, s->sid, sizeof a->sid);
    a->device = device;
    a->rate = rate;
    h->on_gone = on_gone;
    h->on_gone_arg = a->edge;
    return a;
}

void event_product_telemetry_subscribe(struct event_call *in,
                                       const struct shape_telemetry_subscription *p)
{
    unsigned rate = p->has_maxRateHz ? telemetry_rate_of(p->maxRateHz) : 0;
    struct asking *a;
    if (follow_make(product_of(in->peer), p->deviceId, rate) == NULL) {
        event_refuse(in, ERR_SUBSCRIPTION_FAILED, "deviceId", "is one too many");
        return;
    }
    a = asking_new(in->peer, p->deviceId, rate);
    memcpy(&a->answer, in->id.ptr, sizeof a->answer);
    device_get(in->edge->home, p->deviceId, device_is_there, a);
}

void event_product_telemetry_unsubscribe(struct event_call *in,
                                         const struct shape_telemetry_unsubscription *p)
{
    struct sio_socket *s = in->peer;
    struct product *mine = s->user;
    struct product_follow *f = mine == NULL ? NULL : follow_of(mine, p->deviceId);
    struct sio_answer a;
    memcpy(&a, in->id.ptr, sizeof a);
    if (f != NULL) {
        follow_end(mine, f);
        sio_keep(s);
    }
    product_answer_count(in->edge, &a, f != NULL);
}

/* --- rights, recovery --- */

void product_telemetry_rights(struct sio_socket *s)
{
    struct product *p = s->user;
    for (unsigned i = p->follow_count; i > 0; i--) {
        struct product_follow *f = &p->follows[i - 1];
        uuid device = f->device;
        if (!can(s->session.grant, PERM_TELEMETRY_READ, scope_device(device))) {
            follow_end(p, f);
            product_say_dropped(s, device, "the rights were changed");
        }
    }
}

void product_telemetry_keep(const struct product *p, struct json_writer *w)
{
    char id[UUID_TEXT_LEN + 1];
    if (p->follow_count == 0) {
        return;
    }
    json_member_open(w, TELEMETRY_KEPT, '[');
    for (unsigned i = 0; i < p->follow_count; i++) {
        const struct product_follow *f = &p->follows[i];
        json_open(w, '{');
        uuid_format(f->device, id);
        json_member_string(w, "id", span_of(id, UUID_TEXT_LEN));
        if (f->rate > 0) {
            json_member_double(w, "hz", telemetry_rate_hz(f->rate));
        }
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void restore_one(struct sio_socket *s, span kept, struct arena *arena)
{
    span value;
    uuid device;
    double hz;
    unsigned rate = 0;
    if (!json_get(kept, "id", &value) || !uuid_parse(json_string_in(value, arena), &device) ||
        !can(s->session.grant, PERM_TELEMETRY_READ, scope_device(device))) {
        return;
    }
    if (json_get(kept, "hz", &value) && json_number(value, &hz)) {
        rate = telemetry_rate_of(hz);
    }
    if (follow_make(product_of(s), device, rate) != NULL) {
        struct asking *a = asking_new(s, device, rate);
        a->restored = true;
        device_get(a->edge->home, device, device_is_there, a);
    }
}

void product_telemetry_restore(struct sio_socket *s, span state)
{
    struct arena arena = {0};
    struct json_iter it;
    span list, kept;
    if (json_get(state, TELEMETRY_KEPT, &list) && json_array_begin(&it, list)) {
        while (json_array_next(&it, &kept)) {
            restore_one(s, kept, &arena);
        }
    }
    arena_reset(&arena);
}
