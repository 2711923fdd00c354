/*
 * The poller of production: epoll, level-triggered, one a loop; BSD sockets behind it. Wake-ups
 * come through an eventfd that is watched edge-triggered, so that nobody ever has to read it.
 */
#include "base/mem.h"
#include "loop/poller.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000u

/* When gathering pays: below GATHER_EVENTS_PER_S wake-ups cost little and would be delayed for
 * nothing; a turn of GATHER_COUNT_MAX events shares its wake-up already. Judged every
 * GATHER_WINDOW_NS. */
#define GATHER_EVENTS_PER_S 5000u
#define GATHER_COUNT_MAX 64u
#define GATHER_WINDOW_NS (10u * NS_PER_MS)
#define GATHER_US_MAX 1000u

/* Longer waits are for timers, which a millisecond does not hurt. */
#define FINE_WAIT_NS_MAX (2 * NS_PER_MS)

struct gather {
    uint64_t sleep_ns;  /* 0: off */
    uint64_t begin_ns;  /* of this window */
    uint64_t asleep_ns; /* in it */
    uint64_t events;    /* in it */
    unsigned last_count;
    bool on;
};

struct poller_epoll {
    struct poller poller;
    int epoll_fd;
    int wake_fd;
    int inbox_fd; /* what others give is read here */
    int give_fd;  /* the other end of it, which any thread may write to */
    const char *congestion;     /* borrowed; "" keeps the kernel's */
    struct epoll_event *events; /* owned, `event_cap` */
    unsigned event_cap;
    bool coarse; /* no epoll_pwait2 */
    struct gather gather;
};

static struct poller_epoll *self_of(struct poller *p)
{
    return CONTAINER_OF(p, struct poller_epoll, poller);
}

/* ---- readiness ---- */

/* Level-triggered epoll polls every socket that it reported once more in the next wait. Who also
 * waits for room to write is rare enough to do without the finer rules. */
static uint32_t events_asked(unsigned interest)
{
    uint32_t events = ((interest & IO_READ) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((interest & IO_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0) |
                      ((interest & IO_END) != 0 ? (uint32_t)EPOLLRDHUP : 0);
    if (interest == (IO_READ | IO_EDGE)) {
        events |= (uint32_t)EPOLLET | (uint32_t)EPOLLRDHUP;
    }
    return events;
}

static void epoll_set(struct poller *p, struct io *io, unsigned interest)
{
    ASSERT((interest & ~(IO_READ | IO_WRITE | IO_EDGE | IO_END)) == 0);
    if (io->interest == interest) {
        return;
    }
    ASSERT(io->fd >= 0);
    int op = interest == 0 ? EPOLL_CTL_DEL : io->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    struct epoll_event e = {.events = events_asked(interest), .data.ptr = io};
    io->interest = interest;
    int rc = epoll_ctl(self_of(p)->epoll_fd, op, io->fd, &e);
    ASSERT(rc == 0);
}

static int wait_ms_of(int64_t wait_ns)
{
    if (wait_ns < 0) {
        return -1;
    }
    /* Rounded up: rounding down would spin through the last millisecond before a timer. */
    int64_t ms = wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static uint64_t mono_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* A window with many events and at least half of its time asleep turns gathering on. */
static void gather_judge(struct gather *g, uint64_t now_ns)
{
    uint64_t window_ns = now_ns - g->begin_ns;
    if (window_ns >= GATHER_WINDOW_NS) {
        g->on = g->events >= window_ns / (NS_PER_S / GATHER_EVENTS_PER_S) &&
                g->asleep_ns >= window_ns / 2;
        g->begin_ns = now_ns;
        g->asleep_ns = 0;
        g->events = 0;
    }
}

/* Short waits to the microsecond: epoll_wait's whole milliseconds would double a flush window. A
 * kernel without epoll_pwait2 (before 5.11) rounds up. */
static int wait_for(struct poller_epoll *pe, int max, int64_t wait_ns)
{
#ifdef SYS_epoll_pwait2
    if (wait_ns > 0 && wait_ns < FINE_WAIT_NS_MAX && !pe->coarse) {
        struct timespec t = {.tv_nsec = (long)wait_ns};
        int n = (int)syscall(SYS_epoll_pwait2, pe->epoll_fd, pe->events, max, &t, NULL, 0);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return n;
        }
        pe->coarse = true;
    }
#endif
    return epoll_wait(pe->epoll_fd, pe->events, max, wait_ms_of(wait_ns));
}

/* epoll_wait, after a rest in which events gather. */
static int wait_gathered(struct poller_epoll *pe, int max, int64_t wait_ns)
{
    struct gather *g = &pe->gather;
    uint64_t begin_ns = mono_ns();
    gather_judge(g, begin_ns);
    bool worth = g->on && g->last_count < GATHER_COUNT_MAX;
    if (worth && (wait_ns < 0 || wait_ns > (int64_t)g->sleep_ns)) {
        struct timespec rest = {.tv_nsec = (long)g->sleep_ns};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
        wait_ns = wait_ns < 0 ? -1 : wait_ns - (int64_t)g->sleep_ns;
    }
    int n = wait_for(pe, max, wait_ns);
    g->asleep_ns += mono_ns() - begin_ns;
    g->last_count = n < 0 ? 0 : (unsigned)n;
    g->events += g->last_count;
    return n;
}

static unsigned epoll_wait_events(struct poller *p, int64_t wait_ns, struct poller_event *out,
                                  unsigned max)
{
    struct poller_epoll *pe = self_of(p);
    ASSERT(max > 0 && max < INT_MAX);
    if (pe->event_cap < max) {
        pe->events = mem_realloc(pe->events, max * sizeof *pe->events);
        pe->event_cap = max;
    }
    int n = wait_ns == 0 || pe->gather.sleep_ns == 0
                ? wait_for(pe, (int)max, wait_ns)
                : wait_gathered(pe, (int)max, wait_ns);
    ASSERT(n >= 0 || errno == EINTR);
    unsigned count = 0;
    for (int i = 0; i < n; i++) {
        uint32_t e = pe->events[i].events;
        struct io *io = pe->events[i].data.ptr;
        if (io != NULL) { /* NULL: the wake-up */
            out[count++] = (struct poller_event){
                .io = io,
                .events = ((e & EPOLLIN) != 0 ? IO_READ : 0) |
                          ((e & EPOLLOUT) != 0 ? IO_WRITE : 0) |
                          ((e & (EPOLLHUP | EPOLLERR)) != 0 ? IO_HANGUP | IO_END : 0) |
                          ((e & EPOLLRDHUP) != 0 ? IO_END : 0),
            };
        }
    }
    return count;
}

static void epoll_wake(struct poller *p)
{
    uint64_t one = 1;
    ssize_t n = write(self_of(p)->wake_fd, &one, sizeof one);
    ASSERT(n == (ssize_t)sizeof one || errno == EAGAIN); /* full: a wake-up is pending anyway */
}

/* ---- sockets ---- */

static bool is_tcp(const struct sockaddr *addr)
{
    return addr->sa_family == AF_INET || addr->sa_family == AF_INET6;
}

static int set_flag(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on);
}

/* Sockets accepted from a listener inherit TCP_NODELAY and TCP_CONGESTION, which saves a system
 * call each. */
static int listener_options(struct poller_epoll *pe, int fd, const struct sockaddr *addr)
{
    if (!is_tcp(addr)) {
        return 0;
    }
    if (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) != 0 ||
        set_flag(fd, SOL_SOCKET, SO_REUSEPORT) != 0 ||
        set_flag(fd, IPPROTO_TCP, TCP_NODELAY) != 0 ||
        (addr->sa_family == AF_INET6 && set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0)) {
        return -1;
    }
    if (pe->congestion[0] != '\0') {
        return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, pe->congestion,
                          (socklen_t)strlen(pe->congestion));
    }
    return 0;
}

static int open_socket(const struct sockaddr *addr)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd >= 0 ? fd : -errno;
}

static int close_failed(int fd)
{
    int error = errno;
    (void)close(fd);
    return -error;
}

static int socket_listen(struct poller *p, const struct sockaddr *addr, socklen_t len, int backlog)
{
    int fd = open_socket(addr);
    if (fd < 0) {
        return fd;
    }
    if (listener_options(self_of(p), fd, addr) != 0 || bind(fd, addr, len) != 0 ||
        listen(fd, backlog) != 0) {
        return close_failed(fd);
    }
    return fd;
}

static int socket_accept(struct poller *p, int fd, struct sockaddr_storage *peer)
{
    socklen_t len = sizeof *peer;
    memset(peer, 0, sizeof *peer); /* a UNIX peer has no name, and the kernel writes none */
    int conn = accept4(fd, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return conn >= 0 ? conn : -errno;
}

static int socket_connect(struct poller *p, const struct sockaddr *addr, socklen_t len)
{
    int fd = open_socket(addr);
    if (fd < 0) {
        return fd;
    }
    if (is_tcp(addr) && set_flag(fd, IPPROTO_TCP, TCP_NODELAY) != 0) {
        return close_failed(fd);
    }
    if (connect(fd, addr, len) != 0 && errno != EINPROGRESS) {
        return close_failed(fd);
    }
    return fd;
}

static int socket_connected(struct poller *p, int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ? -errno : -error;
}

static ssize_t socket_recv(struct poller *p, int fd, void *out, size_t len)
{
    ssize_t n = recv(fd, out, len, 0);
    return n >= 0 ? n : -errno;
}

static ssize_t socket_peek(struct poller *p, int fd, void *out, size_t len)
{
    ssize_t n = recv(fd, out, len, MSG_PEEK);
    return n >= 0 ? n : -errno;
}

static ssize_t socket_send(struct poller *p, int fd, const struct iovec *iov, int count)
{
    ssize_t n;
    if (count == 1) {
        n = send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
    } else {
        /* More pieces than the kernel takes at once are a short write like any other. */
        struct msghdr msg = {
            .msg_iov = (struct iovec *)iov,
            .msg_iovlen = (size_t)(count < IOV_MAX ? count : IOV_MAX),
        };
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    }
    return n >= 0 ? n : -errno;
}

static int socket_local(struct poller *p, int fd, struct sockaddr_storage *out)
{
    socklen_t len = sizeof *out;
    memset(out, 0, sizeof *out);
    return getsockname(fd, (struct sockaddr *)out, &len) == 0 ? 0 : -errno;
}

static int socket_peer(struct poller *p, int fd, struct sockaddr_storage *out)
{
    socklen_t len = sizeof *out;
    memset(out, 0, sizeof *out);
    return getpeername(fd, (struct sockaddr *)out, &len) == 0 ? 0 : -errno;
}

static void socket_shutdown_write(struct poller *p, int fd)
{
    (void)shutdown(fd, SHUT_WR); /* a peer that is gone already is no news */
}

static void socket_close(struct poller *p, int fd)
{
    /* No other descriptor refers to it, so the kernel takes it out of the epoll set, too. Linux
     * frees the descriptor even when close reports an error. */
    (void)close(fd);
}

/* ---- descriptors that change their poller ---- */

/* The word's bytes, and room for one descriptor beside them. */
struct parcel {
    void *word;
    struct iovec iov;
    struct msghdr msg;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } side;
};

static struct msghdr *parcel_init(struct parcel *c)
{
    memset(c, 0, sizeof *c);
    c->iov = (struct iovec){.iov_base = &c->word, .iov_len = sizeof c->word};
    c->msg = (struct msghdr){.msg_iov = &c->iov, .msg_iovlen = 1, .msg_control = c->side.bytes,
                             .msg_controllen = sizeof c->side.bytes};
    return &c->msg;
}

/* The numbers of give_fd and inbox_fd mean the same in every table (decision 0010). */
static int epoll_give(struct poller *p, struct poller *to, int fd, void *word)
{
    struct parcel parcel;
    struct msghdr *msg = parcel_init(&parcel);
    parcel.word = word;
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                          .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (sendmsg(self_of(to)->give_fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        return errno == ENOMEM || errno == EINTR ? -ENOBUFS : -errno;
    }
    (void)close(fd); /* the parcel holds the socket */
    return 0;
}

static int epoll_take(struct poller *p, int *fd, void **word)
{
    struct parcel parcel;
    struct msghdr *msg = parcel_init(&parcel);
    ssize_t n = recvmsg(self_of(p)->inbox_fd, msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n != (ssize_t)sizeof parcel.word) {
        return -EAGAIN; /* nothing, or the end */
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    *word = parcel.word;
    *fd = -EMFILE;
    if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    }
    return 0;
}

static int epoll_inbox(struct poller *p) { return self_of(p)->inbox_fd; }

static void epoll_inbox_close(struct poller *p)
{
    (void)shutdown(self_of(p)->inbox_fd, SHUT_RD); /* of the socket, whichever table names it */
}

/* ---- life ---- */

static void epoll_free(struct poller *p)
{
    struct poller_epoll *pe = self_of(p);
    (void)close(pe->inbox_fd);
    (void)close(pe->give_fd);
    (void)close(pe->wake_fd);
    (void)close(pe->epoll_fd);
    mem_free(pe->events);
    mem_free(pe);
}

int poller_epoll_set_congestion(struct poller *p, const char *name)
{
    struct poller_epoll *pe = self_of(p);
    pe->congestion = "";
    if (name[0] == '\0') {
        return 0;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) != 0) {
        return close_failed(fd);
    }
    (void)close(fd);
    pe->congestion = name;
    return 0;
}

void poller_epoll_set_gather(struct poller *p, uint32_t gather_us)
{
    ASSERT(gather_us <= GATHER_US_MAX);
    self_of(p)->gather.sleep_ns = (uint64_t)gather_us * 1000;
}

int poller_epoll_probe(const struct sockaddr *addr, socklen_t len)
{
    int fd = open_socket(addr);
    if (fd < 0) {
        return fd;
    }
    /* SO_REUSEADDR looks past connections in TIME_WAIT; a socket without SO_REUSEPORT conflicts
     * with every listener. */
    if (is_tcp(addr) && (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) != 0 ||
                         (addr->sa_family == AF_INET6 &&
                          set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0))) {
        return close_failed(fd);
    }
    if (bind(fd, addr, len) != 0) {
        return close_failed(fd);
    }
    (void)close(fd);
    return 0;
}

static const struct poller epoll_ops = {
    .set = epoll_set,
    .wait = epoll_wait_events,
    .wake = epoll_wake,
    .listen = socket_listen,
    .accept = socket_accept,
    .connect = socket_connect,
    .connected = socket_connected,
    .recv = socket_recv,
    .peek = socket_peek,
    .send = socket_send,
    .local = socket_local,
    .peer = socket_peer,
    .shutdown_write = socket_shutdown_write,
    .give = epoll_give,
    .take = epoll_take,
    .inbox = epoll_inbox,
    .inbox_close = epoll_inbox_close,
    .close = socket_close,
    .free = epoll_free,
};

struct poller *poller_epoll_new(void)
{
    struct poller_epoll *pe = mem_calloc(1, sizeof *pe);
    pe->poller = epoll_ops;
    pe->congestion = "";
    pe->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pe->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int inbox[2] = {-1, -1};
    int made = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, inbox);
    ASSERT(pe->epoll_fd >= 0 && pe->wake_fd >= 0 && made == 0);
    pe->inbox_fd = inbox[0];
    pe->give_fd = inbox[1];
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    int rc = epoll_ctl(pe->epoll_fd, EPOLL_CTL_ADD, pe->wake_fd, &e);
    ASSERT(rc == 0);
    return &pe->poller;
}
