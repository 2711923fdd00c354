/*
 * What becomes of a file whose bytes are whole: a worker looks at them, and the room's home
 * releases it, blocks it, or keeps it until the scanner is back. Nothing here is remembered beyond
 * the row: a restart begins the inspection anew, and what was released already stays so.
 *
 *     inspect --worker--> clean: bytes released --> message, row and events in one transaction
 *        ^                harmful, misfit: row blocked + chat:error --> bytes removed
 *        \--- held <----- scanner away, disk or store failed
 */
#include "domain/chat_file_internal.h"
#include "domain/chat_file_type.h"
#include "domain/chat_outgoing.h"

#include "base/mem.h"
#include "shape/chat_file.h"

#include <stdio.h>

/* Times that a scanner may answer that it cannot scan a file; then nobody gets it. */
#define FAILURES_MAX 3
#define WHY_MAX 200

struct inspect {
    struct job job;
    struct list link;      /* in files->held while it waits */
    struct chat *chat;
    struct arena arena;    /* of f's texts */
    struct chat_file f;
    struct files *files;
    struct sniff *sniff;
    struct scanner *scanner;
    /* Of the worker: */
    struct scan_source source;
    enum files_area area;
    uint64_t at;
    char sniffed[SNIFF_TYPE_MAX];
    struct scan_result scan;
    const char *misfit;
    err error;
    /* Of the home: */
    char why[WHY_MAX];
    unsigned failures;
    bool told;
};

static void inspect_free(struct inspect *i)
{
    arena_reset(&i->arena);
    mem_free(i);
}

/* --- on a worker --- */

static err read_at(struct inspect *i, uint64_t at, uint8_t *out, size_t len, size_t *got)
{
    err e = i->files->read(i->files, i->area, i->f.id, at, out, len, got);
    if (e == ERR_NOT_FOUND && i->area == FILES_QUARANTINE) { /* released before a restart */
        i->area = FILES_AVAILABLE;
        e = i->files->read(i->files, i->area, i->f.id, at, out, len, got);
    }
    return e;
}

static ptrdiff_t read_source(struct scan_source *self, uint8_t *out, size_t len)
{
    struct inspect *i = CONTAINER_OF(self, struct inspect, source);
    size_t got = 0;
    i->error = read_at(i, i->at, out, len, &got);
    i->at += got;
    return i->error == ERR_NONE ? (ptrdiff_t)got : -1;
}

static void look(struct inspect *i)
{
    uint8_t *head = mem_alloc(SNIFF_HEAD_BYTES);
    size_t got = 0;
    i->error = read_at(i, 0, head, SNIFF_HEAD_BYTES, &got);
    if (i->error == ERR_NONE && !i->sniff->type(i->sniff, span_of(head, got), i->sniffed)) {
        snprintf(i->sniffed, sizeof i->sniffed, "application/octet-stream");
    }
    mem_free(head);
    if (i->error == ERR_NONE) {
        i->misfit = chat_file_misfit(i->f.name, i->f.mime, span_str(i->sniffed));
    }
}

static void work(struct job *j)
{
    struct inspect *i = CONTAINER_OF(j, struct inspect, job);
    i->area = FILES_QUARANTINE;
    i->at = 0;
    i->misfit = NULL;
    i->scan = (struct scan_result){.verdict = SCAN_CLEAN};
    look(i);
    if (i->error == ERR_NONE && i->misfit == NULL && i->scanner != NULL) {
        i->source.read = read_source;
        i->scanner->scan(i->scanner, &i->source, &i->scan);
    }
    if (i->error == ERR_NONE && i->misfit == NULL && i->scan.verdict == SCAN_CLEAN) {
        i->error = i->files->release(i->files, i->f.id);
    }
}

/* --- held --- */

static void start(struct inspect *i);

static void count_held(struct chat_files *s, int by)
{
    unsigned n = atomic_load_explicit(&s->held_count, memory_order_relaxed);
    atomic_store_explicit(&s->held_count, n + (unsigned)by, memory_order_relaxed);
}

/* While the scanner is away one is tried; if it gets through, all are. Those that find no worker
 * are held again, and tried the next time. */
static void retry(struct deadline *d)
{
    struct chat_files *s = CONTAINER_OF(d, struct chat_files, retry);
    bool away = atomic_load_explicit(&s->away, memory_order_relaxed);
    unsigned tries = away ? 1 : atomic_load_explicit(&s->held_count, memory_order_relaxed);
    while (tries-- > 0 && !list_empty(&s->held)) {
        struct inspect *i = LIST_ITEM(s->held.next, struct inspect, link);
        list_remove(&i->link);
        count_held(s, -1);
        start(i);
    }
}

static void wait_more(struct chat_files *s)
{
    if (!wheel_armed(&s->retry.node) && !s->stopped) {
        s->retry.fire = retry;
        deadline_set(s->chat->home, &s->retry, s->chat->home->conf->chat_scan_retry_ms);
    }
}

static void hold(struct chat_files *s, struct inspect *i)
{
    list_push(&s->held, &i->link);
    count_held(s, 1);
    wait_more(s);
}

static void told(struct store_req *req)
{
    struct chat *c = req->owner;
    if (req->error == ERR_NONE) {
        chat_publish(c, NULL, req);
    }
    store_req_free(req);
}

/* Once a file; a restart may say so again. */
static void tell_held(struct inspect *i)
{
    struct chat *c = i->chat;
    struct home *h = c->home;
    char topic[CHAT_TOPIC_MAX];
    buf json = {0};
    if (i->told || h->journal == NULL) {
        return;
    }
    i->told = true;
    struct store_req *req = store_req_new(h->index, 1, told, c);
    chat_file_held(&i->f, &json);
    chat_event_step(c, req, 0, EVENT_CHAT_NOTIFICATION, chat_user_topic(i->f.uploader, topic),
                    buf_span(&json), NULL);
    buf_deinit(&json);
    h->store->submit(h->store, req);
}

/* --- blocked --- */

static void remove_work(struct job *j)
{
    struct inspect *i = CONTAINER_OF(j, struct inspect, job);
    i->error = i->files->remove(i->files, i->f.id);
}

/* Bytes that could not be removed go at the next start: their row is not open any more. */
static void removed(struct job *j)
{
    struct inspect *i = CONTAINER_OF(j, struct inspect, job);
    inspect_free(i);
}

static void remove_bytes(struct inspect *i)
{
    struct offload *disk = i->chat->home->disk;
    bool stopped = i->chat->files->stopped;
    i->job = (struct job){.loop = i->chat->home->index, .work = remove_work, .done = removed};
    if (stopped || !offload_submit(disk, &i->job)) {
        inspect_free(i);
    }
}

static void blocked(struct store_req *req)
{
    struct inspect *i = req->owner;
    err error = req->error;
    if (error == ERR_NONE) {
        chat_publish(i->chat, NULL, req);
        chat_file_uncount(i->chat->home, i->f.size);
    }
    store_req_free(req);
    if (error == ERR_NONE || error == ERR_CONFLICT) { /* or it was deleted meanwhile */
        remove_bytes(i);
    } else {
        hold(i->chat->files, i);
    }
}

static void block(struct inspect *i, const char *why)
{
    struct chat *c = i->chat;
    struct home *h = c->home;
    char topic[CHAT_TOPIC_MAX];
    buf json = {0};
    LOG(h->log, LOG_WARN, "chat.file", LOG_STR("what", "blocked"), LOG_STR("why", why),
        LOG_SPAN("sniffed", span_str(i->sniffed)));
    struct store_req *req = store_req_new(h->index, 2, blocked, i);
    store_step_init(req, 0, QUERY_CHAT_FILE_BLOCK, 1);
    req->steps[0].expect = STORE_SOME;
    chat_set_uuid(req, 0, 0, 0, i->f.id);
    store_set_text(req, 0, 0, 1, span_str(i->sniffed));
    store_set_text(req, 0, 0, 2, span_str(why));
    store_set_int(req, 0, 0, 3, clock_wall_ms(h->clock));
    chat_file_blocked(&i->f, span_str(why), &json);
    chat_event_step(c, req, 1, EVENT_CHAT_ERROR, chat_user_topic(i->f.uploader, topic),
                    buf_span(&json), NULL);
    buf_deinit(&json);
    h->store->submit(h->store, req);
}

/* --- released --- */

static void put_release(struct chat_outgoing *m, struct store_req *req, unsigned first)
{
    struct chat_ask *a = m->owner;
    struct inspect *i = a->owner;
    struct chat *c = i->chat;
    char topic[CHAT_TOPIC_MAX];
    buf json = {0};
    store_step_init(req, first, QUERY_CHAT_FILE_RELEASE, 1);
    req->steps[first].expect = STORE_SOME;
    chat_set_uuid(req, first, 0, 0, i->f.id);
    store_set_text(req, first, 0, 1, span_str(i->sniffed));
    store_set_int(req, first, 0, 2, clock_wall_ms(c->home->clock));
    chat_file_uploaded(&i->f, &json);
    chat_event_step(c, req, first + 1, EVENT_CHAT_FILE_UPLOADED,
                    chat_room_topic(i->f.room, topic), buf_span(&json), NULL);
    buf_deinit(&json);
}

static void posted(struct chat_outgoing *m, err error, bool repeated)
{
    (void)repeated;
    chat_answer(m->owner, error);
}

static void release_at_home(struct chat_ask *a, struct chat_room *r)
{
    struct inspect *i = a->owner;
    buf json = {0};
    if (r == NULL || chat_member(r, i->f.uploader) == NULL) { /* it has left, or all is gone */
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return;
    }
    chat_file_shown(&i->f, &json);
    struct chat_draft d = {
        .type = chat_file_is_image(span_str(i->sniffed)) ? CHAT_MESSAGE_IMAGE : CHAT_MESSAGE_FILE,
        .content = buf_span(&json),
        .object = true,
        .file = i->f.id,
        .file_json = buf_span(&json)};
    struct chat_outgoing *m = chat_outgoing_new(r, &d, i->f.uploader);
    buf_deinit(&json);
    m->id = i->f.message;
    m->more_steps = 2;
    m->more = put_release;
    m->done = posted;
    m->owner = a;
    chat_post(m);
}

static void gone(struct store_req *req)
{
    struct inspect *i = req->owner;
    chat_files_collect(i->chat->home);
    store_req_free(req);
    inspect_free(i);
}

static void let_go(struct inspect *i)
{
    struct home *h = i->chat->home;
    struct store_req *req = store_req_new(h->index, 1, gone, i);
    chat_file_gone_step(req, 0, i->f.id, clock_wall_ms(h->clock));
    h->store->submit(h->store, req);
}

static void release_done(void *owner, const struct chat_result *r)
{
    struct inspect *i = owner;
    if (r->error == ERR_NONE) {
        inspect_free(i);
    } else if (r->error == ERR_CONFLICT) { /* it was deleted meanwhile */
        remove_bytes(i);
    } else if (r->error == ERR_ROOM_ACCESS_DENIED) {
        let_go(i);
    } else {
        hold(i->chat->files, i);
    }
}

static void release(struct inspect *i)
{
    struct chat_ask *a = chat_ask_new(i->chat->home, sizeof *a, i->f.room, release_at_home, NULL,
                                      NULL, release_done, i);
    chat_ask_start(a);
}

/* --- the verdict --- */

static void set_away(struct chat_files *s, bool away, const char *why)
{
    bool was = atomic_load_explicit(&s->away, memory_order_relaxed);
    atomic_store_explicit(&s->away, away, memory_order_relaxed);
    if (away && !was) {
        LOG(s->chat->home->log, LOG_WARN, "chat.scanner", LOG_STR("what", "away"),
            LOG_STR("why", why));
    } else if (was && !away) {
        LOG(s->chat->home->log, LOG_INFO, "chat.scanner", LOG_STR("what", "back"));
    }
}

static void scanned(struct inspect *i)
{
    switch (i->scan.verdict) {
    case SCAN_CLEAN:
        release(i);
        break;
    case SCAN_FOUND:
        snprintf(i->why, sizeof i->why, "the scanner found %s", i->scan.what);
        block(i, i->why);
        break;
    case SCAN_FAILED:
        LOG(i->chat->home->log, LOG_WARN, "chat.scanner", LOG_STR("what", "failed"),
            LOG_STR("why", i->scan.what));
        if (++i->failures >= FAILURES_MAX) {
            block(i, "the file could not be scanned");
        } else {
            hold(i->chat->files, i);
        }
        break;
    case SCAN_AWAY:
        tell_held(i);
        hold(i->chat->files, i);
        break;
    }
}

static void worked(struct job *j)
{
    struct inspect *i = CONTAINER_OF(j, struct inspect, job);
    struct chat_files *s = i->chat->files;
    if (s == NULL || s->stopped) {
        inspect_free(i); /* the next process begins anew */
        return;
    }
    if (i->scanner != NULL && i->misfit == NULL && i->error == ERR_NONE) {
        set_away(s, i->scan.verdict == SCAN_AWAY, i->scan.what);
    }
    if (i->error == ERR_NOT_FOUND) {
        block(i, "the bytes are not there any more");
    } else if (i->error != ERR_NONE) {
        LOG(s->chat->home->log, LOG_WARN, "error", LOG_STR("what", "a file of chat"),
            LOG_STR("error", err_name(i->error)));
        hold(i->chat->files, i);
    } else if (i->misfit != NULL) {
        block(i, i->misfit);
    } else {
        scanned(i);
    }
    if (!list_empty(&s->held)) {
        if (!atomic_load_explicit(&s->away, memory_order_relaxed) &&
            i->scan.verdict == SCAN_CLEAN && i->error == ERR_NONE) {
            deadline_clear(&s->retry);
            retry(&s->retry);
        }
        wait_more(s);
    }
}

static void start(struct inspect *i)
{
    struct home *h = i->chat->home;
    struct chat_files *s = i->chat->files;
    i->files = h->files;
    i->sniff = h->sniff;
    i->scanner = h->scanner;
    i->job = (struct job){.loop = h->index, .work = work, .done = worked};
    if (s->stopped || !offload_submit(h->scans, &i->job)) {
        hold(s, i);
    }
}

void chat_file_inspect(struct chat *c, const struct chat_file *f)
{
    struct inspect *i = mem_calloc(1, sizeof *i);
    list_init(&i->link);
    i->chat = c;
    chat_file_copy(&i->arena, f, &i->f);
    start(i);
}

void chat_file_inspect_free(struct chat_files *s)
{
    while (!list_empty(&s->held)) {
        struct inspect *i = LIST_ITEM(s->held.next, struct inspect, link);
        list_remove(&i->link);
        inspect_free(i);
    }
}
