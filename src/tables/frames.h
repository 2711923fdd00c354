/* Names of the wires' messages in metrics; rows in tables/frames.def and tables/events.def.
 * Constant data: any thread. */
#ifndef SB_TABLES_FRAMES_H
#define SB_TABLES_FRAMES_H

#include "tables/events.h"

enum frame {
#define F(name, text) FRAME_##name,
#include "tables/frames.def"
#undef F
/* What is said and heard, by the names of their rows. Where several rows of IN share a text, the
 * first of them counts (event_index). */
#define OUT(name, text, to, answer, class, description) FRAME_##name,
#include "tables/events.def"
#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    FRAME_##name,
#include "tables/events.def"
    FRAME_EVENTS, /* the first ordered event: FRAME_EVENTS + an enum event */
    FRAME_NAME_COUNT = FRAME_EVENTS + EVENT_COUNT
};

/* As the label says it; f < FRAME_NAME_COUNT. */
const char *frame_name(enum frame f);
/* What the server says, as it counts. */
enum frame frame_out(enum event_out e);
/* What an event counts as. */
enum frame frame_in(const struct event_index *ix, enum event_in e);

#endif
