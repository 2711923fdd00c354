/*
 * /metrics in the Prometheus text format 0.0.4: one function a row of tables/metrics.def, each
 * summing the counters of all loops. Readers may be a moment behind the writers.
 */
#include "edge/ops/scrape.h"
#include "edge/rest/handlers.h"

#include "domain/receiver.h"

#include <stdio.h>

#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* --- one function a row; others in metrics_domain.c and metrics_system.c --- */

void collect_connections(struct scrape *s)
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

void collect_connects_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, accepted));
}

void collect_refused_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, refused));
}

void collect_moved_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, moved));
}

void collect_disconnects_total(struct scrape *s)
{
    for (unsigned r = 0; r < CLOSE_COUNT; r++) {
        uint64_t count =
            sum_net_stats(s, offsetof(struct net_stats, closed) + r * sizeof(uint64_t));
        if (count > 0) {
            scrape_labelled(s, "reason", close_label((close_reason)r), (double)count);
        }
    }
}

void collect_connection_duration_seconds(struct scrape *s)
{
    scrape_times(s, offsetof(struct edge_stats, connection_times));
}

void collect_connection_setup_seconds(struct scrape *s)
{
    scrape_times(s, offsetof(struct edge_stats, setup_times));
}

void collect_received_bytes_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, bytes_in));
}

void collect_sent_bytes_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, net_stats, bytes_out));
}

void collect_http_requests_total(struct scrape *s)
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

void collect_http_request_seconds(struct scrape *s)
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

void collect_messages_total(struct scrape *s)
{
    for (unsigned w = 0; w < STATS_WIRE_COUNT; w++) {
        messages_of(s, (enum stats_wire)w, "in", offsetof(struct edge_stats, messages_in));
        messages_of(s, (enum stats_wire)w, "out", offsetof(struct edge_stats, messages_out));
    }
}

void collect_message_processing_seconds(struct scrape *s)
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

void collect_delivery_seconds(struct scrape *s)
{
    scrape_times(s, offsetof(struct edge_stats, delivery_times));
}

/* Several rows may share a code: the first of a code says the sum. */
void collect_errors_total(struct scrape *s)
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

void collect_auth_failures_total(struct scrape *s)
{
    scrape_names(s, offsetof(struct edge_stats, auth_failures), "reason");
}

void collect_engineio_refused_total(struct scrape *s)
{
    scrape_names(s, offsetof(struct edge_stats, engineio_refused), "reason");
}

void collect_engineio_upgrades_total(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, edge_stats, engineio_upgrades));
}

void collect_rate_limited_total(struct scrape *s)
{
    scrape_names(s, offsetof(struct edge_stats, rate_limited), "what");
}

void collect_webhook_calls_total(struct scrape *s)
{
    scrape_names(s, offsetof(struct edge_stats, webhook_calls), "result");
}

void collect_webhook_seconds(struct scrape *s)
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

void collect_webhook_waiting(struct scrape *s)
{
    webhook_sum(s, offsetof(struct receiver_state, waiting));
}

void collect_webhook_active(struct scrape *s)
{
    webhook_sum(s, offsetof(struct receiver_state, active));
}

/* The first that is not called. */
void collect_webhook_breaker(struct scrape *s)
{
    const struct home *h = s->own->home;
    size_t at = offsetof(struct receiver_state, breaker);
    uint32_t app = h == NULL ? 0 : webhook_value(h->app_receiver, at);
    scrape_plain(s, app != 0 || h == NULL ? app : webhook_value(h->home_receiver, at));
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
