/* What the routes of entities and of their states share. */
#ifndef SB_EDGE_REST_ENTITIES_H
#define SB_EDGE_REST_ENTITIES_H

#include "edge/rest/house.h"

/* house_answer_call about an entity. */
struct rest_call *entity_answer_call(void *owner, const struct house_result *r);
/* Answers with the entity: 201 and its Location when it was made, else 200. */
void entity_answer_with(struct rest_call *c, const struct house_result *r, bool made);

#endif
