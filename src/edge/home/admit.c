/*
 * Who gets a socket of the Home wire: whoever may read some room (routes.def), and without a
 * credential who is on this machine. A client may show the pid of a session to have it back.
 *
 *     since, session --> claim --> upgrade
 */
#include "base/mem.h"
#include "edge/home/session.h"
#include "edge/rest/handlers.h"

static void open_socket(struct rest_call *c, const struct home_admission *in)
{
    struct home_client *m = mem_calloc(1, sizeof *m);
    if (!home_open(m, c, in)) {
        home_free(m);
    }
}

void rest_home_socket(struct rest_call *c)
{
    struct home_admission in = {0};
    if (!c->x->req->upgrade_websocket) {
        (void)rest_upgrade(c, NULL, NULL); /* answers 426 */
    } else if (!resume_ask_parse(rest_query(c, "since"), rest_query(c, "session"), &in.ask)) {
        struct rest_fault fault = {.member = "since", .detail = "is no position of ours"};
        rest_invalid(c, "since is no position of ours", &fault, 1);
    } else {
        open_socket(c, &in);
    }
}
