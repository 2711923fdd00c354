/*
 * The channel `events` of a viewer: the device's ordered events, each with its position, from
 * where `connected` said. It follows its own right, device:device:read, and is nothing for
 * anonymous clients.
 */
#include "base/mem.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "codec/json/write.h"
#include "domain/hostmetrics.h"
#include "edge/monitor/session.h"

#define STATE_DEPTH_MAX 2 /* of what monitor_keep writes */

bool monitor_has_events(const struct monitor *m)
{
    return !m->is_device && m->session.grant->kind != PRINCIPAL_ANONYMOUS;
}

static bool may_read(const struct monitor *m)
{
    return monitor_has_events(m) &&
           can(m->session.grant, PERM_DEVICE_READ, scope_device(m->device));
}

static void on_gap(struct resume *r, struct pos from, struct pos to)
{
    raw_gap(&monitor_raw, r->conn, from, to);
}

static const struct resume_wire wire = {.name = "monitor", .on_gap = on_gap};

void monitor_claim(struct edge *e, const struct resume_ask *ask, uuid principal,
                   recovery_done done, void *owner)
{
    resume_claim(e, &wire, ask, principal, done, owner);
}

static void open_resume(struct monitor *m, const struct resume_ask *ask, const struct pos *kept)
{
    m->resume = mem_calloc(1, sizeof *m->resume);
    resume_open(m->resume, &wire, m->conn, m->session.grant->principal, ask, kept);
}

/* Who shows nothing and asks for nothing remembers where it began, until it subscribes. */
void monitor_events_open(struct monitor *m, const struct raw_admission *a)
{
    if (!monitor_has_events(m)) {
        return;
    }
    m->start = journal_now(monitor_edge(m)->home->journal).n;
    if (a->ask.has_since || a->ask.session) {
        open_resume(m, &a->ask, a->claimed ? &a->kept : NULL);
    }
}

struct pos monitor_start(const struct monitor *m)
{
    if (m->resume != NULL) {
        return resume_start(m->resume);
    }
    struct pos p = journal_now(monitor_edge(m)->home->journal);
    p.n = m->start; /* the epoch is the same as long as the process lives */
    return p;
}

void monitor_events_close(struct monitor *m, close_reason reason)
{
    if (m->resume != NULL) {
        resume_close(m->resume, reason);
        mem_free(m->resume);
        m->resume = NULL;
    }
}

void monitor_keep(struct monitor *m)
{
    char id[UUID_TEXT_LEN + 1];
    buf state = {0};
    if (m->resume == NULL || resume_pid(m->resume).len == 0) {
        return;
    }
    struct json_writer w = json_writer_of(&state);
    uuid_format(m->device, id);
    json_open(&w, '{');
    json_member_string(&w, "device", span_of(id, UUID_TEXT_LEN));
    json_member_open(&w, "channels", '[');
    for (int c = 0; c < HOST_CHANNEL_NAMED; c++) {
        if ((m->channels & 1u << c) != 0) {
            json_write_string(&w, span_str(host_channel_name((enum host_channel)c)));
        }
    }
    if (m->events) {
        json_write_string(&w, MONITOR_EVENTS);
    }
    json_close(&w, ']');
    json_close(&w, '}');
    resume_save(m->resume, buf_span(&state));
    buf_deinit(&state);
}

bool monitor_state_fits(span state, uuid device)
{
    char id[UUID_TEXT_LEN + 1];
    size_t at;
    span value;
    uuid_format(device, id);
    return json_check(state, STATE_DEPTH_MAX, JSON_REFUSE_PROTO, &at) >= 0 &&
           json_get(json_root(state), "device", &value) &&
           json_string_eq(value, span_of(id, UUID_TEXT_LEN));
}

static void drop(struct monitor *m)
{
    char text[DEVICE_EVENTS_TOPIC_MAX];
    m->events = false;
    (void)resume_unsubscribe(m->resume, device_events_topic(m->device, text));
}

void monitor_events_join(struct monitor *m)
{
    char text[DEVICE_EVENTS_TOPIC_MAX];
    if (!may_read(m)) {
        monitor_refuse(m, SPAN_NONE, ERR_PERMISSION_DENIED, "channels", "events");
    } else if (!m->events) {
        m->events = true;
        if (m->resume == NULL) {
            struct resume_ask ask = {.has_since = true, .since = monitor_start(m)};
            open_resume(m, &ask, NULL);
        }
        resume_subscribe(m->resume, device_events_topic(m->device, text));
    }
}

void monitor_events_leave(struct monitor *m)
{
    if (m->events) {
        drop(m);
    }
}

void monitor_events_recheck(struct monitor *m)
{
    if (m->events && !may_read(m)) {
        drop(m);
        monitor_keep(m);
        monitor_refuse(m, SPAN_NONE, ERR_PERMISSION_DENIED, "channels",
                       "the rights were changed");
    }
}
