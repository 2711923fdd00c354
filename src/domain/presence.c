/*
 * Presence: the newest link is the live one; silence makes it stale, then ends it. What changes is
 * written behind, one write a device at a time, so a flapping device costs one row in flight.
 */
#include "domain/fleet_internal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "shape/decode.h"

#include <string.h>

/* last_seen_at is on disk at most so old while a device is connected; a crash forgets no more. */
#define SEEN_WRITE_MS 60000

enum connection_status presence_of(const struct device *d)
{
    return !d->live.on ? CONNECTION_OFFLINE
           : d->live.stale ? CONNECTION_STALE : CONNECTION_ONLINE;
}

/* --- what is stored --- */

static void presence_write(struct device *d);

static void written(struct store_req *req)
{
    struct device *d = req->owner;
    d->presence_writing = false;
    if (req->error != ERR_NONE) {
        LOG(d->fleet->home->log, LOG_WARN, "error", LOG_STR("what", "presence"),
            LOG_STR("error", err_name(req->error)));
    }
    store_req_free(req);
    if (d->presence_changed) {
        presence_write(d);
    }
    device_release(d);
}

static void presence_write(struct device *d)
{
    struct home *h = d->fleet->home;
    d->presence_changed = d->presence_writing;
    if (d->presence_writing || d->state == DEVICE_GONE) {
        return;
    }
    d->presence_writing = true;
    d->seen_written_ms = clock_mono_ms(h->clock);
    device_hold(d);
    struct store_req *req = store_req_new(h->index, 1, written, d);
    store_step_init(req, 0, QUERY_DEVICE_SET_CONNECTION, 1);
    req_set_uuid(req, 0, 0, 0, d->id);
    store_set_text(req, 0, 0, 1, span_str(shape_connection_status_name((int)presence_of(d))));
    store_set_int(req, 0, 0, 2, d->row.last_seen_ms);
    req_submit(h, req);
}

/* Rows of connection_logs depend on nothing: failures are logged and forgotten. */
static void logged(struct store_req *req)
{
    if (req->error != ERR_NONE) {
        LOG(((struct home *)req->owner)->log, LOG_WARN, "error", LOG_STR("what", "connection_log"),
            LOG_STR("error", err_name(req->error)));
    }
    store_req_free(req);
}

static void log_closed(struct device *d, close_reason reason)
{
    struct home *h = d->fleet->home;
    struct store_req *req = store_req_new(h->index, 1, logged, h);
    store_step_init(req, 0, QUERY_CONNECTION_CLOSE, 1);
    req_set_uuid(req, 0, 0, 0, d->live.log_id);
    store_set_int(req, 0, 0, 1, clock_wall_ms(h->clock));
    store_set_text(req, 0, 0, 2, span_str(close_label(reason)));
    req_submit(h, req);
}

/* --- between loops --- */

enum link_mail_kind { LINK_OPEN, LINK_CLOSED, LINK_END, VIEWER_LEFT };

struct link_mail {
    struct mail mail;
    struct home *to;
    enum link_mail_kind kind;
    unsigned loop; /* the link's */
    uint64_t link;
    uuid device;
    close_reason reason;
    struct wait wait;
    const char *wire;
    span socket_id;
    span remote_address;
    uint8_t text[]; /* the two spans */
};

static void link_mail_run(struct mail *m);

static struct link_mail *link_mail_new(struct home *to, enum link_mail_kind kind, size_t bytes)
{
    struct link_mail *m = mem_calloc(1, sizeof *m + bytes);
    m->mail.run = link_mail_run;
    m->to = to;
    m->kind = kind;
    return m;
}

static void set_stale(struct device *d, bool stale)
{
    if (d->live.stale != stale) {
        d->live.stale = stale;
        d->fleet->stale += stale ? 1 : -1u;
        presence_write(d);
    }
}

/* The live link is no more; nobody is told of a take-over. */
static void detach(struct device *d, close_reason reason)
{
    log_closed(d, reason);
    deadline_clear(&d->silence);
    d->fleet->stale -= d->live.stale;
    d->fleet->online--;
    d->live = (struct live){0};
}

void presence_close(struct device *d, close_reason reason)
{
    struct home *h = d->fleet->home;
    if (!d->live.on) {
        return;
    }
    struct link_mail *m = link_mail_new(h->peers[d->live.loop], LINK_END, 0);
    m->link = d->live.link;
    m->reason = reason;
    post_mail(h->post, d->live.loop, &m->mail);
    detach(d, reason);
    presence_write(d);
    device_release(d);
}

static void silence(struct deadline *dl)
{
    struct device *d = CONTAINER_OF(dl, struct device, silence);
    struct home *h = d->fleet->home;
    int64_t quiet = clock_mono_ms(h->clock) - d->live.heard_ms;
    int64_t stale_ms = (int64_t)h->conf->device_stale_s * 1000;
    int64_t gone_ms = (int64_t)h->conf->device_gone_s * 1000;
    if (quiet >= gone_ms) {
        presence_close(d, CLOSE_TIMEOUT);
    } else if (quiet >= stale_ms) {
        set_stale(d, true);
        deadline_set(h, &d->silence, gone_ms - quiet);
    } else {
        deadline_set(h, &d->silence, stale_ms - quiet);
    }
}

void presence_drop_viewers(struct device *d)
{
    for (; d->viewers > 0; d->viewers--) {
        d->fleet->viewers--;
        device_release(d);
    }
}

void presence_deinit(struct device *d) { deadline_clear(&d->silence); }

void presence_heard(struct device *d, bool linked)
{
    struct home *h = d->fleet->home;
    int64_t now = clock_mono_ms(h->clock);
    d->row.last_seen_ms = clock_wall_ms(h->clock);
    if (linked && d->live.on) {
        d->live.heard_ms = now;
        if (d->live.stale) {
            set_stale(d, false);
            deadline_set(h, &d->silence, (int64_t)h->conf->device_stale_s * 1000);
        }
    }
    if (d->seen_written_ms == 0 || now - d->seen_written_ms >= SEEN_WRITE_MS) {
        presence_write(d);
    }
}

static void log_opened(struct device *d, const struct link_mail *m)
{
    struct home *h = d->fleet->home;
    struct store_req *req = store_req_new(h->index, 1, logged, h);
    store_step_init(req, 0, QUERY_CONNECTION_INSERT, 1);
    req_set_uuid(req, 0, 0, 0, d->live.log_id);
    req_set_uuid(req, 0, 0, 1, d->id);
    store_set_text(req, 0, 0, 2, m->socket_id);
    store_set_text(req, 0, 0, 3, SPAN("device"));
    store_set_int(req, 0, 0, 4, clock_wall_ms(h->clock));
    store_set_text(req, 0, 0, 6, span_str(m->wire));
    store_set_text(req, 0, 0, 7, m->remote_address);
    req_submit(h, req);
}

static void attach(struct device *d, const struct link_mail *m)
{
    struct home *h = d->fleet->home;
    if (d->live.on) {
        struct link_mail *end = link_mail_new(h->peers[d->live.loop], LINK_END, 0);
        end->link = d->live.link;
        end->reason = CLOSE_REPLACED;
        post_mail(h->post, d->live.loop, &end->mail);
        detach(d, CLOSE_REPLACED);
    } else {
        device_hold(d); /* the link's, given back when none is left */
    }
    d->live = (struct live){.on = true, .loop = m->loop, .link = m->link,
                            .log_id = home_new_id(h), .heard_ms = clock_mono_ms(h->clock)};
    d->fleet->online++;
    d->row.last_seen_ms = clock_wall_ms(h->clock);
    d->silence.fire = silence;
    deadline_set(h, &d->silence, (int64_t)h->conf->device_stale_s * 1000);
    log_opened(d, m);
    presence_write(d);
}

/* The device of an opening link is here, or is not (any more). */
static void link_ready(struct wait *w, struct device *d, err error)
{
    struct link_mail *m = CONTAINER_OF(w, struct link_mail, wait);
    if (d != NULL && d->row.status != DEVICE_DISABLED) {
        attach(d, m);
        mem_free(m);
        return;
    }
    m->kind = LINK_END;
    m->reason = d != NULL ? CLOSE_DISABLED
                : error == ERR_DEVICE_NOT_FOUND ? CLOSE_REVOKED : CLOSE_INTERNAL;
    struct home *here = m->to;
    m->to = here->peers[m->loop];
    post_mail(here->post, m->loop, &m->mail);
}

static void link_closed(struct link_mail *m)
{
    struct device *d = device_find(m->to->fleet, m->device);
    if (d != NULL && d->live.on && d->live.loop == m->loop && d->live.link == m->link) {
        detach(d, m->reason);
        presence_write(d);
        device_release(d);
    }
}

static void viewer_left(struct link_mail *m)
{
    struct device *d = device_find(m->to->fleet, m->device);
    if (d != NULL && d->viewers > 0) {
        d->viewers--;
        m->to->fleet->viewers--;
        device_release(d);
    }
}

static void link_mail_run(struct mail *mail)
{
    struct link_mail *m = CONTAINER_OF(mail, struct link_mail, mail);
    struct device_link *l;
    switch (m->kind) {
    case LINK_OPEN:
        m->wait.ready = link_ready;
        list_init(&m->wait.link);
        device_need(m->to->fleet, m->device, &m->wait);
        return; /* link_ready goes on with it */
    case LINK_CLOSED:
        link_closed(m);
        break;
    case LINK_END:
        l = link_find(m->to->fleet, m->link);
        if (l != NULL) {
            l->on_close(l, m->reason);
        }
        break;
    case VIEWER_LEFT:
        viewer_left(m);
        break;
    }
    mem_free(m);
}

/* --- the link's own loop --- */

static bool same_link(const struct map_node *n, const void *key)
{
    return CONTAINER_OF(n, struct device_link, node)->id == *(const uint64_t *)key;
}

struct device_link *link_find(struct fleet *f, uint64_t id)
{
    struct map_node *n = map_get(&f->links, hash_bytes(span_of(&id, sizeof id)), same_link, &id);
    return n == NULL ? NULL : CONTAINER_OF(n, struct device_link, node);
}

void device_link_open(struct home *h, struct device_link *l, const struct device_link_conf *conf)
{
    struct fleet *f = h->fleet;
    size_t bytes = conf->socket_id.len + conf->remote_address.len;
    l->home = h;
    l->device = conf->device;
    l->id = ++f->link_last;
    map_put(&f->links, hash_bytes(span_of(&l->id, sizeof l->id)), &l->node);
    unsigned home = home_of(h, l->device);
    struct link_mail *m = link_mail_new(h->peers[home], LINK_OPEN, bytes);
    m->loop = h->index;
    m->link = l->id;
    m->device = l->device;
    m->wire = conf->wire;
    memcpy(m->text, conf->socket_id.ptr, conf->socket_id.len);
    m->socket_id = span_of(m->text, conf->socket_id.len);
    if (conf->remote_address.len > 0) {
        memcpy(m->text + conf->socket_id.len, conf->remote_address.ptr, conf->remote_address.len);
    }
    m->remote_address = span_of(m->text + conf->socket_id.len, conf->remote_address.len);
    post_mail(h->post, home, &m->mail);
}

void device_link_close(struct device_link *l, close_reason reason)
{
    if (l->id == 0) {
        return;
    }
    struct home *h = l->home;
    unsigned home = home_of(h, l->device);
    struct link_mail *m = link_mail_new(h->peers[home], LINK_CLOSED, 0);
    m->loop = h->index;
    m->link = l->id;
    m->device = l->device;
    m->reason = reason;
    post_mail(h->post, home, &m->mail);
    map_remove(&h->fleet->links, &l->node);
    l->id = 0;
}

/* --- admission --- */

struct admit {
    struct ask ask;
    device_admitted admitted;
};

static void admitted_back(struct ask *a)
{
    ((struct admit *)a)->admitted(a->owner, a->result.error);
}

static void admit_viewer(struct ask *a, struct device *d)
{
    if (d->viewers >= a->fleet->home->conf->viewers_per_device_max) {
        ask_answer(a, ERR_RATE_LIMIT_EXCEEDED);
        return;
    }
    d->viewers++;
    a->fleet->viewers++;
    device_hold(d);
    ask_answer(a, ERR_NONE);
}

static void admit_device(struct ask *a, struct device *d)
{
    ask_answer(a, d->row.status == DEVICE_DISABLED ? ERR_PERMISSION_DENIED : ERR_NONE);
}

static void admit(struct home *h, uuid id, void (*at_home)(struct ask *, struct device *),
                  device_admitted done, void *owner)
{
    struct admit *a = ask_new(h, sizeof *a, id, at_home, NULL, owner);
    a->admitted = done;
    a->ask.at_caller = admitted_back;
    ask_start(&a->ask);
}

void device_viewer_admit(struct home *h, uuid id, device_admitted done, void *owner)
{
    admit(h, id, admit_viewer, done, owner);
}

void device_admit(struct home *h, uuid id, device_admitted done, void *owner)
{
    admit(h, id, admit_device, done, owner);
}

void device_viewer_leave(struct home *h, uuid id)
{
    unsigned home = home_of(h, id);
    struct link_mail *m = link_mail_new(h->peers[home], VIEWER_LEFT, 0);
    m->device = id;
    post_mail(h->post, home, &m->mail);
}
