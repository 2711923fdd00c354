/*
 * Who gets a socket of the Home wire: whoever may read some room (routes.def), and without a
 * credential who is on this machine. A client may show the pid of a session to have it back.
 *
 *     since, session --> claim --> upgrade
 */
#include "base/mem.h"
#include "edge/home/session.h"
#include "edge/rest/handlers.h"

/* What waits; a copy goes on after the call, which owns it, has gone. */
struct admission {
    struct rest_call *call;
    struct edge *edge;
    uuid principal;
    struct home_admission in;
};

static void give_back(const struct admission *a)
{
    if (a->in.claimed) {
        recovery_drop(a->edge->home, span_str(a->in.ask.pid), a->principal, NULL);
    }
}

static void open_socket(const struct admission *a)
{
    struct home_client *m = mem_calloc(1, sizeof *m);
    if (!home_open(m, a->call, &a->in)) {
        home_free(m);
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
    buf state = {0}; /* the call, and what it owns, ends before the rooms are subscribed */
    buf_append_span(&state, a.in.claimed ? r->state : SPAN_NONE);
    a.in.state = buf_span(&state);
    open_socket(&a);
    buf_deinit(&state);
}

void rest_home_socket(struct rest_call *c)
{
    struct admission *a = ARENA_NEW(&c->arena, struct admission);
    *a = (struct admission){.call = c, .edge = c->edge, .principal = c->grant->principal};
    if (!c->x->req->upgrade_websocket) {
        (void)rest_upgrade(c, NULL, NULL); /* answers 426 */
    } else if (!resume_ask_parse(rest_query(c, "since"), rest_query(c, "session"), &a->in.ask)) {
        struct rest_fault fault = {.member = "since", .detail = "is no position of ours"};
        rest_invalid(c, "since is no position of ours", &fault, 1);
    } else if (!home_sees(c->grant)) { /* it may read something somewhere, but no room */
        rest_error(c, ERR_PERMISSION_DENIED, NULL);
    } else if (a->in.ask.pid[0] != '\0' && !uuid_is_nil(a->principal)) {
        rest_later(c);
        home_claim(a->edge, &a->in.ask, a->principal, claimed, a);
    } else {
        struct admission now = *a;
        open_socket(&now);
    }
}
