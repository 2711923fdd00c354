/*
 * The hub's classes over loops, mail and sockets in every order, with readers that stall and
 * connections that break. State: values never go back, and who still listens has the newest in
 * the end, however slow it was. Ordered: no number is missing or doubled until the reader is
 * closed, and then with 1013. At the end no home counts a subscriber.
 */
#include "base/mem.h"
#include "edge/edge.h"
#include "sim/guest.h"
#include "sim/net.h"
#include "sim/sim.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 3001
#define TOPICS 3    /* of state; fewer than the outbox holds, so nobody is closed for them */
#define QUEUE_MAX 6 /* messages that wait for a slow reader */
#define GUESTS 8
#define CHANGES 150

/* ---- the server: a source of values at each topic's home ---- */

struct server {
    struct sim *sim;
    struct edge_conf conf;
    struct edge edges[SIM_LOOPS_MAX];
    struct edge *peers[SIM_LOOPS_MAX];
    struct hub *hubs[SIM_LOOPS_MAX];
    struct net_shared *shared;
    unsigned newest[TOPICS];
    unsigned ordered; /* number of the next ordered event */
};

static struct server v;

static unsigned topic_home(unsigned topic) { return topic * 5 % sim_loop_count(v.sim); }

static span state_name(unsigned topic, char text[8])
{
    return span_of(text, (size_t)snprintf(text, 8, "v/%u", topic));
}

static struct blob *value_blob(unsigned topic)
{
    char text[32];
    int len = snprintf(text, sizeof text, "v %u %u", topic, v.newest[topic]);
    return blob_new(BLOB_STATE, 1, 0, span_of(text, (size_t)len));
}

static void on_subscribe(struct topic *t, struct hub_ticket who, void *arg)
{
    unsigned topic = (unsigned)(topic_name(t).ptr[2] - '0');
    hub_reply(arg, who, value_blob(topic));
}

static const struct topic_owner owner = {.on_subscribe = on_subscribe};

/* "v": all topics of state; "o": the ordered one. */
static void on_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct edge *e = edge_of(c);
    if (span_eq(payload, SPAN("o"))) {
        hub_subscribe(e->hub, conn_slot(c), topic_home(1), SPAN("ordered"));
        return;
    }
    for (unsigned topic = 0; topic < TOPICS; topic++) {
        char text[8];
        hub_subscribe(e->hub, conn_slot(c), topic_home(topic), state_name(topic, text));
    }
}

static void on_close(struct conn *c, close_reason reason) { edge_leave(edge_of(c), c); }

static const struct ws_wire wire = {
    .name = "watch",
    .limits = {.message_bytes_max = 100, .fragments_max = 1},
    .on_message = on_message,
    .on_writable = edge_on_writable,
    .on_close = on_close,
};

static void on_request(struct http_exchange *x)
{
    struct edge *e = edge_of(x->conn);
    struct conn *c = ws_upgrade(x, &wire, NULL, SPAN_NONE);
    if (c != NULL) {
        edge_join(e, c, WIRE_TEXT, QUEUE_MAX);
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
    .close_wait_ms = 20000,
};

static void server_start(struct sim *s)
{
    v = (struct server){.sim = s, .conf = {.outbox_messages_max = 100, .outbox_bytes_max = 4096}};
    v.shared = mem_calloc(1, sizeof *v.shared);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        struct edge *e = &v.edges[i];
        v.peers[i] = e;
        *e = (struct edge){.conf = &v.conf, .loop = sim_loop(s, i), .peers = v.peers};
        edge_init(e, sim_post(s), v.hubs);
        hub_own(e->hub, SPAN("v/"), &owner, e->hub);
        e->net = net_new(&(struct net_conf){.loop = e->loop, .limits = &limits,
                                            .shared = v.shared, .http = &handler, .user = e});
        struct sockaddr_storage bound;
        SIM_CHECK(net_listen(e->net, (struct sockaddr *)&addr, sizeof addr, 0, &bound) == 0);
    }
}

static bool no_conns(void *arg)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        count += net_count(v.edges[i].net);
    }
    return count == 0;
}

static void server_stop(void)
{
    SIM_CHECK(sim_until(v.sim, no_conns, NULL, 120000));
    sim_settle(v.sim);
    SIM_CHECK(sim_net_open_count(sim_network(v.sim)) == 0 && v.shared->connections == 0);
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        char text[8];
        for (unsigned topic = 0; topic < TOPICS; topic++) {
            SIM_CHECK(hub_topic(v.hubs[i], state_name(topic, text)) == NULL);
        }
        SIM_CHECK(hub_topic(v.hubs[i], SPAN("ordered")) == NULL);
        SIM_CHECK(hub_stats(v.hubs[i])->subscriptions == 0);
        SIM_CHECK(hub_stats(v.hubs[i])->topics == 0);
        SIM_CHECK(hub_stats(v.hubs[i])->outbox_bytes == 0);
        net_free(v.edges[i].net);
    }
    for (unsigned i = 0; i < sim_loop_count(v.sim); i++) {
        edge_deinit(&v.edges[i]);
    }
    mem_free(v.shared);
}

static void change(void *arg)
{
    unsigned topic = *(unsigned *)arg;
    char text[8];
    v.newest[topic]++;
    hub_publish(v.hubs[topic_home(topic)], topic_home(topic), state_name(topic, text),
                value_blob(topic));
}

static void next_ordered(void *arg)
{
    char text[32];
    int len = snprintf(text, sizeof text, "o %u", v.ordered++);
    unsigned from = *(unsigned *)arg; /* one loop publishes all: its order is kept */
    hub_publish(v.hubs[from], topic_home(1), SPAN("ordered"),
                blob_new(BLOB_ORDERED, 2, 0, span_of(text, (size_t)len)));
}

/* ---- the guests ---- */

struct watcher {
    struct guest guest;
    bool ordered;
    bool seen[TOPICS];
    unsigned value[TOPICS];
    bool counting;
    unsigned expected;
    int closed; /* code of the server's close frame, 0 before */
};

static void take(struct watcher *w, span text)
{
    char copy[64];
    SIM_CHECK(text.len < sizeof copy);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    unsigned topic, number;
    if (sscanf(copy, "v %u %u", &topic, &number) == 2) {
        SIM_CHECK(!w->ordered && topic < TOPICS);
        SIM_CHECK(!w->seen[topic] || number >= w->value[topic]);
        w->seen[topic] = true;
        w->value[topic] = number;
    } else {
        SIM_CHECK(w->ordered && sscanf(copy, "o %u", &number) == 1);
        SIM_CHECK(!w->counting || number == w->expected);
        w->counting = true;
        w->expected = number + 1;
    }
}

static void read_all(struct watcher *w)
{
    unsigned op;
    span payload;
    while (w->guest.client != NULL && guest_next(&w->guest, &op, &payload)) {
        SIM_CHECK(w->closed == 0);
        if (op == GUEST_CLOSE) {
            SIM_CHECK(payload.len >= 2);
            w->closed = payload.ptr[0] << 8 | payload.ptr[1];
        } else {
            take(w, payload);
        }
    }
}

static void arrive(struct watcher *w, bool ordered)
{
    *w = (struct watcher){.ordered = ordered};
    guest_join(&w->guest, v.sim, PORT, "/", "");
    guest_send(&w->guest, GUEST_TEXT, ordered ? SPAN("o") : SPAN("v"));
}

/* Over, perhaps in the middle of a frame. */
static bool gone(struct watcher *w)
{
    return guest_over(&w->guest) || sim_client_broken(w->guest.client);
}

/* Changes and events at random moments, guests that stall, leave and come. */
static void live(struct watcher *w, struct sim *s, unsigned publisher)
{
    struct sim_random *r = sim_random(s);
    for (unsigned left = CHANGES; left > 0;) {
        sim_step(s);
        struct watcher *one = &w[sim_random_below(r, GUESTS)];
        if (sim_random_chance(r, 20)) {
            unsigned topic = (unsigned)sim_random_below(r, TOPICS);
            sim_on_loop(s, topic_home(topic), change, &topic);
            left--;
        }
        if (sim_random_chance(r, 15)) {
            sim_on_loop(s, publisher, next_ordered, &publisher);
        }
        if (sim_random_chance(r, 10)) {
            sim_client_pause(one->guest.client, sim_random_chance(r, 70));
        }
        if (sim_random_chance(r, 50)) {
            read_all(one);
        }
        if (gone(one) || sim_random_chance(r, 1)) {
            guest_leave(&one->guest, sim_random_chance(r, 50));
            arrive(one, one->ordered);
        }
    }
}

static void run(uint64_t seed, bool breaking)
{
    static struct watcher w[GUESTS];
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    server_start(s);
    for (unsigned i = 0; i < GUESTS; i++) {
        arrive(&w[i], i % 2 == 1);
    }
    if (breaking) {
        sim_set_faults(s, &(struct sim_faults){.resets_per_million = 5000, .abort_percent = 5});
    }
    live(w, s, (unsigned)sim_random_below(sim_random(s), sim_loop_count(s)));
    sim_set_faults(s, &(struct sim_faults){0});
    for (unsigned i = 0; i < GUESTS; i++) {
        sim_client_pause(w[i].guest.client, false);
    }
    sim_settle(s);
    for (unsigned i = 0; i < GUESTS; i++) {
        read_all(&w[i]);
        sim_settle(s);
        read_all(&w[i]);
        bool over = gone(&w[i]);
        bool told = w[i].closed == close_code(CLOSE_SLOW);
        SIM_CHECK(breaking || told || (!over && w[i].closed == 0));
        SIM_CHECK(breaking || w[i].ordered || !over);
        for (unsigned topic = 0; topic < TOPICS && !w[i].ordered && !over; topic++) {
            SIM_CHECK(w[i].seen[topic] && w[i].value[topic] == v.newest[topic]);
        }
        if (w[i].ordered && !over && w[i].closed == 0 && w[i].counting) {
            SIM_CHECK(w[i].expected == v.ordered);
        }
    }
    for (unsigned i = 0; i < GUESTS; i++) {
        guest_leave(&w[i].guest, i % 3 == 0);
    }
    server_stop();
    sim_free(s);
}

static void slow_readers_get_the_newest_or_are_told(uint64_t seed) { run(seed, false); }
static void broken_connections_leave_no_subscriber_behind(uint64_t seed) { run(seed, true); }

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"slow_readers_get_the_newest_or_are_told", slow_readers_get_the_newest_or_are_told, 80},
        {"broken_connections_leave_no_subscriber_behind",
         broken_connections_leave_no_subscriber_behind, 80},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
