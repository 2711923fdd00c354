/*
 * SIGHUP: the settings are read again, from the same file, environment and flags. Those marked
 * LIVE (tables/config.def) are taken over; others keep their value until a restart and are named
 * in the log. A mistake anywhere leaves everything as it was, and the log says which line or
 * which certificate. Certificates are always read again, for their files may be new.
 *
 *     control thread: read, merge, make a snapshot --mail--> each loop: its pointers to the new one
 *                     <-- all have -- free the old snapshot
 *
 * A snapshot never changes, and a loop reads it only within a turn: so nothing is locked.
 */
#ifndef SB_APP_RELOAD_H
#define SB_APP_RELOAD_H

#include "app/process.h"

struct reload;

/* Both borrowed; `settings` are those in force, with their origin. */
struct reload *reload_new(struct process *p, const struct settings *settings);
/* Reads and takes over, or logs why not. On the control thread while the loops run: waits for a
 * turn of each. */
void reload_run(struct reload *r);
/* After the loops have ended: the process's config is that of the start again. */
void reload_free(struct reload *r);

/*
 * Makes `next` what would be in force after a reload: its live settings, and the others as in
 * `now`. Appends the names of those that change to `changed`, and of those that would need a
 * restart to `restart`, comma separated.
 */
void reload_merge(struct settings *next, const struct settings *now, buf *changed, buf *restart);

#endif
