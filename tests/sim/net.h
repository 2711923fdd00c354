/*
 * The simulated network: connections are two byte queues each way, "flying" and "arrived"; steps
 * of the scheduler move a few bytes from one to the other. Writes and reads come short, buffers
 * are small, several loops listen on one port and a connection goes to any of them. Each loop
 * sees its sockets through a poller of its own; tests stand at the other end as clients.
 *
 *     loop --send()--> flying --step--> arrived --sim_client_received()--> test
 *     loop <--recv()-- arrived <--step-- flying <--sim_client_send()------ test
 */
#ifndef SB_TESTS_SIM_NET_H
#define SB_TESTS_SIM_NET_H

#include "base/span.h"
#include "loop/poller.h"
#include "sim/sim.h"

struct sim_net;

/* An empty network that decides by `random` (borrowed); the simulation makes and frees it, after
 * the loops. */
struct sim_net *sim_net_new(struct sim_random *random);
void sim_net_free(struct sim_net *net);
/* A poller for loop `i`, freed by the loop. */
struct poller *sim_net_poller(struct sim_net *net, unsigned i);
/* Whether that loop's poller has something to report. */
bool sim_net_ready(struct sim_net *net, unsigned i);
struct sim_source *sim_net_source(struct sim_net *net);
void sim_net_set_faults(struct sim_net *net, const struct sim_faults *faults);
/* The network of a simulation. */
struct sim_net *sim_network(struct sim *s);

/* Sockets that loops hold open, listeners left out: 0 at the end unless something leaks. */
unsigned sim_net_open_count(const struct sim_net *net);

/* A test's end of a connection. */
struct sim_client;

/* Connects to `port`; NULL when no loop listens there. Owned by the caller until close. */
struct sim_client *sim_connect(struct sim *s, unsigned port) MUST_CHECK;
/* Puts bytes on their way; dropped when the connection is dead. */
void sim_client_send(struct sim_client *c, span bytes);
/* What has arrived and was not consumed. Valid until the next step. */
span sim_client_received(const struct sim_client *c);
void sim_client_consume(struct sim_client *c, size_t len);
/* Whether the server has ended its direction (or all of it), and everything before has arrived. */
bool sim_client_ended(const struct sim_client *c);
/* Whether it ended by a reset. */
bool sim_client_broken(const struct sim_client *c);
/* A paused client takes nothing off the network, so the server's writes back up. */
void sim_client_pause(struct sim_client *c, bool paused);
/* Ends the client's direction after what was sent. */
void sim_client_finish(struct sim_client *c);
/* Closes and frees; what was sent before still arrives, unless bytes were left unread (then the
 * server sees a reset, as with TCP). */
void sim_client_close(struct sim_client *c);
/* Resets and frees. */
void sim_client_abort(struct sim_client *c);

#endif
