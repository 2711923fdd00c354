/* Runs a store command without a server: opens the store, one home without a loop. */
#ifndef SB_APP_STANDALONE_H
#define SB_APP_STANDALONE_H

#include "app/command.h"

/* The command's exit status; its text goes to standard output and error. Blocks. Takes the data
 * folder's lock meanwhile, so that no server starts beside it. */
int standalone_run(struct settings *settings, int argc, char **argv);

#endif
