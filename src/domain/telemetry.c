/*
 * Samples from any loop to their device's home, into the store, and the answers back. Everything
 * is gathered: what a loop's callers put in a turn goes to each home in one mail (a parcel), what
 * a home has got it stores in requests of up to REQUEST_ROWS rows, and the answers to a loop go
 * back in one mail. While REQUESTS_MAX requests are under way the next one waits until it is
 * full: then waiting would make none larger.
 *
 * A put lives in its parcel's memory, on its way there and back; the parcel goes when all of them
 * are answered, on the loop that made it.
 */
#include "domain/telemetry.h"

#include "domain/telemetry_internal.h"

#include "base/mem.h"

/* Rows of a full request; a message of more has one to itself. A transaction of the store takes
 * requests of 1,000 rows in all (CONTRACT 3): of four homes' or of one's these fill it well. */
#define REQUEST_ROWS 250
/* The store commits one and has the next; more that are not full would only be smaller. */
#define REQUESTS_MAX 2
/* And of full ones, so that a turn may be long under load and the writer still has enough; what
 * others store waits behind them, some 160 ms of a fast disk. */
#define REQUESTS_FULL_MAX 64
/* Memory of what has come to a home and is not answered, a second of what a fast store takes. More
 * is refused with ERR_STORE_BUSY: a store that hangs is not waited for in memory. */
#define WAITING_BYTES_MAX (64u << 20)
/* Of a sample, here and in the request, besides its texts. */
#define SAMPLE_BYTES 512
/* The principal's bucket is so many times a connection's (CONTRACT 7). */
#define DEVICE_TIMES 4

struct parcel {
    struct mail mail;
    struct arena arena;
    struct home *from;
    struct home *to;
    struct put *first;
    struct put **last;
    unsigned left; /* puts not answered; `from`'s */
};

struct put {
    struct mail mail; /* of the first of a chain of answers */
    struct put *next;
    struct parcel *parcel;
    struct wait wait;
    struct device *device; /* held, while its samples are on their way to the store */
    uuid id;
    uint64_t link;         /* 0: not from the device's own socket */
    char text[UUID_TEXT_LEN + 1];
    struct telemetry_sample *samples;
    unsigned count;
    size_t bytes;
    bool waits;            /* counted in telemetry.waiting */
    struct telemetry_result result;
    telemetry_done done;
    void *owner;
};

struct chain {
    struct put *first;
    struct put **last;
};

/* What a home has; also of its loop as a caller. */
struct telemetry {
    struct turn_work work;
    struct home *home;
    uint32_t turn;
    struct parcel **open;  /* owned, by home: of this turn */
    struct chain *answers; /* owned, by loop */
    struct chain gathered;
    unsigned rows;         /* gathered */
    size_t waiting;        /* bytes of puts that are not answered */
    unsigned under_way;    /* requests */
};

/* --- chains --- */

static void chain_push(struct chain *c, struct put *p)
{
    if (c->first == NULL) {
        c->last = &c->first;
    }
    p->next = NULL;
    *c->last = p;
    c->last = &p->next;
}

static struct put *chain_pop(struct chain *c)
{
    struct put *p = c->first;
    c->first = p->next;
    return p;
}

/* --- answers --- */

/* On the caller's loop. */
static void answer_chain(struct put *first)
{
    for (struct put *p = first, *next; p != NULL; p = next) {
        struct parcel *parcel = p->parcel;
        next = p->next;
        parcel->from->fleet->asks--;
        p->done(p->owner, &p->result);
        if (--parcel->left == 0) {
            arena_reset(&parcel->arena);
            mem_free(parcel);
        }
    }
}

static void answers_arrive(struct mail *m) { answer_chain(CONTAINER_OF(m, struct put, mail)); }

/* At home; it leaves when the turn ends. */
static void answer(struct telemetry *t, struct put *p)
{
    t->waiting -= p->waits ? p->bytes : 0;
    chain_push(&t->answers[p->parcel->from->index], p);
    home_at_turn_end(t->home, &t->work);
}

static void refuse(struct telemetry *t, struct put *p, err error)
{
    p->result.error = error;
    answer(t, p);
}

static void send_answers(struct telemetry *t)
{
    struct home *h = t->home;
    for (unsigned i = 0; i < h->count; i++) {
        struct put *first = t->answers[i].first;
        t->answers[i].first = NULL;
        if (first != NULL && i == h->index) {
            answer_chain(first);
        } else if (first != NULL) {
            first->mail.run = answers_arrive;
            post_mail(h->post, i, &first->mail);
        }
    }
}

/* --- the store --- */

struct batch {
    struct telemetry *telemetry;
    struct put *first;
};

static void take(struct device *d, const struct put *p)
{
    if (d->telemetry == NULL || !d->telemetry->ready) {
        return;
    }
    for (unsigned i = 0; i < p->count; i++) {
        struct sensor *s = telemetry_take(d, &p->samples[i]);
        if (s != NULL) {
            telemetry_publish(d, s);
            if (d->watch != NULL) {
                watch_value(d, &s->newest);
            }
        }
    }
}

static void count_rows(struct put *p, const uint8_t *changed)
{
    for (unsigned i = 0; i < p->count; i++) {
        p->result.accepted += changed[i] != 0;
    }
    p->result.duplicates = p->count - p->result.accepted;
}

static void stored(struct store_req *req)
{
    struct batch *b = req->owner;
    struct telemetry *t = b->telemetry;
    bool after_commit = t->home->conf->telemetry_after_commit;
    unsigned row = 0;
    for (struct put *p = b->first, *next; p != NULL; p = next) {
        struct device *d = p->device;
        next = p->next;
        p->result.error = req->error;
        if (req->error == ERR_NONE) {
            count_rows(p, req->steps[0].changed + row);
            if (after_commit && d->state == DEVICE_READY) {
                take(d, p);
            }
        }
        row += p->count;
        answer(t, p);
        device_release(d);
    }
    t->under_way--;
    store_req_free(req);
}

/* Its texts live in the parcel, until it is answered. */
static void set_row(struct store_req *req, unsigned row, const struct put *p,
                    const struct telemetry_sample *s, int64_t now_ms)
{
    store_set_borrowed(req, 0, row, 0, span_of(p->text, UUID_TEXT_LEN));
    store_set_borrowed(req, 0, row, 1, s->sensor_type);
    store_set_real(req, 0, row, 2, s->value);
    store_set_borrowed(req, 0, row, 3, s->unit);
    if (s->metadata.len > 0) {
        store_set_borrowed(req, 0, row, 4, s->metadata);
    }
    store_set_int(req, 0, row, 5, s->at_ms);
    store_set_int(req, 0, row, 6, now_ms);
    if (s->sample_id.len > 0) {
        store_set_borrowed(req, 0, row, 7, s->sample_id);
    }
}

static void submit(struct telemetry *t, struct chain puts, unsigned rows)
{
    struct home *h = t->home;
    int64_t now_ms = clock_wall_ms(h->clock);
    struct store_req *req = store_req_new(h->index, 1, stored, NULL);
    struct batch *b = ARENA_NEW(&req->arena, struct batch);
    unsigned row = 0;
    *b = (struct batch){t, puts.first};
    req->owner = b;
    store_step_init(req, 0, QUERY_TELEMETRY_APPEND, rows);
    for (struct put *p = puts.first; p != NULL; p = p->next) {
        for (unsigned i = 0; i < p->count; i++) {
            set_row(req, row++, p, &p->samples[i], now_ms);
        }
    }
    t->under_way++;
    req_submit(h, req);
}

/* The next request's puts. What a device's deletion has overtaken is not stored any more. */
static void store_some(struct telemetry *t)
{
    struct chain puts = {0};
    unsigned rows = 0;
    while (t->gathered.first != NULL &&
           (rows == 0 || rows + t->gathered.first->count <= REQUEST_ROWS)) {
        struct put *p = chain_pop(&t->gathered);
        t->rows -= p->count;
        if (p->device->state == DEVICE_GONE) {
            device_release(p->device);
            refuse(t, p, ERR_DEVICE_NOT_FOUND);
        } else {
            rows += p->count;
            chain_push(&puts, p);
        }
    }
    if (rows > 0) {
        submit(t, puts, rows);
    }
}

/* --- at home --- */

static void hear(struct put *p, struct device *d)
{
    const struct live *l = &d->live;
    struct device_telemetry *known = d->telemetry;
    uint32_t turn = d->fleet->telemetry->turn;
    if (known->heard_turn == turn) {
        return; /* it has been heard now */
    }
    if (p->link == 0) {
        presence_heard(d, false);
    } else if (l->on && l->loop == p->parcel->from->index && l->link == p->link) {
        known->heard_turn = turn;
        presence_heard(d, true);
    }
}

static bool within_rate(struct put *p, struct device *d)
{
    struct home *h = d->fleet->home;
    const struct bucket_rule rule = {.count = h->conf->telemetry_per_s * DEVICE_TIMES,
                                     .period_ms = 1000,
                                     .burst = h->conf->telemetry_burst * DEVICE_TIMES};
    return bucket_take(&d->telemetry->bucket, &rule, clock_mono_ms(h->clock),
                       &p->result.retry_after_ms);
}

static void put_ready(struct wait *w, struct device *d, err error)
{
    struct put *p = CONTAINER_OF(w, struct put, wait);
    struct telemetry *t = p->parcel->to->fleet->telemetry;
    if (d == NULL) {
        refuse(t, p, error);
    } else if (!within_rate(p, d)) {
        refuse(t, p, ERR_RATE_LIMIT_EXCEEDED);
    } else {
        hear(p, d);
        if (!t->home->conf->telemetry_after_commit) {
            take(d, p);
        }
        p->device = d;
        device_hold(d);
        chain_push(&t->gathered, p);
        t->rows += p->count;
        home_at_turn_end(t->home, &t->work);
    }
}

static void device_ready(struct wait *w, struct device *d, err error)
{
    struct put *p = CONTAINER_OF(w, struct put, wait);
    if (d == NULL || d->row.status == DEVICE_DISABLED) {
        refuse(p->parcel->to->fleet->telemetry, p, d == NULL ? error : ERR_PERMISSION_DENIED);
        return;
    }
    w->ready = put_ready;
    telemetry_need(d, w);
}

static void parcel_open(struct parcel *parcel)
{
    struct telemetry *t = parcel->to->fleet->telemetry;
    for (struct put *p = parcel->first, *next; p != NULL; p = next) {
        next = p->next; /* p goes into another chain */
        if (t->waiting + p->bytes > WAITING_BYTES_MAX) {
            refuse(t, p, ERR_STORE_BUSY);
            continue;
        }
        p->waits = true;
        t->waiting += p->bytes;
        p->wait.ready = device_ready;
        list_init(&p->wait.link);
        device_need(parcel->to->fleet, p->id, &p->wait);
    }
}

static void parcel_arrives(struct mail *m) { parcel_open(CONTAINER_OF(m, struct parcel, mail)); }

/* --- the turn --- */

static void send_parcels(struct telemetry *t)
{
    struct home *h = t->home;
    for (unsigned i = 0; i < h->count; i++) {
        struct parcel *p = t->open[i];
        t->open[i] = NULL;
        if (p != NULL && i == h->index) {
            parcel_open(p);
        } else if (p != NULL) {
            p->mail.run = parcel_arrives;
            post_mail(h->post, i, &p->mail);
        }
    }
}

static void turn_ends(struct turn_work *w)
{
    struct telemetry *t = CONTAINER_OF(w, struct telemetry, work);
    t->turn++;
    send_parcels(t);
    while (t->rows > 0 &&
           t->under_way < (t->rows < REQUEST_ROWS ? REQUESTS_MAX : REQUESTS_FULL_MAX)) {
        store_some(t);
    }
    send_answers(t);
}

struct telemetry *telemetry_new(struct home *h)
{
    struct telemetry *t = mem_calloc(1, sizeof *t);
    t->home = h;
    t->turn = 1;
    t->work.run = turn_ends;
    list_init(&t->work.link);
    t->open = mem_calloc(h->count, sizeof *t->open);
    t->answers = mem_calloc(h->count, sizeof *t->answers);
    return t;
}

void telemetry_end(struct telemetry *t)
{
    list_remove(&t->work.link);
    mem_free(t->open);
    mem_free(t->answers);
    mem_free(t);
}

/* --- on any loop --- */

static struct parcel *parcel_to(struct home *h, unsigned home)
{
    struct telemetry *t = h->fleet->telemetry;
    struct parcel *p = t->open[home];
    if (p == NULL) {
        t->open[home] = p = mem_calloc(1, sizeof *p);
        p->from = h;
        p->to = h->peers[home];
        p->last = &p->first;
        home_at_turn_end(h, &t->work);
    }
    return p;
}

static span keep(struct parcel *p, span s)
{
    return s.len == 0 ? SPAN_NONE : arena_dup(&p->arena, s);
}

static void put(struct home *h, uuid device, uint64_t link, const struct telemetry_sample *samples,
                unsigned count, telemetry_done done, void *owner)
{
    ASSERT(count > 0 && count <= TELEMETRY_BATCH_MAX);
    struct parcel *parcel = parcel_to(h, home_of(h, device));
    struct put *p = ARENA_NEW(&parcel->arena, struct put);
    p->parcel = parcel;
    p->id = device;
    p->link = link;
    p->samples = ARENA_ARRAY(&parcel->arena, struct telemetry_sample, count);
    p->count = count;
    p->done = done;
    p->owner = owner;
    uuid_format(device, p->text);
    for (unsigned i = 0; i < count; i++) {
        p->samples[i] = samples[i];
        p->samples[i].sensor_type = keep(parcel, samples[i].sensor_type);
        p->samples[i].unit = keep(parcel, samples[i].unit);
        p->samples[i].metadata = keep(parcel, samples[i].metadata);
        p->samples[i].sample_id = keep(parcel, samples[i].sample_id);
        p->bytes += SAMPLE_BYTES + samples[i].metadata.len + samples[i].sample_id.len;
    }
    *parcel->last = p;
    parcel->last = &p->next;
    parcel->left++;
    h->fleet->asks++;
}

void telemetry_put(struct home *h, uuid device, const struct telemetry_sample *samples,
                   unsigned count, telemetry_done done, void *owner)
{
    put(h, device, 0, samples, count, done, owner);
}

void telemetry_put_linked(struct device_link *l, const struct telemetry_sample *samples,
                          unsigned count, telemetry_done done, void *owner)
{
    put(l->home, l->device, l->id, samples, count, done, owner);
}
