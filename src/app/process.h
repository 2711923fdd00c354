/*
 * All loops of the process with what stands on each: one home, hub, edge and net a loop. Built
 * and torn down by the server; the command line builds a smaller one (app/standalone.h).
 */
#ifndef SB_APP_PROCESS_H
#define SB_APP_PROCESS_H

#include "app/descriptors.h"
#include "app/settings.h"
#include "app/unix_socket.h"
#include "edge/edge.h"
#include "edge/ops/ops.h"
#include "loop/loop.h"
#include "loop/workers.h"

#include <pthread.h>
#include <semaphore.h>

#define LISTENERS_MAX 16 /* addresses in `listen`; settings_check refuses more */

struct process;

struct loop_thread {
    pthread_t thread;
    struct process *process;
    unsigned index;
    sem_t *ready; /* of process_start: the thread has its descriptors */
};

struct process {
    const struct config *config; /* borrowed */
    struct clock *clock;
    struct entropy *entropy;
    struct log *log;             /* borrowed */
    struct tokens *tokens;       /* owned */
    struct tls_server *tls;      /* a reference; NULL: no listener speaks TLS */
    struct jwks *jwks;           /* owned; NULL without jwks_url */
    struct webhook *webhook;     /* owned */
    struct store *store;         /* owned */
    struct post *post;           /* owned */
    struct workers *workers;     /* owned */
    struct offload *offload;     /* owned */
    struct files *files;         /* owned, as what follows: chat's files */
    struct sniff *sniff;
    struct scanner *scanner;     /* NULL: none */
    struct workers *disk_workers, *scan_workers;
    struct offload *disk, *scans;
    unsigned count;
    struct loop *loops[LOOP_COUNT_MAX];
    struct home *homes[LOOP_COUNT_MAX];
    struct edge *edges[LOOP_COUNT_MAX];
    struct hub *hubs[LOOP_COUNT_MAX];
    struct journal *journals[LOOP_COUNT_MAX]; /* owned */
    struct pos events_start; /* of the event log, when the process began */
    struct net_shared *shared;   /* owned */
    struct net_limits limits;
    struct domain_conf domain;
    struct edge_conf edge;
    struct ops ops;
    struct sockaddr_storage listeners[LISTENERS_MAX]; /* of TCP, as bound */
    struct unix_socket unix_sockets[LISTENERS_MAX];   /* files that we made */
    unsigned unix_socket_count;
    struct descriptors descriptors;
    struct loop_thread threads[LOOP_COUNT_MAX];
    unsigned threads_started;
};

/* Fills domain from the settings. */
void process_domain_conf(const struct config *c, struct domain_conf *out);
/* Fills limits and edge from the settings; edge's listeners stay as they are. */
void process_limits(const struct config *c, struct net_limits *limits, struct edge_conf *edge);
/* Opens tokens and store. False: `why`. */
bool process_open_store(struct process *p, struct post *post, buf *why) MUST_CHECK;
/* The tokens port with the configured or generated secret and jwt_keys' keys. False: `why`. */
bool process_open_tokens(struct process *p, buf *why) MUST_CHECK;
/* Starts fetching the keys of jwks_url, if there is one; after the post port is there. */
void process_open_jwks(struct process *p);
/* Last of all; the jwks thread has been closed. */
void process_free_tokens(struct process *p);

/* Chat's files: the ports and their workers, before homes are made. False: `why`. */
bool process_open_files(struct process *p, buf *why) MUST_CHECK;
/* Ends the workers: blocks; their answers are to be settled. Nothing is begun any more. */
void process_join_files(struct process *p);
void process_free_files(struct process *p);

/* What is configured of applications' receiver. */
struct receiver_conf process_receiver(const struct config *c, enum config_key url);
/* Opens the port, before loops run and before homes are made; then what calls through it, after
 * them; frees both, when the port has closed and nothing is to be settled any more. */
void process_open_webhook(struct process *p);
void process_make_receivers(struct process *p);
void process_free_webhook(struct process *p);

/* Makes loops, homes, hubs, edges and nets; nothing listens yet. */
bool process_build(struct process *p, buf *why) MUST_CHECK;
/* Listens on every address from every loop; appends the addresses in use as JSON strings. */
bool process_listen(struct process *p, buf *addresses, buf *why) MUST_CHECK;
/* Removes the files of unix sockets, before their descriptors close (unix_socket_remove). */
void process_unlisten(struct process *p);
/* One thread a loop; afterwards its descriptors may be its own (app/descriptors.h). */
void process_start(struct process *p);
/* Asks every loop to stop accepting, to close its peers, and to end when they are gone or after
 * drain_ms; then joins the threads. */
void process_drain(struct process *p);
/* Frees in the reverse order; harmless on what was not built. */
void process_free(struct process *p);

#endif
