/*
 * Which patterns match a topic, without asking each: the shapes in use (how many segments, which
 * of them are `+`) are counted, and for each shape of the topic's length the topic's name with
 * those segments made `+` is the only pattern of that shape that can match. So a topic costs one
 * look-up a shape (at most 92, usually one or two), however many patterns there are.
 * Nobody outside hub/ includes this.
 */
#ifndef SB_HUB_SHAPES_H
#define SB_HUB_SHAPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "hub/hub.h"
#include "hub/pattern.h"

struct shape_use {
    uint16_t shape;
    uint32_t patterns; /* that have it */
};

/* Zeroed: none in use. */
struct shapes {
    struct shape_use *uses; /* owned */
    uint32_t count, cap;
};

/* Frees what is owned; zeroed afterwards. */
void shapes_deinit(struct shapes *s);
/* A pattern (pattern_allowed, asserted) comes and goes. */
void shapes_add(struct shapes *s, span pattern);
void shapes_remove(struct shapes *s, span pattern);

/* The candidates of one topic: names that match it, each if such a pattern exists. A topic that has
 * segments `+` itself may be given one twice. */
struct shape_walk {
    span candidate; /* valid until the next step */
    span topic;     /* borrowed; private from here */
    unsigned segments;
    unsigned empty; /* bit per empty segment, for which no + stands */
    uint32_t next;
    uint8_t ends[PATTERN_SEGMENTS_MAX];
    uint8_t name[HUB_TOPIC_BYTES_MAX];
};
void shape_walk_begin(struct shape_walk *w, span topic);
bool shape_walk_next(struct shape_walk *w, const struct shapes *s);

#endif
