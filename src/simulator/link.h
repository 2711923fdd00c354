/*
 * A client's connection as a device (or a provisioning key) has it: WebSocket, then on Socket.IO
 * the handshake and CONNECT with the key, on the raw wire the frame `connected`. Loop thread.
 *
 *     idle --link_open--> opening --WebSocket--> joining --answered--> joined
 *       \_______________________ on_closed __________________________/
 */
#ifndef SB_SIMULATOR_LINK_H
#define SB_SIMULATOR_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/server_url.h"
#include "base/buf.h"
#include "net/net.h"
#include "ports/entropy.h"
#include "simulator/heard.h"

/* What all links of a run have in common; borrowed by each. */
struct link_side {
    struct loop *loop;
    struct net *net;
    struct entropy *entropy;
    const struct server_url *url;
    struct tls_client *tls; /* for https; NULL: http */
    struct sockaddr_storage addr;
    socklen_t addr_len;
    enum sim_wire wire;
    buf out; /* frames of one write; contents live for one call */
};

enum link_state { LINK_IDLE, LINK_OPENING, LINK_JOINING, LINK_JOINED };

/* Why a connection ended. */
struct link_end {
    close_reason reason;
    int status;     /* HTTP, of a refused handshake, else 0 */
    int close_code; /* what the server said, in a close frame or `closing`; 0: nothing */
    const char *refused; /* the error type of a refused CONNECT, else NULL */
};

struct link;
struct link_ops {
    void (*on_joined)(struct link *l);
    void (*on_heard)(struct link *l, const struct heard *h); /* once joined */
    /* Once for each link_open that returned true; the link is idle and may be opened again. */
    void (*on_closed)(struct link *l, const struct link_end *end);
};

struct link {
    struct link_side *side;
    const struct link_ops *ops;
    const char *key; /* borrowed while it is open */
    enum link_state state;
    struct conn *conn;
    uint64_t opened_ns; /* when link_open was called, by loop_now_ns */
    int told_code;      /* of `closing` */
    char refused[HEARD_CODE_MAX + 1];
};

/* Begins to connect (idle, asserted). False when no socket can be had. */
bool link_open(struct link *l);
/* Appends a message to what leaves with link_flush. */
void link_put(struct link *l, span text);
/* Sends what was put, in one write. */
void link_flush(struct link *l);
/* Bytes that the socket has not taken. */
size_t link_waiting_bytes(const struct link *l);
/* Ends it; on_closed runs inside. Harmless when idle. */
void link_close(struct link *l, close_reason reason);

#endif
