/*
 * Engine.IO over loops and a network in every order: clients that poll, post, upgrade in the middle
 * and go away, each request on a connection of its own. Whatever the order, every message comes
 * back once and in order, and in the end nothing is left.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "edge/engineio/internal.h"
#include "edge/rest/rest.h"
#include "sim/guest.h"
#include "sim/net.h"
#include "sim/sim.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PORT 3001
#define PLAYERS 6
#define MESSAGES 12     /* of each player */
#define STEPS_MAX 600000
#define PING_MS 60000

static const struct net_limits limits = {
    .connections_max = 1000,
    .per_address_max = 1000,
    .http_header_ms = 600000,
    .http_body_ms = 600000,
    .http_idle_ms = 600000,
    .http_header_bytes_max = 8192,
    .http_body_bytes_max = 65536,
    .close_wait_ms = 20000,
};

/* ---- the server ---- */

struct server {
    struct sim *sim;
    struct entropy entropy;
    struct edge_conf conf;
    struct domain_conf domain;
    struct home homes[SIM_LOOPS_MAX];
    struct home *home_peers[SIM_LOOPS_MAX];
    struct edge edges[SIM_LOOPS_MAX];
    struct edge *peers[SIM_LOOPS_MAX];
    struct hub *hubs[SIM_LOOPS_MAX];
    struct net_shared *shared;
};

static struct server v;

static void fill(struct entropy *e, void *out, size_t len)
{
    (void)e;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)sim_random_next(sim_random(v.sim));
    }
}

static void server_start(struct sim *s)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    v = (struct server){.sim = s,
                        .entropy = {.fill = fill},
                        .conf = {.conformance = true,
                                 .allowed_origins = "",
                                 .public_hosts = "",
                                 .ws_fragments_max = 16,
                                 .outbox_messages_max = 1000,
                                 .outbox_bytes_max = 1 << 20,
                                 .eio = {.ping_interval_ms = PING_MS,
                                         .ping_timeout_ms = PING_MS,
                                         .upgrade_timeout_ms = PING_MS,
                                         .max_payload_bytes = 65536}},
                        .shared = mem_calloc(1, sizeof *v.shared)};
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        struct sockaddr_storage bound;
        struct edge *e = &v.edges[i];
        v.peers[i] = e;
        v.home_peers[i] = &v.homes[i];
        v.homes[i] = (struct home){.index = i, .count = sim_loop_count(s), .conf = &v.domain,
                                   .peers = v.home_peers, .post = sim_post(s),
                                   .clock = sim_clock(s), .entropy = &v.entropy};
        home_init(&v.homes[i]);
        *e = (struct edge){.conf = &v.conf, .loop = sim_loop(s, i), .peers = v.peers,
                           .home = &v.homes[i]};
        edge_init(e, sim_post(s), v.hubs);
        v.homes[i].hub = e->hub;
        e->net = net_new(&(struct net_conf){.loop = e->loop, .limits = &limits,
                                            .shared = v.shared, .http = &rest_handler,
                                            .user = e});
        SIM_CHECK(net_listen(e->net, (struct sockaddr *)&addr, sizeof addr, 0, &bound) == 0);
    }
}

static bool nothing_left(void *arg)
{
    size_t count = v.shared->connections;
    (void)arg;
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        const struct engine *g = v.edges[i].engine;
        count += net_count(v.edges[i].net) + g->sessions.count + g->farewells_by_sid.count;
        count += !list_empty(&g->upgrades) + !list_empty(&g->overlaps) + !list_empty(&g->answers);
    }
    return count == 0;
}

/* Sessions whose clients have gone without a word end by the heartbeat. */
static void server_stop(void)
{
    SIM_CHECK(sim_until(v.sim, nothing_left, NULL, 20 * PING_MS));
    SIM_CHECK(sim_net_open_count(sim_network(v.sim)) == 0);
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        SIM_CHECK(hub_stats(v.hubs[i])->outbox_bytes == 0);
        net_free(v.edges[i].net);
    }
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        edge_deinit(&v.edges[i]);
    }
    mem_free(v.shared);
}

/* ---- a client ---- */

/* One request on a connection of its own. */
struct request {
    struct sim_client *client; /* NULL: none is under way */
    bool get;
};

struct player {
    struct request get, post;
    struct guest ws;
    bool has_ws;
    bool probed;  /* 3probe has come: no GET any more, 5 when the last one is answered */
    bool upgraded;
    bool upgrades; /* it will try */
    char sid[EIO_SID_LEN + 1];
    unsigned sent, got;
    bool over;
};

static void ask(struct request *q, struct sim *s, const char *method, const struct player *p,
                const char *body)
{
    char text[512];
    int len = snprintf(text, sizeof text,
                       "%s /engine.io/?EIO=4&transport=polling%s%s HTTP/1.1\r\n"
                       "Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                       method, p->sid[0] == '\0' ? "" : "&sid=", p->sid, strlen(body), body);
    q->client = sim_connect(s, PORT);
    SIM_CHECK(q->client != NULL);
    sim_client_send(q->client, span_of(text, (size_t)len));
}

/* The body of a whole answer, which is consumed with its connection; ptr NULL: not there yet. */
static span answer_of(struct request *q, unsigned *status)
{
    if (q->client == NULL || !sim_client_ended(q->client)) {
        return SPAN_NONE;
    }
    span in = sim_client_received(q->client);
    const uint8_t *end = in.len == 0 ? NULL : memmem(in.ptr, in.len, "\r\n\r\n", 4);
    SIM_CHECK(end != NULL && span_starts(in, SPAN("HTTP/1.1 ")));
    *status = (unsigned)(in.ptr[9] - '0') * 100;
    return span_of(end + 4, in.len - (size_t)(end + 4 - in.ptr));
}

static void done(struct request *q)
{
    sim_client_consume(q->client, sim_client_received(q->client).len);
    sim_client_close(q->client);
    q->client = NULL;
}

/* A packet: the next message in order, or one without a meaning. */
static void take(struct player *p, span packet)
{
    char want[16];
    if (packet.len == 1 && (packet.ptr[0] == '6' || packet.ptr[0] == '2')) {
        return;
    }
    int len = snprintf(want, sizeof want, "4m%u", p->got++);
    SIM_CHECK(span_eq(packet, span_of(want, (size_t)len)) && p->got <= p->sent);
}

static void read_polls(struct player *p)
{
    unsigned status;
    span body = answer_of(&p->get, &status);
    if (body.ptr != NULL) {
        SIM_CHECK(status == 200);
        while (body.ptr != NULL && body.len > 0) {
            take(p, span_cut(&body, EIO_SEPARATOR));
        }
        done(&p->get);
    }
    body = answer_of(&p->post, &status);
    if (body.ptr != NULL) {
        SIM_CHECK(status == 200 && span_eq(body, SPAN("ok")));
        done(&p->post);
    }
}

static void read_frames(struct player *p)
{
    unsigned op;
    span payload;
    while (p->has_ws && guest_next(&p->ws, &op, &payload)) {
        SIM_CHECK(op == GUEST_TEXT);
        if (!p->upgraded && span_eq(payload, SPAN("3probe"))) {
            p->probed = true;
        } else {
            SIM_CHECK(p->upgraded);
            take(p, payload);
        }
    }
    SIM_CHECK(!p->has_ws || !guest_over(&p->ws));
}

static void begin_upgrade(struct player *p, struct sim *s)
{
    char target[128];
    snprintf(target, sizeof target, "/engine.io/?EIO=4&transport=websocket&sid=%s", p->sid);
    guest_join(&p->ws, s, PORT, target, "");
    guest_send(&p->ws, GUEST_TEXT, SPAN("2probe"));
    p->has_ws = true;
}

static void say(struct player *p, struct sim *s, unsigned more)
{
    char text[256] = "";
    size_t len = 0;
    for (unsigned i = 0; i < more && p->sent < MESSAGES; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s4m%u", i == 0 ? "" : "\x1e",
                                p->sent++);
        if (p->upgraded) {
            guest_send(&p->ws, GUEST_TEXT, span_of(text, len));
            len = 0;
            text[0] = '\0';
            i = more; /* a frame is one packet */
        }
    }
    if (!p->upgraded) {
        ask(&p->post, s, "POST", p, text);
    }
}

/* What an official client would do now, or a moment later. */
static void act(struct player *p, struct sim *s)
{
    struct sim_random *r = sim_random(s);
    read_polls(p);
    read_frames(p);
    if (p->probed && !p->upgraded && p->get.client == NULL && p->post.client == NULL) {
        guest_send(&p->ws, GUEST_TEXT, SPAN("5"));
        p->upgraded = true;
    } else if (p->upgrades && !p->has_ws && sim_random_chance(r, 10)) {
        begin_upgrade(p, s);
    }
    if (!p->probed && p->get.client == NULL && sim_random_chance(r, 50)) {
        ask(&p->get, s, "GET", p, "");
    }
    bool may_post = p->upgraded || (p->post.client == NULL && !p->probed);
    if (may_post && p->sent < MESSAGES && sim_random_chance(r, 20)) {
        say(p, s, 1 + (unsigned)sim_random_below(r, 4));
    }
}

static void shake_hands(struct player *p, struct sim *s)
{
    unsigned status;
    span body = SPAN_NONE;
    *p = (struct player){.upgrades = sim_random_chance(sim_random(s), 60)};
    ask(&p->get, s, "GET", p, "");
    for (unsigned steps = 0; body.ptr == NULL; steps++) {
        SIM_CHECK(steps < STEPS_MAX && sim_step(s));
        body = answer_of(&p->get, &status);
    }
    SIM_CHECK(status == 200 && span_starts(body, SPAN("0{\"sid\":\"")));
    memcpy(p->sid, body.ptr + 9, EIO_SID_LEN);
    done(&p->get);
}

static void drop(struct request *q, bool hard)
{
    if (q->client != NULL && hard) {
        sim_client_abort(q->client);
    } else if (q->client != NULL) {
        sim_client_close(q->client);
    }
    q->client = NULL;
}

static void leave(struct player *p, struct sim *s)
{
    bool hard = sim_random_chance(sim_random(s), 50);
    drop(&p->get, hard);
    drop(&p->post, hard);
    if (p->has_ws) {
        guest_leave(&p->ws, hard);
    }
}

static void every_message_comes_back_once_in_order(uint64_t seed)
{
    static struct player players[PLAYERS];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    server_start(s);
    for (unsigned i = 0; i < PLAYERS; i++) {
        shake_hands(&players[i], s);
    }
    for (unsigned left = PLAYERS, steps = 0; left > 0; steps++) {
        SIM_CHECK(steps < STEPS_MAX);
        sim_step(s);
        struct player *p = &players[sim_random_below(sim_random(s), PLAYERS)];
        if (!p->over) {
            act(p, s);
            p->over = p->got == MESSAGES && (p->upgraded || !p->upgrades);
            left -= p->over;
        }
    }
    for (unsigned i = 0; i < PLAYERS; i++) {
        leave(&players[i], s);
    }
    server_stop();
    sim_free(s);
}

/* Requests and frames at random, cut off at random: nobody is promised anything, and nothing is
 * left of it. */
static void whatever_clients_do_nothing_is_left(uint64_t seed)
{
    static const char *const bodies[] = {"4a", "1", "2", "3", ("4a\x1e" "4b"), "x", "", "5"};
    static const char *const frames[] = {"2probe", "5", "4a", "1", "2", "3", "x"};
    static struct player players[PLAYERS];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    struct sim_random *r = sim_random(s);
    server_start(s);
    for (unsigned i = 0; i < PLAYERS; i++) {
        shake_hands(&players[i], s);
    }
    sim_set_faults(s, &(struct sim_faults){.resets_per_million = 5000});
    for (unsigned steps = 0; steps < 3000; steps++) {
        sim_step(s);
        struct player *p = &players[sim_random_below(r, PLAYERS)];
        struct request *q = sim_random_chance(r, 50) ? &p->get : &p->post;
        unsigned what = (unsigned)sim_random_below(r, 12);
        if (what == 0) {
            drop(q, sim_random_chance(r, 50));
            ask(q, s, "GET", p, "");
        } else if (what == 1) {
            drop(q, sim_random_chance(r, 50));
            ask(q, s, "POST", p, bodies[sim_random_below(r, ARRAY_LEN(bodies))]);
        } else if (what == 2 && !p->has_ws) {
            begin_upgrade(p, s);
        } else if (what == 3 && p->has_ws) {
            const char *frame = frames[sim_random_below(r, ARRAY_LEN(frames))];
            guest_send(&p->ws, GUEST_TEXT, span_str(frame));
        } else if (what == 4 && p->has_ws && sim_random_chance(r, 20)) {
            guest_leave(&p->ws, sim_random_chance(r, 50));
            p->has_ws = false;
        }
    }
    sim_set_faults(s, &(struct sim_faults){0});
    for (unsigned i = 0; i < PLAYERS; i++) {
        leave(&players[i], s);
    }
    server_stop();
    sim_free(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"every_message_comes_back_once_in_order", every_message_comes_back_once_in_order, 60},
        {"whatever_clients_do_nothing_is_left", whatever_clients_do_nothing_is_left, 60},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
