/*
 * connection_logs (CONTRACT 9) of those who are no device: a row each, begun when it opens and
 * completed when it closes, both written behind. (A device's socket is logged at its home.) What a
 * crash leaves open is closed at the next start.
 */
#ifndef SB_DOMAIN_CONNECTION_LOG_H
#define SB_DOMAIN_CONNECTION_LOG_H

#include "domain/home.h"
#include "tables/closes.h"

struct connection_log;

/* One connection, at a place that stays; zeroed: not logged. */
struct client_log {
    struct home *home;             /* private; NULL: not logged */
    struct connection_log *waits;  /* private: its beginning is not on disk */
    uuid id;                       /* private */
    int64_t opened_ms;             /* private: monotonic */
};
struct client_log_conf {
    const char *wire;    /* of static duration */
    span socket_id;      /* 1-100 characters */
    span remote_address; /* as text */
    uuid user;           /* nil: nobody's */
};
/* On the loop of `h`. Costs two writes of a row, 256 of them in a transaction; nothing where the
 * setting connection_log_clients is off, or too many wait for a store that fails. */
void client_log_open(struct home *h, struct client_log *l, const struct client_log_conf *conf);
/* Harmless when not open. */
void client_log_close(struct client_log *l, close_reason reason);

#endif
