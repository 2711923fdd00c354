/* Rooms and entities as JSON objects, whose times are whole seconds (CONTRACT 4). Pure; any
 * thread. */
#ifndef SB_SHAPE_HOUSE_H
#define SB_SHAPE_HOUSE_H

#include "base/buf.h"
#include "domain/house_types.h"

/* {id,name,description,icon,floor,sort,private,entity_count,created_at,updated_at,version} */
void house_put_room(buf *out, const struct house_room_row *row, unsigned entity_count);
/* The data of EVENT_ROOM_UPDATED; action: "created", "updated", "deleted". */
void house_put_room_updated(buf *out, int64_t room, span name, const char *action);
/* {entity_id,name,room_id,device_id,capability,state,attributes,available,last_changed,
 *  last_updated,created_at,updated_at,version,aliases}: null for what it has not. */
void house_put_entity(buf *out, const struct house_entity_row *row);

#endif
