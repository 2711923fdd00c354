/*
 * A file's bytes, read by workers a piece at a time as the peer takes them. They are strangers'
 * bytes: never a page of ours (attachment, nosniff, a sandbox without rights); only images that
 * hold no script may be shown in place.
 */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

#include "base/mem.h"
#include "codec/http1/list.h"
#include "codec/http1/range.h"
#include "domain/chat_file.h"
#include "domain/chat_file_type.h"

#include <stdio.h>
#include <string.h>

#define FILE_POLICY "default-src 'none'; sandbox"
#define NAME_FIELD_MAX (CHAT_FILE_NAME_MAX * 4 * 4 + 64) /* UTF-8, percent-encoded twice over */

/* Outlives its call when the peer goes while a worker reads. */
struct get {
    struct rest_call *call; /* NULL: the peer has gone */
    struct home *home;
    struct chat_file_read read;
    uint64_t left;
    bool reading;
    uint8_t bytes[HTTP_PIECE_BYTES_MAX];
};

/* --- fields --- */

static bool attr_char(uint8_t c) /* RFC 8187 3.2.1 */
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$&+-.^_`|~", c) != NULL);
}

static void put_name(struct rest_call *c, const struct chat_file *f, bool shown)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[NAME_FIELD_MAX];
    size_t at = (size_t)snprintf(text, sizeof text, "%s; filename=\"",
                                 shown ? "inline" : "attachment");
    for (size_t i = 0; i < f->name.len; i++) { /* for old clients: what ASCII can say */
        uint8_t b = f->name.ptr[i];
        text[at++] = b == '"' || b == '%' || b >= 0x7f ? '_' : (char)b;
    }
    at += (size_t)snprintf(text + at, sizeof text - at, "\"; filename*=UTF-8''");
    for (size_t i = 0; i < f->name.len; i++) {
        uint8_t b = f->name.ptr[i];
        if (attr_char(b)) {
            text[at++] = (char)b;
        } else {
            text[at++] = '%';
            text[at++] = digits[b >> 4];
            text[at++] = digits[b & 15];
        }
    }
    rest_header(c, "Content-Disposition", span_of(text, at));
}

/* What a browser could run in any way is not called by its name. */
static const char *type_of(struct rest_call *c, const struct chat_file *f, bool image)
{
    static const char *const live[] = {"html", "xml", "svg", "script", "flash", "multipart"};
    span type = image ? f->sniffed : f->mime;
    char text[CHAT_FILE_NAME_MAX + 1];
    for (size_t i = 0; i < type.len; i++) {
        text[i] = type.ptr[i] >= 'A' && type.ptr[i] <= 'Z' ? (char)(type.ptr[i] | 0x20)
                                                           : (char)type.ptr[i];
    }
    text[type.len] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(live); i++) {
        if (strstr(text, live[i]) != NULL) {
            return "application/octet-stream";
        }
    }
    return rest_printf(c, "%s", text);
}

static void put_fields(struct rest_call *c, const struct chat_file *f, bool image, span etag)
{
    c->policy = FILE_POLICY;
    put_name(c, f, image);
    rest_header(c, "ETag", etag);
    rest_header(c, "Accept-Ranges", SPAN("bytes"));
}

static void put_range(struct rest_call *c, uint64_t from, uint64_t len, int64_t size)
{
    char text[80];
    int n = len == 0 ? snprintf(text, sizeof text, "bytes */%lld", (long long)size)
                     : snprintf(text, sizeof text, "bytes %llu-%llu/%lld",
                                (unsigned long long)from, (unsigned long long)(from + len - 1),
                                (long long)size);
    rest_header(c, "Content-Range", span_of(text, (size_t)n));
}

/* --- sending --- */

static void get_free(struct get *g)
{
    chat_file_read_over(g->home);
    mem_free(g);
}

static void read_next(struct get *g);

static void was_read(struct chat_file_read *r)
{
    struct get *g = CONTAINER_OF(r, struct get, read);
    struct rest_call *c = g->call;
    g->reading = false;
    if (c == NULL) {
        get_free(g);
        return;
    }
    if (r->error != ERR_NONE || r->got == 0) { /* it was deleted, or the disk failed */
        rest_send_cut(c);
        get_free(g);
        return;
    }
    r->at += r->got;
    g->left -= r->got;
    enum http_sent sent = rest_send(c, span_of(g->bytes, r->got));
    if (sent == HTTP_SENT_ALL) {
        get_free(g);
    } else if (sent == HTTP_SENT_MORE) {
        read_next(g);
    }
}

static void read_next(struct get *g)
{
    g->read.bytes = g->bytes;
    g->read.len = g->left < sizeof g->bytes ? (size_t)g->left : sizeof g->bytes;
    g->read.done = was_read;
    g->reading = chat_file_read_start(g->home, &g->read);
    if (!g->reading) {
        rest_send_cut(g->call);
        get_free(g);
    }
}

static void on_writable(struct rest_call *c)
{
    struct get *g = c->user;
    if (!g->reading) {
        read_next(g);
    }
}

static void on_abandoned(struct rest_call *c)
{
    struct get *g = c->user;
    g->call = NULL;
    if (!g->reading) {
        get_free(g);
    }
}

static void serve(struct rest_call *c, struct home *h, const struct chat_file *f)
{
    char etag[UUID_TEXT_LEN + 3];
    uint64_t from, len;
    bool image = chat_file_is_image(f->sniffed);
    etag[0] = etag[UUID_TEXT_LEN + 1] = '"';
    uuid_format(f->id, etag + 1);
    etag[UUID_TEXT_LEN + 1] = '"';
    span tag = span_of(etag, UUID_TEXT_LEN + 2);
    span wanted = http1_field(c->x->req, "Range");
    span only_if = http1_field(c->x->req, "If-Range");
    if (only_if.ptr != NULL && !span_eq(only_if, tag)) {
        wanted = SPAN_NONE;
    }
    enum http1_range part = http1_range_read(wanted, (uint64_t)f->size, &from, &len);
    put_fields(c, f, image, tag);
    if (part == HTTP1_RANGE_NONE) {
        put_range(c, 0, 0, f->size);
        rest_error(c, ERR_RANGE_NOT_THERE, NULL);
        chat_file_read_over(h);
        return;
    }
    if (part == HTTP1_RANGE_PART) {
        put_range(c, from, len, f->size);
    }
    struct get *g = mem_calloc(1, sizeof *g);
    *g = (struct get){.call = c, .home = h, .left = len,
                      .read = {.file = f->id, .at = from}};
    c->user = g;
    if (!rest_send_begin(c, part == HTTP1_RANGE_PART ? 206 : 200, type_of(c, f, image), len,
                         on_writable, on_abandoned)) {
        get_free(g); /* HEAD */
        return;
    }
    read_next(g);
}

static void found(void *owner, const struct chat_result *r, const struct chat_file *f)
{
    struct rest_call *c = owner;
    struct home *h = c->edge->home;
    bool taken = r->error == ERR_NONE;
    c = chat_answer_call(c, r);
    if (c != NULL) {
        serve(c, h, f);
    } else if (taken) {
        chat_file_read_over(h);
    }
}

/* --- how far an upload is --- */

static void seen(void *owner, const struct chat_result *r, const struct chat_file *f)
{
    struct rest_call *c = owner;
    char text[24];
    if (r->error == ERR_NONE && f->state == CHAT_FILE_AVAILABLE && c->x != NULL) {
        char address[ADDR_TEXT_MAX];
        struct chat_who who = chat_caller(c, address);
        chat_file_find(c->edge->home, f->id, CHAT_FILE_TO_READ, &who, found, c);
        return;
    }
    c = chat_answer_call(c, r);
    if (c != NULL) {
        int64_t at = f->state == CHAT_FILE_ANNOUNCED ? f->received : f->size;
        int len = snprintf(text, sizeof text, "%lld", (long long)at);
        rest_header(c, "Upload-Offset", span_of(text, (size_t)len));
        rest_no_content(c);
    }
}

void rest_chat_file_bytes(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_who who = chat_caller(c, address);
    bool head = c->x->req->method == HTTP1_HEAD;
    rest_later(c);
    chat_file_find(c->edge->home, c->uuids[0], head ? CHAT_FILE_TO_SEE : CHAT_FILE_TO_READ, &who,
                   head ? seen : found, c);
}
