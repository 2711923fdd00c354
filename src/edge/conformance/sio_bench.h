/*
 * Events of the fixture for load tests and for clients of several kinds in one room, named as the
 * commands of /conformance/pubsub are:
 *
 *     join ROOM           joins, acked "ok ROOM"
 *     broadcast ROOM ...  message ... to everybody in ROOM, binary values too
 *     count ...           only counted
 *     counted             acked with the count, as text
 */
#ifndef SB_EDGE_CONFORMANCE_SIO_BENCH_H
#define SB_EDGE_CONFORMANCE_SIO_BENCH_H

#include "edge/socketio/socketio.h"

/* False when it is none of these. */
bool sio_bench_event(struct sio_socket *s, const struct sio_event *ev);

#endif
