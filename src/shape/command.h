/* Commands as JSON objects (CONTRACT 3). Pure; any thread. */
#ifndef SB_SHAPE_COMMAND_H
#define SB_SHAPE_COMMAND_H

#include "base/buf.h"
#include "domain/command_types.h"

/* The CommandResult {commandId,requestId,deviceId,command,status,phase,createdAt} and, once known,
 * sentAt, executedAt, response, error, late; parameters when asked for. */
void command_put_result(buf *out, const struct command_row *row, bool parameters);
/* {"issuer":<id>,"result":<CommandResult>} */
void command_put_issuer(buf *out, uuid issuer, span result);
/* The DeviceCommand as its device gets it. */
void command_put_device(buf *out, const struct command_row *row);
/* Whether two JSON texts are the same but for white space between their tokens. */
bool command_same_json(span a, span b);

#endif
