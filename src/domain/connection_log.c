/*
 * connection_logs: a row for every connection, begun when it opens and completed when it closes,
 * both written behind. A connection that closes before its beginning is on disk costs one write.
 * Whoever is connected (a device's live link, a client) remembers the row's id, and the record here
 * while its beginning waits.
 */
#include "domain/connection_log.h"

#include "domain/fleet_internal.h"

#include "base/mem.h"

#include <string.h>

/* Connections of one home whose row waits for a store that fails, some 300 bytes each; more are not
 * logged, which is. */
#define WAITING_MAX 65536

struct connection_log {
    struct behind_item write;
    struct connection_log **owner; /* who points here, while it is connected */
    struct fleet *fleet;
    uuid id;
    uuid device_id; /* nil: a client's, */
    uuid user_id;   /* whose; nil: nobody's */
    const char *wire;
    span socket_id, remote_address; /* in text */
    int64_t opened_ms;
    bool inserted;
    bool closed;
    int64_t closed_ms;
    int64_t duration_s;
    const char *reason;
    uint8_t text[];
};

static struct connection_log *log_new(struct fleet *f, size_t bytes)
{
    if (f->logs_waiting >= WAITING_MAX) {
        if (f->logs_waiting == WAITING_MAX) {
            LOG(f->home->log, LOG_WARN, "error", LOG_STR("what", "connection_log"),
                LOG_STR("error", "too many wait for the store"));
        }
        return NULL;
    }
    f->logs_waiting++;
    struct connection_log *l = mem_calloc(1, sizeof *l + bytes);
    l->fleet = f;
    list_init(&l->write.link);
    return l;
}

static void log_free(struct connection_log *l)
{
    if (l->owner != NULL) {
        *l->owner = NULL;
    }
    l->fleet->logs_waiting--;
    mem_free(l);
}

/* *owner points to it until it is written. NULL when it will not be; else the caller fills in the
 * rest and touches it. */
static struct connection_log *begin(struct fleet *f, struct connection_log **owner, uuid id,
                                    span socket_id, span remote_address)
{
    struct connection_log *l = log_new(f, socket_id.len + remote_address.len);
    if (l == NULL) {
        return NULL;
    }
    l->id = id;
    memcpy(l->text, socket_id.ptr, socket_id.len);
    l->socket_id = span_of(l->text, socket_id.len);
    if (remote_address.len > 0) {
        memcpy(l->text + socket_id.len, remote_address.ptr, remote_address.len);
    }
    l->remote_address = span_of(l->text + socket_id.len, remote_address.len);
    l->owner = owner;
    *owner = l;
    return l;
}

static void detach(struct connection_log **owner)
{
    if (*owner != NULL) {
        (*owner)->owner = NULL;
        *owner = NULL;
    }
}

static void end(struct fleet *f, struct connection_log **owner, uuid id, int64_t opened_ms,
                close_reason reason)
{
    struct clock *clock = f->home->clock;
    struct connection_log *l = *owner;
    if (l == NULL) { /* its beginning is written, or never will be */
        l = log_new(f, 0);
        if (l == NULL) {
            return;
        }
        l->id = id;
        l->inserted = true;
    }
    detach(owner);
    l->closed = true;
    l->closed_ms = clock_wall_ms(clock);
    l->duration_s = (clock_mono_ms(clock) - opened_ms) / 1000;
    l->reason = close_label(reason);
    behind_touch(&f->logs, &l->write);
}

/* --- devices --- */

void connection_log_open(struct device *d, const struct opening *o)
{
    d->live.log_id = home_new_id(d->fleet->home);
    struct connection_log *l =
        begin(d->fleet, &d->live.log, d->live.log_id, o->socket_id, o->remote_address);
    if (l != NULL) {
        l->device_id = d->id;
        l->wire = o->wire;
        l->opened_ms = d->live.since_ms;
        behind_touch(&d->fleet->logs, &l->write);
    }
}

void connection_log_close(struct device *d, close_reason reason)
{
    end(d->fleet, &d->live.log, d->live.log_id, d->live.opened_ms, reason);
}

void connection_log_detach(struct device *d) { detach(&d->live.log); }

/* --- clients --- */

void client_log_open(struct home *h, struct client_log *l, const struct client_log_conf *conf)
{
    if (!h->conf->connection_log_clients) {
        return;
    }
    l->id = home_new_id(h);
    struct connection_log *log =
        begin(h->fleet, &l->waits, l->id, conf->socket_id, conf->remote_address);
    if (log != NULL) {
        l->home = h;
        l->opened_ms = clock_mono_ms(h->clock);
        log->wire = conf->wire;
        log->user_id = conf->user;
        log->opened_ms = clock_wall_ms(h->clock);
        behind_touch(&h->fleet->logs, &log->write);
    }
}

void client_log_close(struct client_log *l, close_reason reason)
{
    if (l->home != NULL) {
        end(l->home->fleet, &l->waits, l->id, l->opened_ms, reason);
        l->home = NULL;
    }
}

/* --- writing --- */

static void put_open(struct store_req *req, unsigned step, unsigned set,
                     const struct connection_log *l)
{
    req_set_uuid(req, step, set, 0, l->id);
    bool device = !uuid_is_nil(l->device_id);
    if (device) {
        req_set_uuid(req, step, set, 1, l->device_id);
    }
    store_set_text(req, step, set, 2, l->socket_id);
    store_set_text(req, step, set, 3, device ? SPAN("device") : SPAN("client"));
    store_set_int(req, step, set, 4, l->opened_ms);
    if (!uuid_is_nil(l->user_id)) {
        req_set_uuid(req, step, set, 5, l->user_id);
    }
    store_set_text(req, step, set, 6, span_str(l->wire));
    store_set_text(req, step, set, 7, l->remote_address);
}

static void put_close(struct store_req *req, unsigned step, unsigned set,
                      const struct connection_log *l)
{
    req_set_uuid(req, step, set, 0, l->id);
    store_set_int(req, step, set, 1, l->closed_ms);
    store_set_text(req, step, set, 2, span_str(l->reason));
    store_set_int(req, step, set, 3, l->duration_s);
}

static struct store_req *fill(struct behind *b, struct behind_batch *batch)
{
    unsigned opens = 0, closes = 0;
    for (struct behind_item *it; (it = behind_first(b, batch)) != NULL; behind_take(b, batch)) {
        const struct connection_log *l = CONTAINER_OF(it, struct connection_log, write);
        opens += !l->inserted;
        closes += l->closed;
    }
    unsigned close_step = opens > 0;
    struct store_req *req =
        store_req_new(b->home->index, close_step + (closes > 0), NULL, NULL);
    if (opens > 0) {
        store_step_init(req, 0, QUERY_CONNECTION_INSERT, opens);
    }
    if (closes > 0) {
        store_step_init(req, close_step, QUERY_CONNECTION_CLOSE, closes);
    }
    opens = closes = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        const struct connection_log *l =
            CONTAINER_OF(batch->items[i], struct connection_log, write);
        if (!l->inserted) {
            put_open(req, 0, opens++, l);
        }
        if (l->closed) {
            put_close(req, close_step, closes++, l);
        }
    }
    return req;
}

static void written(struct behind *b, struct behind_item *it, err error, bool rests)
{
    struct connection_log *l = CONTAINER_OF(it, struct connection_log, write);
    (void)b;
    l->inserted = l->inserted || error == ERR_NONE;
    if (rests) {
        log_free(l);
    }
}

const struct behind_ops connection_log_writing = {.fill = fill, .written = written};

void connection_logs_drop(struct fleet *f)
{
    while (!list_empty(&f->logs.dirty)) {
        struct behind_item *it = LIST_ITEM(f->logs.dirty.next, struct behind_item, link);
        behind_forget(it);
        log_free(CONTAINER_OF(it, struct connection_log, write));
    }
}
