/* The client's framing is small: no fragments, no compression, sends up to 65,535 bytes. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OP_TEXT 1
#define OP_CLOSE 8
#define OP_PING 9
#define OP_PONG 10

#define EVENTS 1024
#define RECV_BYTES 262144
#define ADDRESS_CONNS 12000 /* more from one address and connect() searches for a port linearly */

static uint8_t recv_bytes[RECV_BYTES];

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void pool_init(struct pool *p, uint32_t count)
{
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->items = calloc(count, sizeof *p->items);
    p->count = count;
    for (uint32_t i = 0; i < count; i++) {
        p->items[i].fd = -1;
        p->items[i].index = i;
    }
}

static void watch(struct pool *p, struct client *c, int op, unsigned events)
{
    struct epoll_event ev = {.events = events, .data.ptr = c};
    epoll_ctl(p->epoll, op, c->fd, &ev);
}

static void append(uint8_t **to, size_t *len, size_t *cap, const void *bytes, size_t n)
{
    if (*len + n > *cap) {
        *cap = (*len + n) * 2;
        *to = realloc(*to, *cap);
    }
    memcpy(*to + *len, bytes, n);
    *len += n;
}

static ssize_t put(struct client *c, const void *bytes, size_t len)
{
    return c->tls != NULL ? client_tls_send(c, bytes, len) : send(c->fd, bytes, len, MSG_NOSIGNAL);
}

static ssize_t take(struct client *c)
{
    return c->tls != NULL ? client_tls_recv(c, recv_bytes, sizeof recv_bytes)
                          : recv(c->fd, recv_bytes, sizeof recv_bytes, 0);
}

bool pool_connect(struct pool *p, uint32_t index, unsigned port, const char *path)
{
    struct client *c = &p->items[index];
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    from.sin_addr.s_addr = htonl(0x7f000001u + ((index / ADDRESS_CONNS + 1) << 8));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (c->recv_bytes > 0) {
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &c->recv_bytes, sizeof c->recv_bytes);
    }
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        p->failed++;
        return false;
    }
    if (p->tls != NULL && !client_tls_open(p, c)) {
        p->failed++;
        return false;
    }
    char head[512];
    int n = snprintf(head, sizeof head,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: "
                     "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\n\r\n",
                     path, port);
    if (put(c, head, (size_t)n) != n) {
        p->failed++;
        return false;
    }
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    watch(p, c, EPOLL_CTL_ADD, EPOLLIN);
    return true;
}

static void queue_frame(struct client *c, uint8_t op, const void *text, size_t len)
{
    uint8_t head[4] = {(uint8_t)(0x80 | op)};
    static const uint8_t key[4] = {0x12, 0x34, 0x56, 0x78};
    size_t n = 2;
    if (len < 126) {
        head[1] = (uint8_t)(0x80 | len);
    } else {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
        n = 4;
    }
    append(&c->out, &c->out_len, &c->out_cap, head, n);
    append(&c->out, &c->out_len, &c->out_cap, key, 4);
    size_t at = c->out_len;
    append(&c->out, &c->out_len, &c->out_cap, text, len);
    for (size_t i = 0; i < len; i++) {
        c->out[at + i] ^= key[i & 3];
    }
}

void client_queue_frame(struct client *c, const void *text, size_t len)
{
    queue_frame(c, OP_TEXT, text, len);
}

void client_queue(struct pool *p, struct client *c, const void *text, size_t len)
{
    if (p->socketio) {
        sio_queue(c, text, len);
    } else {
        client_queue_frame(c, text, len);
    }
}

void client_flush(struct pool *p, struct client *c)
{
    while (c->out_at < c->out_len) {
        ssize_t n = put(c, c->out + c->out_at, c->out_len - c->out_at);
        if (n < 0) {
            if (errno == EAGAIN && !c->writing) {
                c->writing = true;
                watch(p, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            }
            return;
        }
        c->out_at += (size_t)n;
    }
    c->out_len = c->out_at = 0;
    if (c->writing) {
        c->writing = false;
        watch(p, c, EPOLL_CTL_MOD, EPOLLIN);
    }
}

void client_send(struct pool *p, struct client *c, const void *text, size_t len)
{
    client_queue(p, c, text, len);
    client_flush(p, c);
}

static void closed(struct pool *p, struct client *c, unsigned code)
{
    c->ended = true;
    if (p->on_close != NULL) {
        p->on_close(p, c, code);
        return;
    }
    fprintf(stderr, "client %u: closed by the server, code %u\n", c->index, code);
    p->failed++;
}

/* Frames at the start of the bytes; returns what was consumed. */
static size_t frames(struct pool *p, struct client *c, const uint8_t *b, size_t len)
{
    size_t at = 0;
    while (len - at >= 2) {
        size_t n = b[at + 1] & 0x7f;
        size_t head = 2;
        if (n >= 126) {
            head = n == 126 ? 4 : 10;
            if (len - at < head) {
                break;
            }
            n = 0;
            for (size_t i = 2; i < head; i++) {
                n = n << 8 | b[at + i];
            }
        }
        if (len - at < head + n) {
            break;
        }
        unsigned op = b[at] & 0x0f;
        if (op == OP_TEXT && p->socketio) {
            sio_hear(p, c, b + at + head, n);
        } else if (op == OP_TEXT) {
            p->on_text(p, c, b + at + head, n);
        } else if (op == OP_PING) {
            queue_frame(c, OP_PONG, b + at + head, n);
            p->pings++;
        } else if (op == OP_CLOSE) {
            closed(p, c, n >= 2 ? (unsigned)b[at + head] << 8 | b[at + head + 1] : 0);
        }
        at += head + n;
    }
    return at;
}

static size_t handshake(struct pool *p, struct client *c, const uint8_t *b, size_t len)
{
    const uint8_t *end = memmem(b, len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    if (len < 12 || memcmp(b, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "client %u: %.12s\n", c->index, (const char *)b);
        exit(1);
    }
    c->open = true;
    p->opened += !p->socketio;
    return (size_t)(end + 4 - b);
}

static void readable(struct pool *p, struct client *c)
{
    ssize_t n = take(c);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            watch(p, c, EPOLL_CTL_DEL, 0);
            if (!c->ended) {
                fprintf(stderr, "client %u: connection lost\n", c->index);
                p->failed++;
            }
        }
        return;
    }
    const uint8_t *b = recv_bytes;
    size_t len = (size_t)n;
    p->now_ns = now_ns();
    if (c->in_len > 0) {
        append(&c->in, &c->in_len, &c->in_cap, recv_bytes, len);
        b = c->in;
        len = c->in_len;
    }
    size_t used = c->open ? 0 : handshake(p, c, b, len);
    if (c->open) {
        used += frames(p, c, b + used, len - used);
    }
    if (b == c->in) {
        memmove(c->in, c->in + used, len - used);
        c->in_len = len - used;
    } else if (used < len) {
        append(&c->in, &c->in_len, &c->in_cap, b + used, len - used);
    }
    if (c->in_len == 0 && c->in != NULL) {
        free(c->in);
        c->in = NULL;
        c->in_cap = 0;
    }
    if (c->out_len > 0 && !c->writing) {
        client_flush(p, c);
    }
}

void client_pause(struct pool *p, struct client *c) { watch(p, c, EPOLL_CTL_DEL, 0); }

void client_resume(struct pool *p, struct client *c) { watch(p, c, EPOLL_CTL_ADD, EPOLLIN); }

static void let_go(struct client *c)
{
    client_tls_close(c);
    close(c->fd);
    c->fd = -1;
    free(c->in);
    free(c->out);
    free(c->next_seq);
    c->in = c->out = NULL;
    c->next_seq = NULL;
    c->in_len = c->in_cap = c->out_len = c->out_at = c->out_cap = 0;
    c->open = c->writing = c->ended = false;
}

void client_drop(struct pool *p, struct client *c)
{
    p->opened -= c->open;
    let_go(c);
}

void pool_poll(struct pool *p, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000u),
                            .tv_nsec = (long)(wait_ns % 1000000000u)};
    int n = epoll_pwait2(p->epoll, events, EVENTS, &wait, NULL);
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        if (events[i].events & EPOLLOUT) {
            client_flush(p, c);
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            readable(p, c);
        }
    }
}

void pool_close(struct pool *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->items[i].fd >= 0) {
            let_go(&p->items[i]);
        }
    }
    free(p->items);
    close(p->epoll);
}
