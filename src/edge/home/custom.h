/*
 * Applications' own messages on /ws (setting home_custom_types): what a client says under one of
 * these types is posted to home_webhook_url, and the answer comes back as its `result`.
 *
 *     {"type":"scene_wish","data":{...},"id":7}
 *       --> {"id":"<uuid>","event":"scene_wish","data":{...},"ack":true,"client_id":"<uuid>",
 *            "room_ids":[1],"principal":"<uuid>","kind":"user","roles":["viewer"],
 *            "timestamp":"..."}
 *       <-- 200 {"scene":"evening"}
 *     {"type":"result","data":{"id":7,"ok":true,"answer":{"scene":"evening"}},"timestamp":"..."}
 *
 * `room_ids` are the rooms subscribed. An empty answer leaves `answer` out. Without an id the
 * answer is not told; a failure is, as `error`, and counts against nobody. Anonymous clients are
 * refused (CONTRACT 2). Messages of one client are called side by side.
 */
#ifndef SB_EDGE_HOME_CUSTOM_H
#define SB_EDGE_HOME_CUSTOM_H

#include "edge/dispatch.h"

/* The types of a comma separated list, one after the other; false at the end. `*ok`: it may be one:
 * as of a broadcast, and none of this wire's own. */
bool custom_next(span *rest, span *type, bool *ok);
/* event_wire.unknown: takes the message when its type is one of the setting's. */
bool custom_take(const struct event_call *in);

#endif
