#include "adapters/store_sqlite/salvage.h"

#include "base/mem.h"

#include <string.h>

#define DEPTH_MAX 20             /* of a tree; SQLite's own bound */
#define ROW_BYTES_MAX (64u << 20) /* a longer payload is damage: what this program stores is not */
#define LOOK_PAGES_MAX 4096      /* overflow pages read to see whose rows a page has */

void salvage_init(struct salvage *s, struct image *image)
{
    *s = (struct salvage){.image = image, .seen = mem_calloc(image->page_count + 1, 1)};
    uint8_t *page = mem_alloc(image->page_bytes);
    uint32_t trunk = image->free_head;
    s->free_lost = image->header_lost;
    /* Section 1.5: trunks name the next trunk and their leaves. */
    while (trunk != 0 && !s->free_lost) {
        s->free_lost = trunk > image->page_count || s->seen[trunk] != 0 ||
                       !image_read(image, trunk, page);
        uint32_t leaves = s->free_lost ? 0 : page_u32(page + 4);
        s->free_lost = s->free_lost || leaves > image->usable / 4 - 2;
        for (uint32_t i = 0; i < leaves && !s->free_lost; i++) {
            uint32_t leaf = page_u32(page + 8 + 4 * (size_t)i);
            s->free_lost = leaf == 0 || leaf > image->page_count;
            s->seen[s->free_lost ? 0 : leaf] = 1;
        }
        if (!s->free_lost) {
            s->seen[trunk] = 1;
            trunk = page_u32(page);
        }
    }
    mem_free(page);
}

void salvage_deinit(struct salvage *s)
{
    mem_free(s->seen);
    buf_deinit(&s->payload);
}

/* A payload that goes on in overflow pages. A page has one row's rest at most. */
static bool gather(struct salvage *s, const struct page_cell *cell, bool mark, span *out)
{
    if (cell->overflow == 0) {
        *out = cell->local;
        return true;
    }
    if (cell->payload_bytes > ROW_BYTES_MAX) {
        return false;
    }
    uint8_t *page = mem_alloc(s->image->page_bytes);
    uint32_t at = cell->overflow;
    bool ok = true;
    buf_clear(&s->payload);
    buf_append_span(&s->payload, cell->local);
    while (ok && s->payload.len < cell->payload_bytes) {
        size_t want = (size_t)cell->payload_bytes - s->payload.len;
        size_t some = want < s->image->usable - 4 ? want : s->image->usable - 4;
        ok = at != 0 && at <= s->image->page_count && s->seen[at] == 0 &&
             (mark || s->look_pages > 0) && image_read(s->image, at, page);
        if (ok) {
            buf_append(&s->payload, page + 4, some);
            s->seen[at] = mark ? 1 : 0;
            s->look_pages -= mark ? 0 : 1;
            at = page_u32(page);
        }
    }
    mem_free(page);
    *out = buf_span(&s->payload);
    return ok;
}

static bool fits(const struct tree_column *c, const struct store_value *v)
{
    if (v->type == STORE_NULL) {
        return c->is_rowid || !c->not_null;
    }
    switch (c->type) {
    case SALVAGE_INT:
        return v->type == STORE_INT && !c->is_rowid;
    case SALVAGE_REAL:
        return v->type == STORE_INT || v->type == STORE_REAL;
    case SALVAGE_TEXT:
        return v->type == STORE_TEXT;
    case SALVAGE_BLOB:
        return v->type == STORE_BLOB;
    case SALVAGE_ANY:
        return true;
    }
    return false;
}

/* The values of one cell, or 0 when it is no row of this tree. Rows written before a column was
 * added are shorter; `whole` accepts none of those. */
static unsigned row_of(struct salvage *s, const struct tree *t, const struct page *p, unsigned i,
                       bool whole, bool mark, struct store_value values[RECORD_VALUES_MAX])
{
    struct page_cell cell;
    span payload;
    if (!page_cell(p, i, &cell) || !gather(s, &cell, mark, &payload)) {
        return 0;
    }
    unsigned n = record_read(payload, values);
    if (n > t->count || (whole && n < t->count)) {
        return 0;
    }
    for (unsigned c = 0; c < n; c++) {
        if (!fits(&t->columns[c], &values[c])) {
            return 0;
        }
        if (t->columns[c].is_rowid) {
            values[c] = (struct store_value){.type = STORE_INT, .i = cell.rowid};
        }
    }
    return n;
}

static bool holds_rows(const struct page *p) { return p->kind != PAGE_TABLE_INNER; }

/* How many cells of a page are rows of the tree. */
static unsigned rows_in(struct salvage *s, const struct tree *t, const struct page *p, bool whole)
{
    struct store_value values[RECORD_VALUES_MAX];
    unsigned n = 0;
    s->look_pages = LOOK_PAGES_MAX;
    for (unsigned i = 0; i < p->cell_count; i++) {
        n += row_of(s, t, p, i, whole, false, values) > 0;
    }
    return n;
}

static void give_rows(struct salvage *s, struct tree *t, const struct page *p, salvage_row row,
                      void *ctx)
{
    struct store_value values[RECORD_VALUES_MAX];
    for (unsigned i = 0; i < p->cell_count; i++) {
        unsigned n = row_of(s, t, p, i, false, true, values);
        if (n == 0) {
            t->bad_rows++;
            t->damaged = true;
            continue;
        }
        t->rows++;
        if (row != NULL) {
            row(ctx, t, values, n);
        }
    }
}

static void walk(struct salvage *s, struct tree *t, uint32_t n, unsigned depth, salvage_row row,
                 void *ctx);

static void walk_children(struct salvage *s, struct tree *t, const struct page *p, unsigned depth,
                          salvage_row row, void *ctx)
{
    for (unsigned i = 0; i < p->cell_count; i++) {
        struct page_cell cell;
        if (page_cell(p, i, &cell) || cell.child != 0) {
            walk(s, t, cell.child, depth + 1, row, ctx);
        } else {
            t->bad_pages++;
            t->damaged = true;
        }
    }
    walk(s, t, p->right, depth + 1, row, ctx);
}

static void walk(struct salvage *s, struct tree *t, uint32_t n, unsigned depth, salvage_row row,
                 void *ctx)
{
    struct page p;
    bool ok = depth <= DEPTH_MAX && n > 0 && n <= s->image->page_count && s->seen[n] == 0;
    uint8_t *bytes = ok ? mem_alloc(s->image->page_bytes) : NULL;
    ok = ok && image_read(s->image, n, bytes) &&
         page_open(span_of(bytes, s->image->usable), n == 1, &p) &&
         page_is_table(p.kind) == t->by_rowid;
    /* A damaged pointer may lead into another tree: its rows tell, and the page stays unseen. */
    ok = ok && (!holds_rows(&p) || p.cell_count == 0 || rows_in(s, t, &p, false) > 0);
    if (!ok) {
        t->bad_pages++;
        t->damaged = true;
        mem_free(bytes);
        return;
    }
    s->seen[n] = 1;
    if (holds_rows(&p)) {
        give_rows(s, t, &p, row, ctx);
    }
    if (page_is_inner(p.kind)) {
        walk_children(s, t, &p, depth, row, ctx);
    }
    mem_free(bytes);
}

void salvage_tree(struct salvage *s, struct tree *t, salvage_row row, void *ctx)
{
    if (t->root == 0) {
        t->damaged = true;
    } else {
        walk(s, t, t->root, 0, row, ctx);
    }
}

/* The one damaged tree that a page's rows fit; NULL when there is none or more than one. */
static struct tree *owner_of(struct salvage *s, const struct page *p, struct tree *trees,
                             unsigned count)
{
    struct tree *found = NULL;
    unsigned most = 0;
    for (unsigned i = 0; i < count; i++) {
        struct tree *t = &trees[i];
        if (!t->damaged || t->by_rowid != page_is_table(p->kind)) {
            continue;
        }
        unsigned rows = rows_in(s, t, p, true);
        if (rows > most) {
            found = t;
            most = rows;
        } else if (rows > 0 && rows == most) {
            found = NULL;
        }
    }
    return found;
}

void salvage_strays(struct salvage *s, struct tree *trees, unsigned count, salvage_row row,
                    void *ctx)
{
    uint8_t *bytes = mem_alloc(s->image->page_bytes);
    for (uint32_t n = 2; n <= s->image->page_count; n++) {
        struct page p;
        if (s->seen[n] != 0 || !image_read(s->image, n, bytes) ||
            !page_open(span_of(bytes, s->image->usable), false, &p) || !holds_rows(&p) ||
            p.cell_count == 0) {
            continue;
        }
        struct tree *t = owner_of(s, &p, trees, count);
        if (t == NULL) {
            s->unknown_pages++;
            continue;
        }
        s->seen[n] = 1;
        t->stray_pages++;
        give_rows(s, t, &p, t->is_table && !t->shadow ? row : NULL, ctx);
    }
    mem_free(bytes);
}

void salvage_schema(struct salvage *s, struct tree *schema, salvage_row row, void *ctx)
{
    schema->root = 1;
    salvage_tree(s, schema, row, ctx);
    if (!schema->damaged) {
        return;
    }
    uint8_t *bytes = mem_alloc(s->image->page_bytes);
    for (uint32_t n = 2; n <= s->image->page_count; n++) {
        struct page p;
        if (s->seen[n] == 0 && image_read(s->image, n, bytes) &&
            page_open(span_of(bytes, s->image->usable), false, &p) &&
            p.kind == PAGE_TABLE_LEAF && rows_in(s, schema, &p, true) > 0) {
            s->seen[n] = 1;
            give_rows(s, schema, &p, row, ctx);
        }
    }
    mem_free(bytes);
}
