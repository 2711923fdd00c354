/* The loop under the simulation: mail, timers and sockets keep their promises in every order. */
#include "base/buf.h"
#include "base/mem.h"
#include "sim/net.h"
#include "sim/sim.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* ---- mail: exactly once, in the order of each pair ---- */

#define LETTERS 200 /* from each loop */

struct station {
    struct sim *sim;
    struct loop *loop;
    struct timer timer;
    unsigned sent_total, got_total;
    unsigned sent[SIM_LOOPS_MAX]; /* to each */
    unsigned got[SIM_LOOPS_MAX];  /* from each */
};

static struct station stations[SIM_LOOPS_MAX];

struct letter {
    struct mail mail;
    unsigned from, to, number;
};

static void on_letter(struct mail *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, mail);
    struct station *s = &stations[l->to];
    SIM_CHECK(loop_current() == s->loop);
    SIM_CHECK(l->number == s->got[l->from]);
    s->got[l->from]++;
    s->got_total++;
    mem_free(l);
}

static void write_letters(struct timer *t)
{
    struct station *s = CONTAINER_OF(t, struct station, timer);
    struct sim_random *r = sim_random(s->sim);
    for (uint64_t n = sim_random_size(r, 30); n > 0 && s->sent_total < LETTERS; n--) {
        struct letter *l = mem_calloc(1, sizeof *l);
        l->mail.run = on_letter;
        l->from = loop_index(s->loop);
        l->to = (unsigned)sim_random_below(r, sim_loop_count(s->sim));
        l->number = s->sent[l->to]++;
        s->sent_total++;
        if (sim_random_chance(r, 50)) {
            loop_post(s->loop, l->to, &l->mail);
        } else {
            post_mail(sim_post(s->sim), l->to, &l->mail); /* the same way by another door */
        }
    }
    if (s->sent_total < LETTERS) {
        timer_start(s->loop, t, (int64_t)sim_random_below(r, 3));
    }
}

static bool all_letters_arrived(void *arg)
{
    unsigned got = 0;
    for (unsigned i = 0; i < sim_loop_count(arg); i++) {
        got += stations[i].got_total;
    }
    return got == sim_loop_count(arg) * LETTERS;
}

static void start_stations(struct sim *s)
{
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        stations[i] = (struct station){
            .sim = s, .loop = sim_loop(s, i), .timer = {.fire = write_letters}};
        timer_start(stations[i].loop, &stations[i].timer, 1);
    }
}

static void mail_arrives_once_in_each_pairs_order(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    start_stations(s);
    SIM_CHECK(sim_until(s, all_letters_arrived, s, 60000));
    sim_settle(s);
    for (unsigned to = 0; to < sim_loop_count(s); to++) {
        for (unsigned from = 0; from < sim_loop_count(s); from++) {
            SIM_CHECK(stations[to].got[from] == stations[from].sent[to]);
        }
    }
    sim_free(s);
}

static uint64_t trace_of(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    start_stations(s);
    SIM_CHECK(sim_until(s, all_letters_arrived, s, 60000));
    uint64_t trace = sim_trace(s);
    sim_free(s);
    return trace;
}

static void a_seed_replays_exactly(uint64_t seed)
{
    SIM_CHECK(trace_of(seed) == trace_of(seed));
    SIM_CHECK(trace_of(seed) != trace_of(seed + 1));
}

/* ---- timers: never early, in order, as often as started ---- */

#define ALARMS 40

struct alarm {
    struct timer timer;
    struct clockwork *home;
    uint64_t due_ns;
    bool armed;
};

struct clockwork {
    struct sim *sim;
    struct loop *loop;
    struct alarm alarms[ALARMS];
    uint64_t turn_ns; /* the turn in which the last alarm rang */
    uint64_t last_due_ns;
    unsigned rung, expected, restarts_left;
};

static void arm(struct alarm *a)
{
    struct clockwork *c = a->home;
    int64_t delay_ms = (int64_t)sim_random_size(sim_random(c->sim), 500) - 1;
    timer_start(c->loop, &a->timer, delay_ms);
    a->due_ns = loop_now_ns(c->loop) + (uint64_t)delay_ms * 1000000;
    c->expected += a->armed ? 0 : 1;
    a->armed = true;
}

static void on_alarm(struct timer *t)
{
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);
    struct clockwork *c = a->home;
    uint64_t now_ns = loop_now_ns(c->loop);
    SIM_CHECK(a->armed && !timer_running(t));
    SIM_CHECK(a->due_ns <= now_ns);
    SIM_CHECK(c->turn_ns != now_ns || c->last_due_ns <= a->due_ns || a->due_ns == now_ns);
    c->turn_ns = now_ns;
    c->last_due_ns = a->due_ns;
    c->rung++;
    a->armed = false;
    struct alarm *other = &c->alarms[sim_random_below(sim_random(c->sim), ALARMS)];
    if (sim_random_chance(sim_random(c->sim), 20)) {
        timer_stop(c->loop, &other->timer);
        c->expected -= other->armed ? 1 : 0;
        other->armed = false;
    }
    if (c->restarts_left > 0) {
        c->restarts_left--;
        arm(other);
    }
}

static bool all_alarms_rang(void *arg)
{
    struct clockwork *c = arg;
    for (unsigned i = 0; i < sim_loop_count(c->sim); i++) {
        if (c[i].rung < c[i].expected) {
            return false;
        }
    }
    return true;
}

static void timers_are_never_early_and_ring_in_order(uint64_t seed)
{
    static struct clockwork works[SIM_LOOPS_MAX];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    memset(works, 0, sizeof works);
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        works[i].sim = s;
        works[i].loop = sim_loop(s, i);
        works[i].restarts_left = 100;
        for (unsigned n = 0; n < ALARMS; n++) {
            works[i].alarms[n].home = &works[i];
            works[i].alarms[n].timer.fire = on_alarm;
            arm(&works[i].alarms[n]);
        }
    }
    SIM_CHECK(sim_until(s, all_alarms_rang, works, 200000));
    sim_run_ms(s, 1000);
    SIM_CHECK(all_alarms_rang(works));
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        SIM_CHECK(works[i].rung == works[i].expected);
    }
    sim_free(s);
}

/* ---- sockets: an echo server loses nothing and doubles nothing ---- */

#define CLIENTS 6
#define PORT 3001

struct listener {
    struct io io;
    struct loop *loop;
    struct timer retry;
};

struct conn {
    struct io io;
    struct loop *loop;
    struct deferred gone;
    buf out;
    bool peer_done;
};

static unsigned conns_alive;

static void conn_free(struct deferred *d)
{
    struct conn *c = CONTAINER_OF(d, struct conn, gone);
    buf_deinit(&c->out);
    mem_free(c);
    conns_alive--;
}

static void conn_end(struct conn *c)
{
    io_close(loop_poller(c->loop), &c->io);
    c->gone.release = conn_free;
    loop_defer(c->loop, &c->gone);
}

static void conn_ready(struct io *io, unsigned events)
{
    struct conn *c = CONTAINER_OF(io, struct conn, io);
    struct poller *p = loop_poller(c->loop);
    uint8_t bytes[300];
    ssize_t n = -EAGAIN;
    if (!c->peer_done && (events & (IO_READ | IO_HANGUP)) != 0) {
        n = p->recv(p, io->fd, bytes, sizeof bytes);
        if (n > 0) {
            buf_append(&c->out, bytes, (size_t)n);
        }
        c->peer_done = n == 0;
    }
    if (c->out.len > 0 && (n >= 0 || n == -EAGAIN)) {
        struct iovec iov = {c->out.ptr, c->out.len};
        n = p->send(p, io->fd, &iov, 1);
        if (n > 0) {
            buf_consume(&c->out, (size_t)n);
        }
    }
    if ((n < 0 && n != -EAGAIN) || (c->peer_done && c->out.len == 0)) {
        conn_end(c);
        return;
    }
    p->set(p, io, (c->peer_done ? 0 : IO_READ) | (c->out.len > 0 ? IO_WRITE : 0));
}

static void listener_ready(struct io *io, unsigned events)
{
    struct listener *l = CONTAINER_OF(io, struct listener, io);
    struct poller *p = loop_poller(l->loop);
    struct sockaddr_storage peer;
    int fd = p->accept(p, io->fd, &peer);
    if (fd == -EMFILE) {
        p->set(p, io, 0);
        timer_start(l->loop, &l->retry, 5);
    } else if (fd >= 0) {
        struct conn *c = mem_calloc(1, sizeof *c);
        c->io = (struct io){.fd = fd, .ready = conn_ready};
        c->loop = l->loop;
        conns_alive++;
        p->set(p, &c->io, IO_READ);
    }
}

static void listen_again(struct timer *t)
{
    struct listener *l = CONTAINER_OF(t, struct listener, retry);
    loop_poller(l->loop)->set(loop_poller(l->loop), &l->io, IO_READ);
}

static void start_echo(struct sim *s, struct listener *listeners)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        struct poller *p = loop_poller(sim_loop(s, i));
        listeners[i] = (struct listener){.io = {.ready = listener_ready}, .loop = sim_loop(s, i),
                                         .retry = {.fire = listen_again}};
        listeners[i].io.fd = p->listen(p, (struct sockaddr *)&addr, sizeof addr, 16);
        p->set(p, &listeners[i].io, IO_READ);
    }
}

struct talker {
    struct sim *sim;
    struct sim_client *client;
    uint64_t total, sent, got;
    bool over;
};

/* Byte number n of any client's stream: any loss, double or swap shows. */
static uint8_t stream_byte(uint64_t n) { return (uint8_t)(n * 2654435761u >> 13); }

static void talk(struct talker *t)
{
    struct sim_random *r = sim_random(t->sim);
    if (t->sent < t->total && sim_random_chance(r, 30)) {
        uint8_t bytes[2000];
        uint64_t n = sim_random_size(r, sizeof bytes);
        n = n < t->total - t->sent ? n : t->total - t->sent;
        for (uint64_t i = 0; i < n; i++) {
            bytes[i] = stream_byte(t->sent + i);
        }
        sim_client_send(t->client, span_of(bytes, (size_t)n));
        t->sent += n;
        if (t->sent == t->total) {
            sim_client_finish(t->client);
        }
    }
    sim_client_pause(t->client, sim_random_chance(r, 10));
    span in = sim_client_received(t->client);
    for (size_t i = 0; i < in.len; i++) {
        SIM_CHECK(in.ptr[i] == stream_byte(t->got + i));
    }
    t->got += in.len;
    sim_client_consume(t->client, in.len);
    SIM_CHECK(t->got <= t->sent);
    t->over = sim_client_ended(t->client);
}

static void echo(uint64_t seed, struct sim_faults faults, bool must_finish)
{
    static struct listener listeners[SIM_LOOPS_MAX];
    struct talker talkers[CLIENTS] = {0};
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed, .faults = faults});
    conns_alive = 0;
    start_echo(s, listeners);
    SIM_CHECK(sim_connect(s, PORT + 1) == NULL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        talkers[i] = (struct talker){.sim = s, .client = sim_connect(s, PORT),
                                     .total = sim_random_size(sim_random(s), 20000)};
        SIM_CHECK(talkers[i].client != NULL);
    }
    for (unsigned over = 0, steps = 0; over < CLIENTS; steps++) {
        SIM_CHECK(steps < 300000);
        sim_step(s); /* nothing to do is fine: the talkers start again */
        over = 0;
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (!talkers[i].over) {
                talk(&talkers[i]);
            }
            over += talkers[i].over;
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        SIM_CHECK(!must_finish || talkers[i].got == talkers[i].total);
        sim_client_close(talkers[i].client);
    }
    sim_settle(s);
    SIM_CHECK(sim_net_open_count(sim_network(s)) == 0);
    SIM_CHECK(conns_alive == 0);
    sim_free(s);
}

static void echo_loses_and_doubles_nothing(uint64_t seed)
{
    echo(seed, (struct sim_faults){0}, true);
}

static void echo_waits_out_a_full_descriptor_table(uint64_t seed)
{
    echo(seed, (struct sim_faults){.emfile_percent = 50}, true);
}

static void echo_over_a_breaking_network_leaks_nothing(uint64_t seed)
{
    echo(seed, (struct sim_faults){.resets_per_million = 10000, .abort_percent = 20}, false);
}

/* ---- connections that a loop opens itself ---- */

struct dialer {
    struct io io;
    struct loop *loop;
    int result;
    bool answered;
};

static void dialer_ready(struct io *io, unsigned events)
{
    struct dialer *d = CONTAINER_OF(io, struct dialer, io);
    struct poller *p = loop_poller(d->loop);
    d->result = p->connected(p, io->fd);
    d->answered = true;
    io_close(p, io);
}

static bool dial_answered(void *arg) { return ((struct dialer *)arg)->answered; }

static void a_loop_connects_or_is_refused(uint64_t seed)
{
    static struct listener listeners[SIM_LOOPS_MAX];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    conns_alive = 0;
    start_echo(s, listeners);
    for (unsigned port = PORT; port <= PORT + 1; port++) {
        struct loop *loop = sim_loop(s, 0);
        struct poller *p = loop_poller(loop);
        struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        struct dialer d = {.io = {.ready = dialer_ready}, .loop = loop};
        d.io.fd = p->connect(p, (struct sockaddr *)&addr, sizeof addr);
        SIM_CHECK(p->connected(p, d.io.fd) == -EINPROGRESS);
        p->set(p, &d.io, IO_WRITE);
        SIM_CHECK(sim_until(s, dial_answered, &d, 1000));
        SIM_CHECK(d.result == (port == PORT ? 0 : -ECONNREFUSED));
    }
    sim_settle(s);
    SIM_CHECK(sim_net_open_count(sim_network(s)) == 0);
    sim_free(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"mail_arrives_once_in_each_pairs_order", mail_arrives_once_in_each_pairs_order, 300},
        {"a_seed_replays_exactly", a_seed_replays_exactly, 20},
        {"timers_are_never_early_and_ring_in_order", timers_are_never_early_and_ring_in_order, 300},
        {"echo_loses_and_doubles_nothing", echo_loses_and_doubles_nothing, 300},
        {"echo_waits_out_a_full_descriptor_table", echo_waits_out_a_full_descriptor_table, 100},
        {"echo_over_a_breaking_network_leaks_nothing", echo_over_a_breaking_network_leaks_nothing,
         300},
        {"a_loop_connects_or_is_refused", a_loop_connects_or_is_refused, 100},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
