/*
 * What applications' receiver is posted (ports/webhook.h has the HTTP side):
 *
 *     {"id":"<uuid>", "event":"order", "args":[...], "attachments":["<base64>", ...], "ack":true,
 *      "sid":"...", "rooms":["..."], <sender>, "timestamp":"2026-01-01T00:00:00.000Z"}
 *     {"id":"<uuid>", "event":"connect", "auth":{...}, <sender>, "timestamp":...}
 *     {"id":"<uuid>", "event":"disconnect", "connect":"<uuid>", "sid":"...", "reason":"...",
 *      <sender>, "timestamp":...}
 *
 *     <sender>  "namespace":"/", "principal":"<uuid>", "kind":"user", "roles":["viewer"]
 *
 * `args` are what follows the event's name; binary values in them are
 * {"_placeholder":true,"num":n}, the n-th attachment. `roles` are those held everywhere. `ack` says
 * whether somebody waits. `connect` is the id of the call that admitted the socket; `sid` is not
 * there when it left before it had one. Clients cannot send events named connect and disconnect.
 */
#ifndef SB_EDGE_SOCKETIO_APP_BODY_H
#define SB_EDGE_SOCKETIO_APP_BODY_H

#include "edge/socketio/socketio.h"

/* The members of <sender>, without braces, appended. */
void app_body_sender(buf *out, const struct sio_socket *s);
/* Each appends one body. */
void app_body_event(buf *out, const struct sio_socket *s, const struct sio_event *ev, uuid id,
                    int64_t now_ms);
/* `auth` is the CONNECT's payload or empty; its token, pid and offset are left out. */
void app_body_connect(buf *out, span sender, span auth, uuid id, int64_t now_ms);
void app_body_disconnect(buf *out, span sender, uuid connect, span sid, const char *reason, uuid id,
                         int64_t now_ms);

#endif
