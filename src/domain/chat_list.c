/* Lists of rooms, from the store by whichever loop asks, and of a room's members. */
#include "domain/chat_internal.h"
#include "domain/name_cursor.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "shape/chat.h"
#include "shape/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MAX 200

/* --- rooms --- */

struct listing {
    struct arena arena;
    chat_done done;
    void *owner;
    unsigned limit;
    bool bad;
};

static void put_room(buf *out, const struct store_value *c)
{
    struct chat_room_shape r = {
        .type = (enum chat_room_type)shape_chat_room_type_of(store_text(&c[1])),
        .name = store_text(&c[2]),
        .settings = store_text(&c[3]),
        .last_seq = store_int(&c[4]),
        .version = store_int(&c[6]),
        .created_ms = store_int(&c[7]),
        .updated_ms = store_int(&c[8]),
        .member_count = (unsigned)store_int(&c[9]),
        .invited = c[10].type == STORE_NULL,
    };
    int64_t seen = store_int(&c[10]);
    (void)chat_cell_uuid(&c[0], &r.id);
    r.unread = !r.invited && r.last_seq > seen ? r.last_seq - seen : 0;
    r.invited = r.invited && store_int(&c[11]) != 0;
    chat_put_room(out, &r);
}

static span cursor_of(struct listing *l, const struct store_value *c)
{
    char at[24];
    int len = snprintf(at, sizeof at, "%lld", (long long)store_int(&c[5]));
    return name_cursor(&l->arena, store_text(&c[0]), span_of(at, (size_t)len));
}

static void listed(struct store_req *req)
{
    struct listing *l = req->owner;
    struct chat_result r = {.error = l->bad ? ERR_INVALID_REQUEST : req->error};
    buf json = {0};
    unsigned rows = r.error == ERR_NONE ? req->steps[0].row_count : 0;
    buf_append_byte(&json, '[');
    for (unsigned i = 0; i < rows && i < l->limit; i++) {
        buf_append_str(&json, i == 0 ? "" : ",");
        put_room(&json, store_cell(req, 0, i, 0));
    }
    buf_append_byte(&json, ']');
    if (rows > l->limit) {
        r.next = cursor_of(l, store_cell(req, 0, l->limit - 1, 0));
    }
    r.json = buf_span(&json);
    r.member = l->bad ? "cursor" : NULL;
    r.why = l->bad ? "is not one of ours" : NULL;
    l->done(l->owner, &r);
    buf_deinit(&json);
    arena_reset(&l->arena);
    mem_free(l);
    store_req_free(req);
}

/* In lower case, as the query compares; of ASCII. */
static span lower(struct arena *arena, span text)
{
    span copy = arena_dup(arena, text);
    for (size_t i = 0; i < copy.len; i++) {
        uint8_t *c = (uint8_t *)(uintptr_t)&copy.ptr[i];
        *c = *c >= 'A' && *c <= 'Z' ? (uint8_t)(*c - 'A' + 'a') : *c;
    }
    return copy;
}

void chat_room_list(struct home *h, const struct chat_room_filter *in, const struct chat_who *who,
                    chat_done done, void *owner)
{
    struct listing *l = mem_calloc(1, sizeof *l);
    span id = SPAN_NONE, at = SPAN_NONE;
    bool all = in->all && who->monitors;
    bool public = in->public && who->type != CHAT_GUEST && who->kind != PRINCIPAL_ROBOT;
    bool own = !all && !public;
    ASSERT(in->limit > 0 && in->limit <= LIMIT_MAX);
    l->done = done;
    l->owner = owner;
    l->limit = in->limit;
    l->bad = !name_cursor_read(&l->arena, in->after, &id, &at);
    struct store_req *req = store_req_new(h->index, 1, listed, l);
    req->row_max = in->limit + 1;
    store_step_init(req, 0, own ? QUERY_CHAT_ROOM_LIST_OWN : QUERY_CHAT_ROOM_LIST, 1);
    chat_set_uuid(req, 0, 0, 0, who->actor.id);
    if (in->text.len > 0) {
        store_set_text(req, 0, 0, 1, lower(&l->arena, in->text));
    }
    if (public || in->type >= 0) {
        enum chat_room_type type = public ? CHAT_PUBLIC : (enum chat_room_type)in->type;
        store_set_text(req, 0, 0, 2, span_str(chat_room_type_name(type)));
    }
    store_set_text(req, 0, 0, 3, id.len == 0 ? SPAN("") : id);
    store_set_int(req, 0, 0, 4, in->limit + 1);
    if (own) {
        uint64_t ms = INT64_MAX;
        l->bad = l->bad || (at.len > 0 && !span_u64(at, INT64_MAX, &ms));
        store_set_int(req, 0, 0, 5, (int64_t)ms);
        store_set_int(req, 0, 0, 6, clock_wall_ms(h->clock));
        if (!uuid_is_nil(who->only)) {
            chat_set_uuid(req, 0, 0, 7, who->only);
        }
    } else if (!who->monitors) {
        store_set_int(req, 0, 0, 5, clock_wall_ms(h->clock));
    }
    h->store->submit(h->store, req);
}

/* --- members --- */

struct members {
    struct chat_ask ask; /* first */
    uuid after;
    unsigned limit;
    bool bad;
};

static int by_id(const void *a, const void *b)
{
    const struct chat_member_of *const *x = a, *const *y = b;
    return memcmp(&(*x)->principal, &(*y)->principal, sizeof(uuid));
}

static void put_page(struct members *x, const struct chat_room *r)
{
    const struct chat_member_of **all = mem_alloc((r->members.count + 1) * sizeof *all);
    unsigned count = 0, shown = 0;
    buf json = {0};
    for (struct map_node *n = NULL; (n = map_next(&r->members, n)) != NULL;) {
        const struct chat_member_of *m = CONTAINER_OF(n, struct chat_member_of, node);
        if (memcmp(&m->principal, &x->after, sizeof(uuid)) > 0) {
            all[count++] = m;
        }
    }
    qsort(all, count, sizeof(const struct chat_member_of *), by_id);
    buf_append_byte(&json, '[');
    for (; shown < count && shown < x->limit; shown++) {
        buf_append_str(&json, shown == 0 ? "" : ",");
        chat_member_json(r, all[shown], &x->ask.who, &json);
    }
    buf_append_byte(&json, ']');
    x->ask.result.json = chat_copy(&x->ask, buf_span(&json));
    if (shown < count) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(all[shown - 1]->principal, id);
        x->ask.result.next =
            name_cursor(&x->ask.arena, span_of(id, UUID_TEXT_LEN), SPAN("m"));
    }
    buf_deinit(&json);
    mem_free(all);
}

static void at_home_members(struct chat_ask *a, struct chat_room *r)
{
    struct members *x = (struct members *)a;
    struct chat_member_of *me;
    if (!chat_sees(a, r, &me)) {
        return;
    }
    if (x->bad) {
        chat_refuse(a, ERR_INVALID_REQUEST, "cursor", "is not one of ours");
        return;
    }
    put_page(x, r);
    chat_answer(a, ERR_NONE);
}

void chat_member_list(struct home *h, uuid room, span after, unsigned limit,
                      const struct chat_who *who, chat_done done, void *owner)
{
    struct members *x = chat_ask_new(h, sizeof *x, room, at_home_members, who, NULL, done, owner);
    span id = SPAN_NONE, mark = SPAN_NONE;
    ASSERT(limit > 0 && limit <= LIMIT_MAX);
    x->limit = limit;
    x->bad = !name_cursor_read(&x->ask.arena, after, &id, &mark) ||
             (after.len > 0 && !uuid_parse(id, &x->after));
    chat_ask_start(&x->ask);
}
