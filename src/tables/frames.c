#include "tables/frames.h"

static const char *const names[FRAME_EVENTS] = {
#define F(name, text) [FRAME_##name] = text,
#include "tables/frames.def"
#undef F
};

const char *frame_name(enum frame f)
{
    return f < FRAME_EVENTS ? names[f] : event_name((enum event)(f - FRAME_EVENTS));
}
