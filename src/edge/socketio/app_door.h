/*
 * Who comes and goes in applications' namespaces (setting app_webhook_connect): their receiver is
 * asked before a socket comes in, also one that is recovered, and told when it has gone.
 *
 *     CONNECT --"connect"--> receiver: 200-299 in, {"rooms":[...]} into rooms
 *                                      403     out, {"message":"..."} for the client
 *                                      else    out, SERVER_ERROR: nobody could say
 *     its end --"disconnect"--> receiver, whose answer does not matter
 */
#ifndef SB_EDGE_SOCKETIO_APP_DOOR_H
#define SB_EDGE_SOCKETIO_APP_DOOR_H

#include "edge/socketio/socketio.h"

/* sio_nsp_ops.ask. */
bool app_door_ask(struct sio_socket *s, span auth, struct sio_joining *j);
/* It is in: joins the rooms that the receiver said. */
void app_door_connected(struct sio_socket *s);
/* Tells the receiver, if it was asked. */
void app_door_disconnected(struct sio_socket *s, close_reason reason);

#endif
