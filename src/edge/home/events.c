/*
 * What is ordered on the Home wire (room_updated, broadcasts), from where `connection` said. Every
 * client begins with a reader of the journal, so that nothing is missed between its position and
 * its subscriptions; when it is live the reader goes, and a session that is not kept with it.
 */
#include "base/mem.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "codec/json/write.h"
#include "edge/home/session.h"

#define STATE_DEPTH_MAX 2 /* of what home_keep writes */

static void on_gap(struct resume *r, struct pos from, struct pos to)
{
    raw_gap(&home_raw, r->conn, from, to);
}

static void on_live(struct resume *r)
{
    struct home_client *m = ws_user(r->conn);
    m->replaying = false;
    resume_settle(r);
    if (resume_pid(r).len == 0) {
        resume_close(r, CLOSE_NORMAL);
        mem_free(r);
        m->resume = NULL;
    }
}

static const struct resume_wire wire = {.name = "home", .on_gap = on_gap, .on_live = on_live};

void home_claim(struct edge *e, const struct resume_ask *ask, uuid principal, recovery_done done,
                void *owner)
{
    resume_claim(e, &wire, ask, principal, done, owner);
}

void home_events_open(struct home_client *m, const struct raw_admission *a)
{
    m->resume = mem_calloc(1, sizeof *m->resume);
    m->replaying = true;
    resume_open(m->resume, &wire, m->conn, m->session.grant->principal, &a->ask,
                a->claimed ? &a->kept : NULL);
}

void home_events_close(struct home_client *m, close_reason reason)
{
    if (m->resume != NULL) {
        resume_close(m->resume, reason);
        mem_free(m->resume);
        m->resume = NULL;
    }
}

void home_events_join(struct home_client *m, span topic)
{
    if (m->replaying) {
        resume_subscribe(m->resume, topic);
    } else {
        (void)hub_subscribe(home_edge(m)->hub, conn_slot(m->conn), JOURNAL_HOME, topic);
    }
}

void home_keep(struct home_client *m)
{
    char id[UUID_TEXT_LEN + 1];
    buf state = {0};
    if (m->resume == NULL || resume_pid(m->resume).len == 0) {
        return;
    }
    struct json_writer w = json_writer_of(&state);
    uuid_format(m->id, id);
    json_open(&w, '{');
    json_member_string(&w, "client_id", span_of(id, UUID_TEXT_LEN));
    if (m->rooms != NULL) {
        json_member_open(&w, "rooms", '[');
        for (unsigned i = 0; i < m->rooms->count; i++) {
            json_write_i64(&w, m->rooms->rooms[i]);
        }
        json_close(&w, ']');
    }
    json_close(&w, '}');
    resume_save(m->resume, buf_span(&state));
    buf_deinit(&state);
}

bool home_kept_id(span state, uuid *id)
{
    size_t at;
    span value;
    if (json_check(state, STATE_DEPTH_MAX, JSON_REFUSE_PROTO, &at) < 0 ||
        !json_get(json_root(state), "client_id", &value) || value.len != UUID_TEXT_LEN + 2) {
        return false;
    }
    return uuid_parse(span_slice(value, 1, UUID_TEXT_LEN), id); /* within its quotes */
}
