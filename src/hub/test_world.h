/*
 * For tests: hubs without sockets. Each member has a socket that takes as many bytes as the test
 * says; mail between 1 to 8 hubs is carried in any order, each pair's in the order posted.
 */
#ifndef SB_HUB_TEST_WORLD_H
#define SB_HUB_TEST_WORLD_H

#include "base/mem.h"
#include "hub/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED_OK __attribute__((unused))
#define HUBS_MAX 8
#define MEMBERS_MAX 16
#define NO_EVENT 99 /* an event that wires have no words for */

struct hub_world;

struct one {
    struct hub_sink sink;
    struct hub_world *world;
    struct hub *hub;
    unsigned index;
    struct {
        bool open;
        size_t room;  /* bytes that its socket takes before it is full */
        buf pending;  /* given to rest() while full; sent first */
        buf got;      /* what has left, in order */
        unsigned writes;
        close_reason closed;
    } members[MEMBERS_MAX];
    unsigned encoded;
    unsigned asked; /* whether a member wants something */
};

static struct hub_world {
    struct post post;
    unsigned current; /* whose thread it is */
    struct one hubs[HUBS_MAX];
    struct hub *peers[HUBS_MAX];
    struct mail *queue[HUBS_MAX][HUBS_MAX]; /* from, to: oldest first */
} w;

static UNUSED_OK size_t sink_send(struct hub_sink *s, uint32_t member, const struct iovec *iov,
                                  int count)
{
    struct one *o = CONTAINER_OF(s, struct one, sink);
    assert_int_equal(count, 1);
    assert_true(o->members[member].open);
    o->members[member].writes++;
    if (o->members[member].pending.len > 0) {
        return 0;
    }
    size_t n = iov->iov_len < o->members[member].room ? iov->iov_len : o->members[member].room;
    o->members[member].room -= n;
    buf_append(&o->members[member].got, iov->iov_base, n);
    return n;
}

static UNUSED_OK void sink_rest(struct hub_sink *s, uint32_t member, span bytes)
{
    struct one *o = CONTAINER_OF(s, struct one, sink);
    assert_true(bytes.len > 0);
    buf_append_span(&o->members[member].pending, bytes);
}

/* A message is "<payload>" on wire 0 and "[payload]" on wire 1. */
static UNUSED_OK void sink_encode(struct hub_sink *s, unsigned wire, const struct blob *b, buf *out)
{
    struct one *o = CONTAINER_OF(s, struct one, sink);
    o->encoded++;
    if (b->event == NO_EVENT) {
        return;
    }
    buf_append_byte(out, wire == 0 ? '<' : '[');
    buf_append_span(out, blob_payload(b));
    buf_append_byte(out, wire == 0 ? '>' : ']');
}

static UNUSED_OK void sink_close(struct hub_sink *s, uint32_t member, close_reason reason)
{
    struct one *o = CONTAINER_OF(s, struct one, sink);
    assert_true(o->members[member].open);
    o->members[member].closed = reason;
    hub_member_close(o->hub, member);
    o->members[member].open = false;
}

static UNUSED_OK void post_send(struct post *self, unsigned loop, struct mail *m)
{
    struct mail **at = &w.queue[w.current][loop];
    while (*at != NULL) {
        at = &(*at)->next;
    }
    m->next = NULL;
    *at = m;
}

static uint32_t world_dear_wires; /* of hubs started from now on */

static UNUSED_OK void world_start(unsigned hubs, uint32_t messages_max, uint32_t bytes_max)
{
    memset(&w, 0, sizeof w);
    w.post = (struct post){.send = post_send, .loop_count = hubs};
    for (unsigned i = 0; i < hubs; i++) {
        struct one *o = &w.hubs[i];
        *o = (struct one){.world = &w, .index = i};
        o->sink = (struct hub_sink){
            .send = sink_send, .rest = sink_rest, .encode = sink_encode, .close = sink_close};
        struct hub_conf conf = {.loop = i, .post = &w.post, .sink = &o->sink,
                                .outbox_messages_max = messages_max,
                                .outbox_bytes_max = bytes_max, .peers = w.peers,
                                .dear_wires = world_dear_wires};
        o->hub = w.peers[i] = hub_new(&conf);
    }
}

static UNUSED_OK struct one *hub_of(unsigned i)
{
    w.current = i;
    return &w.hubs[i];
}

static UNUSED_OK void carry_one(unsigned from, unsigned to)
{
    struct mail *m = w.queue[from][to];
    w.queue[from][to] = m->next;
    w.current = to;
    m->run(m);
}

/* Carries all mail, the next pair by `pick`, and ends turns in between. */
static UNUSED_OK void settle(unsigned seed)
{
    for (;;) {
        unsigned pairs[HUBS_MAX * HUBS_MAX];
        unsigned count = 0;
        for (unsigned i = 0; i < HUBS_MAX * HUBS_MAX; i++) {
            if (w.queue[i / HUBS_MAX][i % HUBS_MAX] != NULL) {
                pairs[count++] = i;
            }
        }
        if (count == 0) {
            break;
        }
        seed = seed * 1103515245 + 12345;
        unsigned pair = pairs[(seed >> 16) % count];
        carry_one(pair / HUBS_MAX, pair % HUBS_MAX);
        if ((seed >> 8) % 3 == 0) {
            hub_turn_end(w.hubs[pair % HUBS_MAX].hub);
        }
    }
    for (unsigned i = 0; i < w.post.loop_count; i++) {
        w.current = i;
        hub_turn_end(w.hubs[i].hub);
    }
    for (unsigned i = 0; i < HUBS_MAX * HUBS_MAX; i++) {
        if (w.queue[i / HUBS_MAX][i % HUBS_MAX] != NULL) {
            settle(seed);
            return;
        }
    }
}

static UNUSED_OK void world_stop(void)
{
    for (unsigned i = 0; i < w.post.loop_count; i++) {
        for (uint32_t m = 0; m < MEMBERS_MAX; m++) {
            buf_deinit(&w.hubs[i].members[m].got);
            buf_deinit(&w.hubs[i].members[m].pending);
        }
        hub_free(w.hubs[i].hub);
    }
}

static UNUSED_OK void join(unsigned hub, uint32_t member, unsigned wire)
{
    struct one *o = hub_of(hub);
    o->members[member].open = true;
    o->members[member].room = SIZE_MAX;
    hub_member_open(o->hub, member, 1, wire, 0);
}

static UNUSED_OK void leave(unsigned hub, uint32_t member)
{
    struct one *o = hub_of(hub);
    hub_member_close(o->hub, member);
    o->members[member].open = false;
}

static UNUSED_OK void subscribe(unsigned hub, uint32_t member, unsigned home, const char *topic)
{
    hub_subscribe(hub_of(hub)->hub, member, home, span_str(topic));
}

static UNUSED_OK struct blob *blob(enum blob_class cls, uint16_t event, const char *text)
{
    return blob_new(cls, event, 0, span_str(text));
}

static UNUSED_OK void publish(unsigned hub, unsigned home, const char *topic, enum blob_class cls,
                    const char *text)
{
    hub_publish(hub_of(hub)->hub, home, span_str(topic), blob(cls, 1, text));
}

static UNUSED_OK void turn(unsigned hub) { hub_turn_end(hub_of(hub)->hub); }

/* The socket takes `bytes` more (SIZE_MAX: all from now on). */
static UNUSED_OK void make_room(unsigned hub, uint32_t member, size_t bytes)
{
    struct one *o = hub_of(hub);
    o->members[member].room = bytes;
    buf *pending = &o->members[member].pending;
    size_t n = pending->len < bytes ? pending->len : bytes;
    buf_append(&o->members[member].got, pending->ptr, n);
    buf_consume(pending, n);
    o->members[member].room -= n;
    if (pending->len == 0) {
        hub_writable(o->hub, member);
    }
}

static UNUSED_OK void block(unsigned hub, uint32_t member) { w.hubs[hub].members[member].room = 0; }

/* What the member got since the last call. */
static UNUSED_OK void expect(unsigned hub, uint32_t member, const char *text)
{
    buf *got = &w.hubs[hub].members[member].got;
    if (!span_eq(buf_span(got), span_str(text))) {
        fail_msg("member %u.%u got \"%.*s\", expected \"%s\"", hub, member, (int)got->len,
                 (const char *)got->ptr, text);
    }
    buf_clear(got);
}

static UNUSED_OK const struct hub_stats *stats(unsigned hub) { return hub_stats(w.hubs[hub].hub); }

#endif
