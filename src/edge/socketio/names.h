/* Names of events that are not an application's to use. Pure; any thread. */
#ifndef SB_EDGE_SOCKETIO_NAMES_H
#define SB_EDGE_SOCKETIO_NAMES_H

#include <stdbool.h>

#include "base/span.h"

/* Whether the product says or hears that name in "/", or may one day: the prefixes device:,
 * telemetry:, command:, config:, auth:, chat:, and error, session, closing, gap. */
bool sio_name_is_product(span name);

#endif
