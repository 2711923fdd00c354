/* A page of devices: the store finds and orders them, each one's home shows it. */
#include "domain/fleet_internal.h"
#include "domain/name_cursor.h"

#include "base/mem.h"
#include "shape/device.h"

#include <string.h>

#define LIMIT_MAX 200

struct item {
    struct listing *list;
    span json; /* empty while it is not here, or the device went away */
};

struct listing {
    struct home *home;
    struct arena arena;
    struct item *items;
    unsigned count;
    unsigned waiting;
    unsigned limit;
    err error;
    span next;
    bool (*visible)(void *owner, uuid id);
    device_done done;
    void *owner;
};

static void finish(struct listing *l)
{
    struct device_result r = {.error = l->error, .next = l->next};
    buf json = {0};
    buf_append_byte(&json, '[');
    for (unsigned i = 0; i < l->count; i++) {
        if (l->items[i].json.len > 0) {
            if (json.len > 1) {
                buf_append_byte(&json, ',');
            }
            buf_append_span(&json, l->items[i].json);
        }
    }
    buf_append_byte(&json, ']');
    r.json = buf_span(&json);
    l->done(l->owner, &r);
    buf_deinit(&json);
    arena_reset(&l->arena);
    mem_free(l);
}

static void shown(void *owner, const struct device_result *r)
{
    struct item *item = owner;
    struct listing *l = item->list;
    if (r->error == ERR_NONE) {
        item->json = arena_dup(&l->arena, r->json);
    } else if (r->error != ERR_DEVICE_NOT_FOUND) {
        l->error = r->error;
    }
    if (--l->waiting == 0) {
        finish(l);
    }
}

static void found(struct store_req *req)
{
    struct listing *l = req->owner;
    uuid id;
    l->error = req->error;
    unsigned rows = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    l->count = rows > l->limit ? l->limit : rows;
    if (rows > l->limit) { /* one more was asked for, to know */
        l->next = name_cursor(&l->arena, store_text(store_cell(req, 0, l->count - 1, 0)),
                              store_text(store_cell(req, 0, l->count - 1, 1)));
    }
    l->items = ARENA_ARRAY(&l->arena, struct item, l->count);
    l->waiting = 1;
    for (unsigned i = 0; i < l->count; i++) {
        l->items[i].list = l;
        if (uuid_parse(store_text(store_cell(req, 0, i, 0)), &id) &&
            (l->visible == NULL || l->visible(l->owner, id))) {
            l->waiting++;
            device_get(l->home, id, shown, &l->items[i]);
        }
    }
    store_req_free(req);
    if (--l->waiting == 0) {
        finish(l);
    }
}

static void set_filter(struct store_req *req, unsigned p, span text)
{
    if (text.len > 0) {
        store_set_text(req, 0, 0, p, text);
    }
}

/* As SQL's lower(): ASCII only. */
static span lower(struct arena *arena, span text)
{
    uint8_t *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        out[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
    return span_of(out, text.len);
}

struct refusal {
    struct mail mail;
    device_done done;
    void *owner;
};

static void refused(struct mail *m)
{
    struct refusal *x = CONTAINER_OF(m, struct refusal, mail);
    struct device_result r = {.error = ERR_INVALID_REQUEST};
    x->done(x->owner, &r);
    mem_free(x);
}

void device_list(struct home *h, const struct device_filter *in, device_done done, void *owner)
{
    span id, name;
    ASSERT(in->limit >= 1 && in->limit <= LIMIT_MAX);
    struct listing *l = mem_calloc(1, sizeof *l);
    l->home = h;
    l->limit = in->limit;
    l->visible = in->visible;
    l->done = done;
    l->owner = owner;
    if (!name_cursor_read(&l->arena, in->after, &id, &name)) {
        struct refusal *x = mem_calloc(1, sizeof *x);
        *x = (struct refusal){.mail.run = refused, .done = done, .owner = owner};
        post_mail(h->post, h->index, &x->mail);
        arena_reset(&l->arena);
        mem_free(l);
        return;
    }
    struct store_req *req = store_req_new(h->index, 1, found, l);
    req->row_max = in->limit + 1;
    bool in_group = !uuid_is_nil(in->group);
    store_step_init(req, 0, in_group ? QUERY_DEVICE_LIST_GROUP : QUERY_DEVICE_LIST, 1);
    if (in_group) {
        req_set_uuid(req, 0, 0, 8, in->group);
    }
    if (in->status >= 0) {
        store_set_text(req, 0, 0, 0, span_str(shape_device_status_name(in->status)));
    }
    if (in->connection >= 0) {
        store_set_text(req, 0, 0, 1, span_str(shape_connection_status_name(in->connection)));
    }
    set_filter(req, 2, in->type);
    set_filter(req, 3, in->tag.len > 0 ? device_tag_literal(in->tag, &l->arena) : SPAN_NONE);
    set_filter(req, 4, lower(&l->arena, in->text));
    store_set_text(req, 0, 0, 5, name);
    store_set_text(req, 0, 0, 6, id);
    store_set_int(req, 0, 0, 7, (int64_t)in->limit + 1);
    req_submit(h, req);
}
