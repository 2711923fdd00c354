/*
 * For tests of the journal: a twin of the store that knows the event log and store_meta only.
 * Requests wait until the test answers them, reads and writes alike in the order submitted.
 */
#ifndef SB_HUB_JOURNAL_TWIN_H
#define SB_HUB_JOURNAL_TWIN_H

#include "base/mem.h"
#include "hub/journal.h"
#include "hub/test_world.h"

#define TWIN_EVENTS_MAX 4096

struct twin_event {
    bool kept;
    int64_t n;
    int64_t ts;
    char type[64];
    char topic[HUB_TOPIC_BYTES_MAX + 1];
    char data[64];
};

static struct twin {
    struct store port;
    char epoch[32];
    struct twin_event events[TWIN_EVENTS_MAX];
    unsigned count;
    int64_t last;
    struct store_req *waiting[64];
    unsigned waiting_count;
    err failure; /* of the next answers */
    unsigned reads;
} twin;

static UNUSED_OK void twin_text(char *to, size_t size, span s)
{
    assert_true(s.len < size);
    memcpy(to, s.ptr, s.len);
    to[s.len] = '\0';
}

static UNUSED_OK struct twin_event *twin_add(const char *topic, const char *data)
{
    struct twin_event *e = &twin.events[twin.count++];
    assert_true(twin.count < TWIN_EVENTS_MAX);
    *e = (struct twin_event){.kept = true, .n = ++twin.last, .ts = 1};
    snprintf(e->type, sizeof e->type, "device:updated");
    snprintf(e->topic, sizeof e->topic, "%s", topic);
    snprintf(e->data, sizeof e->data, "%s", data);
    return e;
}

static UNUSED_OK struct store_value twin_str(const char *text)
{
    return (struct store_value){.type = STORE_TEXT, .s = span_str(text)};
}

static UNUSED_OK struct store_value twin_int(int64_t i)
{
    return (struct store_value){.type = STORE_INT, .i = i};
}

/* Rows after n of any of the topics (none given: of all). */
static UNUSED_OK void twin_select(struct store_req *req, struct store_step *s,
                                  const struct store_value *topics, unsigned topic_count,
                                  int64_t after, int64_t limit)
{
    struct store_value *cells = ARENA_ARRAY(&req->arena, struct store_value, (size_t)limit * 6);
    for (unsigned i = 0; i < twin.count && s->row_count < limit; i++) {
        struct twin_event *e = &twin.events[i];
        bool wanted = topic_count == 0;
        for (unsigned t = 0; t < topic_count && !wanted; t++) {
            wanted = wanted || span_eq(store_text(&topics[t]), span_str(e->topic));
        }
        if (e->kept && e->n > after && wanted) {
            struct store_value *c = &cells[s->row_count++ * 6];
            c[0] = twin_int(e->n);
            c[1] = twin_str("00000000-0000-7000-8000-000000000001");
            c[2] = twin_int(e->ts);
            c[3] = twin_str(e->type);
            c[4] = twin_str(e->topic);
            c[5] = twin_str(e->data);
        }
    }
    s->cells = cells;
}

static UNUSED_OK void twin_bounds(struct store_req *req, struct store_step *s)
{
    struct store_value *cells = ARENA_ARRAY(&req->arena, struct store_value, 2);
    int64_t oldest = 0;
    int64_t newest = 0;
    for (unsigned i = 0; i < twin.count; i++) {
        if (twin.events[i].kept) {
            oldest = oldest == 0 ? twin.events[i].n : oldest;
            newest = twin.events[i].n;
        }
    }
    cells[0] = twin_int(oldest);
    cells[1] = twin_int(newest);
    s->cells = cells;
    s->row_count = 1;
}

static UNUSED_OK void twin_insert(struct store_req *req, struct store_step *s)
{
    struct store_value *cells = ARENA_ARRAY(&req->arena, struct store_value, s->set_count);
    const struct store_value *p = s->params;
    for (unsigned i = 0; i < s->set_count; i++, p += 5) {
        struct twin_event *e = twin_add("", "");
        e->ts = p[1].i;
        twin_text(e->type, sizeof e->type, p[2].s);
        twin_text(e->topic, sizeof e->topic, p[3].s);
        twin_text(e->data, sizeof e->data, p[4].s);
        cells[i] = twin_int(e->n);
    }
    s->cells = cells;
    s->row_count = s->set_count;
}

static UNUSED_OK void twin_step(struct store_req *req, struct store_step *s)
{
    const struct store_value *p = s->params;
    struct store_value *cells = ARENA_ARRAY(&req->arena, struct store_value, 1);
    switch ((int)s->query) {
    case QUERY_META_INSERT:
        if (twin.epoch[0] == '\0') {
            twin_text(twin.epoch, sizeof twin.epoch, p[1].s);
        }
        break;
    case QUERY_META_GET:
        cells[0] = twin_str(twin.epoch);
        s->cells = cells;
        s->row_count = twin.epoch[0] != '\0';
        break;
    case QUERY_EVENT_INSERT:
        twin_insert(req, s);
        break;
    case QUERY_EVENT_BOUNDS:
        twin_bounds(req, s);
        break;
    case QUERY_EVENT_AFTER:
        twin.reads++;
        twin_select(req, s, NULL, 0, p[0].i, p[1].i);
        break;
    case QUERY_EVENT_BY_TOPICS:
        twin.reads++;
        twin_select(req, s, p, 8, p[8].i, p[9].i);
        break;
    default:
        fail_msg("the twin does not know %s", query_name(s->query));
    }
}

static UNUSED_OK void twin_run(struct store_req *req)
{
    req->error = twin.failure;
    for (unsigned i = 0; req->error == ERR_NONE && i < req->step_count; i++) {
        twin_step(req, &req->steps[i]);
    }
}

static UNUSED_OK void twin_submit(struct store *self, struct store_req *req)
{
    (void)self;
    (void)store_req_check(req);
    if (req->loop == STORE_LOOP_NONE) {
        twin_run(req);
        req->done(req);
        return;
    }
    assert_true(twin.waiting_count < 64);
    twin.waiting[twin.waiting_count++] = req;
}

/* Runs and answers the oldest request; false when there is none. */
static UNUSED_OK bool twin_answer(void)
{
    if (twin.waiting_count == 0) {
        return false;
    }
    struct store_req *req = twin.waiting[0];
    twin.waiting_count--;
    memmove(twin.waiting, twin.waiting + 1, twin.waiting_count * sizeof twin.waiting[0]);
    twin_run(req);
    w.current = req->loop;
    req->done(req);
    return true;
}

/* --- journals over the hub's test world --- */

static struct journal *journals[HUBS_MAX];
static uint64_t twin_now_ns;
static uint64_t twin_mono(struct clock *c) { return twin_now_ns; }
static struct clock twin_clock = {.mono_ns = twin_mono};

static UNUSED_OK void journals_start(unsigned hubs, uint32_t ring_events)
{
    struct pos start;
    twin.port = (struct store){.submit = twin_submit};
    assert_int_equal(journal_start(&twin.port, 0xabc, &start), ERR_NONE);
    for (unsigned i = 0; i < hubs; i++) {
        struct journal_conf conf = {.hub = w.peers[i], .post = &w.post, .store = &twin.port,
                                    .clock = &twin_clock, .loop = i, .peers = journals,
                                    .ring_events = ring_events, .ring_bytes = 1 << 20};
        journals[i] = journal_new(&conf, start);
    }
}

static UNUSED_OK void journals_open(unsigned hubs, uint32_t ring_events)
{
    memset(&twin, 0, sizeof twin);
    twin_now_ns = 1;
    world_start(hubs, 100, 100000);
    journals_start(hubs, ring_events);
}

static UNUSED_OK void journals_close(void)
{
    assert_int_equal(twin.waiting_count, 0);
    for (unsigned i = 0; i < w.post.loop_count; i++) {
        journal_free(journals[i]);
    }
    world_stop();
}

static UNUSED_OK bool mail_waits(void)
{
    for (unsigned i = 0; i < HUBS_MAX * HUBS_MAX; i++) {
        if (w.queue[i / HUBS_MAX][i % HUBS_MAX] != NULL) {
            return true;
        }
    }
    return false;
}

/* Turns, mail and answers until nothing is left to do. */
static UNUSED_OK void journals_settle(unsigned seed)
{
    bool worked = true;
    while (worked) {
        for (unsigned i = 0; i < w.post.loop_count; i++) {
            w.current = i;
            journal_tick(journals[i]);
            hub_turn_end(w.peers[i]);
        }
        worked = mail_waits();
        settle(seed++);
        while (twin_answer()) {
            worked = true;
        }
    }
}

/* Commits an event on a loop, as a domain does, and leaves it to be handed over. */
static UNUSED_OK struct store_req *commit_event(unsigned hub, enum event event, const char *topic,
                                                const char *data)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    struct journal_event e = {.id = UUID_NIL, .time_ms = 5, .event = event,
                              .topic = span_str(topic), .data = span_str(data)};
    journal_step(req, 0, &e);
    twin_run(req);
    (void)hub;
    return req;
}

static UNUSED_OK struct store_req *commit(unsigned hub, const char *topic, const char *data)
{
    return commit_event(hub, EVENT_DEVICE_UPDATED, topic, data);
}

static UNUSED_OK void hand_over(unsigned hub, struct store_req *req)
{
    (void)hub_of(hub);
    journal_publish(journals[hub], req, 0);
    store_req_free(req);
}

static UNUSED_OK void record(unsigned hub, const char *topic, const char *data)
{
    hand_over(hub, commit(hub, topic, data));
}

#endif
