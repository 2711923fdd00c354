/* See front.h. The table is an array by slot, which exists from the first such peer on. */
#include "net/front.h"

#include "base/mem.h"
#include "codec/proxy/header.h"
#include "loop/addr.h"
#include "net/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum front_bits {
    FRONT_WAITS = 1,   /* for its PROXY header */
    FRONT_FIELDS = 2,  /* a trusted peer: header fields tell the client */
    FRONT_PROXIED = 4, /* its PROXY header has come */
    FRONT_CLIENT = 8,  /* the client is known */
    FRONT_COUNTED = 16, /* and counted among the addresses */
    FRONT_TOLD = 32,   /* whether it uses TLS is known */
    FRONT_TLS = 64,
    FRONT_SEEN = 128,  /* the address is that of the last request's client */
};

struct front {
    uint8_t addr[16]; /* the client's; IPv4 in the first four */
    uint32_t key;     /* of it, for net_shared.addrs */
    uint16_t port;
    bool v6;
    bool is_unix;         /* of a detached record: its client has no address */
    uint8_t bits;         /* enum front_bits */
    uint8_t listen_flags; /* what begins behind the PROXY header */
};

static struct front *front_of(const struct conn *c)
{
    const struct net *n = c->net;
    return c->slot < n->front_cap ? n->fronts[c->slot] : NULL;
}

static void set_entry(struct conn *c, struct front *f)
{
    struct net *n = c->net;
    if (c->slot >= n->front_cap) {
        uint32_t cap = n->front_cap == 0 ? 64 : n->front_cap;
        while (cap <= c->slot) {
            cap *= 2;
        }
        n->fronts = mem_realloc(n->fronts, cap * sizeof(struct front *));
        memset(n->fronts + n->front_cap, 0, (cap - n->front_cap) * sizeof(struct front *));
        n->front_cap = cap;
    }
    n->fronts[c->slot] = f;
}

void front_open(struct conn *c, bool trusted, unsigned listen_flags)
{
    struct front *f = mem_calloc(1, sizeof *f);
    bool waits = trusted && (listen_flags & NET_LISTEN_PROXY);
    f->bits = waits ? FRONT_WAITS : trusted ? FRONT_FIELDS : 0;
    f->listen_flags = (uint8_t)listen_flags;
    set_entry(c, f);
}

struct front *front_take(struct conn *c)
{
    struct front *f = front_of(c);
    if (f != NULL) {
        c->net->fronts[c->slot] = NULL;
    }
    return f;
}

void front_give(struct conn *c, struct front *f)
{
    if (f != NULL) {
        set_entry(c, f);
    }
}

static void uncount(struct conn *c, struct front *f)
{
    if (f->bits & FRONT_COUNTED) {
        f->bits &= (uint8_t)~FRONT_COUNTED;
        addrs_leave(&c->net->shared->addrs, f->key);
    }
}

bool front_close(struct conn *c)
{
    struct front *f = front_of(c);
    if (f == NULL) {
        return false;
    }
    uncount(c, f);
    c->net->fronts[c->slot] = NULL;
    mem_free(f);
    return true;
}

void front_deinit(struct net *n) { mem_free(n->fronts); }

void front_rest(struct conn *c)
{
    struct front *f = front_of(c);
    if (f != NULL && !(f->bits & FRONT_PROXIED)) {
        uncount(c, f);
        f->bits |= (f->bits & FRONT_CLIENT) ? FRONT_SEEN : 0;
        f->bits &= (uint8_t)~FRONT_CLIENT;
    }
}

bool front_waits(const struct conn *c)
{
    const struct front *f = front_of(c);
    return f != NULL && (f->bits & FRONT_WAITS);
}

bool front_proxied(const struct conn *c)
{
    const struct front *f = front_of(c);
    return f != NULL && (f->bits & (FRONT_WAITS | FRONT_PROXIED));
}

bool front_fields_count(const struct conn *c)
{
    const struct front *f = front_of(c);
    return f != NULL && (f->bits & FRONT_FIELDS);
}

enum front_tls front_tls(const struct conn *c)
{
    const struct front *f = front_of(c);
    if (f == NULL || !(f->bits & FRONT_TOLD)) {
        return FRONT_TLS_UNTOLD;
    }
    return (f->bits & FRONT_TLS) ? FRONT_TLS_YES : FRONT_TLS_NO;
}

/* ---- the client's address ---- */

static void address_of(const struct front *f, struct sockaddr_storage *out)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(f->port)};
    memset(out, 0, sizeof *out);
    if (f->v6) {
        memcpy(&in6.sin6_addr, f->addr, 16);
        memcpy(out, &in6, sizeof in6);
    } else {
        memcpy(&in4.sin_addr, f->addr, 4);
        memcpy(out, &in4, sizeof in4);
    }
}

bool front_peer(const struct conn *c, struct sockaddr_storage *out)
{
    const struct front *f = front_of(c);
    if (f != NULL && f->is_unix) {
        *out = (struct sockaddr_storage){.ss_family = AF_UNIX};
        return true;
    }
    if (f == NULL || !(f->bits & FRONT_CLIENT)) {
        return false;
    }
    address_of(f, out);
    return true;
}

/* Takes an address; IPv4 in IPv6's clothes becomes IPv4, or one client would have two. */
static void address_set(struct front *f, const uint8_t *addr, bool v6, uint16_t port)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_mapped = v6 && memcmp(addr, mapped, sizeof mapped) == 0;
    memset(f->addr, 0, sizeof f->addr);
    memcpy(f->addr, is_mapped ? addr + 12 : addr, v6 && !is_mapped ? 16 : 4);
    f->v6 = v6 && !is_mapped;
    f->port = port;
    f->bits |= FRONT_CLIENT;
}

/* Counts the client among the addresses; `again`: it has been admitted on this connection. */
static const char *count(struct conn *c, struct front *f, bool again)
{
    struct net *n = c->net;
    struct sockaddr_storage client;
    address_of(f, &client);
    if ((f->bits & FRONT_COUNTED) || trust_holds(&n->limits->trusted, &client)) {
        return NULL;
    }
    f->key = addrs_key(&client);
    const char *limit = net_address_enter(n, f->key, again);
    f->bits |= limit == NULL ? FRONT_COUNTED : 0;
    return limit;
}

static void address_from(struct front *f, const struct sockaddr_storage *client)
{
    if (client->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)client;
        address_set(f, in6->sin6_addr.s6_addr, true, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in4 = (const void *)client;
        address_set(f, (const void *)&in4->sin_addr, false, ntohs(in4->sin_port));
    }
}

const char *front_copy(struct conn *c, const struct conn *from, bool again)
{
    const struct front *was = front_of(from);
    struct sockaddr_storage client;
    front_open(c, false, 0);
    struct front *f = front_of(c);
    f->bits = was == NULL ? 0 : was->bits & (FRONT_TOLD | FRONT_TLS);
    if (!conn_peer(from, &client)) {
        return NULL;
    }
    if (client.ss_family != AF_INET && client.ss_family != AF_INET6) {
        f->is_unix = true;
        return NULL;
    }
    address_from(f, &client);
    const char *limit = count(c, f, again);
    if (limit != NULL) {
        (void)front_close(c);
    }
    return limit;
}

const char *front_client(struct conn *c, const struct sockaddr_storage *client)
{
    struct front *f = front_of(c);
    struct front next = {0};
    ASSERT(f != NULL && (f->bits & FRONT_FIELDS));
    address_from(&next, client);
    bool again = (f->bits & FRONT_SEEN) && f->v6 == next.v6 &&
                 memcmp(f->addr, next.addr, sizeof f->addr) == 0;
    if (!again) {
        c->flags &= (uint16_t)~CONN_SPENT;
    }
    uncount(c, f);
    f->bits &= (uint8_t)~FRONT_SEEN;
    address_set(f, next.addr, next.v6, next.port);
    const char *limit = count(c, f, again);
    if (limit != NULL) {
        net_count_refused(c->net, client, limit);
        f->bits &= (uint8_t)~FRONT_CLIENT;
    }
    return limit;
}

void front_client_none(struct conn *c)
{
    struct front *f = front_of(c);
    uncount(c, f);
    f->bits &= (uint8_t)~(FRONT_CLIENT | FRONT_SEEN);
}

/* ---- the PROXY header ---- */

static void refuse_header(struct conn *c, const char *why)
{
    struct sockaddr_storage peer;
    char text[ADDR_TEXT_MAX] = "";
    if (conn_peer(c, &peer)) {
        addr_format(&peer, text);
    }
    LOG(loop_log(c->net->loop), LOG_WARN, "proxy.refused", LOG_U64("conn", c->slot),
        LOG_STR("why", why), LOG_STR("peer", text));
    conn_close(c, CLOSE_BAD_PROXY);
}

static void take_header(struct conn *c, const struct proxy_header *h)
{
    struct front *f = front_of(c);
    f->bits = FRONT_PROXIED | (h->tls_told ? FRONT_TOLD : 0) | (h->tls ? FRONT_TLS : 0);
    if (h->source == PROXY_IPV4 || h->source == PROXY_IPV6) {
        address_set(f, h->addr, h->source == PROXY_IPV6, h->port);
        const char *limit = count(c, f, false);
        if (limit != NULL) {
            struct sockaddr_storage client;
            address_of(f, &client);
            net_count_refused(c->net, &client, limit);
            net_refuse(c, CLOSE_LIMIT);
            return;
        }
    }
    c->seen = net_tick(c->net);
    net_begin(c, f->listen_flags & (unsigned)~NET_LISTEN_PROXY);
}

/* Looks at what has come and takes the header alone out of the socket, so that TLS or HTTP finds
 * its own first byte there. */
bool front_read(struct conn *c, bool end_follows)
{
    struct net *n = c->net;
    struct proxy_header h;
    ssize_t got = n->poller->peek(n->poller, c->io.fd, n->recv, PROXY_HEADER_BYTES_MAX);
    if (got == -EAGAIN || got == -EWOULDBLOCK) {
        return false;
    }
    if (got == -EINTR) {
        return true;
    }
    if (got <= 0) {
        conn_close(c, got == 0 ? CLOSE_PEER_CLOSED : CLOSE_PEER_GONE);
        return false;
    }
    int len = proxy_header_decode(span_of(n->recv, (size_t)got), &h);
    if (len < 0) {
        refuse_header(c, proxy_error_text(len));
        return false;
    }
    if (len == 0) {
        if (end_follows) {
            refuse_header(c, "it ended before it was whole");
        }
        return false;
    }
    ssize_t taken = n->poller->recv(n->poller, c->io.fd, n->recv, (size_t)len);
    if (taken != len) {
        conn_close(c, CLOSE_PEER_GONE); /* what was there a moment ago has been reset */
        return false;
    }
    NET_COUNT(n->stats.bytes_in, (uint64_t)len);
    take_header(c, &h);
    return c->state == CONN_OPEN;
}
