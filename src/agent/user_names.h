/* User names by id, remembered: a lookup may ask a directory server. One thread. */
#ifndef SB_AGENT_USER_NAMES_H
#define SB_AGENT_USER_NAMES_H

#include <sys/types.h>

#include "agent/host_types.h"

/* Users remembered; with more, the oldest is asked for again. Ten are shown at a time. */
#define USER_NAMES_MAX 64

struct user_name {
    uid_t uid;
    char name[HOST_USER_NAME_MAX + 1];
};

/* Zero-initialised is valid and empty. */
struct user_names {
    unsigned count;
    unsigned next; /* the one replaced next, once all are used */
    struct user_name items[USER_NAMES_MAX];
};

/* The name, storable and cut at HOST_USER_NAME_MAX bytes; the number as text when there is none.
 * Valid until the next call. Renamed users are seen after a restart. Blocks on the first ask. */
const char *user_names_get(struct user_names *u, uid_t uid);

#endif
