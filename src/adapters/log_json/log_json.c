/*
 * See log_json.h. The writer sleeps in poll() on an eventfd; a producer writes to it only when it
 * finds `asleep` set. Both sides exchange that word after publishing or before looking: whichever
 * comes second sees the other, so no line is left lying while the writer sleeps.
 */
#include "adapters/log_json/log_json.h"

#include "base/mem.h"
#include "adapters/log_json/line.h"
#include "adapters/log_json/ring.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* Some thousand lines a thread: a second of a busy loop while the reader pauses. */
#define RING_BYTES_DEFAULT (256 * 1024)
/* A service manager kills after seconds; a lost tail of the log is better than a hung exit. */
#define FLUSH_MS_DEFAULT 1000
/* poll() promises that a pipe takes this much without blocking, whoever else writes to it. */
#define PIPE_CHUNK_BYTES PIPE_BUF

_Static_assert(RING_BYTES_DEFAULT >= LOG_LINE_BYTES_MAX, "a ring holds any line");

struct log_json {
    struct log log;
    int fd;            /* borrowed */
    bool regular;      /* a file: writes never wait for a reader */
    char *node;        /* owned */
    struct clock *clock;
    size_t ring_bytes;
    unsigned flush_ms_max;
    pthread_key_t ring_key; /* each thread's ring */
    pthread_t writer;
    int wake_fd;
    _Atomic(struct log_ring *) fresh; /* rings the writer has not seen, a stack */
    atomic_bool asleep;
    atomic_bool ending;
    _Atomic uint64_t dropped;            /* all */
    _Atomic uint64_t dropped_unreported; /* since the last log.dropped line */
    /* The writer's own: */
    struct log_ring *rings;
    bool mid_line;          /* the last write ended inside a line */
    uint64_t deadline_ns;   /* when to give up; 0 until the log ends */
    buf own_line;
};

static struct log_json *self_of(struct log *log) { return CONTAINER_OF(log, struct log_json, log); }

/* ---- the logging threads ---- */

static void wake_writer(struct log_json *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof one);
    ASSERT(n == (ssize_t)sizeof one || errno == EAGAIN);
}

static void count_dropped(struct log_json *l, uint64_t lines)
{
    atomic_fetch_add_explicit(&l->dropped, lines, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->dropped_unreported, lines, memory_order_relaxed);
}

static struct log_ring *my_ring(struct log_json *l)
{
    struct log_ring *r = pthread_getspecific(l->ring_key);
    if (r == NULL) {
        r = log_ring_new(l->ring_bytes);
        int rc = pthread_setspecific(l->ring_key, r);
        ASSERT(rc == 0);
        r->next = atomic_load_explicit(&l->fresh, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&l->fresh, &r->next, r, memory_order_release,
                                                      memory_order_relaxed)) {
        }
    }
    return r;
}

/* Runs when a thread that logged ends; the writer frees the ring once it is empty. */
static void orphan_ring(void *ring)
{
    atomic_store_explicit(&((struct log_ring *)ring)->orphaned, true, memory_order_release);
}

static void write_line(struct log *log, enum log_level level, const char *event,
                       const struct log_field *fields, unsigned count)
{
    struct log_json *l = self_of(log);
    struct log_ring *r = my_ring(l);
    buf_clear(&r->line);
    log_line_append(&r->line, clock_wall_ms(l->clock), level, event, l->node, fields, count);
    if (!log_ring_push(r, buf_span(&r->line))) {
        count_dropped(l, 1);
        return;
    }
    if (atomic_exchange_explicit(&l->asleep, false, memory_order_acq_rel)) {
        wake_writer(l);
    }
}

/* ---- the writer ---- */

static bool ending(struct log_json *l)
{
    return atomic_load_explicit(&l->ending, memory_order_acquire);
}

/* Milliseconds left to write in: -1 without end, 0 when the time is over. */
static int ms_left(struct log_json *l)
{
    if (!ending(l)) {
        return -1;
    }
    uint64_t now_ns = clock_mono_ns(l->clock);
    if (l->deadline_ns == 0) {
        l->deadline_ns = now_ns + (uint64_t)l->flush_ms_max * 1000000;
    }
    return now_ns >= l->deadline_ns ? 0 : (int)((l->deadline_ns - now_ns) / 1000000) + 1;
}

/* Waits until the descriptor takes bytes; false when the time is over. */
static bool await_reader(struct log_json *l)
{
    for (;;) {
        int ms = ms_left(l);
        if (ms == 0) {
            return false;
        }
        /* The wake-up that ends the log must be seen even while nobody reads. */
        struct pollfd fds[2] = {{.fd = l->fd, .events = POLLOUT},
                                {.fd = ms < 0 ? l->wake_fd : -1, .events = POLLIN}};
        int n = poll(fds, 2, ms);
        if (n > 0 && fds[0].revents != 0) {
            return true;
        }
        if (n > 0) {
            uint64_t count;
            (void)!read(l->wake_fd, &count, sizeof count);
        }
    }
}

/* One write of part of `s`; the bytes taken, or 0 when they cannot be written. */
static size_t write_some(struct log_json *l, span s)
{
    for (;;) {
        if (!l->regular && !await_reader(l)) {
            return 0;
        }
        size_t len = l->regular || s.len < PIPE_CHUNK_BYTES ? s.len : PIPE_CHUNK_BYTES;
        ssize_t n = write(l->fd, s.ptr, len);
        if (n > 0) {
            l->mid_line = s.ptr[n - 1] != '\n';
            return (size_t)n;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return 0;
        }
    }
}

static uint64_t count_lines(span s)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < s.len; i++) {
        lines += s.ptr[i] == '\n';
    }
    return lines;
}

/* After a write that failed inside a line, the next line starts on its own. */
static void end_cut_line(struct log_json *l)
{
    if (l->mid_line) {
        (void)write_some(l, SPAN("\n"));
    }
}

/* Writes the lines that are in the ring now, or drops them when they cannot be written. Lines
 * that come meanwhile wait for the next pass, so that a busy thread cannot starve the others. */
static bool drain_ring(struct log_json *l, struct log_ring *r)
{
    size_t total = log_ring_used(r);
    if (total > 0) {
        end_cut_line(l);
    }
    bool failed = false;
    for (size_t left = total; left > 0;) {
        span s = span_slice(log_ring_peek(r), 0, left);
        size_t n = failed ? 0 : write_some(l, s);
        if (n == 0) {
            failed = true;
            count_dropped(l, count_lines(s));
            n = s.len;
        }
        log_ring_pop(r, n);
        left -= n;
    }
    return total > 0;
}

/* Tells how many lines are missing, once lines go through again. */
static void report_dropped(struct log_json *l)
{
    uint64_t lines = atomic_exchange_explicit(&l->dropped_unreported, 0, memory_order_relaxed);
    if (lines == 0) {
        return;
    }
    const struct log_field fields[] = {LOG_U64("count", lines)};
    end_cut_line(l);
    buf_clear(&l->own_line);
    log_line_append(&l->own_line, clock_wall_ms(l->clock), LOG_WARN, "log.dropped", l->node,
                    fields, ARRAY_LEN(fields));
    span s = buf_span(&l->own_line);
    while (s.len > 0) {
        size_t n = write_some(l, s);
        if (n == 0) { /* later, then: together with what is lost until then */
            atomic_fetch_add_explicit(&l->dropped_unreported, lines, memory_order_relaxed);
            return;
        }
        s = span_slice(s, n, s.len);
    }
}

static void adopt_fresh_rings(struct log_json *l)
{
    struct log_ring *r = atomic_exchange_explicit(&l->fresh, NULL, memory_order_acquire);
    while (r != NULL) {
        struct log_ring *next = r->next;
        r->next = l->rings;
        l->rings = r;
        r = next;
    }
}

/* One pass over all rings; whether there was anything to write. */
static bool drain(struct log_json *l)
{
    adopt_fresh_rings(l);
    bool any = false;
    for (struct log_ring **at = &l->rings; *at != NULL;) {
        struct log_ring *r = *at;
        bool orphaned = atomic_load_explicit(&r->orphaned, memory_order_acquire);
        any = drain_ring(l, r) || any;
        if (orphaned) {
            *at = r->next;
            log_ring_free(r);
        } else {
            at = &r->next;
        }
    }
    if (any) {
        report_dropped(l);
    }
    return any;
}

static void *writer(void *arg)
{
    struct log_json *l = arg;
    for (;;) {
        bool last = ending(l);
        if (drain(l)) {
            continue;
        }
        if (last) {
            return NULL;
        }
        atomic_exchange_explicit(&l->asleep, true, memory_order_acq_rel);
        if (!drain(l) && !ending(l)) {
            struct pollfd p = {.fd = l->wake_fd, .events = POLLIN};
            (void)poll(&p, 1, -1);
            uint64_t count;
            (void)!read(l->wake_fd, &count, sizeof count);
        }
        atomic_exchange_explicit(&l->asleep, false, memory_order_acq_rel);
    }
}

/* ---- life ---- */

static void start_writer(struct log_json *l)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited: no SIGPIPE, no SIGTERM */
    int rc = pthread_create(&l->writer, NULL, writer, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ASSERT(rc == 0);
}

struct log *log_json_open(const struct log_json_conf *conf)
{
    struct log_json *l = mem_calloc(1, sizeof *l);
    l->log = (struct log){.write = write_line, .level_min = conf->level_min};
    l->fd = conf->fd;
    struct stat st;
    l->regular = fstat(conf->fd, &st) == 0 && S_ISREG(st.st_mode);
    l->node = mem_strndup(conf->node, strlen(conf->node));
    l->clock = conf->clock;
    l->ring_bytes = conf->ring_bytes == 0 ? RING_BYTES_DEFAULT : conf->ring_bytes;
    l->flush_ms_max = conf->flush_ms_max == 0 ? FLUSH_MS_DEFAULT : conf->flush_ms_max;
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int rc = pthread_key_create(&l->ring_key, orphan_ring);
    ASSERT(l->wake_fd >= 0 && rc == 0);
    start_writer(l);
    return &l->log;
}

void log_json_close(struct log *log)
{
    struct log_json *l = self_of(log);
    atomic_store_explicit(&l->ending, true, memory_order_release);
    wake_writer(l);
    pthread_join(l->writer, NULL);
    pthread_key_delete(l->ring_key);
    adopt_fresh_rings(l);
    while (l->rings != NULL) {
        struct log_ring *r = l->rings;
        l->rings = r->next;
        log_ring_free(r);
    }
    (void)close(l->wake_fd);
    buf_deinit(&l->own_line);
    mem_free(l->node);
    mem_free(l);
}

uint64_t log_json_dropped(struct log *log)
{
    return atomic_load_explicit(&self_of(log)->dropped, memory_order_relaxed);
}
