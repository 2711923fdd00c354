/*
 * Applications' own events (settings app_*): what people use the server for besides devices and
 * chat. An event goes to the rooms that its sender has joined, to the application's receiver
 * (domain/receiver.h), whose answer becomes the ack, or to both.
 *
 * Where: in the namespaces of app_namespaces every event; in "/" those whose name nobody knows
 * and that begin with no prefix of the product's.
 */
#ifndef SB_EDGE_SOCKETIO_APP_H
#define SB_EDGE_SOCKETIO_APP_H

#include <stdbool.h>

#include "base/assert.h"

struct edge;

/* The choices of app_events, as bits. */
enum app_ways { APP_TO_ROOMS = 1, APP_TO_WEBHOOK = 2 };
struct sio_event;
struct sio_socket;

/* Takes an event that "/" does not know; answers or will answer. False: not an application's (no
 * such setting, or a reserved prefix), and nothing was done: the caller refuses. The caller has
 * looked at its rate. */
bool app_event(struct sio_socket *s, const struct sio_event *ev) MUST_CHECK;

/* Registers the namespaces of app_namespaces; once an edge, after sio_init. */
void app_init(struct edge *e);

#endif
