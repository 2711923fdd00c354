/*
 * Who gets a socket of the Monitor wire. A device's own key or token makes its socket the
 * device's; everybody else's is a viewer's, who may show the pid of a session to have it back.
 *
 *     since, session --> is there such a device, room for a viewer --> claim --> upgrade
 */
#include "base/mem.h"
#include "edge/monitor/session.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"

/* How long a refused viewer is asked to wait: others must leave first. */
#define VIEWERS_RETRY_MS 5000

/* What waits; a copy goes on after the call, which owns it, has gone. */
struct admission {
    struct rest_call *call;
    struct edge *edge;
    uuid device;
    uuid principal;
    bool is_device;
    struct monitor_admission in;
};

static void give_back(const struct admission *a)
{
    if (a->in.claimed) {
        recovery_drop(a->edge->home, span_str(a->in.ask.pid), a->principal, NULL);
    }
    if (!a->is_device) {
        device_viewer_leave(a->edge->home, a->device);
    }
}

static void open_socket(const struct admission *a)
{
    struct monitor *m = mem_calloc(1, a->is_device ? sizeof(struct monitor_device) : sizeof *m);
    m->device = a->device;
    m->is_device = a->is_device;
    if (!monitor_open(m, a->call, &a->in)) {
        monitor_free(m);
        give_back(a);
    }
}

static void claimed(void *owner, const struct recovery_result *r)
{
    struct admission a = *(struct admission *)owner;
    a.in.claimed = r->error == ERR_NONE;
    a.in.kept = r->pos;
    a.call = rest_resume(a.call);
    if (a.call == NULL) {
        give_back(&a);
        return;
    }
    buf state = {0}; /* the call, and what it owns, ends before the channels are joined */
    buf_append_span(&state, a.in.claimed ? r->state : SPAN_NONE);
    a.in.state = buf_span(&state);
    if (a.in.claimed && !monitor_state_fits(a.in.state, a.device)) { /* another device's */
        recovery_drop(a.edge->home, span_str(a.in.ask.pid), a.principal, NULL);
        a.in.claimed = false;
    }
    open_socket(&a);
    buf_deinit(&state);
}

static void refuse(struct rest_call *c, err error)
{
    if (error == ERR_RATE_LIMIT_EXCEEDED) {
        stats_name(&c->edge->stats.rate_limited, "viewers");
        rest_retry_later(c, error, VIEWERS_RETRY_MS);
    } else {
        rest_error(c, error, NULL);
    }
}

static void admitted(void *owner, err error)
{
    struct admission *waiting = owner;
    struct admission a = *waiting;
    a.call = rest_resume(a.call);
    if (error != ERR_NONE) {
        if (a.call != NULL) {
            refuse(a.call, error);
        }
    } else if (a.call == NULL) {
        give_back(&a);
    } else if (a.in.ask.pid[0] != '\0' && !a.is_device && !uuid_is_nil(a.principal)) {
        rest_later(a.call);
        monitor_claim(a.edge, &a.in.ask, a.principal, claimed, waiting);
    } else {
        open_socket(&a);
    }
}

static void admit(struct rest_call *c)
{
    if (!c->x->req->upgrade_websocket) {
        (void)rest_upgrade(c, NULL, NULL); /* answers 426 */
        return;
    }
    struct admission *a = ARENA_NEW(&c->arena, struct admission);
    /* The device of the path, or with "self" the one that asks. */
    uuid device = c->uuid_count > 0 ? c->uuids[0] : c->grant->principal;
    *a = (struct admission){.call = c,
                            .edge = c->edge,
                            .device = device,
                            .principal = c->grant->principal,
                            .is_device = c->grant->kind == PRINCIPAL_DEVICE &&
                                         uuid_eq(c->grant->principal, device)};
    if (!resume_ask_parse(rest_query(c, "since"), rest_query(c, "session"), &a->in.ask)) {
        device_bad_query(c, "since", "is no position of ours");
        return;
    }
    rest_later(c);
    if (a->is_device) {
        device_admit(c->edge->home, device, admitted, a);
    } else {
        device_viewer_admit(c->edge->home, device, admitted, a);
    }
}

void rest_device_socket(struct rest_call *c) { admit(c); }

void rest_device_self_socket(struct rest_call *c)
{
    if (c->grant->kind == PRINCIPAL_DEVICE) {
        admit(c);
    } else {
        rest_error(c, ERR_PERMISSION_DENIED, "only a device has a socket of its own");
    }
}
