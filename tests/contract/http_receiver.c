#include "http_receiver.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define REQUEST_BYTES_MAX 2000000

struct receiver {
    int fd;
    int port;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool stop;
    bool hold;
    bool ends; /* connections after an answer */
    size_t early; /* bytes of an answer that are sent before it is held */
    unsigned requests;
    unsigned connections;
    int fds[CONNECTIONS_MAX];
    pthread_t threads[CONNECTIONS_MAX];
    buf answer; /* whole */
    buf head;
    buf body;
};

struct one {
    struct receiver *r;
    unsigned index;
};

/* The length of the head with its empty line, or 0. */
static size_t head_end(const buf *b)
{
    const uint8_t *at = b->len < 4 ? NULL : memmem(b->ptr, b->len, "\r\n\r\n", 4);
    return at == NULL ? 0 : (size_t)(at - b->ptr) + 4;
}

static size_t body_length(const buf *b, size_t head)
{
    char text[4096] = "";
    memcpy(text, b->ptr, head < sizeof text ? head : sizeof text - 1);
    const char *field = strcasestr(text, "content-length:");
    unsigned long length = 0;
    if (field != NULL) {
        ASSERT(sscanf(field + 15, "%lu", &length) == 1);
    }
    return length;
}

static bool say(int fd, span answer)
{
    for (size_t at = 0; at < answer.len;) {
        ssize_t n = send(fd, answer.ptr + at, answer.len - at, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

/* Notes the request; what to answer, after holding it. False: the receiver stops. */
static bool note(struct receiver *r, int fd, span head, span body, buf *answer, bool *ends)
{
    pthread_mutex_lock(&r->lock);
    buf_clear(&r->head);
    buf_clear(&r->body);
    buf_append_span(&r->head, head);
    buf_append_span(&r->body, body);
    r->requests++;
    pthread_cond_broadcast(&r->changed);
    size_t early = r->hold && r->early < r->answer.len ? r->early : 0;
    bool go_on = say(fd, span_of(r->answer.ptr, early)); /* little: it does not block */
    while (r->hold && !r->stop) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    buf_clear(answer);
    buf_append(answer, r->answer.ptr + early, r->answer.len - early);
    go_on = go_on && !r->stop;
    *ends = r->ends;
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

static void *serve(void *arg)
{
    struct one *o = arg;
    struct receiver *r = o->r;
    int fd = r->fds[o->index];
    buf in = {0};
    buf answer = {0};
    bool go_on = true;
    while (go_on) {
        size_t head = head_end(&in);
        size_t whole = head == 0 ? 0 : head + body_length(&in, head);
        if (head == 0 || in.len < whole) {
            ASSERT(in.len < REQUEST_BYTES_MAX);
            ssize_t n = recv(fd, buf_reserve(&in, 65536), 65536, 0);
            go_on = n > 0;
            in.len += n > 0 ? (size_t)n : 0;
            continue;
        }
        bool ends;
        go_on = note(r, fd, span_of(in.ptr, head), span_of(in.ptr + head, whole - head), &answer,
                     &ends) &&
                say(fd, buf_span(&answer)) && !ends;
        buf_consume(&in, whole);
    }
    shutdown(fd, SHUT_RDWR); /* closed at the end, so that its number is not another's meanwhile */
    buf_deinit(&in);
    buf_deinit(&answer);
    mem_free(o);
    return NULL;
}

static void *run(void *arg)
{
    struct receiver *r = arg;
    for (;;) {
        int fd = accept(r->fd, NULL, NULL);
        pthread_mutex_lock(&r->lock);
        bool stop = r->stop || fd < 0;
        if (!stop) {
            ASSERT(r->connections < CONNECTIONS_MAX);
            struct one *o = mem_calloc(1, sizeof *o);
            *o = (struct one){r, r->connections++};
            r->fds[o->index] = fd;
            int rc = pthread_create(&r->threads[o->index], NULL, serve, o);
            ASSERT(rc == 0);
        }
        pthread_mutex_unlock(&r->lock);
        if (stop) {
            if (fd >= 0) {
                close(fd);
            }
            return NULL;
        }
    }
}

struct receiver *receiver_start(void)
{
    struct receiver *r = mem_calloc(1, sizeof *r);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = bind(r->fd, (struct sockaddr *)&a, len) == 0 && listen(r->fd, 128) == 0 &&
              getsockname(r->fd, (struct sockaddr *)&a, &len) == 0;
    ASSERT(ok);
    r->port = ntohs(a.sin_port);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    receiver_answers(r, "204 No Content", "", SPAN_NONE);
    int rc = pthread_create(&r->thread, NULL, run, r);
    ASSERT(rc == 0);
    return r;
}

void receiver_stop(struct receiver *r)
{
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    shutdown(r->fd, SHUT_RDWR);
    pthread_join(r->thread, NULL);
    for (unsigned i = 0; i < r->connections; i++) {
        shutdown(r->fds[i], SHUT_RDWR);
        pthread_join(r->threads[i], NULL);
        close(r->fds[i]);
    }
    close(r->fd);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    buf_deinit(&r->answer);
    buf_deinit(&r->head);
    buf_deinit(&r->body);
    mem_free(r);
}

int receiver_port(const struct receiver *r) { return r->port; }

void receiver_answers(struct receiver *r, const char *status, const char *headers, span body)
{
    pthread_mutex_lock(&r->lock);
    buf_clear(&r->answer);
    r->ends = false;
    buf_printf(&r->answer, "HTTP/1.1 %s\r\n%s", status, headers);
    if (strncmp(status, "204", 3) != 0) {
        buf_printf(&r->answer, "Content-Length: %zu\r\n", body.len);
    }
    buf_append_str(&r->answer, "\r\n");
    buf_append_span(&r->answer, body);
    pthread_mutex_unlock(&r->lock);
}

void receiver_says(struct receiver *r, span bytes)
{
    pthread_mutex_lock(&r->lock);
    buf_clear(&r->answer);
    buf_append_span(&r->answer, bytes);
    r->ends = true;
    pthread_mutex_unlock(&r->lock);
}

void receiver_hold(struct receiver *r, bool hold)
{
    pthread_mutex_lock(&r->lock);
    r->hold = hold;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

void receiver_hold_after(struct receiver *r, size_t bytes)
{
    pthread_mutex_lock(&r->lock);
    r->early = bytes;
    pthread_mutex_unlock(&r->lock);
}

void receiver_await(struct receiver *r, unsigned requests)
{
    pthread_mutex_lock(&r->lock);
    while (r->requests < requests) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
}

unsigned receiver_requests(struct receiver *r)
{
    pthread_mutex_lock(&r->lock);
    unsigned n = r->requests;
    pthread_mutex_unlock(&r->lock);
    return n;
}

unsigned receiver_connections(struct receiver *r)
{
    pthread_mutex_lock(&r->lock);
    unsigned n = r->connections;
    pthread_mutex_unlock(&r->lock);
    return n;
}

void receiver_last(struct receiver *r, buf *head, buf *body)
{
    pthread_mutex_lock(&r->lock);
    buf_append_span(head, buf_span(&r->head));
    buf_append_span(body, buf_span(&r->body));
    pthread_mutex_unlock(&r->lock);
}
