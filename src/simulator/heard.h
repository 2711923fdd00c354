/*
 * What the server says to a simulated device, read from a message of either wire: Socket.IO
 * (Engine.IO 4 packets in text frames) or the raw device wire ({"type","data"}). Pure; any thread.
 * Fuzzed by simulator_heard.
 */
#ifndef SB_SIMULATOR_HEARD_H
#define SB_SIMULATOR_HEARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum sim_wire { SIM_SOCKETIO, SIM_RAW };

enum heard_kind {
    HEARD_OTHER,   /* nothing that a device has to act on */
    HEARD_BAD,     /* not of the protocol */
    HEARD_OPEN,    /* the Engine.IO handshake */
    HEARD_PING,    /* of Engine.IO: wants a pong */
    HEARD_JOINED,  /* CONNECT is answered; of the raw wire: the frame `connected` */
    HEARD_REFUSED, /* CONNECT_ERROR: code, retry_after_ms */
    HEARD_LEFT,    /* DISCONNECT */
    HEARD_ACK,     /* id, ok; accepted; of a registration version and desired, if the device is
                      behind; if not ok: code, retry_after_ms */
    HEARD_ERROR,   /* code: what asked for no acknowledgement was refused */
    HEARD_COMMAND, /* request_id; wants_ack and id */
    HEARD_CONFIG,  /* version, desired */
    HEARD_CLOSING, /* close_code: the server is about to end the connection */
};

#define HEARD_CODE_MAX 63

struct heard {
    enum heard_kind kind;
    bool ok;
    bool wants_ack; /* a command whose receipt is asked for under `id` */
    uint64_t id;
    uint32_t accepted; /* samples, of an ack that says so */
    int close_code;
    int64_t retry_after_ms; /* 0: not given; at most an hour */
    int64_t version;
    char code[HEARD_CODE_MAX + 1]; /* error type; empty when none was given */
    span request_id; /* a JSON string of at most HEARD_REQUEST_BYTES_MAX; borrowed, as the rest */
    span desired;    /* a JSON value */
    span data;       /* of an ack that is not one of telemetry: the object */
};

/* 100 characters, each as long as JSON can write it, and the quotes. */
#define HEARD_REQUEST_BYTES_MAX 1202

/* Costs one pass over the text; the usual ack of telemetry a look at its first bytes. */
void heard_read(enum sim_wire wire, span text, struct heard *out);

#endif
