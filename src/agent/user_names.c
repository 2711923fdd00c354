/* User names by id. */
#include "agent/user_names.h"

#include "agent/text_clean.h"

#include <pwd.h>
#include <stdio.h>

/* An entry of the user database with its strings; larger ones show as numbers. */
#define ENTRY_BYTES 4096

static void look_up(struct user_name *n, uid_t uid)
{
    char strings[ENTRY_BYTES];
    struct passwd entry, *found = NULL;
    n->uid = uid;
    if (getpwuid_r(uid, &entry, strings, sizeof strings, &found) != 0 || found == NULL ||
        text_clean(span_str(found->pw_name), n->name, sizeof n->name) == 0) {
        snprintf(n->name, sizeof n->name, "%lu", (unsigned long)uid);
    }
}

const char *user_names_get(struct user_names *u, uid_t uid)
{
    for (unsigned i = 0; i < u->count; i++) {
        if (u->items[i].uid == uid) {
            return u->items[i].name;
        }
    }
    struct user_name *n;
    if (u->count < USER_NAMES_MAX) {
        n = &u->items[u->count++];
    } else {
        n = &u->items[u->next];
        u->next = (u->next + 1) % USER_NAMES_MAX;
    }
    look_up(n, uid);
    return n->name;
}
