/* See journal_world.h. */
#include "sim/journal_world.h"

#include "adapters/store_sqlite/store_sqlite.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RING 8
#define TICK_MS 100
#define QUEUE_MAX 100 /* more than a page of a replay */
#define KEEP 60      /* events that retention leaves */

struct journal_world v;
struct client clients[CLIENTS];

/* ---- clients ---- */

static size_t sink_send(struct hub_sink *self, uint32_t member, const struct iovec *iov, int count)
{
    struct client *c = &clients[member];
    SIM_CHECK(count == 1 && c->open);
    if (c->rest.len > 0) {
        return 0;
    }
    size_t n = iov->iov_len < c->room ? iov->iov_len : c->room;
    c->room -= n;
    buf_append(&c->wire, iov->iov_base, n);
    return n;
}

static void sink_rest(struct hub_sink *self, uint32_t member, span bytes)
{
    buf_append_span(&clients[member].rest, bytes);
}

static void sink_encode(struct hub_sink *self, unsigned wire, const struct blob *b, buf *out)
{
    SIM_CHECK(b->pos > 0 && (b->event == EVENT_DEVICE_UPDATED || b->some));
    buf_printf(out, "e %" PRIu64 " %.*s\n", b->pos, (int)b->len, (const char *)b->payload);
}

static bool sink_wants(struct hub_sink *self, uint32_t member, const struct blob *b)
{
    SIM_CHECK(b->some);
    return is_meant(b->pos, clients[member].id);
}

/* Now and then those of the loop are named, and some who are not there. */
static bool sink_among(struct hub_sink *self, const struct blob *b, struct hub_picks *picks)
{
    bool names = chance(50);
    for (unsigned i = 0; names && i < CLIENTS; i++) {
        hub_pick(picks, clients[i].id);
    }
    return names;
}

static void hang_up(void *arg)
{
    struct client *c = arg;
    if (c->open) {
        journal_close(&c->reader);
        hub_member_close(v.hubs[c->loop], c->id);
        c->open = false;
    }
}

static void sink_close(struct hub_sink *self, uint32_t member, close_reason reason)
{
    SIM_CHECK(reason == CLOSE_SLOW);
    v.seen_slow++;
    hang_up(&clients[member]);
}

static void on_gap(struct journal_reader *r, struct pos from, struct pos to)
{
    struct client *c = CONTAINER_OF(r, struct client, reader);
    char text[64];
    int len = snprintf(text, sizeof text, "g %" PRIu64 " %" PRIu64 "\n", from.n, to.n);
    hub_send_bytes(v.hubs[c->loop], c->id, span_of(text, (size_t)len), BLOB_ORDERED);
}

static void on_error(struct journal_reader *r, err error)
{
    SIM_CHECK(error == ERR_STORE_BUSY || error == ERR_STORE_FAILED);
    hang_up(CONTAINER_OF(r, struct client, reader));
}

static const struct journal_reader_ops reader_ops = {.on_gap = on_gap, .on_error = on_error};

/* Wishes: a few topics; all by a pattern; a topic and the pattern over it. */
static bool wants_some(unsigned topic, unsigned id) { return (topic + id) % 2 == 0; }
static bool wants_all(unsigned topic, unsigned id) { return true; }

static unsigned wish_count(const struct client *c) { return c->wants == wants_all ? 2 : TOPICS; }

static bool wish(const struct client *c, unsigned i, char text[16])
{
    if (c->wants == wants_all) {
        snprintf(text, 16, i == 0 ? "t/1" : "t/+");
        return true;
    }
    snprintf(text, 16, "t/%u", i);
    return c->wants(i, c->id);
}

static unsigned wishes_of(const struct client *c)
{
    unsigned count = 0;
    for (unsigned i = 0; i < wish_count(c); i++) {
        char text[16];
        count += wish(c, i, text);
    }
    return count;
}

static void connect_on_loop(void *arg)
{
    struct client *c = arg;
    struct pos since = {v.start.epoch, c->last};
    hub_member_open(v.hubs[c->loop], c->id, ++c->gen, 0, QUEUE_MAX);
    c->open = true;
    c->reader = (struct journal_reader){.ops = &reader_ops};
    journal_open(v.journals[c->loop], &c->reader, c->id, &since);
}

void come(struct client *c)
{
    SIM_CHECK(!c->connected && !c->open && c->link_count < LINKS_MAX);
    buf_clear(&c->wire);
    buf_clear(&c->rest);
    buf_clear(&c->line);
    c->connected = true;
    c->stalled = false;
    c->room = 200;
    c->answers = 0;
    memset(c->asked, 0, sizeof c->asked);
    c->links[c->link_count++] =
        (struct link){.since = c->last, .first = c->seen_count};
    c->loop = below(v.loops);
    sim_on_loop(v.sim, c->loop, connect_on_loop, c);
}

struct asking {
    struct client *c;
    span name;
    bool wavers; /* not one of its wishes */
    bool leave;
};

/* As a wire does: the answer tells the position. */
static void ask_on_loop(void *arg)
{
    struct asking *a = arg;
    char text[32];
    if (!a->c->open) {
        return; /* closed in the turn that brought this */
    }
    if (a->leave) {
        (void)journal_unsubscribe(&a->c->reader, a->name);
        return;
    }
    struct link *l = &a->c->links[a->c->link_count - 1];
    unsigned topic;
    if (sscanf((const char *)a->name.ptr, "t/%u", &topic) == 1 && chance(30)) {
        l->after[topic] = has_upto(a->c, topic);
        v.seen_later += l->after[topic] > l->since;
        journal_subscribe_after(&a->c->reader, a->name,
                                (struct pos){v.start.epoch, l->after[topic]});
    } else {
        SIM_CHECK(journal_subscribe(&a->c->reader, a->name));
    }
    int len = snprintf(text, sizeof text, "%c %" PRIu64 "\n", a->wavers ? 'w' : 's',
                       journal_reader_pos(&a->c->reader).n);
    hub_send_bytes(v.hubs[a->c->loop], a->c->id, span_of(text, (size_t)len), BLOB_ORDERED);
}

bool ask(struct client *c)
{
    for (unsigned i = 0; i < wish_count(c); i++) {
        char text[16];
        if (!c->asked[i] && wish(c, i, text)) {
            struct asking a = {c, span_str(text), false, false};
            c->asked[i] = true;
            sim_on_loop(v.sim, c->loop, ask_on_loop, &a);
            return true;
        }
    }
    return false;
}

void waver(struct client *c, bool leave)
{
    struct asking a = {c, SPAN("nothing"), true, leave};
    sim_on_loop(v.sim, c->loop, ask_on_loop, &a);
}

static void writable_on_loop(void *arg)
{
    struct client *c = arg;
    if (!c->open) {
        return;
    }
    size_t n = c->rest.len < c->room ? c->rest.len : c->room;
    buf_append(&c->wire, c->rest.ptr, n);
    buf_consume(&c->rest, n);
    c->room -= n;
    if (c->rest.len == 0) {
        hub_writable(v.hubs[c->loop], c->id);
        journal_writable(&c->reader);
    }
}

static void take_line(struct client *c, const char *line)
{
    struct link *l = &c->links[c->link_count - 1];
    uint64_t n, to;
    unsigned topic;
    char some = ' ';
    if (sscanf(line, "e %" SCNu64 " %u%c", &n, &topic, &some) >= 2) {
        SIM_CHECK(some != 's' || is_meant(n, c->id));
        SIM_CHECK(n > 0 && n < EVENTS_MAX && (v.topic[n] == -1 || v.topic[n] == (int)topic));
        SIM_CHECK(c->wants(topic, c->id) && c->seen_count < UINT16_MAX);
        c->seen[c->seen_count++] = (uint16_t)n;
        l->count++;
    } else if (sscanf(line, "g %" SCNu64 " %" SCNu64, &n, &to) == 2) {
        SIM_CHECK(to > n);
        v.seen_gaps++;
        SIM_CHECK(l->gap_count < GAPS_MAX);
        l->gap_from[l->gap_count] = n;
        l->gap_to[l->gap_count++] = to;
        n = to;
    } else {
        SIM_CHECK(sscanf(line + 1, " %" SCNu64, &n) == 1);
        c->answers += line[0] == 's';
    }
    c->last = c->answers == wishes_of(c) ? n : c->last;
}

void read_some(struct client *c, size_t bytes)
{
    size_t n = c->wire.len < bytes ? c->wire.len : bytes;
    for (size_t i = 0; i < n; i++) {
        if (c->wire.ptr[i] == '\n') {
            buf_append_byte(&c->line, 0);
            take_line(c, (const char *)c->line.ptr);
            buf_clear(&c->line);
        } else {
            buf_append_byte(&c->line, c->wire.ptr[i]);
        }
    }
    buf_consume(&c->wire, n);
    c->room += n;
    if (c->open) {
        sim_on_loop(v.sim, c->loop, writable_on_loop, c);
    } else if (c->wire.len == 0) {
        c->connected = false;
    }
}

void drop(struct client *c)
{
    if (c->open) {
        sim_on_loop(v.sim, c->loop, hang_up, c);
    }
    c->connected = false;
}

/* ---- publishers ---- */

static void on_committed(struct store_req *req)
{
    v.pending--;
    if (req->error == ERR_NONE) {
        uint64_t n = (uint64_t)store_int(store_cell(req, 0, 0, 0));
        SIM_CHECK(n < EVENTS_MAX && v.topic[n] == -1);
        span data = store_text(&req->steps[0].params[4]);
        v.topic[n] = (int8_t)(data.ptr[0] - '0');
        v.some[n] = data.len > 1;
        v.times[n] = req->steps[0].params[1].i;
        v.newest = n > v.newest ? n : v.newest;
        bool lost = v.losing || (!v.calm && chance(3));
        if (!lost) {
            journal_publish(v.journals[req->loop], req, 0);
        }
        if (!lost && chance(3)) {
            journal_publish(v.journals[req->loop], req, 0);
        }
    }
    store_req_free(req);
}

static void commit_on_loop(void *arg)
{
    unsigned loop = *(unsigned *)arg;
    unsigned topic = below(TOPICS);
    bool some = chance(30);
    char name[16], data[8];
    snprintf(name, sizeof name, "t/%u", topic);
    snprintf(data, sizeof data, "%u%s", topic, some ? "s" : "");
    struct journal_event e = {.id = UUID_NIL, .time_ms = ++v.time,
                              .event = some ? EVENT_APP_EMIT_SOME : EVENT_DEVICE_UPDATED,
                              .topic = span_str(name), .data = span_str(data)};
    struct store_req *req = store_req_new(loop, 1, on_committed, NULL);
    journal_step(req, 0, &e);
    v.pending++;
    v.store->submit(v.store, req);
}

void commit(unsigned count)
{
    unsigned loop = below(v.loops);
    for (unsigned i = 0; i < count && v.time < EVENTS_MAX - 2; i++) {
        sim_on_loop(v.sim, loop, commit_on_loop, &loop);
    }
}

static void on_expired(struct store_req *req) { store_req_free(req); }

static void expire_on_loop(void *arg)
{
    int64_t seen = v.times[journal_now(v.journals[JOURNAL_HOME]).n];
    int64_t before = v.time - KEEP < seen ? v.time - KEEP : seen;
    struct store_req *req = store_req_new(0, 1, on_expired, NULL);
    store_step_init(req, 0, QUERY_EVENT_EXPIRE, 1);
    store_set_int(req, 0, 0, 0, before);
    store_set_int(req, 0, 0, 1, 20 + below(200));
    v.store->submit(v.store, req);
}

void expire(void) { sim_on_loop(v.sim, 0, expire_on_loop, NULL); }

/* ---- up and down ---- */

static void turn_end(struct loop_hook *hook)
{
    struct station *s = CONTAINER_OF(hook, struct station, hook);
    if (v.up) {
        journal_tick(v.journals[s->index]);
        hub_turn_end(v.hubs[s->index]);
    }
}

static void tick(struct timer *t)
{
    struct station *s = CONTAINER_OF(t, struct station, timer);
    timer_start(sim_loop(v.sim, s->index), t, TICK_MS);
}

void world_up(void)
{
    SIM_CHECK(journal_start(v.store, 0xfeed, &v.start) == ERR_NONE);
    SIM_CHECK(v.start.n == v.newest);
    for (unsigned i = 0; i < v.loops; i++) {
        v.hubs[i] = hub_new(&(struct hub_conf){.loop = i, .post = sim_post(v.sim),
                                               .sink = &v.stations[i].sink,
                                               .outbox_messages_max = QUEUE_MAX,
                                               .outbox_bytes_max = 1 << 20, .peers = v.hubs});
        v.journals[i] = journal_new(&(struct journal_conf){.hub = v.hubs[i],
                                                           .post = sim_post(v.sim),
                                                           .store = v.store,
                                                           .clock = sim_clock(v.sim), .loop = i,
                                                           .peers = v.journals,
                                                           .ring_events = RING,
                                                           .ring_bytes = 1 << 16},
                                    v.start);
    }
    v.up = true;
}

void world_down(void)
{
    v.losing = true;
    for (unsigned i = 0; i < CLIENTS; i++) {
        drop(&clients[i]);
    }
    sim_settle(v.sim);
    SIM_CHECK(v.pending == 0 && sim_store_waiting(v.db) == 0);
    v.up = false;
    for (unsigned i = 0; i < TOPICS; i++) {
        char name[16];
        snprintf(name, sizeof name, "t/%u", i);
        SIM_CHECK(!hub_wanted(v.hubs[0], span_str(name)));
    }
    for (unsigned i = 0; i < v.loops; i++) {
        struct journal_stats s;
        journal_stats(v.journals[i], &s);
        v.seen_holes += s.holes;
        v.seen_pages += s.replay_pages;
        v.seen_replays += s.replays;
        SIM_CHECK(hub_stats(v.hubs[i])->subscriptions == 0);
        SIM_CHECK(hub_stats(v.hubs[i])->topics == 0);
        journal_free(v.journals[i]);
    }
    for (unsigned i = 0; i < v.loops; i++) {
        hub_free(v.hubs[i]);
    }
    v.losing = false;
}

void world_make(uint64_t seed)
{
    struct store *inner;
    memset(&v, 0, sizeof v);
    memset(v.topic, -1, sizeof v.topic);
    v.sim = sim_new(&(struct sim_conf){.seed = seed});
    v.loops = sim_loop_count(v.sim);
    SIM_CHECK(sqlite_store_open(&(struct sqlite_store_conf){.path = ":memory:",
                                                            .synchronous = STORE_SYNC_OFF},
                                NULL, NULL, &inner) == ERR_NONE);
    v.db = sim_store_new(v.sim, inner);
    v.store = sim_store_port(v.db);
    for (unsigned i = 0; i < v.loops; i++) {
        struct station *s = &v.stations[i];
        *s = (struct station){.index = i,
                              .sink = {.send = sink_send, .rest = sink_rest,
                                       .encode = sink_encode, .wants = sink_wants,
                                       .among = sink_among, .close = sink_close},
                              .hook = {.run = turn_end},
                              .timer = {.fire = tick}};
        loop_add_hook(sim_loop(v.sim, i), &s->hook);
        timer_start(sim_loop(v.sim, i), &s->timer, TICK_MS);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.id = i, .wants = i % 3 == 0 ? wants_all : wants_some};
        clients[i].seen = mem_calloc(UINT16_MAX, sizeof(uint16_t));
    }
}

void world_free(void)
{
    for (unsigned i = 0; i < v.loops; i++) {
        timer_stop(sim_loop(v.sim, i), &v.stations[i].timer);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        buf_deinit(&clients[i].wire);
        buf_deinit(&clients[i].rest);
        buf_deinit(&clients[i].line);
        mem_free(clients[i].seen);
    }
    sim_store_free(v.db);
    sim_free(v.sim);
}
