/*
 * The outbox of a member whose socket is full: whole messages in order, bounded in number and
 * bytes, with the rules of their class (hub.h). Only slow readers have one.
 */
#include "base/mem.h"
#include "hub/internal.h"

#include <stdatomic.h>
#include <string.h>

/* Encoded at once while draining: about what a socket buffer takes. */
#define DRAIN_BYTES 65536

static void entry_free(struct hub *h, struct outbox *o, struct outbox_entry *e)
{
    list_remove(&e->link);
    o->messages--;
    o->bytes -= e->bytes;
    UNCOUNT(h->stats.outbox_bytes, e->bytes);
    blob_unref(e->blob);
    mem_free(e);
}

void outbox_free(struct hub *h, uint32_t member)
{
    struct outbox *o = member_out(h, member);
    if (o == NULL) {
        return;
    }
    LIST_EACH(it, &o->entries) {
        entry_free(h, o, LIST_ITEM(it, struct outbox_entry, link));
    }
    mem_free(o);
    h->members[member].flags &= (uint8_t)~MEMBER_BLOCKED;
    h->waiting[member].place = 0;
}

static void mark_slow(struct hub *h, uint32_t member)
{
    struct member *m = &h->members[member];
    if (m->flags & MEMBER_SLOW) {
        return;
    }
    m->flags |= MEMBER_SLOW;
    if (h->slow_count == h->slow_cap) {
        h->slow_cap = h->slow_cap == 0 ? 16 : h->slow_cap * 2;
        h->slow = mem_realloc(h->slow, h->slow_cap * sizeof *h->slow);
    }
    h->slow[h->slow_count++] = member;
}

/* The queued value of the same key, newest first (values of one key are near the end); none that a
 * barrier stands behind. */
static struct outbox_entry *same_key(struct outbox *o, uint64_t key)
{
    for (struct list *it = o->entries.prev; it != &o->entries; it = it->prev) {
        struct outbox_entry *e = LIST_ITEM(it, struct outbox_entry, link);
        if (e->cls == BLOB_STATE && e->key == key) {
            return e;
        }
        if (e->blob != NULL && e->blob->barrier) {
            return NULL;
        }
    }
    return NULL;
}

static void replace(struct hub *h, struct outbox *o, struct outbox_entry *e, struct blob *b,
                    uint32_t encoded_bytes, bool encoded)
{
    blob_unref(e->blob);
    e->blob = blob_ref(b);
    o->bytes = o->bytes - e->bytes + encoded_bytes;
    COUNT(h->stats.outbox_bytes, (uint64_t)encoded_bytes - e->bytes);
    e->bytes = encoded_bytes;
    e->encoded = encoded;
    COUNT(h->stats.merged, 1);
}

void outbox_push(struct hub *h, uint32_t member, struct blob *b, span bytes, uint64_t key,
                 enum blob_class cls, uint32_t encoded_bytes, bool encoded)
{
    struct member *m = &h->members[member];
    struct outbox *o = member_out(h, member);
    if (m->flags & MEMBER_SLOW) {
        return;
    }
    if (cls == BLOB_EPHEMERAL) {
        COUNT(h->stats.dropped, 1);
        return;
    }
    bool merges = cls == BLOB_STATE && key != KEY_NONE;
    struct outbox_entry *older = merges ? same_key(o, key) : NULL;
    if (older != NULL) {
        replace(h, o, older, b, encoded_bytes, encoded);
        return;
    }
    bool over = o->messages >= m->queue_max || o->bytes + encoded_bytes > h->conf.outbox_bytes_max;
    if (over && o->messages > 0) {
        mark_slow(h, member);
        return;
    }
    struct outbox_entry *e = mem_alloc(sizeof *e + (b == NULL ? bytes.len : 0));
    *e = (struct outbox_entry){.blob = b,
                               .key = key,
                               .bytes = encoded_bytes,
                               .cls = (uint8_t)cls,
                               .encoded = encoded};
    if (b != NULL) {
        blob_ref(b);
    } else {
        memcpy(e->data, bytes.ptr, bytes.len);
    }
    list_push(&o->entries, &e->link);
    o->messages++;
    o->bytes += encoded_bytes;
    COUNT(h->stats.outbox_bytes, encoded_bytes);
}

/* Appends the first entry's bytes to hub->gather. */
static uint32_t encode_entry(struct hub *h, const struct member *m, const struct outbox_entry *e)
{
    size_t from = h->gather.len;
    if (e->blob == NULL) {
        buf_append(&h->gather, e->data, e->bytes);
    } else if (e->encoded) {
        buf_append_span(&h->gather, blob_payload(e->blob));
    } else {
        h->conf.sink->encode(h->conf.sink, m->wire, e->blob, &h->gather);
    }
    return (uint32_t)(h->gather.len - from);
}

static void tell_sent(struct hub *h, const struct member *m, const struct outbox_entry *e)
{
    struct hub_sink *sink = h->conf.sink;
    if (sink->sent != NULL && e->blob != NULL) {
        uint32_t now_us = sink->now_us(sink, false);
        sink->sent(sink, m->wire, e->blob, 1, blob_age_us(e->blob, now_us));
    }
}

/* Sends one batch; false when the socket is full. */
static bool drain_some(struct hub *h, uint32_t member)
{
    struct member *m = &h->members[member];
    struct outbox *o = member_out(h, member);
    buf_clear(&h->gather);
    LIST_EACH(it, &o->entries) {
        struct outbox_entry *e = LIST_ITEM(it, struct outbox_entry, link);
        uint32_t was = e->bytes;
        e->bytes = encode_entry(h, m, e);
        o->bytes = o->bytes - was + e->bytes;
        COUNT(h->stats.outbox_bytes, (uint64_t)e->bytes - was);
        if (h->gather.len >= DRAIN_BYTES) {
            break;
        }
    }
    struct iovec iov = {.iov_base = h->gather.ptr, .iov_len = h->gather.len};
    size_t sent = h->conf.sink->send(h->conf.sink, member, &iov, 1);
    bool full = sent < h->gather.len;
    size_t at = 0;
    while (at <= sent && !list_empty(&o->entries)) {
        struct outbox_entry *e = LIST_ITEM(o->entries.next, struct outbox_entry, link);
        size_t end = at + e->bytes;
        if (at == sent && e->bytes > 0) {
            break; /* none of it has left */
        }
        if (end > sent) {
            h->conf.sink->rest(h->conf.sink, member, span_of(h->gather.ptr + sent, end - sent));
        }
        tell_sent(h, m, e);
        entry_free(h, o, e);
        COUNT(h->stats.delivered, 1);
        at = end;
    }
    return !full;
}

void outbox_drain(struct hub *h, uint32_t member)
{
    while (!list_empty(&member_out(h, member)->entries)) {
        if (!drain_some(h, member)) {
            return;
        }
    }
    outbox_free(h, member);
}
