/* Lists of rooms and entities. A page is the first so many of what is offered, in its
 * order, without sorting the rest. */
#include "domain/house_internal.h"

#include "base/base64.h"

#include <string.h>

#define CURSOR_BYTES_MAX 600 /* a name of 100 characters, and numbers */

void house_page_offer(struct house_page *p, const void *item)
{
    ASSERT(p->limit >= 1 && p->limit <= HOUSE_PAGE_MAX);
    if (p->count > p->limit && p->order(p->items[p->limit], item) < 0) {
        return; /* there is more than a page before it */
    }
    unsigned from = 0, to = p->count;
    while (from < to) {
        unsigned mid = from + (to - from) / 2;
        if (p->order(p->items[mid], item) < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    p->count += p->count <= p->limit;
    memmove(&p->items[from + 1], &p->items[from], (p->count - 1 - from) * sizeof p->items[0]);
    p->items[from] = item;
}

void house_page_answer(struct house_ask *a, const struct house_page *p,
                       void (*put)(const void *item, buf *out), span (*at)(struct house_ask *a,
                                                                          const void *item))
{
    buf json = {0};
    bool more = p->count > p->limit;
    unsigned count = more ? p->limit : p->count;
    buf_append_byte(&json, '[');
    for (unsigned i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_byte(&json, ',');
        }
        put(p->items[i], &json);
    }
    buf_append_byte(&json, ']');
    a->result.json = arena_dup(&a->arena, buf_span(&json));
    buf_deinit(&json);
    if (more) {
        span last = at(a, p->items[count - 1]);
        char *text = arena_alloc(&a->arena, BASE64_SIZE(last.len) + 1);
        a->result.next = span_of(text, base64url_encode(last, text));
    }
    house_answer(a, ERR_NONE);
}

bool house_page_after(struct house_ask *a, span cursor, span *after)
{
    *after = SPAN_NONE;
    if (cursor.len == 0) {
        return true;
    }
    if (cursor.len > BASE64_SIZE(CURSOR_BYTES_MAX)) {
        return false;
    }
    uint8_t *raw = arena_alloc(&a->arena, cursor.len + 3);
    ptrdiff_t len = base64url_decode(cursor, raw);
    *after = len > 0 ? span_of(raw, (size_t)len) : SPAN_NONE;
    return len > 0;
}

int house_span_order(span a, span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.ptr, b.ptr, shorter);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

bool house_text_in(span text, span part)
{
    for (size_t at = 0; at + part.len <= text.len; at++) {
        size_t n = 0;
        while (n < part.len && lower(text.ptr[at + n]) == lower(part.ptr[n])) {
            n++;
        }
        if (n == part.len) {
            return true;
        }
    }
    return false;
}

/* --- rooms --- */

struct room_listing {
    struct house_ask ask;
    struct house_room_filter in; /* spans in the ask's arena */
};

static int room_order(const void *a, const void *b)
{
    const struct house_room_row *x = a, *y = b;
    if (x->sort != y->sort) {
        return x->sort < y->sort ? -1 : 1;
    }
    int by_name = house_span_order(x->name, y->name);
    return by_name != 0 ? by_name : (x->id > y->id) - (x->id < y->id);
}

#define SORT_BIAS (UINT64_C(1) << 63) /* makes negative numbers smaller ones */

/* "<sort> <id> <name>" */
static span room_place(struct house_ask *a, const void *item)
{
    const struct house_room_row *row = item;
    buf text = {0};
    buf_append_u64(&text, (uint64_t)row->sort ^ SORT_BIAS);
    buf_append_byte(&text, ' ');
    buf_append_i64(&text, row->id);
    buf_append_byte(&text, ' ');
    buf_append_span(&text, row->name);
    span kept = arena_dup(&a->arena, buf_span(&text));
    buf_deinit(&text);
    return kept;
}

static bool place_read(span text, struct house_room_row *out)
{
    uint64_t sort, id;
    span rest = text;
    if (!span_u64(span_cut(&rest, ' '), UINT64_MAX, &sort) ||
        !span_u64(span_cut(&rest, ' '), INT64_MAX, &id)) {
        return false;
    }
    *out = (struct house_room_row){
        .sort = (int64_t)(sort ^ SORT_BIAS), .id = (int64_t)id, .name = rest};
    return true;
}

static void room_put(const void *item, buf *out)
{
    room_json(CONTAINER_OF((const struct house_room_row *)item, const struct room, row), out);
}

static void at_home_rooms(struct house_ask *a)
{
    const struct house_room_filter *in = &((struct room_listing *)a)->in;
    struct house_page page = {.order = room_order, .limit = in->limit};
    struct house_room_row after;
    span cursor;
    bool first = in->after.len == 0;
    if (!house_page_after(a, in->after, &cursor) || (!first && !place_read(cursor, &after))) {
        house_refuse(a, ERR_INVALID_REQUEST, "cursor", NULL);
        return;
    }
    struct map_node *n = NULL;
    while ((n = map_next(&a->house->rooms, n)) != NULL) {
        const struct house_room_row *row = &CONTAINER_OF(n, struct room, node)->row;
        if (house_may(&a->who.see, row->id, row->private) &&
            (in->floor.ptr == NULL || span_eq(in->floor, row->floor)) &&
            house_text_in(row->name, in->text) && (first || room_order(&after, row) < 0)) {
            house_page_offer(&page, row);
        }
    }
    house_page_answer(a, &page, room_put, room_place);
}

void house_room_list(struct home *h, const struct house_room_filter *in,
                     const struct house_who *who, house_done done, void *owner)
{
    struct room_listing *l = house_ask_new(h, sizeof *l, at_home_rooms, who, done, owner);
    l->in = *in;
    l->in.floor = house_copy(&l->ask, in->floor);
    l->in.text = house_copy(&l->ask, in->text);
    l->in.after = house_copy(&l->ask, in->after);
    house_ask_start(&l->ask);
}

/* --- entities --- */

struct entity_listing {
    struct house_ask ask;
    struct house_entity_filter in; /* spans in the ask's arena */
};

static int entity_order(const void *a, const void *b)
{
    return house_span_order(((const struct entity *)a)->entity_id,
                            ((const struct entity *)b)->entity_id);
}

static void entity_put(const void *item, buf *out) { entity_json(item, out); }

static span entity_place(struct house_ask *a, const void *item)
{
    (void)a;
    return ((const struct entity *)item)->entity_id;
}

static bool of_domain(const struct entity *e, span domain)
{
    return domain.len == 0 || (e->entity_id.len > domain.len && span_starts(e->entity_id, domain) &&
                               e->entity_id.ptr[domain.len] == '.');
}

static bool wanted(const struct entity *e, const struct house_entity_filter *in)
{
    return (in->room < 0 || in->room == entity_room(e)) && of_domain(e, in->domain) &&
           (uuid_is_nil(in->device) || uuid_eq(in->device, e->device)) &&
           (in->state.ptr == NULL || span_eq(in->state, entity_shown(e))) &&
           (house_text_in(e->entity_id, in->text) || house_text_in(e->name, in->text));
}

static void at_home_entities(struct house_ask *a)
{
    const struct house_entity_filter *in = &((struct entity_listing *)a)->in;
    struct house_page page = {.order = entity_order, .limit = in->limit};
    span after;
    if (!house_page_after(a, in->after, &after)) {
        house_refuse(a, ERR_INVALID_REQUEST, "cursor", NULL);
        return;
    }
    struct map_node *n = NULL;
    while ((n = map_next(&a->house->entities, n)) != NULL) {
        const struct entity *e = CONTAINER_OF(n, struct entity, node);
        if (house_may(&a->who.see, entity_room(e), entity_private(e)) && wanted(e, in) &&
            house_span_order(e->entity_id, after) > 0) {
            house_page_offer(&page, e);
        }
    }
    house_page_answer(a, &page, entity_put, entity_place);
}

void house_entity_list(struct home *h, const struct house_entity_filter *in,
                       const struct house_who *who, house_done done, void *owner)
{
    struct entity_listing *l = house_ask_new(h, sizeof *l, at_home_entities, who, done, owner);
    l->in = *in;
    l->in.domain = house_copy(&l->ask, in->domain);
    l->in.text = house_copy(&l->ask, in->text);
    l->in.state = house_copy(&l->ask, in->state);
    l->in.after = house_copy(&l->ask, in->after);
    house_ask_start(&l->ask);
}
