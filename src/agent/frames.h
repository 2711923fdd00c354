/*
 * The frames of the agent's side of the Monitor wire (CONTRACT 6): JSON objects {type, data} with
 * a top-level id where an ack is wanted. Numbers are rounded to what the host can measure: CPU
 * and load to 0.01, the temperature to 0.1, rates to whole bytes a second. Each appends to `out`.
 * Pure; any thread.
 */
#ifndef SB_AGENT_FRAMES_H
#define SB_AGENT_FRAMES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "agent/host_types.h"

/* {"type":"register","id":..,"data":{"capabilities":["host-metrics"],"agentVersion":..}} */
void frame_register(buf *out, uint64_t id);
/* {"type":"heartbeat","data":{"timestamp":..}} */
void frame_heartbeat(buf *out, int64_t wall_ms);
/* {"type":"state","id":..,"data":{os,architecture,...,interfaces,top_processes}}; what is not
 * known is null. */
void frame_state(buf *out, uint64_t id, const struct host_state *s, const struct host_top *top);
/* {"type":"metrics","data":{cpu,memory,...,timestamp}}: not acknowledged. */
void frame_sample(buf *out, const struct host_sample *s);
/* The data of a row: a sample's with row:true, recordedAt and top_processes. This is what the
 * buffer keeps. */
void frame_row_data(buf *out, const struct host_sample *row, const struct host_top *top);
/* {"type":"metrics","id":..,"data":<data>} around what frame_row_data made. */
void frame_row(buf *out, uint64_t id, span data);
/* {"type":"command:response","data":{requestId,status:"error",error:{code,message},timestamp}}:
 * this device takes no commands. `request_id` is a JSON string. */
void frame_command_refused(buf *out, span request_id, int64_t wall_ms);

#endif
