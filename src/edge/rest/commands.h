/* What the process does about requests that wait for commands (commands.c). */
#ifndef SB_EDGE_REST_COMMANDS_H
#define SB_EDGE_REST_COMMANDS_H

#include "edge/edge.h"
#include "edge/rest/rest.h"

/* Whoever waits is answered soon, with the command as it is then: the loop is about to end. */
void commands_drain(struct edge *e);
/* The query parameter `wait`, seconds with up to three decimals, as milliseconds; 0 without it, and
 * when the loop is about to end. False when it is none, and answered. */
bool commands_wait_ms(struct rest_call *c, uint32_t *ms) MUST_CHECK;
/* Once an edge, and its end. */
void commands_init(struct edge *e);
void commands_deinit(struct edge *e);

#endif
