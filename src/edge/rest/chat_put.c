/*
 * PUT of a file's bytes: a piece is asked for, written by a worker, then the next. Whatever ends it
 * in the middle, what came is kept, and HEAD says how much that is:
 *
 *     PUT  Content-Range: bytes 4194304-9999999/10000000   goes on at Upload-Offset; else 409
 *     PUT  without it                                      begins anew
 */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

#include "base/mem.h"
#include "codec/http1/range.h"
#include "domain/chat_file.h"

#include <stdio.h>

/* Outlives its call when the peer goes while a worker writes. */
struct put {
    struct rest_call *call;
    struct home *home;
    struct chat_upload *upload; /* owned, when it is taken up */
    bool ranged, last;
    struct http1_content_range range;
};

static void put_free(struct put *p)
{
    if (p->upload != NULL) {
        chat_upload_close(p->upload);
    }
    mem_free(p);
}

static void say_offset(struct rest_call *c, int64_t offset)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)offset);
    rest_header(c, "Upload-Offset", span_of(text, (size_t)len));
}

static void failed(struct rest_call *c, const struct put *p, err error)
{
    say_offset(c, chat_upload_at(p->upload));
    if (error == ERR_INVALID_REQUEST) {
        device_bad_query(c, "sha256", "is not that of these bytes: send them again");
    } else if (error == ERR_CONFLICT) {
        rest_error(c, error, "the upload has expired, or was deleted");
    } else {
        rest_error(c, error, error == ERR_BODY_TOO_LARGE ? "more bytes than were announced"
                                                         : NULL);
    }
}

static void on_piece(struct rest_call *c, span piece, enum http_piece what);

static void on_abandoned(struct rest_call *c) { put_free(c->user); }

static void written(void *owner, err error)
{
    struct put *p = owner;
    struct rest_call *c = rest_resume(p->call);
    if (c != NULL && error == ERR_NONE && !p->last) {
        rest_body_next(c, on_piece, on_abandoned);
        return;
    }
    if (c != NULL && error != ERR_NONE) {
        failed(c, p, error);
    } else if (c != NULL) {
        chat_upload_json(p->upload, &c->data);
        say_offset(c, chat_upload_at(p->upload));
        rest_ok(c, buf_span(&c->data));
    }
    put_free(p);
}

static void on_piece(struct rest_call *c, span piece, enum http_piece what)
{
    struct put *p = c->user;
    if (what == HTTP_PIECE_BROKEN) {
        rest_broken(c);
        put_free(p);
        return;
    }
    p->last = what == HTTP_PIECE_LAST;
    rest_later(c);
    chat_upload_write(p->upload, piece, p->last, written, p);
}

/* NULL, or why these bytes do not belong there; *error is ERR_INVALID_REQUEST without a reason. */
static const char *misplaced(const struct put *p, const struct chat_file *f, err *error)
{
    int64_t len = p->call->x->req->content_length;
    int64_t from = p->ranged ? (int64_t)p->range.from : 0;
    *error = ERR_CONFLICT;
    if (p->ranged && from != f->received) {
        return "the bytes do not follow those that are there: see Upload-Offset";
    }
    *error = ERR_INVALID_REQUEST;
    if (p->ranged && ((p->range.total >= 0 && p->range.total != f->size) ||
                      (len >= 0 && (uint64_t)len != p->range.len))) {
        return "Content-Range and the body do not fit what was announced";
    }
    *error = ERR_BODY_TOO_LARGE;
    return len >= 0 && len > f->size - from ? "more bytes than were announced" : NULL;
}

static void found(void *owner, const struct chat_result *r, const struct chat_file *f)
{
    struct put *p = owner;
    struct home *h = p->home;
    bool taken = r->error == ERR_NONE;
    if (!taken && f != NULL && p->call->x != NULL) {
        say_offset(p->call, f->state == CHAT_FILE_ANNOUNCED ? f->received : f->size);
    }
    struct rest_call *c = chat_answer_call(p->call, r);
    err error;
    const char *why = c == NULL ? NULL : misplaced(p, f, &error);
    if (c != NULL && why == NULL) {
        p->upload = chat_upload_new(h, f, p->ranged ? f->received : 0);
        rest_body_next(c, on_piece, on_abandoned);
        return;
    }
    if (taken) {
        chat_upload_none(h, f);
    }
    if (c != NULL) {
        say_offset(c, f->received);
        rest_error(c, error, why);
    }
    put_free(p);
}

void rest_chat_file_put(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct http1_content_range range = {0};
    span field = http1_field(c->x->req, "Content-Range");
    if (field.ptr != NULL && !http1_content_range_read(field, &range)) {
        rest_error(c, ERR_INVALID_REQUEST, "Content-Range is not bytes first-last/size");
        return;
    }
    if (!rest_has_stream(c)) {
        rest_error(c, ERR_LENGTH_REQUIRED, NULL);
        return;
    }
    span coding = http1_field(c->x->req, "Content-Encoding");
    if (coding.ptr != NULL && !span_ieq(coding, SPAN("identity"))) {
        rest_error(c, ERR_UNSUPPORTED_MEDIA_TYPE, "the body may not be compressed");
        return;
    }
    struct put *p = mem_calloc(1, sizeof *p);
    *p = (struct put){.call = c, .home = c->edge->home, .ranged = field.ptr != NULL,
                      .range = range};
    c->user = p;
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_file_find(p->home, c->uuids[0], CHAT_FILE_TO_UPLOAD, &who, found, p);
}
