/*
 * For tests: a net on a real epoll loop, clients as plain sockets in the same thread, and a clock
 * that only the test moves. Nothing waits for time to pass: `until` turns the loop until a
 * condition holds (at most TEST_PATIENCE_MS of real time), `advance` moves the clock in ticks.
 */
#ifndef SB_NET_TEST_SERVER_H
#define SB_NET_TEST_SERVER_H

#include "base/buf.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "net/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEST_PATIENCE_MS 60000 /* far above what a busy machine takes */
#define UNUSED_OK __attribute__((unused))

struct server {
    struct loop *loop;
    struct loop *loops[1];
    struct net *net;
    struct net_shared *shared;
    struct net_limits limits;
    struct sockaddr_in addr;
};

static uint64_t test_now_ns;

static int64_t test_wall_ms(struct clock *c)
{
    return 1700000000000 + (int64_t)(test_now_ns / 1000000);
}
static uint64_t test_mono_ns(struct clock *c) { return test_now_ns; }
static struct clock test_clock = {.wall_ms = test_wall_ms, .mono_ns = test_mono_ns};

static const struct net_limits test_limits = {
    .connections_max = 1000,
    .http_header_ms = 1000,
    .http_body_ms = 2000,
    .http_idle_ms = 5000,
    .http_header_bytes_max = 16384,
    .http_body_bytes_max = 1 << 20,
    .close_wait_ms = 1000,
};

/* Lines of the log and the last of them, as "event name=value ...". */
static struct {
    struct log log;
    unsigned lines;
    char last[256];
} test_log;

static void test_log_write(struct log *log, enum log_level level, const char *event,
                           const struct log_field *fields, unsigned count)
{
    char *out = test_log.last;
    size_t at = (size_t)snprintf(out, sizeof test_log.last, "%s", event);
    for (unsigned i = 0; i < count && at < sizeof test_log.last; i++) {
        if (fields[i].type == LOG_FIELD_STR) {
            at += (size_t)snprintf(out + at, sizeof test_log.last - at, " %s=%.*s",
                                   fields[i].name, SPAN_FMT(fields[i].str));
        }
    }
    test_log.lines++;
}

/* On the first of `count` loops; the others are the test's. */
static UNUSED_OK void server_start_on(struct server *s, const struct http_handler *handler,
                                      const struct net_limits *limits, struct loop **loops,
                                      unsigned count)
{
    s->limits = *limits;
    s->shared = mem_calloc(1, sizeof *s->shared);
    test_now_ns = 1000000000;
    test_log.log = (struct log){.write = test_log_write, .level_min = LOG_INFO};
    test_log.lines = 0;
    struct loop_conf conf = {.count = count, .clock = &test_clock, .log = &test_log.log,
                             .poller = poller_epoll_new()};
    s->loop = loops[0] = loop_new(&conf, loops);
    s->net = net_new(&(struct net_conf){.loop = s->loop, .limits = &s->limits,
                                        .shared = s->shared, .http = handler, .user = s});
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage bound;
    assert_int_equal(net_listen(s->net, (struct sockaddr *)&any, sizeof any, 0, &bound), 0);
    memcpy(&s->addr, &bound, sizeof s->addr);
}

static UNUSED_OK void server_start(struct server *s, const struct http_handler *handler,
                                   const struct net_limits *limits)
{
    *s = (struct server){0};
    server_start_on(s, handler, limits, s->loops, 1);
}

static UNUSED_OK void server_stop(struct server *s)
{
    if (s->net != NULL) {
        net_free(s->net);
    }
    assert_int_equal(s->shared->connections, 0);
    for (unsigned i = 0; i < ADDRS_ROW_SLOTS; i++) {
        assert_int_equal(s->shared->addrs.counts[0][i], 0);
        assert_int_equal(s->shared->addrs.counts[1][i], 0);
    }
    loop_free(s->loop);
    mem_free(s->shared);
}

static UNUSED_OK uint64_t real_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static UNUSED_OK void turn(struct server *s, unsigned count)
{
    while (count-- > 0) {
        loop_turn(s->loop, 0);
    }
}

/* Turns the loop until the condition holds; fails the test after the patience. */
#define until(s, condition)                                                                        \
    do {                                                                                           \
        uint64_t end_ms = real_ms() + TEST_PATIENCE_MS;                                            \
        while (!(condition)) {                                                                     \
            loop_turn((s)->loop, 1);                                                               \
            if (real_ms() > end_ms) {                                                              \
                fail_msg("waited in vain for " #condition);                                        \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* Moves the clock on, in ticks of the sweep. */
static UNUSED_OK void advance(struct server *s, unsigned ms)
{
    for (unsigned done = 0; done < ms; done += 100) {
        test_now_ns += 100 * 1000000ull;
        loop_turn(s->loop, 0);
    }
}

/* ---- clients ---- */

struct peer {
    struct server *server;
    int fd;
    buf in;
    bool ended; /* the server's end has come */
    bool reset;
};

static UNUSED_OK struct peer peer_connect_small(struct server *s, int recv_bytes)
{
    struct peer p = {.server = s, .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    assert_true(p.fd >= 0);
    if (recv_bytes > 0) {
        setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &recv_bytes, sizeof recv_bytes);
    }
    int on = 1;
    setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int rc = connect(p.fd, (struct sockaddr *)&s->addr, sizeof s->addr);
    assert_true(rc == 0 || errno == EINPROGRESS);
    return p;
}

static UNUSED_OK struct peer peer_connect(struct server *s) { return peer_connect_small(s, 0); }

static UNUSED_OK void peer_close(struct peer *p)
{
    if (p->fd >= 0) {
        close(p->fd);
    }
    p->fd = -1;
    buf_deinit(&p->in);
}

static UNUSED_OK void peer_reset(struct peer *p)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    peer_close(p);
}

/* Sends all, turning the server while its socket is full. */
static UNUSED_OK void peer_send(struct peer *p, span bytes)
{
    size_t at = 0;
    uint64_t end_ms = real_ms() + TEST_PATIENCE_MS;
    while (at < bytes.len) {
        ssize_t n = send(p->fd, bytes.ptr + at, bytes.len - at, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) {
                return; /* the server has gone: the test sees it when it reads */
            }
            loop_turn(p->server->loop, 1);
            assert_true(real_ms() < end_ms);
        } else {
            at += (size_t)n;
        }
    }
}

static UNUSED_OK void peer_send_str(struct peer *p, const char *text)
{
    peer_send(p, span_str(text));
}

/* Takes what has arrived, at most `max` bytes; true when there was something new. */
static UNUSED_OK bool peer_read_some(struct peer *p, size_t max)
{
    uint8_t *at = buf_reserve(&p->in, max);
    ssize_t n = recv(p->fd, at, max, 0);
    if (n > 0) {
        p->in.len += (size_t)n;
    } else if (n == 0) {
        p->ended = true;
    } else if (errno != EAGAIN) {
        p->ended = p->reset = true;
    }
    return n >= 0;
}

static UNUSED_OK bool peer_read(struct peer *p) { return peer_read_some(p, 65536); }

static UNUSED_OK bool peer_has(struct peer *p, const char *text)
{
    (void)peer_read(p);
    return p->in.len > 0 && memmem(p->in.ptr, p->in.len, text, strlen(text)) != NULL;
}

static UNUSED_OK bool peer_ended(struct peer *p)
{
    (void)peer_read(p);
    return p->ended;
}

/* ---- HTTP on a peer ---- */

struct answer {
    int status;
    size_t body_len;
    bool close; /* Connection: close */
};

/* Takes the next whole answer off; its body stays in p->in and is then consumed by the caller
 * through answer_drop. False while it is incomplete. */
static UNUSED_OK bool answer_next(struct peer *p, struct answer *a, span *body)
{
    (void)peer_read(p);
    const uint8_t *end = p->in.len == 0 ? NULL : memmem(p->in.ptr, p->in.len, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    size_t head = (size_t)(end - p->in.ptr) + 4;
    assert_memory_equal(p->in.ptr, "HTTP/1.1 ", 9);
    a->status = (p->in.ptr[9] - '0') * 100 + (p->in.ptr[10] - '0') * 10 + (p->in.ptr[11] - '0');
    const uint8_t *length = memmem(p->in.ptr, head, "\r\nContent-Length: ", 18);
    a->body_len = 0;
    if (length != NULL) {
        span rest = span_of(length + 18, (size_t)(p->in.ptr + head - length) - 18);
        assert_true(span_u64(span_cut(&rest, '\r'), SIZE_MAX, &a->body_len));
    }
    a->close = memmem(p->in.ptr, head, "\r\nConnection: close\r\n", 21) != NULL;
    if (p->in.len < head + a->body_len) {
        return false;
    }
    *body = span_of(p->in.ptr + head, a->body_len);
    return true;
}

static UNUSED_OK void answer_drop(struct peer *p, span body)
{
    buf_consume(&p->in, (size_t)(body.ptr + body.len - p->in.ptr));
}

/* Awaits one answer, checks its status and drops it. */
static UNUSED_OK struct answer expect_status(struct peer *p, int status)
{
    struct answer a = {0};
    span body = SPAN_NONE;
    until(p->server, answer_next(p, &a, &body) || p->ended);
    if (a.status != status) {
        fail_msg("answered %d, expected %d", a.status, status);
    }
    if (body.ptr != NULL) {
        answer_drop(p, body);
    }
    return a;
}

/* ---- WebSocket on a peer (as its client) ---- */

#define UPGRADE_REQUEST                                                                            \
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

/* One masked frame; `first` is FIN, RSV and opcode. */
static UNUSED_OK void frame_append(buf *out, unsigned first, span payload)
{
    static const uint8_t key[4] = {0x5a, 0x01, 0xff, 0x80};
    buf_append_byte(out, (uint8_t)first);
    if (payload.len < 126) {
        buf_append_byte(out, (uint8_t)(0x80 | payload.len));
    } else if (payload.len < 65536) {
        buf_append_byte(out, 0x80 | 126);
        buf_append_byte(out, (uint8_t)(payload.len >> 8));
        buf_append_byte(out, (uint8_t)payload.len);
    } else {
        buf_append_byte(out, 0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8) {
            buf_append_byte(out, (uint8_t)((uint64_t)payload.len >> shift));
        }
    }
    buf_append(out, key, 4);
    uint8_t *at = buf_reserve(out, payload.len);
    for (size_t i = 0; i < payload.len; i++) {
        at[i] = payload.ptr[i] ^ key[i % 4];
    }
    out->len += payload.len;
}

static UNUSED_OK void send_frame(struct peer *p, unsigned first, span payload)
{
    buf frame = {0};
    frame_append(&frame, first, payload);
    peer_send(p, buf_span(&frame));
    buf_deinit(&frame);
}

/* The next whole frame of the server (never masked); false while it is incomplete. */
static UNUSED_OK bool frame_next(struct peer *p, unsigned *first, span *payload)
{
    (void)peer_read(p);
    const uint8_t *b = p->in.ptr;
    if (p->in.len < 2) {
        return false;
    }
    assert_int_equal(b[1] & 0x80, 0);
    size_t head = 2;
    uint64_t len = b[1];
    if (len >= 126) {
        size_t bytes = len == 126 ? 2 : 8;
        head += bytes;
        if (p->in.len < head) {
            return false;
        }
        len = 0;
        for (size_t i = 0; i < bytes; i++) {
            len = len << 8 | b[2 + i];
        }
    }
    if (p->in.len < head + len) {
        return false;
    }
    *first = b[0];
    *payload = span_of(b + head, (size_t)len);
    return true;
}

static UNUSED_OK void expect_frame(struct peer *p, unsigned first, span payload)
{
    unsigned got = 0;
    span bytes = SPAN_NONE;
    until(p->server, frame_next(p, &got, &bytes) || p->ended);
    if (got != first || !span_eq(bytes, payload)) {
        fail_msg("frame %02x of %zu bytes, expected %02x of %zu", got, bytes.len, first,
                 payload.len);
    }
    answer_drop(p, bytes);
}

/* A close frame with this code (0: without one), then the end of the stream. */
static UNUSED_OK void expect_close(struct peer *p, unsigned code)
{
    unsigned got = 0;
    span bytes = SPAN_NONE;
    until(p->server, frame_next(p, &got, &bytes) || p->ended);
    assert_int_equal(got, 0x88);
    unsigned said = bytes.len < 2 ? 0 : (unsigned)bytes.ptr[0] << 8 | bytes.ptr[1];
    assert_int_equal(said, code);
    answer_drop(p, bytes);
}

static UNUSED_OK struct peer peer_upgrade_small(struct server *s, int recv_bytes)
{
    struct peer p = peer_connect_small(s, recv_bytes);
    peer_send_str(&p, UPGRADE_REQUEST);
    until(s, peer_has(&p, "\r\n\r\n") || p.ended);
    assert_memory_equal(p.in.ptr, "HTTP/1.1 101 ", 13);
    const uint8_t *end = memmem(p.in.ptr, p.in.len, "\r\n\r\n", 4);
    buf_consume(&p.in, (size_t)(end + 4 - p.in.ptr));
    return p;
}

static UNUSED_OK struct peer peer_upgrade(struct server *s) { return peer_upgrade_small(s, 0); }

#endif
