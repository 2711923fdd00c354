#include "adapters/store_sqlite/telemetry_settle.h"

#include "adapters/store_sqlite/state.h"
#include "adapters/store_sqlite/telemetry_series.h"
#include "base/mem.h"

/* Of a slice's time, what remains for the rows however long the last commit of a slice took. */
#define SLICE_ROWS_PART 5
/* Rows between two looks at the clock and at the queue: some 0.2 ms. */
#define LOOK_ROWS 64
/*
 * A round begins when it is worth its pages: each series in it costs a page or two of its own, so
 * there shall be ROWS_A_SERIES a series; within bounds, as readers look through the whole tail
 * (some 10 ms for 100,000 rows) and a round is kept in memory (about 100 bytes a row).
 */
#define ROUND_ROWS_MIN 16384
#define ROUND_ROWS_MAX 131072
#define ROWS_A_SERIES 16
#define ROUND_BYTES_MAX (32U << 20)
/* A tail over these is full: commits then wait until as much is settled as they add. */
#define TAIL_ROWS_MAX (2 * ROUND_ROWS_MAX)
#define TAIL_BYTES_MAX (2 * ROUND_BYTES_MAX)
/* Settled for each row that is added while others wait: more than 1, or the tail would grow. */
#define PACE 2
#define PACE_ROWS_MIN 256 /* and at least so many after a commit */
/* Reading a row into memory and taking it out of the tail cost about a quarter of settling it. */
#define LIGHT_ROWS 4
#define SERIES_ROWS 2 /* finding a series and writing its sums costs like settling so many */
#define CLEAR_ROWS 512 /* taken out of the tail by one statement */
#define RETRY_MS_MAX 1000 /* after an error: settle_ms, at most this */
#define DONE "~" /* as the device: everything up to upto is settled; above every UUID */

enum phase { PHASE_IDLE, PHASE_LOAD, PHASE_SETTLE, PHASE_CLEAR };

struct position {
    int64_t upto;
    uint8_t key_bytes[ROUND_KEY_BYTES_MAX]; /* as round_series.key */
    size_t key_len;
    bool all; /* everything up to upto is settled */
    int64_t timestamp;
    int64_t id;
};

struct settle {
    struct sqlite_store *store;
    struct settle_sql sql;
    enum phase phase;
    struct telemetry_round round;
    struct position at; /* as in telemetry_settling */
    int64_t deleted;    /* devices, when the round was loaded */
    int64_t load_from;  /* load: ids read so far, */
    int64_t load_to;    /* and the last one to read */
    int64_t clear_to;   /* clear: ids taken out so far */
    bool begun;         /* a slice of this round is settled */
    int64_t tail_max;   /* the newest id, about */
    unsigned round_rows_min;
    uint64_t bytes; /* of samples noted since the last load, about */
    uint64_t round_bytes;
    uint64_t waiting_since_ns; /* the oldest sample that no round has; 0: there is none */
    uint64_t retry_ns;         /* not before; 0: at any time */
    uint64_t commit_ns;        /* the last commit of a slice */
    bool failing;
    uint64_t noted; /* rows added since the last work */
};

/* --- the mark --- */

static span text_of(sqlite3_stmt *stmt, int column)
{
    const void *ptr = sqlite3_column_text(stmt, column);
    return span_of(ptr, ptr == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, column));
}

static bool key_of(sqlite3_stmt *stmt, int column, uint8_t *out, size_t *len)
{
    *len = 0;
    for (int i = 0; i < 3; i++) {
        span s = text_of(stmt, column + i);
        if (*len + s.len + 1 > ROUND_KEY_BYTES_MAX) {
            return false;
        }
        if (i > 0) {
            out[(*len)++] = 0;
        }
        memcpy(out + *len, s.ptr == NULL ? (const void *)"" : s.ptr, s.len);
        *len += s.len;
    }
    return true;
}

struct mark {
    struct position at;
    int64_t deleted;
    int64_t tail_max;
    int64_t tail_min;
};

static err mark_read(struct settle *t, struct mark *out)
{
    struct db *c = &t->store->conn;
    sqlite3_stmt *stmt = sql_statement(&t->sql, ST_STATE);
    int code = stmt == NULL ? SQLITE_ERROR : sqlite3_step(stmt);
    *out = (struct mark){0};
    if (code == SQLITE_ROW) {
        out->at.upto = sqlite3_column_int64(stmt, 0);
        out->at.all = span_eq(text_of(stmt, 1), SPAN(DONE)) ||
                      !key_of(stmt, 1, out->at.key_bytes, &out->at.key_len);
        out->at.timestamp = sqlite3_column_int64(stmt, 4);
        out->at.id = sqlite3_column_int64(stmt, 5);
        out->deleted = sqlite3_column_int64(stmt, 6);
        out->tail_max = sqlite3_column_int64(stmt, 7);
        out->tail_min = sqlite3_column_int64(stmt, 8);
    }
    sqlite3_reset(stmt);
    return code == SQLITE_ROW    ? ERR_NONE
           : code == SQLITE_DONE ? ERR_STORE_CORRUPT
                                 : db_error(c, code);
}

static err mark_save(struct settle *t, const struct round_series *s, const struct round_row *row)
{
    sqlite3_stmt *stmt = sql_statement(&t->sql, ST_SAVE);
    sqlite3_bind_int64(stmt, 1, t->load_to);
    sql_bind_text(stmt, 2, s == NULL ? SPAN(DONE) : s->device_id);
    sql_bind_text(stmt, 3, s == NULL ? SPAN("") : s->sensor_type);
    sql_bind_text(stmt, 4, s == NULL ? SPAN("") : s->unit);
    sqlite3_bind_int64(stmt, 5, s == NULL ? 0 : row->timestamp);
    sqlite3_bind_int64(stmt, 6, s == NULL ? 0 : row->id);
    return sql_run(&t->sql, stmt);
}

/* --- load --- */

/* Whether the last round's rows have not left the tail yet: that comes first. */
static bool clear_if_left(struct settle *t, const struct mark *m)
{
    bool left = m->at.all && m->tail_min < m->tail_max && m->tail_min < m->at.upto;
    if (left) {
        t->load_to = m->at.upto;
        t->clear_to = m->tail_min - 1;
        t->phase = PHASE_CLEAR;
    }
    return left;
}

static err load_start(struct settle *t)
{
    struct mark m;
    err e = mark_read(t, &m);
    if (e != ERR_NONE) {
        return e;
    }
    bool goes_on = m.at.upto > 0 && !m.at.all;
    round_clear(&t->round);
    t->at = m.at;
    t->deleted = m.deleted;
    t->tail_max = m.tail_max;
    t->begun = goes_on;
    if (clear_if_left(t, &m)) {
        return ERR_NONE;
    }
    t->load_from = goes_on ? 0 : m.at.upto;
    t->load_to = goes_on ? m.at.upto : m.tail_max;
    t->round_bytes = 0;
    if (!goes_on) {
        t->round_bytes = t->bytes;
        t->bytes = 0;
        t->waiting_since_ns = 0;
    }
    t->phase = PHASE_LOAD;
    return ERR_NONE;
}

/* Whether the mark is past this row already. */
static bool is_settled(const struct settle *t, span key, const struct round_row *row)
{
    const struct position *at = &t->at;
    if (row->id > at->upto) {
        return false;
    }
    size_t len = key.len < at->key_len ? key.len : at->key_len;
    int order = memcmp(key.ptr, at->key_bytes, len);
    order = order != 0 ? order : key.len == at->key_len ? 0 : key.len < at->key_len ? -1 : 1;
    return at->all || order < 0 ||
           (order == 0 && (row->timestamp < at->timestamp ||
                           (row->timestamp == at->timestamp && row->id <= at->id)));
}

static void load_row(struct settle *t, sqlite3_stmt *stmt)
{
    uint8_t bytes[ROUND_KEY_BYTES_MAX];
    span key = {bytes, 0};
    struct round_row row = {
        .id = sqlite3_column_int64(stmt, 0),
        .timestamp = sqlite3_column_int64(stmt, 4),
        .created_at = sqlite3_column_int64(stmt, 5),
        .value = sqlite3_column_double(stmt, 6),
        .metadata = text_of(stmt, 7),
        .sample_id = text_of(stmt, 8),
    };
    t->load_from = row.id;
    /* One whose key does not fit is none that was ever accepted. */
    if (key_of(stmt, 1, bytes, &key.len) && !is_settled(t, key, &row)) {
        round_add(&t->round, text_of(stmt, 1), text_of(stmt, 2), text_of(stmt, 3), &row);
    }
}

static void load_end(struct settle *t, bool cut)
{
    if (cut) {
        t->load_to = t->load_from; /* the rest is the next round's, */
        t->waiting_since_ns = 1;   /* which is due at once */
    }
    round_order(&t->round);
    uint64_t rows = (uint64_t)t->round.heap_count * ROWS_A_SERIES;
    t->round_rows_min = rows < ROUND_ROWS_MIN   ? ROUND_ROWS_MIN
                        : rows > ROUND_ROWS_MAX ? ROUND_ROWS_MAX
                                                : (unsigned)rows;
    t->phase = PHASE_SETTLE;
}

struct slice {
    uint64_t end_ns;
    unsigned wanted; /* rows; more only while nobody waits */
    unsigned done;
};

static bool is_over(struct settle *t, const struct slice *x, unsigned rows)
{
    return store_now_ns() >= x->end_ns ||
           (rows >= x->wanted && queue_count(&t->store->writes) > 0);
}

static err load_slice(struct settle *t, struct slice *x)
{
    bool goes_on = !t->at.all && t->at.upto > 0;
    bool cut = false;
    bool over = false;
    unsigned rows = 0;
    sqlite3_stmt *stmt = sql_statement(&t->sql, ST_LOAD);
    sqlite3_bind_int64(stmt, 1, t->load_from);
    sqlite3_bind_int64(stmt, 2, t->load_to);
    int code = stmt == NULL ? SQLITE_ERROR : SQLITE_ROW;
    while (code == SQLITE_ROW && !cut && !over && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        load_row(t, stmt);
        cut = !goes_on && (t->round.arena.total_bytes >= ROUND_BYTES_MAX ||
                           t->round.row_count >= ROUND_ROWS_MAX);
        over = ++rows % LOOK_ROWS == 0 && is_over(t, x, x->done + rows / LIGHT_ROWS);
    }
    sqlite3_reset(stmt);
    x->done += rows / LIGHT_ROWS + 1;
    if (cut || code == SQLITE_DONE) {
        load_end(t, cut);
    } else if (code != SQLITE_ROW) {
        return db_error(&t->store->conn, code);
    }
    return ERR_NONE;
}

/* --- settle --- */

/* Samples of the first series, until they or the slice are over; *last is the last one. */
static err settle_series(struct settle *t, struct slice *x, struct round_series *s,
                         const struct round_row **last, bool *over)
{
    struct series_run r;
    bool found;
    err e = series_begin(&t->sql, s, &r, &found);
    x->done += SERIES_ROWS;
    while (e == ERR_NONE && s->head != NULL && !*over) {
        *last = s->head;
        e = found ? series_add(&t->sql, &r, s->head) : ERR_NONE;
        round_take(&t->round);
        *over = ++x->done % LOOK_ROWS == 0 && is_over(t, x, x->done);
    }
    return e == ERR_NONE && found ? series_end(&t->sql, &r) : e;
}

static err clear_upto(struct settle *t, int64_t id)
{
    sqlite3_stmt *stmt = sql_statement(&t->sql, ST_CLEAR);
    sqlite3_bind_int64(stmt, 1, id);
    return sql_run(&t->sql, stmt);
}

static err settle_rows(struct settle *t, struct slice *x)
{
    struct mark m;
    err e = mark_read(t, &m);
    if (e == ERR_NONE && m.deleted != t->deleted) {
        return load_start(t); /* some of the rows in memory went with their device */
    }
    if (e == ERR_NONE && !t->begun) {
        e = clear_upto(t, t->at.upto); /* the row that stayed: the new mark may be before it */
    }
    struct round_series *s = NULL;
    const struct round_row *last = NULL;
    bool over = false;
    unsigned looked = x->done;
    while (e == ERR_NONE && !over && (s = round_first(&t->round)) != NULL) {
        e = settle_series(t, x, s, &last, &over);
        if (x->done - looked >= LOOK_ROWS) {
            over = over || is_over(t, x, x->done);
            looked = x->done;
        }
    }
    bool all = t->round.row_count == 0;
    e = e != ERR_NONE ? e : mark_save(t, all ? NULL : s, last);
    if (e == ERR_NONE && all) {
        t->clear_to = m.tail_min - 1;
        t->phase = PHASE_CLEAR;
    }
    return e;
}

/* --- clear --- */

static err clear_rows(struct settle *t, struct slice *x)
{
    bool over = false;
    err e = ERR_NONE;
    while (e == ERR_NONE && !over && t->clear_to < t->load_to) {
        int64_t to = t->clear_to + CLEAR_ROWS;
        t->clear_to = to < t->load_to ? to : t->load_to;
        e = clear_upto(t, t->clear_to);
        x->done += CLEAR_ROWS / LIGHT_ROWS;
        over = is_over(t, x, x->done);
    }
    return e;
}

/* --- slices --- */

static err in_transaction(struct settle *t, struct slice *x,
                          err (*part)(struct settle *, struct slice *))
{
    struct db *c = &t->store->conn;
    err e = db_control(c, DB_BEGIN);
    e = e != ERR_NONE ? e : part(t, x);
    uint64_t start = store_now_ns();
    e = e != ERR_NONE ? e : db_control(c, DB_COMMIT);
    t->commit_ns = store_now_ns() - start;
    return e;
}

/* After an error everything is read again, from the mark on. */
static void give_up(struct settle *t, err e)
{
    struct db *c = &t->store->conn;
    if (!t->failing) {
        LOG(t->store->log, LOG_WARN, "store.settle_failed", LOG_STR("error", err_name(e)),
            LOG_STR("detail", sqlite3_errmsg(c->db)));
    }
    if (db_in_transaction(c)) {
        err ignored = db_control(c, DB_ROLLBACK);
        (void)ignored; /* the next BEGIN tells */
    }
    t->failing = true;
    unsigned retry_ms = t->store->conf.settle_ms;
    retry_ms = retry_ms < RETRY_MS_MAX ? retry_ms : RETRY_MS_MAX;
    t->retry_ns = store_now_ns() + (uint64_t)retry_ms * 1000000U;
    t->waiting_since_ns = 1;
    t->phase = PHASE_IDLE;
    round_clear(&t->round);
}

static void work(struct settle *t, struct slice *x)
{
    err e = ERR_NONE;
    switch (t->phase) {
    case PHASE_IDLE:
        e = load_start(t);
        break;
    case PHASE_LOAD:
        e = load_slice(t, x);
        break;
    case PHASE_SETTLE:
        e = in_transaction(t, x, settle_rows);
        t->begun = t->begun || t->phase != PHASE_LOAD;
        if (e == ERR_NONE && t->phase == PHASE_CLEAR) {
            t->at.upto = t->load_to;
            t->at.all = true;
            t->round_bytes = 0;
            round_clear(&t->round);
        }
        break;
    case PHASE_CLEAR:
        e = in_transaction(t, x, clear_rows);
        if (e == ERR_NONE && t->clear_to >= t->load_to) {
            t->phase = PHASE_IDLE;
            t->failing = false;
        }
        break;
    }
    if (e != ERR_NONE) {
        give_up(t, e);
    }
}

/* --- when --- */

static uint64_t unsettled(const struct settle *t)
{
    int64_t behind = t->phase == PHASE_SETTLE ? t->load_to - t->round.row_count : t->at.upto;
    return t->tail_max > behind ? (uint64_t)(t->tail_max - behind) : 0;
}

static bool is_full(const struct settle *t)
{
    return unsettled(t) > TAIL_ROWS_MAX || t->bytes + t->round_bytes > TAIL_BYTES_MAX;
}

/* When there is work, in monotonic ns; UINT64_MAX: not before something is added. */
static uint64_t due_ns(const struct settle *t)
{
    uint64_t due = 0;
    if (t->phase == PHASE_IDLE && unsettled(t) < t->round_rows_min &&
        t->bytes < ROUND_BYTES_MAX / 2) {
        due = t->waiting_since_ns == 0
                  ? UINT64_MAX
                  : t->waiting_since_ns + (uint64_t)t->store->conf.settle_ms * 1000000U;
    }
    return due > t->retry_ns ? due : t->retry_ns;
}

int settle_wait_ms(const struct settle *t)
{
    uint64_t due = due_ns(t);
    uint64_t now = store_now_ns();
    return due == UINT64_MAX ? -1 : due <= now ? 0 : (int)((due - now) / 1000000U) + 1;
}

void settle_work(struct settle *t)
{
    struct sqlite_store *s = t->store;
    struct slice x = {.wanted = PACE_ROWS_MIN + PACE * t->noted};
    t->noted = 0;
    uint64_t now = store_now_ns();
    uint64_t slice_ns = (uint64_t)s->conf.settle_slice_us * 1000U;
    uint64_t commit_ns_max = slice_ns - slice_ns / SLICE_ROWS_PART;
    for (bool again = due_ns(t) <= now; again;) {
        x.end_ns = now + slice_ns - (t->commit_ns < commit_ns_max ? t->commit_ns : commit_ns_max);
        pthread_mutex_lock(&s->conn_lock);
        do {
            work(t, &x);
        } while (t->phase != PHASE_IDLE && !is_over(t, &x, x.done));
        pthread_mutex_unlock(&s->conn_lock);
        now = store_now_ns();
        again = x.done < x.wanted && is_full(t) && due_ns(t) <= now;
    }
    atomic_store(&s->unsettled, unsettled(t));
}

void settle_note(struct settle *t, const struct store_req *req)
{
    for (unsigned i = 0; i < req->step_count; i++) {
        const struct store_step *step = &req->steps[i];
        if (step->query != QUERY_TELEMETRY_APPEND || step->change_count == 0) {
            continue;
        }
        unsigned params = query_param_count(step->query);
        for (unsigned set = 0; set < step->set_count; set++) {
            const struct store_value *metadata = &step->params[(size_t)set * params + 4];
            t->bytes += metadata->type == STORE_TEXT ? metadata->s.len : 0;
        }
        t->tail_max += step->change_count;
        t->noted += step->change_count;
        if (t->waiting_since_ns == 0) {
            t->waiting_since_ns = store_now_ns();
        }
    }
    atomic_store(&t->store->unsettled, unsettled(t));
}

struct settle *settle_new(struct sqlite_store *s)
{
    struct settle *t = mem_calloc(1, sizeof *t);
    struct mark m;
    t->store = s;
    t->sql.db = &s->conn;
    t->round_rows_min = ROUND_ROWS_MIN;
    if (mark_read(t, &m) == ERR_NONE) {
        t->at = m.at;
        t->tail_max = m.tail_max;
        bool left = !m.at.all || m.tail_max > m.at.upto;
        t->waiting_since_ns = left && m.tail_max > 0 ? 1 : 0;
        clear_if_left(t, &m);
    }
    atomic_store(&s->unsettled, unsettled(t));
    return t;
}

void settle_free(struct settle *t)
{
    if (t != NULL) {
        sql_deinit(&t->sql);
        round_clear(&t->round);
        mem_free(t);
    }
}
