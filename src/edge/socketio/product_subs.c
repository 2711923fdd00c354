/*
 * device:subscribe and its kin. A device is followed by its topic, all of them by the pattern, or
 * by the topic of each that one is bound to. With `since` a topic is replayed first, by a reader
 * of its own that goes when it is live.
 *
 * What is kept of a socket are the subscriptions, not the events: a recovered socket goes on from
 * the offset that its client has seen; what was being replayed begins again.
 */
#include "edge/rest/devices.h"
#include "edge/socketio/product.h"

#include "base/mem.h"
#include "codec/json/read.h"

#include <stdio.h>

#define RIGHTS_CHANGED "the rights were changed"

static span topic_of(uuid device, char text[DEVICE_EVENTS_TOPIC_MAX])
{
    return uuid_is_nil(device) ? SPAN(DEVICE_EVENTS_PATTERN) : device_events_topic(device, text);
}

/* --- replay --- */

static unsigned replay_count(const struct product *p)
{
    unsigned n = 0;
    for (const struct product_replay *r = p->replays; r != NULL; r = r->next) {
        n++;
    }
    return n;
}

static void replay_free(struct product_replay *r)
{
    struct product_replay **at = &r->product->replays;
    while (*at != r) {
        at = &(*at)->next;
    }
    *at = r->next;
    journal_close(&r->reader);
    mem_free(r);
}

/* The replay of a device's topic (nil: of the pattern), or NULL. */
static struct product_replay *replay_of(const struct product *p, uuid device)
{
    struct product_replay *r = p->replays;
    while (r != NULL && !uuid_eq(r->device, device)) {
        r = r->next;
    }
    return r;
}

static void on_live(struct journal_reader *reader)
{
    struct product_replay *r = CONTAINER_OF(reader, struct product_replay, reader);
    struct sio_socket *s = r->product->socket;
    replay_free(r); /* what it subscribed stays */
    sio_keep(s);
}

static void on_gap(struct journal_reader *reader, struct pos from, struct pos to)
{
    struct product_replay *r = CONTAINER_OF(reader, struct product_replay, reader);
    sio_say_gap(r->product->socket, from, to);
}

static void on_error(struct journal_reader *reader, err error)
{
    struct sio_socket *s = CONTAINER_OF(reader, struct product_replay, reader)->product->socket;
    LOG(loop_log(sio_edge(s)->loop), LOG_WARN, "error", LOG_STR("what", "replay"),
        LOG_STR("error", err_name(error)), LOG_U64("conn", conn_slot(sio_engine(s)->conn)));
    eio_close(sio_engine(s), CLOSE_SLOW); /* it has to come back */
}

static const struct journal_reader_ops reader_ops = {
    .on_gap = on_gap, .on_error = on_error, .on_live = on_live};

/* --- topics --- */

/* Follows a topic; since NULL: from now. */
static void follow(struct product *p, uuid device, const struct pos *since)
{
    struct sio_socket *s = p->socket;
    char text[DEVICE_EVENTS_TOPIC_MAX];
    span topic = topic_of(device, text);
    if (since == NULL || replay_of(p, device) != NULL) {
        if (replay_of(p, device) == NULL) {
            (void)sio_subscribe(s, JOURNAL_HOME, topic);
        }
        return;
    }
    (void)sio_unsubscribe(s, JOURNAL_HOME, topic); /* it is replayed again from there */
    struct product_replay *r = mem_calloc(1, sizeof *r);
    *r = (struct product_replay){
        .next = p->replays, .product = p, .since = *since, .device = device};
    r->reader.ops = &reader_ops;
    p->replays = r;
    journal_open(sio_edge(s)->home->journal, &r->reader, conn_slot(sio_engine(s)->conn), since);
    (void)journal_subscribe(&r->reader, topic);
}

static void unfollow(struct product *p, uuid device)
{
    char text[DEVICE_EVENTS_TOPIC_MAX];
    span topic = topic_of(device, text);
    struct product_replay *r = replay_of(p, device);
    if (r != NULL) {
        (void)journal_unsubscribe(&r->reader, topic);
        replay_free(r);
    } else {
        (void)sio_unsubscribe(p->socket, JOURNAL_HOME, topic);
    }
}

static unsigned named_at(const struct product *p, uuid device)
{
    unsigned i = 0;
    while (i < p->device_count && !uuid_eq(p->devices[i], device)) {
        i++;
    }
    return i;
}

static bool is_named(const struct product *p, uuid device)
{
    return named_at(p, device) < p->device_count;
}

static void name_device(struct product *p, uuid device, const struct pos *since)
{
    if (!is_named(p, device)) {
        if (p->device_count == p->device_cap) {
            p->device_cap = p->device_cap == 0 ? 4 : p->device_cap * 2;
            p->devices = mem_realloc(p->devices, p->device_cap * sizeof *p->devices);
        }
        p->devices[p->device_count++] = device;
    }
    follow(p, device, since);
}

/* One under the wildcard goes on being followed. */
static void unname_device(struct product *p, uuid device)
{
    unsigned i = named_at(p, device);
    if (i < p->device_count) {
        p->devices[i] = p->devices[--p->device_count];
        if (!reach_has(&p->reach, device)) {
            unfollow(p, device);
        }
    }
}

static void follow_reach(struct product *p, const struct reach *r, const struct reach *but,
                         const struct pos *since)
{
    if (r->all && !but->all) {
        follow(p, UUID_NIL, since);
    }
    for (unsigned i = 0; i < r->count; i++) {
        if (!reach_has(but, r->devices[i])) {
            follow(p, r->devices[i], since);
        }
    }
}

/* Whether anything went. */
static bool unfollow_reach(struct product *p, const struct reach *r, const struct reach *but)
{
    bool some = r->all && !but->all;
    if (some) {
        unfollow(p, UUID_NIL);
    }
    for (unsigned i = 0; i < r->count; i++) {
        if (!reach_has(but, r->devices[i])) {
            some = some || !but->all; /* else the pattern has it now */
            if (!is_named(p, r->devices[i])) {
                unfollow(p, r->devices[i]);
            }
        }
    }
    return some;
}

static void take_reach(struct product *p, struct reach now)
{
    reach_free(&p->reach);
    p->reach = now;
}

void product_subs_close(struct sio_socket *s)
{
    static const struct reach nothing = {0};
    struct product *p = s->user;
    while (p->replays != NULL) {
        replay_free(p->replays);
    }
    if (conn_is_open(sio_engine(s)->conn)) { /* it stays a member, for other namespaces */
        (void)unfollow_reach(p, &p->reach, &nothing);
        while (p->device_count > 0) {
            unfollow(p, p->devices[--p->device_count]);
        }
    }
    (void)product_telemetry_close(s);
    reach_free(&p->reach);
    mem_free(p->devices);
    p->devices = NULL;
    p->device_count = p->device_cap = 0;
    p->all = false;
}

/* --- device:subscribe --- */

/* One that asks the store first. */
struct asking {
    struct edge *edge;
    struct sio_answer answer;
    uint8_t sid[EIO_SID_LEN];
    uuid device;
};

void product_answer_count(struct edge *e, const struct sio_answer *a, int64_t count)
{
    char members[40];
    int len = snprintf(members, sizeof members, "\"count\":%lld", (long long)count);
    sio_answer_ok(e, a, span_of(members, (size_t)len));
}

static struct asking *asking_new(const struct event_call *in)
{
    struct asking *a = mem_calloc(1, sizeof *a);
    struct sio_socket *s = in->peer;
    a->edge = in->edge;
    memcpy(&a->answer, in->id.ptr, sizeof a->answer);
    memcpy(a->sid, s->sid, sizeof a->sid);
    return a;
}

/* The socket that asked, if it is still there and may. */
static struct sio_socket *asker(const struct asking *a)
{
    struct sio_socket *s = sio_find(a->edge, span_of(a->sid, sizeof a->sid));
    return s != NULL && can(s->session.grant, PERM_DEVICE_READ, scope_device(a->device)) ? s : NULL;
}

static void device_is_there(void *owner, const struct device_result *r)
{
    struct asking *a = owner;
    struct sio_socket *s = asker(a);
    if (r->error != ERR_NONE) {
        sio_answer_error(a->edge, &a->answer, r->error,
                         r->error == ERR_DEVICE_NOT_FOUND ? "deviceId" : NULL, NULL, 0);
    } else if (s != NULL) {
        name_device(product_of(s), a->device, NULL);
        sio_keep(s);
        product_answer_count(a->edge, &a->answer, 1);
    } else {
        sio_answer_error(a->edge, &a->answer, ERR_DEVICE_NOT_FOUND, "deviceId", NULL, 0);
    }
    mem_free(a);
}

static void devices_counted(struct store_req *req)
{
    struct asking *a = req->owner;
    if (req->error != ERR_NONE) { /* it is subscribed; what is missing is the number */
        sio_answer_ok(a->edge, &a->answer, SPAN_NONE);
    } else {
        product_answer_count(a->edge, &a->answer, store_int(store_cell(req, 0, 0, 0)));
    }
    store_req_free(req);
    mem_free(a);
}

static void answer_all(const struct event_call *in)
{
    const struct home *h = in->edge->home;
    struct asking *a = asking_new(in);
    struct store_req *req = store_req_new(h->index, 1, devices_counted, a);
    store_step_init(req, 0, QUERY_DEVICE_COUNT, 1);
    h->store->submit(h->store, req);
}

static void subscribe_all(struct event_call *in, const struct pos *since)
{
    static const struct reach nothing = {0};
    struct sio_socket *s = in->peer;
    struct product *p = product_of(s);
    struct reach now = reach_of(in->grant, NULL);
    if (now.count > REACH_DEVICES_MAX ||
        (since != NULL && !now.all && now.count > PRODUCT_REPLAYS_MAX)) {
        event_refuse(in, ERR_SUBSCRIPTION_FAILED, "deviceId",
                     since != NULL ? "is needed with since: your bindings name several devices"
                                   : "is needed: your bindings name too many devices");
        reach_free(&now);
        return;
    }
    p->all = true;
    follow_reach(p, &now, since != NULL ? &nothing : &p->reach, since);
    take_reach(p, now);
    sio_keep(s);
    if (p->reach.all) {
        answer_all(in);
    } else {
        struct sio_answer a;
        memcpy(&a, in->id.ptr, sizeof a);
        product_answer_count(in->edge, &a, p->reach.count);
    }
}

static void subscribe_one(struct event_call *in, uuid device, const struct pos *since)
{
    struct sio_socket *s = in->peer;
    struct product *p = product_of(s);
    struct asking *a;
    if (!is_named(p, device) && p->device_count >= PRODUCT_DEVICES_MAX) {
        event_refuse(in, ERR_SUBSCRIPTION_FAILED, "deviceId", "is one too many");
        return;
    }
    a = asking_new(in);
    a->device = device;
    if (since == NULL) {
        device_get(in->edge->home, device, device_is_there, a);
        return;
    }
    /* Who comes back must hear that the device was deleted. */
    name_device(p, device, since);
    sio_keep(s);
    product_answer_count(in->edge, &a->answer, 1);
    mem_free(a);
}

void event_product_subscribe(struct event_call *in, const struct shape_subscription *p)
{
    struct pos since;
    struct sio_socket *s = in->peer;
    if (p->has_since && !pos_parse(p->since, &since)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, "since", "is no position of ours");
    } else if (p->has_since && replay_count(product_of(s)) >= PRODUCT_REPLAYS_MAX) {
        event_refuse(in, ERR_RATE_LIMIT_EXCEEDED, "since", "too many replays are under way");
    } else if (p->has_deviceId) {
        subscribe_one(in, p->deviceId, p->has_since ? &since : NULL);
    } else {
        subscribe_all(in, p->has_since ? &since : NULL);
    }
}

void event_product_unsubscribe(struct event_call *in, const struct shape_unsubscription *p)
{
    struct sio_socket *s = in->peer;
    struct product *mine = s->user;
    struct sio_answer a;
    unsigned count = 0;
    memcpy(&a, in->id.ptr, sizeof a);
    if (mine != NULL && p->has_deviceId) {
        count = is_named(mine, p->deviceId);
        unname_device(mine, p->deviceId);
    } else if (mine != NULL) {
        count = mine->device_count + mine->all + mine->follow_count;
        product_subs_close(s);
    }
    sio_keep(s);
    product_answer_count(in->edge, &a, count);
}

/* --- rights --- */

void product_say_dropped(struct sio_socket *s, uuid device, const char *why)
{
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    stats_add(&sio_edge(s)->stats.errors[STATS_SOCKETIO][ERR_SUBSCRIPTION_FAILED], 1);
    json_open(&w, '[');
    json_write_string(&w, SPAN("error"));
    json_open(&w, '{');
    event_error_members(&w, &(struct event_refusal){.error = ERR_SUBSCRIPTION_FAILED,
                                                    .why = why,
                                                    .device = device});
    json_close(&w, '}');
    json_close(&w, ']');
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

void product_subs_rights(struct sio_socket *s)
{
    struct product *p = s->user;
    const struct grant *g = s->session.grant;
    bool dropped = false;
    if (p == NULL) {
        return;
    }
    for (unsigned i = p->device_count; i > 0; i--) {
        uuid device = p->devices[i - 1];
        if (!can(g, PERM_DEVICE_READ, scope_device(device))) {
            unname_device(p, device);
            product_say_dropped(s, device, RIGHTS_CHANGED);
        }
    }
    if (p->all) {
        struct reach now = reach_of(g, NULL);
        dropped = unfollow_reach(p, &p->reach, &now);
        follow_reach(p, &now, &p->reach, NULL);
        p->all = now.all || now.count > 0;
        take_reach(p, now);
    }
    product_telemetry_rights(s);
    if (dropped) {
        product_say_dropped(s, UUID_NIL, RIGHTS_CHANGED);
    }
    sio_keep(s);
}

/* --- recovery --- */

static void put_sub(struct json_writer *w, const struct product *p, uuid device)
{
    char text[POS_TEXT_MAX], id[UUID_TEXT_LEN + 1];
    const struct product_replay *r = replay_of(p, device);
    json_open(w, '{');
    if (!uuid_is_nil(device)) {
        uuid_format(device, id);
        json_member_string(w, "id", span_of(id, UUID_TEXT_LEN));
    }
    if (r != NULL) {
        json_member_string(w, "since", span_of(text, pos_text(r->since, text)));
    }
    json_close(w, '}');
}

void product_subs_keep(const struct sio_socket *s, struct json_writer *w)
{
    const struct product *p = s->user;
    if (p == NULL) {
        return;
    }
    product_telemetry_keep(p, w);
    if (!p->all && p->device_count == 0) {
        return;
    }
    json_member_open(w, "devices", '[');
    if (p->all) {
        put_sub(w, p, UUID_NIL);
    }
    for (unsigned i = 0; i < p->device_count; i++) {
        put_sub(w, p, p->devices[i]);
    }
    json_close(w, ']');
}

/* One without an id is the wildcard. What one may not read any more is left out. */
static void restore_sub(struct product *p, span sub, struct arena *arena)
{
    static const struct reach nothing = {0};
    const struct grant *g = p->socket->session.grant;
    struct pos since;
    span value;
    uuid device;
    bool replayed =
        json_get(sub, "since", &value) && pos_parse(json_string_in(value, arena), &since);
    if (!json_get(sub, "id", &value)) {
        struct reach now = reach_of(g, NULL);
        p->all = now.all || now.count > 0;
        follow_reach(p, &now, &nothing, replayed ? &since : NULL);
        take_reach(p, now);
    } else if (uuid_parse(json_string_in(value, arena), &device) &&
               can(g, PERM_DEVICE_READ, scope_device(device))) {
        name_device(p, device, replayed ? &since : NULL);
    }
}

void product_subs_restore(struct sio_socket *s, span state)
{
    struct arena arena = {0};
    struct json_iter it;
    span list, sub;
    if (json_get(state, "devices", &list) && json_array_begin(&it, list)) {
        while (json_array_next(&it, &sub)) {
            restore_sub(product_of(s), sub, &arena);
        }
    }
    product_telemetry_restore(s, state);
    arena_reset(&arena);
}

void product_subs_writable(struct sio_socket *s)
{
    struct product *p = s->user;
    for (struct product_replay *r = p == NULL ? NULL : p->replays; r != NULL; r = r->next) {
        journal_writable(&r->reader);
    }
}
