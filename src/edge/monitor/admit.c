/*
 * Who gets a socket of the Monitor wire. A device's own key or token makes its socket the
 * device's; everybody else's is a viewer's, who may show the pid of a session to have it back.
 *
 *     since, session --> is there such a device, room for a viewer --> claim --> upgrade
 */
#include "base/mem.h"
#include "edge/monitor/session.h"
#include "edge/rest/handlers.h"

/* How long a refused viewer is asked to wait: others must leave first. */
#define VIEWERS_RETRY_MS 5000

/* What waits; a copy goes on after the call, which owns it, has gone. */
struct admission {
    struct raw_admission raw;
    uuid device;
    bool is_device;
};

static void give_back(struct admission *a)
{
    raw_give_back(&a->raw);
    if (!a->is_device) {
        device_viewer_leave(a->raw.edge->home, a->device);
    }
}

static void open_socket(struct admission *a)
{
    struct monitor *m = mem_calloc(1, a->is_device ? sizeof(struct monitor_device) : sizeof *m);
    m->device = a->device;
    m->is_device = a->is_device;
    if (!monitor_open(m, &a->raw)) {
        monitor_free(m);
        give_back(a);
    }
}

static void claimed(void *owner, const struct recovery_result *r)
{
    struct admission a = *(struct admission *)owner;
    buf state = {0};
    if (!raw_claimed(&a.raw, r, &state)) {
        give_back(&a);
        return;
    }
    if (a.raw.claimed && !monitor_state_fits(a.raw.state, a.device)) { /* another device's */
        raw_give_back(&a.raw);
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
    struct rest_call *c = rest_resume(a.raw.call);
    a.raw.call = c;
    if (error != ERR_NONE) {
        if (c != NULL) {
            refuse(c, error);
        }
    } else if (c == NULL) {
        give_back(&a);
    } else if (!a.is_device && raw_may_claim(&a.raw)) {
        rest_later(c);
        monitor_claim(a.raw.edge, &a.raw.ask, a.raw.principal, claimed, waiting);
    } else {
        open_socket(&a);
    }
}

static void admit(struct rest_call *c)
{
    struct admission *a = ARENA_NEW(&c->arena, struct admission);
    if (!raw_admit(c, &a->raw)) {
        return;
    }
    /* The device of the path, or with "self" the one that asks. */
    a->device = c->uuid_count > 0 ? c->uuids[0] : c->grant->principal;
    a->is_device = c->grant->kind == PRINCIPAL_DEVICE && uuid_eq(c->grant->principal, a->device);
    rest_later(c);
    if (a->is_device) {
        device_admit(c->edge->home, a->device, admitted, a);
    } else {
        device_viewer_admit(c->edge->home, a->device, admitted, a);
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
