/* Publishing and checking: who sends what to whom, when, and what must come back. */
#include "load.h"
#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000u
#define SETTLE_MS 10000u    /* how long answers are waited for */
#define SUBSCRIBE_PAUSE_MS 100u
#define SUBSCRIBE_AHEAD 64u /* unanswered subscriptions: keeps them out of the latency of all */

static struct load *load_of(struct pool *p) { return p->user; }

/* A failed connection ends the run: the numbers would not be what they say. */
static void poll_once(struct load *l, uint64_t wait_ns)
{
    pool_poll(&l->pool, wait_ns);
    if (l->pool.failed > 0) {
        fprintf(stderr, "load: %u connections failed\n", l->pool.failed);
        exit(1);
    }
}

void load_connect(struct load *l, uint32_t from, uint32_t to, uint32_t ahead)
{
    uint64_t end = now_ns() + 60000ull * MS;
    for (uint32_t i = from; l->pool.opened < to;) {
        for (; i < to && i - l->pool.opened < ahead; i++) {
            pool_connect(&l->pool, i, l->opt.port,
                         l->pool.socketio ? "/socket.io/?EIO=4&transport=websocket"
                                          : "/conformance/pubsub");
        }
        poll_once(l, 100 * MS);
        if (now_ns() > end) {
            fprintf(stderr, "load: %u of %u connections opened\n", l->pool.opened, to);
            exit(1);
        }
    }
}

static void publish(struct load *l, struct publisher *p, uint64_t due_ns)
{
    char text[65536];
    size_t prefix = strlen(p->prefix);
    memcpy(text, p->prefix, prefix);
    for (uint32_t i = 0; i < l->opt.burst; i++) {
        struct message m = {.publisher = (uint32_t)(p - l->publishers), .seq = p->seq++,
                            .due_ns = due_ns};
        message_write(text + prefix, l->opt.size, &m);
        client_queue(&l->pool, p->client, text, prefix + l->opt.size);
    }
    p->waiting += (uint64_t)l->opt.burst * p->members;
    l->published += l->opt.burst;
}

static void check(struct load *l, struct client *c, const struct message *m)
{
    struct publisher *p = &l->publishers[m->publisher];
    uint32_t at = m->publisher % l->publishers_a_room;
    if (m->publisher >= l->publisher_count || c->room != p->room || m->seq >= p->seq) {
        l->damaged++;
        return;
    }
    uint64_t expected = c->next_seq[at];
    if (m->seq > expected) {
        l->lost += m->seq - expected;
    } else if (m->seq < expected) {
        *(m->seq + 1 == expected ? &l->doubled : &l->misordered) += 1;
        return;
    }
    c->next_seq[at] = m->seq + 1;
    l->delivered++;
    p->waiting--;
    if (l->measuring) {
        hist_add(&l->latency, l->pool.now_ns > m->due_ns ? l->pool.now_ns - m->due_ns : 0);
    }
    uint64_t burst = (uint64_t)l->opt.burst * p->members;
    if (l->opt.rate == 0 && !l->stopped && p->waiting % burst == 0) {
        p = l->take_turns ? &l->publishers[l->next++ % l->publisher_count] : p;
        publish(l, p, l->pool.now_ns);
        if (p->client != c) { /* what a client queues while it is read is sent afterwards */
            client_flush(&l->pool, p->client);
        }
    }
}

static void on_text(struct pool *pool, struct client *c, const uint8_t *text, size_t len)
{
    struct load *l = load_of(pool);
    struct message m;
    if (message_read(text, len, l->opt.size, &m)) {
        check(l, c, &m);
    } else if (len > 3 && memcmp(text, "ok ", 3) == 0) {
        l->subscribed++;
    } else if (len > 0 && len < 20 && text[0] >= '0' && text[0] <= '9') {
        l->counted = 0;
        for (size_t i = 0; i < len; i++) {
            l->counted = l->counted * 10 + (uint64_t)(text[i] - '0');
        }
        l->counted_came = true;
    } else {
        l->damaged++;
    }
}

static void add_publisher(struct load *l, struct client *c, uint32_t room, uint32_t members,
                          char verb)
{
    struct publisher *p = &l->publishers[l->publisher_count++];
    p->client = c;
    p->room = room;
    p->members = members;
    if (verb == 'p') {
        snprintf(p->prefix, sizeof p->prefix, "p r%u ", room);
    } else {
        snprintf(p->prefix, sizeof p->prefix, "%c ", verb);
    }
}

static void subscribe_all(struct load *l)
{
    uint64_t end = now_ns() + (uint64_t)SETTLE_MS * MS;
    for (uint32_t i = 0; l->subscribed < l->subscribers && now_ns() < end;) {
        for (; i < l->subscribers && i - l->subscribed < SUBSCRIBE_AHEAD; i++) {
            char text[NAME_BYTES];
            int n = snprintf(text, sizeof text, "s r%u", l->pool.items[i].room);
            client_send(&l->pool, &l->pool.items[i], text, (size_t)n);
        }
        poll_once(l, 100 * MS);
    }
    if (l->subscribed < l->subscribers) {
        fprintf(stderr, "load: %u of %u subscriptions answered\n", l->subscribed, l->subscribers);
        exit(1);
    }
    for (end = now_ns() + (uint64_t)SUBSCRIBE_PAUSE_MS * MS; now_ns() < end;) {
        poll_once(l, 10 * MS);
    }
}

void load_arrange(struct load *l)
{
    struct client *items = l->pool.items;
    uint32_t n = l->opt.conns;
    bool fan = strcmp(l->opt.mode, "fan") == 0;
    bool rooms = strcmp(l->opt.mode, "rooms") == 0;
    bool ingest = strcmp(l->opt.mode, "ingest") == 0;
    l->pool.on_text = on_text;
    l->pool.user = l;
    l->take_turns = fan;
    l->publishers_a_room = fan ? l->opt.publishers : 1;
    l->publishers = calloc(n + l->opt.publishers, sizeof *l->publishers);
    for (uint32_t i = 0; i < n; i++) {
        items[i].room = fan ? 0 : rooms ? i / l->opt.members : i;
        items[i].next_seq = calloc(l->publishers_a_room, sizeof *items[i].next_seq);
        if (rooms && i % l->opt.members == 0) {
            uint32_t left = n - i;
            add_publisher(l, &items[i], items[i].room,
                          left < l->opt.members ? left : l->opt.members, 'p');
        } else if (!rooms && !fan) {
            add_publisher(l, &items[i], i, ingest ? 0 : 1, ingest ? 'i' : 'e');
        }
    }
    for (uint32_t i = n; fan && i < n + l->opt.publishers; i++) {
        add_publisher(l, &items[i], 0, n, 'p');
    }
    l->subscribers = fan || rooms ? n : 0;
    subscribe_all(l);
}

/* Every publisher in turn, at the times that the rate gives; late ones are caught up at once. */
static void run_at_rate(struct load *l, uint64_t end_ns)
{
    double step_ns = 1e9 * l->opt.burst / l->opt.rate;
    uint64_t begin = now_ns();
    uint64_t done = 0;
    for (uint64_t now = begin; now < end_ns; now = now_ns()) {
        uint64_t due;
        for (; (due = begin + (uint64_t)((double)done * step_ns)) <= now; done++) {
            struct publisher *p = &l->publishers[l->next++ % l->publisher_count];
            publish(l, p, due);
            client_flush(&l->pool, p->client);
        }
        now = now_ns();
        poll_once(l, due > now ? due - now : 0);
    }
}

void load_run(struct load *l, uint64_t end_ns)
{
    if (l->opt.rate > 0) {
        run_at_rate(l, end_ns);
        return;
    }
    uint32_t bursts = l->take_turns ? l->opt.inflight : l->opt.inflight * l->publisher_count;
    for (uint32_t i = 0; i < bursts && !l->started; i++) {
        struct publisher *p = &l->publishers[l->next++ % l->publisher_count];
        publish(l, p, now_ns());
        client_flush(&l->pool, p->client);
    }
    l->started = true;
    while (now_ns() < end_ns) {
        poll_once(l, 1 * MS);
    }
}

static bool any_waiting(const struct load *l)
{
    for (uint32_t i = 0; i < l->publisher_count; i++) {
        if (l->publishers[i].waiting > 0) {
            return true;
        }
    }
    return false;
}

/* Nobody gets what is only counted: the server's count says how much arrived. */
static void settle_ingest(struct load *l, uint64_t end_ns)
{
    while (now_ns() < end_ns && l->counted < l->published) {
        l->counted_came = false;
        client_send(&l->pool, &l->pool.items[0], "c", 1);
        while (now_ns() < end_ns && !l->counted_came) {
            poll_once(l, 10 * MS);
        }
    }
    l->lost += l->counted < l->published ? l->published - l->counted : 0;
    l->doubled += l->counted > l->published ? l->counted - l->published : 0;
}

void load_settle(struct load *l)
{
    uint64_t end = now_ns() + (uint64_t)SETTLE_MS * MS;
    l->stopped = true;
    if (strcmp(l->opt.mode, "ingest") == 0) {
        settle_ingest(l, end);
        return;
    }
    while (now_ns() < end && any_waiting(l)) {
        poll_once(l, 10 * MS);
    }
    for (uint64_t quiet = now_ns() + 50ull * MS; now_ns() < quiet;) {
        poll_once(l, 10 * MS); /* what comes twice comes late */
    }
    for (uint32_t i = 0; i < l->opt.conns; i++) {
        struct client *c = &l->pool.items[i];
        uint32_t first = c->room * l->publishers_a_room;
        for (uint32_t p = 0; p < l->publishers_a_room; p++) {
            l->lost += l->publishers[first + p].seq - c->next_seq[p];
        }
    }
}
