/*
 * The server's address: a literal is read at once, a name is looked up on a worker thread
 * (getaddrinfo blocks), so that readings go on meanwhile. Loop thread.
 */
#ifndef SB_AGENT_RESOLVE_H
#define SB_AGENT_RESOLVE_H

#include <sys/socket.h>

#include "base/assert.h"
#include "loop/workers.h"
#include "agent/server_url.h"

struct resolve {
    struct work work; /* the pool's while a look-up runs */
    const struct server_url *url;
    bool running;
    void (*done)(struct resolve *r); /* on the loop; not called when `cancelled` */
    bool cancelled;
    /* The answer: 0 and an address, or an EAI_ code. */
    int rc;
    struct sockaddr_storage addr;
    socklen_t addr_len;
};

/* The answer for a literal host, at once; false when the host is a name. */
bool resolve_literal(struct resolve *r);
/* The answer here and now; blocks while a name is looked up. */
void resolve_now(struct resolve *r);
/* Begins a look-up (none is running, asserted); `done` follows. `r` stays alive until then. False
 * when the pool is full. */
MUST_CHECK bool resolve_start(struct resolve *r, struct workers *workers);
/* A sentence about r->rc, not to be freed. */
const char *resolve_why(const struct resolve *r);

#endif
