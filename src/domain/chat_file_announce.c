/* Files of rooms: announced, some with their bytes. */
#include "domain/chat_file.h"
#include "domain/chat_file_internal.h"
#include "domain/chat_file_type.h"

#include "base/base64.h"
#include "base/mem.h"
#include "shape/chat_file.h"
#include "shape/decode.h"

#include <string.h>

enum { ANNOUNCE_PENDING }; /* the one step of the look */

struct announce {
    struct chat_change change; /* first */
    struct chat_file f;        /* in the arena */
    span bytes;                /* ptr NULL: they come by PUT */
    struct chat_upload *upload;
    bool counted;
};

static struct announce *announce_of(struct chat_change *c)
{
    return CONTAINER_OF(c, struct announce, change);
}

static const char *wrong(const struct home *h, const struct chat_file_draft *in,
                         const char **member)
{
    uint8_t digest[32];
    const char *why = chat_file_refused(in->name, in->mime);
    *member = "name";
    if (why != NULL) {
        return why;
    }
    if (chat_chars(in->name) > CHAT_FILE_NAME_MAX || in->mime.len > CHAT_FILE_NAME_MAX) {
        return "is longer than 255 characters";
    }
    *member = "size";
    if (in->size < 1 || (uint64_t)in->size > h->conf->chat_file_bytes_max) {
        return in->size < 1 ? "must be above 0" : "is more than a file may have";
    }
    *member = "sha256";
    if (in->sha256.len > 0 && (in->sha256.len != 64 || !hex_decode(in->sha256, digest))) {
        return "must be 64 hexadecimal digits in lower case";
    }
    *member = "bytes";
    return in->bytes.ptr != NULL && in->bytes.len != (size_t)in->size
               ? "are not as many as size says"
               : NULL;
}

static void answer_announced(struct announce *x, err error)
{
    struct chat_ask *a = &x->change.ask;
    buf ack = {0};
    if (error == ERR_NONE) {
        chat_file_ack(&x->f, &ack);
        chat_file_result(a, &x->f);
        a->result.created = true;
        a->result.members = arena_dup(&a->arena, buf_span(&ack));
        buf_deinit(&ack);
    } else if (x->counted) {
        chat_file_uncount(a->chat->home, x->f.size);
    }
    chat_answer(a, error);
}

static void bytes_written(void *owner, err error)
{
    struct announce *x = owner;
    struct chat_upload *u = x->upload;
    x->counted = false; /* the row is there, and counts */
    if (error == ERR_NONE) {
        x->f.state = CHAT_FILE_QUARANTINED;
    }
    answer_announced(x, error);
    chat_upload_close(u);
}

static void announced(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    struct announce *x = announce_of(c);
    struct home *h = r->chat->home;
    (void)req;
    if (x->bytes.ptr == NULL) {
        answer_announced(x, ERR_NONE);
        return;
    }
    struct chat_file_busy *b = mem_calloc(1, sizeof *b);
    b->file = x->f.id;
    map_put(&r->chat->files->busy, uuid_hash(b->file), &b->node);
    atomic_fetch_add_explicit(&chat_files_all(h)->transfers, 1, memory_order_relaxed);
    x->upload = chat_upload_new(h, &x->f, 0);
    chat_upload_write(x->upload, x->bytes, true, bytes_written, x);
}

static void announce_failed(struct chat_change *c, struct chat_room *r, struct store_req *req)
{
    (void)r;
    answer_announced(announce_of(c), req->error);
}

static struct store_req *announce_fill(struct chat_change *c, struct chat_room *r)
{
    struct announce *x = announce_of(c);
    struct chat_file *f = &x->f;
    struct store_req *req = store_req_new(r->chat->home->index, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_FILE_INSERT, 1);
    chat_set_uuid(req, 0, 0, 0, f->id);
    chat_set_uuid(req, 0, 0, 1, f->room);
    chat_set_uuid(req, 0, 0, 2, f->uploader);
    store_set_text(req, 0, 0, 3, f->name);
    store_set_text(req, 0, 0, 4, f->mime);
    store_set_int(req, 0, 0, 5, f->size);
    if (f->sha256.len > 0) {
        store_set_text(req, 0, 0, 6, f->sha256);
    }
    chat_set_uuid(req, 0, 0, 7, f->message);
    store_set_int(req, 0, 0, 8, f->expires_ms);
    store_set_int(req, 0, 0, 9, f->created_ms);
    return req;
}

/* How many of theirs are open is known. */
static void announce_looked(struct store_req *req)
{
    struct announce *x = req->owner;
    struct chat_ask *a = &x->change.ask;
    struct chat_room *r = a->room;
    err error = req->error;
    int64_t open = error == ERR_NONE ? store_int(store_cell(req, ANNOUNCE_PENDING, 0, 0)) : 0;
    store_req_free(req);
    if (error == ERR_NONE && open >= CHAT_FILE_OPEN_MAX) {
        a->result.retry_after_ms = 60000;
        chat_refuse(a, ERR_RATE_LIMIT_EXCEEDED, NULL, "too many of your files are open");
    } else if (error == ERR_NONE && !chat_file_count(r->chat->home, x->f.size)) {
        chat_refuse(a, ERR_STORE_FULL, NULL, "there is no room for more files");
    } else if (error != ERR_NONE) {
        chat_answer(a, error);
    } else {
        x->counted = true;
        x->change.fill = announce_fill;
        x->change.committed = announced;
        x->change.failed = announce_failed;
        chat_change_run(&x->change, r);
    }
    chat_release(r);
}

static void announce_at_home(struct chat_ask *a, struct chat_room *r)
{
    struct announce *x = (struct announce *)a;
    const struct chat_draft draft = {.type = CHAT_MESSAGE_FILE};
    if (r == NULL) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return;
    }
    if (!chat_may_send(a, r, &draft)) {
        return;
    }
    struct home *h = r->chat->home;
    if (h->files == NULL) {
        chat_refuse(a, ERR_SERVER_ERROR, NULL, "files are not kept here");
        return;
    }
    if (chat_member(r, a->who.actor.id) == NULL) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, "say something first: you are watching");
        return;
    }
    x->f.id = home_new_id(h);
    x->f.message = home_new_id(h);
    x->f.room = r->id;
    x->f.uploader = a->who.actor.id;
    x->f.created_ms = x->f.updated_ms = clock_wall_ms(h->clock);
    x->f.expires_ms = x->f.created_ms + h->conf->chat_upload_s * 1000;
    a->room = r;
    chat_hold(r);
    struct store_req *req = store_req_new(h->index, 1, announce_looked, x);
    req->row_max = 1;
    store_step_init(req, ANNOUNCE_PENDING, QUERY_CHAT_FILE_PENDING, 1);
    chat_set_uuid(req, ANNOUNCE_PENDING, 0, 0, x->f.uploader);
    h->store->submit(h->store, req);
}

/* Wrong whatever the room is; but whether there is one is not told by it. */
static void announce_wrong(struct chat_ask *a, struct chat_room *r)
{
    struct chat_member_of *m;
    if (chat_sees(a, r, &m)) {
        chat_refuse(a, ERR_INVALID_REQUEST, a->result.member, a->result.why);
    }
}

void chat_file_announce(struct home *h, uuid room, const struct chat_file_draft *in,
                        const struct chat_who *who, const struct chat_origin *origin,
                        chat_done done, void *owner)
{
    struct announce *x =
        chat_ask_new(h, sizeof *x, room, announce_at_home, who, origin, done, owner);
    struct chat_ask *a = &x->change.ask;
    const char *member = NULL;
    const char *why = wrong(h, in, &member);
    if (why != NULL) {
        a->result.member = member;
        a->result.why = why;
        a->at_home = announce_wrong;
        chat_ask_start(a);
        return;
    }
    x->f = (struct chat_file){.name = chat_copy(a, in->name),
                              .mime = chat_copy(a, in->mime),
                              .sha256 = chat_copy(a, in->sha256),
                              .size = in->size};
    x->bytes = chat_copy(a, in->bytes);
    chat_ask_start(a);
}
