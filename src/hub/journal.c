/* Starting and recording; the gate and the readers are in the files beside. */
#include "hub/journal.h"

#include "base/assert.h"
#include "base/mem.h"
#include "hub/internal.h"
#include "hub/journal_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EPOCH_NAME SPAN(STORE_META_EPOCH) /* in store_meta: 16 hexadecimal digits */
#define EPOCH_TEXT_MAX 17

/* --- starting --- */

static bool parse_epoch(span text, uint64_t *out)
{
    char number[POS_TEXT_MAX];
    struct pos p;
    int len = snprintf(number, sizeof number, "%.*s-0", (int)(text.len < 20 ? text.len : 20),
                       (const char *)text.ptr);
    bool ok = pos_parse(span_of(number, (size_t)len), &p);
    *out = ok ? p.epoch : 0;
    return ok;
}

static err offer_epoch(struct store *s, uint64_t epoch)
{
    char text[EPOCH_TEXT_MAX];
    snprintf(text, sizeof text, "%016" PRIx64, epoch);
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_META_INSERT, 1);
    store_set_text(req, 0, 0, 0, EPOCH_NAME);
    store_set_text(req, 0, 0, 1, span_str(text));
    err e = store_run(s, req);
    store_req_free(req);
    return e;
}

err journal_start(struct store *s, uint64_t new_epoch, struct pos *out)
{
    err e = offer_epoch(s, new_epoch);
    if (e != ERR_NONE) {
        return e;
    }
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 2, NULL, NULL);
    store_step_init(req, 0, QUERY_META_GET, 1);
    store_set_text(req, 0, 0, 0, EPOCH_NAME);
    store_step_init(req, 1, QUERY_EVENT_BOUNDS, 1);
    e = store_run(s, req);
    struct pos p = {0};
    if (e == ERR_NONE && (req->steps[0].row_count != 1 ||
                          !parse_epoch(store_text(store_cell(req, 0, 0, 0)), &p.epoch))) {
        e = ERR_STORE_CORRUPT;
    } else if (e == ERR_NONE) {
        p.n = (uint64_t)store_int(store_cell(req, 1, 0, 1));
        *out = p;
    }
    store_req_free(req);
    return e;
}

struct journal *journal_new(const struct journal_conf *conf, struct pos start)
{
    struct journal *j = mem_calloc(1, sizeof *j);
    j->conf = *conf;
    j->epoch = start.epoch;
    j->newest = start.n;
    readers_init(j);
    if (conf->loop == JOURNAL_HOME) {
        gate_open(j, start.n);
    }
    return j;
}

void journal_stop(struct journal *j) { j->stopped = true; }

void journal_free(struct journal *j)
{
    if (j == NULL) {
        return;
    }
    ASSERT(j->readers.count == 0 && j->pages == 0);
    map_deinit(&j->readers);
    if (j->gate != NULL) {
        gate_close(j);
    }
    mem_free(j);
}

void journal_learn(struct journal *j, uint64_t n) { j->newest = n > j->newest ? n : j->newest; }

void journal_tick(struct journal *j)
{
    if (j->gate != NULL) {
        gate_tick(j);
    }
    readers_tick(j);
}

struct pos journal_now(const struct journal *j)
{
    uint64_t heard = j->conf.hub->newest_pos;
    return journal_pos(j, heard > j->newest ? heard : j->newest);
}

/* --- recording --- */

void journal_steps(struct store_req *req, unsigned step, unsigned count)
{
    store_step_init(req, step, QUERY_EVENT_INSERT, count);
}

void journal_set(struct store_req *req, unsigned step, unsigned set,
                 const struct journal_event *e)
{
    ASSERT(e->event < EVENT_COUNT && e->topic.len > 0 && e->topic.len <= HUB_TOPIC_BYTES_MAX);
    char id[UUID_TEXT_LEN + 1];
    uuid_format(e->id, id);
    store_set_text(req, step, set, 0, span_str(id));
    store_set_int(req, step, set, 1, e->time_ms);
    store_set_text(req, step, set, 2, span_str(event_name(e->event)));
    store_set_text(req, step, set, 3, e->topic);
    store_set_text(req, step, set, 4, e->data);
}

void journal_step(struct store_req *req, unsigned step, const struct journal_event *e)
{
    journal_steps(req, step, 1);
    journal_set(req, step, 0, e);
}

struct blob *journal_blob(uint64_t n, span id, int64_t time_ms, span type, span data)
{
    enum event event = event_by_name((const char *)type.ptr, type.len);
    if (event == EVENT_COUNT) {
        return NULL;
    }
    struct blob *b = blob_new(BLOB_ORDERED, (uint16_t)event, time_ms, data);
    b->pos = n;
    b->some = event_for_some(event);
    b->own = event_is_chat(event);
    (void)uuid_parse(id, &b->id);
    return b;
}

struct journal_entry *journal_entry_new(uint64_t n, span id, int64_t time_ms, span type,
                                        span topic, span data)
{
    /* A row that another program wrote may say anything: it counts, and reaches nobody. */
    bool ours = topic.len > 0 && topic.len <= HUB_TOPIC_BYTES_MAX;
    topic = ours ? topic : SPAN_NONE;
    struct journal_entry *e = mem_calloc(1, sizeof *e + topic.len);
    e->blob = ours ? journal_blob(n, id, time_ms, type, data) : NULL;
    e->n = n;
    e->hash = topic_hash(topic);
    e->topic_len = (uint16_t)topic.len;
    if (ours) {
        memcpy(e->topic, topic.ptr, topic.len);
    }
    return e;
}

void journal_entry_free(struct journal_entry *e)
{
    blob_unref(e->blob);
    mem_free(e);
}

static void on_entry(struct mail *m)
{
    struct journal_entry *e = CONTAINER_OF(m, struct journal_entry, mail);
    gate_take(e->to, e);
}

static void publish_set(struct journal *j, const struct store_req *req, unsigned step,
                        unsigned set)
{
    uint64_t n = (uint64_t)store_int(store_cell(req, step, set, 0));
    const struct store_value *p =
        req->steps[step].params + (size_t)set * query_param_count(QUERY_EVENT_INSERT);
    struct journal_entry *e = journal_entry_new(n, store_text(&p[0]), store_int(&p[1]),
                                                store_text(&p[2]), store_text(&p[3]),
                                                store_text(&p[4]));
    e->to = j->conf.peers[JOURNAL_HOME];
    if (e->to == j) {
        gate_take(j, e);
    } else {
        e->mail.run = on_entry;
        post_mail(j->conf.post, JOURNAL_HOME, &e->mail);
    }
}

struct pos journal_publish(struct journal *j, const struct store_req *req, unsigned step)
{
    ASSERT(req->error == ERR_NONE && step < req->step_count);
    const struct store_step *s = &req->steps[step];
    ASSERT(s->query == QUERY_EVENT_INSERT && s->row_count == s->set_count);
    for (unsigned set = 0; set < s->set_count; set++) {
        publish_set(j, req, step, set);
    }
    return journal_pos(j, (uint64_t)store_int(store_cell(req, step, s->row_count - 1, 0)));
}

/* --- counts --- */

void journal_stats(const struct journal *j, struct journal_stats *out)
{
#define LOAD(field) atomic_load_explicit(&j->counts.field, memory_order_relaxed)
    *out = (struct journal_stats){.published = LOAD(published),
                                  .parked = LOAD(parked),
                                  .holes = LOAD(holes),
                                  .replays = LOAD(replays),
                                  .replayed = LOAD(replayed),
                                  .replay_pages = LOAD(replay_pages),
                                  .gaps = LOAD(gaps)};
#undef LOAD
}
