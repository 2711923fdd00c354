#include "edge/resume.h"

#include "base/assert.h"

#include <string.h>

bool resume_ask_parse(span since, span session, struct resume_ask *out)
{
    *out = (struct resume_ask){.session = session.ptr != NULL};
    if (session.len > 0 && session.len <= RECOVERY_PID_LEN) { /* a longer one was never given */
        memcpy(out->pid, session.ptr, session.len);
    }
    if (since.len == 0) {
        return true;
    }
    out->has_since = pos_parse(since, &out->since);
    return out->has_since;
}

static struct edge *edge_at(const struct resume *r) { return edge_of(r->conn); }

static void on_gap(struct journal_reader *reader, struct pos from, struct pos to)
{
    struct resume *r = CONTAINER_OF(reader, struct resume, reader);
    r->wire->on_gap(r, from, to);
}

static void on_error(struct journal_reader *reader, err error)
{
    struct resume *r = CONTAINER_OF(reader, struct resume, reader);
    LOG(loop_log(edge_at(r)->loop), LOG_WARN, "error", LOG_STR("what", "replay"),
        LOG_STR("error", err_name(error)), LOG_U64("conn", conn_slot(r->conn)));
    conn_close(r->conn, CLOSE_SLOW);
}

static void on_live(struct journal_reader *reader)
{
    struct resume *r = CONTAINER_OF(reader, struct resume, reader);
    if (r->wire->on_live != NULL) {
        r->wire->on_live(r);
    }
}

static const struct journal_reader_ops reader_ops = {
    .on_gap = on_gap, .on_error = on_error, .on_live = on_live};

void resume_open(struct resume *r, const struct resume_wire *wire, struct conn *conn,
                 uuid principal, const struct resume_ask *ask, const struct pos *kept)
{
    struct edge *e = edge_of(conn);
    *r = (struct resume){.wire = wire, .conn = conn, .principal = principal};
    r->start = ask->has_since ? ask->since
               : kept != NULL ? *kept
                              : journal_now(e->home->journal);
    if (kept != NULL) {
        memcpy(r->pid, ask->pid, sizeof r->pid);
    } else if (ask->session && !uuid_is_nil(principal)) {
        recovery_pid(e->home, r->pid);
    }
}

/* What has ended cannot be claimed: the peer took its leave, or may not come back. */
static bool is_over(close_reason reason)
{
    return reason == CLOSE_PEER_CLOSED || close_reconnect_rule(reason) == RECONNECT_NEVER;
}

void resume_close(struct resume *r, close_reason reason)
{
    if (r->conn == NULL) {
        return;
    }
    struct home *h = edge_at(r)->home;
    if (r->reading) {
        journal_close(&r->reader);
        r->reading = false;
    }
    if (r->pid[0] != '\0' && is_over(reason)) {
        recovery_end(h, resume_pid(r), r->principal);
    } else if (r->pid[0] != '\0') {
        recovery_drop(h, resume_pid(r), r->principal, NULL);
    }
    r->conn = NULL;
}

static void read_on(struct resume *r)
{
    if (!r->reading) {
        r->reading = true;
        r->reader.ops = &reader_ops;
        journal_open(edge_at(r)->home->journal, &r->reader, conn_slot(r->conn), &r->start);
    }
}

void resume_subscribe(struct resume *r, span topic)
{
    read_on(r);
    journal_subscribe(&r->reader, topic);
}

void resume_subscribe_after(struct resume *r, span topic, struct pos after)
{
    read_on(r);
    journal_subscribe_after(&r->reader, topic, after);
}

bool resume_unsubscribe(struct resume *r, span topic)
{
    return r->reading && journal_unsubscribe(&r->reader, topic);
}

void resume_save(struct resume *r, span state)
{
    if (r->pid[0] != '\0') {
        (void)recovery_save(edge_at(r)->home, resume_pid(r), r->principal,
                            &(struct recovery_state){
                                .wire = r->wire->name, .state = state, .pos = r->start});
    }
}

void resume_writable(struct resume *r)
{
    if (r->reading) {
        journal_writable(&r->reader);
    }
}

void resume_settle(struct resume *r)
{
    if (r->reading) {
        journal_close(&r->reader);
        r->reading = false;
    }
}

span resume_pid(const struct resume *r) { return span_str(r->pid); }
struct pos resume_start(const struct resume *r) { return r->start; }

struct pos resume_pos(const struct resume *r)
{
    return r->reading ? journal_reader_pos(&r->reader) : r->start;
}

void resume_claim(struct edge *e, const struct resume_wire *wire, const struct resume_ask *ask,
                  uuid principal, recovery_done done, void *owner)
{
    ASSERT(ask->pid[0] != '\0');
    recovery_claim(e->home, span_str(ask->pid), principal, wire->name, done, owner);
}

size_t edge_pos(const struct edge *e, const struct blob *b, char out[POS_TEXT_MAX])
{
    struct pos p = {.epoch = journal_now(e->home->journal).epoch, .n = b->pos};
    return pos_text(p, out);
}
