/* A fleet of simulated devices. */
#include "simulator/simulator.h"

#include "agent/resolve.h"
#include "base/mem.h"
#include "simulator/device.h"
#include "simulator/registrar.h"
#include "simulator/report.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define REGISTRARS 4        /* connections that make devices: 80 a second, as a principal may */
#define GATE_MS 10          /* how often connections are opened */
#define OPENING_MAX 2000    /* connections on their way at once: the backlog of a listener */
#define SECOND_MS 1000
#define LATE_MS 60000       /* what a run with a duration may take longer than it should */
#define DRAIN_MS 2000       /* for acknowledgements at the end */
#define CLOSE_WAIT_MS 1000
#define POLL_MS 20
#define NS_PER_S 1e9

enum phase { PHASE_MAKING, PHASE_RUNNING, PHASE_DRAINING, PHASE_CLOSING };

struct simulator {
    const struct simulator_conf *conf;
    struct server_url url;
    struct loop *loop;
    struct loop *peers[1];
    struct net_limits limits;
    struct net_shared *shared;
    struct net *net;
    struct tls_client *tls; /* owned; NULL for http */
    struct device_side side;
    struct device_counts second;
    struct device_counts total;
    struct device_counts steady; /* of the seconds that all devices were there for */
    double steady_s;
    int64_t steady_ms; /* counted, not measured */
    int64_t longest_ms;
    struct device *devices; /* owned: conf->devices of them, `ready` in use */
    uint32_t ready;
    struct link_side maker_side; /* the registrars': Socket.IO, whatever the devices speak */
    struct registrar registrars[REGISTRARS];
    uint32_t registering;
    struct list gate; /* devices that want to connect */
    double credit;    /* connections that may be opened now */
    uint64_t gate_ns;
    struct timer gate_timer;
    struct timer second_timer;
    struct timer end_timer;
    uint64_t start_ns;
    uint64_t sending_ns; /* since when all have been connected; 0: not yet */
    uint64_t stopped_ns;
    uint64_t t; /* seconds told */
    enum phase phase;
    struct io signals;
    int exit_code;
};

static struct log *log_of(const struct simulator *s)
{
    return s->conf->log;
}

/* --- the end --- */

static void on_end(struct timer *t)
{
    struct simulator *s = CONTAINER_OF(t, struct simulator, end_timer);
    uint64_t now = loop_now_ns(s->loop);
    uint64_t waited_ms = (now - s->stopped_ns) / 1000000;
    if (s->phase == PHASE_DRAINING && (s->side.unanswered == 0 || waited_ms >= DRAIN_MS)) {
        s->phase = PHASE_CLOSING;
        s->stopped_ns = now;
        for (uint32_t i = 0; i < s->ready; i++) {
            device_stop(&s->devices[i]);
        }
    } else if (s->phase == PHASE_CLOSING &&
               (net_count(s->net) == 0 || waited_ms >= CLOSE_WAIT_MS)) {
        loop_stop(s->loop);
        return;
    }
    timer_start(s->loop, t, POLL_MS);
}

static void stop(struct simulator *s, int exit_code)
{
    if (s->phase >= PHASE_DRAINING) {
        return;
    }
    s->exit_code = exit_code;
    s->phase = PHASE_DRAINING;
    s->stopped_ns = loop_now_ns(s->loop);
    s->side.stopping = true;
    for (unsigned i = 0; i < REGISTRARS; i++) {
        if (s->registrars[i].link.side != NULL) {
            registrar_stop(&s->registrars[i]);
        }
    }
    timer_stop(s->loop, &s->gate_timer);
    timer_start(s->loop, &s->end_timer, 0);
}

static void on_signal(struct io *io, unsigned events)
{
    struct simulator *s = CONTAINER_OF(io, struct simulator, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        stop(s, SIMULATOR_EXIT_OK);
    }
}

/* --- devices come in --- */

static void on_wait(struct device *d)
{
    struct simulator *s = CONTAINER_OF(d->side, struct simulator, side);
    list_push(&s->gate, &d->queue);
    if (!timer_running(&s->gate_timer)) {
        timer_start(s->loop, &s->gate_timer, GATE_MS);
    }
}

static void on_ended(struct device *d, const char *why)
{
    struct simulator *s = CONTAINER_OF(d->side, struct simulator, side);
    LOG(log_of(s), LOG_WARN, "simulator.ended", LOG_STR("device", d->id), LOG_STR("why", why));
    if (s->side.ended == s->conf->devices) {
        stop(s, SIMULATOR_EXIT_REFUSED);
    }
}

static void on_all_live(struct device_side *side)
{
    struct simulator *s = CONTAINER_OF(side, struct simulator, side);
    for (uint32_t i = 0; i < s->ready; i++) {
        device_send(&s->devices[i]);
    }
}

/* Connections on their way, registrations included. */
static uint32_t opening(const struct simulator *s)
{
    return s->side.open - s->side.live;
}

static void on_gate(struct timer *t)
{
    struct simulator *s = CONTAINER_OF(t, struct simulator, gate_timer);
    uint64_t now = loop_now_ns(s->loop);
    double gained = (double)(now - s->gate_ns) / NS_PER_S * s->conf->connects_per_s;
    double most = fmax(1.0, s->conf->connects_per_s * GATE_MS * 2 / 1000.0);
    s->gate_ns = now;
    s->credit = fmin(s->credit + gained, most);
    while (s->credit >= 1.0 && !list_empty(&s->gate) && opening(s) < OPENING_MAX) {
        struct device *d = LIST_ITEM(s->gate.next, struct device, queue);
        list_remove(&d->queue);
        s->credit -= 1.0;
        device_connect(d);
    }
    if (!list_empty(&s->gate)) {
        timer_start(s->loop, t, GATE_MS);
    }
}

static void add_device(struct simulator *s, const char *id, const char *key)
{
    struct device *d = &s->devices[s->ready++];
    device_init(d, &s->side, id, key);
    on_wait(d);
}

static void on_made(struct registrar *r, const char *id, const char *key)
{
    struct simulator *s = r->owner;
    simulator_keys_add(s->conf->keys, span_str(id), span_str(key));
    if (s->conf->on_made != NULL) {
        s->conf->on_made(s->conf->owner, id, key);
    }
    add_device(s, id, key);
}

static void on_done(struct registrar *r, const char *why)
{
    struct simulator *s = r->owner;
    if (why != NULL) {
        LOG(log_of(s), LOG_ERROR, "simulator.provision", LOG_STR("why", why));
        stop(s, SIMULATOR_EXIT_REFUSED);
    } else if (--s->registering == 0 && s->phase == PHASE_MAKING) {
        s->phase = PHASE_RUNNING;
    }
}

/* The devices that no key is known for, shared among the registrars. */
static void make_devices(struct simulator *s)
{
    uint32_t missing = s->conf->devices - s->ready;
    uint32_t first = s->ready;
    s->registering = REGISTRARS;
    s->maker_side = s->side.link;
    s->maker_side.wire = SIM_SOCKETIO;
    for (unsigned i = 0; i < REGISTRARS; i++) {
        struct registrar *r = &s->registrars[i];
        r->link.side = &s->maker_side;
        r->owner = s;
        r->link.key = s->conf->provision_key;
        r->prefix = "simulated-";
        r->wanted = missing / REGISTRARS + (i < missing % REGISTRARS);
        r->first = first;
        r->on_made = on_made;
        r->on_done = on_done;
        first += r->wanted;
        registrar_start(r);
    }
}

/* --- seconds --- */

static bool all_connected(const struct simulator *s)
{
    return s->phase == PHASE_RUNNING && s->side.live + s->side.ended == s->conf->devices;
}

static void on_second(struct timer *t)
{
    struct simulator *s = CONTAINER_OF(t, struct simulator, second_timer);
    uint64_t now = loop_now_ns(s->loop);
    if (s->sending_ns != 0) {
        report_add(&s->steady, &s->second);
        s->steady_s = (double)(now - s->sending_ns) / NS_PER_S;
        s->steady_ms += SECOND_MS;
    } else if (all_connected(s)) {
        s->sending_ns = now;
    }
    s->t++;
    if (!s->conf->quiet) {
        report_second(s->conf->out, s->t, &s->side, &s->second);
    }
    report_add(&s->total, &s->second);
    s->second = (struct device_counts){0};
    if (s->conf->duration_ms > 0 &&
        (s->steady_ms >= s->conf->duration_ms || (int64_t)(s->t * SECOND_MS) >= s->longest_ms)) {
        stop(s, SIMULATOR_EXIT_OK);
    }
    uint64_t next = s->start_ns + (s->t + 1) * (uint64_t)NS_PER_S;
    timer_start(s->loop, t, next > now ? (int64_t)((next - now) / 1000000) : 0);
}

/* --- making and unmaking --- */

static int refuse(const struct simulator *s, const char *why)
{
    LOG(log_of(s), LOG_ERROR, "simulator.conf", LOG_STR("why", why));
    return SIMULATOR_EXIT_CONF;
}

static int open_server(struct simulator *s)
{
    struct resolve r = {.url = &s->url};
    buf why = {0};
    const char *wrong = server_url_parse(span_str(s->conf->server), &s->url);
    if (wrong != NULL) {
        return refuse(s, wrong);
    }
    resolve_now(&r);
    if (r.rc != 0) {
        return refuse(s, resolve_why(&r));
    }
    s->side.link.addr = r.addr;
    s->side.link.addr_len = r.addr_len;
    if (s->url.secure && (s->tls = tls_client_new(s->conf->ca_file, &why)) == NULL) {
        buf_append_byte(&why, '\0');
        int status = refuse(s, (const char *)why.ptr);
        buf_deinit(&why);
        return status;
    }
    return SIMULATOR_EXIT_OK;
}

static int watch_signals(struct simulator *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    s->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals.fd < 0 ? refuse(s, strerror(errno)) : SIMULATOR_EXIT_OK;
}

static void make_loop(struct simulator *s)
{
    struct loop_conf loop = {.count = 1, .clock = s->conf->clock, .log = s->conf->log,
                             .poller = poller_epoll_new()};
    s->loop = s->peers[0] = loop_new(&loop, s->peers);
    s->limits = (struct net_limits){.connections_max = SIMULATOR_DEVICES_MAX + REGISTRARS,
                                    .close_wait_ms = CLOSE_WAIT_MS};
    s->shared = mem_calloc(1, sizeof *s->shared);
    s->net = net_new(&(struct net_conf){.loop = s->loop, .limits = &s->limits,
                                        .shared = s->shared, .user = s});
}

static void fill_side(struct simulator *s)
{
    const struct simulator_conf *c = s->conf;
    struct device_side *d = &s->side;
    d->link.loop = s->loop;
    d->link.net = s->net;
    d->link.entropy = c->entropy;
    d->link.url = &s->url;
    d->link.tls = s->tls;
    d->link.wire = c->wire;
    d->clock = c->clock;
    d->wanted = c->devices;
    d->rate = c->rate;
    d->batch = c->batch;
    d->sensors = c->sensors;
    d->every_ms = c->every_ms;
    d->response_ms = c->response_ms;
    d->heartbeat_ms = c->heartbeat_ms;
    d->clock_values = c->clock_values;
    d->counts = &s->second;
    d->together = c->together;
    d->on_wait = on_wait;
    d->on_all_live = on_all_live;
    d->on_ended = on_ended;
    if (c->sample_ids) {
        uint64_t random;
        entropy_fill(c->entropy, &random, sizeof random);
        snprintf(d->run, sizeof d->run, "%012llx",
                 (unsigned long long)(random & 0xffffffffffffu));
    }
}

static int begin(struct simulator *s)
{
    const struct simulator_conf *c = s->conf;
    s->gate_timer.fire = on_gate;
    s->second_timer.fire = on_second;
    s->end_timer.fire = on_end;
    list_init(&s->gate);
    s->devices = mem_calloc(c->devices, sizeof *s->devices);
    loop_turn(s->loop, 0); /* so that the loop's clock has been read */
    s->start_ns = s->gate_ns = loop_now_ns(s->loop);
    if (c->signals) {
        struct poller *p = loop_poller(s->loop);
        s->signals.ready = on_signal;
        p->set(p, &s->signals, IO_READ);
    }
    for (uint32_t i = 0; i < c->devices && i < c->keys->count; i++) {
        add_device(s, c->keys->items[i].id, c->keys->items[i].key);
    }
    if (s->ready == c->devices) {
        s->phase = PHASE_RUNNING;
    } else if (c->provision_key[0] == '\0') {
        return refuse(s, "there are fewer keys than devices, and no provisioning key");
    } else {
        make_devices(s);
    }
    /* Made at 80 a second at most, then connected. */
    s->longest_ms = (int64_t)(c->devices - s->ready) * SECOND_MS / 50 +
                    (int64_t)c->devices * SECOND_MS / c->connects_per_s + c->duration_ms + LATE_MS;
    timer_start(s->loop, &s->second_timer, SECOND_MS);
    return SIMULATOR_EXIT_OK;
}

static void finish(struct simulator *s)
{
    if (s->loop != NULL) {
        net_free(s->net);
        if (s->signals.fd >= 0) {
            struct poller *p = loop_poller(s->loop);
            p->set(p, &s->signals, 0);
        }
        loop_free(s->loop);
    }
    for (uint32_t i = 0; i < s->ready; i++) {
        device_deinit(&s->devices[i]);
    }
    if (s->signals.fd >= 0) {
        close(s->signals.fd);
    }
    mem_free(s->devices);
    mem_free(s->shared);
    tls_client_free(s->tls);
    buf_deinit(&s->side.text);
    buf_deinit(&s->side.link.out);
    buf_deinit(&s->maker_side.out);
}

int simulator_run(const struct simulator_conf *conf)
{
    struct simulator *s = mem_calloc(1, sizeof *s);
    s->conf = conf;
    s->signals.fd = -1;
    int status = open_server(s);
    if (status == SIMULATOR_EXIT_OK && conf->signals) {
        status = watch_signals(s);
    }
    if (status == SIMULATOR_EXIT_OK) {
        make_loop(s);
        fill_side(s);
        status = begin(s);
    }
    if (status == SIMULATOR_EXIT_OK) {
        loop_run(s->loop);
        status = s->exit_code;
        report_add(&s->total, &s->second);
        const struct report_sums sums = {
            .seconds = (double)(loop_now_ns(s->loop) - s->start_ns) / NS_PER_S,
            .connected_s = s->side.all_live_ns == 0
                               ? 0
                               : (double)(s->side.all_live_ns - s->start_ns) / NS_PER_S,
            .total = &s->total,
            .steady_s = s->steady_s,
            .steady = &s->steady,
        };
        report_summary(conf->out, &s->side, &sums);
    }
    finish(s);
    mem_free(s);
    return status;
}
