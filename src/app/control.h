/*
 * The control thread of a server: signals, and the commands that come by the admin socket. Those
 * run on loop 0, several at a time; a slow one (a backup) keeps nobody waiting, nor the signals.
 */
#ifndef SB_APP_CONTROL_H
#define SB_APP_CONTROL_H

#include "app/process.h"

struct control;

struct control_conf {
    struct settings *settings; /* in force; borrowed */
    struct process *process; /* borrowed, as the descriptors */
    int signal_fd;
    int admin_fd; /* -1: none */
};

/* Begins nothing yet; the descriptors are read by control_run. */
struct control *control_new(const struct control_conf *conf);
/* Serves until SIGTERM or SIGINT, and until the commands that run then have ended, if they do
 * within drain_ms. SIGHUP reloads the settings (reload.h). */
void control_run(struct control *c);
/* After process_free: answers what is left of the commands, then frees. */
void control_free(struct control *c);

#endif
