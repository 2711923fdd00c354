#include "edge/resume.h"

#include <stdio.h>

bool resume_ask_parse(span since, struct resume_ask *out)
{
    *out = (struct resume_ask){0};
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

static const struct journal_reader_ops reader_ops = {.on_gap = on_gap, .on_error = on_error};

void resume_open(struct resume *r, const struct resume_wire *wire, struct conn *conn,
                 const struct resume_ask *ask)
{
    struct edge *e = edge_of(conn);
    *r = (struct resume){.wire = wire, .conn = conn};
    r->start = ask->has_since ? ask->since : journal_now(e->home->journal);
}

void resume_close(struct resume *r)
{
    if (r->conn != NULL && r->reading) {
        journal_close(&r->reader);
        r->reading = false;
    }
    r->conn = NULL;
}

void resume_subscribe(struct resume *r, span topic)
{
    if (!r->reading) {
        r->reading = true;
        r->reader.ops = &reader_ops;
        journal_open(edge_at(r)->home->journal, &r->reader, conn_slot(r->conn), &r->start);
    }
    journal_subscribe(&r->reader, topic);
}

bool resume_unsubscribe(struct resume *r, span topic)
{
    return r->reading && journal_unsubscribe(&r->reader, topic);
}

void resume_writable(struct resume *r)
{
    if (r->reading) {
        journal_writable(&r->reader);
    }
}

struct pos resume_start(const struct resume *r) { return r->start; }

struct pos resume_pos(const struct resume *r)
{
    return r->reading ? journal_reader_pos(&r->reader) : r->start;
}

size_t edge_pos(const struct edge *e, const struct blob *b, char out[POS_TEXT_MAX])
{
    struct pos p = {.epoch = journal_now(e->home->journal).epoch, .n = b->pos};
    return pos_text(p, out);
}

span edge_device_topic(uuid device, char text[EDGE_DEVICE_TOPIC_MAX])
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(device, id);
    int len = snprintf(text, EDGE_DEVICE_TOPIC_MAX, "device/%s/events", id);
    return span_of(text, (size_t)len);
}
