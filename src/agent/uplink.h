/*
 * The agent's connection to the server: one WebSocket, opened again whenever it ends, and the
 * rows of the buffer sent over it until each is acknowledged. Loop thread.
 *
 *     waiting --timer--> resolving --> connecting --> open --close--> waiting
 *        \__________________________________________________/
 *                 uplink_stop, or a close that forbids coming back --> stopped
 *
 * Rows go in the order of the buffer, at most UPLINK_FLIGHTS_MAX unanswered and rows_per_s of
 * them, and only while the socket keeps up: so live samples, which are sent at once, wait for
 * nothing but what the kernel holds. A frame that is not answered within ack_ms ends the
 * connection; its row is sent again over the next one, where the server knows it by its key.
 */
#ifndef SB_AGENT_UPLINK_H
#define SB_AGENT_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"
#include "net/net.h"
#include "ports/entropy.h"
#include "agent/backoff.h"
#include "agent/resolve.h"
#include "agent/row_buffer.h"
#include "agent/server_url.h"

/* Unanswered frames; more would only fill the socket. */
#define UPLINK_FLIGHTS_MAX 64
/* Longest key or token that is sent. */
#define UPLINK_KEY_MAX 4096

enum uplink_state {
    UPLINK_WAITING,
    UPLINK_RESOLVING,
    UPLINK_CONNECTING,
    UPLINK_OPEN,
    UPLINK_STOPPED,
};

enum uplink_flight_kind { FLIGHT_REGISTER, FLIGHT_STATE, FLIGHT_ROW };

struct uplink_flight {
    uint64_t id; /* of the frame */
    enum uplink_flight_kind kind;
    uint64_t row;    /* number in the buffer, of FLIGHT_ROW */
    int64_t sent_ms; /* monotonic */
};

/* Times in ms, and rates; 0 takes the value of the contract, tests take shorter ones. */
struct uplink_pace {
    uint32_t ack_ms;       /* 10,000: an unanswered frame ends the connection */
    uint32_t heartbeat_ms; /* 30,000 */
    uint32_t open_ms;      /* 10,000: connecting and handshake together */
    uint32_t rows_per_s;   /* 50: backfill */
    uint32_t retry_ms;     /* 30,000: a row that the server could not take just now */
};

struct uplink {
    struct loop *loop;       /* borrowed, as all of these */
    struct net *net;
    struct workers *workers; /* NULL when the host is a literal */
    struct entropy *entropy;
    struct row_buffer *rows;
    const struct server_url *url;
    struct tls_client *tls; /* for https; NULL: http */
    const char *key;
    struct uplink_pace pace;
    /* The connection is open: send the state now (may send at once). */
    void (*on_open)(struct uplink *u);
    /* A state frame was answered; false: it has to be sent again some time. */
    void (*on_state_ack)(struct uplink *u, bool ok);
    /* There will be no further connection, and why; after uplink_stop `why` is NULL. Once. */
    void (*on_stopped)(struct uplink *u, const char *why);

    /* Private. */
    enum uplink_state state;
    struct conn *conn;
    struct backoff backoff;
    struct resolve resolve;
    const char *stop_why; /* set while stopping */
    bool stopping;
    int64_t opened_ms;
    int64_t hold_until_ms; /* no rows before it: the server asked for patience */
    int64_t credit_ms;     /* when the last row was paid for */
    uint64_t cursor;       /* rows up to this number were sent over this connection */
    uint64_t next_id;
    unsigned flight_count;
    struct uplink_flight flights[UPLINK_FLIGHTS_MAX];
    struct timer retry;
    struct timer tick; /* acks that are late, rows that may go, heartbeats */
    int64_t beat_ms;
    uint64_t rows_sent; /* over all connections */
    uint64_t rows_refused;
    buf frame;
    buf payload;
};

/* Takes the borrowed members and callbacks as set by the caller, and makes the rest ready. */
void uplink_init(struct uplink *u);
/* Frees memory; the loop no longer runs. */
void uplink_deinit(struct uplink *u);
/* Begins to connect. */
void uplink_start(struct uplink *u);
/* Ends for good: waits up to drain_ms for unanswered frames, then closes; on_stopped follows. */
void uplink_stop(struct uplink *u, uint32_t drain_ms);

/* Is there a connection that has finished its handshake? */
bool uplink_is_open(const struct uplink *u);
/* Sends one frame now; false when there is no open connection (nothing is kept). */
bool uplink_send(struct uplink *u, span frame);
/* The id for a state frame that is sent next by uplink_send, to be answered; 0: not open, or too
 * much is unanswered. */
uint64_t uplink_state_id(struct uplink *u);
/* There are new rows in the buffer. */
void uplink_rows(struct uplink *u);

#endif
