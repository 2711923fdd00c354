/* What an edge does about requests that wait for devices of the house (house_actions.c). */
#ifndef SB_EDGE_REST_HOUSE_ACTIONS_H
#define SB_EDGE_REST_HOUSE_ACTIONS_H

#include "edge/edge.h"

/* Once an edge, and its end. */
void house_actions_init(struct edge *e);
void house_actions_deinit(struct edge *e);

#endif
