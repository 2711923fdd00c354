/*
 * WebSocket session on a connection, both roles (RFC 6455). Whole messages up; frames down.
 * Pings, pongs, the close handshake, time-outs and limits are handled here.
 */
#ifndef SB_NET_WS_H
#define SB_NET_WS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "codec/ws/deflate.h"
#include "codec/ws/frame.h"
#include "codec/ws/session.h"
#include "net/conn.h"
#include "net/http.h"

/* What one kind of WebSocket does and allows: one const row an edge wire. */
struct ws_wire {
    const char *name;         /* metric and log label: "monitor" */
    struct ws_limits limits;
    uint32_t ping_ms;         /* our ping interval; 0: none */
    uint32_t idle_ms;         /* closed after so long without a byte, so any frame; 0: never */
    uint32_t write_ms;        /* closed when a full socket takes nothing for so long; 0: never */
    bool text_only;           /* binary closes 1003 */
    bool deflate;             /* permessage-deflate may be agreed, if the setting allows it too */
    bool close_code_only;     /* our close frames say no text: clients compare it */
    /* A whole message; payload is borrowed for the call. */
    void (*on_message)(struct conn *c, enum ws_opcode op, span payload);
    /* The socket takes bytes again after conn_send came up short. May be NULL. */
    void (*on_writable)(struct conn *c);
    /* The session is over (once, whatever the cause); `c` may not be used afterwards. */
    void (*on_close)(struct conn *c, close_reason reason);
    /* Client role: the handshake is done. */
    void (*on_open)(struct conn *c);
};

/*
 * Turns an exchange whose request asks for it into a WebSocket: sends 101 (with the
 * subprotocol, if not empty) and frees the exchange. `user` is the session's (ws_user).
 * Returns the connection, or NULL when the handshake was malformed and has been refused
 * (400, 426). permessage-deflate is agreed here when the wire allows it and the client offers
 * it. Frames that came with the request are read in this turn, after the caller returns.
 */
struct conn *ws_upgrade(struct http_exchange *x, const struct ws_wire *wire, void *user,
                        span subprotocol);

/* The session's own pointer, as given to ws_upgrade or ws_connect. */
void *ws_user(const struct conn *c);
/* Replaces it. */
void ws_set_user(struct conn *c, void *user);
/* The row that the session was opened with. */
const struct ws_wire *ws_wire_of(const struct conn *c);

/* Sends one message now, copying what the socket does not take. For the client role and for
 * wires without a hub; hub members send through their outbox (hub/hub.h). */
void ws_send(struct conn *c, enum ws_opcode op, span payload);
/* From now on conn_send takes nothing, as if the socket were full, until ws_release, which calls
 * on_writable. Control frames still leave. */
void ws_hold(struct conn *c);
/* As above. Harmless when it was not held. */
void ws_release(struct conn *c);
/* Appends a server frame (header and payload, not masked) to `out`. */
void ws_frame_append(buf *out, enum ws_opcode op, span payload);


/* How messages to this peer may be compressed (RFC 7692); WS_DEFLATE_NONE in the client role,
 * which offers nothing. Members of one kind and wire can share the bytes. */
enum ws_deflate_kind ws_deflate_kind_of(const struct conn *c);
/*
 * Compresses the server frames that stand in `out` from `from` on, each a whole message, in
 * place, as far as that makes them shorter. Those below the limit ws_deflate_bytes_min, control
 * frames, and everything when kind is NONE stay as they are.
 */
void ws_deflate_frames(struct net *n, enum ws_deflate_kind kind, buf *out, size_t from);

/* Client role: connects to addr and asks for `target` with `authorization` (may be empty).
 * on_open or on_close follows. NULL when no socket can be had, or once the net drains. */
struct ws_client_conf {
    const struct sockaddr *addr;
    socklen_t addr_len;
    span host;          /* Host field */
    span target;        /* origin-form */
    span authorization; /* whole value, "Bearer ..." */
    const struct ws_wire *wire;
    void *user;
    struct tls_client *tls; /* borrowed; NULL: plain */
    const char *tls_host;   /* whom the certificate must name */
    bool tls_literal;       /* tls_host is an address */
    uint32_t open_ms; /* connect and handshakes together */
    const uint8_t *entropy; /* 16 bytes for the key */
    uint32_t mask_seed;     /* for frame masks; from entropy */
};
struct conn *ws_connect(struct net *n, const struct ws_client_conf *conf);
/* Client role: appends a message, masked, as one frame to `out`, which leaves with conn_send and
 * may hold several: one write for all that is due. */
void ws_client_frame_append(struct conn *c, buf *out, enum ws_opcode op, span payload);
/* HTTP status of a refused handshake (client role, in on_close), 0 when there was none. */
int ws_client_status(const struct conn *c);
/* The code of the server's close frame (client role, in on_close): 1005 without one in it, 0 when
 * no close frame came. */
int ws_client_close_code(const struct conn *c);

#endif
