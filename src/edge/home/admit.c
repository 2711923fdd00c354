/*
 * Who gets a socket of the Home wire: whoever may read some room (routes.def), and without a
 * credential who is on this machine. A client may show the pid of a session to have it back.
 *
 *     since, session --> claim --> upgrade
 */
#include "base/mem.h"
#include "edge/home/session.h"
#include "edge/rest/handlers.h"

static void open_socket(struct raw_admission *a)
{
    struct home_client *m = mem_calloc(1, sizeof *m);
    if (!home_open(m, a)) {
        home_free(m);
        raw_give_back(a);
    }
}

static void claimed(void *owner, const struct recovery_result *r)
{
    struct raw_admission a = *(struct raw_admission *)owner;
    buf state = {0};
    if (raw_claimed(&a, r, &state)) {
        open_socket(&a);
    } else {
        raw_give_back(&a);
    }
    buf_deinit(&state);
}

void rest_home_socket(struct rest_call *c)
{
    struct raw_admission a;
    if (!raw_admit(c, &a)) {
        return;
    }
    if (!home_sees(c->grant)) { /* it may read something somewhere, but no room */
        rest_error(c, ERR_PERMISSION_DENIED, NULL);
    } else if (raw_may_claim(&a)) {
        struct raw_admission *waiting = ARENA_NEW(&c->arena, struct raw_admission);
        *waiting = a;
        rest_later(c);
        home_claim(a.edge, &waiting->ask, a.principal, claimed, waiting);
    } else {
        open_socket(&a);
    }
}
