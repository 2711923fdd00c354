/*
 * The files port in a folder of the system:
 *
 *     <folder>/quarantine/<id>    what grows, or was not scanned yet
 *     <folder>/<xx>/<id>          what is served; xx: the last two digits of the id, which are
 *                                 random (the first ones are the time, the same for years)
 *
 * Names are ids in their one spelling and never come from outside. Files are 0600, folders 0700.
 */
#ifndef SB_ADAPTERS_FILES_DISK_FILES_DISK_H
#define SB_ADAPTERS_FILES_DISK_FILES_DISK_H

#include "base/buf.h"
#include "ports/files.h"

/* Makes the folders it needs. NULL, with a sentence appended to `why`, when they cannot be. */
struct files *files_disk_new(const char *folder, buf *why);
void files_disk_free(struct files *f);

#endif
