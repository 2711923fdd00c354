/*
 * Applications' events as calls of their receiver (ports/webhook.h has the HTTP side):
 *
 *     {"id":"<uuid>", "event":"order", "args":[...], "attachments":["<base64>", ...],
 *      "namespace":"/", "sid":"...", "principal":"<uuid>", "kind":"user", "roles":["viewer"],
 *      "rooms":["..."], "ack":true, "timestamp":"2026-01-01T00:00:00.000Z"}
 *
 * `args` are what follows the name; binary values in them are {"_placeholder":true,"num":n}, the
 * n-th attachment. `roles` are those held everywhere. `ack` says whether somebody waits.
 *
 * An answer of 200 to 299 becomes the ack: a JSON array its arguments, any other value its only
 * one, no body none. What else may happen is SERVER_ERROR, with the reason in `details`. Calls of
 * one socket are begun in order and run side by side: a receiver may see them overtake each other.
 */
#ifndef SB_EDGE_SOCKETIO_APP_HOOK_H
#define SB_EDGE_SOCKETIO_APP_HOOK_H

#include "edge/socketio/socketio.h"

/* Calls the receiver; answers later, exactly once, if the socket is still there. */
void app_hook_event(struct sio_socket *s, const struct sio_event *ev);

/* The body of a call, appended. */
void app_hook_body(buf *out, const struct sio_socket *s, const struct sio_event *ev, uuid id,
                   int64_t now_ms);

#endif
