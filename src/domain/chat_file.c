/* Files of rooms: found, listed, deleted. */
#include "domain/chat_file.h"
#include "domain/chat_file_internal.h"

#include "base/mem.h"
#include "shape/chat_file.h"
#include "shape/decode.h"

#include <string.h>

/* --- rows --- */

void chat_file_row(const struct store_req *req, unsigned step, unsigned row,
                   struct chat_file *out)
{
    const struct store_value *c = store_cell(req, step, row, 0);
    *out = (struct chat_file){
        .name = store_text(&c[3]),
        .mime = store_text(&c[4]),
        .sniffed = store_text(&c[5]),
        .size = store_int(&c[6]),
        .received = store_int(&c[7]),
        .sha256 = store_text(&c[8]),
        .state = (enum chat_file_state)shape_chat_file_state_of(store_text(&c[9])),
        .why = store_text(&c[10]),
        .expires_ms = store_int(&c[12]),
        .created_ms = store_int(&c[13]),
        .updated_ms = store_int(&c[14]),
        .seq = store_int(&c[15]),
    };
    (void)chat_cell_uuid(&c[0], &out->id);
    (void)chat_cell_uuid(&c[1], &out->room);
    (void)chat_cell_uuid(&c[2], &out->uploader);
    (void)chat_cell_uuid(&c[11], &out->message);
}

void chat_file_copy(struct arena *arena, const struct chat_file *f, struct chat_file *out)
{
    *out = *f;
    out->name = arena_dup(arena, f->name);
    out->mime = arena_dup(arena, f->mime);
    out->sniffed = arena_dup(arena, f->sniffed);
    out->sha256 = arena_dup(arena, f->sha256);
    out->why = arena_dup(arena, f->why);
}

void chat_file_result(struct chat_ask *a, const struct chat_file *f)
{
    buf json = {0};
    chat_file_json(f, &json);
    a->result.id = f->id;
    a->result.room = f->room;
    a->result.json = arena_dup(&a->arena, buf_span(&json));
    buf_deinit(&json);
}

/* --- counts of the process --- */

bool chat_transfer_begin(const struct home *h)
{
    _Atomic unsigned *n = &chat_files_all(h)->transfers;
    if (atomic_fetch_add_explicit(n, 1, memory_order_relaxed) < h->conf->chat_transfers_max) {
        return true;
    }
    atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
    return false;
}

void chat_transfer_end(const struct home *h)
{
    atomic_fetch_sub_explicit(&chat_files_all(h)->transfers, 1, memory_order_relaxed);
}

void chat_file_read_over(struct home *h) { chat_transfer_end(h); }

void chat_file_uncount(const struct home *h, int64_t bytes)
{
    atomic_fetch_sub_explicit(&chat_files_all(h)->bytes, bytes, memory_order_relaxed);
}

/* False: there is no room for so many more. */
bool chat_file_count(const struct home *h, int64_t bytes)
{
    int64_t max = h->conf->chat_files_bytes_max;
    _Atomic int64_t *n = &chat_files_all(h)->bytes;
    int64_t before = atomic_fetch_add_explicit(n, bytes, memory_order_relaxed);
    if (max == 0 || before + bytes <= max) {
        return true;
    }
    atomic_fetch_sub_explicit(n, bytes, memory_order_relaxed);
    return false;
}

void chat_file_stats(const struct home *h, struct chat_file_stats *out)
{
    *out = (struct chat_file_stats){.scanning = h->scanner != NULL};
    for (unsigned i = 0; i < h->count; i++) {
        const struct chat_files *s = h->peers[i]->chat->files;
        out->held += atomic_load_explicit(&s->held_count, memory_order_relaxed);
        out->away |= atomic_load_explicit(&s->away, memory_order_relaxed);
        out->transfers += atomic_load_explicit(&s->transfers, memory_order_relaxed);
        out->bytes += (uint64_t)atomic_load_explicit(&s->bytes, memory_order_relaxed);
    }
}

/* --- finding --- */

struct find {
    struct chat_ask ask; /* first */
    struct chat_file f;  /* in the arena */
    uuid file;
    enum chat_file_for what;
    err error;           /* of reading the row */
    bool there;
    chat_file_found found;
    chat_done done;      /* of a deletion */
    void *owner;
};

static void find_answered(void *owner, const struct chat_result *r)
{
    struct find *x = owner;
    bool shown = r->error == ERR_NONE || r->error == ERR_CONFLICT;
    x->found(x->owner, r, shown ? &x->f : NULL);
}

static bool same_busy(const struct map_node *n, const void *key)
{
    return uuid_eq(CONTAINER_OF(n, struct chat_file_busy, node)->file, *(const uuid *)key);
}

static struct chat_file_busy *busy_of(struct chat_files *s, uuid file)
{
    struct map_node *n = map_get(&s->busy, uuid_hash(file), same_busy, &file);
    return n == NULL ? NULL : CONTAINER_OF(n, struct chat_file_busy, node);
}

void chat_file_upload_over(struct chat *c, const struct chat_file *f, bool whole)
{
    struct chat_file_busy *b = busy_of(c->files, f->id);
    if (b != NULL) {
        map_remove(&c->files->busy, &b->node);
        mem_free(b);
    }
    chat_transfer_end(c->home);
    if (whole) {
        chat_file_inspect(c, f);
    }
}

static void upload_at_home(struct find *x, struct chat_room *r)
{
    struct chat_ask *a = &x->ask;
    struct chat_files *s = r->chat->files;
    int64_t now_ms = clock_wall_ms(r->chat->home->clock);
    const char *why = x->f.state != CHAT_FILE_ANNOUNCED ? "the file is whole already"
                      : x->f.expires_ms <= now_ms       ? "the time for this upload is over"
                      : busy_of(s, x->file) != NULL     ? "the file is being uploaded already"
                                                        : NULL;
    if (why != NULL) {
        chat_refuse(a, ERR_CONFLICT, NULL, why);
        return;
    }
    if (!chat_transfer_begin(r->chat->home)) {
        chat_refuse(a, ERR_SERVER_ERROR, NULL, "too many uploads and downloads are under way");
        return;
    }
    struct chat_file_busy *b = mem_calloc(1, sizeof *b);
    b->file = x->file;
    map_put(&s->busy, uuid_hash(b->file), &b->node);
    chat_answer(a, ERR_NONE);
}

/* Whether the caller sees it; else the ask was answered. */
static bool sees_file(struct find *x, struct chat_room *r, bool *mine)
{
    struct chat_member_of *m;
    struct chat_ask *a = &x->ask;
    if (x->error != ERR_NONE) {
        chat_answer(a, x->error);
        return false;
    }
    if (!x->there) {
        r = NULL;
    }
    if (!chat_sees(a, r, &m)) {
        return false;
    }
    *mine = uuid_eq(x->f.uploader, a->who.actor.id);
    bool out = x->f.state == CHAT_FILE_AVAILABLE;
    bool before = m != NULL && m->type == CHAT_GUEST && x->f.seq <= m->first_seq;
    if (!*mine && (!out || before)) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return false;
    }
    return true;
}

static void find_at_home(struct chat_ask *a, struct chat_room *r)
{
    struct find *x = (struct find *)a;
    bool mine;
    if (!sees_file(x, r, &mine)) {
        return;
    }
    chat_file_result(a, &x->f);
    if (x->what == CHAT_FILE_TO_SEE) {
        chat_answer(a, ERR_NONE);
    } else if (x->what == CHAT_FILE_TO_READ) {
        if (x->f.state != CHAT_FILE_AVAILABLE) {
            chat_answer(a, ERR_NOT_FOUND);
        } else if (!chat_transfer_begin(r->chat->home)) {
            chat_refuse(a, ERR_SERVER_ERROR, NULL,
                        "too many uploads and downloads are under way");
        } else {
            chat_answer(a, ERR_NONE);
        }
    } else if (!mine) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
    } else {
        const struct chat_draft draft = {.type = CHAT_MESSAGE_FILE};
        if (chat_may_send(a, r, &draft)) {
            upload_at_home(x, r);
        }
    }
}

/* The row, or that there is none: then a room that is not there is asked, as for any other. */
static void find_read(struct store_req *req)
{
    struct find *x = req->owner;
    struct chat_file f;
    x->error = req->error;
    x->there = req->error == ERR_NONE && req->steps[0].row_count == 1;
    if (x->there) {
        chat_file_row(req, 0, 0, &f);
        x->there = f.state != CHAT_FILE_GONE;
        chat_file_copy(&x->ask.arena, &f, &x->f);
        x->ask.id = f.room;
    }
    store_req_free(req);
    chat_ask_start(&x->ask);
}

static struct find *find_new(struct home *h, uuid file, const struct chat_who *who,
                             void (*at_home)(struct chat_ask *, struct chat_room *))
{
    struct find *x = chat_ask_new(h, sizeof *x, file, at_home, who, NULL, NULL, NULL);
    x->file = file;
    return x;
}

static void find_start(struct home *h, struct find *x)
{
    struct store_req *req = store_req_new(h->index, 1, find_read, x);
    req->row_max = 1;
    store_step_init(req, 0, QUERY_CHAT_FILE_GET, 1);
    chat_set_uuid(req, 0, 0, 0, x->file);
    h->store->submit(h->store, req);
}

void chat_file_find(struct home *h, uuid file, enum chat_file_for what,
                    const struct chat_who *who, chat_file_found found, void *owner)
{
    struct find *x = find_new(h, file, who, find_at_home);
    x->what = what;
    x->found = found;
    x->owner = owner;
    x->ask.done = find_answered;
    x->ask.owner = x;
    find_start(h, x);
}

/* --- listing --- */

struct listing {
    struct chat_ask ask; /* first */
    span after;
    unsigned limit;
};

static void listed(struct store_req *req)
{
    struct listing *x = req->owner;
    buf json = {0};
    err error = req->error;
    unsigned count = error == ERR_NONE ? req->steps[0].row_count : 0;
    unsigned shown = count > x->limit ? x->limit : count;
    struct chat_file f = {0};
    char id[UUID_TEXT_LEN + 1];
    buf_append_byte(&json, '[');
    for (unsigned i = 0; i < shown; i++) {
        chat_file_row(req, 0, i, &f);
        if (i > 0) {
            buf_append_byte(&json, ',');
        }
        chat_file_json(&f, &json);
    }
    buf_append_byte(&json, ']');
    x->ask.result.json = arena_dup(&x->ask.arena, buf_span(&json));
    if (count > shown) {
        uuid_format(f.id, id);
        x->ask.result.next = arena_dup(&x->ask.arena, span_of(id, UUID_TEXT_LEN));
    }
    buf_deinit(&json);
    store_req_free(req);
    chat_answer(&x->ask, error);
}

static void list_at_home(struct chat_ask *a, struct chat_room *r)
{
    struct listing *x = (struct listing *)a;
    struct chat_member_of *m;
    if (!chat_sees(a, r, &m)) {
        return;
    }
    struct home *h = r->chat->home;
    struct store_req *req = store_req_new(h->index, 1, listed, x);
    req->row_max = x->limit + 1;
    store_step_init(req, 0, QUERY_CHAT_FILE_LIST, 1);
    chat_set_uuid(req, 0, 0, 0, r->id);
    chat_set_uuid(req, 0, 0, 1, a->who.actor.id);
    store_set_text(req, 0, 0, 2, x->after);
    store_set_int(req, 0, 0, 3, m != NULL && m->type == CHAT_GUEST ? m->first_seq : 0);
    store_set_int(req, 0, 0, 4, x->limit + 1);
    h->store->submit(h->store, req);
}

void chat_file_list(struct home *h, uuid room, span after, unsigned limit,
                    const struct chat_who *who, chat_done done, void *owner)
{
    struct listing *x = chat_ask_new(h, sizeof *x, room, list_at_home, who, NULL, done, owner);
    x->after = after.len > 0 ? chat_copy(&x->ask, after) : SPAN("");
    x->limit = limit;
    chat_ask_start(&x->ask);
}

/* --- deleting --- */

void chat_file_gone_step(struct store_req *req, unsigned step, uuid file, int64_t now_ms)
{
    store_step_init(req, step, QUERY_CHAT_FILE_GO, 1);
    chat_set_uuid(req, step, 0, 0, file);
    store_set_int(req, step, 0, 1, now_ms);
}

void chat_files_gone_step(struct store_req *req, unsigned step, uuid room, int64_t now_ms)
{
    store_step_init(req, step, QUERY_CHAT_FILE_GO_ROOM, 1);
    chat_set_uuid(req, step, 0, 0, room);
    store_set_int(req, step, 0, 1, now_ms);
}

static void deleted(struct store_req *req)
{
    struct find *x = req->owner;
    err error = req->error;
    struct home *h = x->ask.chat->home;
    store_req_free(req);
    if (error == ERR_NONE) {
        chat_files_collect(h);
    }
    chat_answer(&x->ask, error);
}

static void delete_at_home(struct chat_ask *a, struct chat_room *r)
{
    struct find *x = (struct find *)a;
    bool mine;
    if (!sees_file(x, r, &mine)) {
        return;
    }
    if (!mine && !chat_moderates(a, r)) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "only who sent it and moderators may");
        return;
    }
    struct home *h = r->chat->home;
    struct store_req *req = store_req_new(h->index, mine ? 1 : 2, deleted, x);
    chat_file_gone_step(req, 0, x->file, clock_wall_ms(h->clock));
    if (!mine) {
        chat_audit_step(r->chat, req, 1, &a->who, "chat.file.delete", r->id);
    }
    h->store->submit(h->store, req);
}

void chat_file_delete(struct home *h, uuid file, const struct chat_who *who, chat_done done,
                      void *owner)
{
    struct find *x = find_new(h, file, who, delete_at_home);
    x->ask.done = done;
    x->ask.owner = owner;
    find_start(h, x);
}

/* --- reading bytes --- */

static void read_work(struct job *j)
{
    struct chat_file_read *r = CONTAINER_OF(j, struct chat_file_read, job);
    r->error = r->files->read(r->files, FILES_AVAILABLE, r->file, r->at, r->bytes, r->len,
                              &r->got);
}

static void read_done(struct job *j)
{
    struct chat_file_read *r = CONTAINER_OF(j, struct chat_file_read, job);
    r->done(r);
}

bool chat_file_read_start(struct home *h, struct chat_file_read *r)
{
    r->files = h->files;
    r->got = 0;
    r->job = (struct job){.loop = h->index, .work = read_work, .done = read_done};
    return !h->chat->files->stopped && offload_submit(h->disk, &r->job);
}

/* --- the process --- */

void chat_files_start(struct chat *c)
{
    struct chat_files *s = mem_calloc(1, sizeof *s);
    s->chat = c;
    list_init(&s->held);
    c->files = s;
    if (c->home->index == 0 && c->home->files != NULL) {
        chat_file_sweep_start(s);
    }
}

void chat_files_stop(struct chat *c)
{
    c->files->stopped = true;
    deadline_clear(&c->files->retry);
    deadline_clear(&c->files->sweep);
}

void chat_files_free(struct chat *c)
{
    struct chat_files *s = c->files;
    if (s == NULL) {
        return;
    }
    deadline_clear(&s->retry);
    deadline_clear(&s->sweep);
    chat_file_inspect_free(s);
    for (struct map_node *n; (n = map_pop(&s->busy)) != NULL;) {
        mem_free(CONTAINER_OF(n, struct chat_file_busy, node));
    }
    map_deinit(&s->busy);
    c->files = NULL;
    mem_free(s);
}
