/*
 * Topics and patterns over loops, with mail in every order and members that come, go, block and
 * change what they listen to. Each home numbers what is published there; a subscription is
 * answered with the number reached, by its owner at the home. A model knows from that what each
 * member must get: everything after the answer that its subscriptions match, once, in the order of
 * the home; nothing before the answer, and nothing that it does not listen to.
 */
#include "base/mem.h"
#include "hub/hub.h"
#include "hub/pattern.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS 4 /* of each loop */
#define STEPS 1500
#define EVENTS_MAX 16384
#define LINE_MAX 32
#define WINDOW_NS 500000

static const char *const topics[] = {"d/1/t", "d/2/t", "d/1/c", "r/1", "d/3/t/x", "r/+"};
static const char *const wishes[] = {"d/1/t", "r/1",     "d/+/t", "d/1/+", "+/1",
                                     "+/+/t", "d/3/+/x", "r/+",   "+/+",   "d/2/+"};
#define TOPICS ARRAY_LEN(topics)
#define WISHES ARRAY_LEN(wishes)

/* What a member asked of one name, as its stream of messages tells. */
struct wish {
    bool on;
    unsigned tries;                  /* subscriptions so far */
    unsigned answers[SIM_LOOPS_MAX]; /* to them, by home; the newest counts when all have come */
    unsigned after[SIM_LOOPS_MAX];   /* the number in the last answer */
};

struct listener {
    bool open;
    bool asked[WISHES]; /* now; the stream tells it later */
    uint32_t gen;
    bool blocked;
    buf rest; /* of a message that was begun */
    buf got;
    struct wish wishes[WISHES];
    unsigned last[SIM_LOOPS_MAX]; /* number of the newest message, by home */
};

struct station {
    struct hub_sink sink;
    struct loop_hook hook;
    struct hub *hub;
    unsigned index;
    unsigned number;             /* of what is published here */
    uint8_t log[EVENTS_MAX];     /* the topic of each */
    struct listener listeners[MEMBERS];
};

static struct {
    struct sim *sim;
    unsigned loops;
    struct station stations[SIM_LOOPS_MAX];
    struct hub *hubs[SIM_LOOPS_MAX];
    unsigned received;
    uint64_t window_ns;
    unsigned held; /* turns that left something waiting */
} v;

/* ---- members' sockets ---- */

static size_t sink_send(struct hub_sink *s, uint32_t member, const struct iovec *iov, int count)
{
    struct listener *l = &CONTAINER_OF(s, struct station, sink)->listeners[member];
    SIM_CHECK(l->open && count == 1);
    if (l->blocked) {
        return 0;
    }
    SIM_CHECK(l->rest.len == 0);
    size_t taken = iov->iov_len;
    if (sim_random_chance(sim_random(v.sim), 10)) {
        taken = sim_random_below(sim_random(v.sim), iov->iov_len);
        l->blocked = true;
    }
    buf_append(&l->got, iov->iov_base, taken);
    return taken;
}

static void sink_rest(struct hub_sink *s, uint32_t member, span bytes)
{
    struct listener *l = &CONTAINER_OF(s, struct station, sink)->listeners[member];
    SIM_CHECK(l->blocked && l->rest.len == 0);
    buf_append_span(&l->rest, bytes);
}

static void sink_encode(struct hub_sink *s, unsigned wire, const struct blob *b, buf *out)
{
    buf_append_span(out, blob_payload(b));
    buf_append_byte(out, '\n');
}

static void sink_close(struct hub_sink *s, uint32_t member, close_reason reason)
{
    SIM_CHECK(!"outboxes are large enough");
}

/* ---- what members must get ---- */

static bool matches(const char *wish, const char *topic)
{
    if (pattern_is(span_str(wish))) {
        return pattern_match(span_str(wish), span_str(topic));
    }
    return strcmp(wish, topic) == 0;
}

/* Whether the member must get message `n` of a home. */
static bool owed(const struct listener *l, unsigned home, unsigned n)
{
    const char *topic = topics[v.stations[home].log[n]];
    for (unsigned i = 0; i < WISHES; i++) {
        const struct wish *wish = &l->wishes[i];
        if (wish->on && wish->answers[home] == wish->tries && n > wish->after[home] &&
            matches(wishes[i], topic)) {
            return true;
        }
    }
    return false;
}

/* Nothing that is owed was left out up to `n`. */
static void come_to(struct listener *l, unsigned home, unsigned n)
{
    SIM_CHECK(n <= v.stations[home].number);
    for (; l->last[home] < n; l->last[home]++) {
        SIM_CHECK(!owed(l, home, l->last[home] + 1));
    }
}

static void take_line(struct listener *l, const char *line)
{
    char kind;
    unsigned home, n, which;
    SIM_CHECK(sscanf(line, "%c %u %u %u", &kind, &home, &which, &n) == 4);
    struct wish *wish = &l->wishes[which];
    switch (kind) {
    case 'M':
        SIM_CHECK(n > l->last[home] && v.stations[home].log[n] == which);
        come_to(l, home, n - 1);
        SIM_CHECK(owed(l, home, n));
        l->last[home] = n;
        v.received++;
        break;
    case 'A':
        come_to(l, home, n);
        wish->answers[home]++;
        SIM_CHECK(wish->answers[home] <= wish->tries);
        wish->after[home] = n;
        break;
    case 'S':
        SIM_CHECK(!wish->on);
        wish->on = true;
        wish->tries++;
        break;
    default:
        SIM_CHECK(kind == 'U' && wish->on);
        wish->on = false; /* up to here it was owed */
    }
}

static void read_all(struct listener *l)
{
    const uint8_t *end;
    while (l->got.len > 0 && (end = memchr(l->got.ptr, '\n', l->got.len)) != NULL) {
        char line[LINE_MAX];
        size_t len = (size_t)(end - l->got.ptr);
        SIM_CHECK(len < sizeof line);
        memcpy(line, l->got.ptr, len);
        line[len] = '\0';
        buf_consume(&l->got, len + 1);
        take_line(l, line);
    }
}

/* ---- the homes ---- */

static unsigned topic_home(unsigned topic)
{
    return topics[topic][0] == 'r' ? 0 : topic * 5 % v.loops;
}

static unsigned wish_home(unsigned wish)
{
    if (strchr(wishes[wish], '+') != NULL) {
        return wishes[wish][0] == 'r' ? 0 : HUB_EVERY_HOME;
    }
    for (unsigned i = 0; i < TOPICS; i++) {
        if (strcmp(topics[i], wishes[wish]) == 0) {
            return topic_home(i);
        }
    }
    abort();
}

static span line(char text[LINE_MAX], char kind, unsigned home, unsigned which, unsigned n)
{
    return span_of(text, (size_t)snprintf(text, LINE_MAX, "%c %u %u %u", kind, home, which, n));
}

static void answer(struct station *home, struct hub_ticket who, span name)
{
    char text[LINE_MAX];
    for (unsigned i = 0; i < WISHES; i++) {
        if (span_eq(name, span_str(wishes[i]))) {
            span payload = line(text, 'A', home->index, i, home->number);
            hub_reply(home->hub, who, blob_new(BLOB_ORDERED, 1, 0, payload));
            return;
        }
    }
    abort();
}

static void on_subscribe(struct topic *t, struct hub_ticket who, void *arg)
{
    answer(arg, who, topic_name(t));
}

static void on_subscribe_pattern(struct hub *h, span pattern, struct hub_ticket who, void *arg)
{
    struct station *home = arg;
    SIM_CHECK(home->hub == h);
    answer(home, who, pattern);
}

static const struct topic_owner owner = {.on_subscribe = on_subscribe,
                                         .on_subscribe_pattern = on_subscribe_pattern};

static void publish(void *arg)
{
    unsigned topic = *(unsigned *)arg;
    struct station *home = &v.stations[topic_home(topic)];
    char text[LINE_MAX];
    home->log[++home->number] = (uint8_t)topic;
    span payload = line(text, 'M', home->index, topic, home->number);
    hub_publish(home->hub, home->index, span_str(topics[topic]),
                blob_new(BLOB_ORDERED, 1, 0, payload));
}

static void turn_end(struct loop_hook *hook)
{
    struct station *st = CONTAINER_OF(hook, struct station, hook);
    struct loop *l = sim_loop(v.sim, st->index);
    int64_t wait_ns = hub_turn_pause(st->hub, loop_now_ns(l), v.window_ns);
    if (wait_ns >= 0) {
        v.held++;
        loop_wake_in(l, (uint64_t)wait_ns);
    }
}

/* ---- what members do; on their loop ---- */

struct act {
    struct station *station;
    uint32_t member;
    unsigned wish;
};

static struct listener *listener_of(const struct act *a)
{
    return &a->station->listeners[a->member];
}

/* Changes its mind about a name, and says so in its own stream. */
static void change_wish(void *arg)
{
    struct act *a = arg;
    struct listener *l = listener_of(a);
    struct hub *h = a->station->hub;
    span name = span_str(wishes[a->wish]);
    char text[LINE_MAX];
    span said = line(text, l->asked[a->wish] ? 'U' : 'S', 0, a->wish, 0);
    text[said.len] = '\n';
    SIM_CHECK(hub_subscribed(h, a->member, name) == l->asked[a->wish]);
    hub_send_bytes(h, a->member, span_of(text, said.len + 1), BLOB_ORDERED);
    if (l->asked[a->wish]) {
        SIM_CHECK(hub_unsubscribe(h, a->member, wish_home(a->wish), name));
    } else {
        SIM_CHECK(hub_subscribe(h, a->member, wish_home(a->wish), name));
    }
    l->asked[a->wish] = !l->asked[a->wish];
}

static void unblock(void *arg)
{
    struct act *a = arg;
    struct listener *l = listener_of(a);
    l->blocked = false;
    buf_append_span(&l->got, buf_span(&l->rest));
    buf_clear(&l->rest);
    hub_writable(a->station->hub, a->member);
}

static void open_or_close(void *arg)
{
    struct act *a = arg;
    struct listener *l = listener_of(a);
    if (l->open) {
        hub_member_close(a->station->hub, a->member);
        read_all(l);
        buf_deinit(&l->got);
        buf_deinit(&l->rest);
        *l = (struct listener){.gen = l->gen};
    } else {
        l->open = true;
        hub_member_open(a->station->hub, a->member, ++l->gen, 0, 0);
    }
}

/* ---- runs ---- */

static void start(struct sim *s)
{
    v.sim = s;
    v.loops = sim_loop_count(s);
    v.received = 0;
    v.held = 0;
    v.window_ns = 0;
    for (unsigned i = 0; i < v.loops; i++) {
        struct station *st = &v.stations[i];
        *st = (struct station){.index = i, .hook = {turn_end}};
        st->sink = (struct hub_sink){
            .send = sink_send, .rest = sink_rest, .encode = sink_encode, .close = sink_close};
        st->hub = hub_new(&(struct hub_conf){.loop = i,
                                             .post = sim_post(s),
                                             .sink = &st->sink,
                                             .outbox_messages_max = UINT16_MAX,
                                             .outbox_bytes_max = 1u << 24,
                                             .peers = v.hubs});
        v.hubs[i] = st->hub;
        hub_own(st->hub, SPAN(""), &owner, st);
        loop_add_hook(sim_loop(s, i), &st->hook);
    }
}

static struct act pick(struct sim_random *r)
{
    return (struct act){.station = &v.stations[sim_random_below(r, v.loops)],
                        .member = (uint32_t)sim_random_below(r, MEMBERS),
                        .wish = (unsigned)sim_random_below(r, WISHES)};
}

static void live(struct sim *s, unsigned steps, unsigned publish_percent)
{
    struct sim_random *r = sim_random(s);
    for (unsigned i = 0; i < steps; i++) {
        struct act a = pick(r);
        struct listener *l = listener_of(&a);
        unsigned loop = a.station->index;
        sim_step(s);
        if (sim_random_chance(r, publish_percent)) {
            unsigned topic = (unsigned)sim_random_below(r, TOPICS);
            sim_on_loop(s, topic_home(topic), publish, &topic);
        }
        if (!l->open || sim_random_chance(r, 1)) {
            sim_on_loop(s, loop, open_or_close, &a);
        } else if (sim_random_chance(r, 30)) {
            sim_on_loop(s, loop, change_wish, &a);
        } else if (l->blocked && sim_random_chance(r, 30)) {
            sim_on_loop(s, loop, unblock, &a);
        }
        read_all(l);
    }
}

/* Until nothing moves and nothing waits for its window. */
static void settle(struct sim *s)
{
    sim_settle(s);
    sim_run_ms(s, 1);
    sim_settle(s);
}

/* Every member gets what it is still owed. */
static void wind_up(struct sim *s)
{
    settle(s);
    for (unsigned i = 0; i < v.loops * MEMBERS; i++) {
        struct act a = {.station = &v.stations[i / MEMBERS], .member = i % MEMBERS};
        struct listener *l = listener_of(&a);
        while (l->open && l->blocked) {
            sim_on_loop(s, a.station->index, unblock, &a);
            settle(s);
        }
        read_all(l);
        SIM_CHECK(l->got.len == 0);
        for (unsigned home = 0; home < v.loops && l->open; home++) {
            come_to(l, home, v.stations[home].number);
        }
        for (unsigned wish = 0; wish < WISHES; wish++) {
            SIM_CHECK(l->wishes[wish].on == l->asked[wish]);
        }
    }
}

static void stop(struct sim *s)
{
    for (unsigned i = 0; i < v.loops * MEMBERS; i++) {
        struct act a = {.station = &v.stations[i / MEMBERS], .member = i % MEMBERS};
        if (listener_of(&a)->open) {
            sim_on_loop(s, a.station->index, open_or_close, &a);
        }
    }
    sim_settle(s);
    for (unsigned i = 0; i < v.loops; i++) {
        for (unsigned topic = 0; topic < TOPICS; topic++) {
            SIM_CHECK(!hub_wanted(v.hubs[i], span_str(topics[topic])));
        }
        SIM_CHECK(hub_stats(v.hubs[i])->subscriptions == 0);
        SIM_CHECK(hub_stats(v.hubs[i])->topics == 0);
        SIM_CHECK(hub_stats(v.hubs[i])->outbox_bytes == 0);
    }
}

static void end(struct sim *s)
{
    wind_up(s);
    SIM_CHECK(v.received > STEPS / 4);
    stop(s);
    for (unsigned i = 0; i < v.loops; i++) {
        hub_free(v.hubs[i]);
    }
    sim_free(s);
}

static void members_get_what_matches_once_and_in_order(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    start(s);
    live(s, STEPS, 40);
    end(s);
}

/* As much on one or two loops as makes messages wait at the ends of turns. */
static void so_they_do_when_messages_wait_for_others(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed, .loop_count = 1 + seed % 2});
    start(s);
    v.window_ns = WINDOW_NS;
    live(s, 4 * STEPS, 90);
    SIM_CHECK(v.held > 0);
    end(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"members_get_what_matches_once_and_in_order", members_get_what_matches_once_and_in_order,
         100},
        {"so_they_do_when_messages_wait_for_others", so_they_do_when_messages_wait_for_others, 30},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
