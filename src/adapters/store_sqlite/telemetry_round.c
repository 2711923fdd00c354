#include "adapters/store_sqlite/telemetry_round.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

void round_clear(struct telemetry_round *r)
{
    map_deinit(&r->series);
    arena_reset(&r->arena);
    mem_free(r->heap);
    *r = (struct telemetry_round){0};
}

static bool is_key(const struct map_node *node, const void *key)
{
    return span_eq(CONTAINER_OF(node, struct round_series, node)->key, *(const span *)key);
}

static struct round_series *series_new(struct telemetry_round *r, span key, span device_id,
                                       span sensor_type, span unit)
{
    struct round_series *s = ARENA_NEW(&r->arena, struct round_series);
    s->key = arena_dup(&r->arena, key);
    s->device_id = span_slice(s->key, 0, device_id.len);
    s->sensor_type = span_slice(s->key, device_id.len + 1, sensor_type.len);
    s->unit = span_slice(s->key, device_id.len + sensor_type.len + 2, unit.len);
    if (r->heap_count == r->heap_cap) {
        r->heap_cap = r->heap_cap == 0 ? 256 : r->heap_cap * 2;
        r->heap = mem_realloc(r->heap, r->heap_cap * sizeof(struct round_series *));
    }
    r->heap[r->heap_count++] = s;
    return s;
}

static struct round_series *series_of(struct telemetry_round *r, span device_id, span sensor_type,
                                      span unit)
{
    uint8_t bytes[ROUND_KEY_BYTES_MAX];
    span key = {bytes, device_id.len + sensor_type.len + unit.len + 2};
    ASSERT(key.len <= sizeof bytes);
    memcpy(bytes, device_id.ptr, device_id.len);
    bytes[device_id.len] = 0;
    memcpy(bytes + device_id.len + 1, sensor_type.ptr, sensor_type.len);
    bytes[device_id.len + 1 + sensor_type.len] = 0;
    memcpy(bytes + device_id.len + sensor_type.len + 2, unit.ptr, unit.len);
    uint64_t hash = hash_bytes(key);
    struct map_node *node = map_get(&r->series, hash, is_key, &key);
    if (node != NULL) {
        return CONTAINER_OF(node, struct round_series, node);
    }
    struct round_series *s = series_new(r, key, device_id, sensor_type, unit);
    map_put(&r->series, hash, &s->node);
    return s;
}

static bool is_before(const struct round_row *a, const struct round_row *b)
{
    return a->timestamp != b->timestamp ? a->timestamp < b->timestamp : a->id < b->id;
}

void round_add(struct telemetry_round *r, span device_id, span sensor_type, span unit,
               const struct round_row *row)
{
    struct round_series *s = series_of(r, device_id, sensor_type, unit);
    struct round_row *copy = ARENA_NEW(&r->arena, struct round_row);
    *copy = *row;
    copy->next = NULL;
    if (row->metadata.ptr != NULL) {
        copy->metadata = arena_dup(&r->arena, row->metadata);
    }
    if (row->sample_id.ptr != NULL) {
        copy->sample_id = arena_dup(&r->arena, row->sample_id);
    }
    if (s->last == NULL) {
        s->head = copy;
    } else {
        s->unsorted = s->unsorted || is_before(copy, s->last);
        s->last->next = copy;
    }
    s->last = copy;
    s->count++;
    r->row_count++;
}

static bool is_less(const struct round_series *a, const struct round_series *b)
{
    size_t len = a->key.len < b->key.len ? a->key.len : b->key.len;
    int order = memcmp(a->key.ptr, b->key.ptr, len);
    return order != 0 ? order < 0 : a->key.len < b->key.len;
}

static void sift_down(struct telemetry_round *r, size_t at)
{
    struct round_series *moved = r->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= r->heap_count) {
            break;
        }
        if (child + 1 < r->heap_count && is_less(r->heap[child + 1], r->heap[child])) {
            child++;
        }
        if (!is_less(r->heap[child], moved)) {
            break;
        }
        r->heap[at] = r->heap[child];
        at = child;
    }
    r->heap[at] = moved;
}

void round_order(struct telemetry_round *r)
{
    for (size_t i = r->heap_count / 2; i-- > 0;) {
        sift_down(r, i);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct round_row *const *x = a;
    const struct round_row *const *y = b;
    return is_before(*x, *y) ? -1 : 1; /* ids differ */
}

static void sort_rows(struct round_series *s)
{
    struct round_row **rows = mem_alloc(s->count * sizeof(struct round_row *));
    unsigned n = 0;
    for (struct round_row *row = s->head; row != NULL; row = row->next) {
        rows[n++] = row;
    }
    qsort(rows, n, sizeof(struct round_row *), by_time);
    for (unsigned i = 0; i < n; i++) {
        rows[i]->next = i + 1 < n ? rows[i + 1] : NULL;
    }
    s->head = rows[0];
    s->last = rows[n - 1];
    s->unsorted = false;
    mem_free(rows);
}

struct round_series *round_first(struct telemetry_round *r)
{
    if (r->heap_count == 0) {
        return NULL;
    }
    struct round_series *s = r->heap[0];
    if (s->unsorted) {
        sort_rows(s);
    }
    return s;
}

void round_take(struct telemetry_round *r)
{
    struct round_series *s = r->heap[0];
    s->head = s->head->next;
    s->count--;
    r->row_count--;
    if (s->head == NULL) {
        r->heap[0] = r->heap[--r->heap_count];
        if (r->heap_count > 0) {
            sift_down(r, 0);
        }
    }
}
