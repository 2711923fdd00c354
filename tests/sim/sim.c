/* See sim.h: the scheduler, the clock and the mail service. */
#include "sim/sim.h"

#include "base/mem.h"
#include "sim/net.h"

#include <stddef.h>

#define NS_PER_MS 1000000
#define WALL_START_MS INT64_C(1752701400000) /* 2025-07-16T21:30:00Z */
#define STEPS_MAX 1000000 /* a settle that takes more is a livelock */

/* Mail on its way from one loop to another, oldest first. */
struct route {
    struct mail *first;
    struct mail **tail;
    unsigned count;
};

struct sim {
    struct sim_random random;
    uint64_t trace;
    struct clock clock;
    uint64_t now_ns;
    struct courier courier;
    struct sim_source mail;
    struct route routes[SIM_LOOPS_MAX][SIM_LOOPS_MAX]; /* from, to */
    unsigned carried;                                  /* the sum of their counts */
    struct sim_net *net;
    unsigned loop_count;
    struct loop *loops[SIM_LOOPS_MAX];
    struct post *post;
    struct list sources;
};

/* ---- clock ---- */

static uint64_t mono_ns(struct clock *c) { return CONTAINER_OF(c, struct sim, clock)->now_ns; }

static int64_t wall_ms(struct clock *c)
{
    return WALL_START_MS + (int64_t)(mono_ns(c) / NS_PER_MS);
}

/* ---- mail ---- */

static void carry(struct courier *c, unsigned from, unsigned to, struct mail *first)
{
    struct sim *s = CONTAINER_OF(c, struct sim, courier);
    struct route *r = &s->routes[from][to];
    *r->tail = first;
    while (*r->tail != NULL) {
        r->tail = &(*r->tail)->next;
        r->count++;
        s->carried++;
    }
}

static unsigned routes_with_mail(struct sim *s, unsigned out[SIM_LOOPS_MAX * SIM_LOOPS_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_LOOPS_MAX * SIM_LOOPS_MAX; i++) {
        if (s->routes[i / SIM_LOOPS_MAX][i % SIM_LOOPS_MAX].count > 0) {
            out[count++] = i;
        }
    }
    return count;
}

/* Asked at every step, so it walks no routes. */
static bool mail_ready(struct sim_source *self)
{
    return CONTAINER_OF(self, struct sim, mail)->carried > 0;
}

/* Some of the oldest mail of one route arrives. */
static void mail_act(struct sim_source *self)
{
    struct sim *s = CONTAINER_OF(self, struct sim, mail);
    unsigned found[SIM_LOOPS_MAX * SIM_LOOPS_MAX];
    unsigned pick = found[sim_random_below(&s->random, routes_with_mail(s, found))];
    struct route *r = &s->routes[pick / SIM_LOOPS_MAX][pick % SIM_LOOPS_MAX];
    uint64_t take = sim_random_size(&s->random, r->count);
    struct mail *first = r->first;
    struct mail *last = first;
    for (uint64_t i = 1; i < take; i++) {
        last = last->next;
    }
    r->first = last->next;
    r->count -= (unsigned)take;
    s->carried -= (unsigned)take;
    if (r->first == NULL) {
        r->tail = &r->first;
    }
    last->next = NULL;
    loop_deliver(s->loops[pick % SIM_LOOPS_MAX], first);
}

/* ---- life ---- */

struct sim *sim_new(const struct sim_conf *conf)
{
    struct sim *s = mem_calloc(1, sizeof *s);
    s->random.state = conf->seed;
    s->now_ns = UINT64_C(1000) * NS_PER_MS;
    s->clock = (struct clock){.wall_ms = wall_ms, .mono_ns = mono_ns};
    s->courier.carry = carry;
    s->loop_count = conf->loop_count != 0
                        ? conf->loop_count
                        : 1 + (unsigned)sim_random_below(&s->random, SIM_LOOPS_MAX);
    SIM_CHECK(s->loop_count <= SIM_LOOPS_MAX);
    for (unsigned i = 0; i < SIM_LOOPS_MAX * SIM_LOOPS_MAX; i++) {
        struct route *r = &s->routes[i / SIM_LOOPS_MAX][i % SIM_LOOPS_MAX];
        r->tail = &r->first;
    }
    list_init(&s->sources);
    s->net = sim_net_new(&s->random);
    sim_net_set_faults(s->net, &conf->faults);
    sim_add_source(s, sim_net_source(s->net));
    s->mail = (struct sim_source){.ready = mail_ready, .act = mail_act};
    sim_add_source(s, &s->mail);
    for (unsigned i = 0; i < s->loop_count; i++) {
        s->loops[i] = loop_new(
            &(struct loop_conf){
                .index = i,
                .count = s->loop_count,
                .clock = &s->clock,
                .poller = sim_net_poller(s->net, i),
                .events_max = (unsigned)sim_random_size(&s->random, 64),
                .mail_max = (unsigned)sim_random_size(&s->random, 256),
                .courier = &s->courier,
            },
            s->loops);
    }
    s->post = loop_post_port(s->loops, s->loop_count);
    return s;
}

void sim_free(struct sim *s)
{
    for (unsigned i = 0; i < s->loop_count; i++) {
        loop_free(s->loops[i]);
    }
    loop_post_port_free(s->post);
    sim_net_free(s->net);
    mem_free(s);
}

unsigned sim_loop_count(const struct sim *s) { return s->loop_count; }
struct loop *sim_loop(struct sim *s, unsigned i) { return s->loops[i]; }
struct loop **sim_loops(struct sim *s) { return s->loops; }
struct clock *sim_clock(struct sim *s) { return &s->clock; }
struct post *sim_post(struct sim *s) { return s->post; }
struct sim_random *sim_random(struct sim *s) { return &s->random; }
struct sim_net *sim_network(struct sim *s) { return s->net; }
uint64_t sim_trace(const struct sim *s) { return s->trace; }

void sim_set_faults(struct sim *s, const struct sim_faults *faults)
{
    sim_net_set_faults(s->net, faults);
}

void sim_add_source(struct sim *s, struct sim_source *source)
{
    list_push(&s->sources, &source->link);
}

/* ---- the scheduler ---- */

static bool loop_runnable(struct sim *s, unsigned i)
{
    return loop_wait_ns(s->loops[i]) == 0 || sim_net_ready(s->net, i);
}

/* Time until the next timer of any loop, -1 when there is none. */
static int64_t next_timer_ns(struct sim *s)
{
    int64_t next = -1;
    for (unsigned i = 0; i < s->loop_count; i++) {
        int64_t wait = loop_wait_ns(s->loops[i]);
        if (wait >= 0 && (next < 0 || wait < next)) {
            next = wait;
        }
    }
    return next;
}

/* Lets one of the things happen that can happen now; false when there is none. */
static bool act_now(struct sim *s)
{
    unsigned loops[SIM_LOOPS_MAX];
    struct sim_source *sources[32];
    unsigned loop_count = 0, source_count = 0;
    for (unsigned i = 0; i < s->loop_count; i++) {
        if (loop_runnable(s, i) || sim_random_chance(&s->random, 1)) {
            loops[loop_count++] = i;
        }
    }
    LIST_EACH(it, &s->sources) {
        struct sim_source *source = LIST_ITEM(it, struct sim_source, link);
        if (source_count < ARRAY_LEN(sources) && source->ready(source)) {
            sources[source_count++] = source;
        }
    }
    if (loop_count + source_count == 0) {
        return false;
    }
    unsigned pick = (unsigned)sim_random_below(&s->random, loop_count + source_count);
    s->trace = (s->trace ^ pick ^ s->now_ns) * UINT64_C(0x100000001b3);
    if (pick < loop_count) {
        loop_turn(s->loops[loops[pick]], 0);
    } else {
        sources[pick - loop_count]->act(sources[pick - loop_count]);
    }
    return true;
}

static bool anything_now(struct sim *s)
{
    for (unsigned i = 0; i < s->loop_count; i++) {
        if (loop_runnable(s, i)) {
            return true;
        }
    }
    LIST_EACH(it, &s->sources) {
        struct sim_source *source = LIST_ITEM(it, struct sim_source, link);
        if (source->ready(source)) {
            return true;
        }
    }
    return false;
}

bool sim_step(struct sim *s)
{
    if (sim_random_chance(&s->random, 5)) {
        s->now_ns += sim_random_size(&s->random, NS_PER_MS);
    }
    if (act_now(s)) {
        return true;
    }
    int64_t next = next_timer_ns(s);
    if (next < 0) {
        return false;
    }
    s->now_ns += (uint64_t)next;
    return true;
}

bool sim_until(struct sim *s, bool (*done)(void *arg), void *arg, int64_t ms_max)
{
    uint64_t end_ns = s->now_ns + (uint64_t)ms_max * NS_PER_MS;
    while (!done(arg)) {
        if (s->now_ns > end_ns || !sim_step(s)) {
            return false;
        }
    }
    return true;
}

void sim_run_ms(struct sim *s, int64_t ms)
{
    uint64_t end_ns = s->now_ns + (uint64_t)ms * NS_PER_MS;
    while (s->now_ns < end_ns) {
        if (act_now(s)) {
            s->now_ns += sim_random_chance(&s->random, 5)
                             ? sim_random_size(&s->random, NS_PER_MS)
                             : 0;
            continue;
        }
        int64_t next = next_timer_ns(s);
        uint64_t left = end_ns - s->now_ns;
        s->now_ns += next < 0 || (uint64_t)next > left ? left : (uint64_t)next;
    }
}

void sim_settle(struct sim *s)
{
    for (unsigned steps = 0; anything_now(s); steps++) {
        SIM_CHECK(steps < STEPS_MAX);
        (void)act_now(s);
    }
}

struct call {
    struct mail mail;
    void (*call)(void *arg);
    void *arg;
    bool done;
};

static void run_call(struct mail *m)
{
    struct call *c = CONTAINER_OF(m, struct call, mail);
    c->call(c->arg);
    c->done = true;
}

void sim_on_loop(struct sim *s, unsigned i, void (*call)(void *arg), void *arg)
{
    struct call c = {.mail = {.run = run_call}, .call = call, .arg = arg};
    loop_post_foreign(s->loops[i], &c.mail);
    for (unsigned turns = 0; !c.done; turns++) {
        SIM_CHECK(turns < STEPS_MAX);
        loop_turn(s->loops[i], 0);
    }
}
