/* What the process does about requests that wait for commands (commands.c). */
#ifndef SB_EDGE_REST_COMMANDS_H
#define SB_EDGE_REST_COMMANDS_H

#include "edge/edge.h"

/* Whoever waits is answered soon, with the command as it is then: the loop is about to end. */
void commands_drain(struct edge *e);
/* Once an edge, and its end. */
void commands_init(struct edge *e);
void commands_deinit(struct edge *e);

#endif
