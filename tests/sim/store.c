/* See store.h. */
#include "sim/store.h"

#include "base/mem.h"

#include <stddef.h>

/* Requests linked through their mail, oldest first. */
struct line {
    struct mail *first;
    struct mail **tail;
    unsigned count;
};

struct sim_store {
    struct store port;
    struct sim *sim;
    struct store *inner; /* owned; NULL once closed */
    struct sim_source source;
    unsigned failure_percent;
    err failure;
    struct line writes, reads;                   /* not run yet */
    struct line writes_answered, reads_answered; /* run, and not handed over */
};

static struct sim_store *self_of(struct store *port)
{
    return CONTAINER_OF(port, struct sim_store, port);
}

static struct store_req *req_of(struct mail *m) { return CONTAINER_OF(m, struct store_req, mail); }

static void line_init(struct line *l)
{
    l->first = NULL;
    l->tail = &l->first;
    l->count = 0;
}

static void line_push(struct line *l, struct store_req *req)
{
    req->mail.next = NULL;
    *l->tail = &req->mail;
    l->tail = &req->mail.next;
    l->count++;
}

/* Takes the n-th oldest out. */
static struct store_req *line_take(struct line *l, uint64_t n)
{
    struct mail **at = &l->first;
    while (n-- > 0) {
        at = &(*at)->next;
    }
    struct mail *m = *at;
    *at = m->next;
    if (*at == NULL) {
        l->tail = at;
    }
    l->count--;
    return req_of(m);
}

/* ---- what the scheduler lets happen ---- */

static void run(struct sim_store *db, struct store_req *req)
{
    if (sim_random_chance(sim_random(db->sim), db->failure_percent)) {
        req->error = db->failure;
        return;
    }
    unsigned loop = req->loop;
    req->error = store_run(db->inner, req);
    req->loop = loop;
}

static void run_write(struct sim_store *db)
{
    struct store_req *req = line_take(&db->writes, 0);
    run(db, req);
    line_push(&db->writes_answered, req);
}

static void run_read(struct sim_store *db)
{
    struct store_req *req =
        line_take(&db->reads, sim_random_below(sim_random(db->sim), db->reads.count));
    run(db, req);
    line_push(&db->reads_answered, req);
}

static void answer_write(struct sim_store *db)
{
    store_complete(sim_post(db->sim), line_take(&db->writes_answered, 0));
}

static void answer_read(struct sim_store *db)
{
    uint64_t n = sim_random_below(sim_random(db->sim), db->reads_answered.count);
    store_complete(sim_post(db->sim), line_take(&db->reads_answered, n));
}

static bool source_ready(struct sim_source *self)
{
    return sim_store_waiting(CONTAINER_OF(self, struct sim_store, source)) > 0;
}

static void source_act(struct sim_source *self)
{
    struct sim_store *db = CONTAINER_OF(self, struct sim_store, source);
    void (*acts[4])(struct sim_store *) = {0};
    unsigned count = 0;
    if (db->writes.count > 0) {
        acts[count++] = run_write;
    }
    if (db->reads.count > 0) {
        acts[count++] = run_read;
    }
    if (db->writes_answered.count > 0) {
        acts[count++] = answer_write;
    }
    if (db->reads_answered.count > 0) {
        acts[count++] = answer_read;
    }
    acts[sim_random_below(sim_random(db->sim), count)](db);
}

/* ---- the port ---- */

static void sim_submit(struct store *port, struct store_req *req)
{
    struct sim_store *db = self_of(port);
    (void)store_req_check(req);
    if (req->loop == STORE_LOOP_NONE && db->inner != NULL) {
        db->inner->submit(db->inner, req); /* store_run waits: no step would ever come */
    } else if (db->inner == NULL) {
        req->error = ERR_STORE_CLOSED;
        line_push(&db->reads_answered, req);
    } else {
        line_push(store_req_is_read(req) ? &db->reads : &db->writes, req);
    }
}

static void sim_cancel(struct store *port, struct store_req *req)
{
    struct sim_store *db = self_of(port);
    uint64_t n = 0;
    for (struct mail *m = db->reads.first; m != NULL; m = m->next, n++) {
        if (req_of(m) == req) {
            (void)line_take(&db->reads, n);
            req->error = ERR_STORE_CANCELLED;
            line_push(&db->reads_answered, req);
            return;
        }
    }
}

static void sim_stats(struct store *port, struct store_stats *out)
{
    struct sim_store *db = self_of(port);
    *out = (struct store_stats){0};
    if (db->inner != NULL) {
        db->inner->stats(db->inner, out);
    }
    out->write_waiting += db->writes.count;
    out->read_waiting += db->reads.count;
}

static err sim_backup(struct store *port, const char *path)
{
    struct store *inner = self_of(port)->inner;
    return inner == NULL ? ERR_STORE_CLOSED : inner->backup(inner, path);
}

static void sim_close(struct store *port)
{
    struct sim_store *db = self_of(port);
    while (db->writes.count > 0) {
        run_write(db);
    }
    while (db->reads.count > 0) {
        run_read(db);
    }
    if (db->inner != NULL) {
        db->inner->close(db->inner);
        db->inner = NULL;
    }
}

/* ---- the test's side ---- */

struct sim_store *sim_store_new(struct sim *s, struct store *inner)
{
    struct sim_store *db = mem_calloc(1, sizeof *db);
    db->port = (struct store){.submit = sim_submit, .cancel = sim_cancel, .stats = sim_stats,
                              .backup = sim_backup, .close = sim_close};
    db->sim = s;
    db->inner = inner;
    line_init(&db->writes);
    line_init(&db->reads);
    line_init(&db->writes_answered);
    line_init(&db->reads_answered);
    db->source = (struct sim_source){.ready = source_ready, .act = source_act};
    sim_add_source(s, &db->source);
    return db;
}

struct store *sim_store_port(struct sim_store *db) { return &db->port; }

void sim_store_set_failures(struct sim_store *db, unsigned percent, err error)
{
    db->failure_percent = percent;
    db->failure = error;
}

unsigned sim_store_waiting(const struct sim_store *db)
{
    return db->writes.count + db->reads.count + db->writes_answered.count +
           db->reads_answered.count;
}

void sim_store_free(struct sim_store *db)
{
    sim_close(&db->port);
    SIM_CHECK(sim_store_waiting(db) == 0); /* settle first: an answer would be lost */
    list_remove(&db->source.link);
    mem_free(db);
}
