/* The host agent: its parts put together on one loop. */
#include "agent/agent.h"

#include "base/mem.h"
#include "loop/workers.h"
#include "agent/frames.h"
#include "agent/host_state.h"
#include "agent/process_scan.h"
#include "agent/sampler.h"
#include "agent/state_watch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The second reading comes soon, so that a new agent is seen within seconds. */
#define FIRST_MS 1000
#define DRAIN_MS 2000
/* For the close handshake at the end. */
#define CLOSE_WAIT_MS 1000
#define CLOSE_POLL_MS 20

struct agent {
    struct agent_conf conf;
    struct server_url url;
    struct loop *loop;
    struct loop *peers[1];
    struct post *post;
    struct workers *workers; /* NULL when the server is named by an address */
    struct net_limits limits;
    struct net_shared *shared;
    struct net *net;
    struct row_buffer rows;
    bool rows_open;
    uint64_t dropped_told;
    struct host host;
    bool host_open;
    struct process_scan scan;
    struct host_top top;
    struct sampler sampler;
    struct host_sample last; /* the newest sample */
    bool has_last;
    struct host_state now;   /* scratch: the newest reading */
    struct host_state asked; /* the state whose ack is awaited */
    struct state_watch watch;
    struct tls_client *tls; /* owned; NULL for http */
    struct uplink uplink;
    struct timer sample;
    struct timer ended;
    int64_t ended_ms;
    struct io signals;
    struct mail stop_mail;
    atomic_flag stop_asked;
    int exit_code;
    buf frame;
};

static struct log *log_of(const struct agent *a)
{
    return a->conf.log;
}

/* Tells the server what this host is, when that is due. */
static void send_state(struct agent *a)
{
    int64_t now = loop_now_ms(a->loop);
    if (!uplink_is_open(&a->uplink)) {
        return;
    }
    host_state_read_now(&a->host, &a->now);
    uint64_t id = state_watch_due(&a->watch, now, &a->now) ? uplink_state_id(&a->uplink) : 0;
    if (id != 0) {
        a->asked = a->now;
        buf_clear(&a->frame);
        frame_state(&a->frame, id, &a->now, &a->top);
        (void)uplink_send(&a->uplink, buf_span(&a->frame));
    }
}

static void on_open(struct uplink *u)
{
    struct agent *a = CONTAINER_OF(u, struct agent, uplink);
    state_watch_forget(&a->watch);
    send_state(a);
    if (a->has_last) {
        buf_clear(&a->frame);
        frame_sample(&a->frame, &a->last);
        (void)uplink_send(u, buf_span(&a->frame));
    }
}

/* A refused state is due again with the next row. */
static void on_state_ack(struct uplink *u, bool ok)
{
    struct agent *a = CONTAINER_OF(u, struct agent, uplink);
    if (ok) {
        state_watch_told(&a->watch, loop_now_ms(a->loop), &a->asked);
    }
}

static void on_stopped(struct uplink *u, const char *why)
{
    struct agent *a = CONTAINER_OF(u, struct agent, uplink);
    if (why != NULL) {
        LOG(log_of(a), LOG_ERROR, "agent.refused", LOG_STR("why", why));
        a->exit_code = AGENT_EXIT_REFUSED;
    }
    timer_stop(a->loop, &a->sample);
    a->ended_ms = loop_now_ms(a->loop);
    timer_start(a->loop, &a->ended, 0);
}

/* The last connection finishes its close handshake; then the loop ends. */
static void on_ended(struct timer *t)
{
    struct agent *a = CONTAINER_OF(t, struct agent, ended);
    if (net_count(a->net) == 0 || loop_now_ms(a->loop) - a->ended_ms >= CLOSE_WAIT_MS) {
        loop_stop(a->loop);
    } else {
        timer_start(a->loop, t, CLOSE_POLL_MS);
    }
}

static void keep_row(struct agent *a, const struct host_sample *row)
{
    process_scan_run(&a->scan, &a->host, loop_now_ms(a->loop), row->memory.total_bytes, &a->top);
    buf_clear(&a->frame);
    frame_row_data(&a->frame, row, &a->top);
    int rc = row_buffer_push(&a->rows, row->at_ms, buf_span(&a->frame));
    if (rc != 0) {
        LOG(log_of(a), LOG_WARN, "agent.buffer.write", LOG_STR("error", strerror(-rc)),
            LOG_U64("in_memory", a->rows.memory_count));
    }
    if (a->rows.dropped > a->dropped_told) {
        LOG(log_of(a), LOG_WARN, "agent.buffer.dropped",
            LOG_U64("rows", a->rows.dropped - a->dropped_told),
            LOG_U64("waiting", a->rows.pending));
        a->dropped_told = a->rows.dropped;
    }
    uplink_rows(&a->uplink);
    send_state(a);
}

static void on_sample(struct timer *t)
{
    struct agent *a = CONTAINER_OF(t, struct agent, sample);
    struct host_reading r;
    struct sampler_out out;
    if (host_read(&a->host, &r)) {
        sampler_add(&a->sampler, loop_now_ms(a->loop), loop_wall_ms(a->loop), &r, &out);
        if (out.has_sample) {
            a->last = out.sample;
            a->has_last = true;
            buf_clear(&a->frame);
            frame_sample(&a->frame, &out.sample);
            (void)uplink_send(&a->uplink, buf_span(&a->frame));
        }
        if (out.has_row) {
            keep_row(a, &out.row);
        }
    } else {
        LOG(log_of(a), LOG_WARN, "agent.read", LOG_STR("error", "/proc cannot be read"));
    }
    timer_start(a->loop, t, a->has_last ? sampler_delay_ms(loop_wall_ms(a->loop)) : FIRST_MS);
}

static void on_stop_mail(struct mail *m)
{
    struct agent *a = CONTAINER_OF(m, struct agent, stop_mail);
    LOG(log_of(a), LOG_INFO, "agent.stop", LOG_U64("rows_waiting", a->rows.pending));
    uplink_stop(&a->uplink, a->conf.drain_ms != 0 ? a->conf.drain_ms : DRAIN_MS);
}

void agent_stop(struct agent *a)
{
    if (!atomic_flag_test_and_set(&a->stop_asked)) {
        a->stop_mail.run = on_stop_mail;
        loop_post_foreign(a->loop, &a->stop_mail);
    }
}

static void on_signal(struct io *io, unsigned events)
{
    struct agent *a = CONTAINER_OF(io, struct agent, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        agent_stop(a);
    }
}

static int watch_signals(struct agent *a)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return -errno;
    }
    a->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return a->signals.fd < 0 ? -errno : 0;
}

/* data_dir/agent-<host>_<port>: rows of this host for that server, whatever the key. */
static void buffer_dir(const struct agent *a, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/agent-%s_%u", a->conf.data_dir, a->url.host, a->url.port);
    for (char *p = path + strlen(a->conf.data_dir) + 1; *p != '\0'; p++) {
        if (*p == ':' || *p == '/') {
            *p = '-';
        }
    }
}

static const char *key_wrong(const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < len; i++) {
        if (key[i] <= ' ' || key[i] > '~') {
            return "the key holds a space or a character that is not ASCII";
        }
    }
    return len == 0 ? "the key is missing" : len > UPLINK_KEY_MAX ? "the key is too long" : NULL;
}

static int check_conf(struct agent *a)
{
    const char *wrong = server_url_parse(span_str(a->conf.server), &a->url);
    if (wrong == NULL) {
        wrong = key_wrong(a->conf.key);
    }
    if (wrong != NULL) {
        LOG(log_of(a), LOG_ERROR, "agent.conf", LOG_STR("why", wrong));
        return AGENT_EXIT_CONF;
    }
    return AGENT_EXIT_OK;
}

static int open_tls(struct agent *a)
{
    buf why = {0};
    const char *ca = a->conf.ca_file == NULL ? "" : a->conf.ca_file;
    if (a->url.secure) {
        a->tls = tls_client_new(ca, &why);
    }
    bool ok = !a->url.secure || a->tls != NULL;
    if (!ok) {
        LOG(log_of(a), LOG_ERROR, "agent.conf", LOG_SPAN("why", buf_span(&why)));
    }
    buf_deinit(&why);
    return ok ? AGENT_EXIT_OK : AGENT_EXIT_CONF;
}

static int open_host(struct agent *a)
{
    char dir[PATH_MAX];
    int rc = host_open(&a->host, a->conf.roots != NULL ? a->conf.roots : &host_roots_default);
    if (rc != 0) {
        LOG(log_of(a), LOG_ERROR, "agent.host", LOG_STR("error", strerror(-rc)));
        return AGENT_EXIT_HOST;
    }
    a->host_open = true;
    buffer_dir(a, dir);
    size_t bound = a->conf.buffer_bytes_max != 0 ? a->conf.buffer_bytes_max
                                                 : ROW_BUFFER_BYTES_DEFAULT;
    rc = row_buffer_open(&a->rows, dir, bound, !a->conf.buffer_unsynced);
    if (rc != 0) {
        LOG(log_of(a), LOG_ERROR, "agent.buffer", LOG_STR("dir", dir),
            LOG_STR("error", rc == -EWOULDBLOCK ? "another agent uses it" : strerror(-rc)));
        return AGENT_EXIT_HOST;
    }
    a->rows_open = true;
    LOG(log_of(a), a->rows.lost_bytes > 0 ? LOG_WARN : LOG_INFO, "agent.buffer",
        LOG_STR("dir", dir), LOG_U64("rows_waiting", a->rows.pending),
        LOG_U64("damaged_bytes", a->rows.lost_bytes));
    return AGENT_EXIT_OK;
}

static void make_loop(struct agent *a)
{
    struct loop_conf loop = {.count = 1, .clock = a->conf.clock, .log = a->conf.log,
                             .poller = poller_epoll_new(), .events_max = 16};
    a->loop = a->peers[0] = loop_new(&loop, a->peers);
    a->post = loop_post_port(a->peers, 1);
    if (!a->url.literal) {
        a->workers = workers_new(1, 2, a->post);
    }
    a->limits = (struct net_limits){.connections_max = 4, .close_wait_ms = CLOSE_WAIT_MS};
    a->shared = mem_calloc(1, sizeof *a->shared);
    a->net = net_new(&(struct net_conf){.loop = a->loop, .limits = &a->limits,
                                        .shared = a->shared, .user = a});
}

static void make_uplink(struct agent *a)
{
    struct uplink *u = &a->uplink;
    u->loop = a->loop;
    u->net = a->net;
    u->workers = a->workers;
    u->entropy = a->conf.entropy;
    u->rows = &a->rows;
    u->url = &a->url;
    u->tls = a->tls;
    u->key = a->conf.key;
    u->pace = a->conf.pace;
    u->on_open = on_open;
    u->on_state_ack = on_state_ack;
    u->on_stopped = on_stopped;
    uplink_init(u);
}

struct agent *agent_new(const struct agent_conf *conf, int *exit_code)
{
    struct agent *a = mem_calloc(1, sizeof *a);
    a->conf = *conf;
    a->signals.fd = -1;
    a->sample.fire = on_sample;
    a->ended.fire = on_ended;
    atomic_flag_clear(&a->stop_asked);
    *exit_code = check_conf(a);
    if (*exit_code == AGENT_EXIT_OK) {
        *exit_code = open_tls(a);
    }
    if (*exit_code == AGENT_EXIT_OK) {
        *exit_code = open_host(a);
    }
    if (*exit_code == AGENT_EXIT_OK && conf->signals && watch_signals(a) != 0) {
        LOG(log_of(a), LOG_ERROR, "agent.signals", LOG_STR("error", strerror(errno)));
        *exit_code = AGENT_EXIT_HOST;
    }
    if (*exit_code != AGENT_EXIT_OK) {
        agent_free(a);
        return NULL;
    }
    make_loop(a);
    sampler_init(&a->sampler);
    state_watch_init(&a->watch);
    process_scan_init(&a->scan);
    make_uplink(a);
    return a;
}

int agent_loop(struct agent *a)
{
    struct host_reading r;
    struct poller *p = loop_poller(a->loop);
    if (a->conf.signals) {
        a->signals.ready = on_signal;
        p->set(p, &a->signals, IO_READ);
    }
    if (host_read(&a->host, &r)) {
        process_scan_run(&a->scan, &a->host, clock_mono_ms(a->conf.clock), r.memory.total_bytes,
                         &a->top);
    }
    loop_turn(a->loop, 0); /* so that the loop's clock has been read */
    on_sample(&a->sample);
    uplink_start(&a->uplink);
    loop_run(a->loop);
    return a->exit_code;
}

void agent_free(struct agent *a)
{
    if (a->loop != NULL) {
        uplink_deinit(&a->uplink);
        process_scan_deinit(&a->scan);
        workers_free(a->workers);
        net_free(a->net);
        if (a->signals.fd >= 0) {
            struct poller *p = loop_poller(a->loop);
            p->set(p, &a->signals, 0);
        }
        loop_post_port_free(a->post);
        loop_free(a->loop);
        mem_free(a->shared);
    }
    if (a->signals.fd >= 0) {
        close(a->signals.fd);
    }
    if (a->rows_open) {
        row_buffer_close(&a->rows);
    }
    if (a->host_open) {
        host_close(&a->host);
    }
    tls_client_free(a->tls);
    buf_deinit(&a->frame);
    mem_free(a);
}

int agent_run(const struct agent_conf *conf)
{
    int exit_code;
    struct agent *a = agent_new(conf, &exit_code);
    if (a != NULL) {
        exit_code = agent_loop(a);
        agent_free(a);
    }
    return exit_code;
}
