/*
 * connection_logs: a row for every connection of a device, begun when it opens and completed when
 * it closes, both written behind. A connection that closes before its beginning is on disk costs
 * one write.
 */
#include "domain/fleet_internal.h"

#include "base/mem.h"

#include <string.h>

/* Connections of one home whose row waits for a store that fails, some 300 bytes each; more are not
 * logged, which is. */
#define WAITING_MAX 65536

struct connection_log {
    struct behind_item write;
    struct device *device; /* while the connection is the live one */
    struct fleet *fleet;
    uuid id, device_id;
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

static struct connection_log *log_new(struct device *d, size_t bytes)
{
    struct fleet *f = d->fleet;
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
    l->device_id = d->id;
    list_init(&l->write.link);
    return l;
}

static void log_free(struct connection_log *l)
{
    if (l->device != NULL) {
        l->device->live.log = NULL;
    }
    l->fleet->logs_waiting--;
    mem_free(l);
}

void connection_log_open(struct device *d, const struct opening *o)
{
    d->live.log_id = home_new_id(d->fleet->home);
    struct connection_log *l = log_new(d, o->socket_id.len + o->remote_address.len);
    if (l == NULL) {
        return;
    }
    l->id = d->live.log_id;
    l->wire = o->wire;
    l->opened_ms = d->live.since_ms;
    memcpy(l->text, o->socket_id.ptr, o->socket_id.len);
    l->socket_id = span_of(l->text, o->socket_id.len);
    if (o->remote_address.len > 0) {
        memcpy(l->text + o->socket_id.len, o->remote_address.ptr, o->remote_address.len);
    }
    l->remote_address = span_of(l->text + o->socket_id.len, o->remote_address.len);
    l->device = d;
    d->live.log = l;
    behind_touch(&d->fleet->logs, &l->write);
}

void connection_log_close(struct device *d, close_reason reason)
{
    struct clock *clock = d->fleet->home->clock;
    struct connection_log *l = d->live.log;
    if (l == NULL) { /* its beginning is written, or never will be */
        l = log_new(d, 0);
        if (l == NULL) {
            return;
        }
        l->id = d->live.log_id;
        l->inserted = true;
    }
    connection_log_detach(d);
    l->closed = true;
    l->closed_ms = clock_wall_ms(clock);
    l->duration_s = (clock_mono_ms(clock) - d->live.opened_ms) / 1000;
    l->reason = close_label(reason);
    behind_touch(&d->fleet->logs, &l->write);
}

void connection_log_detach(struct device *d)
{
    if (d->live.log != NULL) {
        d->live.log->device = NULL;
        d->live.log = NULL;
    }
}

static void put_open(struct store_req *req, unsigned step, unsigned set,
                     const struct connection_log *l)
{
    req_set_uuid(req, step, set, 0, l->id);
    req_set_uuid(req, step, set, 1, l->device_id);
    store_set_text(req, step, set, 2, l->socket_id);
    store_set_text(req, step, set, 3, SPAN("device"));
    store_set_int(req, step, set, 4, l->opened_ms);
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
