/*
 * Requests of one connection belong to different loops, and the connection goes from one to the
 * next with what its client has sent ahead, while the network dawdles or breaks and loops stop.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "net/move.h"
#include "net/net.h"
#include "sim/net.h"
#include "sim/sim.h"

#include <netinet/in.h>
#include <string.h>

#define PORT 3001
#define GUESTS 6
#define REQUESTS 12 /* of each guest */
#define BODY_MAX 3000
#define HELD_MAX 8  /* answers that wait at a loop */

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

struct server {
    struct sim *sim;
    struct net *nets[SIM_LOOPS_MAX];
    struct net_shared *shared;
    struct conn_ref held[SIM_LOOPS_MAX][HELD_MAX];
    unsigned held_count[SIM_LOOPS_MAX];
    unsigned abandoned;
};

static struct server v;

/* "/N/": loop N echoes the body, at once or later. */
static void on_request(struct http_exchange *x)
{
    unsigned here = loop_index(net_loop(conn_net(x->conn)));
    unsigned owner = (unsigned)x->path.ptr[1] - '0';
    SIM_CHECK(loop_current() == sim_loop(v.sim, here) && x->user == NULL);
    if (owner != here) {
        http_move(x, owner);
    } else if (sim_random_chance(sim_random(v.sim), 30) && v.held_count[here] < HELD_MAX) {
        v.held[here][v.held_count[here]++] = conn_ref_of(x->conn);
        if (sim_random_chance(sim_random(v.sim), 50)) {
            http_watch(x);
        }
    } else {
        http_respond(x, 200, "text/plain", x->body);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static void on_abandoned(struct http_exchange *x)
{
    SIM_CHECK(x->user == NULL);
    v.abandoned++;
}

static const struct http_handler handler = {
    .on_request = on_request, .on_refused = on_refused, .on_abandoned = on_abandoned};

static void answer_held(void *arg)
{
    unsigned i = *(unsigned *)arg;
    struct conn_ref ref = v.held[i][--v.held_count[i]];
    struct http_exchange *x = http_find(v.nets[i], ref);
    if (x != NULL) {
        http_respond(x, 200, "text/plain", x->body);
    }
}

static void server_start(struct sim *s)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    v = (struct server){.sim = s, .shared = mem_calloc(1, sizeof *v.shared)};
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        struct sockaddr_storage bound;
        v.nets[i] = net_new(&(struct net_conf){.loop = sim_loop(s, i), .limits = &limits,
                                               .shared = v.shared, .http = &handler});
        SIM_CHECK(net_listen(v.nets[i], (struct sockaddr *)&addr, sizeof addr, 0, &bound) == 0);
    }
}

static void stop_net(void *arg) { net_stop(arg); }

static bool no_conns(void *arg)
{
    unsigned count = 0;
    (void)arg;
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        count += net_count(v.nets[i]);
    }
    return count == 0 && v.shared->connections == 0;
}

/* Nothing is left, of those under way neither. */
static void server_stop(bool at_once)
{
    SIM_CHECK(at_once || sim_until(v.sim, no_conns, NULL, 60000));
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        net_stop(v.nets[i]);
    }
    SIM_CHECK(no_conns(NULL));
    SIM_CHECK(sim_net_open_count(sim_network(v.sim)) == 0);
    for (unsigned i = 0; i < ADDRS_ROW_SLOTS; i++) {
        SIM_CHECK(v.shared->addrs.counts[0][i] == 0);
    }
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        net_free(v.nets[i]);
    }
    mem_free(v.shared);
}

/* ---- guests ---- */

struct guest {
    struct sim_client *client;
    unsigned asked, answered;
    size_t sizes[REQUESTS];
    bool over; /* a broken one is not asked any more */
};

static void ask(struct guest *g, unsigned number)
{
    struct sim_random *r = sim_random(v.sim);
    buf out = {0};
    size_t size = (size_t)sim_random_size(r, BODY_MAX) - 1;
    unsigned owner = (unsigned)sim_random_below(r, sim_loop_count(v.sim));
    buf_printf(&out, "POST /%u/ HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", owner, size);
    memset(buf_reserve(&out, size), 'a' + (int)number, size);
    out.len += size;
    sim_client_send(g->client, buf_span(&out));
    g->sizes[number] = size;
    buf_deinit(&out);
}

static bool take_answer(struct guest *g)
{
    span in = sim_client_received(g->client);
    size_t size = g->sizes[g->answered];
    const uint8_t *end = in.len == 0 ? NULL : memmem(in.ptr, in.len, "\r\n\r\n", 4);
    if (end == NULL || in.len - (size_t)(end - in.ptr) - 4 < size) {
        return false;
    }
    SIM_CHECK(span_starts(in, SPAN("HTTP/1.1 200 ")));
    for (size_t i = 0; i < size; i++) {
        SIM_CHECK(end[4 + i] == 'a' + (int)g->answered);
    }
    sim_client_consume(g->client, (size_t)(end - in.ptr) + 4 + size);
    g->answered++;
    return true;
}

static void act(struct guest *g)
{
    struct sim_random *r = sim_random(v.sim);
    if (g->over) {
        return;
    }
    if (g->asked < REQUESTS && sim_random_chance(r, 10)) {
        ask(g, g->asked++);
    }
    sim_client_pause(g->client, sim_random_chance(r, 5));
    while (g->answered < g->asked && take_answer(g)) {
    }
}

static void release_held(void)
{
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        if (v.held_count[i] > 0 && sim_random_chance(sim_random(v.sim), 10)) {
            sim_on_loop(v.sim, i, answer_held, &i);
        }
    }
}

static void every_request_is_answered_by_its_loop_in_order(uint64_t seed)
{
    struct guest guests[GUESTS] = {0};
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    server_start(s);
    for (unsigned i = 0; i < GUESTS; i++) {
        guests[i].client = sim_connect(s, PORT);
        SIM_CHECK(guests[i].client != NULL);
    }
    unsigned done = 0;
    for (unsigned steps = 0; done < GUESTS; steps++) {
        SIM_CHECK(steps < 500000);
        sim_step(s);
        release_held();
        done = 0;
        for (unsigned i = 0; i < GUESTS; i++) {
            act(&guests[i]);
            done += guests[i].answered == REQUESTS;
            SIM_CHECK(!sim_client_ended(guests[i].client));
        }
    }
    SIM_CHECK(v.abandoned == 0);
    for (unsigned i = 0; i < GUESTS; i++) {
        SIM_CHECK(sim_client_received(guests[i].client).len == 0);
        sim_client_close(guests[i].client);
    }
    server_stop(false);
    sim_free(s);
}

/* Guests leave or are reset, loops stop one after another while others still send to them. */
static void what_breaks_on_the_way_leaves_nothing_behind(uint64_t seed)
{
    struct guest guests[GUESTS] = {0};
    struct sim_faults faults = {.resets_per_million = 3000, .abort_percent = 5};
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed, .faults = faults});
    struct sim_random *r = sim_random(s);
    server_start(s);
    for (unsigned i = 0; i < GUESTS; i++) {
        guests[i].client = sim_connect(s, PORT);
    }
    unsigned stopping = 0;
    for (unsigned steps = 0; steps < 4000; steps++) {
        sim_step(s);
        release_held();
        for (unsigned i = 0; i < GUESTS; i++) {
            struct guest *g = &guests[i];
            act(g);
            if (!g->over && (sim_client_ended(g->client) || sim_random_below(r, 3000) == 0)) {
                g->over = true;
                sim_client_close(g->client);
            }
        }
        if (stopping < sim_loop_count(s) && steps > 2000 && sim_random_below(r, 200) == 0) {
            v.held_count[stopping] = 0;
            stop_net(v.nets[stopping++]);
        }
    }
    for (unsigned i = 0; i < GUESTS; i++) {
        if (!guests[i].over) {
            sim_client_abort(guests[i].client);
        }
    }
    server_stop(true);
    sim_free(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"every_request_is_answered_by_its_loop_in_order",
         every_request_is_answered_by_its_loop_in_order, 100},
        {"what_breaks_on_the_way_leaves_nothing_behind",
         what_breaks_on_the_way_leaves_nothing_behind, 200},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
