/* A client of /ws on a real socket, which sees every byte. The test turns the world's loop. */
#ifndef SB_TESTS_WIRE_HOME_PEER_H
#define SB_TESTS_WIRE_HOME_PEER_H

#include "codec/ws/frame.h"
#include "rest_world.h"

#define PEER_HOST_LINE "Host: localhost:{port}\r\n"
#define PEER_UPGRADE                                                                               \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

struct peer {
    struct world *world;
    int fd;
    buf in;
    size_t at; /* what came before it was looked at */
    bool ended;
    unsigned code;    /* of the close frame; 0: none came */
    char text[16384]; /* the newest message */
};

/* Connects with a query ("?since=...") and more header lines, and takes `connection`. */
struct peer peer_connect(struct world *w, const char *query, const char *lines);
/* Closes the socket and waits until the server knows. */
void peer_leave(struct peer *p);
/* Turns the loop once and reads what is there. */
void peer_hear(struct peer *p);
/* The next message, which must come. */
const char *peer_next(struct peer *p);
/* The same, and holds this. */
void peer_expect(struct peer *p, const char *part);
bool peer_is_there(const char *text, const char *part);
/* Everything until the close frame; its code. */
unsigned peer_closed(struct peer *p);
/* A client's frame; the mask is zero. */
buf peer_frame(enum ws_opcode op, span payload);
void peer_say_as(struct peer *p, enum ws_opcode op, span payload);
void peer_say(struct peer *p, const char *text);
/* A string member somewhere in the newest message; valid until the next call. */
const char *peer_member(const struct peer *p, const char *name);

#endif
