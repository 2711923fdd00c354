/* Scenes and actions as JSON (CONTRACT 4). Pure; any thread. */
#ifndef SB_SHAPE_SCENE_H
#define SB_SHAPE_SCENE_H

#include "base/buf.h"
#include "domain/house_types.h"
#include "shape/decode.h"

/* Reads an array of schema scene_item, in ctx->arena; the spans point into it or `array`. False:
 * ctx says what is wrong: a member, or that an item has neither or both of action and state. */
MUST_CHECK bool scene_items_read(span array, struct shape_ctx *ctx, struct house_scene_item **out,
                                 unsigned *count);
/* {id,name,description,icon,items:[...],created_at,updated_at,version}; times in whole seconds. */
void scene_put(buf *out, const struct house_scene_row *row, const struct house_scene_item *items,
               unsigned count);
/* {scene_id,results:[{entity_id,ok,error?:{code,message,reason?},command?}]} */
void scene_put_outcomes(buf *out, uuid scene, const struct house_scene_outcome *of,
                        unsigned count);

/* {entity_id,action,reason?,command?}; reason NULL: it did not fail. */
void action_put_result(buf *out, span entity_id, span action, const char *reason, span command);
/* The parameters of a command to a device: the caller's object (empty: none) with entity_id and
 * capability, which are ours. In the arena. */
span action_parameters(span parameters, span entity_id, span capability, struct arena *arena);
/* The parameters of set_state: {state?,attributes?}, in the arena. */
span action_state_parameters(span state, span attributes, struct arena *arena);
/* And back: state.ptr NULL, or an empty attributes: not given. False: ctx->why says what is no
 * state. */
MUST_CHECK bool action_state_read(span parameters, struct shape_ctx *ctx, span *state,
                                  span *attributes);

#endif
