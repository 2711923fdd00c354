/*
 * The composition root: names every concrete adapter, builds in a written order, tears down in
 * the reverse.
 *
 *   data folder and its lock, log, keys, store, loops, post, workers, homes, hubs, edges, nets,
 *   first admin, listeners, admin socket, threads
 *
 * The calling thread stays the control thread: signals and the admin socket.
 */
#ifndef SB_APP_SERVER_H
#define SB_APP_SERVER_H

#include "app/settings.h"

/* Serves until SIGTERM or SIGINT, then drains; the process's exit status. */
int server_main(struct settings *settings);

#endif
