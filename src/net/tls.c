/*
 * TLS between a socket and its connection: sessions in a table beside the records, by slot, made
 * when the first one is needed. Ciphertext is what conn.c sends and keeps; plaintext is what the
 * layers above see, a read's worth at a time, just as on a plain socket:
 *
 *     recv --> net_tls.in --tls_feed--> net.recv --> conn_bytes
 *     conn_send, conn_send_rest --tls_write--> pipe.out --> send, the remainder --> conn_out
 *
 * What was encrypted has to leave in its order, so a full socket leaves at most one
 * NET_TLS_WRITE_BYTES of a caller's bytes behind in the record's queue.
 */
#include "base/mem.h"
#include "codec/http1/response.h"
#include "loop/addr.h"
#include "net/internal.h"

#include <string.h>

/* Bytes in the record's queue above which a peer that makes us answer (key updates) and does not
 * read is let go. */
#define ANSWER_BYTES_MAX 65536

static struct net_tls *side_of(struct net *n)
{
    if (n->tls == NULL) {
        n->tls = mem_calloc(1, sizeof *n->tls);
    }
    return n->tls;
}

void net_set_tls(struct net *n, struct tls_server *server)
{
    if (server == NULL && n->tls == NULL) {
        return; /* nobody speaks TLS: no memory for it */
    }
    struct net_tls *side = side_of(n);
    struct tls_server *old = side->server;
    side->server = server == NULL ? NULL : tls_server_ref(server);
    tls_server_unref(old);
}

const struct tls_server *net_tls_server(const struct net *n)
{
    return n->tls == NULL ? NULL : n->tls->server;
}

void net_tls_deinit(struct net *n)
{
    if (n->tls != NULL) {
        tls_server_unref(n->tls->server);
        tls_pipe_deinit(&n->tls->pipe);
        buf_deinit(&n->tls->gathered);
        mem_free(n->tls->sessions);
        mem_free(n->tls);
        n->tls = NULL;
    }
}

static void attach(struct conn *c, struct tls_session *t)
{
    struct net_tls *side = c->net->tls;
    if (c->slot >= side->cap) {
        uint32_t cap = side->cap == 0 ? 64 : side->cap;
        while (cap <= c->slot) {
            cap *= 2;
        }
        side->sessions = mem_realloc(side->sessions, cap * sizeof *side->sessions);
        memset(side->sessions + side->cap, 0, (cap - side->cap) * sizeof *side->sessions);
        side->cap = cap;
    }
    ASSERT(side->sessions[c->slot] == NULL);
    side->sessions[c->slot] = t;
}

void net_tls_accept(struct conn *c)
{
    struct net_tls *side = c->net->tls;
    ASSERT(side != NULL && side->server != NULL); /* net_set_tls before net_listen */
    attach(c, tls_accept(side->server, &side->pipe));
}

void net_tls_connect(struct conn *c, struct tls_client *client, const char *host, bool literal)
{
    attach(c, tls_connect(client, &side_of(c->net)->pipe, host, literal));
}

bool conn_is_secure(const struct conn *c)
{
    return conn_tls(c) != NULL || (c->flags & CONN_SECURE);
}

/* --- writing --- */

/* Sends what the session has put into the pipe, or keeps it. */
static void send_pipe(struct conn *c)
{
    buf *out = &c->net->tls->pipe.out;
    if (out->len > 0) {
        conn_put(c, buf_span(out));
        buf_clear(out);
    }
    if (out->cap > NET_TLS_PIPE_KEEP_BYTES) {
        buf_deinit(out);
    }
}

/* Up to `max` bytes of the vector from `at` on in one piece, copied only if they are not. */
static span gather(struct net_tls *side, const struct iovec *iov, int count, size_t at, size_t max)
{
    buf *all = &side->gathered;
    buf_clear(all);
    for (int i = 0; i < count; i++) {
        if (at >= iov[i].iov_len) {
            at -= iov[i].iov_len;
            continue;
        }
        span piece = span_of((const uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at);
        bool alone = all->len == 0 && (i == count - 1 || piece.len >= max);
        piece = span_slice(piece, 0, max - all->len);
        at = 0;
        if (alone) {
            return piece;
        }
        buf_append_span(all, piece);
        if (all->len == max) {
            break;
        }
    }
    return buf_span(all);
}

size_t net_tls_write(struct conn *c, const struct iovec *iov, int count, size_t total)
{
    struct net_tls *side = c->net->tls;
    struct tls_session *t = conn_tls(c);
    size_t taken = 0;
    while (taken < total && c->out == NULL) {
        span piece = gather(side, iov, count, taken, NET_TLS_WRITE_BYTES);
        if (!tls_write(t, piece)) {
            return total; /* over: the bytes have nobody to go to */
        }
        send_pipe(c);
        taken += piece.len;
    }
    return taken;
}

void net_tls_rest(struct conn *c, span rest)
{
    if (tls_write(conn_tls(c), rest)) {
        send_pipe(c);
    }
}

void net_tls_end(struct conn *c)
{
    tls_end(conn_tls(c));
    send_pipe(c);
}

/* --- reading --- */

static void log_fault(struct conn *c, const struct tls_session *t)
{
    struct sockaddr_storage peer;
    char text[ADDR_TEXT_MAX] = "";
    if (conn_peer(c, &peer)) {
        addr_format(&peer, text);
    }
    LOG(loop_log(c->net->loop), LOG_INFO, "tls.failed", LOG_U64("conn", c->slot),
        LOG_STR("reason", tls_fault_label(tls_fault_of(t))),
        LOG_STR("detail", tls_fault_detail(t)), LOG_STR("peer", text));
}

/* nginx and others say as much: whoever wrote http:// for https:// reads what is wrong. */
static void answer_plain(struct conn *c)
{
    static const char text[] = "This port speaks TLS only: use https:// or wss://\n";
    buf *head = &c->net->scratch;
    buf_clear(head);
    http1_response_begin(head, 400, loop_wall_ms(c->net->loop));
    http1_put_str(head, "Content-Type", "text/plain; charset=utf-8");
    http1_put_str(head, "Connection", "close");
    http1_head_end(head, HTTP1_LENGTH, sizeof text - 1);
    buf_append_str(head, text);
    conn_put(c, buf_span(head));
}

/* The alert is on its way, and so is the end; the socket lingers, or the alert would be lost. */
static void failed(struct conn *c, const struct tls_session *t, bool handshake)
{
    enum tls_fault fault = tls_fault_of(t);
    if (handshake) {
        NET_COUNT(c->net->stats.tls_faults[fault], 1);
    }
    log_fault(c, t);
    if (c->state != CONN_OPEN || c->kind != CONN_HTTP) {
        conn_close(c, CLOSE_TLS_FAILED);
        conn_kill(c);
        return;
    }
    conn_log_close(c, CLOSE_TLS_FAILED);
    c->state = CONN_CLOSING;
    http_ended(c);
    if (fault == TLS_FAULT_PLAIN_HTTP) {
        answer_plain(c);
    }
    conn_end_after(c);
}

static void opened(struct conn *c, const struct tls_session *t)
{
    struct net *n = c->net;
    NET_COUNT(n->stats.tls_handshakes[tls_is_13(t)], 1);
    NET_COUNT(n->stats.tls_resumed, tls_is_resumed(t));
    buf subject = {0};
    if (c->kind == CONN_CLIENT) {
        client_secured(c);
        return;
    }
    c->seen = net_tick(n); /* the request's head has its own time */
    if (tls_peer_subject(t, &subject)) {
        LOG(loop_log(n->loop), LOG_INFO, "tls.client", LOG_U64("conn", c->slot),
            LOG_SPAN("subject", buf_span(&subject)));
    }
    buf_deinit(&subject);
}

/* A handshake's answers, and what else a session says by itself. */
static void answer(struct conn *c)
{
    send_pipe(c);
    if (c->state == CONN_OPEN && conn_pending_bytes(c) > ANSWER_BYTES_MAX + NET_TLS_WRITE_BYTES) {
        conn_close(c, CLOSE_FLOODING);
    }
}

size_t net_tls_read(struct conn *c, span cipher, uint8_t *plain, size_t room)
{
    struct tls_session *t = conn_tls(c);
    size_t len = 0;
    bool lingers = c->state == CONN_CLOSING && c->phase == HTTP_LINGER;
    if (lingers) {
        return 0; /* read so that the peer gets our last bytes, and dropped */
    }
    bool handshake = tls_state_of(t) == TLS_HANDSHAKE;
    enum tls_state state = tls_feed(t, cipher, plain, room, &len);
    if (c->net->tls->pipe.out.len > 0) {
        answer(c);
    }
    if (handshake && (state == TLS_OPEN || state == TLS_ENDED) && c->state == CONN_OPEN) {
        opened(c, t);
    }
    if (state == TLS_FAILED && c->state != CONN_DEAD) {
        failed(c, t, handshake);
        return 0;
    }
    return c->state == CONN_DEAD ? 0 : len;
}

bool net_tls_ended(const struct conn *c)
{
    const struct tls_session *t = conn_tls(c);
    return t != NULL && tls_state_of(t) == TLS_ENDED;
}

/* --- life --- */

bool net_tls_handshaking(const struct conn *c)
{
    const struct tls_session *t = conn_tls(c);
    return t != NULL && tls_state_of(t) == TLS_HANDSHAKE;
}

void net_tls_sweep(struct conn *c, uint32_t now_tick)
{
    if (tick_age_ms(now_tick, c->seen) >= c->net->limits->tls_handshake_ms) {
        NET_COUNT(c->net->stats.tls_faults[TLS_FAULT_TIMEOUT], 1);
        tls_give_up(conn_tls(c), TLS_FAULT_TIMEOUT);
        conn_close(c, CLOSE_TLS_TIMEOUT);
    }
}

struct tls_session *net_tls_take(struct conn *c)
{
    struct tls_session *t = conn_tls(c);
    if (t != NULL) {
        c->net->tls->sessions[c->slot] = NULL;
    }
    return t;
}

void net_tls_give(struct conn *c, struct tls_session *t)
{
    if (t != NULL) {
        tls_session_move(t, &side_of(c->net)->pipe);
        attach(c, t);
    }
}

void net_tls_release(struct conn *c)
{
    struct tls_session *t = net_tls_take(c);
    if (tls_state_of(t) == TLS_HANDSHAKE) {
        NET_COUNT(c->net->stats.tls_faults[TLS_FAULT_GONE], 1);
    }
    tls_session_free(t);
}
