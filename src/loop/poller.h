/*
 * Readiness and sockets of one loop, behind one interface: epoll and BSD sockets in production,
 * an in-memory network under a seeded scheduler in tests/sim. Descriptors are non-blocking.
 * All calls on the loop's thread except wake().
 */
#ifndef SB_LOOP_POLLER_H
#define SB_LOOP_POLLER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "tables/errors.h"

/*
 * Order of a connection's end: io_close() (no event is reported for it any more, not even one
 * that was already collected this turn), then loop_defer() of the record that embeds the io.
 */
#define IO_READ 1u
#define IO_WRITE 2u
#define IO_HANGUP 4u /* reported, never asked: both directions are dead; bytes that arrived
                        before may still be read */
#define IO_EDGE 8u   /* asked beside IO_READ: reading may be reported once for what has arrived, not
                        again in every turn, which spares the kernel asking each socket twice. The
                        reader goes on until a call gives less than it has room for; one that stops
                        earlier ends and renews its interest */
#define IO_END 16u   /* reported with IO_READ of such a reader: after what arrived comes the end of
                        the stream or an error, which a short read does not show. May be asked in
                        place of IO_READ by who does not read now: then it is reported alone, and
                        what arrives is not */

/* 16 bytes, embedded in every connection record. */
struct io {
    int fd;
    uint32_t interest; /* IO_READ | IO_WRITE | IO_EDGE | IO_END as last set; the poller's */
    void (*ready)(struct io *io, unsigned events);
};

struct poller_event {
    struct io *io;
    unsigned events;
};

struct poller {
    /* Starts, changes or (interest 0) ends reporting for io. Level-triggered, unless IO_EDGE is
     * asked. Costs nothing when the interest stays the same. A new io has interest 0. */
    void (*set)(struct poller *p, struct io *io, unsigned interest);
    /* Waits up to wait_ns (-1: for ever; 0: not at all); returns the events written. */
    unsigned (*wait)(struct poller *p, int64_t wait_ns, struct poller_event *out, unsigned max);
    /* Makes a wait in progress, or the next one, return at once. Any thread. Costs a system
     * call: loops call it only for a target that sleeps. */
    void (*wake)(struct poller *p);

    /* Sockets; results as the system calls: >= 0, or -errno (never -1 with errno). Descriptors
     * made here are non-blocking, close-on-exec and without Nagle's delay. */
    /* One listener a loop on the same address (SO_REUSEPORT); IPv6 ones take no IPv4. */
    int (*listen)(struct poller *p, const struct sockaddr *addr, socklen_t len, int backlog);
    int (*accept)(struct poller *p, int fd, struct sockaddr_storage *peer);
    /* A descriptor whose connect is in progress: IO_WRITE or IO_HANGUP tells when it ended, and
     * connected() how: 0, or -errno of the connect. */
    int (*connect)(struct poller *p, const struct sockaddr *addr, socklen_t len);
    int (*connected)(struct poller *p, int fd);
    ssize_t (*recv)(struct poller *p, int fd, void *out, size_t len);
    /* The same without taking it; what is left may not be reported again until more arrives. */
    ssize_t (*peek)(struct poller *p, int fd, void *out, size_t len);
    ssize_t (*send)(struct poller *p, int fd, const struct iovec *iov, int count);
    int (*local)(struct poller *p, int fd, struct sockaddr_storage *out);
    int (*peer)(struct poller *p, int fd, struct sockaddr_storage *out);
    void (*shutdown_write)(struct poller *p, int fd);

    /* Descriptors that change their poller, so that a connection changes its loop. Each may have a
     * table of descriptors of its own: what is handed over gets a new number there. */
    /* Hands `fd`, for which nothing is reported, and a word to another poller of the same kind; fd
     * is gone then. 0; -EAGAIN, -ETOOMANYREFS or -ENOBUFS: later, fd and word are still the
     * caller's; -EPIPE: never, the other has closed its inbox. */
    int (*give)(struct poller *p, struct poller *to, int fd, void *word);
    /* The next that was given, in each giver's order: 0, the descriptor (-errno when there was no
     * number left for it: then it is closed) and the word; -EAGAIN: none waits. */
    int (*take)(struct poller *p, int *fd, void **word);
    /* The descriptor that IO_READ reports for when something was given. The poller's own. */
    int (*inbox)(struct poller *p);
    /* Nothing can be given any more; what was may still be taken. */
    void (*inbox_close)(struct poller *p);
    void (*close)(struct poller *p, int fd); /* ends reporting too */

    void (*free)(struct poller *p);
};

/* Closes io's descriptor, after which nothing is reported for it. Harmless when closed. */
static inline void io_close(struct poller *p, struct io *io)
{
    if (io->fd >= 0) {
        int fd = io->fd;
        io->fd = -1;
        io->interest = 0;
        p->close(p, fd);
    }
}

/* The epoll implementation; aborts when the kernel has no descriptor left (start-up only). */
struct poller *poller_epoll_new(void);
/* The congestion control of listeners made from now on and of what they accept ("reno" spares
 * the pacing timers of "bbr"); "" keeps the kernel's. One that the kernel does not offer is
 * ignored: then 0 turns to -errno. `name` is borrowed until poller->free. */
int poller_epoll_set_congestion(struct poller *p, const char *name) MUST_CHECK;
/* Lets a busy but not saturated loop sleep up to `gather_us` (at most 1,000; 0: never, the
 * default) before it looks for events: from some thousands a second on, one wake-up then serves
 * several. What is answered meanwhile, mail included, comes that much later; a loop with little
 * to do, or with no time left, is not delayed. */
void poller_epoll_set_gather(struct poller *p, uint32_t gather_us);
/* 0 when nobody listens at `addr`, else -errno (-EADDRINUSE, -EACCES, ...). Ask once before the
 * first loop listens: loops share a port by SO_REUSEPORT, and so would a second process of the
 * same user, silently taking half of the connections. Port 0 is always free. */
int poller_epoll_probe(const struct sockaddr *addr, socklen_t len) MUST_CHECK;

#endif
