/* A server of this process for the agent's tests: takes one WebSocket, keeps what it is told, and
 * answers as it is set to. Tests only. */
#ifndef SB_AGENT_TEST_SERVER_H
#define SB_AGENT_TEST_SERVER_H

#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "codec/http1/request.h"
#include "codec/json/read.h"
#include "net/net.h"
#include "ports/entropy.h"

struct test_server {
    struct loop *loop;
    struct net *net;
    struct net_limits limits;
    struct net_shared *shared;
    char url[64];
    /* How it behaves. */
    unsigned refuse_status;    /* of the handshake; 0: it takes the WebSocket */
    span refuse_shown;         /* Authorization that gets 503; empty: none does */
    const char *refuse_frames; /* member "error" of every ack; NULL: accepts */
    bool silent;               /* answers no frame */
    /* What it saw. */
    struct conn *peer;
    unsigned requests;
    unsigned opens;
    unsigned closes;
    unsigned acks;
    buf authorization;
    buf path;
    buf frames; /* one a line, of all connections */
};

static inline int64_t test_wall_ms(struct clock *c)
{
    struct timespec t;
    (void)c;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline uint64_t test_mono_ns(struct clock *c)
{
    struct timespec t;
    (void)c;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Zeros: every wait is the shortest. */
static inline void test_entropy_fill(struct entropy *e, void *out, size_t len)
{
    (void)e;
    memset(out, 0, len);
}

static inline void test_server_ack(struct test_server *s, span frame)
{
    span id;
    char text[256];
    if (s->silent || !json_get(frame, "id", &id)) {
        return;
    }
    int len = s->refuse_frames == NULL
                  ? snprintf(text, sizeof text,
                             "{\"type\":\"ack\",\"data\":{\"id\":%.*s,\"ok\":true}}", SPAN_FMT(id))
                  : snprintf(text, sizeof text,
                             "{\"type\":\"ack\",\"data\":{\"id\":%.*s,\"ok\":false,\"error\":%s}}",
                             SPAN_FMT(id), s->refuse_frames);
    s->acks++;
    ws_send(s->peer, WS_OP_TEXT, span_of(text, (size_t)len));
}

static inline void test_server_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct test_server *s = ws_user(c);
    (void)op;
    buf_append_span(&s->frames, payload);
    buf_append_byte(&s->frames, '\n');
    test_server_ack(s, payload);
}

static inline void test_server_closed(struct conn *c, close_reason reason)
{
    struct test_server *s = ws_user(c);
    (void)reason;
    s->closes++;
    s->peer = s->peer == c ? NULL : s->peer;
}

static const struct ws_wire test_server_wire = {
    .name = "test",
    .limits = {.message_bytes_max = 262144, .fragments_max = 16},
    .text_only = true,
    .on_message = test_server_message,
    .on_close = test_server_closed,
};

static inline void test_server_request(struct http_exchange *x)
{
    struct test_server *s = net_user(conn_net(x->conn));
    s->requests++;
    buf_clear(&s->authorization);
    buf_append_span(&s->authorization, http1_field(x->req, "Authorization"));
    buf_clear(&s->path);
    buf_append_span(&s->path, x->path);
    bool refused = s->refuse_shown.len > 0 &&
                   span_eq(buf_span(&s->authorization), s->refuse_shown);
    if (refused || s->refuse_status != 0) {
        http_respond(x, refused ? 503 : s->refuse_status, "application/json", SPAN("{}"));
        return;
    }
    s->peer = ws_upgrade(x, &test_server_wire, s, SPAN_NONE);
    s->opens += s->peer != NULL ? 1 : 0;
}

static inline void test_server_refused(struct http_exchange *x, int status, const char *why)
{
    http_respond(x, (unsigned)status, "text/plain", span_str(why));
}

static const struct http_handler test_server_handler = {
    .on_request = test_server_request,
    .on_refused = test_server_refused,
};

/* Listens on a free port of the loopback, on a loop that the caller has made. */
static inline void test_server_start(struct test_server *s, struct loop *loop)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage bound;
    s->loop = loop;
    s->limits = (struct net_limits){.connections_max = 100, .http_header_ms = 5000,
                                    .http_body_ms = 5000, .http_idle_ms = 5000,
                                    .http_header_bytes_max = 16384,
                                    .http_body_bytes_max = 16384, .close_wait_ms = 1000};
    s->shared = mem_calloc(1, sizeof *s->shared);
    s->net = net_new(&(struct net_conf){.loop = loop, .limits = &s->limits, .shared = s->shared,
                                        .http = &test_server_handler, .user = s});
    int rc = net_listen(s->net, (const struct sockaddr *)&at, sizeof at, 0, &bound);
    ASSERT(rc == 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u",
             (unsigned)ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port));
}

static inline void test_server_stop(struct test_server *s)
{
    net_free(s->net);
    mem_free(s->shared);
    buf_deinit(&s->authorization);
    buf_deinit(&s->path);
    buf_deinit(&s->frames);
}

/* Is there a frame that holds the text? */
static inline bool test_server_saw(struct test_server *s, const char *text)
{
    return memmem(s->frames.ptr == NULL ? (const void *)"" : s->frames.ptr, s->frames.len, text,
                  strlen(text)) != NULL;
}

#endif
