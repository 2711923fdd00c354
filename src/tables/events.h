/* Ordered events; rows in tables/events.def. */
#ifndef SB_TABLES_EVENTS_H
#define SB_TABLES_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

enum event {
#define E(name, text, description) EVENT_##name,
#include "tables/events.def"
#undef E
    EVENT_COUNT
};

/* Whether it is only for some of those who have its topic (hub/blob.h). */
bool event_for_some(enum event e);
/* As the log and every wire spell it. */
const char *event_name(enum event e);
/* One sentence for the documentation. */
const char *event_description(enum event e);
/* EVENT_COUNT when there is none of that name (a log written by a newer program). */
enum event event_by_name(const char *name, size_t len);

#endif
