/*
 * The host agent (CONTRACT 6): reads this host every 10 s, shows each sample live, and keeps a
 * row a minute on disk until the server has acknowledged it. One loop, one thread (two while a
 * host name is looked up).
 *
 * The server is asked for /api/v1/devices/self/ws with `Authorization: Bearer <key>`; it takes
 * `self` for the device that the key belongs to.
 */
#ifndef SB_AGENT_AGENT_H
#define SB_AGENT_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "ports/clock.h"
#include "ports/entropy.h"
#include "ports/log.h"
#include "agent/host.h"
#include "agent/uplink.h"

struct agent_conf {
    const char *server;   /* "http://127.0.0.1:3001", "https://box.example" */
    const char *ca_file;  /* of https: who signs the server's certificate; NULL or empty: the
                             system's authorities */
    const char *key;      /* device key or token; visible ASCII without spaces */
    const char *data_dir; /* the buffer is in data_dir/agent-<host>_<port> */
    struct clock *clock;  /* borrowed, as all of these */
    struct log *log;
    struct entropy *entropy;
    bool signals;               /* SIGTERM and SIGINT stop it; agent_new blocks them in its
                                   thread, and threads made before must have them blocked */
    const struct host_roots *roots; /* NULL: this machine */
    size_t buffer_bytes_max;    /* 0: ROW_BUFFER_BYTES_DEFAULT */
    bool buffer_unsynced;       /* rows are not synced: a power cut may lose the last ones */
    struct uplink_pace pace;    /* zero: the contract's */
    uint32_t drain_ms;          /* for acks at the end; 0: 2,000 */
};

enum agent_exit {
    AGENT_EXIT_OK = 0,      /* stopped by a signal or agent_stop */
    AGENT_EXIT_CONF = 2,    /* the server's address or the key cannot be used */
    AGENT_EXIT_HOST = 3,    /* /proc cannot be read, or the buffer's folder cannot be used */
    AGENT_EXIT_REFUSED = 4, /* the server forbids coming back: key revoked, replaced, disabled */
};

struct agent;

/* Makes the agent; NULL, and an exit code in *exit_code, when it cannot run (the log says why). */
MUST_CHECK struct agent *agent_new(const struct agent_conf *conf, int *exit_code);
/* Runs until it is stopped or refused; an enum agent_exit. Makes the calling thread its own. */
MUST_CHECK int agent_loop(struct agent *a);
/* Ends agent_loop after a drain of at most drain_ms. Any thread. */
void agent_stop(struct agent *a);
/* Frees everything; waits for a look-up that runs. */
void agent_free(struct agent *a);

/* All of it: what `signalbox agent` calls. */
MUST_CHECK int agent_run(const struct agent_conf *conf);

#endif
