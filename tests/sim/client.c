/* The test's ends of connections; see net.h. */
#include "base/mem.h"
#include "sim/net.h"
#include "sim/net_internal.h"


struct sim_client {
    struct sim_net *net;
    struct sim_sock *sock;
};

struct sim_client *sim_connect(struct sim *s, unsigned port)
{
    struct sim_net *net = sim_network(s);
    struct sim_sock *listener = sim_net_listener(net, port);
    if (listener == NULL || listener->queued == SIM_BACKLOG) {
        return NULL;
    }
    struct sim_client *c = mem_calloc(1, sizeof *c);
    c->net = net;
    c->sock = sim_sock_new(net, SIM_STREAM, SIM_OUTSIDE);
    sim_sock_knock(net, c->sock, listener);
    return c;
}

void sim_client_send(struct sim_client *c, span bytes)
{
    if (c->sock->pair != NULL && !c->sock->reset) {
        SIM_CHECK(!c->sock->shut);
        buf_append_span(&c->sock->pair->flying, bytes);
    }
}

span sim_client_received(const struct sim_client *c) { return buf_span(&c->sock->arrived); }

void sim_client_consume(struct sim_client *c, size_t len) { buf_consume(&c->sock->arrived, len); }

bool sim_client_ended(const struct sim_client *c)
{
    return c->sock->fin_arrived || c->sock->reset;
}

bool sim_client_broken(const struct sim_client *c) { return c->sock->reset; }

void sim_client_pause(struct sim_client *c, bool paused) { c->sock->paused = paused; }

void sim_client_finish(struct sim_client *c)
{
    c->sock->shut = true;
    if (c->sock->pair != NULL) {
        c->sock->pair->fin_sent = true;
    }
}

void sim_client_close(struct sim_client *c)
{
    sim_sock_close(c->net, c->sock);
    mem_free(c);
}

void sim_client_abort(struct sim_client *c)
{
    if (c->sock->pair != NULL) {
        sim_sock_reset(c->sock->pair);
    }
    sim_client_close(c);
}
