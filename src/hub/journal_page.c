/* Pages of the log, for readers whose position is older than the ring. */
#include "base/assert.h"
#include "base/mem.h"
#include "hub/internal.h"
#include "hub/journal_internal.h"

#define TOPICS_MAX 8      /* that EVENT_BY_TOPICS asks the index for; more are looked for in all */
#define SCAN_EVENTS 512   /* of all topics, of which the reader gets those it wants */
#define TRIES_MAX 6       /* of a busy store, each after twice the time of the one before: 3 s */
#define RETRY_NS 50000000ULL

struct page {
    struct journal *journal;
    uint64_t reader;
    uint64_t position;
    unsigned limit;
};

static void on_page(struct store_req *req);

static bool by_topics(const struct journal_reader_state *s)
{
    bool exact = s->topic_count <= TOPICS_MAX;
    for (uint32_t i = 0; exact && i < s->topic_count; i++) {
        exact = !s->topics[i].pattern;
    }
    return exact;
}

/* The bounds are read in the same transaction: what they do not tell as gone is in the page. */
void page_read(struct journal_reader_state *s)
{
    struct journal *j = s->journal;
    if (s->topic_count == 0) {
        reader_set_phase(s, READER_IDLE);
        return;
    }
    bool indexed = by_topics(s);
    struct page *p = mem_alloc(sizeof *p);
    *p = (struct page){.journal = j, .reader = s->id, .position = reader_position(s),
                       .limit = indexed ? PAGE_EVENTS : SCAN_EVENTS};
    struct store_req *req = store_req_new(j->conf.loop, 2, on_page, p);
    store_step_init(req, 0, QUERY_EVENT_BOUNDS, 1);
    unsigned after = 0;
    if (indexed) {
        store_step_init(req, 1, QUERY_EVENT_BY_TOPICS, 1);
        for (after = 0; after < TOPICS_MAX; after++) {
            store_set_text(req, 1, 0, after,
                           after < s->topic_count ? s->topics[after].name : SPAN(""));
        }
    } else {
        store_step_init(req, 1, QUERY_EVENT_AFTER, 1);
    }
    store_set_int(req, 1, 0, after, (int64_t)p->position);
    store_set_int(req, 1, 0, after + 1, p->limit);
    j->pages++;
    COUNT(j->counts.replay_pages, 1);
    reader_set_phase(s, READER_PAGING);
    j->conf.store->submit(j->conf.store, req);
}

static void fail(struct journal_reader_state *s, err error)
{
    struct journal *j = s->journal;
    if (error == ERR_STORE_BUSY && s->tries < TRIES_MAX) {
        s->retry_ns = clock_mono_ns(j->conf.clock) + (RETRY_NS << s->tries++);
        reader_set_phase(s, READER_RETRYING);
        return;
    }
    reader_set_phase(s, READER_FAILED);
    s->reader->ops->on_error(s->reader, error);
}

/* Whether retention has taken what comes after the position. Then the reader is told, and goes on
 * behind the gap with another page: it may have closed or changed its topics when it was told. */
static bool find_gap(struct journal_reader_state *s, const struct store_req *req)
{
    const struct page *p = req->owner;
    uint64_t oldest = (uint64_t)store_int(store_cell(req, 0, 0, 0));
    uint64_t gone = oldest == 0 ? s->published : oldest - 1;
    gone = gone < s->published ? gone : s->published;
    if (gone <= p->position) {
        return false;
    }
    bool open = reader_gap(s, journal_pos(s->journal, p->position), gone);
    (void)open;
    return true;
}

/* Gives what the reader wants of the page, as far as the gate has published: the rest comes from
 * there. Returns whether anything was given. */
static bool give(struct journal_reader_state *s, const struct store_req *req)
{
    const struct page *p = req->owner;
    const struct store_step *rows = &req->steps[1];
    uint64_t upto = rows->row_count < p->limit ? s->published : p->position;
    uint64_t bytes = 0;
    unsigned given = 0;
    for (unsigned i = 0; i < rows->row_count; i++) {
        const struct store_value *c = store_cell(req, 1, i, 0);
        uint64_t n = (uint64_t)store_int(&c[0]);
        span topic = store_text(&c[4]);
        span data = store_text(&c[5]);
        if (n > s->published) {
            upto = s->published;
            break;
        }
        bool wanted = journal_wanted(s->topics, s->topic_count, n, topic_hash(topic), topic);
        if (wanted &&
            (given == PAGE_EVENTS || (given > 0 && bytes + data.len > PAGE_BYTES))) {
            upto = n - 1;
            break;
        }
        upto = n > upto ? n : upto;
        struct blob *b = wanted ? journal_blob(n, store_text(&c[1]), store_int(&c[2]),
                                               store_text(&c[3]), data)
                                : NULL;
        if (b != NULL) {
            reader_give(s, b);
            given++;
            bytes += data.len;
        }
    }
    reader_raise(s, upto);
    return given > 0;
}

static void take_page(struct journal_reader_state *s, const struct store_req *req)
{
    if (s->stale) {
        s->stale = false;
        reader_set_phase(s, READER_DUE);
        return;
    }
    if (req->error != ERR_NONE) {
        fail(s, req->error);
        return;
    }
    s->tries = 0;
    reader_set_phase(s, READER_DUE);
    if (!find_gap(s, req) && give(s, req)) {
        reader_set_phase(s, READER_SENT);
    }
}

static void on_page(struct store_req *req)
{
    struct page *p = req->owner;
    struct journal *j = p->journal;
    struct journal_reader_state *s = reader_find(j, p->reader);
    j->pages--;
    if (s != NULL) {
        take_page(s, req);
    }
    mem_free(p);
    store_req_free(req);
}
