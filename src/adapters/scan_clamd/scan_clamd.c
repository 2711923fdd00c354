#include "adapters/scan_clamd/scan_clamd.h"

#include "adapters/scan_clamd/clamd_reply.h"
#include "base/mem.h"
#include "loop/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES 65536
#define SCAN_TIMES 10 /* time-outs of one wait that a whole scan may take */
#define COMMAND "zINSTREAM" /* with its NUL */

struct clamd {
    struct scanner port;
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_storage inet;
    } at;
    socklen_t len;
    uint32_t timeout_ms;
};

/* One conversation. */
struct talk {
    const struct clamd *clamd;
    int fd;
    int64_t end_ms;
    struct scan_result *out;
};

static bool parse(const char *where, struct clamd *out)
{
    if (strncmp(where, "unix:", 5) == 0) {
        size_t len = strlen(where + 5);
        if (where[5] != '/' || len >= sizeof out->at.un.sun_path) {
            return false;
        }
        out->at.un.sun_family = AF_UNIX;
        memcpy(out->at.un.sun_path, where + 5, len + 1);
        out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
        return true;
    }
    return addr_parse(span_str(where), &out->at.inet, &out->len) &&
           addr_is_loopback(&out->at.inet) && addr_port(&out->at.inet) != 0;
}

bool scan_clamd_address_ok(const char *where)
{
    struct clamd c = {0};
    return parse(where, &c);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool away(struct talk *t, const char *what)
{
    t->out->verdict = SCAN_AWAY;
    clamd_what(t->out, span_str(what));
    return false;
}

/* False: its time is over, or the whole scan's. */
static bool wait_for(struct talk *t, short events)
{
    int64_t left = t->end_ms - now_ms();
    int64_t ms = left < t->clamd->timeout_ms ? left : t->clamd->timeout_ms;
    struct pollfd p = {.fd = t->fd, .events = events};
    int rc;
    do {
        rc = ms <= 0 ? 0 : poll(&p, 1, (int)ms);
    } while (rc < 0 && errno == EINTR);
    return rc > 0;
}

static bool open_talk(struct talk *t)
{
    const struct clamd *c = t->clamd;
    int error = 0;
    socklen_t len = sizeof error;
    t->fd = socket(c->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0) {
        return away(t, strerror(errno));
    }
    if (connect(t->fd, &c->at.any, c->len) == 0) {
        return true;
    }
    if (errno != EINPROGRESS) { /* of a unix socket EAGAIN: its queue is full */
        return away(t, strerror(errno));
    }
    if (!wait_for(t, POLLOUT)) {
        return away(t, "connecting took too long");
    }
    getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error == 0 || away(t, strerror(error));
}

/* False: clamd takes no more; its answer may be there already. */
static bool put(struct talk *t, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    while (len > 0) {
        ssize_t n = send(t->fd, at, len, MSG_NOSIGNAL);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (!wait_for(t, POLLOUT)) {
                return away(t, "sending took too long");
            }
        } else if (n == 0 || errno != EINTR) {
            return away(t, "clamd closed the connection");
        }
    }
    return true;
}

/* False: `out` says why; true: clamd has all of it. */
static bool send_file(struct talk *t, struct scan_source *src, uint8_t *chunk)
{
    if (!put(t, COMMAND, sizeof COMMAND)) {
        return false;
    }
    for (;;) {
        ptrdiff_t got = src->read(src, chunk + 4, CHUNK_BYTES);
        if (got < 0) {
            *t->out = (struct scan_result){.verdict = SCAN_FAILED,
                                           .what = "the file cannot be read"};
            return false;
        }
        uint32_t len = htonl((uint32_t)got);
        memcpy(chunk, &len, 4);
        if (!put(t, chunk, 4 + (size_t)got)) {
            return false;
        }
        if (got == 0) {
            return true;
        }
    }
}

/* Up to the NUL; what breaks off before it is no answer. */
static void receive(struct talk *t)
{
    char reply[CLAMD_REPLY_BYTES_MAX];
    size_t have = 0;
    while (have < sizeof reply) {
        ssize_t n = recv(t->fd, reply + have, sizeof reply - have, 0);
        const char *end = n > 0 ? memchr(reply + have, '\0', (size_t)n) : NULL;
        if (end != NULL) {
            clamd_reply(span_of(reply, (size_t)(end - reply)), t->out);
            return;
        }
        if (n > 0) {
            have += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (!wait_for(t, POLLIN)) {
                (void)away(t, "the answer took too long");
                return;
            }
        } else if (n == 0 || errno != EINTR) {
            (void)away(t, "clamd closed the connection");
            return;
        }
    }
    (void)away(t, "the answer is too long");
}

static void scan(struct scanner *self, struct scan_source *src, struct scan_result *out)
{
    const struct clamd *c = CONTAINER_OF(self, struct clamd, port);
    struct talk t = {.clamd = c, .fd = -1, .out = out,
                     .end_ms = now_ms() + (int64_t)c->timeout_ms * SCAN_TIMES};
    uint8_t *chunk = mem_alloc(4 + CHUNK_BYTES);
    *out = (struct scan_result){.verdict = SCAN_AWAY};
    if (open_talk(&t)) {
        bool sent = send_file(&t, src, chunk);
        if (sent || out->verdict == SCAN_AWAY) { /* it may have answered before it had all */
            receive(&t);
        }
    }
    if (out->verdict == SCAN_AWAY && out->what[0] == '\0') {
        clamd_what(out, SPAN("no answer"));
    }
    if (t.fd >= 0) {
        close(t.fd);
    }
    mem_free(chunk);
}

struct scanner *scan_clamd_new(const char *where, uint32_t timeout_ms)
{
    struct clamd *c = mem_calloc(1, sizeof *c);
    bool good = parse(where, c);
    ASSERT(good && timeout_ms > 0);
    c->timeout_ms = timeout_ms;
    c->port.scan = scan;
    return &c->port;
}

void scan_clamd_free(struct scanner *s)
{
    if (s != NULL) {
        mem_free(CONTAINER_OF(s, struct clamd, port));
    }
}
