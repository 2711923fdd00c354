/*
 * What a change of an entity's state costs: at the house, with nobody and with somebody who follows
 * all rooms, and in the store, which is a SQLite file that syncs. Changes come at a fixed rate; the
 * members' sockets take everything. Prints one JSON line a round.
 *
 *     house_bench [--entities N] [--rate PER_S] [--seconds N] [--rounds N] [--file PATH]
 *
 *   house_us, followed_us  CPU of the house's thread for a change, its write behind included,
 *                          without and with a follower
 *   store_us               CPU of the store's threads for a change
 *   requests               transactions that the house asked for
 *   unwritten_most         entities whose newest state was not on disk, at the end of a turn
 */
#include "adapters/store_sqlite/store_sqlite.h"
#include "base/mem.h"
#include "domain/house_internal.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOMS 20
#define MEMBER 7

static struct {
    struct store *store;
    struct home home;
    struct home *peers[1];
    struct hub *hubs[1];
    struct domain_conf conf;
    pthread_mutex_t lock;
    struct mail *first;
    struct mail **tail;
    uint64_t bytes;
    unsigned waiting;
    int64_t rooms[ROOMS];
    struct entity **entities;
    uint64_t requests;
    void (*submit)(struct store *self, struct store_req *req);
} b;

static uint64_t ns_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t mono_ns(struct clock *c) { return ns_of(CLOCK_MONOTONIC); }
static int64_t wall_ms(struct clock *c) { return (int64_t)(ns_of(CLOCK_REALTIME) / 1000000); }
static struct clock bench_clock = {.mono_ns = mono_ns, .wall_ms = wall_ms};

static void fill(struct entropy *e, void *out, size_t len) { memset(out, 7, len); }
static struct entropy bench_entropy = {.fill = fill};

static void on_send(struct post *self, unsigned loop, struct mail *m)
{
    m->next = NULL;
    pthread_mutex_lock(&b.lock);
    *b.tail = m;
    b.tail = &m->next;
    pthread_mutex_unlock(&b.lock);
}
static struct post bench_post = {.send = on_send, .loop_count = 1};

static struct mail *take(void)
{
    pthread_mutex_lock(&b.lock);
    struct mail *m = b.first;
    if (m != NULL) {
        b.first = m->next;
        b.tail = b.first == NULL ? &b.first : b.tail;
    }
    pthread_mutex_unlock(&b.lock);
    return m;
}

static void turn(void)
{
    for (struct mail *m; (m = take()) != NULL;) {
        m->run(m);
    }
    home_tick(&b.home);
    hub_turn_end(b.home.hub);
}

static size_t sink_send(struct hub_sink *s, uint32_t member, const struct iovec *iov, int count)
{
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        n += iov[i].iov_len;
    }
    b.bytes += n;
    return n;
}
static void sink_rest(struct hub_sink *s, uint32_t member, span bytes) {}
static void sink_close(struct hub_sink *s, uint32_t member, close_reason reason) {}
static void sink_encode(struct hub_sink *s, unsigned wire, const struct blob *blob, buf *out)
{
    buf_append_span(out, blob_payload(blob));
}
static struct hub_sink sink = {
    .send = sink_send, .rest = sink_rest, .encode = sink_encode, .close = sink_close};

static void counted(struct store *self, struct store_req *req)
{
    b.requests++;
    b.submit(self, req);
}

/* --- a house --- */

static struct house_who who = {.see = {.all = true}, .may = {.all = true}};

static void room_made(void *owner, const struct house_result *r)
{
    ASSERT(r->error == ERR_NONE);
    *(int64_t *)owner = r->id;
    b.waiting--;
}

static void entity_made(void *owner, const struct house_result *r)
{
    ASSERT(r->error == ERR_NONE);
    b.waiting--;
}

static void await(unsigned most)
{
    while (b.waiting > most) {
        turn();
        (void)usleep(100);
    }
}

static span name_of(unsigned i, char text[32])
{
    return span_of(text, (size_t)snprintf(text, 32, "sensor.e%u", i));
}

static void furnish(unsigned entities)
{
    char text[32];
    for (unsigned i = 0; i < ROOMS; i++) {
        struct house_room_draft draft = {.name = name_of(i, text)};
        b.waiting++;
        house_room_create(&b.home, &draft, &who, room_made, &b.rooms[i]);
    }
    await(0);
    b.entities = mem_calloc(entities, sizeof(void *));
    for (unsigned i = 0; i < entities; i++) {
        struct house_entity_draft draft = {.entity_id = name_of(i, text),
                                           .room = b.rooms[i % ROOMS]};
        b.waiting++;
        house_entity_create(&b.home, &draft, &who, entity_made, NULL);
        await(500);
    }
    await(0);
    for (unsigned i = 0; i < entities; i++) {
        b.entities[i] = house_entity_find(b.home.house, name_of(i, text));
    }
}

static void build(const char *path)
{
    err e = sqlite_store_open(&(struct sqlite_store_conf){.path = path}, &bench_post, NULL,
                              &b.store);
    ASSERT(e == ERR_NONE);
    b.submit = b.store->submit;
    b.store->submit = counted;
    b.conf = (struct domain_conf){.home_rooms_max = ROOMS, .home_entities_max = 1000000};
    b.hubs[0] = hub_new(&(struct hub_conf){.post = &bench_post, .sink = &sink,
                                           .outbox_messages_max = 256,
                                           .outbox_bytes_max = 1 << 20, .peers = b.hubs});
    b.peers[0] = &b.home;
    b.home = (struct home){.count = 1, .conf = &b.conf, .peers = b.peers, .post = &bench_post,
                           .clock = &bench_clock, .entropy = &bench_entropy, .store = b.store,
                           .hub = b.hubs[0]};
    home_init(&b.home);
    (void)house_new(&b.home);
    e = house_load(&b.home);
    ASSERT(e == ERR_NONE);
}

/* --- a storm --- */

struct figures {
    double house_us;
    double store_us;
    unsigned unwritten_most;
};

static void change(unsigned i, unsigned n)
{
    char text[32];
    span state = span_of(text, (size_t)snprintf(text, sizeof text, "%u.%u", n % 100, n));
    (void)entity_move(b.home.house, b.entities[i], state, SPAN("{\"unit\":\"C\"}"), 0, UUID_NIL);
}

static struct figures storm(unsigned entities, unsigned rate, unsigned seconds)
{
    static unsigned n;
    struct figures f = {0};
    struct house_stats s;
    unsigned total = rate * seconds, done = 0;
    uint64_t began = ns_of(CLOCK_MONOTONIC);
    uint64_t own = ns_of(CLOCK_THREAD_CPUTIME_ID), all = ns_of(CLOCK_PROCESS_CPUTIME_ID);
    do {
        uint64_t due = (ns_of(CLOCK_MONOTONIC) - began) * rate / 1000000000;
        for (; done < due && done < total; done++, n++) {
            change((unsigned)((uint64_t)n * 7919 % entities), n);
        }
        turn();
        house_stats(&b.home, &s);
        f.unwritten_most = s.unwritten > f.unwritten_most ? s.unwritten : f.unwritten_most;
        (void)usleep(500);
    } while (done < total || s.unwritten > 0);
    own = ns_of(CLOCK_THREAD_CPUTIME_ID) - own;
    all = ns_of(CLOCK_PROCESS_CPUTIME_ID) - all;
    f.house_us = (double)own / 1000 / total;
    f.store_us = (double)(all - own) / 1000 / total;
    return f;
}

int main(int argc, char **argv)
{
    unsigned entities = 10000, rate = 10000, seconds = 5, rounds = 3;
    const char *path = "house_bench.db";
    static const struct option options[] = {{"entities", required_argument, NULL, 'e'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"rounds", required_argument, NULL, 'n'},
                                            {"file", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        unsigned *to = o == 'e' ? &entities : o == 'r' ? &rate : o == 's' ? &seconds : &rounds;
        if (o == 'f') {
            path = optarg;
        } else if (o == '?' || (*to = (unsigned)strtoul(optarg, NULL, 10)) == 0) {
            fprintf(stderr, "house_bench [--entities N] [--rate PER_S] [--seconds N]"
                            " [--rounds N] [--file PATH]\n");
            return 2;
        }
    }
    b.tail = &b.first;
    pthread_mutex_init(&b.lock, NULL);
    build(path);
    furnish(entities);
    hub_member_open(b.home.hub, MEMBER, 1, 0, 0);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t requests = b.requests;
        struct figures alone = storm(entities, rate, seconds);
        requests = b.requests - requests;
        house_follow_all(&b.home, MEMBER);
        struct figures followed = storm(entities, rate, seconds);
        house_unfollow_all(&b.home, MEMBER);
        printf("{\"changes\":%u,\"house_us\":%.2f,\"followed_us\":%.2f,\"store_us\":%.2f,"
               "\"requests\":%llu,\"unwritten_most\":%u}\n",
               rate * seconds, alone.house_us, followed.house_us, alone.store_us,
               (unsigned long long)requests, alone.unwritten_most);
        (void)fflush(stdout);
    }
    house_stop(b.home.house);
    turn();
    b.store->close(b.store);
    return 0;
}
