/*
 * Makes devices with a provisioning key: a connection on which one device:register follows the
 * other, at a pace that the server's limit of a client allows. Loop thread.
 */
#ifndef SB_SIMULATOR_REGISTRAR_H
#define SB_SIMULATOR_REGISTRAR_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/backoff.h"
#include "base/uuid.h"
#include "simulator/link.h"

struct registrar {
    struct link link;   /* side and key are the caller's to set */
    const char *prefix; /* of names: "simulated-" and a number follows; borrowed */
    uint32_t wanted;    /* how many it is to make */
    uint32_t first;     /* number of the first */
    void *owner;        /* of the callbacks */
    /* One was made; id and key are borrowed for the call. */
    void (*on_made)(struct registrar *r, const char *id, const char *key);
    /* No more: all were made (why is NULL), or the server refuses. Once. */
    void (*on_done)(struct registrar *r, const char *why);

    /* Private. */
    uint32_t made;
    uint64_t next_id;
    struct backoff backoff;
    struct timer again; /* the next request or connection */
    bool ended;
};

/* Begins; the members above are set, the rest is zero. */
void registrar_start(struct registrar *r);
/* Ends it without on_done. */
void registrar_stop(struct registrar *r);

#endif
