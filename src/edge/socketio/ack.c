/*
 * Acks that we wait for. Few sockets have any, so they are a list beside the socket; each is told
 * once: its answer, or that there will be none.
 */
#include "edge/socketio/internal.h"

#include "base/mem.h"

struct sio_ack {
    struct deadline due;
    struct sio_ack *next;
    struct sio_socket *socket;
    uint64_t id;
    sio_acked done;
    void *owner;
};

struct sio_acks {
    struct sio_ack *first;
    uint32_t count;
    uint64_t next_id;
};

/* Takes one out of its socket's list and tells its owner, which may free the socket. */
static void finish(struct sio_ack *a, err error, span args, const span *attachments,
                   unsigned count)
{
    struct sio_acks *acks = a->socket->acks;
    struct sio_ack **at = &acks->first;
    while (*at != a) {
        at = &(*at)->next;
    }
    *at = a->next;
    acks->count--;
    deadline_clear(&a->due);
    a->done(a->owner, error, args, attachments, count);
    mem_free(a);
}

static void timed_out(struct deadline *d)
{
    finish(CONTAINER_OF(d, struct sio_ack, due), ERR_SERVER_ERROR, SPAN_NONE, NULL, 0);
}

bool sio_emit_ack(struct sio_socket *s, span args, const span *attachments, unsigned count,
                  uint32_t timeout_ms, sio_acked done, void *owner)
{
    struct edge *e = sio_edge(s);
    if (s->state != SIO_CONNECTED) {
        return false;
    }
    if (s->acks == NULL) {
        s->acks = mem_calloc(1, sizeof *s->acks);
    }
    if (s->acks->count >= e->conf->sio_acks_max) {
        stats_name(&e->stats.rate_limited, "acks");
        return false;
    }
    struct sio_ack *a = mem_calloc(1, sizeof *a);
    a->socket = s;
    a->id = s->acks->next_id++;
    a->done = done;
    a->owner = owner;
    a->next = s->acks->first;
    s->acks->first = a;
    s->acks->count++;
    a->due.fire = timed_out;
    deadline_set(e->home, &a->due, timeout_ms);
    sio_send(s->sio, SIO_EVENT, sio_nsp(s), (int64_t)a->id, args, attachments, count,
             BLOB_ORDERED);
    return true;
}

bool sio_acked_by(struct sio_socket *s, uint64_t id, span args, const span *attachments,
                  unsigned count)
{
    struct sio_ack *a = s->acks == NULL ? NULL : s->acks->first;
    while (a != NULL && a->id != id) {
        a = a->next;
    }
    if (a == NULL) {
        return false;
    }
    finish(a, ERR_NONE, args, attachments, count);
    return true;
}

void sio_acks_end(struct sio_socket *s)
{
    while (s->acks != NULL && s->acks->first != NULL) {
        finish(s->acks->first, ERR_SERVER_ERROR, SPAN_NONE, NULL, 0);
    }
    mem_free(s->acks);
    s->acks = NULL;
}
