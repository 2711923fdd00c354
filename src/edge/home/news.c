#include "edge/home/news.h"

#include "base/mem.h"
#include "base/timefmt.h"
#include "codec/json/write.h"
#include "domain/house.h"
#include "edge/clients.h"
#include "edge/ops/ops.h"

#include <stdio.h>

/* Parts of a heartbeat's interval; each loop has one of its clients' parts a tick. Of 5,000 clients
 * 50 at a time: 0.2 ms. */
#define PARTS_MAX 100
#define TICK_MS_MIN 10
/* What a slow reader has of an older status is replaced. */
#define STATUS_KEY 1
#define MS_NS UINT64_C(1000000)

struct home_news {
    struct edge *edge;
    struct timer beat;
    uint64_t due_ns; /* of the next beat */
    uint32_t part;   /* whose turn it is then */
    buf slots;       /* scratch */
    struct blob *status; /* what was said last; NULL: nothing */
    bool good;           /* and that said so */
};

uint64_t news_clients(const struct edge *e)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < e->home->count; i++) {
        for (unsigned k = 0; k < STATS_CLIENT_COUNT; k++) {
            sum += atomic_load_explicit(&e->peers[i]->stats.open[STATS_HOME][k],
                                        memory_order_relaxed);
        }
    }
    return sum;
}

/* To this loop's clients of a part. Takes one reference. */
static void tell(struct home_news *n, uint32_t part, uint32_t of, struct blob *b)
{
    buf_clear(&n->slots);
    clients_slots(n->edge, STATS_HOME, part, of, &n->slots);
    hub_send_many(n->edge->hub, (const uint32_t *)(const void *)n->slots.ptr,
                  (uint32_t)(n->slots.len / sizeof(uint32_t)), b);
}

/* --- heartbeat --- */

static struct blob *heartbeat(const struct edge *e)
{
    char at[TIME_S_LEN + 1];
    buf text = {0};
    int64_t now_ms = loop_wall_ms(e->loop);
    struct json_writer w = json_writer_of(&text);
    time_format_s(now_ms, at);
    json_open(&w, '{');
    json_member_string(&w, "timestamp", span_str(at));
    json_member_u64(&w, "clients", news_clients(e));
    json_close(&w, '}');
    struct blob *b = blob_new(BLOB_EPHEMERAL, HOUSE_HEARTBEAT, now_ms, buf_span(&text));
    buf_deinit(&text);
    return b;
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static bool has_clients(const struct edge *e)
{
    return load(&e->stats.open[STATS_HOME][STATS_CLIENT]) > 0 ||
           load(&e->stats.open[STATS_HOME][STATS_DEVICE]) > 0;
}

static void on_beat(struct timer *t)
{
    struct home_news *n = CONTAINER_OF(t, struct home_news, beat);
    struct edge *e = n->edge;
    uint32_t interval_ms = e->conf->home.heartbeat_ms; /* it changes while the server runs */
    uint32_t parts = interval_ms / TICK_MS_MIN < PARTS_MAX ? interval_ms / TICK_MS_MIN : PARTS_MAX;
    uint64_t now_ns = loop_now_ns(e->loop);
    if (has_clients(e)) {
        tell(n, n->part % parts, parts, heartbeat(e));
    }
    n->part = (n->part + 1) % parts;
    n->due_ns += interval_ms * MS_NS / parts;
    if (n->due_ns < now_ns) { /* this loop was busy: nobody's turn is left out */
        n->due_ns = now_ns;
    }
    timer_start(e->loop, t, (n->due_ns - now_ns) / MS_NS);
}

/* --- health --- */

static void put_details(struct json_writer *w, const struct ops *o, const struct edge *own,
                        const struct health_report *r)
{
    char text[32];
    uint64_t up_s = ops_uptime_s(o, own);
    json_member_open(w, "details", '{');
    snprintf(text, sizeof text, "%lluh %llum", (unsigned long long)(up_s / 3600),
             (unsigned long long)(up_s / 60 % 60));
    json_member_string(w, "uptime", span_str(text));
    snprintf(text, sizeof text, "%.0f%%", ops_memory_percent());
    json_member_string(w, "memory_usage", span_str(text));
    if (r->all != HEALTH_GOOD) {
        json_member_open(w, "affected", '[');
        for (unsigned p = 0; p < HEALTH_PART_COUNT; p++) {
            if (r->parts[p].status != HEALTH_GOOD) {
                json_write_string(w, span_str(health_part_name((enum health_part)p)));
            }
        }
        json_close(w, ']');
    }
    json_close(w, '}');
}

static struct blob *status(const struct ops *o, const struct edge *own,
                           const struct health_report *r)
{
    buf text = {0};
    struct json_writer w = json_writer_of(&text);
    json_open(&w, '{');
    json_member_string(&w, "status", span_str(health_name(r->all)));
    put_details(&w, o, own, r);
    json_close(&w, '}');
    struct blob *b = blob_new(BLOB_STATE, HOUSE_STATUS, loop_wall_ms(own->loop), buf_span(&text));
    b->state_key = STATUS_KEY;
    buf_deinit(&text);
    return b;
}

struct telling {
    struct mail mail;
    struct edge *edge;
    struct blob *blob; /* a reference */
    bool good;
};

static void on_telling(struct mail *m)
{
    struct telling *t = CONTAINER_OF(m, struct telling, mail);
    struct home_news *n = t->edge->news;
    blob_unref(n->status);
    n->status = t->blob;
    n->good = t->good;
    tell(n, 0, 1, blob_ref(t->blob));
    mem_free(t);
}

/* A bit per part that is not well, and which of them is bad. */
static unsigned marks(const struct health_report *r)
{
    unsigned bits = 0;
    for (unsigned p = 0; p < HEALTH_PART_COUNT; p++) {
        bits |= (unsigned)r->parts[p].status << 2 * p;
    }
    return bits;
}

void news_health(struct ops *o)
{
    struct edge *own = o->edges[loop_index(o->loop)];
    uint64_t now_ns = loop_now_ns(o->loop);
    struct health_report r;
    if (own->news == NULL) {
        return;
    }
    ops_health(o, own, &r);
    o->told_ns = o->told_ns == 0 ? now_ns : o->told_ns;
    if (marks(&r) == o->told && now_ns - o->told_ns < own->conf->home.status_ms * MS_NS) {
        return;
    }
    o->told = marks(&r);
    o->told_ns = now_ns;
    struct blob *b = status(o, own, &r);
    for (unsigned i = 0; i < o->edge_count; i++) {
        struct telling *t = mem_calloc(1, sizeof *t);
        *t = (struct telling){.mail = {.run = on_telling},
                              .edge = o->edges[i],
                              .blob = blob_ref(b),
                              .good = r.all == HEALTH_GOOD};
        post_mail(own->home->post, i, &t->mail);
    }
    blob_unref(b);
}

void news_greet(struct edge *e, const struct conn *c)
{
    const struct home_news *n = e->news;
    if (n != NULL && n->status != NULL && !n->good) {
        hub_send(e->hub, conn_slot(c), blob_ref(n->status));
    }
}

/* --- the edge's --- */

void news_init(struct edge *e)
{
    if (e->conf->home.heartbeat_ms == 0) {
        return; /* tests */
    }
    struct home_news *n = e->news = mem_calloc(1, sizeof *n);
    n->edge = e;
    n->good = true;
    n->due_ns = loop_now_ns(e->loop);
    n->beat.fire = on_beat;
    timer_start(e->loop, &n->beat, 0);
}

void news_deinit(struct edge *e)
{
    struct home_news *n = e->news;
    if (n != NULL) {
        timer_stop(e->loop, &n->beat);
        blob_unref(n->status);
        buf_deinit(&n->slots);
        mem_free(n);
        e->news = NULL;
    }
}
