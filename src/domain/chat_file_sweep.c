/*
 * What nobody waits for, at home 0: uploads that never came, bytes of files that are gone, and at
 * the start of a process what the one before left in the middle. A row outlives its bytes, so that
 * none are forgotten: first the row says gone, then the bytes go, then the row.
 */
#include "domain/chat_file_internal.h"

#include "base/mem.h"

#define SWEEP_MS 30000 /* a file that expires may stay so much longer */
#define SWEEP_FILES 50 /* of one round; a next one follows when there are more */
#define OPEN_PAGE 100
/* Files of a deleted room are served to nobody from its end on; their bytes go with this, for
 * looking reads all rows of files. */
#define ORPHANS_EVERY_MS 3600000

static void sweep(struct chat_files *s);

static void sweep_due(struct deadline *d)
{
    sweep(CONTAINER_OF(d, struct chat_files, sweep));
}

static void sweep_later(struct chat_files *s, int64_t ms)
{
    if (!s->stopped) {
        s->sweep.fire = sweep_due;
        deadline_set(s->chat->home, &s->sweep, ms);
    }
}

/* --- bytes of what is gone --- */

struct round {
    struct job job;
    struct chat_files *s;
    struct files *files;
    unsigned count;
    bool more;
    uuid ids[SWEEP_FILES];
    int64_t sizes[SWEEP_FILES];
    bool removed[SWEEP_FILES];
};

static void round_over(struct chat_files *s, struct round *x)
{
    bool again = s->again || x->more;
    s->sweeping = s->again = false;
    mem_free(x);
    sweep_later(s, again ? 0 : SWEEP_MS);
}

static void rows_deleted(struct store_req *req)
{
    struct round *x = req->owner;
    struct chat_files *s = x->s;
    for (unsigned i = 0; req->error == ERR_NONE && i < x->count; i++) {
        if (x->removed[i]) {
            chat_file_uncount(s->chat->home, x->sizes[i]);
        }
    }
    x->more = x->more && req->error == ERR_NONE;
    store_req_free(req);
    round_over(s, x);
}

static void bytes_removed(struct job *j)
{
    struct round *x = CONTAINER_OF(j, struct round, job);
    struct chat_files *s = x->s;
    struct home *h = s->chat->home;
    unsigned n = 0, set = 0;
    for (unsigned i = 0; i < x->count; i++) {
        n += x->removed[i];
    }
    if (n == 0) {
        x->more = false; /* the disk refuses: later */
        round_over(s, x);
        return;
    }
    struct store_req *req = store_req_new(h->index, 1, rows_deleted, x);
    store_step_init(req, 0, QUERY_CHAT_FILE_DELETE, n);
    for (unsigned i = 0; i < x->count; i++) {
        if (x->removed[i]) {
            chat_set_uuid(req, 0, set++, 0, x->ids[i]);
        }
    }
    h->store->submit(h->store, req);
}

static void remove_bytes(struct job *j)
{
    struct round *x = CONTAINER_OF(j, struct round, job);
    for (unsigned i = 0; i < x->count; i++) {
        x->removed[i] = x->files->remove(x->files, x->ids[i]) == ERR_NONE;
    }
}

static void gone_read(struct store_req *req)
{
    struct round *x = req->owner;
    struct chat_files *s = x->s;
    struct home *h = s->chat->home;
    unsigned rows = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    x->more = rows > SWEEP_FILES;
    for (unsigned i = 0; i < rows && i < SWEEP_FILES; i++) {
        (void)chat_cell_uuid(store_cell(req, 0, i, 0), &x->ids[x->count]);
        x->sizes[x->count++] = store_int(store_cell(req, 0, i, 1));
    }
    store_req_free(req);
    x->job = (struct job){.loop = h->index, .work = remove_bytes, .done = bytes_removed};
    if (x->count == 0 || s->stopped || !offload_submit(h->disk, &x->job)) {
        x->more = false;
        round_over(s, x);
    }
}

static void expired(struct store_req *req)
{
    struct round *x = req->owner;
    struct home *h = x->s->chat->home;
    store_req_free(req);
    struct store_req *next = store_req_new(h->index, 1, gone_read, x);
    next->row_max = SWEEP_FILES + 1;
    store_step_init(next, 0, QUERY_CHAT_FILE_GONE, 1);
    store_set_int(next, 0, 0, 0, SWEEP_FILES + 1);
    h->store->submit(h->store, next);
}

static void sweep(struct chat_files *s)
{
    struct home *h = s->chat->home;
    int64_t now_ms = clock_wall_ms(h->clock);
    if (s->sweeping) {
        s->again = true;
        return;
    }
    s->sweeping = true;
    struct round *x = mem_calloc(1, sizeof *x);
    x->s = s;
    x->files = h->files;
    int64_t mono_ms = (int64_t)(clock_mono_ns(h->clock) / 1000000);
    bool orphans = mono_ms >= s->orphans_ms;
    s->orphans_ms = orphans ? mono_ms + ORPHANS_EVERY_MS : s->orphans_ms;
    struct store_req *req = store_req_new(h->index, orphans ? 3 : 2, expired, x);
    if (orphans) {
        store_step_init(req, 2, QUERY_CHAT_FILE_ORPHAN, 1);
        store_set_int(req, 2, 0, 0, now_ms);
        store_set_int(req, 2, 0, 1, INT32_MAX);
    }
    store_step_init(req, 0, QUERY_CHAT_FILE_EXPIRE, 1);
    store_set_int(req, 0, 0, 0, now_ms);
    store_set_int(req, 0, 0, 1, SWEEP_FILES);
    store_step_init(req, 1, QUERY_CHAT_FILE_FORGET, 1);
    store_set_int(req, 1, 0, 0, now_ms - h->conf->retention_log_s * 1000);
    store_set_int(req, 1, 0, 1, SWEEP_FILES);
    h->store->submit(h->store, req);
}

struct kick {
    struct mail mail;
    struct home *h;
};

static void kicked(struct mail *m)
{
    struct kick *k = CONTAINER_OF(m, struct kick, mail);
    struct chat *c = k->h->peers[0]->chat;
    mem_free(k);
    if (c != NULL && c->files != NULL && !c->files->stopped) {
        sweep(c->files);
    }
}

void chat_files_collect(struct home *h)
{
    struct kick *k = mem_calloc(1, sizeof *k);
    k->h = h;
    k->mail.run = kicked;
    post_mail(h->post, 0, &k->mail);
}

/* --- what a process before left --- */

/* A quarantined file, to its room's home. */
struct adopt {
    struct mail mail;
    struct home *h;
    struct arena arena;
    struct chat_file f;
};

static void adopted(struct mail *m)
{
    struct adopt *a = CONTAINER_OF(m, struct adopt, mail);
    if (a->h->chat != NULL && a->h->chat->files != NULL && !a->h->chat->files->stopped) {
        chat_file_inspect(a->h->chat, &a->f);
    }
    arena_reset(&a->arena);
    mem_free(a);
}

static void open_from(struct chat_files *s, span after);

static void open_read(struct store_req *req)
{
    struct chat_files *s = req->owner;
    struct home *h = s->chat->home;
    unsigned rows = req->error == ERR_NONE && !s->stopped ? req->steps[0].row_count : 0;
    for (unsigned i = 0; i < rows; i++) {
        struct adopt *a = mem_calloc(1, sizeof *a);
        struct chat_file f;
        chat_file_row(req, 0, i, &f);
        chat_file_copy(&a->arena, &f, &a->f);
        a->h = h->peers[home_of(h, f.room)];
        a->mail.run = adopted;
        post_mail(h->post, a->h->index, &a->mail);
        if (i + 1 == rows && rows == OPEN_PAGE) {
            char text[UUID_TEXT_LEN + 1];
            uuid_format(f.id, text);
            open_from(s, span_of(text, UUID_TEXT_LEN));
        }
    }
    store_req_free(req);
}

static void open_from(struct chat_files *s, span after)
{
    struct home *h = s->chat->home;
    struct store_req *req = store_req_new(h->index, 1, open_read, s);
    req->row_max = OPEN_PAGE;
    store_step_init(req, 0, QUERY_CHAT_FILE_OPEN, 1);
    store_set_text(req, 0, 0, 0, after);
    store_set_int(req, 0, 0, 1, OPEN_PAGE);
    h->store->submit(h->store, req);
}

static void bytes_read(struct store_req *req)
{
    struct chat_files *s = req->owner;
    if (req->error == ERR_NONE) {
        atomic_fetch_add_explicit(&s->bytes, store_int(store_cell(req, 0, 0, 0)),
                                  memory_order_relaxed);
    }
    store_req_free(req);
}

static void count_bytes(struct chat_files *s)
{
    struct home *h = s->chat->home;
    struct store_req *req = store_req_new(h->index, 1, bytes_read, s);
    req->row_max = 1;
    store_step_init(req, 0, QUERY_CHAT_FILE_BYTES, 1);
    h->store->submit(h->store, req);
}

/* --- bytes in quarantine that no open row speaks of --- */

struct strays {
    struct job job;
    struct chat_files *s;
    struct files *files;
    uuid *ids; /* owned */
    unsigned count, cap, at;
};

static void stray_next(struct chat_files *s, struct strays *x);

static void visit(void *arg, uuid id)
{
    struct strays *x = arg;
    if (x->count == x->cap) {
        x->cap = x->cap == 0 ? 64 : x->cap * 2;
        x->ids = mem_realloc(x->ids, x->cap * sizeof *x->ids);
    }
    x->ids[x->count++] = id;
}

static void strays_work(struct job *j)
{
    struct strays *x = CONTAINER_OF(j, struct strays, job);
    (void)x->files->quarantined(x->files, visit, x);
}

static void stray_remove(struct job *j)
{
    struct strays *x = CONTAINER_OF(j, struct strays, job);
    (void)x->files->remove(x->files, x->ids[x->at]); /* else at the next start */
}

static void stray_removed(struct job *j)
{
    struct strays *x = CONTAINER_OF(j, struct strays, job);
    x->at++;
    stray_next(x->s, x);
}

static void stray_read(struct store_req *req)
{
    struct strays *x = req->owner;
    struct chat_files *s = x->s;
    struct home *h = s->chat->home;
    bool stray = req->error == ERR_NONE;
    if (stray && req->steps[0].row_count == 1) {
        struct chat_file f;
        chat_file_row(req, 0, 0, &f);
        stray = f.state == CHAT_FILE_BLOCKED;
    }
    store_req_free(req);
    x->job = (struct job){.loop = h->index, .work = stray_remove, .done = stray_removed};
    if (!stray || s->stopped || !offload_submit(h->disk, &x->job)) {
        x->at++;
        stray_next(s, x);
    }
}

static void stray_next(struct chat_files *s, struct strays *x)
{
    struct home *h = s->chat->home;
    if (x->at >= x->count || s->stopped) {
        mem_free(x->ids);
        mem_free(x);
        return;
    }
    struct store_req *req = store_req_new(h->index, 1, stray_read, x);
    req->row_max = 1;
    store_step_init(req, 0, QUERY_CHAT_FILE_GET, 1);
    chat_set_uuid(req, 0, 0, 0, x->ids[x->at]);
    h->store->submit(h->store, req);
}

static void strays_found(struct job *j)
{
    struct strays *x = CONTAINER_OF(j, struct strays, job);
    stray_next(x->s, x);
}

static void find_strays(struct chat_files *s)
{
    struct home *h = s->chat->home;
    struct strays *x = mem_calloc(1, sizeof *x);
    x->s = s;
    x->files = h->files;
    x->job = (struct job){.loop = h->index, .work = strays_work, .done = strays_found};
    if (!offload_submit(h->disk, &x->job)) {
        mem_free(x);
    }
}

void chat_file_sweep_start(struct chat_files *s)
{
    count_bytes(s);
    open_from(s, SPAN(""));
    find_strays(s);
    sweep_later(s, 0);
}
