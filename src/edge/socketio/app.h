/*
 * Applications' own events (settings app_*): what people use the server for besides devices and
 * chat. An event goes to the rooms that its sender is in, to the application's receiver
 * (domain/receiver.h), whose answer becomes the ack, or to both.
 *
 * Where: in the namespaces of app_namespaces every event; in "/" those whose name nobody knows.
 * Names that the server itself says, and those with a prefix of the product's, are no
 * application's anywhere: peers would take them for the server's word.
 *
 * To rooms: each other socket that shares a room with the sender gets it once, in order, live only
 * (it is not logged and not replayed), attachments included; the ack says {ok:true} once it is
 * handed over. To the receiver: app_hook.h; who comes and goes: app_door.h.
 */
#ifndef SB_EDGE_SOCKETIO_APP_H
#define SB_EDGE_SOCKETIO_APP_H

#include <stdbool.h>

#include "base/assert.h"

struct edge;
struct sio_event;
struct sio_socket;

/* The choices of app_events, as bits. */
enum app_ways { APP_TO_ROOMS = 1, APP_TO_WEBHOOK = 2 };

/* Takes an event that "/" does not know; answers or will answer. False: not an application's (no
 * such setting, or a reserved name), and nothing was done: the caller refuses. The caller has
 * looked at its rate. */
bool app_event(struct sio_socket *s, const struct sio_event *ev) MUST_CHECK;

/* Registers the namespaces of app_namespaces; once an edge, after sio_init and "/". */
void app_init(struct edge *e);
/* Its end, after sio_deinit. */
void app_deinit(struct edge *e);

#endif
