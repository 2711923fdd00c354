/* Names of the wires' messages in metrics; rows in tables/frames.def. Constant data: any thread. */
#ifndef SB_TABLES_FRAMES_H
#define SB_TABLES_FRAMES_H

#include "tables/events.h"

enum frame {
#define F(name, text) FRAME_##name,
#include "tables/frames.def"
#undef F
    FRAME_EVENTS, /* the first ordered event: FRAME_EVENTS + an enum event */
    FRAME_NAME_COUNT = FRAME_EVENTS + EVENT_COUNT
};

/* As the label says it; f < FRAME_NAME_COUNT. */
const char *frame_name(enum frame f);

#endif
