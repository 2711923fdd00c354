/* What an application's receiver answers, made an ack. Pure; any thread. */
#ifndef SB_EDGE_SOCKETIO_APP_ANSWER_H
#define SB_EDGE_SOCKETIO_APP_ANSWER_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/buf.h"

#define APP_ANSWER_DEPTH_MAX 16 /* of JSON, as in payloads (CONTRACT 1) */

/* Appends the ack's arguments, a JSON array: an array's own elements, any other value as the only
 * one, none when the answer is empty. False, and nothing appended: no JSON, nested too deeply, or
 * with a refused member name. Fuzz target: app_answer_fuzz.c. */
bool app_answer_args(span answer, buf *out) MUST_CHECK;

#endif
