#include "domain/audit.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define NAME_BYTES_MAX 100
#define ADDRESS_BYTES_MAX 64
#define LIMIT_MAX 200
#define CURSOR_BYTES_MAX (20 + 1 + UUID_TEXT_LEN)

/* At most `bytes_max` bytes, and no half of a character at the end. What is no text (a command
 * line may hold anything) is told by a mark. */
static span cut(span s, size_t bytes_max)
{
    if (!utf8_storable(s)) {
        return SPAN("?");
    }
    if (s.len <= bytes_max) {
        return s.ptr == NULL ? SPAN("") : s;
    }
    size_t len = bytes_max;
    while (len > 0 && (s.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return span_of(s.ptr, len);
}

static void set_uuid(struct store_req *req, unsigned step, unsigned set, unsigned param, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    store_set_text(req, step, set, param, span_of(text, UUID_TEXT_LEN));
}

void audit_steps(struct store_req *req, unsigned i, unsigned count)
{
    store_step_init(req, i, QUERY_AUDIT_INSERT, count);
}

void audit_set(struct home *h, struct store_req *req, unsigned i, unsigned set,
               const struct audit_entry *e)
{
    set_uuid(req, i, set, 0, home_new_id(h));
    store_set_int(req, i, set, 1, clock_wall_ms(h->clock));
    if (!uuid_is_nil(e->who->id)) {
        set_uuid(req, i, set, 2, e->who->id);
    }
    store_set_text(req, i, set, 3, cut(e->who->name, NAME_BYTES_MAX));
    store_set_text(req, i, set, 4, span_str(e->action));
    store_set_text(req, i, set, 5, span_str(e->target_kind));
    store_set_text(req, i, set, 6, cut(e->target, NAME_BYTES_MAX));
    store_set_text(req, i, set, 7, e->failed ? SPAN("failed") : SPAN("ok"));
    store_set_text(req, i, set, 8, cut(e->who->address, ADDRESS_BYTES_MAX));
    if (e->detail.len > 0) {
        store_set_text(req, i, set, 9, e->detail);
    }
}

void audit_step(struct home *h, struct store_req *req, unsigned i, const struct audit_entry *e)
{
    audit_steps(req, i, 1);
    audit_set(h, req, i, 0, e);
}

struct note {
    struct home *home;
    void (*done)(void *owner);
    void *owner;
};

static void noted(struct store_req *req)
{
    const struct note *n = req->owner;
    if (req->error != ERR_NONE) {
        LOG(n->home->log, LOG_ERROR, "audit.lost", LOG_STR("error", err_name(req->error)));
    }
    if (n->done != NULL) {
        n->done(n->owner);
    }
    store_req_free(req);
}

void audit_note(struct home *h, const struct audit_entry *e, void (*done)(void *owner), void *owner)
{
    struct store_req *req = store_req_new(h->index, 1, noted, NULL);
    struct note *n = ARENA_NEW(&req->arena, struct note);
    *n = (struct note){.home = h, .done = done, .owner = owner};
    req->owner = n;
    audit_step(h, req, 0, e);
    h->store->submit(h->store, req);
}

/* --- list --- */

struct listing {
    unsigned limit;
    audit_done done;
    void *owner;
    bool bad_cursor;
    struct audit_row rows[LIMIT_MAX];
    char next[CURSOR_BYTES_MAX + 1];
};

static void read_row(const struct store_req *req, unsigned row, struct audit_row *out)
{
    const struct store_value *cells = store_cell(req, 0, row, 0);
    *out = (struct audit_row){.id = store_text(&cells[0]),
                              .at_ms = store_int(&cells[1]),
                              .actor_id = store_text(&cells[2]),
                              .actor_name = store_text(&cells[3]),
                              .action = store_text(&cells[4]),
                              .target_kind = store_text(&cells[5]),
                              .target = store_text(&cells[6]),
                              .outcome = store_text(&cells[7]),
                              .address = store_text(&cells[8]),
                              .detail = store_text(&cells[9])};
}

static void listed(struct store_req *req)
{
    struct listing *l = req->owner;
    struct audit_result r = {.error = l->bad_cursor ? ERR_INVALID_REQUEST : req->error,
                             .rows = l->rows};
    unsigned rows = r.error == ERR_NONE ? req->steps[0].row_count : 0;
    r.count = rows < l->limit ? rows : l->limit;
    for (unsigned i = 0; i < r.count; i++) {
        read_row(req, i, &l->rows[i]);
    }
    if (rows > r.count) {
        const struct audit_row *last = &l->rows[r.count - 1];
        int len = snprintf(l->next, sizeof l->next, "%lld.%.*s", (long long)last->at_ms,
                           SPAN_FMT(last->id));
        r.next = span_of(l->next, (size_t)len);
    }
    l->done(l->owner, &r);
    store_req_free(req);
    mem_free(l);
}

/* "<ms>.<uuid>" of the last row of a page. */
static bool cursor_read(span cursor, int64_t *at_ms, uuid *id)
{
    uint64_t ms;
    span rest = cursor;
    span time = span_cut(&rest, '.');
    bool ok = cursor.len <= CURSOR_BYTES_MAX && span_u64(time, INT64_MAX, &ms) &&
              uuid_parse(rest, id);
    *at_ms = ok ? (int64_t)ms : 0;
    return ok;
}

static void set_filter(struct store_req *req, unsigned param, span text)
{
    if (text.len > 0) {
        store_set_text(req, 0, 0, param, text);
    }
}

void audit_list(struct home *h, const struct audit_filter *in, audit_done done, void *owner)
{
    ASSERT(in->limit > 0 && in->limit <= LIMIT_MAX);
    struct listing *l = mem_calloc(1, sizeof *l);
    struct store_req *req = store_req_new(h->index, 1, listed, l);
    int64_t before_ms = in->to_ms;
    uuid before_id = {{0}};
    l->limit = in->limit;
    l->done = done;
    l->owner = owner;
    l->bad_cursor = in->after.len > 0 && !cursor_read(in->after, &before_ms, &before_id);
    store_step_init(req, 0, QUERY_AUDIT_LIST, 1);
    store_set_int(req, 0, 0, 0, before_ms);
    set_uuid(req, 0, 0, 1, before_id);
    store_set_int(req, 0, 0, 2, in->from_ms);
    set_filter(req, 3, in->actor);
    set_filter(req, 4, in->action);
    set_filter(req, 5, in->target);
    store_set_int(req, 0, 0, 6, l->bad_cursor ? 1 : (int64_t)in->limit + 1);
    h->store->submit(h->store, req);
}
