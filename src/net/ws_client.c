/*
 * The client role (the agent, the simulator): connect, ask for the upgrade, check the
 * answer (RFC 6455 4.1), then the session is like a server's but for the masks.
 */
#include "base/mem.h"
#include "codec/http1/response.h"
#include "codec/ws/handshake.h"
#include "loop/digest.h"
#include "net/internal.h"
#include "net/ws.h"

#include <errno.h>
#include <string.h>

#define ANSWER_BYTES_MAX 16384 /* head of the server's answer; more: not a server of ours */

struct ws_client {
    buf request;             /* until it is sent */
    buf in;                  /* the answer so far */
    struct http1_scan scan;
    char key[WS_KEY_LEN];
    uint64_t mask_state;
    uint32_t open_ms;
    int status;
    int close_code; /* of the server's close frame, 0 before it */
    bool connected;
};

static struct ws_client *client_of(const struct conn *c)
{
    const struct net *n = c->net;
    return c->slot < n->client_cap ? n->clients[c->slot] : NULL;
}

static void client_add(struct conn *c, struct ws_client *cl)
{
    struct net *n = c->net;
    if (c->slot >= n->client_cap) {
        uint32_t cap = (c->slot + 1) * 2;
        n->clients = mem_realloc(n->clients, cap * sizeof *n->clients);
        memset(n->clients + n->client_cap, 0, (cap - n->client_cap) * sizeof *n->clients);
        n->client_cap = cap;
    }
    n->clients[c->slot] = cl;
}

void client_release(struct conn *c)
{
    struct ws_client *cl = client_of(c);
    if (cl != NULL) {
        c->net->clients[c->slot] = NULL;
        buf_deinit(&cl->request);
        buf_deinit(&cl->in);
        mem_free(cl);
    }
}

/* Masks keep intermediaries from being tricked by payloads (10.3); a xorshift64* stream from an
 * unpredictable seed is enough, for the server that sees them gains nothing by guessing. */
void client_mask_key(struct conn *c, uint8_t key[4])
{
    struct ws_client *cl = client_of(c);
    ASSERT(cl != NULL);
    cl->mask_state ^= cl->mask_state >> 12;
    cl->mask_state ^= cl->mask_state << 25;
    cl->mask_state ^= cl->mask_state >> 27;
    uint64_t out = cl->mask_state * 0x2545f4914f6cdd1dULL;
    memcpy(key, (uint8_t *)&out + 4, 4);
}

void ws_client_frame_append(struct conn *c, buf *out, enum ws_opcode op, span payload)
{
    uint8_t key[4];
    client_mask_key(c, key);
    uint8_t *at = buf_reserve(out, WS_HEAD_BYTES_MAX + payload.len);
    size_t head = ws_frame_encode_head(at, true, op, payload.len, key);
    if (payload.len > 0) {
        memcpy(at + head, payload.ptr, payload.len);
        ws_mask(at + head, payload.len, key, 0);
    }
    out->len += head + payload.len;
}

int ws_client_status(const struct conn *c)
{
    struct ws_client *cl = client_of(c);
    return cl == NULL ? 0 : cl->status;
}

int ws_client_close_code(const struct conn *c)
{
    struct ws_client *cl = client_of(c);
    return cl == NULL ? 0 : cl->close_code;
}

void client_close_came(struct conn *c, int code)
{
    struct ws_client *cl = client_of(c);
    ASSERT(cl != NULL);
    cl->close_code = code;
}

void client_ended(struct conn *c, close_reason reason)
{
    conn_wire(c)->on_close(c, reason);
}

struct conn *ws_connect(struct net *n, const struct ws_client_conf *conf)
{
    if (n->draining) {
        return NULL;
    }
    int fd = n->poller->connect(n->poller, conf->addr, conf->addr_len);
    if (fd < 0) {
        return NULL;
    }
    struct conn *c = conn_open(n, fd, CONN_CLIENT);
    c->wire = net_wire(n, conf->wire);
    c->user = conf->user;
    struct ws_client *cl = mem_calloc(1, sizeof *cl);
    client_add(c, cl);
    if (conf->tls != NULL) {
        net_tls_connect(c, conf->tls, conf->tls_host, conf->tls_literal);
    }
    cl->open_ms = conf->open_ms;
    cl->mask_state = ((uint64_t)conf->mask_seed << 32) | 1u;
    ws_key_make(conf->entropy, cl->key);
    http1_request_begin(&cl->request, HTTP1_GET, conf->target, conf->host);
    http1_put_str(&cl->request, "Upgrade", "websocket");
    http1_put_str(&cl->request, "Connection", "Upgrade");
    http1_put(&cl->request, SPAN("Sec-WebSocket-Key"), span_of(cl->key, WS_KEY_LEN));
    http1_put_str(&cl->request, "Sec-WebSocket-Version", "13");
    if (conf->authorization.len > 0) {
        http1_put(&cl->request, SPAN("Authorization"), conf->authorization);
    }
    http1_head_end(&cl->request, HTTP1_NO_BODY, 0);
    n->poller->set(n->poller, &c->io, IO_WRITE);
    return c;
}

bool client_connected(struct conn *c)
{
    struct ws_client *cl = client_of(c);
    struct poller *p = c->net->poller;
    if (cl->connected) {
        return false;
    }
    if (p->connected(p, c->io.fd) < 0) {
        conn_close(c, CLOSE_PEER_GONE);
        return true;
    }
    cl->connected = true;
    if (conn_tls(c) != NULL) {
        (void)net_tls_read(c, SPAN_NONE, c->net->recv, NET_RECV_BYTES); /* begins its handshake */
    } else {
        client_secured(c);
    }
    if (c->state == CONN_OPEN) {
        conn_interest(c);
    }
    return true;
}

void client_secured(struct conn *c)
{
    struct ws_client *cl = client_of(c);
    conn_queue(c, buf_span(&cl->request));
    buf_deinit(&cl->request);
}

static bool answer_good(struct ws_client *cl, const struct http1_response *res)
{
    return res->status == 101 && res->upgrade_websocket &&
           ws_accept_check(http1_response_field(res, "Sec-WebSocket-Accept"),
                           span_of(cl->key, WS_KEY_LEN), digest_sha1) &&
           http1_response_field(res, "Sec-WebSocket-Extensions").ptr == NULL &&
           http1_response_field(res, "Sec-WebSocket-Protocol").ptr == NULL;
}

void client_bytes(struct conn *c, uint8_t *bytes, size_t len)
{
    struct ws_client *cl = client_of(c);
    struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    lim.head_bytes_max = ANSWER_BYTES_MAX;
    buf_append(&cl->in, bytes, len);
    struct http1_response *res = mem_calloc(1, sizeof *res);
    int head = http1_response_parse(buf_span(&cl->in), &lim, &cl->scan, HTTP1_GET, res);
    if (head > 0) {
        cl->status = res->status;
    }
    bool good = head > 0 && answer_good(cl, res);
    mem_free(res);
    if (head == 0) {
        return;
    }
    if (!good) {
        conn_close(c, CLOSE_BAD_REQUEST);
        return;
    }
    buf rest = cl->in;
    cl->in = (buf){0};
    ws_begin(c, WS_CLIENT, conn_wire(c), c->user);
    conn_wire(c)->on_open(c);
    if (c->state == CONN_OPEN && rest.len > (size_t)head) {
        ws_bytes(c, rest.ptr + head, rest.len - (size_t)head);
    }
    buf_deinit(&rest);
}

void client_sweep(struct conn *c, uint32_t now_tick)
{
    struct ws_client *cl = client_of(c);
    if (tick_age_ms(now_tick, c->pinged) >= cl->open_ms) {
        conn_close(c, CLOSE_TIMEOUT);
    }
}
