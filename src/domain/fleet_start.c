/* What start-up does to the store before anybody is served. */
#include "domain/fleet.h"

#include "ports/store.h"

/* Rows a request: a crash leaves at most as many open as there were connections. */
#define CLOSE_ROWS 10000

static err close_open(struct store *s, int64_t now_ms, bool *more)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CONNECTION_CLOSE_OPEN, 1);
    store_set_int(req, 0, 0, 0, now_ms);
    store_set_text(req, 0, 0, 1, SPAN("crash"));
    store_set_int(req, 0, 0, 2, CLOSE_ROWS);
    err error = store_run(s, req);
    *more = error == ERR_NONE && req->steps[0].change_count > 0;
    store_req_free(req);
    return error;
}

err fleet_reset(struct store *s, int64_t now_ms)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_DEVICE_SET_ALL_OFFLINE, 1);
    err error = store_run(s, req);
    store_req_free(req);
    for (bool more = true; error == ERR_NONE && more;) {
        error = close_open(s, now_ms, &more);
    }
    return error;
}
