/*
 * The gate: publishes n, n+1, n+2 ... over all topics, so that everybody sees one order.
 *
 * Numbers arrive in any order, for each loop hands over what it committed when it hears of it. One
 * that comes early is parked. A hole that stays is read from the log: the event was committed and
 * not handed over, or its number was never used (a rolled-back transaction of a database whose
 * numbers do not come back). What was committed before the read began is in it, and the numbers
 * parked by then were: so a lower number that the read does not show does not exist.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "hub/internal.h"
#include "hub/journal_internal.h"

#define HOLE_NS 200000000ULL /* commits that overtake each other on their way take far less */
#define TELL_NS 100000000ULL /* between two words to the loops of how far the gate is */
#define HOLE_PAGE 256        /* events read at once to fill a hole */
#define PARKED_MAX 65536     /* more are left to the log: the hole is read a page at a time then */
#define RING_CAP_FIRST 64

/* --- the ring --- */

static struct journal_entry *ring_at(const struct journal_gate *g, uint32_t i)
{
    return g->ring[(g->ring_first + i) & (g->ring_cap - 1)];
}

static uint64_t entry_bytes(const struct journal_entry *e)
{
    return sizeof *e + e->topic_len + (e->blob == NULL ? 0 : sizeof *e->blob + e->blob->len);
}

static void ring_drop_oldest(struct journal_gate *g)
{
    struct journal_entry *e = ring_at(g, 0);
    g->ring_floor = e->n;
    g->ring_bytes -= entry_bytes(e);
    g->ring_first++;
    g->ring_count--;
    journal_entry_free(e);
}

static void ring_grow(struct journal_gate *g)
{
    uint32_t cap = g->ring_cap == 0 ? RING_CAP_FIRST : g->ring_cap * 2;
    struct journal_entry **ring = mem_alloc(cap * sizeof(struct journal_entry *));
    for (uint32_t i = 0; i < g->ring_count; i++) {
        ring[i] = ring_at(g, i);
    }
    mem_free(g->ring);
    g->ring = ring;
    g->ring_cap = cap;
    g->ring_first = 0;
}

static void ring_push(struct journal *j, struct journal_entry *e)
{
    struct journal_gate *g = j->gate;
    if (g->ring_count == g->ring_cap) {
        ring_grow(g);
    }
    g->ring[(g->ring_first + g->ring_count++) & (g->ring_cap - 1)] = e;
    g->ring_bytes += entry_bytes(e);
    while (g->ring_count > j->conf.ring_events || g->ring_bytes > j->conf.ring_bytes) {
        ring_drop_oldest(g);
    }
}

/* The first place in the ring with a number above n. */
static uint32_t ring_after(const struct journal_gate *g, uint64_t n)
{
    uint32_t low = 0;
    uint32_t high = g->ring_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ring_at(g, middle)->n > n) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* --- order --- */

static void publish(struct journal *j, struct journal_entry *e)
{
    struct journal_gate *g = j->gate;
    ASSERT(e->n > g->published);
    g->published = e->n;
    journal_learn(j, e->n);
    if (e->blob != NULL) {
        hub_publish(j->conf.hub, JOURNAL_HOME, span_of(e->topic, e->topic_len),
                    blob_ref(e->blob));
    }
    COUNT(j->counts.published, 1);
    ring_push(j, e);
}

static struct journal_entry *first_parked(const struct journal_gate *g)
{
    struct heap_node *node = heap_peek(&g->parked);
    return node == NULL ? NULL : CONTAINER_OF(node, struct journal_entry, parked);
}

/* Publishes what is parked as far as it follows on; doubles go. */
static void drain_parked(struct journal *j)
{
    struct journal_gate *g = j->gate;
    for (;;) {
        struct journal_entry *e = first_parked(g);
        if (e == NULL || e->n > g->published + 1) {
            break;
        }
        heap_remove(&g->parked, &e->parked);
        UNCOUNT(j->counts.parked, 1);
        if (e->n == g->published + 1) {
            publish(j, e);
        } else {
            journal_entry_free(e);
        }
    }
    g->hole_ns = 0; /* what is parked now waits behind another hole, if any */
    if (g->parked.count > 0) {
        g->hole_ns = clock_mono_ns(j->conf.clock);
    }
}

void gate_take(struct journal *j, struct journal_entry *e)
{
    struct journal_gate *g = j->gate;
    ASSERT(g != NULL);
    if (e->n == g->published + 1) {
        publish(j, e);
        if (g->parked.count > 0) {
            drain_parked(j);
        }
    } else if (e->n <= g->published || g->parked.count >= PARKED_MAX) {
        journal_entry_free(e);
    } else {
        e->parked = (struct heap_node){.key = e->n};
        heap_push(&g->parked, &e->parked);
        COUNT(j->counts.parked, 1);
        if (g->parked.count == 1) {
            g->hole_ns = clock_mono_ns(j->conf.clock);
        }
    }
}

/* --- holes --- */

struct hole {
    struct journal *journal;
    uint64_t before; /* the first number that was parked when the read began */
};

static void publish_row(struct journal *j, const struct store_req *req, unsigned row)
{
    const struct store_value *c = store_cell(req, 0, row, 0);
    uint64_t n = (uint64_t)store_int(&c[0]);
    if (n > j->gate->published) {
        publish(j, journal_entry_new(n, store_text(&c[1]), store_int(&c[2]), store_text(&c[3]),
                                     store_text(&c[4]), store_text(&c[5])));
        COUNT(j->counts.holes, 1);
    }
}

static void on_hole(struct store_req *req)
{
    struct hole *h = req->owner;
    struct journal *j = h->journal;
    struct journal_gate *g = j->gate;
    g->reading = false;
    if (req->error == ERR_NONE) {
        const struct store_step *s = &req->steps[0];
        uint64_t read_to = s->row_count < HOLE_PAGE ? h->before : 0;
        for (unsigned i = 0; i < s->row_count; i++) {
            uint64_t n = (uint64_t)store_int(store_cell(req, 0, i, 0));
            if (n < h->before) { /* the others are handed over */
                publish_row(j, req, i);
            }
            read_to = n > read_to ? n : read_to;
        }
        if (read_to >= h->before && g->published + 1 < h->before) {
            g->published = h->before - 1; /* numbers that nothing was committed with */
            if (g->ring_count == 0) {
                g->ring_floor = g->published;
            }
        }
        drain_parked(j);
    } else {
        LOG(j->conf.log, LOG_WARN, "error", LOG_STR("what", "a missing event cannot be read"),
            LOG_STR("reason", err_text(req->error)), LOG_U64("after", g->published));
        g->hole_ns = clock_mono_ns(j->conf.clock); /* again after a while */
    }
    mem_free(h);
    store_req_free(req);
}

static void read_hole(struct journal *j)
{
    struct journal_gate *g = j->gate;
    struct hole *h = mem_alloc(sizeof *h);
    *h = (struct hole){.journal = j, .before = first_parked(g)->n};
    struct store_req *req = store_req_new(j->conf.loop, 1, on_hole, h);
    store_step_init(req, 0, QUERY_EVENT_AFTER, 1);
    store_set_int(req, 0, 0, 0, (int64_t)g->published);
    store_set_int(req, 0, 0, 1, HOLE_PAGE);
    g->reading = true;
    j->conf.store->submit(j->conf.store, req);
}

/* --- readers --- */

/* Everything that is wanted up to `upto`; true when that is the newest. */
static bool give_from_ring(const struct journal_gate *g, struct journal_ask *a)
{
    uint64_t bytes = 0;
    a->upto = g->published;
    for (uint32_t i = ring_after(g, a->position); i < g->ring_count; i++) {
        const struct journal_entry *e = ring_at(g, i);
        span topic = span_of(e->topic, e->topic_len);
        if (e->blob == NULL || !journal_wanted(a->topics, a->topic_count, e->n, e->hash, topic)) {
            continue;
        }
        if (a->given_count == PAGE_EVENTS || (bytes > 0 && bytes + e->blob->len > PAGE_BYTES)) {
            a->upto = e->n - 1;
            return false;
        }
        a->given[a->given_count++] = blob_ref(e->blob);
        bytes += e->blob->len;
    }
    return true;
}

void gate_answer(struct journal *j, struct journal_ask *a)
{
    struct journal_gate *g = j->gate;
    ASSERT(g != NULL && a->given_count == 0);
    a->published = g->published;
    a->ring_floor = g->ring_floor;
    if (a->highest > g->published) {
        a->answer = ASK_AHEAD;
    } else if (a->position < g->ring_floor) {
        a->answer = ASK_BEHIND;
    } else if (!give_from_ring(g, a)) {
        a->answer = ASK_MORE;
    } else {
        a->answer = ASK_JOINED;
        for (unsigned i = 0; i < a->topic_count; i++) {
            home_subscribe(j->conf.hub, a->who, TOKEN_JOINS, a->topics[i].name);
        }
    }
}

/* --- the turn --- */

struct word {
    struct mail mail;
    struct journal *to;
    uint64_t n;
};

static void on_word(struct mail *m)
{
    struct word *word = CONTAINER_OF(m, struct word, mail);
    journal_learn(word->to, word->n);
    mem_free(word);
}

/* Follows, to each loop, what was published there: so who hears it has seen all up to it. */
static void tell(struct journal *j, uint64_t now_ns)
{
    struct journal_gate *g = j->gate;
    g->told = g->published;
    g->told_ns = now_ns;
    for (unsigned i = 0; i < j->conf.post->loop_count; i++) {
        if (i != j->conf.loop) {
            struct word *word = mem_alloc(sizeof *word);
            *word = (struct word){.mail.run = on_word, .to = j->conf.peers[i], .n = g->published};
            post_mail(j->conf.post, i, &word->mail);
        }
    }
}

void gate_tick(struct journal *j)
{
    struct journal_gate *g = j->gate;
    if (g->hole_ns == 0 && g->told == g->published) {
        return;
    }
    uint64_t now_ns = clock_mono_ns(j->conf.clock);
    if (g->hole_ns != 0 && !g->reading && !j->stopped && now_ns - g->hole_ns >= HOLE_NS) {
        read_hole(j);
    }
    if (g->told != g->published && now_ns - g->told_ns >= TELL_NS) {
        tell(j, now_ns);
    }
}

void gate_open(struct journal *j, uint64_t published)
{
    j->gate = mem_calloc(1, sizeof *j->gate);
    j->gate->published = j->gate->told = j->gate->ring_floor = published;
}

void gate_close(struct journal *j)
{
    struct journal_gate *g = j->gate;
    ASSERT(!g->reading);
    while (g->ring_count > 0) {
        ring_drop_oldest(g);
    }
    for (struct journal_entry *e = first_parked(g); e != NULL; e = first_parked(g)) {
        heap_remove(&g->parked, &e->parked);
        journal_entry_free(e);
    }
    heap_deinit(&g->parked);
    mem_free(g->ring);
    mem_free(g);
}
