/*
 * /metrics in the Prometheus text format 0.0.4: one function a row of tables/metrics.def, each
 * summing the counters of all loops. Readers may be a moment behind the writers.
 */
#include "edge/ops/scrape.h"
#include "edge/rest/handlers.h"

#include "domain/chat.h"
#include "domain/chat_robot.h"
#include "domain/command.h"
#include "domain/fleet.h"
#include "domain/house.h"
#include "domain/receiver.h"
#include "shape/decode.h"
#include "tables/metrics.h"

#include <stdio.h>

#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* --- one function a row --- */

static void collect_connections(struct scrape *s)
{
    char labels[96];
    uint64_t all = ops_connections(s->ops);
    uint64_t ws = SUM(s, net_stats, open_ws) + SUM(s, net_stats, open_detached);
    snprintf(labels, sizeof labels, "wire=\"%s\",client_type=\"client\"",
             stats_wire_name(STATS_HTTP));
    scrape_sample(s, "", labels, (double)(all > ws ? all - ws : 0));
    for (unsigned w = STATS_HTTP + 1; w < STATS_WIRE_COUNT; w++) {
        for (unsigned k = 0; k < STATS_CLIENT_COUNT; k++) {
            size_t at = offsetof(struct edge_stats, open) +
                        (w * STATS_CLIENT_COUNT + k) * sizeof(uint64_t);
            snprintf(labels, sizeof labels, "wire=\"%s\",client_type=\"%s\"",
                     stats_wire_name((enum stats_wire)w),
                     stats_client_name((enum stats_client)k));
            scrape_sample(s, "", labels, (double)sum_edge_stats(s, at));
        }
    }
}

static void collect_connects_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, accepted));
}

static void collect_refused_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, refused));
}

static void collect_moved_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, moved));
}

static void collect_disconnects_total(struct scrape *s)
{
    for (unsigned r = 0; r < CLOSE_COUNT; r++) {
        uint64_t count =
            sum_net_stats(s, offsetof(struct net_stats, closed) + r * sizeof(uint64_t));
        if (count > 0) {
            scrape_labelled(s, "reason", close_label((close_reason)r), (double)count);
        }
    }
}

static void collect_connection_duration_seconds(struct scrape *s)
{
    scrape_times(s, offsetof(struct edge_stats, connection_times));
}

static void collect_connection_setup_seconds(struct scrape *s)
{
    scrape_times(s, offsetof(struct edge_stats, setup_times));
}

static void collect_received_bytes_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, bytes_in));
}

static void collect_sent_bytes_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, bytes_out));
}

static void collect_http_requests_total(struct scrape *s)
{
    for (unsigned r = 0; r <= ROUTE_COUNT; r++) {
        const char *route = r == ROUTE_COUNT ? "none" : route_row((enum route)r)->name;
        for (unsigned class = 1; class < 6; class++) {
            char labels[96];
            size_t at =
                offsetof(struct edge_stats, requests) + (r * 6 + class) * sizeof(uint64_t);
            uint64_t count = sum_edge_stats(s, at);
            if (count > 0) {
                snprintf(labels, sizeof labels, "route=\"%s\",status=\"%uxx\"", route, class);
                scrape_sample(s, "", labels, (double)count);
            }
        }
    }
}

static void collect_http_request_seconds(struct scrape *s)
{
    scrape_times(s, offsetof(struct edge_stats, request_times));
}

/* Several rows may have a name: the first of a name says the sum. */
static void messages_of(struct scrape *s, enum stats_wire w, const char *direction, size_t at)
{
    for (unsigned f = 0; f < FRAME_NAME_COUNT; f++) {
        uint64_t count = 0;
        bool first = true;
        for (unsigned other = 0; other < FRAME_NAME_COUNT; other++) {
            if (strcmp(frame_name((enum frame)other), frame_name((enum frame)f)) == 0) {
                first = first && other >= f;
                count += sum_edge_stats(s, at + (w * FRAME_NAME_COUNT + other) * sizeof(uint64_t));
            }
        }
        char labels[160];
        if (first && count > 0) {
            snprintf(labels, sizeof labels, "wire=\"%s\",direction=\"%s\",event=\"%s\"",
                     stats_wire_name(w), direction, frame_name((enum frame)f));
            scrape_sample(s, "", labels, (double)count);
        }
    }
}

static void collect_messages_total(struct scrape *s)
{
    for (unsigned w = 0; w < STATS_WIRE_COUNT; w++) {
        messages_of(s, (enum stats_wire)w, "in", offsetof(struct edge_stats, messages_in));
        messages_of(s, (enum stats_wire)w, "out", offsetof(struct edge_stats, messages_out));
    }
}

static void collect_message_processing_seconds(struct scrape *s)
{
    for (unsigned f = 0; f < FRAME_NAME_COUNT; f++) {
        char prefix[96], bare[80];
        size_t at = offsetof(struct edge_stats, message_times) + f * sizeof(struct stats_times);
        if (sum_edge_stats(s, at + offsetof(struct stats_times, count)) > 0) {
            snprintf(bare, sizeof bare, "event=\"%s\"", frame_name((enum frame)f));
            snprintf(prefix, sizeof prefix, "%s,", bare);
            scrape_times_of(s, at, prefix, bare);
        }
    }
}

static void collect_delivery_seconds(struct scrape *s)
{
    scrape_times(s, offsetof(struct edge_stats, delivery_times));
}

/* Several rows may share a code: the first of a code says the sum. */
static void collect_errors_total(struct scrape *s)
{
    for (unsigned w = 0; w < STATS_WIRE_COUNT; w++) {
        for (unsigned e = 1; e < ERR_COUNT; e++) {
            uint64_t count = 0;
            bool first = true;
            for (unsigned other = 1; other < ERR_COUNT; other++) {
                if (strcmp(err_code((err)other), err_code((err)e)) == 0) {
                    first = first && other >= e;
                    count += sum_edge_stats(s, offsetof(struct edge_stats, errors) +
                                                   (w * ERR_COUNT + other) * sizeof(uint64_t));
                }
            }
            if (first && count > 0) {
                char labels[128];
                snprintf(labels, sizeof labels, "wire=\"%s\",type=\"%s\"",
                         stats_wire_name((enum stats_wire)w), err_code((err)e));
                scrape_sample(s, "", labels, (double)count);
            }
        }
    }
}

static void collect_auth_failures_total(struct scrape *s)
{
    scrape_names(s, offsetof(struct edge_stats, auth_failures), "reason");
}

static void collect_engineio_refused_total(struct scrape *s)
{
    scrape_names(s, offsetof(struct edge_stats, engineio_refused), "reason");
}

static void collect_engineio_upgrades_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, edge_stats, engineio_upgrades));
}

static void collect_rate_limited_total(struct scrape *s)
{
    scrape_names(s, offsetof(struct edge_stats, rate_limited), "what");
}

static void collect_webhook_calls_total(struct scrape *s)
{
    scrape_names(s, offsetof(struct edge_stats, webhook_calls), "result");
}

static void collect_webhook_seconds(struct scrape *s)
{
    scrape_times(s, offsetof(struct edge_stats, webhook_times));
}

/* What a receiver shows; 0 where there is none. */
static uint32_t webhook_value(const struct receiver *r, size_t at)
{
    const char *state = r == NULL ? NULL : (const char *)receiver_state(r);
    return state == NULL ? 0
                         : atomic_load_explicit(
                               (const _Atomic uint32_t *)(const void *)(state + at),
                               memory_order_relaxed);
}

/* Of applications' receivers, that of Socket.IO and that of /ws, the sum. */
static void webhook_sum(struct scrape *s, size_t at)
{
    const struct home *h = s->own->home;
    scrape_plain(s, h == NULL ? 0
                              : webhook_value(h->app_receiver, at) +
                                    webhook_value(h->home_receiver, at));
}

static void collect_webhook_waiting(struct scrape *s)
{
    webhook_sum(s, offsetof(struct receiver_state, waiting));
}

static void collect_webhook_active(struct scrape *s)
{
    webhook_sum(s, offsetof(struct receiver_state, active));
}

/* The first that is not called. */
static void collect_webhook_breaker(struct scrape *s)
{
    const struct home *h = s->own->home;
    size_t at = offsetof(struct receiver_state, breaker);
    uint32_t app = h == NULL ? 0 : webhook_value(h->app_receiver, at);
    scrape_plain(s, app != 0 || h == NULL ? app : webhook_value(h->home_receiver, at));
}

static void collect_devices(struct scrape *s)
{
    scrape_labelled(s, "connection_status", "online", (double)SUM(s, edge_stats, devices_online));
    scrape_labelled(s, "connection_status", "stale", (double)SUM(s, edge_stats, devices_stale));
}

static void collect_device_heartbeat_age_seconds(struct scrape *s)
{
    struct heard_ages ages = {0};
    double bounds[HEARD_BUCKETS];
    for (unsigned i = 0; i < HEARD_BUCKETS; i++) {
        bounds[i] = heard_bound_s(i);
    }
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        if (home != NULL && home->fleet != NULL) {
            fleet_ages(home->fleet, &ages);
        }
    }
    scrape_histogram(s, bounds, ages.buckets, HEARD_BUCKETS, ages.sum_s);
}

static void collect_commands_total(struct scrape *s)
{
    uint64_t counts[PHASE_COUNT] = {0};
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        if (home != NULL && home->fleet != NULL) {
            command_counts(home, counts);
        }
    }
    for (unsigned p = PHASE_DONE; p < PHASE_COUNT; p++) {
        scrape_labelled(s, "phase", command_phase_name((enum command_phase)p), (double)counts[p]);
    }
}

static void collect_chat_room_messages_total(struct scrape *s)
{
    uint64_t counts[CHAT_ROOM_TYPES] = {0};
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        struct chat_stats stats = {0};
        if (home != NULL && home->chat != NULL) {
            chat_stats(home, &stats);
        }
        for (unsigned t = 0; t < CHAT_ROOM_TYPES; t++) {
            counts[t] += stats.messages[t];
        }
    }
    for (unsigned t = 0; t < CHAT_ROOM_TYPES; t++) {
        scrape_labelled(s, "room_type", chat_room_type_name((enum chat_room_type)t),
                        (double)counts[t]);
    }
}

static struct chat_robot_stats robot_stats(const struct scrape *s)
{
    struct chat_robot_stats sum = {0};
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        struct chat_robot_stats one = {0};
        if (home != NULL) {
            chat_robot_stats(home, &one);
        }
        sum.robots += one.robots;
        sum.away += one.away;
        sum.spared += one.spared;
        sum.active += one.active;
        for (unsigned k = 0; k < ARRAY_LEN(sum.ended); k++) {
            sum.ended[k] += one.ended[k];
        }
    }
    return sum;
}

static void collect_chat_robots(struct scrape *s)
{
    struct chat_robot_stats r = robot_stats(s);
    scrape_labelled(s, "state", "ready", r.robots - r.away - r.spared);
    scrape_labelled(s, "state", "away", r.away);
    scrape_labelled(s, "state", "spared", r.spared);
}

static void collect_chat_robot_jobs_active(struct scrape *s)
{
    scrape_plain(s, robot_stats(s).active);
}

static void collect_chat_robot_jobs_total(struct scrape *s)
{
    struct chat_robot_stats r = robot_stats(s);
    for (unsigned k = 0; k < ARRAY_LEN(r.ended); k++) {
        scrape_labelled(s, "state", shape_chat_job_state_name((int)k), (double)r.ended[k]);
    }
}

static void collect_viewers(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, edge_stats, viewers));
}

static void collect_topics(struct scrape *s) { scrape_plain(s, (double)SUM(s, hub_stats, topics)); }

static void collect_subscriptions(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, subscriptions));
}

static void collect_published_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, published));
}

static void collect_delivered_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, delivered));
}

static void collect_joined_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, joined));
}

static void collect_slow_readers_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, slow_closed));
}

static void collect_merged_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, merged));
}

static void collect_dropped_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, dropped));
}

static void collect_outbox_bytes(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, hub_stats, outbox_bytes));
}

#define COLLECT_HOUSE(name, member)                                                                \
    static void collect_home_##name(struct scrape *s)                                              \
    {                                                                                              \
        struct house_stats stats = {0};                                                            \
        if (s->own->home != NULL && s->own->home->house != NULL) {                                 \
            house_stats(s->own->home, &stats);                                                     \
        }                                                                                          \
        scrape_plain(s, (double)stats.member);                                                     \
    }
COLLECT_HOUSE(rooms, rooms)
COLLECT_HOUSE(entities, entities)
COLLECT_HOUSE(changes_total, changes)
COLLECT_HOUSE(history_merged_total, merged)
COLLECT_HOUSE(unwritten, unwritten)

/* Those that all loops know are asked of the first; others are summed. */
static struct chat_stats chat_sum(const struct scrape *s)
{
    struct chat_stats sum = {0};
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        struct chat_stats one = {0};
        if (home != NULL && home->chat != NULL) {
            chat_stats(home, &one);
        }
        sum.rooms += one.rooms;
        sum.members += one.members;
        sum.online += one.online;
    }
    return sum;
}

#define COLLECT_CHAT(name, member)                                                                 \
    static void collect_chat_##name(struct scrape *s)                                              \
    {                                                                                              \
        scrape_plain(s, (double)chat_sum(s).member);                                               \
    }
COLLECT_CHAT(rooms, rooms)
COLLECT_CHAT(room_members, members)
COLLECT_CHAT(members_online, online)

/* Sums one count over the journals of all loops. */
#define JOURNAL_SUM(s, member) journal_sum(s, offsetof(struct journal_stats, member))

static double journal_sum(const struct scrape *s, size_t at)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        struct journal_stats stats = {0};
        if (home != NULL && home->journal != NULL) {
            journal_stats(home->journal, &stats);
        }
        sum += *(const uint64_t *)(const void *)((const char *)&stats + at);
    }
    return (double)sum;
}

#define COLLECT_JOURNAL(name, member)                                                              \
    static void collect_journal_##name(struct scrape *s)                                           \
    {                                                                                              \
        scrape_plain(s, JOURNAL_SUM(s, member));                                                   \
    }
COLLECT_JOURNAL(published_total, published)
COLLECT_JOURNAL(parked, parked)
COLLECT_JOURNAL(holes_total, holes)
COLLECT_JOURNAL(replays_total, replays)
COLLECT_JOURNAL(replayed_total, replayed)
COLLECT_JOURNAL(pages_total, replay_pages)
COLLECT_JOURNAL(gaps_total, gaps)

static void collect_store_commit_seconds(struct scrape *s)
{
    double bounds[STORE_COMMIT_BUCKETS];
    for (unsigned i = 0; i < STORE_COMMIT_BUCKETS; i++) {
        bounds[i] = (double)store_commit_bound_ns(i) / 1e9;
    }
    scrape_histogram(s, bounds, s->store.commit_buckets, STORE_COMMIT_BUCKETS,
              (double)s->store.commit_ns_sum / 1e9);
}

static void collect_store_commits_total(struct scrape *s)
{
    scrape_plain(s, (double)s->store.commits);
}

static void collect_store_rows_total(struct scrape *s)
{
    scrape_plain(s, (double)s->store.rows_written);
}

static void collect_store_failures_total(struct scrape *s)
{
    scrape_plain(s, (double)s->store.failures);
}

static void collect_store_queue(struct scrape *s)
{
    scrape_labelled(s, "kind", "write", (double)s->store.write_waiting);
    scrape_labelled(s, "kind", "read", (double)s->store.read_waiting);
}

static void collect_store_unsettled(struct scrape *s)
{
    scrape_plain(s, (double)s->store.unsettled);
}

static void collect_store_bytes(struct scrape *s) { scrape_plain(s, (double)s->store.file_bytes); }

static void collect_store_up(struct scrape *s)
{
    scrape_plain(s, s->store.health == ERR_NONE ? 1 : 0);
}

/* `at` is of one of the two counts. */
static void caches(struct scrape *s, size_t at)
{
    for (unsigned c = 0; c < CACHE_COUNT; c++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < s->ops->edge_count; i++) {
            const struct home *home = s->ops->edges[i]->home;
            if (home != NULL) {
                const char *count = (const char *)&home->caches[c];
                sum += scrape_load((const _Atomic uint64_t *)(const void *)(count + at));
            }
        }
        scrape_labelled(s, "cache", home_cache_name((enum home_cache)c), (double)sum);
    }
}

static void collect_cache_hits_total(struct scrape *s)
{
    caches(s, offsetof(struct cache_count, hits));
}

static void collect_cache_misses_total(struct scrape *s)
{
    caches(s, offsetof(struct cache_count, misses));
}

static void collect_alert(struct scrape *s)
{
    for (unsigned a = 0; a < ALERT_COUNT; a++) {
        bool on = atomic_load_explicit(&s->ops->alerts[a], memory_order_relaxed);
        scrape_labelled(s, "name", alert_name((enum alert)a), on ? 1 : 0);
    }
}

static void collect_log_dropped_total(struct scrape *s)
{
    if (s->ops->log_dropped != NULL) {
        scrape_plain(s, (double)s->ops->log_dropped(s->ops->log_arg));
    }
}

static void collect_uptime_seconds(struct scrape *s)
{
    scrape_plain(s, (double)((loop_now_ns(s->own->loop) - s->ops->started_ns) / 1000000) / 1e3);
}

static void collect_tls_handshakes_total(struct scrape *s)
{
    scrape_labelled(s, "version", "1.2", (double)SUM(s, net_stats, tls_handshakes[0]));
    scrape_labelled(s, "version", "1.3", (double)SUM(s, net_stats, tls_handshakes[1]));
}

static void collect_tls_resumed_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, tls_resumed));
}

static void collect_tls_handshake_failures_total(struct scrape *s)
{
    size_t first = offsetof(struct net_stats, tls_faults);
    for (enum tls_fault f = TLS_FAULT_NONE + 1; f < TLS_FAULT_COUNT; f++) {
        scrape_labelled(s, "reason", tls_fault_label(f),
                 (double)sum_net_stats(s, first + f * sizeof(_Atomic uint64_t)));
    }
}

/* A file's name as a label: what would end it, or the line, is left out. */
static void label_clean(const char *text, char *out, size_t room)
{
    size_t at = 0;
    for (; *text != '\0' && at + 1 < room; text++) {
        if (*text != '"' && *text != '\\' && (unsigned char)*text >= ' ') {
            out[at++] = *text;
        }
    }
    out[at] = '\0';
}

static void collect_tls_certificate_expiry_seconds(struct scrape *s)
{
    const struct tls_server *tls = net_tls_server(s->own->net);
    for (unsigned i = 0; tls != NULL && i < tls_server_cert_count(tls); i++) {
        char name[96];
        const struct tls_cert_info *info = tls_server_cert(tls, i);
        label_clean(info->file, name, sizeof name);
        scrape_labelled(s, "file", name,
                 (double)(info->ends_s - loop_wall_ms(s->own->loop) / 1000));
    }
}

static void collect_build_info(struct scrape *s)
{
    scrape_labelled(s, "version", SIGNALBOX_VERSION, 1);
}

static void collect_process_cpu_seconds_total(struct scrape *s)
{
    scrape_plain(s, s->process.cpu_s);
}

static void collect_process_resident_memory_bytes(struct scrape *s)
{
    scrape_plain(s, (double)s->process.rss_bytes);
}

static void collect_process_open_fds(struct scrape *s) { scrape_plain(s, (double)s->process.fds); }

static void collect_process_max_fds(struct scrape *s)
{
    scrape_plain(s, (double)s->process.fds_max);
}

static void (*const collectors[METRIC_COUNT])(struct scrape *s) = {
#define M(name, type, labels, help) [METRIC_##name] = collect_##name,
#include "tables/metrics.def"
#undef M
};

void ops_metrics_write(const struct ops *o, const struct edge *own, buf *out)
{
    struct scrape s = {.out = out, .ops = o, .own = own};
    process_read(&s.process);
    if (o->fd_tables > 0) { /* what was read is the common table, without connections */
        s.process.fds += ops_connections(o);
        s.process.fds_max *= 1 + o->fd_tables;
    }
    if (o->store != NULL) {
        o->store->stats(o->store, &s.store);
    }
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        const struct metric_row *row = metric_row((enum metric)m);
        s.name = row->name;
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                   row->type);
        collectors[m](&s);
    }
}

void rest_metrics(struct rest_call *c)
{
    const struct ops *o = c->edge->ops;
    if (o == NULL) {
        rest_error(c, ERR_SERVER_ERROR, NULL);
        return;
    }
    ops_metrics_write(o, c->edge, &c->data);
    rest_raw(c, 200, TEXT_TYPE, buf_span(&c->data));
}
