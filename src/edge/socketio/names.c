#include "edge/socketio/names.h"

#include "base/assert.h"

bool sio_name_is_product(span name)
{
    static const char *const prefixes[] = {"device:", "telemetry:", "command:",
                                           "config:", "auth:",      "chat:"};
    static const char *const names[] = {"error", "recovery:ready", "closing", "gap"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (span_starts(name, span_str(prefixes[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (span_eq(name, span_str(names[i]))) {
            return true;
        }
    }
    return false;
}
