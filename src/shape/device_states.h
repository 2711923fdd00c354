/* What a device says of the states of its capabilities (CONTRACT 4). Pure; any thread. Fuzzed by
 * device_states_fuzz.c. */
#ifndef SB_SHAPE_DEVICE_STATES_H
#define SB_SHAPE_DEVICE_STATES_H

#include "domain/house_types.h"
#include "shape/decode.h"

/* Reads the object {<capability>:<value>} (of a text that shape_json accepted), in its order; a
 * value is a text, a number or a boolean, which are taken as their text, or {state, attributes?}.
 * How many there are in *out, which is ctx->arena's; the spans point into `object` or the arena.
 * False: ctx says which member and why: more than HOUSE_SAYS_MAX, a capability's name that is none,
 * a state that is none or has more than HOUSE_STATE_MAX characters, attributes that are no object
 * or more than HOUSE_ATTRIBUTES_MAX bytes. */
MUST_CHECK bool device_states_read(span object, struct shape_ctx *ctx, struct house_say **out,
                                   unsigned *count);
/* One {state, attributes?}, or a bare state, as above; capability stays as it is. False: it is
 * none. */
MUST_CHECK bool device_state_read(span value, struct shape_ctx *ctx, struct house_say *out);
/* What a device answers to a command about one capability: parameters {capability} and result
 * {state, attributes?}. False: it says nothing of a state. */
MUST_CHECK bool device_result_read(span parameters, span result, struct arena *arena,
                                   struct house_say *out);
/* A sample as a state: its value's shortest decimal text; and its unit, as the member `unit` of the
 * attributes that are there, which are kept as long as there is room. Both in the arena. */
void device_sample_state(double value, span unit, span attributes, struct arena *arena,
                         span *state, span *out_attributes);

#endif
