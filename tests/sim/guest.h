/*
 * A WebSocket client for suites, on a simulated connection: handshake, masked frames out, whole
 * frames in (RFC 6455). It checks the server's half: no masks, no reserved bits, shortest
 * lengths.
 */
#ifndef SB_TESTS_SIM_GUEST_H
#define SB_TESTS_SIM_GUEST_H

#include "base/span.h"
#include "sim/net.h"

#define GUEST_TEXT 1u
#define GUEST_BINARY 2u
#define GUEST_CLOSE 8u
#define GUEST_PING 9u
#define GUEST_PONG 10u

struct guest {
    struct sim_client *client; /* owned; NULL after guest_leave */
    struct sim *sim;           /* borrowed */
    bool open;                 /* the server answered 101 */
    int status;                /* of a refusal, 0 before */
    size_t used;               /* bytes of the last frame, to consume */
};

/* Connects and asks for `target`; further request fields may be given ("Name: value\r\n"). */
void guest_join(struct guest *g, struct sim *s, unsigned port, const char *target,
                const char *fields);
/* Sends one unfragmented frame with a random mask. */
void guest_send(struct guest *g, unsigned opcode, span payload);
/* The next whole frame, valid until the next step or call; false when none has arrived. */
bool guest_next(struct guest *g, unsigned *opcode, span *payload);
/* Whether the server has ended or refused the connection and all was read. */
bool guest_over(struct guest *g);
/* Ends the connection: `hard` by a reset. Harmless when it has left. */
void guest_leave(struct guest *g, bool hard);

#endif
