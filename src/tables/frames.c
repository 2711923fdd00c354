#include "tables/frames.h"

static const char *const names[FRAME_EVENTS] = {
#define F(name, text) [FRAME_##name] = text,
#include "tables/frames.def"
#undef F
#define OUT(name, text, to, answer, class, description) [FRAME_##name] = text,
#include "tables/events.def"
#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    [FRAME_##name] = text,
#include "tables/events.def"
};

static const enum frame frames_in[IN_COUNT] = {
#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    [IN_##name] = FRAME_##name,
#include "tables/events.def"
};

const char *frame_name(enum frame f)
{
    return f < FRAME_EVENTS ? names[f] : event_name((enum event)(f - FRAME_EVENTS));
}

enum frame frame_out(enum event_out e)
{
    static const enum frame frames[OUT_COUNT] = {
#define OUT(name, text, to, answer, class, description) [OUT_##name] = FRAME_##name,
#include "tables/events.def"
    };
    return frames[e];
}

enum frame frame_in(const struct event_index *ix, enum event_in e)
{
    return frames_in[ix->first[e]];
}
