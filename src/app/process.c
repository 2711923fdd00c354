#include "app/process.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/entropy_system/entropy_system.h"
#include "adapters/jwks_http/jwks_http.h"
#include "adapters/log_json/log_json.h"
#include "adapters/offload_workers/offload_workers.h"
#include "adapters/password_argon2/password_argon2.h"
#include "adapters/store_sqlite/store_sqlite.h"
#include "adapters/webhook_http/webhook_http.h"
#include "app/certificates.h"
#include "base/mem.h"
#include "domain/chat.h"
#include "domain/fleet.h"
#include "domain/house.h"
#include "domain/identity.h"
#include "domain/recovery.h"
#include "edge/rest/commands.h"
#include "edge/rest/rest.h"
#include "edge/socketio/socketio.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORKER_THREADS 2      /* argon2id takes 19 MiB each */
#define WORKER_QUEUE_MAX 64   /* password checks that wait; more are answered as busy */
#define DRAIN_CHECK_MS 20     /* how often a draining loop looks whether it is empty */
#define SETTLE_ROUNDS_MAX 1000 /* work that makes work for ever would be a bug; it is left */
#define FINISH_MS_MAX 10000    /* for the store's last answers; a disk that hangs loses them */

bool process_open_store(struct process *p, struct post *post, buf *why)
{
    char path[4200];
    bool memory = strcmp(config_str(p->config, CONFIG_store), "memory") == 0;
    snprintf(path, sizeof path, "%s/signalbox.db", config_str(p->config, CONFIG_data_dir));
    bool full = config_int(p->config, CONFIG_sqlite_synchronous) == 0;
    struct sqlite_store_conf conf = {
        .path = memory ? ":memory:" : path,
        .synchronous = full ? STORE_SYNC_FULL : STORE_SYNC_NORMAL,
        .read_threads = (unsigned)config_int(p->config, CONFIG_store_read_threads),
        .queue_max = (unsigned)config_int(p->config, CONFIG_store_queue_max)};
    err e = sqlite_store_open(&conf, post, p->log, &p->store);
    if (e != ERR_NONE) {
        buf_printf(why, "store %s: %s", memory ? "memory" : path, err_text(e));
        return false;
    }
    return true;
}

static void make_home(struct process *p, unsigned i)
{
    struct home *h = mem_calloc(1, sizeof *h);
    *h = (struct home){.index = i,
                       .count = p->count,
                       .conf = &p->domain,
                       .peers = p->homes,
                       .post = p->post,
                       .clock = p->clock,
                       .log = p->log,
                       .entropy = p->entropy,
                       .store = p->store,
                       .tokens = p->tokens,
                       .password = password_argon2(),
                       .offload = p->offload,
                       .webhook = p->webhook,
                       .files = p->files,
                       .sniff = p->sniff,
                       .scanner = p->scanner,
                       .disk = p->disk,
                       .scans = p->scans,
                       .hub = p->hubs[i]};
    home_init(h);
    p->homes[i] = h;
}

static void make_journal(struct process *p, unsigned i)
{
    struct journal_conf conf = {.hub = p->hubs[i],
                                .post = p->post,
                                .store = p->store,
                                .clock = p->clock,
                                .log = p->log,
                                .loop = i,
                                .peers = p->journals,
                                .ring_events = (uint32_t)config_int(p->config, CONFIG_event_ring),
                                .ring_bytes =
                                    (uint32_t)config_int(p->config, CONFIG_event_ring_bytes)};
    p->journals[i] = journal_new(&conf, p->events_start);
    p->homes[i]->journal = p->journals[i];
}

static void make_loop_side(struct process *p, unsigned i)
{
    struct edge *e = mem_calloc(1, sizeof *e);
    p->edges[i] = e;
    e->conf = &p->edge;
    e->loop = p->loops[i];
    e->peers = p->edges;
    e->ops = &p->ops;
    edge_init(e, p->post, p->hubs);
    make_home(p, i);
    e->home = p->homes[i];
    make_journal(p, i);
    const struct descriptors *d = &p->descriptors;
    struct net_conf conf = {.loop = p->loops[i],
                            .room = d->per_loop,
                            .spare = d->spare,
                            .limits = &p->limits,
                            .shared = p->shared,
                            .http = &rest_handler,
                            .user = e};
    e->net = net_new(&conf);
    net_set_tls(e->net, p->tls);
}

static uint64_t log_dropped(void *arg) { return log_json_dropped(arg); }

static void start_ops(struct process *p)
{
    p->ops.edges = p->edges;
    p->ops.edge_count = p->count;
    p->ops.store = p->store;
    p->ops.shared = p->shared;
    p->ops.connections_max = p->limits.connections_max;
    p->ops.fd_tables = p->descriptors.own ? p->count : 0;
    p->ops.node = config_str(p->config, CONFIG_node);
    p->ops.log_dropped = log_dropped;
    p->ops.log_arg = p->log;
    ops_start(&p->ops, p->loops[0]);
}

static bool make_loop(struct process *p, unsigned i, buf *why)
{
    struct loop_conf conf = {.index = i,
                             .count = p->count,
                             .clock = p->clock,
                             .log = p->log,
                             .poller = poller_epoll_new()};
    p->loops[i] = loop_new(&conf, p->loops);
    poller_epoll_set_gather(conf.poller, (uint32_t)config_int(p->config, CONFIG_gather_us));
    const char *congestion = config_str(p->config, CONFIG_tcp_congestion);
    int rc = poller_epoll_set_congestion(conf.poller, congestion);
    if (rc < 0) {
        buf_printf(why, "tcp_congestion %s: %s", congestion, strerror(-rc));
    }
    return rc == 0;
}

bool process_build(struct process *p, buf *why)
{
    p->clock = clock_system();
    p->entropy = entropy_system();
    process_domain_conf(p->config, &p->domain);
    p->edge.listeners = p->listeners;
    process_limits(p->config, &p->limits, &p->edge);
    if (!process_open_tokens(p, why) ||
        !certificates_load(p->config, p->clock, NULL, &p->tls, why)) {
        return false;
    }
    certificates_log(p->log, p->tls, clock_wall_ms(p->clock));
    descriptors_plan(p->config, &p->descriptors);
    p->count = p->descriptors.loops;
    for (unsigned i = 0; i < p->count; i++) {
        if (!make_loop(p, i, why)) {
            return false;
        }
    }
    p->post = loop_post_port(p->loops, p->count);
    process_open_jwks(p);
    if (!process_open_store(p, p->post, why)) {
        return false;
    }
    err reset = fleet_reset(p->store, p->entropy, clock_wall_ms(p->clock));
    if (reset != ERR_NONE) {
        buf_printf(why, "the store cannot be written: %s", err_text(reset));
        return false;
    }
    uint64_t epoch = 0; /* of a log that has none */
    entropy_fill(p->entropy, &epoch, sizeof epoch);
    err started = journal_start(p->store, epoch, &p->events_start);
    if (started != ERR_NONE) {
        buf_printf(why, "the event log cannot be opened: %s", err_text(started));
        return false;
    }
    int64_t recoverable_until_ms = 0;
    reset = recovery_start(p->store, clock_wall_ms(p->clock), p->domain.recovery_ms,
                           &recoverable_until_ms);
    if (reset != ERR_NONE) {
        buf_printf(why, "the store cannot be written: %s", err_text(reset));
        return false;
    }
    p->workers = workers_new(WORKER_THREADS, WORKER_QUEUE_MAX, p->post);
    p->offload = offload_workers_new(p->workers);
    process_open_webhook(p);
    if (!process_open_files(p, why)) {
        return false;
    }
    p->shared = mem_calloc(1, sizeof *p->shared);
    for (unsigned i = 0; i < p->count; i++) {
        make_loop_side(p, i);
    }
    for (unsigned i = 0; i < p->count; i++) {
        p->homes[i]->identity = identity_new(p->homes[i]);
        p->homes[i]->fleet = fleet_new(p->homes[i]);
        p->homes[i]->recovery = recovery_new(p->homes[i], recoverable_until_ms);
        (void)house_new(p->homes[i]);
        (void)chat_new(p->homes[i]);
    }
    err loaded = house_load(p->homes[HOUSE_HOME]);
    if (loaded != ERR_NONE) {
        buf_printf(why, "the house cannot be read: %s", err_text(loaded));
        return false;
    }
    process_make_receivers(p);
    start_ops(p);
    return true;
}

static void own_descriptors(struct process *p, unsigned index)
{
    int others[LOOP_COUNT_MAX * LISTENERS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < p->count; i++) {
        if (i != index) {
            count += net_listeners(p->edges[i]->net, others + count, LISTENERS_MAX);
        }
    }
    bool own = descriptors_own(others, count);
    ASSERT(own); /* start-up: it was permitted a moment ago */
}

static void *run_loop(void *arg)
{
    const struct loop_thread *t = arg;
    struct process *p = t->process;
    if (p->descriptors.own) {
        own_descriptors(p, t->index);
    }
    sem_post(t->ready);
    loop_run(p->loops[t->index]);
    net_stop(p->edges[t->index]->net); /* its descriptors may be this thread's */
    return NULL;
}

void process_start(struct process *p)
{
    int fds[LOOP_COUNT_MAX * LISTENERS_MAX];
    unsigned fd_count = 0;
    sem_t ready;
    sem_init(&ready, 0, 0);
    for (unsigned i = 0; i < p->count; i++) {
        fd_count += net_listeners(p->edges[i]->net, fds + fd_count, LISTENERS_MAX);
    }
    for (unsigned i = 0; i < p->count; i++) {
        struct loop_thread *t = &p->threads[i];
        *t = (struct loop_thread){.process = p, .index = i, .ready = &ready};
        int rc = pthread_create(&t->thread, NULL, run_loop, t);
        ASSERT(rc == 0); /* start-up: nothing is served yet */
        p->threads_started++;
    }
    for (unsigned i = 0; i < p->count;) {
        i += sem_wait(&ready) == 0; /* a signal only interrupts */
    }
    sem_destroy(&ready);
    for (unsigned i = 0; i < fd_count && p->descriptors.own; i++) {
        close(fds[i]); /* the common table's copy */
    }
}

/* A loop that drains looks every few milliseconds whether its peers are gone. */
struct drain {
    struct mail mail;
    struct timer timer;
    struct edge *edge;
    int64_t end_ms;
};

static void drain_check(struct timer *t)
{
    struct drain *d = CONTAINER_OF(t, struct drain, timer);
    struct loop *l = d->edge->loop;
    if (net_count(d->edge->net) == 0 || loop_now_ms(l) >= d->end_ms) {
        loop_stop(l);
        mem_free(d);
    } else {
        timer_start(l, t, DRAIN_CHECK_MS);
    }
}

static void drain_begin(struct mail *m)
{
    struct drain *d = CONTAINER_OF(m, struct drain, mail);
    d->end_ms += loop_now_ms(d->edge->loop);
    d->timer.fire = drain_check;
    sio_end_all(d->edge, CLOSE_DRAIN);
    commands_drain(d->edge);
    net_drain(d->edge->net, CLOSE_DRAIN);
    timer_start(d->edge->loop, &d->timer, 0);
}

void process_drain(struct process *p)
{
    atomic_store_explicit(&p->ops.draining, true, memory_order_relaxed);
    process_unlisten(p);
    for (unsigned i = 0; i < p->threads_started; i++) {
        struct drain *d = mem_calloc(1, sizeof *d);
        d->mail.run = drain_begin;
        d->edge = p->edges[i];
        d->end_ms = config_int(p->config, CONFIG_drain_ms);
        loop_post_foreign(p->loops[i], &d->mail);
    }
    for (unsigned i = 0; i < p->threads_started; i++) {
        pthread_join(p->threads[i].thread, NULL);
    }
    p->threads_started = 0;
}

/* Mail may also be what a later loop sent to an earlier one. */
static bool has_work(struct process *p)
{
    bool work = false;
    for (unsigned i = 0; i < p->count && p->loops[i] != NULL; i++) {
        work = work || loop_wait_ns(p->loops[i]) == 0;
    }
    return work;
}

/* Runs what the loops still have for each other, on this thread, until nothing is left. False
 * when there was nothing. */
static bool settle(struct process *p)
{
    unsigned round = 0;
    for (; has_work(p) && round < SETTLE_ROUNDS_MAX; round++) {
        for (unsigned i = 0; i < p->count && p->loops[i] != NULL; i++) {
            loop_turn(p->loops[i], 0);
        }
    }
    return round > 0;
}

/* Until the store owes no answer and no answer makes more work: what the end of a session leaves
 * to write (offline, the connection's log) is written. False: it still owes some. */
static bool finish(struct process *p)
{
    struct store_stats stats = {0};
    bool worked = true;
    for (unsigned ms = 0; (worked || stats.unanswered > 0) && ms < FINISH_MS_MAX; ms++) {
        if (stats.unanswered > 0) {
            (void)usleep(1000);
        }
        if (p->store != NULL) {
            p->store->stats(p->store, &stats); /* before: what is answered by now is settled */
        }
        worked = settle(p);
    }
    return stats.unanswered == 0;
}

static void stop_homes(struct process *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (p->homes[i] != NULL) {
            fleet_stop(p->homes[i]->fleet);
            house_stop(p->homes[i]->house);
            chat_stop(p->homes[i]->chat);
        }
    }
}

void process_free(struct process *p)
{
    process_unlisten(p);
    if (p->ops.loop != NULL) {
        ops_stop(&p->ops);
    }
    for (unsigned i = 0; i < p->count; i++) {
        if (p->edges[i] != NULL && p->edges[i]->net != NULL) {
            net_stop(p->edges[i]->net);
        }
    }
    jwks_close(p->jwks); /* who waits for keys is told, */
    webhook_http_close(p->webhook); /* who waits for a receiver, */
    stop_homes(p); /* and who waits for a device or for a state to be on disk */
    (void)finish(p);
    if (p->workers != NULL) {
        workers_free(p->workers);
        offload_free(p->offload);
    }
    process_join_files(p);
    for (unsigned i = 0; i < p->count; i++) {
        if (p->journals[i] != NULL) {
            journal_stop(p->journals[i]);
        }
    }
    bool answered = finish(p);
    if (p->store != NULL) {
        p->store->close(p->store);
    }
    if (!answered) {
        return; /* its last answers are for objects that live as long as the process, then */
    }
    for (unsigned i = 0; i < p->count; i++) {
        if (p->homes[i] != NULL) {
            chat_free(p->homes[i]->chat);
            house_free(p->homes[i]->house);
            recovery_free(p->homes[i]->recovery);
            fleet_free(p->homes[i]->fleet);
            identity_free(p->homes[i]->identity);
        }
    }
    settle(p);
    process_free_webhook(p);
    process_free_files(p);
    for (unsigned i = 0; i < p->count; i++) {
        if (p->edges[i] != NULL) {
            if (p->edges[i]->net != NULL) {
                net_free(p->edges[i]->net);
            }
            journal_free(p->journals[i]);
            edge_deinit(p->edges[i]);
            mem_free(p->edges[i]);
        }
        mem_free(p->homes[i]);
    }
    for (unsigned i = 0; i < p->count; i++) {
        if (p->loops[i] != NULL) {
            loop_free(p->loops[i]);
        }
    }
    if (p->post != NULL) {
        loop_post_port_free(p->post);
    }
    process_free_tokens(p);
    tls_server_unref(p->tls);
    mem_free(p->shared);
}
