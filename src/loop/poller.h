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

#define IO_READ 1u
#define IO_WRITE 2u
#define IO_HANGUP 4u /* reported, never asked: both directions are dead */

/* 16 bytes, embedded in every connection record. */
struct io {
    int fd;
    uint32_t interest; /* IO_READ | IO_WRITE as last set; the poller's */
    void (*ready)(struct io *io, unsigned events);
};

struct poller_event {
    struct io *io;
    unsigned events;
};

struct poller {
    /* Starts, changes or (interest 0) ends reporting for io. Level-triggered. */
    void (*set)(struct poller *p, struct io *io, unsigned interest);
    /* Waits up to wait_ns (-1: for ever; 0: not at all); returns the events written. */
    unsigned (*wait)(struct poller *p, int64_t wait_ns, struct poller_event *out, unsigned max);
    /* Makes a wait in progress, or the next one, return at once. Any thread. */
    void (*wake)(struct poller *p);

    /* Sockets; results as the system calls: >= 0, or -errno (never -1 with errno). */
    int (*listen)(struct poller *p, const struct sockaddr *addr, socklen_t len, int backlog);
    int (*accept)(struct poller *p, int fd, struct sockaddr_storage *peer);
    int (*connect)(struct poller *p, const struct sockaddr *addr, socklen_t len); /* fd, in progress */
    int (*connected)(struct poller *p, int fd); /* 0, or -errno of the connect */
    ssize_t (*recv)(struct poller *p, int fd, void *out, size_t len);
    ssize_t (*send)(struct poller *p, int fd, const struct iovec *iov, int count);
    int (*local)(struct poller *p, int fd, struct sockaddr_storage *out);
    int (*peer)(struct poller *p, int fd, struct sockaddr_storage *out);
    void (*shutdown_write)(struct poller *p, int fd);
    void (*close)(struct poller *p, int fd); /* ends reporting too */

    void (*free)(struct poller *p);
};

/* The epoll implementation; aborts when the kernel has no descriptor left (start-up only). */
struct poller *poller_epoll_new(void);

#endif
