#include "tables/events.h"

#include <string.h>

static const struct {
    const char *name;
    const char *description;
} rows[EVENT_COUNT] = {
#define E(name, text, description) {text, description},
#include "tables/events.def"
#undef E
};

const char *event_name(enum event e) { return rows[e].name; }
const char *event_description(enum event e) { return rows[e].description; }

bool event_for_some(enum event e) { return e == EVENT_APP_EMIT_SOME; }

enum event event_by_name(const char *name, size_t len)
{
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0) {
            return (enum event)i;
        }
    }
    return EVENT_COUNT;
}
