/* Links: what a device's socket on its loop and the device at its home tell each other, and who may
 * connect or watch. */
#include "domain/device_link.h"

#include "domain/fleet_internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

/* --- between loops --- */

enum link_mail_kind { LINK_OPEN, LINK_CLOSED, LINK_END, LINK_DELIVER, LINK_DELIVERED, VIEWER_LEFT };

struct link_mail {
    struct mail mail;
    struct home *to;
    enum link_mail_kind kind;
    unsigned loop; /* the link's */
    uint64_t link;
    uuid device;
    close_reason reason;
    struct wait wait;
    bool closed;   /* LINK_OPEN: the link closed while the device was being loaded */
    bool delivers; /* LINK_OPEN: it has an on_deliver */
    struct link_delivery delivery; /* LINK_DELIVER; of LINK_DELIVERED the token */
    const char *wire;
    span socket_id;
    span remote_address;
    uint8_t text[]; /* the spans */
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

void presence_end_link(struct device *d, close_reason reason)
{
    struct home *h = d->fleet->home;
    struct link_mail *m = link_mail_new(h->peers[d->live.loop], LINK_END, 0);
    m->link = d->live.link;
    m->reason = reason;
    post_mail(h->post, d->live.loop, &m->mail);
}

bool presence_reachable(const struct device *d)
{
    return d->live.on && d->live.delivers && d->row.status != DEVICE_DISABLED;
}

bool presence_deliver(struct device *d, const struct link_delivery *what)
{
    struct home *h = d->fleet->home;
    if (!presence_reachable(d)) {
        return false;
    }
    struct link_mail *m =
        link_mail_new(h->peers[d->live.loop], LINK_DELIVER, what->payload.len);
    m->link = d->live.link;
    m->delivery = *what;
    memcpy(m->text, what->payload.ptr, what->payload.len);
    m->delivery.payload = span_of(m->text, what->payload.len);
    post_mail(h->post, d->live.loop, &m->mail);
    return true;
}

/* The device of an opening link is here, or is not (any more). */
static void link_ready(struct wait *w, struct device *d, err error)
{
    struct link_mail *m = CONTAINER_OF(w, struct link_mail, wait);
    if (m->closed) {
        mem_free(m);
        return;
    }
    if (d != NULL && d->row.status != DEVICE_DISABLED) {
        presence_open(d, &(struct opening){.loop = m->loop,
                                           .link = m->link,
                                           .wire = m->wire,
                                           .delivers = m->delivers,
                                           .socket_id = m->socket_id,
                                           .remote_address = m->remote_address});
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
    struct device *d = device_peek(m->to->fleet, m->device);
    if (d != NULL && d->live.on && d->live.loop == m->loop && d->live.link == m->link) {
        presence_closed(d, m->reason);
        return;
    }
    if (d == NULL || d->state != DEVICE_LOADING) {
        return;
    }
    LIST_EACH(it, &d->waiting) { /* it closed before its device was here */
        struct wait *w = LIST_ITEM(it, struct wait, link);
        struct link_mail *open = CONTAINER_OF(w, struct link_mail, wait);
        if (w->ready == link_ready && open->loop == m->loop && open->link == m->link) {
            open->closed = true;
        }
    }
}

static void delivered(struct link_mail *m)
{
    struct device *d = device_find(m->to->fleet, m->device);
    if (d == NULL) {
        return;
    }
    device_hold(d);
    if (d->live.on && d->live.loop == m->loop && d->live.link == m->link) {
        presence_heard(d, true);
    }
    switch (TOKEN_OF(m->delivery.token)) {
    case TOKEN_COMMAND:
        commands_delivered(d, m->delivery.token);
        break;
    case TOKEN_CONFIG:
    case TOKEN_NONE:
        break;
    }
    device_release(d);
}

static void viewer_left(struct link_mail *m)
{
    struct device *d = device_find(m->to->fleet, m->device);
    if (d != NULL && d->viewers > 0) {
        presence_viewer_leaves(d);
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
    case LINK_DELIVER:
        l = link_find(m->to->fleet, m->link);
        if (l != NULL) {
            l->on_deliver(l, &m->delivery);
        }
        break;
    case LINK_DELIVERED:
        delivered(m);
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
    m->delivers = l->on_deliver != NULL;
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

void device_link_delivered(struct device_link *l, uint64_t token)
{
    if (l->id == 0 || token == 0) {
        return;
    }
    struct home *h = l->home;
    unsigned home = home_of(h, l->device);
    struct link_mail *m = link_mail_new(h->peers[home], LINK_DELIVERED, 0);
    m->loop = h->index;
    m->link = l->id;
    m->device = l->device;
    m->delivery.token = token;
    post_mail(h->post, home, &m->mail);
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
    presence_viewer_joins(d);
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
