/*
 * Bytes on their way to disk, on the loop of their connection. Each piece is written by a worker
 * before the next is asked for, so an upload costs a piece of memory whatever its size. What is
 * recorded as received is on disk; what is behind it after a crash is sent again.
 */
#include "domain/chat_file_internal.h"

#include "base/base64.h"
#include "base/mem.h"
#include "shape/chat_file.h"

#define DIGEST_BYTES 32

struct chat_upload {
    struct job job;
    struct mail mail;      /* to the room's home, at the end */
    struct home *h;
    struct arena arena;    /* of f's texts */
    struct chat_file f;
    int64_t at, synced;
    buf piece;             /* on its way to disk */
    bool sync, digested;   /* digested: what is whole has the announced digest */
    bool closing, whole;
    bool anew;             /* the row still says that more is there than will be */
    err error;
    chat_upload_done done;
    void *owner;
};

struct chat_upload *chat_upload_new(struct home *h, const struct chat_file *f, int64_t at)
{
    ASSERT(at == 0 || at == f->received);
    struct chat_upload *u = mem_calloc(1, sizeof *u);
    u->h = h;
    chat_file_copy(&u->arena, f, &u->f);
    u->at = u->synced = at;
    u->anew = at < f->received;
    return u;
}

int64_t chat_upload_at(const struct chat_upload *u) { return u->at; }

void chat_upload_json(const struct chat_upload *u, buf *out)
{
    struct chat_file f = u->f;
    f.received = u->at;
    f.state = u->whole ? CHAT_FILE_QUARANTINED : CHAT_FILE_ANNOUNCED;
    chat_file_json(&f, out);
}

/* --- the end --- */

static void over(struct mail *m)
{
    struct chat_upload *u = CONTAINER_OF(m, struct chat_upload, mail);
    struct home *h = u->h->peers[home_of(u->h, u->f.room)];
    if (h->chat != NULL && h->chat->files != NULL) {
        chat_file_upload_over(h->chat, &u->f, u->whole);
    }
    arena_reset(&u->arena);
    buf_deinit(&u->piece);
    mem_free(u);
}

static void finish(struct chat_upload *u)
{
    u->mail.run = over;
    post_mail(u->h->post, home_of(u->h, u->f.room), &u->mail);
}

void chat_upload_none(struct home *h, const struct chat_file *f)
{
    finish(chat_upload_new(h, f, f->received));
}

static void answer(struct chat_upload *u, err error)
{
    if (u->closing) {
        finish(u);
    } else {
        u->done(u->owner, error);
    }
}

/* --- recording --- */

static void recorded(struct store_req *req)
{
    struct chat_upload *u = req->owner;
    err error = req->error;
    if (error == ERR_NONE) {
        u->whole = u->at == u->f.size;
        u->synced = u->at;
        if (u->whole && u->h->journal != NULL) {
            chat_publish(u->h->chat, NULL, req);
        }
    }
    store_req_free(req);
    if (error == ERR_CONFLICT) {
        chat_files_collect(u->h); /* it has gone meanwhile, and what was written last must, too */
    }
    answer(u, error == ERR_NONE && !u->digested ? ERR_INVALID_REQUEST : error);
}

static void put_status(struct chat_upload *u, struct store_req *req, unsigned step)
{
    buf json = {0};
    char topic[CHAT_TOPIC_MAX];
    chat_file_status(&u->f, &json);
    chat_event_step(u->h->chat, req, step, EVENT_CHAT_MESSAGE_STATUS,
                    chat_user_topic(u->f.uploader, topic), buf_span(&json), NULL);
    buf_deinit(&json);
}

static void record(struct chat_upload *u)
{
    struct home *h = u->h;
    bool whole = u->at == u->f.size;
    struct store_req *req = store_req_new(h->index, whole ? 2 : 1, recorded, u);
    store_step_init(req, 0, whole ? QUERY_CHAT_FILE_WHOLE : QUERY_CHAT_FILE_PROGRESS, 1);
    req->steps[0].expect = STORE_SOME;
    chat_set_uuid(req, 0, 0, 0, u->f.id);
    store_set_int(req, 0, 0, 1, u->at);
    store_set_int(req, 0, 0, 2, clock_wall_ms(h->clock));
    if (whole) {
        put_status(u, req, 1);
    }
    h->store->submit(h->store, req);
}

/* --- writing --- */

static bool digest_fits(struct chat_upload *u)
{
    uint8_t digest[DIGEST_BYTES], want[DIGEST_BYTES];
    struct files *files = u->h->files;
    if (u->f.sha256.len == 0) {
        return true;
    }
    u->error = files->digest(files, u->f.id, digest);
    return u->error != ERR_NONE ||
           (hex_decode(u->f.sha256, want) && memcmp(digest, want, sizeof want) == 0);
}

static void work(struct job *j)
{
    struct chat_upload *u = CONTAINER_OF(j, struct chat_upload, job);
    struct files *files = u->h->files;
    u->error = files->write(files, u->f.id, (uint64_t)u->at, buf_span(&u->piece), u->sync);
    u->digested = u->error == ERR_NONE &&
                  (u->at + (int64_t)u->piece.len < u->f.size || digest_fits(u));
}

static void worked(struct job *j)
{
    struct chat_upload *u = CONTAINER_OF(j, struct chat_upload, job);
    if (u->error != ERR_NONE) {
        answer(u, u->error);
    } else if (!u->digested) { /* those are not the bytes: all of them again */
        u->at = 0;
        record(u);
    } else {
        u->at += (int64_t)u->piece.len;
        if (u->sync) {
            record(u);
        } else {
            answer(u, ERR_NONE);
        }
    }
}

static void begin_job(struct chat_upload *u)
{
    u->job.loop = u->h->index;
    u->job.work = work;
    u->job.done = worked;
    if (u->h->chat->files->stopped || !offload_submit(u->h->disk, &u->job)) {
        answer(u, ERR_STORE_BUSY);
    }
}

static void begun_anew(struct store_req *req)
{
    struct chat_upload *u = req->owner;
    err error = req->error;
    store_req_free(req);
    if (error != ERR_NONE) {
        answer(u, error);
    } else {
        u->anew = false;
        begin_job(u);
    }
}

static void put(struct chat_upload *u, span bytes, bool sync)
{
    buf_clear(&u->piece);
    buf_append_span(&u->piece, bytes);
    u->sync = sync;
    if (!u->anew) {
        begin_job(u);
        return;
    }
    struct home *h = u->h;
    struct store_req *req = store_req_new(h->index, 1, begun_anew, u);
    store_step_init(req, 0, QUERY_CHAT_FILE_PROGRESS, 1);
    req->steps[0].expect = STORE_SOME;
    chat_set_uuid(req, 0, 0, 0, u->f.id);
    store_set_int(req, 0, 0, 1, 0);
    store_set_int(req, 0, 0, 2, clock_wall_ms(h->clock));
    h->store->submit(h->store, req);
}

void chat_upload_write(struct chat_upload *u, span bytes, bool last, chat_upload_done done,
                       void *owner)
{
    int64_t to = u->at + (int64_t)bytes.len;
    u->done = done;
    u->owner = owner;
    if (to > u->f.size) {
        done(owner, ERR_BODY_TOO_LARGE);
        return;
    }
    put(u, bytes, last || to == u->f.size || to - u->synced >= CHAT_UPLOAD_SYNC_BYTES);
}

void chat_upload_close(struct chat_upload *u)
{
    u->closing = true;
    if (u->at > u->synced) {
        put(u, SPAN_NONE, true);
    } else {
        finish(u);
    }
}
