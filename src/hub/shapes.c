/* Shapes of patterns: a byte of segments, a bit for each that is `+`. */
#include "hub/shapes.h"

#include "base/assert.h"
#include "base/mem.h"

_Static_assert(PATTERN_SEGMENTS_MAX <= 8, "a shape has a bit a segment");
_Static_assert(HUB_TOPIC_BYTES_MAX <= UINT8_MAX, "ends of segments are bytes");

static uint16_t shape_of(span pattern)
{
    unsigned segments = 0;
    unsigned any = 0;
    while (pattern.ptr != NULL) {
        any |= (unsigned)span_eq(span_cut(&pattern, '/'), SPAN("+")) << segments;
        segments++;
    }
    return (uint16_t)(segments << 8 | any);
}

void shapes_deinit(struct shapes *s)
{
    mem_free(s->uses);
    *s = (struct shapes){0};
}

static struct shape_use *find(struct shapes *s, uint16_t shape)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->uses[i].shape == shape) {
            return &s->uses[i];
        }
    }
    return NULL;
}

void shapes_add(struct shapes *s, span pattern)
{
    ASSERT(pattern_allowed(pattern));
    uint16_t shape = shape_of(pattern);
    struct shape_use *use = find(s, shape);
    if (use == NULL) {
        if (s->count == s->cap) {
            s->cap = s->cap == 0 ? 4 : s->cap * 2;
            s->uses = mem_realloc(s->uses, s->cap * sizeof *s->uses);
        }
        use = &s->uses[s->count++];
        *use = (struct shape_use){.shape = shape};
    }
    use->patterns++;
}

void shapes_remove(struct shapes *s, span pattern)
{
    struct shape_use *use = find(s, shape_of(pattern));
    ASSERT(use != NULL && use->patterns > 0);
    if (--use->patterns == 0) {
        *use = s->uses[--s->count];
    }
}

void shape_walk_begin(struct shape_walk *w, span topic)
{
    w->topic = topic;
    w->segments = 0;
    w->empty = 0;
    w->next = 0;
    if (topic.len > HUB_TOPIC_BYTES_MAX) {
        return; /* longer than any pattern */
    }
    unsigned count = 0;
    span rest = topic;
    while (rest.ptr != NULL) {
        if (count == PATTERN_SEGMENTS_MAX) {
            return; /* more segments than any pattern has */
        }
        span segment = span_cut(&rest, '/');
        w->empty |= (unsigned)(segment.len == 0) << count;
        w->ends[count++] = (uint8_t)(segment.ptr + segment.len - topic.ptr);
    }
    w->segments = count;
}

static span make_name(struct shape_walk *w, unsigned any)
{
    size_t len = 0;
    size_t from = 0;
    for (unsigned i = 0; i < w->segments; i++) {
        if (i > 0) {
            w->name[len++] = '/';
        }
        if (any >> i & 1) {
            w->name[len++] = '+';
        } else {
            memcpy(w->name + len, w->topic.ptr + from, w->ends[i] - from);
            len += w->ends[i] - from;
        }
        from = w->ends[i] + 1u;
    }
    return span_of(w->name, len);
}

bool shape_walk_next(struct shape_walk *w, const struct shapes *s)
{
    while (w->segments > 0 && w->next < s->count) {
        unsigned shape = s->uses[w->next++].shape;
        unsigned any = shape & UINT8_MAX;
        if (shape >> 8 == w->segments && (any & w->empty) == 0) {
            w->candidate = make_name(w, any);
            return true;
        }
    }
    return false;
}
