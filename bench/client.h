/*
 * The load generator's WebSocket client: many connections on one epoll, text frames only, no
 * fragments (what the servers under test send). Not the product's code, so that a bug of ours
 * cannot hide on both sides.
 */
#ifndef SB_BENCH_CLIENT_H
#define SB_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct client {
    int fd;
    uint32_t index;
    bool open;    /* the handshake is done */
    bool ended;   /* the server has closed it */
    bool writing; /* waits for the socket to take bytes */
    struct ssl_st *tls; /* owned; NULL: plain */
    uint8_t *in;  /* owned: unparsed bytes; NULL when none */
    size_t in_len, in_cap;
    uint8_t *out; /* owned: bytes to send */
    size_t out_len, out_at, out_cap;
    uint32_t ack_next, ack_heard; /* Socket.IO: of the next event; of the next ack */
    int recv_bytes; /* asked of the kernel when it connects; 0: what it gives by itself */
    uint32_t room;
    uint64_t *next_seq; /* owned; per publisher of the room: the number it must see next */
};

struct pool {
    int epoll;
    struct client *items;
    uint32_t count;
    uint32_t opened;
    uint32_t failed;
    uint64_t pings;  /* answered */
    bool socketio;   /* commands and answers travel as Socket.IO packets */
    struct ssl_ctx_st *tls; /* owned; NULL: plain */
    uint64_t now_ns; /* when the bytes that are being read arrived */
    void (*on_text)(struct pool *p, struct client *c, const uint8_t *text, size_t len);
    /* Closed by the server; NULL: that counts as failed. */
    void (*on_close)(struct pool *p, struct client *c, unsigned code);
    void *user;
};

/* The monotonic clock. */
uint64_t now_ns(void);
/* Room for `count` clients; nothing is connected. */
void pool_init(struct pool *p, uint32_t count);
/* Everything is connected over TLS 1.3 from now on; the server's certificate is not looked at. */
void pool_use_tls(struct pool *p);
/* client_tls.c: the handshake, blocking; false on failure. */
bool client_tls_open(struct pool *p, struct client *c);
/* As recv and send on a socket that does not block. */
ssize_t client_tls_recv(struct client *c, void *out, size_t room);
ssize_t client_tls_send(struct client *c, const void *bytes, size_t len);
void client_tls_close(struct client *c);
/* Connects client `index` to 127.0.0.1:port from 127.0.(1 + index / 12000).1; false on failure. */
bool pool_connect(struct pool *p, uint32_t index, unsigned port, const char *path);
/* Queues one command of up to 65,000 bytes, masked, and sends what the socket takes. */
void client_send(struct pool *p, struct client *c, const void *text, size_t len);
/* Queues without sending: several messages, then client_flush. What a client queues from its own
 * on_text is sent by itself when its bytes are read. */
void client_queue(struct pool *p, struct client *c, const void *text, size_t len);
void client_flush(struct pool *p, struct client *c);
/* One text frame as it is, whatever is spoken above. */
void client_queue_frame(struct client *c, const void *text, size_t len);
/* sio.c: Socket.IO (protocol 5) over WebSocket. A command of the pubsub protocol (s, p, e, i, c)
 * as the event join, broadcast, message-with-ack, count or counted; and what comes back, handed to
 * on_text as the pubsub protocol would have said it. Strings need no escapes here. A client counts
 * as opened when its CONNECT is answered. Acks must come in order. */
void sio_queue(struct client *c, const char *command, size_t len);
void sio_hear(struct pool *p, struct client *c, const uint8_t *text, size_t len);
/* Reads nothing, and reads on; a paused client must not send more than its socket takes. */
void client_pause(struct pool *p, struct client *c);
void client_resume(struct pool *p, struct client *c);
/* Ends it as a crash would; pool_connect may open it again. Not from its own on_text. */
void client_drop(struct pool *p, struct client *c);
/* Waits at most wait_ns for events and serves them. */
void pool_poll(struct pool *p, uint64_t wait_ns);
void pool_close(struct pool *p);

#endif
