/*
 * HTTP, WebSocket, hub and edge together, over loops, mail and a network in every order: answers
 * keep their requests' order, an echo is exact, and publish-subscribe brings each subscriber
 * every message of every publisher once and in order.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "edge/conformance/conformance.h"
#include "edge/edge.h"
#include "sim/guest.h"
#include "sim/net.h"
#include "sim/sim.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PORT 3001

/* ---- the server ---- */

static void on_request(struct http_exchange *x)
{
    if (!conformance_request(x)) {
        http_respond(x, 404, "text/plain", SPAN("nothing here"));
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static const struct net_limits limits = {
    .connections_max = 1000,
    .http_header_ms = 600000,
    .http_body_ms = 600000,
    .http_idle_ms = 600000,
    .http_header_bytes_max = 8192,
    .http_body_bytes_max = 65536,
    .close_wait_ms = 20000, /* the network may be very slow */
};

struct server {
    struct sim *sim;
    struct edge_conf conf;
    struct edge edges[SIM_LOOPS_MAX];
    struct edge *peers[SIM_LOOPS_MAX];
    struct hub *hubs[SIM_LOOPS_MAX];
    struct net_shared *shared;
};

static void server_start(struct server *v, struct sim *s, uint32_t outbox_messages_max)
{
    *v = (struct server){.sim = s,
                         .conf = {.conformance = true,
                                  .outbox_messages_max = outbox_messages_max,
                                  .outbox_bytes_max = 1 << 20}};
    v->shared = mem_calloc(1, sizeof *v->shared);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        struct edge *e = &v->edges[i];
        v->peers[i] = e;
        *e = (struct edge){.conf = &v->conf, .loop = sim_loop(s, i), .peers = v->peers};
        edge_init(e, sim_post(s), v->hubs);
        e->net = net_new(&(struct net_conf){.loop = e->loop, .limits = &limits,
                                            .shared = v->shared, .http = &handler, .user = e});
        struct sockaddr_storage bound;
        SIM_CHECK(net_listen(e->net, (struct sockaddr *)&addr, sizeof addr, 0, &bound) == 0);
    }
}

static unsigned server_conns(const struct server *v)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sim_loop_count(v->sim); i++) {
        count += net_count(v->edges[i].net);
    }
    return count;
}

static bool no_conns(void *arg) { return server_conns(arg) == 0; }

/* After every peer has gone: nothing is left of them. */
static void server_stop(struct server *v)
{
    SIM_CHECK(sim_until(v->sim, no_conns, v, 60000));
    sim_settle(v->sim);
    SIM_CHECK(sim_net_open_count(sim_network(v->sim)) == 0);
    SIM_CHECK(v->shared->connections == 0);
    for (unsigned i = 0; i < sim_loop_count(v->sim); i++) {
        SIM_CHECK(hub_stats(v->hubs[i])->subscriptions == 0);
        SIM_CHECK(hub_stats(v->hubs[i])->outbox_bytes == 0);
        net_free(v->edges[i].net);
    }
    for (unsigned i = 0; i < sim_loop_count(v->sim); i++) {
        edge_deinit(&v->edges[i]);
    }
    mem_free(v->shared);
}

/* ---- HTTP: pipelined answers in order ---- */

#define REQUESTS 12

static void ask(struct sim_client *c, struct sim_random *r, unsigned n, size_t size)
{
    buf out = {0};
    bool chunked = sim_random_chance(r, 50);
    buf_printf(&out, "POST /conformance/http HTTP/1.1\r\nHost: 127.0.0.1\r\n%s",
               n == REQUESTS - 1 ? "Connection: close\r\n" : "");
    if (!chunked) {
        buf_printf(&out, "Content-Length: %zu\r\n\r\n", size);
    } else {
        buf_append_str(&out, "Transfer-Encoding: chunked\r\n\r\n");
    }
    for (size_t done = 0; done < size;) {
        size_t piece = chunked ? (size_t)sim_random_size(r, size - done) : size;
        if (chunked) {
            buf_printf(&out, "%zx\r\n", piece);
        }
        memset(buf_reserve(&out, piece), 'a' + (int)n, piece);
        out.len += piece;
        done += piece;
        if (chunked) {
            buf_append_str(&out, "\r\n");
        }
    }
    if (chunked) {
        buf_append_str(&out, "0\r\n\r\n");
    }
    sim_client_send(c, buf_span(&out));
    buf_deinit(&out);
}

/* The next whole answer; its body must be that of request n. False when it has not arrived. */
static bool answered(struct sim_client *c, unsigned n, size_t size)
{
    span in = sim_client_received(c);
    const uint8_t *end = in.len == 0 ? NULL : memmem(in.ptr, in.len, "\r\n\r\n", 4);
    if (end == NULL || in.len - (size_t)(end - in.ptr) - 4 < size) {
        return false;
    }
    SIM_CHECK(span_starts(in, SPAN("HTTP/1.1 200 ")));
    char length[40];
    int len = snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", size);
    SIM_CHECK(memmem(in.ptr, (size_t)(end - in.ptr) + 2, length, (size_t)len) != NULL);
    for (size_t i = 0; i < size; i++) {
        SIM_CHECK(end[4 + i] == 'a' + n);
    }
    sim_client_consume(c, (size_t)(end - in.ptr) + 4 + size);
    return true;
}

static void pipelined_requests_are_answered_in_order(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    struct server v;
    server_start(&v, s, 100);
    struct sim_client *c = sim_connect(s, PORT);
    size_t sizes[REQUESTS];
    for (unsigned n = 0; n < REQUESTS; n++) {
        sizes[n] = (size_t)sim_random_size(sim_random(s), 5000) - 1;
        ask(c, sim_random(s), n, sizes[n]);
    }
    for (unsigned n = 0, steps = 0; n < REQUESTS; steps++) {
        SIM_CHECK(steps < 200000 && sim_step(s));
        while (n < REQUESTS && answered(c, n, sizes[n])) {
            n++;
        }
    }
    for (unsigned steps = 0; !sim_client_ended(c); steps++) {
        SIM_CHECK(steps < 200000 && sim_step(s)); /* the last asked for the close */
    }
    SIM_CHECK(sim_client_received(c).len == 0 && !sim_client_broken(c));
    sim_client_close(c);
    server_stop(&v);
    sim_free(s);
}

/* ---- WebSocket: an echo ---- */

#define ECHOES 15
#define ECHO_BYTES_MAX 70000

static void websocket_echo_is_exact(uint64_t seed)
{
    static uint8_t bytes[ECHO_BYTES_MAX];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    struct sim_random *r = sim_random(s);
    struct server v;
    server_start(&v, s, 100);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 131 + i / 256);
    }
    struct guest g;
    guest_join(&g, s, PORT, "/conformance/ws", "");
    size_t sizes[ECHOES];
    unsigned sent = 0, got = 0;
    for (unsigned steps = 0; got < ECHOES; steps++) {
        SIM_CHECK(steps < 400000);
        sim_step(s);
        if (sent < ECHOES && sim_random_chance(r, 20)) { /* also before the handshake is done */
            sizes[sent] = (size_t)sim_random_size(r, sizeof bytes) - 1;
            guest_send(&g, GUEST_BINARY, span_of(bytes, sizes[sent++]));
        }
        sim_client_pause(g.client, sim_random_chance(r, 5));
        unsigned op;
        span payload;
        while (guest_next(&g, &op, &payload)) {
            SIM_CHECK(op == GUEST_BINARY && got < sent && payload.len == sizes[got]);
            SIM_CHECK(payload.len == 0 || memcmp(payload.ptr, bytes, payload.len) == 0);
            got++;
        }
        SIM_CHECK(!guest_over(&g));
    }
    sim_client_pause(g.client, false);
    guest_send(&g, GUEST_CLOSE, SPAN("\x03\xe8" "bye"));
    unsigned op;
    span payload;
    while (!guest_next(&g, &op, &payload)) {
        SIM_CHECK(sim_step(s));
    }
    SIM_CHECK(op == GUEST_CLOSE && payload.len >= 2 && memcmp(payload.ptr, "\x03\xe8", 2) == 0);
    while (!guest_over(&g)) {
        SIM_CHECK(sim_step(s));
    }
    guest_leave(&g, false);
    server_stop(&v);
    sim_free(s);
}

/* ---- publish-subscribe ---- */

#define GUESTS 8
#define ROOMS 3
#define PUBLISHED 15 /* by each guest */

struct member {
    struct guest guest;
    bool in[ROOMS];
    unsigned oks, oks_wanted;
    unsigned published;
    unsigned numbers[ROOMS];           /* of my next message in each room */
    unsigned expected[GUESTS][ROOMS];  /* number of each publisher's next message */
    bool lossy;                        /* left in the middle, or was closed */
};

static void take_message(struct member *m, span text)
{
    if (span_starts(text, SPAN("ok "))) {
        m->oks++;
        return;
    }
    unsigned from, room, number;
    char copy[64];
    SIM_CHECK(text.len < sizeof copy);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    SIM_CHECK(sscanf(copy, "m %u %u %u", &from, &room, &number) == 3);
    SIM_CHECK(from < GUESTS && room < ROOMS && m->in[room]);
    SIM_CHECK(number == m->expected[from][room]);
    m->expected[from][room]++;
}

static void read_all(struct member *m)
{
    unsigned op;
    span payload;
    while (guest_next(&m->guest, &op, &payload)) {
        if (op == GUEST_TEXT) {
            take_message(m, payload);
        } else if (op == GUEST_CLOSE) {
            m->lossy = true;
        }
    }
}

static void publish(struct member *m, unsigned self, struct sim_random *r)
{
    unsigned room = (unsigned)sim_random_below(r, ROOMS);
    char text[64];
    int n = snprintf(text, sizeof text, "p r%u m %u %u %u", room, self, room, m->numbers[room]++);
    guest_send(&m->guest, GUEST_TEXT, span_of(text, (size_t)n));
    m->published++;
}

static void subscribe_some(struct member *members, struct sim *s)
{
    for (unsigned i = 0; i < GUESTS; i++) {
        members[i] = (struct member){0};
        guest_join(&members[i].guest, s, PORT, "/conformance/pubsub", "");
        for (unsigned room = 0; room < ROOMS; room++) {
            if (sim_random_chance(sim_random(s), 60)) {
                char text[8];
                int n = snprintf(text, sizeof text, "s r%u", room);
                guest_send(&members[i].guest, GUEST_TEXT, span_of(text, (size_t)n));
                members[i].in[room] = true;
                members[i].oks_wanted++;
            }
        }
    }
    sim_settle(s);
    for (unsigned i = 0; i < GUESTS; i++) {
        read_all(&members[i]);
        SIM_CHECK(members[i].oks == members[i].oks_wanted);
    }
}

static void everything_published_arrived(const struct member *members)
{
    for (unsigned i = 0; i < GUESTS; i++) {
        for (unsigned from = 0; from < GUESTS; from++) {
            for (unsigned room = 0; room < ROOMS; room++) {
                unsigned wanted = members[i].in[room] ? members[from].numbers[room] : 0;
                SIM_CHECK(members[i].lossy || members[from].lossy ||
                          members[i].expected[from][room] == wanted);
            }
        }
    }
}

static void every_subscriber_gets_all_once_in_order(uint64_t seed)
{
    static struct member members[GUESTS];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    struct sim_random *r = sim_random(s);
    struct server v;
    server_start(&v, s, 10000);
    subscribe_some(members, s);
    for (unsigned left = GUESTS * PUBLISHED; left > 0;) {
        sim_step(s);
        unsigned i = (unsigned)sim_random_below(r, GUESTS);
        if (members[i].published < PUBLISHED && sim_random_chance(r, 50)) {
            publish(&members[i], i, r);
            left--;
        }
        sim_client_pause(members[i].guest.client, sim_random_chance(r, 30));
        read_all(&members[i]);
    }
    for (unsigned i = 0; i < GUESTS; i++) {
        sim_client_pause(members[i].guest.client, false);
    }
    sim_settle(s);
    for (unsigned i = 0; i < GUESTS; i++) {
        read_all(&members[i]);
        SIM_CHECK(!members[i].lossy && !guest_over(&members[i].guest));
    }
    everything_published_arrived(members);
    for (unsigned i = 0; i < GUESTS; i++) {
        guest_leave(&members[i].guest, sim_random_chance(r, 50));
    }
    server_stop(&v);
    sim_free(s);
}

static void guests_that_break_or_stall_cost_only_themselves(uint64_t seed)
{
    static struct member members[GUESTS];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    struct sim_random *r = sim_random(s);
    struct server v;
    server_start(&v, s, 5); /* who does not read is soon too slow */
    subscribe_some(members, s);
    for (unsigned i = 0; i < GUESTS / 2; i++) {
        sim_client_pause(members[i].guest.client, true);
        members[i].lossy = true;
    }
    for (unsigned left = GUESTS * PUBLISHED * 3; left > 0;) {
        sim_step(s);
        unsigned i = (unsigned)sim_random_below(r, GUESTS);
        if (i < GUESTS / 2 && sim_random_chance(r, 3)) {
            guest_leave(&members[i].guest, sim_random_chance(r, 50));
        }
        if (members[i].guest.client != NULL && sim_random_chance(r, 50)) {
            publish(&members[i], i, r);
            left--;
            sim_settle(s); /* the others keep up, so only the paused ones fall behind */
        }
        for (unsigned reader = GUESTS / 2; reader < GUESTS; reader++) {
            read_all(&members[reader]);
        }
    }
    sim_settle(s);
    for (unsigned i = GUESTS / 2; i < GUESTS; i++) {
        read_all(&members[i]);
        SIM_CHECK(!members[i].lossy && !guest_over(&members[i].guest));
    }
    everything_published_arrived(members);
    for (unsigned i = 0; i < GUESTS; i++) {
        guest_leave(&members[i].guest, i % 2 == 0);
    }
    server_stop(&v);
    sim_free(s);
}

static void a_breaking_network_leaves_nothing_behind(uint64_t seed)
{
    static struct member members[GUESTS];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    struct sim_random *r = sim_random(s);
    struct server v;
    server_start(&v, s, 50);
    subscribe_some(members, s);
    sim_set_faults(s, &(struct sim_faults){.resets_per_million = 20000, .emfile_percent = 30,
                                           .abort_percent = 20});
    for (unsigned steps = 0; steps < 4000; steps++) {
        sim_step(s);
        struct member *m = &members[sim_random_below(r, GUESTS)];
        if (guest_over(&m->guest) || sim_random_chance(r, 1)) {
            guest_leave(&m->guest, sim_random_chance(r, 50));
            guest_join(&m->guest, s, PORT, "/conformance/pubsub", "");
            guest_send(&m->guest, GUEST_TEXT, SPAN("s r0"));
        } else if (sim_random_chance(r, 50)) {
            guest_send(&m->guest, GUEST_TEXT, SPAN("p r0 hello"));
        }
        unsigned op;
        span payload;
        while (guest_next(&m->guest, &op, &payload)) {
        }
    }
    sim_set_faults(s, &(struct sim_faults){0});
    for (unsigned i = 0; i < GUESTS; i++) {
        guest_leave(&members[i].guest, sim_random_chance(r, 50));
    }
    server_stop(&v);
    sim_free(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"pipelined_requests_are_answered_in_order", pipelined_requests_are_answered_in_order, 60},
        {"websocket_echo_is_exact", websocket_echo_is_exact, 60},
        {"every_subscriber_gets_all_once_in_order", every_subscriber_gets_all_once_in_order, 60},
        {"guests_that_break_or_stall_cost_only_themselves",
         guests_that_break_or_stall_cost_only_themselves, 60},
        {"a_breaking_network_leaves_nothing_behind", a_breaking_network_leaves_nothing_behind, 60},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
