/*
 * Commands as every wire says them (CONTRACT 3): what a client asks for, what a device answers and
 * acknowledges. Between the shapes of tables/schemas.def and domain/command.h.
 */
#ifndef SB_EDGE_COMMAND_H
#define SB_EDGE_COMMAND_H

#include "domain/command.h"
#include "domain/device_link.h"
#include "edge/dispatch.h"

/* command:response of one socket that are on their way to the disk; they are under no rate, so this
 * bounds them. More is RATE_LIMIT_EXCEEDED, to be sent again. */
#define RESPONSES_MAX 256
#define RESPONSES_RETRY_MS 100

/* When a device that has too many open commands may be asked again, at the earliest. */
#define COMMAND_RETRY_MS 1000

/* The draft of a struct shape_command_send or shape_command_post; request_id and device are still
 * to be filled in. */
#define COMMAND_DRAFT(p)                                                                           \
    ((struct command_draft){.command = (p)->command,                                               \
                            .parameters = (p)->parameters,                                         \
                            .request_id = (p)->requestId,                                          \
                            .at_ms = (p)->timestamp,                                               \
                            .timeout_ms = (uint32_t)(p)->timeoutMs,                                \
                            .expires_ms = (p)->expiresAt,                                          \
                            .queue = (p)->queue,                                                   \
                            .no_response = (p)->has_expectResponse && !(p)->expectResponse})

/* Whether it was refused, or ended when it was recorded because its device is offline or disabled:
 * then *out says so in any wire's words, with `details` appended to the caller's buffer. */
bool command_refused(const struct command_result *r, buf *details, struct event_refusal *out);
/* The members of an answer to who asked: commandId, requestId, status, phase. */
void command_members(struct json_writer *w, const struct command_result *r);

/* Borrowed from `p`; one without a time is of now_ms. */
struct command_response command_response_of(const struct shape_command_response *p, int64_t now_ms);

/* The device's acknowledgement of what was delivered under `token`: any JSON, or empty. One that is
 * {ok:false,error?:{code,message}} refuses the command `request_id` (empty: it was none), which is
 * then as if the device had responded with that error. `request_id` is unescaped. */
void device_acknowledged(struct device_link *l, uint64_t token, span request_id, span answer,
                         int64_t now_ms);
/* requestId of a delivery, appended; nothing when it is no command. */
void delivery_request_id(const struct link_delivery *d, buf *out);

#endif
