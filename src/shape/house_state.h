/* States of entities as JSON, whose times are whole seconds (CONTRACT 4). Pure; any thread. */
#ifndef SB_SHAPE_HOUSE_STATE_H
#define SB_SHAPE_HOUSE_STATE_H

#include "base/buf.h"
#include "domain/house_types.h"

/* A change as followers are told of it. */
struct house_told {
    span entity_id;
    span old_state;  /* ptr NULL: it was not there, */
    span new_state;  /* or is not any more */
    span attributes; /* a JSON object */
    int64_t room;    /* 0: none */
    int64_t changed_ms;
    int64_t updated_ms;
};
/* {entity_id,old_state,new_state,attributes,room_id,last_changed,last_updated} */
void house_put_told(buf *out, const struct house_told *t);

/* {room_id,entities:[{entity_id,name,state,attributes,last_changed,last_updated}],pos}: begun,
 * an entity at a time, ended. `pos` as text; empty: left out. */
struct house_seen {
    span entity_id;
    span name;
    span state;
    span attributes;
    int64_t changed_ms;
    int64_t updated_ms;
};
void house_snapshot_begin(buf *out, int64_t room);
void house_snapshot_add(buf *out, const struct house_seen *e, bool first);
void house_snapshot_end(buf *out, span pos);

/* A row of history: {state,attributes,changed_at,changed_by}; `by` empty: null. */
void house_put_past(buf *out, span state, span attributes, int64_t changed_ms, span by);

#endif
