/* What net.c and client.c share: a socket is one end of a connection, or a listener. */
#ifndef SB_TESTS_SIM_NET_INTERNAL_H
#define SB_TESTS_SIM_NET_INTERNAL_H

#include "base/buf.h"
#include "sim/net.h"

#include <limits.h>

#define SIM_SOCKS_MAX 1024 /* at once; a test that needs more wants another tool */
#define SIM_BACKLOG 64
#define SIM_OUTSIDE UINT_MAX /* the owner of a client's socket */
#define SIM_FLIGHT (UINT_MAX - 1) /* of one that was given to a loop and not taken */

enum sim_sock_kind { SIM_LISTENER, SIM_PENDING /* not accepted yet */, SIM_STREAM, SIM_INBOX };

struct sim_sock {
    int fd;
    enum sim_sock_kind kind;
    unsigned owner; /* loop, or SIM_OUTSIDE */
    struct io *io;  /* while a loop asked for events; borrowed */
    struct sockaddr_storage local, peer;
    struct sim_sock *pair; /* the other end; NULL when it is closed */
    buf flying;            /* bytes on their way to this end */
    buf arrived;           /* bytes here, not read */
    size_t cap;            /* bytes this end may have under way to the other */
    bool connecting;
    bool refused;
    bool fin_sent;    /* the other end has ended its direction */
    bool fin_arrived; /* and this end knows */
    bool shut;        /* this end has ended its own */
    bool reset;
    bool paused;
    struct sim_sock *queue[SIM_BACKLOG]; /* a listener's, oldest first */
    unsigned queued;
};

/* Sockets that were given to a loop, oldest first. */
struct sim_inbox {
    struct sim_sock *sock; /* reports them; NULL until somebody wants to know */
    struct {
        struct sim_sock *sock;
        void *word;
    } items[SIM_SOCKS_MAX];
    unsigned count;
    bool closed;
};

struct sim_net {
    struct sim_random *random; /* borrowed */
    struct sim_faults faults;
    struct sim_source source;
    struct sim_sock *socks[SIM_SOCKS_MAX]; /* by descriptor; NULL: free, reused lowest first */
    unsigned sock_count;
    unsigned listen_count, connect_count;
    struct sim_inbox inboxes[SIM_LOOPS_MAX];
};

/* Opens a socket with the lowest free descriptor. */
struct sim_sock *sim_sock_new(struct sim_net *net, enum sim_sock_kind kind, unsigned owner);
/* Makes them the two ends of a connection, b on `port`. */
void sim_sock_pair(struct sim_net *net, struct sim_sock *a, struct sim_sock *b, unsigned port);
/* This end learns of a reset; what had arrived can still be read. */
void sim_sock_reset(struct sim_sock *s);
/* Frees; the other end sees the end of the stream, or a reset when bytes were left unread. */
void sim_sock_close(struct sim_net *net, struct sim_sock *s);
/* Bytes it may send now. */
size_t sim_sock_space(const struct sim_sock *s);
/* Any of the listeners of a port, NULL when there is none. */
struct sim_sock *sim_net_listener(struct sim_net *net, unsigned port);
/* Queues a new connection of `from` at a listener that has room. */
void sim_sock_knock(struct sim_net *net, struct sim_sock *from, struct sim_sock *listener);

#endif
